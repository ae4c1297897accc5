/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flipped bits: in a store of several segments and lives, one bit of one file is changed. All that
 * is delivered then is right; what is missing is reported. A repair keeps all the rest.
 *   durable_flips [--seed FIRST] [--count N]
 */
#include "durable/made.h"

#define EVENTS 400
#define CUT 130
#define PLACE 77

static disk_t *whole; /* the store, without a flip */

typedef struct outcome {
    char what[256];   /* the flip */
    char why[512];    /* what is wrong; "" nothing */
    bool reported;    /* a call said that something is damaged */
    uint64_t read;    /* events that were right */
    uint64_t skipped; /* events that were reported as lost */
} outcome_t;

static void outcome_fail(outcome_t *o, const char *why) {
    if (!o->why[0])
        snprintf(o->why, sizeof o->why, "%.500s", why);
}

/* ---- the store ------------------------------------------------------------------------------- */

static void store_fill(mfi_writer_t *w, uint64_t first, uint64_t end, uint32_t version) {
    uint64_t synced;
    for (uint64_t id = first, n = 0; id < end; n++) {
        uint32_t now = 1 + (uint32_t)(n * 7 % 11);
        now = now < end - id ? now : (uint32_t)(end - id);
        OK(made_append(w, id, now, version));
        id += now;
        if (n % 5 == 4)
            OK(mfi_writer_sync(w, &synced));
    }
}

/* Two lives, a cut, a place, an end. */
static void store_make(void) {
    made_t made;
    mfi_places_t *places;
    mfi_place_t place = {.life = 1};
    bool fresh;
    size_t slot;
    uint64_t cut = CUT;
    whole = disk_create(1);
    OK(made_open(&made, whole, MFI_STORE_MAKE));
    mfi_writer_t *w = made_writer(&made.log, 9000);
    store_fill(w, 0, 160, 1);
    OK(mfi_writer_close(w));
    OK(mfi_store_cut(&made.store, &made.record, &cut));
    w = made_writer(&made.log, 9000);
    store_fill(w, CUT, 260, 2);
    OK(mfi_writer_close(w));
    w = made_writer(&made.log, 120000);
    store_fill(w, 260, EVENTS, 3);
    OK(mfi_writer_complete(w));
    OK(mfi_writer_close(w));
    OK(mfi_places_open(&made.log, true, &places));
    OK(mfi_places_join(places, "c", &place, &fresh, &slot));
    OK(mfi_places_set(places, slot, 4, PLACE));
    OK(mfi_places_sync(places));
    mfi_places_close(places);
    made_close(&made);
    disk_end_process(whole);
}

static uint32_t store_version(uint64_t id) {
    return id < CUT ? 1 : id < 260 ? 2 : 3;
}

/* ---- a flip ---------------------------------------------------------------------------------- */

typedef struct pick {
    uint64_t at; /* which byte of all files */
    char path[512];
    size_t offset;
} pick_t;

static void pick_file(void *context, const char *path, size_t bytes) {
    pick_t *pick = context;
    if (pick->path[0] == '\0' && pick->at < bytes) {
        snprintf(pick->path, sizeof pick->path, "%s", path);
        pick->offset = (size_t)pick->at;
    }
    if (pick->path[0] == '\0')
        pick->at -= bytes;
}

static void count_bytes(void *context, const char *path, size_t bytes) {
    (void)path;
    *(uint64_t *)context += bytes;
}

typedef struct pick_named {
    const char *ending;
    char paths[64][512];
    size_t count;
} pick_named_t;

static void pick_ending(void *context, const char *path, size_t bytes) {
    pick_named_t *named = context;
    size_t length = strlen(path), ending = strlen(named->ending);
    if (bytes > 0 && length > ending && strcmp(path + length - ending, named->ending) == 0 &&
        named->count < 64)
        snprintf(named->paths[named->count++], sizeof named->paths[0], "%s", path);
}

