/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Topics with storage: the highest rank does not see the store. What the ring has let go, rank 0,
 * the only owner, reads for it.
 *   staging WINDOW [CASES [FOLDER]]
 * FOLDER, where the store is made, is not seen by the highest rank, which is on another host. Else
 * that rank is told that there is no store.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include "mpi/staging/staging.h"
#include "store/store.h"
#include "support/callbacks.h"
#include "support/clock.h"
#include "support/mpi/mpi_main.h"

#define STAGE_MS 60000
/* A ring that the stream wraps in many times. */
#define STAGE_SMALL "\"partition_bytes\":65536,\"partition_events\":256"

static char folder[64];
static const char *parent = "/tmp";
static bool on_hosts;
static atomic_int asked; /* requests of this rank */
static atomic_bool denies_death = true;

/* ---- what this rank sees --------------------------------------------------------------------- */

static bool is_blind(void) {
    return rank == size - 1;
}

mofka_status_t __real_mfi_store_open(const mfi_io_t *io, const char *path, mfi_store_mode_t mode,
                                     mfi_store_t *store);
mofka_status_t __wrap_mfi_store_open(const mfi_io_t *io, const char *path, mfi_store_mode_t mode,
                                     mfi_store_t *store);
mofka_status_t __wrap_mfi_store_open(const mfi_io_t *io, const char *path, mfi_store_mode_t mode,
                                     mfi_store_t *store) {
    return is_blind() && !on_hosts ? mofka_fail(MOFKA_ERR_NOT_FOUND, "not seen from rank %d", rank)
                                   : __real_mfi_store_open(io, path, mode, store);
}

int __real_mmi_stage_ask(mmi_stage_t *stage, const mmi_partition_t *p, const char *host,
                         const mmi_stage_request_t *request, void *to, size_t room,
                         mmi_stage_result_t *result);
int __wrap_mmi_stage_ask(mmi_stage_t *stage, const mmi_partition_t *p, const char *host,
                         const mmi_stage_request_t *request, void *to, size_t room,
                         mmi_stage_result_t *result);
int __wrap_mmi_stage_ask(mmi_stage_t *stage, const mmi_partition_t *p, const char *host,
                         const mmi_stage_request_t *request, void *to, size_t room,
                         mmi_stage_result_t *result) {
    atomic_fetch_add(&asked, 1);
    return __real_mmi_stage_ask(stage, p, host, request, to, room, result);
}

bool __real_mmi_alive_is_dead(mmi_window_t *w, int owner);
bool __wrap_mmi_alive_is_dead(mmi_window_t *w, int owner);
bool __wrap_mmi_alive_is_dead(mmi_window_t *w, int owner) {
    return !atomic_load(&denies_death) || __real_mmi_alive_is_dead(w, owner);
}

/* ---- helpers --------------------------------------------------------------------------------- */

static int stage_set_up(void **state) {
    (void)state;
    if (rank == 0) {
        snprintf(folder, sizeof folder, "%s/mofka-staging-XXXXXX", parent);
        if (!mkdtemp(folder))
            return 1;
    }
    MPI_Bcast(folder, sizeof folder, MPI_CHAR, 0, MPI_COMM_WORLD);
    return 0;
}

static int stage_tear_down(void **state) {
    char command[128];
    (void)state;
    MPI_Barrier(MPI_COMM_WORLD);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return rank == 0 ? system(command) : 0;
}

static mofka_driver_t *stage_driver(void) {
    mofka_driver_t *driver;
    char options[512];
    snprintf(options, sizeof options, "{\"window\":\"%s\",\"store\":\"%s/store\",\"owners\":[0]}",
             window, folder);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver));
    return driver;
}

static void stage_close_driver(mofka_driver_t *driver, mofka_topic_t *topic) {
    MPI_Barrier(MPI_COMM_WORLD);
    mofka_topic_release(topic);
    OK(mofka_driver_close(driver, STAGE_MS));
    mofka_driver_release(driver);
}

