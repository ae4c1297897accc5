/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "resume_at" of two topics, which a crash ends at each of its calls. The job that comes next
 * passes the same option: then all is as the checkpoint says.
 */
#include "durable/made.h"

#define TOPICS 2
#define PARTITIONS 2
#define EVENTS 24

static const char *const names[TOPICS] = {"first", "second"};
static const uint64_t cut_ends[TOPICS][PARTITIONS] = {{13, EVENTS}, {0, 16}};
static const char option[] = "{\"first\":[13,24],\"second\":[0,16]}";

/* ---- helpers --------------------------------------------------------------------------------- */

static void resume_open_log(const mfi_store_t *store, size_t topic, size_t partition,
                            mfi_log_t *log) {
    mfi_topic_record_t record = {0};
    OK(mfi_store_load_topic(store, names[topic], &record));
    OK(mfi_store_log(store, &record, partition, log));
    mfi_topic_record_clear(&record);
}

static void resume_append(const mfi_log_t *log, uint64_t from, uint64_t to, uint32_t version) {
    mfi_writer_t *writer = made_writer(log, 6000);
    for (uint64_t id = from; id < to; id += 8)
        OK(made_append(writer, id, to - id < 8 ? (uint32_t)(to - id) : 8, version));
    OK(mfi_writer_close(writer));
}

/* A store whose topics have events of version 1. */
static disk_t *resume_make(void) {
    static const char *const hosts[PARTITIONS] = {"n0", "n0"};
    disk_t *disk = disk_create(1);
    mfi_io_t io = disk_io(disk);
    mfi_store_t store;
    mfi_log_t log;
    OK(mfi_store_open(&io, "/s", MFI_STORE_MAKE, &store));
    for (size_t t = 0; t < TOPICS; t++) {
        const mofka_topic_config_t config = {.name = names[t],
                                             .options = "{}",
                                             .validator = "{}",
                                             .selector = "{}",
                                             .serializer = "{}"};
        OK(mfi_store_create_topic(&store, &config, PARTITIONS, hosts, true));
        for (size_t i = 0; i < PARTITIONS; i++) {
            resume_open_log(&store, t, i, &log);
            resume_append(&log, 0, EVENTS, 1);
        }
    }
    return disk;
}

/* What a driver does with the option. */
static mofka_status_t resume_run(disk_t *disk, mfi_store_t *store) {
    mfi_io_t io = disk_io(disk);
    mofka_status_t status = mfi_store_open(&io, "/s", MFI_STORE_THERE, store);
    if (!status)
        status = mfi_store_finish_cut(store);
    return status ? status : mfi_store_resume_at(store, "test", option);
}

/* Whether a topic is cut; in all of its partitions, or in none. */
static bool resume_is_cut(const mfi_store_t *store, size_t topic) {
    mfi_log_t log;
    uint64_t ends[PARTITIONS];
    bool cut = true, whole = true;
    for (size_t i = 0; i < PARTITIONS; i++) {
        resume_open_log(store, topic, i, &log);
        ends[i] = made_read_all(&log, 1);
        cut &= ends[i] == cut_ends[topic][i];
        whole &= ends[i] == EVENTS;
    }
    assert_true(cut || whole);
    return cut;
}

/* The restarted job pushes other events from there on; nothing of the old ones is left. */
static void resume_go_on(const mfi_store_t *store, size_t topic) {
    mfi_log_t log;
    mfi_reader_t *reader;
    for (size_t i = 0; i < PARTITIONS; i++) {
        uint64_t next = 0;
        mfi_read_t read;
        resume_open_log(store, topic, i, &log);
        resume_append(&log, cut_ends[topic][i], EVENTS + 8, 2);
        OK(mfi_reader_open(&log, &reader));
        while (mfi_reader_next(reader, 0, &read) == MOFKA_OK)
            for (uint32_t k = 0; k < read.events; k++, next++) {
                char why[256] = "";
                uint32_t version = 0;
                assert_int_equal(read.first_id + k, next);
                if (!made_is_right(&read, k, &version, why))
                    fail_msg("%s", why);
                assert_int_equal(version, next < cut_ends[topic][i] ? 1 : 2);
            }
        assert_int_equal(next, EVENTS + 8);
        mfi_reader_close(reader);
    }
}

/* False: the option was done before that call. */
static bool resume_stop_at(const disk_t *made, uint64_t call, bool power) {
    disk_t *disk = disk_copy(made);
    mfi_io_t io = disk_io(disk);
    mfi_store_t store;
    disk_stop(disk, call);
    mofka_status_t status = resume_run(disk, &store);
    bool stopped = disk_is_stopped(disk);
    assert_true(stopped || !status);
    if (power)
        disk_end_power(disk);
    else
        disk_end_process(disk);
    /* A job without the option: no topic is cut in part, and the second not before the first. */
    disk_t *other = disk_copy(disk);
    io = disk_io(other);
    OK(mfi_store_open(&io, "/s", MFI_STORE_THERE, &store));
    OK(mfi_store_finish_cut(&store));
    bool first = resume_is_cut(&store, 0), second = resume_is_cut(&store, 1);
    assert_true(first || !second);
    assert_true(status || (first && second));
    disk_destroy(other);
    /* One that passes it again. */
    OK(resume_run(disk, &store));
    for (size_t t = 0; t < TOPICS; t++) {
        assert_true(resume_is_cut(&store, t));
        resume_go_on(&store, t);
    }
    disk_destroy(disk);
    return stopped;
}

/* ---- cases ----------------------------------------------------------------------------------- */

/* At each call; power fails at each third. */
static void topics_resume_after_a_crash_at_every_call(void **state) {
    (void)state;
    disk_t *disk = resume_make();
    for (int power = 0; power < 2; power++) {
        uint64_t call = 0;
        while (resume_stop_at(disk, call, power))
            call += power ? 3 : 1;
        IN_RANGE(call, 100, 5000);
    }
    disk_destroy(disk);
}

/* One end that cannot be: no topic is cut. */
static void nothing_is_cut_if_one_end_is_wrong(void **state) {
    (void)state;
    disk_t *disk = resume_make();
    mfi_io_t io = disk_io(disk);
    mfi_store_t store;
    OK(mfi_store_open(&io, "/s", MFI_STORE_THERE, &store));
    FAILS(mfi_store_resume_at(&store, "test", "{\"first\":[13,24],\"second\":[0,25]}"),
          MOFKA_ERR_RANGE, "cannot be cut at 25");
    for (size_t t = 0; t < TOPICS; t++)
        assert_false(resume_is_cut(&store, t));
    disk_destroy(disk);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(topics_resume_after_a_crash_at_every_call),
        cmocka_unit_test(nothing_is_cut_if_one_end_is_wrong),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
