/* SPDX-License-Identifier: BSD-3-Clause */
/* Consumers' places, and locks of partitions. */
#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include "durable/made.h"

static made_t made;
static disk_t *disk;

static int places_setup(void **state) {
    (void)state;
    disk = disk_create(1);
    OK(made_open(&made, disk, MFI_STORE_MAKE));
    return 0;
}

static int places_teardown(void **state) {
    (void)state;
    made_close(&made);
    disk_destroy(disk);
    return 0;
}

static size_t places_enter(mfi_places_t *places, const char *name, uint64_t expected, bool fresh) {
    mfi_place_t place = {.life = 1, .id = 5};
    bool found;
    size_t slot;
    OK(mfi_places_join(places, name, &place, &found, &slot));
    assert_int_equal(found, fresh);
    assert_int_equal(place.id, expected);
    return slot;
}

static void a_name_keeps_its_place(void **state) {
    (void)state;
    mfi_places_t *places;
    OK(mfi_places_open(&made.log, true, &places));
    size_t slot = places_enter(places, "a", 5, true);
    OK(mfi_places_set(places, slot, 2, 70));
    mfi_places_leave(places, slot);
    places_enter(places, "a", 70, false);
    places_enter(places, "b", 5, true);
    mfi_places_close(places);
    OK(mfi_places_open(&made.log, true, &places));
    slot = places_enter(places, "a", 70, false);
    OK(mfi_places_remove(places, slot));
    places_enter(places, "a", 5, true);
    mfi_places_close(places);
}

static void a_name_is_live_once(void **state) {
    (void)state;
    mfi_places_t *one, *two;
    mfi_place_t place = {.id = 0};
    bool fresh;
    size_t slot;
    OK(mfi_places_open(&made.log, true, &one));
    OK(mfi_places_open(&made.log, true, &two));
    slot = places_enter(one, "a", 5, true);
    FAILS(mfi_places_join(one, "a", &place, &fresh, &slot), MOFKA_ERR_BUSY, "'a' is live");
    FAILS(mfi_places_join(two, "a", &place, &fresh, &slot), MOFKA_ERR_BUSY, "'a' is live");
    places_enter(two, "b", 5, true);
    mfi_places_close(one);
    places_enter(two, "a", 5, false);
    mfi_places_close(two);
}

static void there_are_64_places(void **state) {
    (void)state;
    mfi_places_t *places;
    mfi_place_t place = {.id = 0};
    bool fresh;
    size_t slot;
    char name[MFI_PLACE_NAME_BYTES];
    OK(mfi_places_open(&made.log, true, &places));
    for (int i = 0; i < MFI_PLACES_MAX; i++) {
        snprintf(name, sizeof name, "%0127d", i);
        places_enter(places, name, 5, true);
    }
    FAILS(mfi_places_join(places, "one more", &place, &fresh, &slot), MOFKA_ERR_FULL, "64");
    mfi_places_close(places);
}

/* A place that fails to be synced is written again before the next sync counts. */
static void a_failed_sync_of_places_is_made_good(void **state) {
    (void)state;
    mfi_places_t *places;
    OK(mfi_places_open(&made.log, true, &places));
    size_t slot = places_enter(places, "a", 5, true);
    OK(mfi_places_set(places, slot, 1, 9));
    disk_fail(disk, DISK_SYNC, 0, 5, 1);
    FAILS(mfi_places_sync(places), MOFKA_ERR_STORAGE, "errno 5");
    OK(mfi_places_sync(places));
    disk_end_power(disk);
    mfi_places_close(places);
    OK(mfi_places_open(&made.log, true, &places));
    places_enter(places, "a", 9, false);
    mfi_places_close(places);
}

static void damaged_places_are_reported_and_removed(void **state) {
    (void)state;
    mfi_places_t *places;
    mfi_place_t place = {.id = 0};
    bool fresh;
    size_t slot, bytes;
    uint64_t given_up;
    char path[MFI_PATH_BYTES_MAX];
    OK(mfi_places_open(&made.log, true, &places));
    places_enter(places, "a", 5, true);
    mfi_places_close(places);
    OK(mfi_io_path(path, made.log.folder, "places"));
    disk_bytes(disk, path, &bytes)[4096 + 30] ^= 1;
    OK(mfi_places_open(&made.log, true, &places)); /* the other copy is right */
    places_enter(places, "a", 5, false);
    mfi_places_close(places);
    disk_bytes(disk, path, &bytes)[8192 + 30] ^= 1;
    OK(mfi_places_open(&made.log, true, &places));
    FAILS(mfi_places_join(places, "b", &place, &fresh, &slot), MOFKA_ERR_CORRUPT,
          "may be that of 'b'");
    mfi_places_close(places);
    OK(mfi_store_repair(&made.log, &given_up));
    OK(mfi_places_open(&made.log, true, &places));
    places_enter(places, "b", 5, true);
    mfi_places_close(places);
    memset(disk_bytes(disk, path, &bytes), 0, bytes);
    FAILS(mfi_places_open(&made.log, true, &places), MOFKA_ERR_CORRUPT, "mofkactl log repair");
    OK(mfi_store_repair(&made.log, &given_up));
    OK(mfi_places_open(&made.log, true, &places));
    mfi_places_close(places);
}