/* `options`: of the topic; NULL: it is there already. */
static mofka_topic_t *stage_topic(mofka_driver_t *driver, const char *options) {
    mofka_topic_t *topic;
    if (rank == 0 && options)
        OK(mofka_driver_create_topic(driver, "t", &(mofka_topic_options_t){.options = options}));
    OK(mofka_driver_open_topic(driver, "t", STAGE_MS, &topic));
    return topic;
}

/* One in 500 may be longer than an answer. 0: none has data. */
static size_t bytes_of(int n, size_t longest) {
    return longest == 0 ? 0 : n % 500 == 7 ? longest : (size_t)(n * 131) % 700;
}

static unsigned char byte_of(int n, size_t at) {
    return (unsigned char)(n * 7 + (int)(at * 13 % 251));
}

static void stage_push(mofka_topic_t *topic, int from, int to, size_t longest) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.batch_size = 16}, &producer));
    for (int n = from; n < to; n++) {
        char text[32];
        mofka_data_view_t *data;
        size_t count = bytes_of(n, longest);
        size_t length = (size_t)snprintf(text, sizeof text, "{\"n\":%d}", n);
        OK(mofka_data_view_allocate(count, &data));
        unsigned char *bytes = mofka_data_view_segments(data, NULL)->ptr;
        for (size_t k = 0; k < count; k++)
            bytes[k] = byte_of(n, k);
        OK(mofka_producer_push(producer, text, length, data, 0, NULL));
        mofka_data_view_release(data);
    }
    OK(mofka_producer_close(producer, STAGE_MS));
    mofka_producer_release(producer);
}

static mofka_consumer_t *stage_consumer(mofka_topic_t *topic, const char *name) {
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = name, .selector = select_all_data}, &consumer));
    return consumer;
}

