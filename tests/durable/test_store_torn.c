/* SPDX-License-Identifier: BSD-3-Clause */
/* A segment that ends anywhere, and a cut that ends at any call. */
#include "durable/made.h"

/* ---- a tail that is torn --------------------------------------------------------------------- */

#define SYNCED 20 /* events that are synced */
#define BATCH 6   /* then there are three batches of so many */

typedef struct tail {
    disk_t *disk;
    char path[512];
    size_t starts[4]; /* where each of the three batches begins, and the last ends */
} tail_t;

static void tail_find_segment(void *context, const char *path, size_t bytes) {
    tail_t *tail = context;
    size_t length = strlen(path);
    if (bytes > 0 && strcmp(path + length - 4, ".log") == 0)
        snprintf(tail->path, sizeof tail->path, "%s", path);
}

static void tail_make(tail_t *tail) {
    made_t made;
    uint64_t synced;
    tail->disk = disk_create(1);
    OK(made_open(&made, tail->disk, MFI_STORE_MAKE));
    mfi_writer_t *w = made_writer(&made.log, 0);
    OK(made_append(w, 0, SYNCED, 1));
    OK(mfi_writer_sync(w, &synced));
    disk_list(tail->disk, tail_find_segment, tail);
    for (int i = 0; i < 4; i++) {
        (void)disk_bytes(tail->disk, tail->path, &tail->starts[i]);
        if (i < 3)
            OK(made_append(w, SYNCED + (uint64_t)i * BATCH, BATCH, 1));
    }
    disk_t *kept = disk_copy(tail->disk); /* without what a close writes */
    (void)mfi_writer_close(w);
    made_close(&made);
    disk_destroy(tail->disk);
    tail->disk = kept;
}

/* The whole batches of a tail of that many bytes. */
static uint64_t tail_batches(const tail_t *tail, size_t bytes) {
    uint64_t count = 0;
    while (count < 3 && bytes >= tail->starts[count + 1])
        count++;
    return count;
}

/* Open it: the batches that are whole are there, and only these. */
static void tail_check(disk_t *disk, uint64_t least, uint64_t most) {
    made_t made;
    mfi_writer_t *w;
    mfi_opened_t opened;
    OK(made_open(&made, disk, MFI_STORE_THERE));
    /* Before any recovery, too. */
    uint64_t read = made_read_all(&made.log, 1);
    IN_RANGE(read, least, most);
    OK(mfi_writer_open(&made.log, &(mfi_writer_options_t){.cut = MFI_NO_CUT}, &opened, &w));
    assert_int_equal(opened.next, read);
    OK(made_append(w, opened.next, 3, 1));
    OK(mfi_writer_close(w));
    assert_int_equal(made_read_all(&made.log, 1), read + 3);
    made_close(&made);
}

static void a_tail_is_torn_at_every_byte(void **state) {
    (void)state;
    tail_t tail;
    tail_make(&tail);
    for (size_t bytes = tail.starts[0]; bytes <= tail.starts[3]; bytes++) {
        disk_t *disk = disk_copy(tail.disk);
        disk_truncate(disk, tail.path, bytes);
        uint64_t least = SYNCED + BATCH * tail_batches(&tail, bytes);
        /* The zeros at a batch's end hold nothing. */
        uint64_t most = SYNCED + BATCH * tail_batches(&tail, bytes + 63);
        tail_check(disk, least, most);
        disk_destroy(disk);
    }
    disk_destroy(tail.disk);
}

/* The rest of the file is there, and its bytes are not. */
static void a_tail_is_zeros_or_noise_from_every_byte(void **state) {
    (void)state;
    tail_t tail;
    uint64_t seed = 1;
    tail_make(&tail);
    for (size_t from = tail.starts[0]; from < tail.starts[3]; from += 5) {
        for (int noise = 0; noise < 2; noise++) {
            disk_t *disk = disk_copy(tail.disk);
            size_t size;
            uint8_t *bytes = disk_bytes(disk, tail.path, &size);
            for (size_t i = from; i < size; i++)
                bytes[i] = noise ? (uint8_t)next_random(&seed) : 0;
            tail_check(disk, SYNCED + BATCH * tail_batches(&tail, from),
                       SYNCED + BATCH * tail_batches(&tail, from + 63));
            disk_destroy(disk);
        }
    }
    disk_destroy(tail.disk);
}

