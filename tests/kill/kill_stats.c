/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What statistics say of a rank that died: its hole, its lock and its consumer are named, with the
 * rank and since when, and so is the rank itself. And its producers count as finished.
 *
 * The ranks are two processes over the heap window, in memory that they share.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "heap/job/heap_driver.h"
#include "driver/driver.h"
#include "mpi/topic/topic.h"
#include "support/check.h"
#include "support/json_path.h"

#define TOPIC "{\"partition_bytes\":4096,\"partition_events\":4}"
#define OF_PARTITION "topics/0/partitions/0/"

static mofka_driver_t *driver;
static mofka_topic_t *topic;

static mofka_metadata_t *stats_read(void) {
    mofka_metadata_t *stats;
    OK(mofka_driver_stats(driver, 1000, &stats));
    return stats;
}

static void text_is(const mofka_metadata_t *stats, const char *path, const char *expected) {
    const cJSON *item = json_at(stats, path);
    if (!cJSON_IsString(item) || strcmp(item->valuestring, expected) != 0)
        fail_msg("'%s' is not '%s': %s", path, expected, mofka_metadata_text(stats, NULL));
}

static void nothing_at(const mofka_metadata_t *stats, const char *path) {
    if (json_at(stats, path))
        fail_msg("there is '%s': %s", path, mofka_metadata_text(stats, NULL));
}

/* Rank 1 pushes an event, and dies before it closes. Does not return. */
static void victim_push(heap_job_t *job) {
    mofka_driver_t *own;
    mofka_topic_t *log;
    mofka_producer_t *producers[2];
    if (heap_driver_create(job, 1, &own) || mofka_driver_open_topic(own, "log", 10000, &log) ||
        mofka_producer_create(log, NULL, &producers[0]) ||
        mofka_producer_push(producers[0], "{}", 2, NULL, MOFKA_ANY_PARTITION, NULL) ||
        mofka_producer_close(producers[0], 10000) || /* counted once, by itself */
        mofka_producer_create(log, NULL, &producers[1]) ||
        mofka_producer_push(producers[1], "{}", 2, NULL, MOFKA_ANY_PARTITION, NULL) ||
        mofka_producer_flush(producers[1], 10000))
        _exit(1);
    raise(SIGKILL);
}

/* Rank 1 joins, reserves an event, takes the lock, and dies. Does not return. */
static void victim_run(heap_job_t *job) {
    mofka_driver_t *own;
    mofka_topic_t *log;
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    mofka_claim_t *claim;
    if (heap_driver_create(job, 1, &own) || mofka_driver_open_topic(own, "log", 10000, &log) ||
        mofka_consumer_create(log, &(mofka_consumer_options_t){.name = "victim"}, &consumer) ||
        mofka_producer_create(log, NULL, &producer) ||
        mofka_producer_claim(producer, 16, 0, MOFKA_ANY_PARTITION, &claim) ||
        mmi_partition_lock(&((mmi_topic_t *)log->self)->partitions[0], mmi_deadline(1000)))
        _exit(1);
    raise(SIGKILL);
}

/* Push until there is no room. */
static mofka_producer_t *push_until_full(void) {
    mofka_producer_t *producer;
    mofka_status_t status = MOFKA_OK;
    OK(mofka_producer_create(
        topic, &(mofka_producer_options_t){.batch_size = 1, .push_timeout_ms = 100}, &producer));
    for (int i = 0; i < 9 && !status; i++)
        status = mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, NULL);
    assert_int_equal(status, MOFKA_ERR_TIMEOUT);
    return producer;
}

static void the_dead_are_named(void) {
    mofka_metadata_t *stats = stats_read();
    text_is(stats, "ranks/0/state", "dead");
    NUMBER(stats, "ranks/0/rank", 1);
    assert_true(number_at(stats, "ranks/0/ms") >= 0);
    nothing_at(stats, "ranks/1");
    text_is(stats, OF_PARTITION "waits_for/0/what", "event 0");
    NUMBER(stats, OF_PARTITION "waits_for/0/rank", 1);
    NUMBER(stats, OF_PARTITION "waits_for/0/dead", 1);
    assert_non_null(json_at(stats, OF_PARTITION "waits_for/0/host"));
    text_is(stats, OF_PARTITION "waits_for/1/what", "lock");
    NUMBER(stats, OF_PARTITION "waits_for/1/rank", 1);
    NUMBER(stats, OF_PARTITION "waits_for/1/dead", 1);
    text_is(stats, OF_PARTITION "consumers/0/name", "victim");
    NUMBER(stats, OF_PARTITION "consumers/0/rank", 1);
    NUMBER(stats, OF_PARTITION "consumers/0/dead", 1);
    NUMBER(stats, OF_PARTITION "voided_events", 0);
    mofka_metadata_release(stats);
}

/* The hole is void now, the lock is free, and a full partition waits for the dead consumer. */
static void what_still_waits_is_named(void) {
    mofka_metadata_t *stats = stats_read();
    text_is(stats, OF_PARTITION "waits_for/0/what", "consumer victim");
    NUMBER(stats, OF_PARTITION "waits_for/0/rank", 1);
    NUMBER(stats, OF_PARTITION "waits_for/0/dead", 1);
    nothing_at(stats, OF_PARTITION "waits_for/1");
    NUMBER(stats, OF_PARTITION "voided_events", 1);
    double ms = number_at(stats, OF_PARTITION "waits_for/0/ms");
    mofka_metadata_release(stats);
    usleep(2000);
    stats = stats_read(); /* the same wait goes on */
    assert_true(number_at(stats, OF_PARTITION "waits_for/0/ms") > ms);
    mofka_metadata_release(stats);
}