/* What the disk does, and once, before it locks a byte, what `before_lock` says. */
static struct {
    mfi_io_ops_t ops;
    const mfi_io_t *io;
    uint64_t start;
    void (*before_lock)(void);
} hook;

static int hook_lock(void *self, int fd, uint64_t start, uint64_t bytes) {
    void (*before_lock)(void) = start == hook.start ? hook.before_lock : NULL;
    if (before_lock) {
        hook.before_lock = NULL;
        before_lock();
    }
    return hook.io->ops->lock(self, fd, start, bytes);
}

static mfi_places_t *live;
static size_t live_slot;

static void live_moves_and_leaves(void) {
    OK(mfi_places_set(live, live_slot, 2, 70));
    mfi_places_leave(live, live_slot);
}

static void live_is_removed(void) {
    OK(mfi_places_remove(live, live_slot));
}

/* Between a look at the places and the lock of a name, the name's process goes on. */
static void a_place_that_moves_meanwhile_is_read_again(void **state) {
    (void)state;
    mfi_places_t *places;
    mfi_place_t place = {.id = 0};
    bool fresh;
    size_t slot;
    mfi_log_t log = made.log;
    hook.io = &made.log.io;
    hook.ops = *made.log.io.ops;
    hook.ops.lock = hook_lock;
    hook.start = 4096;
    log.io.ops = &hook.ops;
    OK(mfi_places_open(&made.log, true, &live));
    OK(mfi_places_open(&log, true, &places));
    live_slot = places_enter(live, "a", 5, true);
    hook.before_lock = live_moves_and_leaves;
    slot = places_enter(places, "a", 70, false);
    mfi_places_leave(places, slot);
    live_slot = places_enter(live, "a", 70, false);
    hook.before_lock = live_is_removed;
    FAILS(mfi_places_join(places, "a", &place, &fresh, &slot), MOFKA_ERR_BUSY, "removed just now");
    places_enter(places, "a", 5, true);
    mfi_places_close(places);
    mfi_places_close(live);
}

/* ---- locks ----------------------------------------------------------------------------------- */

static void a_lock_is_taken_once(void **state) {
    (void)state;
    mfi_lock_t *lock, *other;
    OK(mfi_lock_take(&made.log, NULL, &lock));
    FAILS(mfi_lock_take(&made.log, NULL, &other), MOFKA_ERR_BUSY, "in use by process");
    FAILS(mfi_lock_break(&made.log), MOFKA_ERR_BUSY, "it lives");
    OK(mfi_lock_touch(lock));
    OK(mfi_lock_check(lock));
    mfi_lock_release(lock);
    OK(mfi_lock_take(&made.log, NULL, &lock));
    mfi_lock_release(lock);
}

static void a_dead_process_of_this_node_is_taken_over(void **state) {
    (void)state;
    mfi_lock_t *lock, *dead;
    OK(mfi_lock_take(&made.log, NULL, &dead));
    disk_end_process(disk);
    OK(mfi_lock_take(&made.log, NULL, &lock));
    mfi_lock_release(lock);
    free(dead);
}

static void a_process_of_another_host_is_not(void **state) {
    (void)state;
    mfi_lock_t *lock, *far;
    const mfi_lock_options_t takeover = {.takeover = true, .still_ms = 30};
    OK(mfi_lock_take(&made.log, &(mfi_lock_options_t){.host = "node7"}, &far));
    disk_end_process(disk); /* as a file system without locks between nodes */
    FAILS(mfi_lock_take(&made.log, NULL, &lock), MOFKA_ERR_BUSY, "of node7 since 20");
    OK(mfi_lock_take(&made.log, &takeover, &lock));
    mfi_lock_release(lock);
    free(far);
    OK(mfi_lock_take(&made.log, &(mfi_lock_options_t){.host = "node7"}, &far));
    disk_end_process(disk);
    OK(mfi_lock_break(&made.log));
    OK(mfi_lock_take(&made.log, NULL, &lock));
    mfi_lock_release(lock);
    free(far);
}

