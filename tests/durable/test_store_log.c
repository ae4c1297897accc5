/* SPDX-License-Identifier: BSD-3-Clause */
/* A partition's log on a disk in memory: what is appended is read, after rolls, opens, cuts,
 * errors, retention. */
#include <errno.h>
#include "durable/made.h"

static made_t made;
static disk_t *disk;

static int log_setup(void **state) {
    (void)state;
    disk = disk_create(1);
    OK(made_open(&made, disk, MFI_STORE_MAKE));
    return 0;
}

static int log_teardown(void **state) {
    (void)state;
    made_close(&made);
    disk_destroy(disk);
    return 0;
}

/* Append events as batches of at most 7. */
static void log_fill(mfi_writer_t *w, uint64_t first, uint64_t end, uint32_t version) {
    while (first < end) {
        uint32_t now = end - first < 7 ? (uint32_t)(end - first) : 7;
        OK(made_append(w, first, now, version));
        first += now;
    }
}

static void what_is_appended_is_read(void **state) {
    (void)state;
    mfi_writer_t *w = made_writer(&made.log, 0);
    log_fill(w, 0, 100, 1);
    assert_int_equal(made_read_all(&made.log, 1), 100);
    OK(mfi_writer_close(w));
    assert_int_equal(made_read_all(&made.log, 1), 100);
}

static void segments_roll_and_are_one_log(void **state) {
    (void)state;
    mfi_chain_t chain = {0};
    mfi_writer_t *w = made_writer(&made.log, 8000);
    log_fill(w, 0, 500, 1);
    OK(mfi_chain_load(&made.log, &chain));
    IN_RANGE(chain.count, 10, 100);
    for (size_t i = 0; i < chain.count; i++)
        IN_RANGE(chain.parts[i].bytes, 1, 8000 + 64);
    mfi_chain_clear(&chain);
    assert_int_equal(made_read_all(&made.log, 1), 500);
    OK(mfi_writer_close(w));
    w = made_writer(&made.log, 8000);
    log_fill(w, 500, 600, 1);
    OK(mfi_writer_close(w));
    assert_int_equal(made_read_all(&made.log, 1), 600);
}

static void one_call_appends_many_batches(void **state) {
    (void)state;
    enum { COUNT = 40 };
    static made_batch_t batches[COUNT];
    mfi_append_t appends[COUNT];
    size_t appended;
    mfi_writer_t *w = made_writer(&made.log, 20000);
    disk_write_short(disk, true);
    for (int i = 0; i < COUNT; i++) {
        made_fill(&batches[i], 10 * (uint64_t)i, 10, 1);
        appends[i] = batches[i].append;
    }
    OK(mfi_writer_append(w, appends, COUNT, &appended));
    assert_int_equal(appended, COUNT);
    OK(mfi_writer_close(w));
    assert_int_equal(made_read_all(&made.log, 1), 10 * COUNT);
}

static void a_reader_follows_a_writer(void **state) {
    (void)state;
    mfi_reader_t *reader;
    mfi_read_t read;
    char why[256];
    uint32_t version;
    OK(mfi_reader_open(&made.log, &reader));
    assert_int_equal(mfi_reader_next(reader, 0, &read), MOFKA_ERR_TIMEOUT);
    mfi_writer_t *w = made_writer(&made.log, 8000);
    for (uint64_t id = 0; id < 300; id += 3) {
        assert_int_equal(mfi_reader_next(reader, 0, &read), MOFKA_ERR_TIMEOUT);
        OK(made_append(w, id, 3, 1));
        OK(mfi_reader_next(reader, 0, &read));
        assert_int_equal(read.first_id, id);
        assert_int_equal(read.events, 3);
        for (uint32_t i = 0; i < 3; i++)
            assert_true(made_is_right(&read, i, &version, why));
    }
    OK(mfi_writer_complete(w));
    assert_int_equal(mfi_reader_next(reader, 0, &read), MOFKA_ERR_COMPLETE);
    OK(mfi_writer_close(w));
    assert_int_equal(mfi_reader_next(reader, 0, &read), MOFKA_ERR_COMPLETE);
    mfi_reader_close(reader);
}

