/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Power failures: a disk in memory stops at a random call, loses what was not synced, and the store
 * is opened again.
 *   durable_power [--seed FIRST] [--count N] [--kill]
 * Each run has several sessions. With --kill only the process ends in each: then nothing that was
 * written is lost.
 */
#include <errno.h>
#include "durable/campaigns/truth.h"

typedef struct session {
    truth_t *truth;
    disk_t *disk;
    made_t made;
    mfi_lock_t *lock;
    mfi_writer_t *writer;
    mfi_reader_t *reader;
    mfi_places_t *places;
    size_t slot;
    uint64_t append, synced; /* of the writer */
    uint64_t read_next;
    bool kill;
} session_t;

/* A consumer's place. */
static uint64_t place_low, place_high; /* after a crash it is between them */

static unsigned chance(session_t *s, unsigned one_in) {
    return next_random(&s->truth->seed) % one_in == 0;
}

static uint64_t below(session_t *s, uint64_t limit) {
    return limit > 0 ? next_random(&s->truth->seed) % limit : 0;
}

/* A failure is wrong, unless the disk has stopped or was told to fail. */
static bool session_may_fail(session_t *s, const char *what, mofka_status_t status) {
    if (!status || disk_is_stopped(s->disk) || disk_has_failed(s->disk))
        return true;
    return truth_fail(s->truth, "%s: %s: %s", what, mofka_status_name(status), mofka_last_error());
}

/* ---- steps ----------------------------------------------------------------------------------- */

static mofka_status_t session_rewrite(session_t *s) {
    uint64_t end = s->append;
    mofka_status_t status = mfi_writer_rewrite(s->writer, s->synced);
    for (uint64_t id = s->synced; id < end && !status;) {
        uint32_t now = end - id < 20 ? (uint32_t)(end - id) : 1 + (uint32_t)below(s, 20);
        status = made_append(s->writer, id, now, s->truth->version);
        id += status ? 0 : now;
    }
    return status;
}

/* Go on after an error, as a caller does: until it works, or the disk has stopped. */
static void session_recover(session_t *s) {
    for (int i = 0; i < 20 && !disk_is_stopped(s->disk); i++) {
        mfi_writer_state_t is;
        mfi_writer_state(s->writer, &is);
        if (!is.needs_rewrite || session_rewrite(s) == MOFKA_OK)
            return;
    }
    if (!disk_is_stopped(s->disk))
        truth_fail(s->truth, "it does not go on: %s", mofka_last_error());
}

static void session_append(session_t *s) {
    uint32_t events = 1 + (uint32_t)below(s, 30);
    if (s->append + events >= TRUTH_IDS_MAX)
        return;
    truth_append(s->truth, s->append, events);
    for (int i = 0; i < 10 && !disk_is_stopped(s->disk); i++) {
        mfi_writer_state_t is;
        mofka_status_t status = made_append(s->writer, s->append, events, s->truth->version);
        session_may_fail(s, "append", status);
        mfi_writer_state(s->writer, &is);
        if (is.next == s->append + events) {
            s->append += events;
            if (s->kill)
                s->truth->promised = s->append;
        }
        if (is.needs_rewrite)
            session_recover(s);
        if (is.next == s->append)
            return;
    }
}

static void session_sync(session_t *s) {
    uint64_t synced;
    mofka_status_t status = mfi_writer_sync(s->writer, &synced);
    session_may_fail(s, "sync", status);
    if (synced < s->synced)
        truth_fail(s->truth, "synced goes back from %llu to %llu", (unsigned long long)s->synced,
                   (unsigned long long)synced);
    s->synced = synced;
    if (synced > s->truth->promised)
        s->truth->promised = synced;
    if (status)
        session_recover(s);
}