/* Each look at the lock shows it, also one that only reads, and the message says by whom. */
static void an_owner_that_is_taken_over_finds_out(void **state) {
    (void)state;
    mfi_lock_t *lock, *other;
    const mfi_lock_options_t takeover = {.takeover = true, .still_ms = 30, .host = "node7"};
    OK(mfi_lock_take(&made.log, NULL, &lock));
    OK(mfi_lock_check(lock));
    disk_forget_locks(disk);
    OK(mfi_lock_take(&made.log, &takeover, &other));
    FAILS(mfi_lock_check(lock), MOFKA_ERR_BUSY, "of node7 since 20");
    FAILS(mfi_lock_check(lock), MOFKA_ERR_BUSY, "it took the partition over");
    FAILS(mfi_lock_touch(lock), MOFKA_ERR_BUSY, "/lock: in use by process");
    OK(mfi_lock_check(other));
    mfi_lock_release(lock);
    OK(mfi_lock_check(other)); /* the release did not clear it */
    disk_forget_locks(disk);
    OK(mfi_lock_break(&made.log));
    FAILS(mfi_lock_check(other), MOFKA_ERR_BUSY, "log unlock");
    mfi_lock_release(other);
}

/* A record that could not be written does not look like another owner's. */
static void a_failed_touch_keeps_the_lock(void **state) {
    (void)state;
    mfi_lock_t *lock;
    OK(mfi_lock_take(&made.log, NULL, &lock));
    for (int kind = DISK_WRITE; kind <= DISK_SYNC; kind *= 2) {
        disk_fail(disk, kind, 0, EIO, 1);
        OK(mfi_lock_touch(lock));
        assert_true(disk_has_failed(disk));
        OK(mfi_lock_check(lock));
        OK(mfi_lock_touch(lock));
        OK(mfi_lock_check(lock));
    }
    mfi_lock_release(lock);
}

typedef struct mover {
    mfi_lock_t *lock;
    _Atomic bool stop;
} mover_t;

static void *lock_move(void *context) {
    mover_t *mover = context;
    while (!mover->stop)
        (void)mfi_lock_touch(mover->lock);
    return NULL;
}

static void an_owner_whose_stamp_moves_is_not_taken_over(void **state) {
    (void)state;
    mover_t mover = {.stop = false};
    mfi_lock_t *lock;
    pthread_t thread;
    char path[MFI_PATH_BYTES_MAX];
    OK(mfi_lock_take(&made.log, &(mfi_lock_options_t){.host = "node7"}, &mover.lock));
    OK(mfi_io_path(path, made.log.folder, "lock"));
    disk_forget_locks(disk);
    assert_int_equal(pthread_create(&thread, NULL, lock_move, &mover), 0);
    FAILS(
        mfi_lock_take(&made.log, &(mfi_lock_options_t){.takeover = true, .still_ms = 60000}, &lock),
        MOFKA_ERR_BUSY, "it lives");
    mover.stop = true;
    pthread_join(thread, NULL);
    mfi_lock_release(mover.lock);
}

/* A store in a folder of the system. */
typedef struct folder {
    made_t made;
    char path[64];
} folder_t;

static void folder_begin(folder_t *folder) {
    strcpy(folder->path, "/tmp/mofka-lock-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
}

static void folder_end(const folder_t *folder) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder->path);
    assert_int_equal(system(command), 0);
}

/* Take a lock and a name, fork a child that lives until `done` is closed, and die. */
static void lock_and_die(const mfi_log_t *log, const int done[2], int forked) {
    mfi_lock_t *lock;
    mfi_places_t *places;
    mfi_place_t place = {.id = 5};
    bool fresh;
    size_t slot;
    char byte = 1;
    if (mfi_lock_take(log, NULL, &lock) || mfi_places_open(log, true, &places) ||
        mfi_places_join(places, "a", &place, &fresh, &slot))
        _exit(1);
    if (fork() == 0) {
        close(done[1]);
        if (write(forked, &byte, 1) != 1)
            _exit(1);
        _exit(read(done[0], &byte, 1) != 0);
    }
    _exit(0);
}