static void a_complete_log_stays_complete(void **state) {
    (void)state;
    mfi_opened_t opened;
    mfi_reader_t *reader;
    mfi_read_t read;
    mfi_writer_t *w = made_writer(&made.log, 0);
    log_fill(w, 0, 10, 1);
    OK(mfi_writer_complete(w));
    FAILS(made_append(w, 10, 1, 1), MOFKA_ERR_COMPLETE, "complete");
    OK(mfi_writer_close(w));
    for (int i = 0; i < 3; i++) {
        OK(mfi_writer_open(&made.log, &(mfi_writer_options_t){.cut = MFI_NO_CUT}, &opened, &w));
        assert_true(opened.complete);
        FAILS(made_append(w, 10, 1, 1), MOFKA_ERR_COMPLETE, "complete");
        OK(mfi_writer_close(w));
    }
    OK(mfi_reader_open(&made.log, &reader));
    while (mfi_reader_next(reader, 0, &read) == MOFKA_OK)
        ;
    assert_int_equal(mfi_reader_next(reader, 0, &read), MOFKA_ERR_COMPLETE);
    mfi_reader_close(reader);
    /* A cut takes the end back. */
    OK(mfi_writer_open(&made.log, &(mfi_writer_options_t){.cut = 10}, &opened, &w));
    assert_false(opened.complete);
    OK(made_append(w, 10, 1, 1));
    OK(mfi_writer_close(w));
}

static void seek_by_id_and_by_time(void **state) {
    (void)state;
    mfi_reader_t *reader;
    mfi_read_t read;
    uint64_t id;
    mfi_writer_t *w = made_writer(&made.log, 200000);
    log_fill(w, 0, 2100, 1);
    OK(mfi_writer_close(w));
    OK(mfi_reader_open(&made.log, &reader));
    for (uint64_t wanted = 0; wanted < 2100; wanted += 41) {
        id = wanted;
        OK(mfi_reader_seek(reader, &id));
        OK(mfi_reader_next(reader, 0, &read));
        assert_int_equal(id, wanted);
        assert_int_equal(read.first_id, wanted);
        assert_int_equal(read.events, 7 - wanted % 7);
        /* A batch has the stamp of its first event. */
        OK(mfi_reader_seek_time(reader, 1000 * wanted, &id));
        assert_int_equal(id, (wanted + 6) / 7 * 7);
        OK(mfi_reader_next(reader, 0, &read));
        assert_int_equal(read.first_id, id);
    }
    OK(mfi_reader_seek_time(reader, 1000 * 5000, &id));
    assert_int_equal(id, 2100);
    OK(mfi_reader_seek_end(reader, &id));
    assert_int_equal(id, 2100);
    assert_int_equal(mfi_reader_next(reader, 0, &read), MOFKA_ERR_TIMEOUT);
    mfi_reader_close(reader);
}

static void a_cut_takes_events_back(void **state) {
    (void)state;
    mfi_reader_t *reader;
    mfi_read_t read;
    uint64_t end = 123, id;
    mfi_writer_t *w = made_writer(&made.log, 8000);
    log_fill(w, 0, 300, 1);
    OK(mfi_writer_close(w));
    OK(mfi_reader_open(&made.log, &reader));
    OK(mfi_reader_seek_end(reader, &id));
    uint64_t life = mfi_reader_life(reader);
    OK(mfi_store_cut(&made.store, &made.record, &end));
    assert_int_equal(made_read_all(&made.log, 1), 123);
    /* A reader that had read them goes back, and a place does. */
    assert_int_equal(mfi_reader_next(reader, 0, &read), MOFKA_ERR_TIMEOUT);
    assert_int_equal(mfi_reader_rewound(reader), 300 - 123);
    assert_int_equal(mfi_reader_place(reader, life, 200), 123);
    assert_int_equal(mfi_reader_place(reader, life, 100), 100);
    w = made_writer(&made.log, 8000);
    OK(made_append(w, 123, 5, 2));
    OK(mfi_reader_next(reader, 0, &read));
    assert_int_equal(read.first_id, 123);
    assert_int_equal(read.producer, 2);
    OK(mfi_writer_close(w));
    mfi_reader_close(reader);
    end = 129;
    FAILS(mfi_store_cut(&made.store, &made.record, &end), MOFKA_ERR_RANGE, "cannot be cut at 129");
}

