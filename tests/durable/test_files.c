/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver "files": topics outlive their process, one process writes, others read. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "durable/made.h"

static char folder[64];

static int files_setup(void **state) {
    (void)state;
    strcpy(folder, "/tmp/mofka-files-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int files_teardown(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static mofka_status_t files_try(const char *more, mofka_driver_t **driver) {
    char options[256];
    snprintf(options, sizeof options, "{\"store\":\"%s/s\"%s}", folder, more);
    return mofka_driver_create("files", options, driver);
}

static mofka_driver_t *files_driver(void) {
    mofka_driver_t *driver;
    OK(files_try(",\"sync_ms\":10", &driver));
    return driver;
}

static void files_end(mofka_driver_t *driver) {
    OK(mofka_driver_close(driver, 0));
    mofka_driver_release(driver);
}

static mofka_topic_t *files_topic(mofka_driver_t *driver, const char *options) {
    mofka_topic_t *topic;
    if (options)
        OK(mofka_driver_create_topic(driver, "t", &(mofka_topic_options_t){.options = options}));
    OK(mofka_driver_open_topic(driver, "t", 0, &topic));
    return topic;
}

static void files_push(mofka_topic_t *topic, int first, int count) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, NULL, &producer));
    for (int i = first; i < first + count; i++) {
        char text[32];
        int bytes = snprintf(text, sizeof text, "{\"n\":%d}", i);
        OK(mofka_producer_push(producer, text, (size_t)bytes, NULL, 0, NULL));
    }
    OK(mofka_producer_flush(producer, 10000));
    OK(mofka_producer_close(producer, 10000));
    mofka_producer_release(producer);
}

static mofka_consumer_t *files_consumer(mofka_topic_t *topic, const char *name) {
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = name}, &consumer));
    return consumer;
}