static void session_place(session_t *s) {
    uint64_t oldest = s->truth->oldest_max;
    uint64_t id = oldest + below(s, s->synced + 1 - (oldest < s->synced ? oldest : s->synced));
    if (mfi_places_set(s->places, s->slot, mfi_reader_life(s->reader), id) &&
        !disk_is_stopped(s->disk) && !disk_has_failed(s->disk))
        truth_fail(s->truth, "a place: %s", mofka_last_error());
    place_low = id < place_low ? id : place_low;
    place_high = id > place_high ? id : place_high;
    if (chance(s, 2) && mfi_places_sync(s->places) == MOFKA_OK && !disk_has_failed(s->disk))
        place_low = place_high = id;
}

static void session_retain(session_t *s) {
    mfi_writer_state_t is;
    session_may_fail(s, "retain", mfi_writer_retain(s->writer, place_low));
    mfi_writer_state(s->writer, &is);
    if (is.oldest > place_low)
        truth_fail(s->truth, "retention passed a place");
    /* What fails in the middle may have been done. */
    if (place_low > s->truth->oldest_max)
        s->truth->oldest_max = place_low;
}

static void session_read(session_t *s) {
    mfi_read_t read;
    mofka_status_t status = MOFKA_OK;
    while (!s->truth->why[0] && !(status = mfi_reader_next(s->reader, 0, &read))) {
        if (s->read_next + read.lost <= s->truth->oldest_max)
            s->read_next += read.lost; /* retention was faster */
        truth_check_read(s->truth, &read, &s->read_next);
    }
    if (status != MOFKA_ERR_TIMEOUT)
        session_may_fail(s, "a read beside the writer", status);
    if (status == MOFKA_ERR_TIMEOUT && mfi_reader_position(s->reader) < s->append &&
        !disk_is_stopped(s->disk) && !disk_has_failed(s->disk))
        truth_fail(s->truth, "a reader stays at %llu, and %llu is written",
                   (unsigned long long)s->read_next, (unsigned long long)s->append);
}

static void session_step(session_t *s) {
    static const int errors[] = {ENOSPC, EIO};
    if (chance(s, 12))
        disk_fail(s->disk, (int)(1 + below(s, 7)), below(s, 6), errors[below(s, 2)],
                  1 + below(s, 3));
    else if (chance(s, 3))
        disk_fail(s->disk, 0, 0, 0, 0);
    switch (below(s, 8)) {
    case 0:
    case 1:
        session_sync(s);
        break;
    case 2:
        session_read(s);
        break;
    case 3:
        session_place(s);
        break;
    case 4:
        session_retain(s);
        break;
    default:
        session_append(s);
    }
}

/* ---- a session ------------------------------------------------------------------------------- */

static mofka_status_t session_open_files(session_t *s, mfi_opened_t *opened) {
    mfi_writer_options_t options = {.segment_bytes = 3000 + below(s, chance(s, 3) ? 500000 : 20000),
                                    .retain_bytes = 20000 + below(s, 100000),
                                    .cut = MFI_NO_CUT};
    mfi_place_t place = {.id = s->truth->oldest_max};
    bool fresh;
    mofka_status_t status = mfi_store_finish_cut(&s->made.store);
    if (!status)
        status = mfi_lock_take(&s->made.log, NULL, &s->lock);
    if (!status)
        status = mfi_writer_open(&s->made.log, &options, opened, &s->writer);
    if (!status)
        status = mfi_reader_open(&s->made.log, &s->reader);
    if (!status)
        status = mfi_places_open(&s->made.log, true, &s->places);
    if (!status)
        status = mfi_places_join(s->places, "c", &place, &fresh, &s->slot);
    if (!status && !fresh && (place.id < place_low || place.id > place_high))
        truth_fail(s->truth, "a place is at %llu, not in %llu to %llu",
                   (unsigned long long)place.id, (unsigned long long)place_low,
                   (unsigned long long)place_high);
    if (!status)
        place_low = place_high = place.id;
    return status;
}