/* Marks of a cut life do not speak of its events' successors. */
static void what_was_synced_before_a_cut_is_not_after_it(void **state) {
    (void)state;
    mfi_reader_t *reader;
    mfi_read_t read;
    mfi_opened_t opened;
    mfi_writer_t *w = made_writer(&made.log, 0);
    char path[MFI_PATH_BYTES_MAX];
    size_t bytes;
    uint64_t first = 0, synced;
    log_fill(w, 0, 20, 1);
    OK(mfi_writer_sync(w, &synced));
    log_fill(w, 20, 30, 1);
    OK(mfi_writer_close(w));
    OK(mfi_reader_open(&made.log, &reader));
    while (mfi_reader_next(reader, 0, &read) == MOFKA_OK)
        ;
    OK(mfi_writer_open(&made.log, &(mfi_writer_options_t){.cut = 7}, &opened, &w));
    OK(made_append(w, 7, 7, 2));
    OK(mfi_reader_seek(reader, &first));
    /* As if the last byte of its data were not there yet. */
    OK(mfi_part_path(&made.log, opened.life, 7, ".log", path));
    uint8_t *at = disk_bytes(disk, path, &bytes);
    while (at[bytes - 1] == 0)
        bytes--;
    at[bytes - 1] ^= 1;
    OK(mfi_reader_next(reader, 0, &read));
    assert_int_equal(mfi_reader_next(reader, 0, &read), MOFKA_ERR_TIMEOUT);
    at = disk_bytes(disk, path, &bytes);
    while (at[bytes - 1] == 0)
        bytes--;
    at[bytes - 1] ^= 1;
    OK(mfi_reader_next(reader, 0, &read));
    assert_int_equal(read.first_id, 7);
    OK(mfi_writer_close(w));
    mfi_reader_close(reader);
}

static void retention_deletes_the_oldest_segments(void **state) {
    (void)state;
    mfi_writer_t *w;
    mfi_opened_t opened;
    mfi_writer_state_t is;
    uint64_t synced;
    OK(mfi_writer_open(
        &made.log,
        &(mfi_writer_options_t){.segment_bytes = 8000, .retain_bytes = 40000, .cut = MFI_NO_CUT},
        &opened, &w));
    log_fill(w, 0, 300, 1);
    OK(mfi_writer_retain(w, UINT64_MAX)); /* nothing is synced yet */
    mfi_writer_state(w, &is);
    assert_int_equal(is.oldest, 0);
    OK(mfi_writer_sync(w, &synced));
    assert_int_equal(synced, 300);
    OK(mfi_writer_retain(w, 50)); /* a consumer is at 50 */
    mfi_writer_state(w, &is);
    IN_RANGE(is.oldest, 20, 50);
    OK(mfi_writer_retain(w, UINT64_MAX));
    mfi_writer_state(w, &is);
    IN_RANGE(is.bytes, 30000, 40000);
    assert_int_equal(made_read_all(&made.log, 1), 300 - is.oldest);
    OK(mfi_writer_close(w));
    assert_int_equal(made_read_all(&made.log, 1), 300 - is.oldest);
}

static void old_events_are_deleted_by_time(void **state) {
    (void)state;
    mfi_writer_t *w;
    mfi_opened_t opened;
    mfi_writer_state_t is;
    uint64_t synced;
    OK(mfi_writer_open(
        &made.log,
        &(mfi_writer_options_t){.segment_bytes = 8000, .retain_ms = 3600000, .cut = MFI_NO_CUT},
        &opened, &w));
    log_fill(w, 0, 300, 1); /* stamps of 1970 */
    OK(mfi_writer_sync(w, &synced));
    OK(mfi_writer_retain(w, UINT64_MAX));
    mfi_writer_state(w, &is);
    IN_RANGE(is.oldest, 270, 299);
    OK(mfi_writer_close(w));
}

static void nothing_is_deleted_before_its_time(void **state) {
    (void)state;
    const uint64_t times[] = {UINT64_MAX / 1000000 + 1, UINT64_MAX}; /* in ns they are too large */
    mfi_opened_t opened;
    mfi_writer_state_t is;
    mfi_writer_t *w = made_writer(&made.log, 8000);
    log_fill(w, 0, 300, 1);
    OK(mfi_writer_close(w));
    for (size_t i = 0; i < 2; i++) {
        mfi_writer_options_t keep = {
            .segment_bytes = 8000, .retain_ms = times[i], .cut = MFI_NO_CUT};
        OK(mfi_writer_open(&made.log, &keep, &opened, &w));
        OK(mfi_writer_retain(w, UINT64_MAX));
        mfi_writer_state(w, &is);
        assert_int_equal(is.oldest, 0);
        OK(mfi_writer_close(w));
    }
}