static void statistics_name_the_dead(void **state) {
    (void)state;
    heap_job_t job;
    mofka_consumer_t *reader;
    mofka_event_t *event;
    heap_job_start_shared(&job, 2);
    pid_t victim = fork();
    if (victim == 0)
        victim_run(&job);
    OK(heap_driver_create(&job, 0, &driver));
    OK(mofka_driver_create_topic(driver, "log", &(mofka_topic_options_t){.options = TOPIC}));
    OK(mofka_driver_open_topic(driver, "log", 0, &topic));
    int code;
    assert_int_equal(waitpid(victim, &code, 0), victim);
    assert_true(WIFSIGNALED(code));
    the_dead_are_named();
    const char *observe = "{\"observe\":true}";
    OK(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = "looks", .options = observe}, &reader));
    assert_int_equal(mofka_consumer_pull(reader, 500, &event), MOFKA_ERR_TIMEOUT);
    mofka_producer_t *producer = push_until_full();
    what_still_waits_is_named();
    OK(mofka_topic_evict(topic, "victim", 1000));
    mofka_producer_discard(producer);
    (void)mofka_producer_close(producer, 10000);
    mofka_producer_release(producer);
    OK(mofka_consumer_close(reader));
    mofka_consumer_release(reader);
    mofka_topic_release(topic);
    OK(mofka_driver_close(driver, 1000));
    mofka_driver_release(driver);
    heap_job_end(&job);
}

static void pull_event(mofka_consumer_t *reader, bool ends) {
    mofka_event_t *event;
    OK(mofka_consumer_pull(reader, 10000, &event));
    assert_int_equal(mofka_event_is_end(event), ends);
    mofka_event_release(event);
}

/* ---- producers that are expected ------------------------------------------------------------- */

/* A topic that expects three producers, and its reader. Rank 1 makes two of them, and dies: its
 * process. */
static pid_t expect_three(heap_job_t *job, mofka_consumer_t **reader) {
    const char *expects = "{\"expected_producers\":3,\"partition_events\":64}";
    heap_job_start_shared(job, 2);
    pid_t victim = fork();
    if (victim == 0)
        victim_push(job);
    OK(heap_driver_create(job, 0, &driver));
    OK(mofka_driver_create_topic(driver, "log", &(mofka_topic_options_t){.options = expects}));
    OK(mofka_driver_open_topic(driver, "log", 0, &topic));
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "reader"}, reader));
    return victim;
}

static void end_three(heap_job_t *job, mofka_consumer_t *reader) {
    OK(mofka_consumer_close(reader));
    mofka_consumer_release(reader);
    mofka_topic_release(topic);
    OK(mofka_driver_close(driver, 1000));
    mofka_driver_release(driver);
    heap_job_end(job);
}

static void expect_death(pid_t victim) {
    int code;
    assert_int_equal(waitpid(victim, &code, 0), victim);
    assert_true(WIFSIGNALED(code));
}

/* A topic ends once all expected producers have closed, or their rank has died. */
static void a_dead_producer_counts_as_finished(void **state) {
    (void)state;
    heap_job_t job;
    mofka_consumer_t *reader;
    mofka_producer_t *producer;
    mofka_event_t *event;
    expect_death(expect_three(&job, &reader));
    pull_event(reader, false);
    pull_event(reader, false);
    /* Two of three: a third one is still expected. */
    assert_int_equal(mofka_consumer_pull(reader, 300, &event), MOFKA_ERR_TIMEOUT);
    OK(mofka_producer_create(topic, NULL, &producer));
    assert_int_equal(mofka_consumer_pull(reader, 300, &event), MOFKA_ERR_TIMEOUT);
    OK(mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, NULL));
    OK(mofka_producer_close(producer, 10000));
    mofka_producer_release(producer);
    pull_event(reader, false);
    pull_event(reader, true);
    end_three(&job, reader);
}

/* The same where the last of those that live has closed before the other one dies. */
static void a_death_ends_the_topic(void **state) {
    (void)state;
    heap_job_t job;
    mofka_consumer_t *reader;
    mofka_producer_t *producer;
    pid_t victim = expect_three(&job, &reader);
    OK(mofka_producer_create(topic, NULL, &producer));
    OK(mofka_producer_close(producer, 10000));
    mofka_producer_release(producer);
    pull_event(reader, false);
    pull_event(reader, false);
    pull_event(reader, true);
    expect_death(victim);
    end_three(&job, reader);
}

int main(void) {
    const struct CMUnitTest cases[] = {cmocka_unit_test(statistics_name_the_dead),
                                       cmocka_unit_test(a_dead_producer_counts_as_finished),
                                       cmocka_unit_test(a_death_ends_the_topic)};
    mofka_log_set_level(MOFKA_LOG_ERROR);
    heap_driver_has_threads = true;
    return cmocka_run_group_tests(cases, NULL, NULL);
}
