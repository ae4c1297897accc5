/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every allocation of the store fails once: each session below is done over and over, with one more
 * allocation that succeeds each time, until none fails. Once only one fails, once all later ones
 * do, too.
 *
 * A session answers MOFKA_ERR_MEMORY, or is done all the same; it leaves no memory behind, no file
 * that is wrong, and nothing that keeps the next session from going on.
 */
#include <unistd.h>
#include "durable/made.h"
#include "support/failing_memory.h"

/* Go on while all is well. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        mofka_status_t status_ = (call);                                                           \
        if (status_)                                                                               \
            return status_;                                                                        \
    } while (0)

static char folder[64];
static made_t made;
static bool for_good; /* all allocations after the one that fails, too */

static int memory_setup(void **state) {
    (void)state;
    strcpy(folder, "/dev/shm/mofka-memory-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    OK(made_open_folder(&made, folder, MFI_STORE_MAKE));
    return 0;
}

static int memory_teardown(void **state) {
    char command[128];
    (void)state;
    made_close(&made);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* Events are in frames of 5, behind those that are there. */
static mofka_status_t memory_append(mfi_writer_t *w, int frames) {
    mfi_writer_state_t is;
    for (int i = 0; i < frames; i++) {
        mfi_writer_state(w, &is);
        TRY(made_append(w, is.next, 5, 1));
    }
    return MOFKA_OK;
}

/* Do a session until no allocation fails in it. */
static void memory_repeat(const char *what, mofka_status_t (*session)(void)) {
    for (int i = 0; i < 2; i++) {
        for_good = i == 1;
        OK(session()); /* one-time allocations are made before the count */
        long before = memory_live(), allowed = 0;
        for (bool whole = false; !whole; allowed++) {
            memory_fail_after(allowed, for_good);
            mofka_status_t status = session();
            whole = !memory_fail_no_more();
            if (memory_live() != before)
                fail_msg("%s, after %ld allocations: %ld are left", what, allowed,
                         memory_live() - before);
            if (status && (whole || status != MOFKA_ERR_MEMORY))
                fail_msg("%s, after %ld allocations: %s: %s", what, allowed,
                         mofka_status_name(status), mofka_last_error());
        }
        assert_true(allowed > 1);
    }
}

/* All that is there is right, and it can be written. */
static void memory_check(void) {
    mfi_scan_t scan;
    size_t damaged;
    OK(mfi_store_verify(&made.log, NULL, NULL, &scan, &damaged));
    assert_int_equal(scan.findings, 0);
    assert_int_equal(damaged, 0);
    assert_int_equal(made_read_all(&made.log, 1), scan.end - scan.oldest);
    mfi_writer_t *w = made_writer(&made.log, 0);
    OK(memory_append(w, 1));
    OK(mfi_writer_close(w));
}

/* ---- sessions -------------------------------------------------------------------------------- */

static mofka_status_t session_write(void) {
    mfi_writer_t *w;
    mfi_opened_t opened;
    uint64_t synced;
    TRY(mfi_writer_open(
        &made.log,
        &(mfi_writer_options_t){.segment_bytes = 5000, .retain_bytes = 10000, .cut = MFI_NO_CUT},
        &opened, &w));
    mofka_status_t status = memory_append(w, 3);
    if (!status)
        status = mfi_writer_sync(w, &synced);
    if (!status)
        status = memory_append(w, 2);
    if (!status)
        status = mfi_writer_retain(w, UINT64_MAX);
    mofka_status_t closed = mfi_writer_close(w);
    return status ? status : closed;
}

static mofka_status_t reader_use(mfi_reader_t *reader) {
    mfi_read_t read;
    uint64_t id, oldest;
    mofka_status_t status;
    TRY(mfi_reader_oldest(reader, &oldest));
    while (!(status = mfi_reader_next(reader, 0, &read))) {
        char why[256];
        uint32_t version;
        for (uint32_t i = 0; i < read.events; i++)
            if (!made_is_right(&read, i, &version, why))
                return strstr(why, "no memory") ? MOFKA_ERR_MEMORY : MOFKA_ERR_INVALID;
    }
    if (status != MOFKA_ERR_TIMEOUT)
        return status;
    TRY(mfi_reader_seek_time(reader, 1000 * (oldest + 20), &id));
    id = oldest + 12;
    TRY(mfi_reader_seek(reader, &id));
    status = mfi_reader_next(reader, 0, &read);
    return status ? status : mfi_reader_seek_end(reader, &id);
}

static mofka_status_t session_read(void) {
    mfi_reader_t *reader;
    TRY(mfi_reader_open(&made.log, &reader));
    mofka_status_t status = reader_use(reader);
    mfi_reader_close(reader);
    return status;
}

static void place_see(void *context, const mfi_place_t *place) {
    (void)place;
    ++*(size_t *)context;
}

static mofka_status_t places_use(mfi_places_t *places) {
    mfi_place_t place = {.life = 1};
    bool fresh;
    size_t slot, seen = 0, damaged;
    uint64_t floor;
    TRY(mfi_places_join(places, "a", &place, &fresh, &slot));
    mofka_status_t status = mfi_places_set(places, slot, 1, place.id + 1);
    mfi_places_leave(places, slot);
    TRY(status);
    TRY(mfi_places_list(places, place_see, &seen, &damaged));
    return mfi_places_floor(places, &floor);
}

static mofka_status_t session_places(void) {
    mfi_places_t *places;
    TRY(mfi_places_open(&made.log, true, &places));
    mofka_status_t status = places_use(places);
    mfi_places_close(places);
    return status;
}

static mofka_status_t session_lock(void) {
    mfi_lock_t *lock;
    mfi_lock_owner_t owner;
    bool owned;
    TRY(mfi_lock_take(&made.log, NULL, &lock));
    mofka_status_t status = mfi_lock_touch(lock);
    if (!status)
        status = mfi_lock_look(&made.log, &owner, &owned);
    mfi_lock_release(lock);
    return status ? status : mfi_lock_break(&made.log);
}

static mofka_status_t topic_see(void *context, const mfi_topic_record_t *record) {
    *(bool *)context |= strcmp(record->name, "t") == 0;
    return MOFKA_OK;
}

static mofka_status_t session_open(void) {
    mfi_store_t store;
    mfi_topic_record_t record;
    mfi_log_t log;
    bool seen = false;
    TRY(mfi_store_open(&mfi_io_posix, folder, MFI_STORE_THERE, &store));
    TRY(mfi_store_list_topics(&store, topic_see, &seen));
    assert_true(seen);
    TRY(mfi_store_load_topic(&store, "t", &record));
    mofka_status_t status = mfi_store_log(&store, &record, 0, &log);
    mfi_topic_record_clear(&record);
    return status;
}

/* A topic is made whole, or not at all. */
static mofka_status_t session_create(void) {
    static const char *const hosts[] = {"n0", "n1"};
    static int number;
    static char name[16];
    const mofka_topic_config_t config = {.name = name,
                                         .options = "{\"a\":1}",
                                         .validator = "{}",
                                         .selector = "{}",
                                         .serializer = "{}"};
    mfi_topic_record_t record;
    snprintf(name, sizeof name, "n%d", number);
    mofka_status_t status = mfi_store_create_topic(&made.store, &config, 2, hosts, true);
    if (status)
        return status;
    number++;
    TRY(mfi_store_load_topic(&made.store, name, &record));
    assert_int_equal(record.partitions, 2);
    mfi_topic_record_clear(&record);
    return MOFKA_OK;
}

static mofka_status_t session_make_store(void) {
    static int number;
    char path[128];
    mfi_store_t store;
    snprintf(path, sizeof path, "%s/store%d", folder, number);
    TRY(mfi_store_open(&mfi_io_posix, path, MFI_STORE_MAKE, &store));
    number++;
    return mfi_store_open(&mfi_io_posix, path, MFI_STORE_THERE, &store);
}

static mofka_status_t session_verify(void) {
    mfi_scan_t scan;
    size_t damaged;
    return mfi_store_verify(&made.log, NULL, NULL, &scan, &damaged);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void sessions_may_lack_memory(void **state) {
    (void)state;
    memory_repeat("make a store", session_make_store);
    memory_repeat("create a topic", session_create);
    memory_repeat("open", session_open);
    memory_repeat("lock", session_lock);
    memory_repeat("write", session_write);
    memory_check();
    memory_repeat("read", session_read);
    memory_repeat("places", session_places);
    memory_repeat("verify", session_verify);
    memory_check();
}

/* A cut is done in all partitions or in none; what was begun is finished by the next one. */
static mofka_status_t session_cut(void) {
    mfi_chain_t chain = {0};
    mfi_scan_t scan = {0};
    uint64_t end;
    TRY(mfi_store_finish_cut(&made.store));
    mofka_status_t status = mfi_chain_load(&made.log, &chain);
    if (!status)
        status = mfi_scan_run(&made.log, &chain, &scan);
    mfi_chain_clear(&chain);
    TRY(status);
    end = scan.end > scan.oldest + 3 ? scan.end - 3 : scan.oldest;
    return mfi_store_cut(&made.store, &made.record, &end);
}

static void a_cut_may_lack_memory(void **state) {
    (void)state;
    mfi_writer_t *w = made_writer(&made.log, 5000);
    OK(memory_append(w, 60));
    OK(mfi_writer_close(w));
    memory_repeat("cut", session_cut);
    OK(mfi_store_finish_cut(&made.store));
    memory_check();
}

/* Damage that a repair gives up; a new one for each session. */
static mofka_status_t session_repair(void) {
    char path[MFI_PATH_BYTES_MAX];
    mfi_chain_t chain = {0};
    uint64_t given_up;
    mofka_status_t status = mfi_chain_load(&made.log, &chain);
    if (!status) {
        const mfi_part_t *part = mfi_chain_find(&chain, mfi_chain_oldest(&chain) + 20);
        status = mfi_part_path(&made.log, part->life, part->first_id, ".log", path);
    }
    mfi_chain_clear(&chain);
    TRY(status);
    int fd = mfi_io_posix.ops->open(NULL, path, 2 /* O_RDWR */);
    assert_true(fd >= 0);
    assert_int_equal(mfi_io_write_bytes(&mfi_io_posix, fd, "damage", 6, 4500), 0);
    mfi_io_posix.ops->close(NULL, fd);
    return mfi_store_repair(&made.log, &given_up);
}

static void a_repair_may_lack_memory(void **state) {
    (void)state;
    mfi_writer_t *w = made_writer(&made.log, 5000);
    uint64_t given_up;
    OK(memory_append(w, 30));
    OK(mfi_writer_close(w));
    memory_repeat("repair", session_repair);
    OK(mfi_store_repair(&made.log, &given_up));
    mfi_scan_t scan;
    size_t damaged;
    OK(mfi_store_verify(&made.log, NULL, NULL, &scan, &damaged));
    assert_int_equal(scan.findings, 0);
    assert_int_equal(scan.end, 150);
    w = made_writer(&made.log, 0);
    OK(mfi_writer_close(w));
}

int main(void) {
#define MEMORY_CASE(name) cmocka_unit_test_setup_teardown(name, memory_setup, memory_teardown)
    const struct CMUnitTest cases[] = {
        MEMORY_CASE(sessions_may_lack_memory),
        MEMORY_CASE(a_cut_may_lack_memory),
        MEMORY_CASE(a_repair_may_lack_memory),
    };
    memory_start();
    return cmocka_run_group_tests(cases, NULL, NULL);
}