/* Pages behind the hole are there; the hole is not synced, so it is no damage. */
static void a_hole_in_what_is_not_synced_ends_the_log(void **state) {
    (void)state;
    tail_t tail;
    tail_make(&tail);
    for (size_t from = tail.starts[0]; from + 8 < tail.starts[1]; from += 3) {
        disk_t *disk = disk_copy(tail.disk);
        size_t size;
        uint8_t *bytes = disk_bytes(disk, tail.path, &size);
        uint8_t before[8];
        memcpy(before, bytes + from, 8);
        memset(bytes + from, 0, 8);
        bool same = memcmp(before, bytes + from, 8) == 0;
        tail_check(disk, same ? SYNCED + 3 * BATCH : SYNCED,
                   same || from + 72 > tail.starts[1] ? SYNCED + 3 * BATCH : SYNCED);
        disk_destroy(disk);
    }
    disk_destroy(tail.disk);
}

/* ---- a cut that is interrupted --------------------------------------------------------------- */

#define PARTITIONS 3

typedef struct topic {
    mfi_io_t io;
    mfi_store_t store;
    mfi_topic_record_t record;
} topic_t;

static void topic_open(topic_t *topic, disk_t *disk) {
    static const mofka_topic_config_t config = {
        .name = "a/b", .options = "{}", .validator = "{}", .selector = "{}", .serializer = "{}"};
    static const char *const hosts[PARTITIONS] = {"n0", "n0", "n0"};
    topic->io = disk_io(disk);
    OK(mfi_store_open(&topic->io, "/s", MFI_STORE_MAKE, &topic->store));
    mofka_status_t status = mfi_store_load_topic(&topic->store, "a/b", &topic->record);
    if (status == MOFKA_ERR_NOT_FOUND) {
        OK(mfi_store_create_topic(&topic->store, &config, PARTITIONS, hosts, true));
        OK(mfi_store_load_topic(&topic->store, "a/b", &topic->record));
    }
}

static disk_t *topic_make(void) {
    disk_t *disk = disk_create(1);
    topic_t topic;
    mfi_log_t log;
    topic_open(&topic, disk);
    for (size_t i = 0; i < PARTITIONS; i++) {
        OK(mfi_store_log(&topic.store, &topic.record, i, &log));
        mfi_writer_t *w = made_writer(&log, 6000);
        for (uint64_t id = 0; id < 40; id += 8)
            OK(made_append(w, id, 8, 1));
        OK(mfi_writer_close(w));
    }
    mfi_topic_record_clear(&topic.record);
    disk_t *copy = disk_copy(disk);
    disk_destroy(disk);
    return copy;
}

static const uint64_t cut_ends[PARTITIONS] = {13, 40, 0};

/* After a crash at that call of a cut: all partitions are cut, or none. False: the cut came to its
 * end before that call. */
static bool cut_stop_at(const disk_t *made, uint64_t call, bool power) {
    disk_t *disk = disk_copy(made);
    topic_t topic;
    mfi_log_t log;
    uint64_t ends[PARTITIONS];
    topic_open(&topic, disk);
    disk_stop(disk, call);
    mofka_status_t status = mfi_store_cut(&topic.store, &topic.record, cut_ends);
    bool stopped = disk_is_stopped(disk);
    assert_true(stopped || !status);
    mfi_topic_record_clear(&topic.record);
    if (power)
        disk_end_power(disk);
    else
        disk_end_process(disk);
    topic_open(&topic, disk);
    OK(mfi_store_finish_cut(&topic.store));
    for (size_t i = 0; i < PARTITIONS; i++) {
        OK(mfi_store_log(&topic.store, &topic.record, i, &log));
        ends[i] = made_read_all(&log, 1);
    }
    bool cut = ends[0] == cut_ends[0];
    if (!stopped || !status)
        assert_true(cut);
    for (size_t i = 0; i < PARTITIONS; i++)
        assert_int_equal(ends[i], cut ? cut_ends[i] : 40);
    mfi_topic_record_clear(&topic.record);
    disk_destroy(disk);
    return stopped;
}

static void a_cut_is_whole_after_a_crash_at_every_call(void **state) {
    (void)state;
    disk_t *disk = topic_make();
    for (int power = 0; power < 2; power++) {
        uint64_t call = 0;
        while (cut_stop_at(disk, call, power))
            call++;
        IN_RANGE(call, 50, 5000);
    }
    disk_destroy(disk);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_tail_is_torn_at_every_byte),
        cmocka_unit_test(a_tail_is_zeros_or_noise_from_every_byte),
        cmocka_unit_test(a_hole_in_what_is_not_synced_ends_the_log),
        cmocka_unit_test(a_cut_is_whole_after_a_crash_at_every_call),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