static void stage_end_consumer(mofka_consumer_t *consumer) {
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

static void stage_check(mofka_event_t *event, int n, size_t longest) {
    char text[32];
    size_t count = bytes_of(n, longest);
    snprintf(text, sizeof text, "{\"n\":%d}", n);
    assert_int_equal(mofka_event_id(event), n);
    assert_string_equal(mofka_event_metadata_text(event, NULL), text);
    assert_int_equal(mofka_event_data_size(event), count);
    unsigned char *bytes = malloc(count + 1);
    assert_int_equal(mofka_data_view_read(mofka_event_data(event), (char *)bytes, count, 0), count);
    for (size_t k = 0; k < count; k++)
        if (bytes[k] != byte_of(n, k))
            fail_msg("event %d, byte %zu", n, k);
    free(bytes);
}

static void stage_pull(mofka_consumer_t *consumer, int from, int to, size_t longest) {
    for (int n = from; n < to; n++) {
        mofka_event_t *event;
        OK(mofka_consumer_pull(consumer, STAGE_MS, &event));
        assert_int_equal(mofka_event_lost(event), 0);
        stage_check(event, n, longest);
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
}

/* ---- cases ----------------------------------------------------------------------------------- */

/* From files, while they grow, to the ring and back. */
static void a_blind_reader_gets_all(void **state) {
    (void)state;
    const size_t longest = 300000;
    const int half = on_hosts ? 500 : 1000;
    mofka_driver_t *driver = stage_driver();
    mofka_topic_t *topic =
        stage_topic(driver, "{\"storage\":{\"segment_bytes\":200000},\"partition_bytes\":1048576,"
                            "\"partition_events\":256}");
    if (rank == 0)
        stage_push(topic, 0, half, longest);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        stage_push(topic, half, 2 * half, longest);
    if (is_blind()) {
        mofka_consumer_t *consumer = stage_consumer(topic, "blind");
        stage_pull(consumer, 0, 2 * half, longest);
        assert_true(atomic_load(&asked) > 20);
        for (int i = 0; i < 5; i++) { /* anywhere, also backwards */
            int id = i * 1103 % (2 * half - 10);
            OK(mofka_consumer_seek(consumer, 0, (uint64_t)id));
            stage_pull(consumer, id, id + 10, longest);
        }
        OK(mofka_consumer_seek_time(consumer, 1));
        stage_pull(consumer, 0, 10, longest);
        stage_end_consumer(consumer);
    }
    stage_close_driver(driver, topic);
}

typedef struct reading {
    mofka_topic_t *topic;
    char name[16];
} reading_t;

static void *read_all(void *argument) {
    const reading_t *reading = argument;
    mofka_consumer_t *consumer = stage_consumer(reading->topic, reading->name);
    stage_pull(consumer, 0, 800, 100);
    stage_end_consumer(consumer);
    return NULL;
}

/* They have one line between them; and in the other ranks, files of their own. */
static void readers_share_the_line_of_a_rank(void **state) {
    (void)state;
    mofka_driver_t *driver = stage_driver();
    mofka_topic_t *topic =
        stage_topic(driver, "{\"storage\":{\"segment_bytes\":20000}," STAGE_SMALL "}");
    if (rank == 0)
        stage_push(topic, 0, 1200, 100);
    MPI_Barrier(MPI_COMM_WORLD);
    reading_t readings[3];
    pthread_t threads[3];
    int before = atomic_load(&asked);
    for (int i = 0; i < 3; i++) {
        readings[i].topic = topic;
        snprintf(readings[i].name, sizeof readings[i].name, "r%d of %d", i, rank);
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readings[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&asked) > before, is_blind());
    stage_close_driver(driver, topic);
}

static void a_blind_rank_creates_no_topic(void **state) {
    (void)state;
    mofka_driver_t *driver = stage_driver();
    if (is_blind())
        FAILS(mofka_driver_create_topic(driver, "t",
                                        &(mofka_topic_options_t){.options = "{\"storage\":{}}"}),
              MOFKA_ERR_UNSUPPORTED, "does not see the store");
    mofka_topic_t *topic = stage_topic(driver, "{\"storage\":{}}");
    if (is_blind()) {
        stage_push(topic, 0, 10, 100);
        mofka_consumer_t *consumer = stage_consumer(topic, "blind");
        stage_pull(consumer, 0, 10, 100);
        stage_end_consumer(consumer);
    }
    stage_close_driver(driver, topic);
}

/* ---- an owner that does not answer ----------------------------------------------------------- */

static void stage_expect_late(mofka_consumer_t *consumer, int64_t timeout_ms) {
    mofka_event_t *event;
    int64_t before = clock_ms();
    mofka_status_t status = mofka_consumer_pull(consumer, timeout_ms, &event);
    int64_t took = clock_ms() - before;
    NEEDS(status == MOFKA_ERR_TIMEOUT);
    NEEDS(took >= timeout_ms && took < timeout_ms + 5000); /* a busy machine */
}

/* Its process is stopped in the middle of a reader's way. A failure ends the job: nobody could wake
 * the owner. */
static void a_stopped_owner_is_named(void **state) {
    (void)state;
    pid_t owner = getpid();
    mofka_event_t *event;
    MPI_Bcast(&owner, sizeof owner, MPI_BYTE, 0, MPI_COMM_WORLD);
    mofka_driver_t *driver = stage_driver();
    mofka_topic_t *topic =
        stage_topic(driver, "{\"storage\":{\"segment_bytes\":20000}," STAGE_SMALL "}");
    if (rank == 0)
        stage_push(topic, 0, 2000, 100);
    MPI_Barrier(MPI_COMM_WORLD);
    if (is_blind()) {
        mofka_consumer_t *consumer = stage_consumer(topic, "blind");
        int next = 5;
        stage_pull(consumer, 0, next, 100);
        kill(owner, SIGSTOP);
        while (mofka_consumer_pull(consumer, 300, &event) == MOFKA_OK) { /* what it has */
            stage_check(event, next++, 100);
            mofka_event_release(event);
        }
        stage_expect_late(consumer, 300);
        if (strcmp(window, "shm") == 0) {
            NEEDS(strstr(mofka_last_error(), "reads its files for this rank"));
            atomic_store(&denies_death, false); /* as if it had died */
            NEEDS(mofka_consumer_pull(consumer, 5000, &event) == MOFKA_ERR_STORAGE);
            NEEDS(strstr(mofka_last_error(), "rank 0 on host '"));
            NEEDS(strstr(mofka_last_error(), "died"));
            atomic_store(&denies_death, true);
        }
        kill(owner, SIGCONT);
        stage_pull(consumer, next, 2000, 100);
        stage_end_consumer(consumer);
    }
    stage_close_driver(driver, topic);
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* Change a byte in the middle of the only segment. */
static void stage_damage(void) {
    char path[512], file[1024];
    snprintf(path, sizeof path, "%s/store/topics/t%%/0000", folder);
    DIR *list = opendir(path);
    assert_non_null(list);
    for (struct dirent *entry; (entry = readdir(list));) {
        unsigned char byte;
        struct stat is;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        size_t length = strlen(file);
        if (length < 4 || strcmp(file + length - 4, ".log") != 0)
            continue;
        int fd = open(file, O_RDWR);
        assert_int_equal(fstat(fd, &is), 0);
        assert_int_equal(pread(fd, &byte, 1, is.st_size / 2), 1);
        byte ^= 0x40;
        assert_int_equal(pwrite(fd, &byte, 1, is.st_size / 2), 1);
        close(fd);
    }
    closedir(list);
}

static void damage_is_reported_to_a_blind_reader(void **state) {
    (void)state;
    mofka_event_t *event;
    mofka_driver_t *driver = stage_driver();
    mofka_topic_t *topic = stage_topic(driver, "{\"storage\":{}," STAGE_SMALL "}");
    if (rank == 0)
        stage_push(topic, 0, 1000, 0);
    stage_close_driver(driver, topic);
    if (rank == 0)
        stage_damage();
    MPI_Barrier(MPI_COMM_WORLD);
    driver = stage_driver();
    topic = stage_topic(driver, NULL);
    if (is_blind()) {
        mofka_consumer_t *consumer = stage_consumer(topic, "blind");
        mofka_status_t status;
        uint64_t next = 0, skipped = 0, lost = 0;
        while ((status = mofka_consumer_pull(consumer, STAGE_MS, &event)) == MOFKA_OK) {
            next = mofka_event_id(event) + 1;
            mofka_event_release(event);
        }
        assert_int_equal(status, MOFKA_ERR_CORRUPT);
        assert_non_null(strstr(mofka_last_error(), ".log, byte "));
        OK(mofka_consumer_skip_damaged(consumer, &skipped));
        assert_in_range(skipped, 1, 64);
        while (next < 1000) {
            OK(mofka_consumer_pull(consumer, STAGE_MS, &event));
            lost += mofka_event_lost(event);
            next = mofka_event_id(event) + 1;
            mofka_event_release(event);
        }
        assert_int_equal(lost, skipped);
        stage_end_consumer(consumer);
    }
    stage_close_driver(driver, topic);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_blind_reader_gets_all, stage_set_up, stage_tear_down),
        cmocka_unit_test_setup_teardown(readers_share_the_line_of_a_rank, stage_set_up,
                                        stage_tear_down),
        cmocka_unit_test_setup_teardown(a_blind_rank_creates_no_topic, stage_set_up,
                                        stage_tear_down),
        cmocka_unit_test_setup_teardown(a_stopped_owner_is_named, stage_set_up, stage_tear_down),
        cmocka_unit_test_setup_teardown(damage_is_reported_to_a_blind_reader, stage_set_up,
                                        stage_tear_down),
    };
    mpi_main_start(&argc, &argv);
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    on_hosts = argc > 3;
    parent = on_hosts ? argv[3] : parent;
    int failed = RUN_MPI_TESTS(tests);
    return mpi_main_end(failed);
}
