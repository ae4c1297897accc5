/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Creating topics, over the heap window with two ranks. A rank takes long to make its partitions,
 * or stops there, or cannot make them. The other one goes on.
 */
#include <pthread.h>
#include "heap/job/heap_driver.h"
#include "heap/job/log_fixture.h"
#include "mpi/topic/directory.h"

#define BIG "{\"partitions\":2,\"partition_bytes\":1048576,\"partition_events\":1024}"
#define TINY "{\"partition_bytes\":64,\"partition_events\":1}"

static heap_job_t job;
static mofka_driver_t *slow, *other;

static mmi_window_t *slow_window; /* of rank 1 */

static mofka_status_t create(mofka_driver_t *driver, const char *name, const char *options) {
    return mofka_driver_create_topic(driver, name, &(mofka_topic_options_t){.options = options});
}

static int topics_open(void **state) {
    mofka_topic_t *topic;
    (void)state;
    heap_job_start(&job, 2);
    if (heap_driver_create(&job, 0, &other) || heap_driver_create(&job, 1, &slow))
        return 1;
    OK(create(slow, "first", TINY));
    OK(mofka_driver_open_topic(slow, "first", 0, &topic));
    slow_window = log_of(topic)->w;
    mofka_topic_release(topic);
    return 0;
}

static int topics_close(void **state) {
    (void)state;
    int failed = mofka_driver_close(slow, 0) || mofka_driver_close(other, 0);
    mofka_driver_release(slow);
    mofka_driver_release(other);
    heap_job_end(&job);
    return failed;
}

#define TOPICS_CASE(name) cmocka_unit_test_setup_teardown(name, topics_open, topics_close)

static mofka_status_t open_within(mofka_driver_t *driver, const char *name, int64_t timeout_ms) {
    mofka_topic_t *topic;
    mofka_status_t status = mofka_driver_open_topic(driver, name, timeout_ms, &topic);
    if (!status)
        mofka_topic_release(topic);
    return status;
}

static bool exists(const char *name) {
    bool found = false;
    OK(mofka_driver_topic_exists(other, name, &found));
    return found;
}

static mofka_status_t count_topic(void *context, const char *name, const mofka_metadata_t *text) {
    (void)name, (void)text;
    ++*(int *)context;
    return MOFKA_OK;
}

static int list_count(void) {
    int count = 0;
    OK(mofka_driver_list_topics(other, count_topic, &count));
    return count;
}

static bool statistics_have(const char *name) {
    mofka_metadata_t *stats;
    char text[64];
    snprintf(text, sizeof text, "\"name\":\"%s\"", name);
    OK(mofka_driver_stats(other, 1000, &stats));
    bool found = strstr(mofka_metadata_text(stats, NULL), text) != NULL;
    mofka_metadata_release(stats);
    return found;
}

/* ---- the slow rank's window ------------------------------------------------------------------ */

static mmi_window_ops_t slow_ops;
static const mmi_window_ops_t *plain_ops;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool has_come, may_go_on, has_room, has_ended;

/* Waits until the test lets it go on. */
static mofka_status_t populate_slowly(mmi_window_t *w, int rank, uint64_t offset, uint64_t bytes) {
    pthread_mutex_lock(&lock);
    has_come = true;
    pthread_cond_broadcast(&changed);
    while (!may_go_on)
        pthread_cond_wait(&changed, &lock);
    bool good = has_room;
    pthread_mutex_unlock(&lock);
    return good ? plain_ops->populate(w, rank, offset, bytes)
                : mofka_fail(MOFKA_ERR_FULL, "no room for %llu bytes", (unsigned long long)bytes);
}

static mofka_status_t created;

static void *create_big(void *unused) {
    (void)unused;
    mofka_status_t status = create(slow, "big", BIG);
    pthread_mutex_lock(&lock);
    created = status;
    has_ended = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* Rank 1 begins to create "big", and stops in the middle. */
static pthread_t create_and_stop(void) {
    pthread_t thread;
    plain_ops = slow_window->ops;
    slow_ops = *plain_ops;
    slow_ops.populate = populate_slowly;
    slow_window->ops = &slow_ops;
    has_come = may_go_on = has_ended = false;
    assert_int_equal(pthread_create(&thread, NULL, create_big, NULL), 0);
    pthread_mutex_lock(&lock);
    while (!has_come && !has_ended)
        pthread_cond_wait(&changed, &lock);
    bool has_stopped = has_come;
    pthread_mutex_unlock(&lock);
    assert_true(has_stopped);
    return thread;
}

static void go_on(pthread_t thread, bool room) {
    pthread_mutex_lock(&lock);
    has_room = room;
    may_go_on = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    slow_window->ops = plain_ops;
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* Failed while partitions were made under the directory's lock: the other rank waited for it, 10 s,
 * and then gave up. */
static void a_large_topic_holds_no_other_up(void **state) {
    (void)state;
    pthread_t thread = create_and_stop();
    OK(create(other, "small", TINY));
    OK(open_within(other, "small", 0));
    OK(open_within(other, "first", 0));
    FAILS(create(other, "big", TINY), MOFKA_ERR_EXISTS, "topic 'big' exists");
    FAILS(open_within(other, "big", 20), MOFKA_ERR_TIMEOUT,
          "has not finished creating topic 'big'");
    assert_true(exists("big"));
    assert_int_equal(list_count(), 3);
    assert_false(statistics_have("big")); /* its memory is not made yet */
    assert_true(statistics_have("small"));
    go_on(thread, true);
    OK(created);
    OK(open_within(other, "big", 0));
    assert_true(statistics_have("big"));
}

static void *open_big(void *unused) {
    (void)unused;
    return (void *)(intptr_t)open_within(other, "big", 20000);
}

static void opening_waits_until_it_is_made(void **state) {
    (void)state;
    void *opened;
    pthread_t opener, thread = create_and_stop();
    assert_int_equal(pthread_create(&opener, NULL, open_big, NULL), 0);
    go_on(thread, true);
    pthread_join(opener, &opened);
    assert_int_equal((intptr_t)opened, MOFKA_OK);
}

/* Its name is free, and its space, as often as it fails. */
static void a_topic_that_cannot_be_made_leaves_nothing(void **state) {
    (void)state;
    for (int i = 0; i < 100; i++) { /* together larger than the arenas */
        pthread_t thread = create_and_stop();
        go_on(thread, false);
        assert_int_equal(created, MOFKA_ERR_FULL);
        assert_false(exists("big"));
        assert_int_equal(open_within(other, "big", 0), MOFKA_ERR_NOT_FOUND);
        assert_int_equal(list_count(), 1);
        assert_false(statistics_have("big"));
    }
    OK(create(other, "big", BIG));
    OK(open_within(slow, "big", 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TOPICS_CASE(a_large_topic_holds_no_other_up),
        TOPICS_CASE(opening_waits_until_it_is_made),
        TOPICS_CASE(a_topic_that_cannot_be_made_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