/* Look at all that a crash has left. False: it is wrong, or the disk has stopped. */
static bool session_check(session_t *s, const mfi_opened_t *opened) {
    mfi_scan_t scan;
    size_t damaged;
    if (!truth_check_open(s->truth, opened) ||
        !truth_check_log(s->truth, &s->made.log, opened->next))
        return false;
    s->append = s->synced = opened->next;
    s->read_next = mfi_reader_position(s->reader);
    if (mfi_store_verify(&s->made.log, NULL, NULL, &scan, &damaged))
        truth_fail(s->truth, "verify: %s", mofka_last_error());
    else if (scan.damaged_events > 0 || damaged > 0)
        truth_fail(s->truth, "%llu events and %zu places are damaged",
                   (unsigned long long)scan.damaged_events, damaged);
    return !s->truth->why[0];
}

static void session_close(session_t *s) {
    if (s->places)
        mfi_places_close(s->places);
    if (s->reader)
        mfi_reader_close(s->reader);
    if (s->writer && mfi_writer_close(s->writer) == MOFKA_OK && s->append > s->truth->promised)
        s->truth->promised = s->append;
    mfi_lock_release(s->lock);
    made_close(&s->made);
}

/* A cut, between sessions. */
static void session_cut(session_t *s) {
    uint64_t cut = s->truth->oldest_max;
    cut += below(s, s->truth->next + 1 - (cut < s->truth->next ? cut : s->truth->next));
    if (cut > s->truth->next || mfi_store_finish_cut(&s->made.store))
        return;
    mofka_status_t status = mfi_store_cut(&s->made.store, &s->made.record, &cut);
    if (!status) {
        s->truth->promised = s->truth->next = cut;
        return;
    }
    if (disk_is_stopped(s->disk))
        s->truth->cut = cut;
    else if (status != MOFKA_ERR_RANGE) /* not all that may be there is */
        session_may_fail(s, "cut", status);
}

static void session_run(truth_t *truth, disk_t *disk, bool kill) {
    session_t s = {.truth = truth, .disk = disk, .kill = kill};
    mfi_opened_t opened;
    uint64_t cut_before = truth->cut;
    if (!chance(&s, 4))
        disk_stop(disk, below(&s, chance(&s, 2) ? 60 : 600));
    disk_write_short(disk, chance(&s, 2));
    mofka_status_t status = made_open(&s.made, disk, MFI_STORE_MAKE);
    if (!status && cut_before == TRUTH_NO_CUT && chance(&s, 4))
        session_cut(&s);
    if (!status && !disk_is_stopped(disk))
        status = session_open_files(&s, &opened);
    if (session_may_fail(&s, "open", status) && !status && !disk_is_stopped(disk) &&
        session_check(&s, &opened))
        for (uint64_t i = 0, steps = below(&s, 60); i < steps && !truth->why[0]; i++)
            session_step(&s);
    session_close(&s);
}

static bool run_one(uint64_t seed, bool kill) {
    static truth_t truth;
    truth = (truth_t){.seed = seed, .cut = TRUTH_NO_CUT};
    place_low = 0, place_high = UINT64_MAX;
    disk_t *disk = disk_create(seed);
    truth.disk = disk;
    for (int i = 0; i < 8 && !truth.why[0]; i++) {
        session_run(&truth, disk, kill);
        /* A process may end before the machine does: the next one finds what is not synced. */
        if (kill || next_random(&truth.seed) % 3 == 0)
            disk_end_process(disk);
        else
            disk_end_power(disk);
    }
    disk_destroy(disk);
    if (truth.why[0])
        printf("seed %llu%s: %s\n", (unsigned long long)seed, kill ? " --kill" : "", truth.why);
    return !truth.why[0];
}

int main(int argc, char **argv) {
    uint64_t seed = 1, count = 100, failed = 0;
    bool kill = false;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--kill") == 0)
            kill = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc)
            count = strtoull(argv[++i], NULL, 10);
        else
            return fprintf(stderr, "usage: %s [--seed FIRST] [--count N] [--kill]\n", argv[0]), 2;
    for (uint64_t i = 0; i < count; i++)
        failed += !run_one(seed + i, kill);
    printf("%s: %llu runs of 8 from seed %llu: %s\n", kill ? "ends of a process" : "power failures",
           (unsigned long long)count, (unsigned long long)seed, failed ? "FAILED" : "all right");
    return failed > 0;
}
