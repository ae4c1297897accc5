/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver "files" over stores that are not what they should be, and on disks that are full,
 * read-only, failing, or without locks: each error names the file and what to do, no file is lost,
 * and when the trouble is over it goes on.
 *
 * The linker puts the functions below in front of those of the system.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "durable/made.h"

/* ---- a disk in trouble ----------------------------------------------------------------------- */

static _Atomic int fails_write, fails_sync, fails_lock; /* errno; 0: as the system says */
static _Atomic bool read_only;

int __real_open(const char *path, int flags, ...);
int __real_mkdir(const char *path, mode_t mode);
int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
ssize_t __real_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
int __real_fdatasync(int fd);
int __real_fcntl(int fd, int command, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
int __wrap_fdatasync(int fd);
int __wrap_fcntl(int fd, int command, struct flock *range);

static bool call_is_refused(int error) {
    errno = error ? error : errno;
    return error != 0;
}

int __wrap_open(const char *path, int flags, ...) {
    if (call_is_refused(read_only && (flags & (O_RDWR | O_WRONLY | O_CREAT)) ? EROFS : 0))
        return -1;
    return __real_open(path, flags, 0666);
}

int __wrap_mkdir(const char *path, mode_t mode) {
    return call_is_refused(read_only ? EROFS : 0) ? -1 : __real_mkdir(path, mode);
}

int __wrap_rename(const char *from, const char *to) {
    return call_is_refused(read_only ? EROFS : 0) ? -1 : __real_rename(from, to);
}

int __wrap_unlink(const char *path) {
    return call_is_refused(read_only ? EROFS : 0) ? -1 : __real_unlink(path);
}

ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    return call_is_refused(fails_write) ? -1 : __real_pwritev(fd, parts, count, offset);
}

int __wrap_fdatasync(int fd) {
    return call_is_refused(fails_sync) ? -1 : __real_fdatasync(fd);
}

int __wrap_fcntl(int fd, int command, struct flock *range) {
    return call_is_refused(fails_lock) ? -1 : __real_fcntl(fd, command, range);
}

/* ---- a store with 10 events ------------------------------------------------------------------ */

static char folder[64];
static mofka_driver_t *driver;
static mofka_topic_t *topic;

/* Run a command in the folder; its exit code. */
static int input_shell(const char *command) {
    char text[512];
    snprintf(text, sizeof text, "cd '%s' && %s", folder, command);
    return system(text);
}

static mofka_status_t input_try(const char *resume) {
    char options[256];
    snprintf(options, sizeof options, "{\"store\":\"%s/s\",\"sync_ms\":10000,\"resume\":\"%s\"}",
             folder, resume);
    return mofka_driver_create("files", options, &driver);
}

static void input_open(void) {
    OK(input_try("must"));
    OK(mofka_driver_open_topic(driver, "t", 0, &topic));
}

static void input_close(void) {
    mofka_topic_release(topic);
    topic = NULL;
    if (driver)
        OK(mofka_driver_close(driver, 0));
    mofka_driver_release(driver);
    driver = NULL;
}

static mofka_status_t input_push(int first, int count) {
    mofka_producer_t *producer;
    /* One batch, however busy the machine is. */
    const mofka_producer_options_t one = {.batch_size = 64, .linger_ms = 60000};
    mofka_status_t status = mofka_producer_create(topic, &one, &producer);
    if (status)
        return status;
    for (int i = first; i < first + count; i++) {
        char text[32];
        int bytes = snprintf(text, sizeof text, "{\"n\":%d}", i);
        OK(mofka_producer_push(producer, text, (size_t)bytes, NULL, 0, NULL));
    }
    status = mofka_producer_flush(producer, 10000);
    mofka_status_t closed = mofka_producer_close(producer, 10000);
    mofka_producer_release(producer);
    return status ? status : closed;
}

static mofka_status_t input_consume(const char *name, const char *options,
                                    mofka_consumer_t **consumer) {
    return mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = name, .options = options}, consumer);
}