/* Locks belong to the open file; a forked child would keep them. */
static void a_forked_child_keeps_no_lock_and_no_name(void **state) {
    (void)state;
    folder_t folder;
    mfi_lock_t *lock;
    mfi_places_t *places;
    char byte;
    int done[2], forked[2], status;
    folder_begin(&folder);
    assert_int_equal(pipe(done), 0);
    assert_int_equal(pipe(forked), 0);
    OK(made_open_folder(&folder.made, folder.path, MFI_STORE_MAKE));
    pid_t owner = fork();
    if (owner == 0)
        lock_and_die(&folder.made.log, done, forked[1]);
    assert_int_equal(waitpid(owner, &status, 0), owner);
    assert_int_equal(status, 0);
    assert_int_equal(read(forked[0], &byte, 1), 1);
    OK(mfi_lock_take(&folder.made.log, NULL, &lock));
    mfi_lock_release(lock);
    OK(mfi_places_open(&folder.made.log, true, &places));
    places_enter(places, "a", 5, false);
    mfi_places_close(places);
    for (int i = 0; i < 2; i++) {
        close(done[i]);
        close(forked[i]);
    }
    made_close(&folder.made);
    folder_end(&folder);
}

/* ---- making a store at the same time --------------------------------------------------------- */

#define MAKERS 4

typedef struct maker {
    pthread_t thread;
    pthread_barrier_t *start;
    const char *path;
    mofka_status_t opened, created, loaded;
    mfi_uuid_t store, topic;
} maker_t;

static void *maker_run(void *context) {
    static const mofka_topic_config_t config = {
        .name = "t", .options = "{}", .validator = "{}", .selector = "{}", .serializer = "{}"};
    static const char *const hosts[] = {"n0"};
    maker_t *m = context;
    mfi_store_t store;
    mfi_topic_record_t record = {0};
    pthread_barrier_wait(m->start);
    m->opened = mfi_store_open(&mfi_io_posix, m->path, MFI_STORE_MAKE, &store);
    pthread_barrier_wait(m->start);
    if (m->opened)
        return NULL;
    m->store = store.uuid;
    m->created = mfi_store_create_topic(&store, &config, 1, hosts, true);
    m->loaded = mfi_store_load_topic(&store, "t", &record);
    m->topic = record.uuid;
    mfi_topic_record_clear(&record);
    return NULL;
}

/* All have the same store and the same topic: else the events of some would be in files that count
 * for nothing. */
static void a_store_and_a_topic_are_made_once(void **state) {
    (void)state;
    for (int round = 0; round < 60; round++) {
        folder_t folder;
        maker_t makers[MAKERS];
        pthread_barrier_t start;
        int created = 0;
        folder_begin(&folder);
        assert_int_equal(pthread_barrier_init(&start, NULL, MAKERS), 0);
        for (int i = 0; i < MAKERS; i++) {
            makers[i] = (maker_t){.start = &start, .path = folder.path};
            assert_int_equal(pthread_create(&makers[i].thread, NULL, maker_run, &makers[i]), 0);
        }
        for (int i = 0; i < MAKERS; i++)
            pthread_join(makers[i].thread, NULL);
        for (int i = 0; i < MAKERS; i++) {
            OK(makers[i].opened);
            OK(makers[i].loaded);
            created += makers[i].created == MOFKA_OK;
            assert_true(!makers[i].created || makers[i].created == MOFKA_ERR_EXISTS);
            assert_memory_equal(&makers[i].store, &makers[0].store, sizeof makers[0].store);
            assert_memory_equal(&makers[i].topic, &makers[0].topic, sizeof makers[0].topic);
        }
        assert_int_equal(created, 1);
        pthread_barrier_destroy(&start);
        folder_end(&folder);
    }
}

int main(void) {
#define PLACES_CASE(name) cmocka_unit_test_setup_teardown(name, places_setup, places_teardown)
    const struct CMUnitTest cases[] = {
        PLACES_CASE(a_name_keeps_its_place),
        PLACES_CASE(a_name_is_live_once),
        PLACES_CASE(there_are_64_places),
        PLACES_CASE(a_failed_sync_of_places_is_made_good),
        PLACES_CASE(damaged_places_are_reported_and_removed),
        PLACES_CASE(a_lock_is_taken_once),
        PLACES_CASE(a_dead_process_of_this_node_is_taken_over),
        PLACES_CASE(a_process_of_another_host_is_not),
        PLACES_CASE(an_owner_that_is_taken_over_finds_out),
        PLACES_CASE(a_failed_touch_keeps_the_lock),
        PLACES_CASE(an_owner_whose_stamp_moves_is_not_taken_over),
        PLACES_CASE(a_place_that_moves_meanwhile_is_read_again),
        PLACES_CASE(a_forked_child_keeps_no_lock_and_no_name),
        PLACES_CASE(a_store_and_a_topic_are_made_once),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