/* Choose a byte: of any file alike, or of a kind of file that is small. */
static void flip_choose(disk_t *disk, uint64_t *seed, pick_t *pick) {
    static const char *const endings[] = {".idx", "places", ".json", "lock"};
    static pick_named_t named;
    uint64_t bytes = 0;
    *pick = (pick_t){.at = 0};
    unsigned kind = next_random(seed) % 8;
    if (kind >= 4) {
        disk_list(disk, count_bytes, &bytes);
        pick->at = (((uint64_t)next_random(seed) << 32) | next_random(seed)) % bytes;
        disk_list(disk, pick_file, pick);
        return;
    }
    named = (pick_named_t){.ending = endings[kind]};
    disk_list(disk, pick_ending, &named);
    size_t size;
    snprintf(pick->path, sizeof pick->path, "%s", named.paths[next_random(seed) % named.count]);
    (void)disk_bytes(disk, pick->path, &size);
    pick->offset = next_random(seed) % size;
}

/* ---- what comes of it ------------------------------------------------------------------------ */

/* Whether an error says what is wrong, and where. */
static void outcome_report(outcome_t *o, const char *what, mofka_status_t status) {
    char text[600];
    o->reported = true;
    if (status == MOFKA_ERR_CORRUPT || status == MOFKA_ERR_UNSUPPORTED ||
        status == MOFKA_ERR_INVALID || status == MOFKA_ERR_BUSY || status == MOFKA_ERR_NOT_FOUND)
        return;
    snprintf(text, sizeof text, "%s: %s: %.300s", what, mofka_status_name(status),
             mofka_last_error());
    outcome_fail(o, text);
}

static void outcome_take(outcome_t *o, const mfi_read_t *read) {
    char why[256];
    uint32_t version;
    for (uint32_t i = 0; i < read->events; i++) {
        if (!made_is_right(read, i, &version, why)) {
            if (strstr(why, "is damaged")) { /* the store says so itself */
                o->reported = true;
                o->skipped++;
            } else {
                outcome_fail(o, why);
            }
        } else if (version != store_version(read->first_id + i)) {
            outcome_fail(o, "an event that was cut");
        } else {
            o->read++;
        }
    }
}

static void flip_read(outcome_t *o, const mfi_log_t *log) {
    mfi_reader_t *reader;
    mfi_read_t read;
    uint64_t next = 0;
    mofka_status_t status = mfi_reader_open(log, &reader);
    if (status) {
        outcome_report(o, "a reader", status);
        return;
    }
    while (!o->why[0]) {
        status = mfi_reader_next(reader, 0, &read);
        if (status == MOFKA_ERR_CORRUPT) {
            uint64_t events;
            o->reported = true;
            status = mfi_reader_skip(reader, &events);
            o->skipped += events;
            next += events;
        } else if (!status && read.first_id != next) {
            outcome_fail(o, "ids have a gap");
        } else if (!status) {
            next += read.events;
            if (read.kind == MFI_FRAME_BATCH)
                outcome_take(o, &read);
        }
        if (status)
            break;
    }
    if (status && status != MOFKA_ERR_COMPLETE && status != MOFKA_ERR_TIMEOUT)
        outcome_report(o, "a read", status);
    else if (!o->why[0] && status != MOFKA_ERR_COMPLETE && next == EVENTS && !o->reported)
        outcome_fail(o, "the topic is complete no more");
    mfi_reader_close(reader);
}

static void flip_open(outcome_t *o, const mfi_log_t *log) {
    mfi_lock_t *lock;
    mfi_writer_t *w;
    mfi_opened_t opened;
    mofka_status_t status = mfi_lock_take(log, NULL, &lock);
    if (status) {
        outcome_report(o, "lock", status);
        return;
    }
    status = mfi_writer_open(log, &(mfi_writer_options_t){.cut = MFI_NO_CUT}, &opened, &w);
    if (status)
        outcome_report(o, "open", status);
    else if ((opened.next != EVENTS || !opened.complete) && opened.torn_bytes == 0)
        outcome_fail(o, "an open finds another end, and says nothing");
    if (!status)
        (void)mfi_writer_close(w);
    mfi_lock_release(lock);
}