/* A new consumer finds these events, with ids from 0 on, and no more. */
static void input_finds(const int *numbers, int count, const char *options) {
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    OK(input_consume("finder", options, &consumer));
    for (int i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof text, "{\"n\":%d}", numbers[i]);
        OK(mofka_consumer_pull(consumer, 10000, &event));
        assert_int_equal(mofka_event_id(event), i);
        assert_string_equal(mofka_event_metadata_text(event, NULL), text);
        mofka_event_release(event);
    }
    assert_int_equal(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_TIMEOUT);
    OK(mofka_consumer_unsubscribe(consumer));
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

static void input_finds_ten(const char *options) {
    static const int numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    input_finds(numbers, 10, options);
}

static int input_setup(void **state) {
    (void)state;
    strcpy(folder, "/dev/shm/mofka-input-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    OK(input_try("never"));
    OK(mofka_driver_create_topic(driver, "t", NULL));
    OK(mofka_driver_open_topic(driver, "t", 0, &topic));
    OK(input_push(0, 10));
    input_close();
    return input_shell("cp -a s kept");
}

static int input_teardown(void **state) {
    (void)state;
    fails_write = fails_sync = fails_lock = 0;
    read_only = false;
    input_close();
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* No file was lost or changed; an owner's record may have come and gone. */
static void input_is_as_before(void) {
    assert_int_equal(input_shell("diff -r -x lock kept s"), 0);
}

/* ---- disks ----------------------------------------------------------------------------------- */

static void a_full_disk_fails_pushes_until_there_is_room(void **state) {
    (void)state;
    static const int numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 30, 31, 32, 33, 34};
    mofka_producer_t *producer;
    mofka_future_t *future;
    input_open();
    OK(mofka_producer_create(topic, NULL, &producer));
    fails_write = ENOSPC;
    OK(mofka_producer_push(producer, "{\"n\":20}", 8, NULL, 0, NULL));
    FAILS(mofka_producer_flush(producer, 10000), MOFKA_ERR_STORAGE, "/s/topics/t%/0000/");
    assert_non_null(strstr(mofka_last_error(), "errno 28"));
    assert_non_null(strstr(mofka_last_error(), "make room there"));
    OK(mofka_producer_push(producer, "{\"n\":21}", 8, NULL, 0, &future));
    FAILS(mofka_future_wait(future, 1000, NULL), MOFKA_ERR_STORAGE, "make room there");
    mofka_future_release(future);
    OK(mofka_producer_close(producer, 1000));
    mofka_producer_release(producer);
    fails_write = 0;
    OK(input_push(30, 5));
    input_finds(numbers, 15, NULL);
}

static void a_full_disk_makes_nothing(void **state) {
    (void)state;
    mofka_driver_t *other;
    mofka_consumer_t *consumer;
    char options[128];
    input_open();
    fails_write = ENOSPC;
    FAILS(mofka_driver_create_topic(driver, "u", NULL), MOFKA_ERR_STORAGE, "/s/topics/u%/");
    FAILS(input_consume("a", NULL, &consumer), MOFKA_ERR_STORAGE, "/0000/places");
    snprintf(options, sizeof options, "{\"store\":\"%s/new\"}", folder);
    FAILS(mofka_driver_create("files", options, &other), MOFKA_ERR_STORAGE, "/new/store.json");
    fails_write = 0;
    OK(mofka_driver_create_topic(driver, "u", NULL));
    OK(input_consume("a", NULL, &consumer));
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    OK(mofka_driver_create("files", options, &other));
    OK(mofka_driver_close(other, 0));
    mofka_driver_release(other);
    input_finds_ten(NULL);
}

static void a_read_only_store_can_be_read(void **state) {
    (void)state;
    mofka_consumer_t *consumer;
    read_only = true;
    input_open();
    input_finds_ten("{\"observe\":true}");
    FAILS(input_consume("a", NULL, &consumer), MOFKA_ERR_STORAGE, "/0000/places");
    assert_non_null(strstr(mofka_last_error(), "without a consumer's name"));
    FAILS(input_push(10, 1), MOFKA_ERR_STORAGE, "/0000/lock");
    FAILS(mofka_driver_create_topic(driver, "u", NULL), MOFKA_ERR_STORAGE, "errno 30");
    input_close();
    FAILS(input_try("never"), MOFKA_ERR_EXISTS, "a store already");
    assert_int_equal(input_shell("diff -r kept s"), 0);
}

/* In a topic that is synced, what could not be synced is taken back: who has seen it is set back.
 * It goes on when the disk does. */
static void a_sync_that_fails_takes_its_batch_back(void **state) {
    (void)state;
    static const int numbers[] = {0, 2, 3};
    mofka_consumer_t *consumer;
    mofka_producer_t *producer;
    mofka_event_t *event;
    input_open();
    OK(mofka_driver_create_topic(
        driver, "safe", &(mofka_topic_options_t){.options = "{\"durability\":\"synced\"}"}));
    mofka_topic_release(topic);
    OK(mofka_driver_open_topic(driver, "safe", 0, &topic));
    OK(input_push(0, 1));
    mofka_log_set_level(MOFKA_LOG_ERROR);
    OK(mofka_producer_create(topic, NULL, &producer));
    OK(input_consume("early", NULL, &consumer));
    fails_sync = EIO;
    for (int i = 0; i < 3; i++) { /* the second one finds a log that could not go on */
        OK(mofka_producer_push(producer, "{\"n\":1}", 7, NULL, 0, NULL));
        FAILS(mofka_producer_flush(producer, 10000), MOFKA_ERR_STORAGE, "errno 5");
    }
    for (int i = 0; i < 2; i++) {
        OK(mofka_consumer_pull(consumer, 1000, &event));
        assert_int_equal(mofka_event_id(event), i);
        mofka_event_release(event);
    }
    fails_sync = 0;
    OK(mofka_producer_push(producer, "{\"n\":2}", 7, NULL, 0, NULL));
    OK(mofka_producer_flush(producer, 10000));
    OK(mofka_producer_push(producer, "{\"n\":3}", 7, NULL, 0, NULL));
    OK(mofka_producer_flush(producer, 10000));
    OK(mofka_producer_close(producer, 1000));
    mofka_producer_release(producer);
    for (int i = 2; i < 4; i++) {
        char text[16];
        snprintf(text, sizeof text, "{\"n\":%d}", i);
        OK(mofka_consumer_pull(consumer, 1000, &event));
        assert_int_equal(mofka_event_id(event), i - 1);
        assert_string_equal(mofka_event_metadata_text(event, NULL), text);
        mofka_event_release(event);
    }
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    input_finds(numbers, 3, NULL);
    input_close();
    input_open();
    mofka_topic_release(topic);
    OK(mofka_driver_open_topic(driver, "safe", 0, &topic));
    input_finds(numbers, 3, NULL);
}

static void a_file_system_without_locks_is_named(void **state) {
    (void)state;
    mofka_consumer_t *consumer;
    input_open();
    fails_lock = ENOSYS;
    FAILS(input_push(10, 1), MOFKA_ERR_STORAGE, "/0000/lock");
    assert_non_null(strstr(mofka_last_error(), "no byte-range locks"));
    FAILS(input_consume("a", NULL, &consumer), MOFKA_ERR_STORAGE, "/0000/places");
    input_finds_ten("{\"observe\":true}");
    fails_lock = 0;
    input_is_as_before();
}

/* ---- stores ---------------------------------------------------------------------------------- */

/* A process of another host has the store; its lock is not seen here. */
static void a_writer_on_another_host_is_named(void **state) {
    (void)state;
    int ended;
    made_t far;
    char path[128];
    snprintf(path, sizeof path, "%s/s", folder);
    OK(made_open_folder(&far, path, MFI_STORE_THERE));
    pid_t child = fork();
    if (child == 0) {
        mfi_lock_t *lock;
        _exit(mfi_lock_take(&far.log, &(mfi_lock_options_t){.host = "node7"}, &lock) != MOFKA_OK);
    }
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
    input_open();
    FAILS(input_push(10, 1), MOFKA_ERR_BUSY, "of node7 since 20");
    assert_non_null(strstr(mofka_last_error(), "/0000/lock"));
    assert_non_null(strstr(mofka_last_error(), "mofkactl log unlock"));
    input_finds_ten(NULL);
    OK(mfi_lock_break(&far.log));
    OK(input_push(10, 1));
    made_close(&far);
}

static void another_version_is_refused(void **state) {
    (void)state;
    assert_int_equal(input_shell("sed -i 's/\"format\":1/\"format\":2/' 's/topics/t%/topic.json'"),
                     0);
    OK(input_try("must"));
    FAILS(mofka_driver_open_topic(driver, "t", 0, &topic), MOFKA_ERR_UNSUPPORTED,
          "/s/topics/t%/topic.json has format version 2");
    FAILS(mofka_driver_create_topic(driver, "t", NULL), MOFKA_ERR_UNSUPPORTED,
          "/s/topics/t%/topic.json has format version 2");
    input_close();
    assert_int_equal(input_shell("sed -i 's/\"format\":1/\"format\":7/' s/store.json"), 0);
    FAILS(input_try("if_exists"), MOFKA_ERR_UNSUPPORTED, "/s/store.json has format version 7");
    assert_int_equal(input_shell("diff -r -x '*.json' kept s"), 0);
}

static void places_of_another_version_are_refused(void **state) {
    (void)state;
    mofka_consumer_t *consumer;
    char path[128];
    uint32_t version = 9;
    mfi_place_page_t header;
    snprintf(path, sizeof path, "%s/s/topics/t%%/0000/places", folder);
    int fd = __real_open(path, O_RDWR, 0);
    assert_int_equal(pread(fd, &header, sizeof header, 0), sizeof header);
    header.version = (uint16_t)version;
    header.check = mfi_check_bytes(&header, offsetof(mfi_place_page_t, check), mfi_seed_at(0, 0));
    assert_int_equal(pwrite(fd, &header, sizeof header, 0), sizeof header);
    close(fd);
    input_open();
    FAILS(input_consume("a", NULL, &consumer), MOFKA_ERR_UNSUPPORTED,
          "/0000/places has format version 9");
    input_finds_ten("{\"observe\":true}");
}

/* A topic's folder that was copied from another store. */
static void a_topic_of_another_store_is_refused(void **state) {
    (void)state;
    mofka_consumer_t *consumer;
    input_open();
    OK(mofka_driver_create_topic(driver, "u", NULL));
    input_close();
    assert_int_equal(input_shell("mv s old && rm -r kept"), 0);
    OK(input_try("never"));
    input_close();
    assert_int_equal(input_shell("cp -a 'old/topics/t%' s/topics && cp -a s kept"), 0);
    input_open();
    FAILS(input_push(10, 1), MOFKA_ERR_INVALID, "belongs to another store");
    assert_non_null(strstr(mofka_last_error(), "/s/topics/t%/0000/"));
    FAILS(input_consume("a", NULL, &consumer), MOFKA_ERR_INVALID, "belongs to another store");
    input_is_as_before();
}

static void what_is_missing_is_named(void **state) {
    (void)state;
    mofka_consumer_t *consumer;
    mofka_topic_t *other;
    input_open();
    FAILS(mofka_driver_open_topic(driver, "nosuch", 0, &other), MOFKA_ERR_NOT_FOUND,
          "has no topic 'nosuch'");
    input_close();
    assert_int_equal(input_shell("mv 's/topics/t%/0000' away"), 0);
    OK(input_try("must"));
    FAILS(mofka_driver_open_topic(driver, "t", 0, &topic), MOFKA_ERR_NOT_FOUND,
          "/s/topics/t%/0000 is missing; its files were made on host");
    input_close();
    assert_int_equal(input_shell("test ! -e 's/topics/t%/0000' && mv away 's/topics/t%/0000'"), 0);
    assert_int_equal(input_shell("mv 's/topics/t%/0000/places' away"), 0);
    input_open();
    FAILS(input_consume("a", NULL, &consumer), MOFKA_ERR_NOT_FOUND, "/0000/places is missing");
    assert_non_null(strstr(mofka_last_error(), "mofkactl log repair"));
    FAILS(input_push(10, 1), MOFKA_ERR_NOT_FOUND, "/0000/places is missing");
    input_close();
    assert_int_equal(
        input_shell("mv away 's/topics/t%/0000/places' && mv s/store.json away && cp -a s kept2"),
        0);
    FAILS(input_try("if_exists"), MOFKA_ERR_INVALID,
          "/s has topics, and no store.json: restore that");
    FAILS(input_try("must"), MOFKA_ERR_NOT_FOUND, "is no store");
    assert_int_equal(input_shell("diff -r kept2 s && mv away s/store.json"), 0);
    input_open();
    input_finds_ten(NULL);
    input_close();
}

static void a_places_file_of_zeros_is_refused(void **state) {
    (void)state;
    mofka_consumer_t *consumer;
    assert_int_equal(
        input_shell("p='s/topics/t%/0000/places' && n=$(stat -c %s \"$p\") && head -c \"$n\" "
                    "/dev/zero >zeros && cp zeros \"$p\" && rm -r kept && cp -a s kept"),
        0);
    input_open();
    FAILS(input_consume("a", NULL, &consumer), MOFKA_ERR_CORRUPT, "/0000/places: its header");
    assert_non_null(strstr(mofka_last_error(), "mofkactl log repair"));
    FAILS(input_push(10, 1), MOFKA_ERR_CORRUPT, "mofkactl log repair");
    input_finds_ten("{\"observe\":true}");
    input_is_as_before();
}

/* Damage before the last event that was synced: it is read-only until a repair. */
static void damage_is_skipped_if_the_user_says_so(void **state) {
    (void)state;
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    input_open();
    OK(input_push(10, 5));
    input_close();
    assert_int_equal(input_shell("f=$(ls 's/topics/t%/0000/'*.log | head -1) && printf x | dd "
                                 "of=\"$f\" bs=1 seek=4170 conv=notrunc status=none"),
                     0);
    mofka_log_set_level(MOFKA_LOG_ERROR);
    input_open();
    OK(input_consume("a", NULL, &consumer));
    FAILS(mofka_consumer_pull(consumer, 1000, &event), MOFKA_ERR_CORRUPT,
          "events 0 to 9 are damaged");
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    OK(input_consume("b", "{\"skip_damaged\":true}", &consumer));
    OK(mofka_consumer_pull(consumer, 1000, &event));
    assert_int_equal(mofka_event_id(event), 10);
    assert_int_equal(mofka_event_lost(event), 10);
    mofka_event_release(event);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    FAILS(input_consume("c", "{\"nosuch\":true}", &consumer), MOFKA_ERR_OPTION, "nosuch");
}

/* It keeps no place, and so needs no name of its own; retention does not wait for it. */
static void an_observer_leaves_no_trace(void **state) {
    (void)state;
    mofka_consumer_t *one, *two;
    mofka_event_t *event;
    input_open();
    OK(input_consume("same", "{\"observe\":true}", &one));
    OK(input_consume("same", "{\"observe\":true}", &two));
    OK(mofka_consumer_pull(one, 1000, &event));
    OK(mofka_event_acknowledge(event));
    mofka_event_release(event);
    OK(mofka_consumer_close(one));
    mofka_consumer_release(one);
    OK(mofka_consumer_pull(two, 1000, &event));
    assert_int_equal(mofka_event_id(event), 0);
    mofka_event_release(event);
    OK(mofka_consumer_close(two));
    mofka_consumer_release(two);
    input_close();
    assert_int_equal(input_shell("diff -r kept s"), 0);
}

int main(void) {
#define INPUT_CASE(name) cmocka_unit_test_setup_teardown(name, input_setup, input_teardown)
    const struct CMUnitTest cases[] = {
        INPUT_CASE(a_full_disk_fails_pushes_until_there_is_room),
        INPUT_CASE(a_full_disk_makes_nothing),
        INPUT_CASE(a_read_only_store_can_be_read),
        INPUT_CASE(a_sync_that_fails_takes_its_batch_back),
        INPUT_CASE(a_file_system_without_locks_is_named),
        INPUT_CASE(a_writer_on_another_host_is_named),
        INPUT_CASE(another_version_is_refused),
        INPUT_CASE(places_of_another_version_are_refused),
        INPUT_CASE(a_topic_of_another_store_is_refused),
        INPUT_CASE(what_is_missing_is_named),
        INPUT_CASE(a_places_file_of_zeros_is_refused),
        INPUT_CASE(damage_is_skipped_if_the_user_says_so),
        INPUT_CASE(an_observer_leaves_no_trace),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