/* Files of before a rewrite take no part in what a topic may keep. */
static void files_that_do_not_count_are_not_counted(void **state) {
    (void)state;
    mfi_opened_t opened;
    mfi_writer_state_t is;
    uint64_t synced;
    mfi_writer_t *w = made_writer(&made.log, 8000);
    log_fill(w, 0, 300, 1);
    mfi_writer_state(w, &is);
    OK(mfi_writer_close(w));
    mfi_writer_options_t keep = {
        .segment_bytes = 8000, .retain_bytes = 2 * is.bytes + 24000, .cut = MFI_NO_CUT};
    OK(mfi_writer_open(&made.log, &keep, &opened, &w));
    log_fill(w, 300, 600, 1);
    disk_fail(disk, DISK_SYNC, 0, EIO, 1);
    FAILS(mfi_writer_sync(w, &synced), MOFKA_ERR_STORAGE, "errno 5");
    OK(mfi_writer_rewrite(w, 300));
    log_fill(w, 300, 600, 1);
    OK(mfi_writer_sync(w, &synced));
    OK(mfi_writer_retain(w, UINT64_MAX));
    mfi_writer_state(w, &is);
    assert_int_equal(is.oldest, 0);
    OK(mfi_writer_close(w));
    assert_int_equal(made_read_all(&made.log, 1), 600);
}

/* Until a rewrite has caught up, what it is about may not be on disk. */
static void a_close_in_a_rewrite_says_so(void **state) {
    (void)state;
    uint64_t synced;
    mfi_writer_t *w = made_writer(&made.log, 0);
    log_fill(w, 0, 20, 1);
    disk_fail(disk, DISK_SYNC, 0, EIO, 1);
    FAILS(mfi_writer_sync(w, &synced), MOFKA_ERR_STORAGE, "errno 5");
    OK(mfi_writer_rewrite(w, 0));
    log_fill(w, 0, 10, 1);
    FAILS(mfi_writer_close(w), MOFKA_ERR_STORAGE, "events from 0 to 20 may not be on disk");
}

static void a_full_disk_loses_nothing(void **state) {
    (void)state;
    uint64_t next = 0;
    mfi_writer_t *w = made_writer(&made.log, 8000);
    for (int round = 0; round < 20; round++) {
        log_fill(w, next, next + 20, 1);
        next += 20;
        disk_fail(disk, DISK_WRITE | DISK_NAME, (uint64_t)round % 3, ENOSPC, 4);
        for (int i = 0; i < 12; i++) {
            mofka_status_t status = made_append(w, next, 5, 1);
            if (!status)
                next += 5;
            else
                FAILS(status, MOFKA_ERR_STORAGE, "errno 28");
        }
        assert_true(disk_has_failed(disk));
        assert_int_equal(made_read_all(&made.log, 1), next);
    }
    OK(mfi_writer_close(w));
    assert_int_equal(made_read_all(&made.log, 1), next);
}

static void a_failed_sync_is_written_again(void **state) {
    (void)state;
    mfi_reader_t *reader;
    mfi_read_t read;
    uint64_t synced;
    mfi_writer_state_t is;
    mfi_writer_t *w = made_writer(&made.log, 0);
    log_fill(w, 0, 50, 1);
    OK(mfi_writer_sync(w, &synced));
    log_fill(w, 50, 90, 1);
    OK(mfi_reader_open(&made.log, &reader));
    for (uint64_t id = 0; id < 90; id += read.events)
        OK(mfi_reader_next(reader, 0, &read));
    disk_fail(disk, DISK_SYNC, 0, EIO, 1);
    FAILS(mfi_writer_sync(w, &synced), MOFKA_ERR_STORAGE, "events from 50 to 90");
    assert_int_equal(synced, 50);
    FAILS(made_append(w, 90, 1, 1), MOFKA_ERR_STORAGE, "events from 50 on");
    FAILS(mfi_writer_sync(w, &synced), MOFKA_ERR_STORAGE, "events from 50 on");
    FAILS(mfi_writer_rewrite(w, 49), MOFKA_ERR_RANGE, "50 to 90");
    mfi_writer_state(w, &is);
    assert_true(is.needs_rewrite);
    OK(mfi_writer_rewrite(w, 50));
    log_fill(w, 50, 70, 1);
    /* Until all is there again, the old files count. */
    assert_int_equal(made_read_all(&made.log, 1), 90);
    log_fill(w, 70, 95, 1);
    OK(mfi_writer_sync(w, &synced));
    assert_int_equal(synced, 95);
    /* A reader goes on where it was: they are the same events. */
    OK(mfi_reader_next(reader, 0, &read));
    assert_int_equal(read.first_id, 90);
    assert_int_equal(mfi_reader_rewound(reader), 0);
    mfi_reader_close(reader);
    disk_end_power(disk); /* the writer's memory is lost with it */
    assert_int_equal(made_read_all(&made.log, 1), 95);
    (void)mfi_writer_close(w);
}