/* Pull events and acknowledge them; they have these numbers. */
static void files_pull(mofka_consumer_t *consumer, int first, int count) {
    for (int i = first; i < first + count; i++) {
        mofka_event_t *event;
        char text[32];
        OK(mofka_consumer_pull(consumer, 10000, &event));
        snprintf(text, sizeof text, "{\"n\":%d}", i);
        assert_string_equal(mofka_event_metadata_text(event, NULL), text);
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
}

static void files_leave(mofka_consumer_t *consumer) {
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void a_topic_outlives_its_driver(void **state) {
    (void)state;
    mofka_driver_t *driver = files_driver();
    mofka_topic_t *topic = files_topic(driver, "{\"segment_bytes\":4096}");
    files_push(topic, 0, 500);
    mofka_consumer_t *consumer = files_consumer(topic, "a");
    files_pull(consumer, 0, 200);
    files_leave(consumer);
    mofka_topic_release(topic);
    files_end(driver);
    driver = files_driver();
    topic = files_topic(driver, NULL);
    consumer = files_consumer(topic, "a");
    files_pull(consumer, 200, 300);
    files_push(topic, 500, 100);
    files_pull(consumer, 500, 100);
    files_leave(consumer);
    consumer = files_consumer(topic, "late");
    files_pull(consumer, 0, 600);
    OK(mofka_topic_mark_complete(topic, 0));
    mofka_event_t *event;
    OK(mofka_consumer_pull(consumer, 1000, &event));
    assert_true(mofka_event_id(event) == MOFKA_NO_MORE_EVENTS);
    mofka_event_release(event);
    files_leave(consumer);
    mofka_topic_release(topic);
    files_end(driver);
}

/* Freed memory that is allocated anew has other contents. */
static void files_overwrite_freed(void) {
    void *blocks[4096];
    for (size_t i = 0; i < 4096; i++) {
        size_t bytes = 16 * (1 + i % 256);
        assert_non_null(blocks[i] = malloc(bytes));
        memset(blocks[i], 0xff, bytes);
    }
    for (size_t i = 0; i < 4096; i++)
        free(blocks[i]);
}

static void a_consumer_may_be_released_after_its_driver_is_closed(void **state) {
    (void)state;
    mofka_driver_t *driver = files_driver();
    mofka_topic_t *topic = files_topic(driver, "{}");
    mofka_event_t *event;
    files_push(topic, 0, 10);
    mofka_consumer_t *consumer = files_consumer(topic, "a");
    OK(mofka_consumer_pull(consumer, 10000, &event));
    OK(mofka_consumer_close(consumer));
    mofka_topic_release(topic);
    files_end(driver);
    files_overwrite_freed();
    mofka_consumer_release(consumer);
    assert_string_equal(mofka_event_metadata_text(event, NULL), "{\"n\":0}");
    mofka_event_release(event);
}

static void resume_says_whether_a_store_may_be_there(void **state) {
    (void)state;
    mofka_driver_t *driver;
    FAILS(files_try(",\"resume\":\"must\"", &driver), MOFKA_ERR_NOT_FOUND, "is no store");
    OK(files_try(",\"resume\":\"never\"", &driver));
    files_end(driver);
    FAILS(files_try(",\"resume\":\"never\"", &driver), MOFKA_ERR_EXISTS, "a store already");
    OK(files_try(",\"resume\":\"must\"", &driver));
    files_end(driver);
    FAILS(mofka_driver_create("files", "{}", &driver), MOFKA_ERR_OPTION, "\"store\" is missing");
    FAILS(mofka_driver_create("files", "{\"store\":\"/dev/null/x\"}", &driver), MOFKA_ERR_STORAGE,
          "/dev/null/x");
}

static void a_second_writer_is_refused_and_may_read(void **state) {
    (void)state;
    mofka_driver_t *one = files_driver(), *two = files_driver();
    mofka_topic_t *topic = files_topic(one, "{}"), *other = files_topic(two, NULL);
    mofka_producer_t *producer;
    mofka_consumer_t *consumer = files_consumer(other, "reader");
    files_push(topic, 0, 10);
    FAILS(mofka_producer_create(other, NULL, &producer), MOFKA_ERR_BUSY, "in use by process");
    files_pull(consumer, 0, 10);
    files_push(topic, 10, 10);
    files_pull(consumer, 10, 10);
    files_leave(consumer);
    mofka_topic_release(topic);
    files_end(one);
    /* Its writer is free now. */
    files_push(other, 20, 10);
    mofka_topic_release(other);
    files_end(two);
}

/* What is flushed survives the death of its process. */
static void a_killed_writer_loses_nothing(void **state) {
    (void)state;
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        mofka_driver_t *driver = files_driver();
        files_push(files_topic(driver, "{\"partitions\":1}"), 0, 300);
        if (write(ready[1], "x", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    mofka_driver_t *driver = files_driver();
    mofka_topic_t *topic = files_topic(driver, NULL);
    mofka_consumer_t *consumer = files_consumer(topic, "a");
    files_pull(consumer, 0, 300);
    files_push(topic, 300, 10);
    files_pull(consumer, 300, 10);
    files_leave(consumer);
    mofka_topic_release(topic);
    files_end(driver);
    close(ready[0]);
    close(ready[1]);
}

static void retention_waits_for_consumers(void **state) {
    (void)state;
    mofka_driver_t *driver = files_driver();
    mofka_topic_t *topic = files_topic(
        driver, "{\"segment_bytes\":4096,\"retain_bytes\":1,\"durability\":\"synced\"}");
    mofka_consumer_t *slow = files_consumer(topic, "slow"), *late;
    for (int i = 0; i < 20; i++)
        files_push(topic, 50 * i, 50);
    files_pull(slow, 0, 1000);
    files_leave(slow);
    /* Now the thread of the driver may delete: a late consumer begins later at last. */
    mofka_event_t *event = NULL;
    uint64_t first = 0;
    for (int i = 0; i < 1000 && first == 0; i++) {
        char name[16];
        snprintf(name, sizeof name, "l%d", i);
        files_push(topic, 1000 + i, 1);
        late = files_consumer(topic, name);
        OK(mofka_consumer_pull(late, 1000, &event));
        first = mofka_event_id(event);
        mofka_event_release(event);
        OK(mofka_consumer_unsubscribe(late));
        files_leave(late);
        slow = files_consumer(topic, "slow");
        files_pull(slow, 1000 + i, 1);
        files_leave(slow);
        usleep(5000);
    }
    assert_true(first > 0);
    mofka_topic_release(topic);
    files_end(driver);
}

/* Cut the topic, without a driver. */
static void files_cut(uint64_t end) {
    mfi_store_t store;
    mfi_topic_record_t record;
    char path[96];
    snprintf(path, sizeof path, "%s/s", folder);
    OK(mfi_store_open(&mfi_io_posix, path, MFI_STORE_THERE, &store));
    OK(mfi_store_load_topic(&store, "t", &record));
    OK(mfi_store_cut(&store, &record, &end));
    mfi_topic_record_clear(&record);
}

static void files_write(int first, int count) {
    mofka_driver_t *driver = files_driver();
    mofka_topic_t *topic = files_topic(driver, first == 0 ? "{}" : NULL);
    files_push(topic, first, count);
    mofka_topic_release(topic);
    files_end(driver);
}

/* A consumer that has read and acknowledged events which are then cut gets the ones in their place:
 * here, and under its name later. */
static void a_place_is_set_back_by_a_cut(void **state) {
    (void)state;
    mofka_driver_t *driver;
    mofka_event_t *old;
    files_write(0, 100);
    OK(files_try(",\"sync_ms\":10000", &driver)); /* places are not written on the way */
    mofka_topic_t *topic = files_topic(driver, NULL);
    mofka_consumer_t *consumer = files_consumer(topic, "a");
    files_pull(consumer, 0, 99);
    OK(mofka_consumer_pull(consumer, 10000, &old));
    files_cut(50);
    files_write(50, 30);
    files_pull(consumer, 50, 10);
    OK(mofka_event_acknowledge(old)); /* it is not there any more */
    mofka_event_release(old);
    files_leave(consumer);
    consumer = files_consumer(topic, "a");
    files_pull(consumer, 60, 20);
    files_leave(consumer);
    mofka_topic_release(topic);
    files_end(driver);
}

/* ---- "resume_at" ----------------------------------------------------------------------------- */

static uint64_t resume_end(const char *name, size_t partition) {
    mofka_driver_t *driver = files_driver();
    mofka_topic_t *topic;
    mofka_metadata_t *ends;
    unsigned long long found[2] = {0};
    OK(mofka_driver_open_topic(driver, name, 0, &topic));
    OK(mofka_topic_ends(topic, 1000, &ends));
    assert_true(sscanf(mofka_metadata_text(ends, NULL), "[%llu,%llu]", &found[0], &found[1]) >= 1);
    mofka_metadata_release(ends);
    mofka_topic_release(topic);
    files_end(driver);
    return found[partition];
}

/* The restarted program pushes again; names that had acknowledged more are told. */
static void a_driver_resumes_at_a_checkpoint(void **state) {
    (void)state;
    mofka_driver_t *driver;
    files_write(0, 100);
    driver = files_driver();
    mofka_topic_t *topic = files_topic(driver, NULL);
    mofka_consumer_t *consumer = files_consumer(topic, "a");
    files_pull(consumer, 0, 90);
    files_leave(consumer);
    OK(mofka_topic_mark_complete(topic, 1000));
    mofka_topic_release(topic);
    files_end(driver);
    for (int i = 0; i < 2; i++) { /* twice, as after a crash before anything was pushed */
        OK(files_try(",\"resume_at\":{\"t\":[60]}", &driver));
        topic = files_topic(driver, NULL);
        if (i == 1)
            files_push(topic, 60, 10); /* it is not complete any more */
        mofka_topic_release(topic);
        files_end(driver);
    }
    driver = files_driver();
    topic = files_topic(driver, NULL);
    consumer = files_consumer(topic, "a");
    assert_int_equal(mofka_consumer_rewound(consumer), 30);
    files_pull(consumer, 60, 10);
    files_leave(consumer);
    consumer = files_consumer(topic, "a");
    assert_int_equal(mofka_consumer_rewound(consumer), 0);
    files_leave(consumer);
    mofka_topic_release(topic);
    files_end(driver);
}

/* A consumer that reads meanwhile, and has read farther, is told how many of its events are gone.
 */
static void a_reader_is_set_back_by_another_process(void **state) {
    (void)state;
    mofka_driver_t *driver, *resumed;
    files_write(0, 100);
    OK(files_try(",\"resume\":\"must\"", &driver));
    mofka_topic_t *topic = files_topic(driver, NULL);
    mofka_consumer_t *consumer = files_consumer(topic, "a");
    files_pull(consumer, 0, 100);
    OK(files_try(",\"resume_at\":{\"t\":[40]}", &resumed));
    mofka_topic_t *again = files_topic(resumed, NULL);
    files_push(again, 40, 5);
    files_pull(consumer, 40, 5);
    assert_int_equal(mofka_consumer_rewound(consumer), 60);
    files_leave(consumer);
    mofka_topic_release(again);
    mofka_topic_release(topic);
    files_end(resumed);
    files_end(driver);
}

/* All topics are cut, or none is. */
static void what_cannot_be_resumed_is_left(void **state) {
    (void)state;
    static const struct {
        const char *option, *word;
        mofka_status_t status;
    } bad[] = {
        {"{\"t\":[10],\"u\":[20,31]}", "cannot be cut at 31", MOFKA_ERR_RANGE},
        {"{\"t\":[10],\"v\":[0]}", "has no topic 'v'", MOFKA_ERR_NOT_FOUND},
        {"{\"t\":[10],\"u\":[20]}", "an array of 2 ids", MOFKA_ERR_OPTION},
        {"{\"t\":[10],\"u\":20}", "an array of 2 ids", MOFKA_ERR_OPTION},
        {"{\"t\":[10],\"t\":[20]}", "'t' twice", MOFKA_ERR_OPTION},
        {"{\"t\":[-1]}", "partition 0 of topic 't' is not an id", MOFKA_ERR_OPTION},
        {"{\"t\":[1.5]}", "is not an id", MOFKA_ERR_OPTION},
        {"{\"t\":[\"7\"]}", "is not an id", MOFKA_ERR_OPTION},
        {"{\"t\":[1e300]}", "is not an id", MOFKA_ERR_OPTION},
        {"[10]", "must be an object", MOFKA_ERR_OPTION},
    };
    files_write(0, 100);
    mofka_driver_t *driver = files_driver();
    mofka_topic_t *topic;
    OK(mofka_driver_create_topic(driver, "u",
                                 &(mofka_topic_options_t){.options = "{\"partitions\":2}"}));
    OK(mofka_driver_open_topic(driver, "u", 0, &topic));
    files_push(topic, 0, 30);
    mofka_topic_release(topic);
    files_end(driver);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char option[128];
        snprintf(option, sizeof option, ",\"resume_at\":%s", bad[i].option);
        FAILS(files_try(option, &driver), bad[i].status, bad[i].word);
    }
    assert_int_equal(resume_end("t", 0), 100);
    assert_int_equal(resume_end("u", 0), 30);
    files_cut(10); /* as a crash between the topics leaves it */
    OK(files_try(",\"resume_at\":{\"t\":[10],\"u\":[20,0]}", &driver));
    files_end(driver);
    assert_int_equal(resume_end("t", 0), 10);
    assert_int_equal(resume_end("u", 0), 20);
    driver = files_driver(); /* a writer is there */
    topic = files_topic(driver, NULL);
    files_push(topic, 10, 5);
    mofka_driver_t *second;
    FAILS(files_try(",\"resume_at\":{\"t\":[10]}", &second), MOFKA_ERR_BUSY, "in use");
    mofka_topic_release(topic);
    files_end(driver);
    assert_int_equal(resume_end("t", 0), 15);
}

/* As another node does whose user says that this process is dead. */
static void files_take_lock_over(void) {
    char path[128], record[512];
    snprintf(path, sizeof path, "%s/s/topics/t%%/0000/lock", folder);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    memset(record, ' ', sizeof record);
    record[sizeof record - 1] = '\n';
    static const char json[] = "{\"host\":\"node7\",\"boot\":\"b\",\"pid\":\"7\","
                               "\"since\":\"7\",\"stamp\":\"9000000000000000000\"}";
    memcpy(record, json, sizeof json - 1);
    assert_int_equal(fwrite(record, 1, sizeof record, file), sizeof record);
    assert_int_equal(fwrite(record, 1, sizeof record, file), sizeof record);
    assert_int_equal(fclose(file), 0);
}

static void a_writer_whose_lock_is_taken_writes_no_more(void **state) {
    (void)state;
    mofka_driver_t *driver = files_driver();
    mofka_topic_t *topic = files_topic(driver, "{}");
    mofka_producer_t *producer;
    mofka_status_t status = MOFKA_OK;
    OK(mofka_producer_create(topic, NULL, &producer));
    files_take_lock_over();
    for (int i = 0; i < 3000 && !status; i++) {
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
        status = mofka_producer_flush(producer, 10000);
        usleep(10000);
    }
    FAILS(status, MOFKA_ERR_BUSY, "of node7 since");
    (void)mofka_producer_close(producer, 10000);
    mofka_producer_release(producer);
    mofka_topic_release(topic);
    files_end(driver);
}

int main(void) {
#define FILES_CASE(name) cmocka_unit_test_setup_teardown(name, files_setup, files_teardown)
    const struct CMUnitTest cases[] = {
        FILES_CASE(a_topic_outlives_its_driver),
        FILES_CASE(a_consumer_may_be_released_after_its_driver_is_closed),
        FILES_CASE(resume_says_whether_a_store_may_be_there),
        FILES_CASE(a_second_writer_is_refused_and_may_read),
        FILES_CASE(a_killed_writer_loses_nothing),
        FILES_CASE(retention_waits_for_consumers),
        FILES_CASE(a_place_is_set_back_by_a_cut),
        FILES_CASE(a_driver_resumes_at_a_checkpoint),
        FILES_CASE(a_reader_is_set_back_by_another_process),
        FILES_CASE(what_cannot_be_resumed_is_left),
        FILES_CASE(a_writer_whose_lock_is_taken_writes_no_more),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