static void flip_place(outcome_t *o, const mfi_log_t *log) {
    mfi_places_t *places;
    mfi_place_t place = {.id = 0};
    bool fresh;
    size_t slot;
    mofka_status_t status = mfi_places_open(log, true, &places);
    if (status) {
        outcome_report(o, "places", status);
        return;
    }
    status = mfi_places_join(places, "c", &place, &fresh, &slot);
    if (status)
        outcome_report(o, "join", status);
    else if (fresh)
        outcome_fail(o, "a place is gone");
    else if (place.id != PLACE && place.id != 0) /* the copy before: events come twice */
        outcome_fail(o, "a place is another");
    mfi_places_close(places);
}

static void flip_verify(outcome_t *o, const mfi_log_t *log) {
    mfi_scan_t scan;
    size_t damaged;
    mofka_status_t status = mfi_store_verify(log, NULL, NULL, &scan, &damaged);
    if (status)
        outcome_report(o, "verify", status);
    else if (scan.findings > 0 || damaged > 0)
        o->reported = true;
    else if (o->reported)
        outcome_fail(o, "verify finds nothing, and a call did");
}

/* After a repair, all that could be read can be, and the log can be written. */
static void flip_repair(outcome_t *o, const mfi_log_t *log) {
    uint64_t given_up;
    mfi_opened_t opened;
    mfi_writer_t *w;
    outcome_t after = {.read = 0};
    mofka_status_t status = mfi_store_repair(log, &given_up);
    if (status) {
        outcome_report(o, "repair", status);
        return;
    }
    flip_read(&after, log);
    if (after.why[0])
        outcome_fail(o, after.why);
    else if (after.read < o->read)
        outcome_fail(o, "a repair has lost events");
    else if (after.reported)
        outcome_fail(o, "damage is left after a repair");
    status = mfi_writer_open(log, &(mfi_writer_options_t){.cut = 0 + MFI_NO_CUT}, &opened, &w);
    if (status)
        outcome_fail(o, mofka_last_error());
    else
        (void)mfi_writer_close(w);
}

static void flip_examine(outcome_t *o, disk_t *disk) {
    made_t made;
    mofka_status_t status = made_open(&made, disk, MFI_STORE_THERE);
    if (status) {
        outcome_report(o, "store", status);
        made_close(&made);
        return;
    }
    flip_read(o, &made.log);
    if (o->read + o->skipped < EVENTS && !o->reported) {
        /* A torn end is told to who opens the log, and to verify. */
        flip_verify(o, &made.log);
        if (!o->reported)
            outcome_fail(o, "events are missing, and nothing says so");
    }
    bool readable = !o->why[0];
    if (readable)
        flip_verify(o, &made.log);
    if (readable)
        flip_place(o, &made.log);
    if (readable && next_random(&(uint64_t){o->read + o->skipped}) % 2)
        flip_open(o, &made.log);
    if (readable)
        flip_repair(o, &made.log);
    made_close(&made);
}

static bool flip_one(uint64_t seed, uint64_t *reported) {
    outcome_t o = {.read = 0};
    pick_t pick;
    size_t bytes;
    uint64_t choice = seed;
    disk_t *disk = disk_copy(whole);
    flip_choose(disk, &choice, &pick);
    unsigned bit = next_random(&choice) % 8;
    disk_bytes(disk, pick.path, &bytes)[pick.offset] ^= (uint8_t)(1u << bit);
    flip_examine(&o, disk);
    disk_destroy(disk);
    *reported += o.reported;
    if (o.why[0])
        printf("seed %llu: bit %u of byte %zu of %s: %s\n", (unsigned long long)seed, bit,
               pick.offset, pick.path, o.why);
    return !o.why[0];
}

int main(int argc, char **argv) {
    uint64_t seed = 1, count = 300, failed = 0, reported = 0;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc)
            count = strtoull(argv[++i], NULL, 10);
        else
            return fprintf(stderr, "usage: %s [--seed FIRST] [--count N]\n", argv[0]), 2;
    store_make();
    for (uint64_t i = 0; i < count; i++)
        failed += !flip_one(seed + i, &reported);
    disk_destroy(whole);
    printf("flipped bits: %llu from seed %llu, %llu reported, the others harmless: %s\n",
           (unsigned long long)count, (unsigned long long)seed, (unsigned long long)reported,
           failed ? "FAILED" : "all right");
    return failed > 0;
}