static void voids_are_ids_without_events(void **state) {
    (void)state;
    mfi_reader_t *reader;
    mfi_read_t read;
    size_t appended;
    mfi_writer_t *w = made_writer(&made.log, 0);
    log_fill(w, 0, 7, 1);
    OK(mfi_writer_append(w, &(mfi_append_t){.kind = MFI_FRAME_VOID, .first_id = 7, .events = 5}, 1,
                         &appended));
    log_fill(w, 12, 19, 1);
    OK(mfi_reader_open(&made.log, &reader));
    OK(mfi_reader_next(reader, 0, &read));
    OK(mfi_reader_next(reader, 0, &read));
    assert_int_equal(read.kind, MFI_FRAME_VOID);
    assert_int_equal(read.events, 5);
    OK(mfi_reader_next(reader, 0, &read));
    assert_int_equal(read.first_id, 12);
    mfi_reader_close(reader);
    OK(mfi_writer_close(w));
    assert_int_equal(made_read_all(&made.log, 1), 14);
}

static void wrong_batches_are_refused(void **state) {
    (void)state;
    size_t appended;
    made_batch_t *batch = malloc(sizeof *batch);
    mfi_writer_t *w = made_writer(&made.log, 0);
    FAILS(made_append(w, 3, 1, 1), MOFKA_ERR_INVALID, "begins at event 3, not at 0");
    made_fill(batch, 0, 5, 1);
    batch->sizes[2].data_bytes++;
    FAILS(mfi_writer_append(w, &batch->append, 1, &appended), MOFKA_ERR_INVALID, "sizes");
    batch->append.events = 0;
    FAILS(mfi_writer_append(w, &batch->append, 1, &appended), MOFKA_ERR_INVALID, "0 events");
    made_fill(batch, 0, 5, 1);
    batch->metadata[0].size += (size_t)UINT32_MAX + 1;
    batch->sizes[0].metadata_bytes += (size_t)UINT32_MAX + 1;
    FAILS(mfi_writer_append(w, &batch->append, 1, &appended), MOFKA_ERR_TOO_LARGE, "metadata");
    free(batch);
    log_fill(w, 0, 7, 1);
    OK(mfi_writer_close(w));
}

int main(void) {
#define LOG_CASE(name) cmocka_unit_test_setup_teardown(name, log_setup, log_teardown)
    const struct CMUnitTest cases[] = {
        LOG_CASE(what_is_appended_is_read),
        LOG_CASE(segments_roll_and_are_one_log),
        LOG_CASE(one_call_appends_many_batches),
        LOG_CASE(a_reader_follows_a_writer),
        LOG_CASE(a_complete_log_stays_complete),
        LOG_CASE(seek_by_id_and_by_time),
        LOG_CASE(a_cut_takes_events_back),
        LOG_CASE(retention_deletes_the_oldest_segments),
        LOG_CASE(old_events_are_deleted_by_time),
        LOG_CASE(a_full_disk_loses_nothing),
        LOG_CASE(a_failed_sync_is_written_again),
        LOG_CASE(voids_are_ids_without_events),
        LOG_CASE(wrong_batches_are_refused),
        LOG_CASE(nothing_is_deleted_before_its_time),
        LOG_CASE(what_was_synced_before_a_cut_is_not_after_it),
        LOG_CASE(files_that_do_not_count_are_not_counted),
        LOG_CASE(a_close_in_a_rewrite_says_so),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
