/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Consumers over the simple backend, some of whose answers come by script instead: what the core
 * does with errors, with runs that only report losses, and with a close that is slow or fails.
 */
#include <sys/wait.h>
#include <unistd.h>
#include "support/check.h"
#include "support/clock.h"
#include "consumer/consumer.h"
#include "conformance/simple/simple_backend.h"
#include <mofka/backend.h>

#define EVENTS 10

/* Answers are given once, instead of the backend's; MOFKA_OK: the backend's own. */
typedef struct script {
    mofka_status_t fetch, finish_data, close, selector;
    uint64_t lost, lost_at_end; /* reported by a run without events */
    size_t overtaken;           /* events at the front of the next run that are lost */
    int64_t close_ms;           /* how long closing takes */
    _Atomic int closing, closed, unsubscribed, runs;
    _Atomic uint64_t acknowledged; /* id + 1 */
} script_t;

static script_t script;
static const mofka_driver_ops_t *simple_driver;
static const mofka_topic_ops_t *simple_topic;
static const mofka_consumer_ops_t *simple;
static mofka_driver_ops_t driver_ops;
static mofka_topic_ops_t topic_ops;
static mofka_consumer_ops_t consumer_ops;
static mofka_driver_t *driver;
static mofka_topic_t *topic;

static mofka_status_t faults_next_answer(mofka_status_t *next) {
    mofka_status_t status = *next;
    *next = MOFKA_OK;
    return status ? mofka_fail(status, "as the script says") : MOFKA_OK;
}

static mofka_run_t *faults_make_losses(uint64_t *lost) {
    mofka_run_t *run = calloc(1, sizeof *run); /* faults_release_run frees it */
    assert_non_null(run);
    run->lost = *lost;
    *lost = 0;
    return run;
}

static mofka_status_t faults_fetch(void *self, size_t events_max, mofka_run_t **run) {
    mofka_status_t status = faults_next_answer(&script.fetch);
    if (status)
        return status;
    if (script.lost)
        *run = faults_make_losses(&script.lost);
    else if ((status = simple->fetch(self, events_max, run)) == MOFKA_ERR_COMPLETE &&
             script.lost_at_end)
        *run = faults_make_losses(&script.lost_at_end), status = MOFKA_OK;
    script.runs += !status;
    return status;
}

static mofka_status_t faults_finish_data(void *self, mofka_run_t *run, int64_t timeout_ms,
                                         size_t *overtaken) {
    mofka_status_t status = faults_next_answer(&script.finish_data);
    if (!status)
        status = simple->finish_data(self, run, timeout_ms, overtaken);
    if (!status)
        *overtaken = script.overtaken;
    script.overtaken = 0;
    return status;
}

static void faults_release_run(void *self, mofka_run_t *run) {
    script.runs--;
    simple->release_run(self, run);
}

static mofka_status_t faults_acknowledge(void *self, size_t partition, uint64_t id) {
    script.acknowledged = id + 1;
    return simple->acknowledge(self, partition, id);
}

static mofka_status_t faults_unsubscribe(void *self) {
    assert_int_equal(script.closed, 0);
    script.unsubscribed++;
    return simple->unsubscribe(self);
}

static mofka_status_t faults_close_consumer(void *self) {
    assert_int_equal(script.closed, 0);
    assert_int_equal(script.closing++, 0);
    clock_sleep_ms(script.close_ms);
    mofka_status_t status = faults_next_answer(&script.close);
    if (!status)
        status = simple->close(self);
    script.closing--;
    script.closed += !status;
    return status;
}

static mofka_status_t faults_must_not_fetch(void *self, size_t events_max, mofka_run_t **run) {
    (void)self, (void)events_max, (void)run;
    fail_msg("a slot behind the table's end was called");
    return MOFKA_ERR_INVALID;
}

static mofka_status_t faults_make_consumer(void *self, const mofka_consumer_config_t *config,
                                           const mofka_consumer_ops_t **ops, void **consumer) {
    mofka_status_t status = simple_topic->make_consumer(self, config, &simple, consumer);
    if (status)
        return status;
    consumer_ops = *simple;
    /* As of an earlier build, which had fewer slots. */
    consumer_ops.size = offsetof(mofka_consumer_ops_t, fetch_unterminated);
    consumer_ops.fetch_unterminated = faults_must_not_fetch;
    consumer_ops.fetch = faults_fetch;
    consumer_ops.finish_data = faults_finish_data;
    consumer_ops.release_run = faults_release_run;
    consumer_ops.acknowledge = faults_acknowledge;
    consumer_ops.unsubscribe = faults_unsubscribe;
    consumer_ops.close = faults_close_consumer;
    *ops = &consumer_ops;
    return MOFKA_OK;
}

static mofka_status_t faults_open_topic(void *self, const char *name, int64_t timeout_ms,
                                        mofka_topic_made_t *made) {
    mofka_status_t status = simple_driver->open_topic(self, name, timeout_ms, made);
    if (status)
        return status;
    simple_topic = made->ops;
    topic_ops = *made->ops;
    topic_ops.make_consumer = faults_make_consumer;
    made->ops = &topic_ops;
    return MOFKA_OK;
}

static void faults_push_events(void) {
    static char bytes[] = "abcd";
    mofka_producer_t *producer;
    mofka_data_view_t *view;
    OK(mofka_producer_create(topic, NULL, &producer));
    OK(mofka_data_view_create((mofka_segment_t[]){{bytes, 4}}, 1, NULL, NULL, &view));
    for (int i = 0; i < EVENTS; i++)
        OK(mofka_producer_push(producer, "{}", 2, view, 0, NULL));
    OK(mofka_producer_close(producer, 1000));
    mofka_data_view_release(view);
    mofka_producer_release(producer);
}

static int faults_setup(void **state) {
    void *self;
    (void)state;
    memset(&script, 0, sizeof script);
    if (simple_create(NULL, &simple_driver, &self))
        return 1;
    driver_ops = *simple_driver;
    driver_ops.open_topic = faults_open_topic;
    if (mofka_driver_wrap("scripted", &driver_ops, self, &driver) ||
        mofka_driver_create_topic(driver, "topic", NULL) ||
        mofka_driver_open_topic(driver, "topic", 0, &topic))
        return 1;
    faults_push_events();
    return 0;
}

static int faults_teardown(void **state) {
    (void)state;
    mofka_topic_release(topic);
    int failed = mofka_driver_close(driver, 0) != MOFKA_OK;
    mofka_driver_release(driver);
    return failed || script.runs != 0;
}

static mofka_status_t faults_select_all(void *context, const mofka_metadata_t *metadata,
                                        mofka_data_descriptor_t *full,
                                        mofka_data_descriptor_t **selected) {
    (void)context, (void)metadata;
    mofka_status_t status = faults_next_answer(&script.selector);
    if (!status)
        *selected = mofka_data_descriptor_retain(full);
    return status;
}

static mofka_consumer_t *faults_create_consumer(size_t batch_size,
                                                mofka_acknowledge_t acknowledgement) {
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(topic,
                             &(mofka_consumer_options_t){.name = "reader",
                                                         .batch_size = batch_size,
                                                         .selector = faults_select_all,
                                                         .acknowledge = acknowledgement},
                             &consumer));
    return consumer;
}

static void faults_end_consumer(mofka_consumer_t *consumer) {
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

static void faults_take_event(mofka_consumer_t *consumer, uint64_t id) {
    mofka_event_t *event;
    OK(mofka_consumer_pull(consumer, 1000, &event));
    assert_int_equal(mofka_event_id(event), id);
    assert_int_equal(mofka_data_view_size(mofka_event_data(event)), 4);
    mofka_event_release(event);
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* Its request reports the error; no other request gets the event. */
static void a_failed_event_is_passed_over(void **state) {
    (void)state;
    for (int waited = 0; waited < 2; waited++) {
        mofka_consumer_t *consumer = faults_create_consumer(3, MOFKA_ACKNOWLEDGE_AUTO);
        mofka_future_t *future;
        mofka_result_t result;
        script.selector = MOFKA_ERR_CALLBACK;
        OK(mofka_consumer_pull_future(consumer, &future));
        if (waited)
            FAILS(mofka_future_wait(future, 1000, &result), MOFKA_ERR_CALLBACK, "script");
        else
            assert_true(mofka_future_completed(future));
        mofka_future_release(future);
        faults_take_event(consumer, 1);
        assert_int_equal(script.acknowledged, 0); /* the next consumer of the name gets both */
        faults_end_consumer(consumer);
        script.closed = 0;
    }
}

/* An undelivered event holds acknowledgement until the user acknowledges it, or a later event. */
static void an_undelivered_event_is_not_acknowledged(void **state) {
    (void)state;
    mofka_consumer_t *consumer = faults_create_consumer(3, MOFKA_ACKNOWLEDGE_AUTO);
    mofka_event_t *event;
    faults_take_event(consumer, 0);
    faults_take_event(consumer, 1);
    faults_take_event(consumer, 2);
    assert_int_equal(script.acknowledged, 3);
    script.selector = MOFKA_ERR_MEMORY;
    FAILS(mofka_consumer_pull(consumer, 1000, &event), MOFKA_ERR_MEMORY, "script");
    faults_take_event(consumer, 4);
    assert_int_equal(script.acknowledged, 3);
    faults_end_consumer(consumer);
    script.closed = 0;
    consumer = faults_create_consumer(3, MOFKA_ACKNOWLEDGE_AUTO);
    script.selector = MOFKA_ERR_MEMORY;
    FAILS(mofka_consumer_pull(consumer, 1000, &event), MOFKA_ERR_MEMORY, "script"); /* again 3 */
    OK(mofka_consumer_pull(consumer, 1000, &event));
    OK(mofka_event_acknowledge(event));
    assert_int_equal(script.acknowledged, 5);
    mofka_event_release(event);
    faults_take_event(consumer, 5);
    assert_int_equal(script.acknowledged, 6);
    faults_end_consumer(consumer);
}

/* Fails for the third event; acknowledges it before that if *context. */
static mofka_status_t fail_third(void *context, mofka_event_t *event) {
    const bool *acknowledges = context;
    if (mofka_event_id(event) != 2)
        return MOFKA_OK;
    if (*acknowledges)
        OK(mofka_event_acknowledge(event));
    return mofka_fail(MOFKA_ERR_CORRUPT, "the third");
}

static void an_event_whose_callback_failed_is_not_acknowledged(void **state) {
    (void)state;
    for (int acknowledges = 0; acknowledges < 2; acknowledges++) {
        mofka_consumer_t *consumer = faults_create_consumer(EVENTS, MOFKA_ACKNOWLEDGE_AUTO);
        size_t count;
        bool yes = acknowledges;
        FAILS(mofka_consumer_process(consumer, fail_third, &yes, 1000, NULL, &count),
              MOFKA_ERR_CORRUPT, "the third");
        assert_int_equal(count, acknowledges ? 1 : 3); /* the second consumer begins with it */
        assert_int_equal(script.acknowledged, acknowledges ? 3 : 2);
        faults_take_event(consumer, 3);
        assert_int_equal(script.acknowledged, acknowledges ? 4 : 2);
        faults_end_consumer(consumer);
        script.closed = 0;
    }
}

/* The request stays, and another wait continues it. */
static void waiting_reports_the_errors_of_fetching(void **state) {
    (void)state;
    const mofka_status_t errors[] = {MOFKA_ERR_CORRUPT, MOFKA_ERR_MPI, MOFKA_ERR_MEMORY};
    mofka_consumer_t *consumer = faults_create_consumer(1, MOFKA_ACKNOWLEDGE_MANUAL);
    for (uint64_t i = 0; i < 3; i++) {
        mofka_future_t *future;
        mofka_result_t result;
        OK(mofka_consumer_pull_future(consumer, &future));
        script.fetch = errors[i];
        FAILS(mofka_future_wait(future, 1000, &result), errors[i], "as the script says");
        script.fetch = errors[i];
        assert_false(mofka_future_completed(future));
        OK(mofka_future_wait(future, 1000, &result));
        assert_int_equal(mofka_event_id(result.event), i);
        mofka_event_release(result.event);
        mofka_future_release(future);
    }
    faults_end_consumer(consumer);
}

/* The data did not come: no event was handed out, and the next pull tries again. */
static void a_run_whose_data_failed_is_tried_again(void **state) {
    (void)state;
    for (int again = 0; again < 2; again++) {
        mofka_consumer_t *consumer = faults_create_consumer(4, MOFKA_ACKNOWLEDGE_AUTO);
        mofka_event_t *event;
        script.finish_data = MOFKA_ERR_MPI;
        FAILS(mofka_consumer_pull(consumer, 1000, &event), MOFKA_ERR_MPI, "as the script says");
        assert_int_equal(mofka_consumer_lost(consumer), 0);
        assert_int_equal(script.acknowledged, 0);
        for (uint64_t i = 0; i < EVENTS && again; i++)
            faults_take_event(consumer, i);
        assert_int_equal(mofka_consumer_lost(consumer), 0);
        assert_int_equal(script.acknowledged, again * EVENTS);
        faults_end_consumer(consumer);
        assert_int_equal(script.runs, 0);
        script.closed = 0;
    }
}

/* ---- losses ---------------------------------------------------------------------------------- */

/* A run may report losses and have no event. They are counted, and the next event reports them. */
static void losses_may_come_without_events(void **state) {
    (void)state;
    mofka_consumer_t *consumer = faults_create_consumer(EVENTS, MOFKA_ACKNOWLEDGE_AUTO);
    mofka_event_t *event;
    script.lost = 7;
    script.lost_at_end = 5;
    OK(mofka_topic_mark_complete(topic, 0));
    OK(mofka_consumer_pull(consumer, 1000, &event));
    assert_int_equal(mofka_event_id(event), 0);
    assert_int_equal(mofka_event_lost(event), 7);
    assert_int_equal(mofka_consumer_lost(consumer), 7);
    assert_int_equal(script.runs, 1);
    mofka_event_release(event);
    for (uint64_t i = 1; i < EVENTS; i++)
        faults_take_event(consumer, i);
    OK(mofka_consumer_pull(consumer, 1000, &event));
    assert_true(mofka_event_is_end(event));
    mofka_event_release(event);
    assert_int_equal(mofka_consumer_lost(consumer), 12);
    faults_end_consumer(consumer);
}

/* Overtaken events are acknowledged with the event that reports them as lost. Until then, the next
 * consumer of the name must count them as lost. */
static void losses_that_no_event_reported_are_not_acknowledged(void **state) {
    (void)state;
    mofka_consumer_t *consumer = faults_create_consumer(4, MOFKA_ACKNOWLEDGE_AUTO);
    mofka_event_t *event;
    script.overtaken = 4;
    OK(mofka_consumer_pull(consumer, 1000, &event));
    assert_int_equal(mofka_event_id(event), 4);
    assert_int_equal(mofka_event_lost(event), 4);
    assert_int_equal(script.acknowledged, 0);
    mofka_event_release(event);
    assert_int_equal(script.acknowledged, 5);
    for (uint64_t i = 5; i < 8; i++)
        faults_take_event(consumer, i);
    script.overtaken = 1;
    OK(mofka_consumer_pull(consumer, 1000, &event));
    assert_int_equal(mofka_event_lost(event), 1);
    assert_int_equal(script.acknowledged, 8);
    mofka_event_release(event);
    assert_int_equal(script.acknowledged, 10);
    faults_end_consumer(consumer);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void *close_in_thread(void *consumer) {
    return (void *)(intptr_t)mofka_consumer_close(consumer);
}

/* The second close waits until the first has ended. */
static void closing_twice_at_once_closes_once(void **state) {
    (void)state;
    mofka_consumer_t *consumer = faults_create_consumer(3, MOFKA_ACKNOWLEDGE_MANUAL);
    pthread_t thread;
    void *status;
    script.close_ms = 100;
    assert_int_equal(pthread_create(&thread, NULL, close_in_thread, consumer), 0);
    while (!script.closing)
        clock_sleep_ms(1);
    OK(mofka_consumer_close(consumer));
    assert_int_equal(script.closed, 1);
    pthread_join(thread, &status);
    assert_null(status);
    FAILS(mofka_consumer_unsubscribe(consumer), MOFKA_ERR_CLOSED, "closed");
    mofka_consumer_release(consumer);
}

static void closing_again_goes_on_where_it_failed(void **state) {
    (void)state;
    mofka_consumer_t *consumer = faults_create_consumer(3, MOFKA_ACKNOWLEDGE_MANUAL);
    mofka_event_t *event;
    script.close = MOFKA_ERR_TIMEOUT;
    FAILS(mofka_consumer_close(consumer), MOFKA_ERR_TIMEOUT, "as the script says");
    FAILS(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_CLOSED, "closed");
    FAILS(mofka_driver_close(driver, 0), MOFKA_ERR_BUSY, "reader");
    OK(mofka_consumer_close(consumer));
    OK(mofka_consumer_close(consumer));
    assert_int_equal(script.closed, 1);
    mofka_consumer_release(consumer);
}

/* Neither an event that is held nor a request keeps the driver from ending what its user let go. */
static void the_driver_ends_what_was_left(void **state) {
    (void)state;
    mofka_consumer_t *consumer = faults_create_consumer(3, MOFKA_ACKNOWLEDGE_AUTO);
    mofka_event_t *event;
    mofka_future_t *futures[5];
    mofka_result_t result;
    for (int i = 0; i < 4; i++)
        OK(mofka_consumer_pull_future(consumer, &futures[i]));
    OK(mofka_future_wait(futures[0], 1000, &result));
    OK(mofka_consumer_pull(consumer, 1000, &event)); /* of a second run: one stays ready */
    OK(mofka_consumer_pull_future(consumer, &futures[4]));
    mofka_consumer_release(consumer);
    script.close = MOFKA_ERR_TIMEOUT;
    FAILS(mofka_driver_close(driver, 0), MOFKA_ERR_TIMEOUT, "as the script says");
    mofka_driver_retain(driver); /* teardown closes and releases once more */
    OK(mofka_driver_close(driver, 0));
    mofka_driver_release(driver);
    assert_int_equal(script.closed, 1);
    assert_int_equal(script.acknowledged, 0);
    FAILS(mofka_future_wait(futures[4], 0, NULL), MOFKA_ERR_CLOSED, "closed");
    mofka_event_release(result.event);
    mofka_event_release(event);
    for (int i = 0; i < 5; i++)
        mofka_future_release(futures[i]);
}

/* Whoever ended the consumer, and whatever acknowledges: nothing reaches the backend any more. */
static void an_ended_consumer_takes_no_acknowledgement(void **state) {
    (void)state;
    OK(mofka_topic_mark_complete(topic, 1000));
    for (int i = 0; i < 4; i++) {
        mofka_consumer_t *consumer =
            faults_create_consumer(3, i & 1 ? MOFKA_ACKNOWLEDGE_AUTO : MOFKA_ACKNOWLEDGE_MANUAL);
        mofka_event_t *events[EVENTS + 1];
        for (int k = 0; k <= EVENTS; k++)
            OK(mofka_consumer_pull(consumer, 1000, &events[k]));
        assert_true(mofka_event_is_end(events[EVENTS]));
        OK(mofka_event_acknowledge(events[EVENTS]));
        OK((i & 2 ? mofka_consumer_unsubscribe : mofka_consumer_close)(consumer));
        for (int k = 0; k <= EVENTS; k++) {
            FAILS(mofka_event_acknowledge(events[k]), MOFKA_ERR_CLOSED, "'reader' is closed");
            mofka_event_release(events[k]);
        }
        assert_int_equal(script.acknowledged, 0);
        faults_end_consumer(consumer);
        script.closed = 0;
    }
}

/* ---- fork ------------------------------------------------------------------------------------ */

/* A child's calls on its parent's events do not reach a backend, and do not change the parent's
 * events. */
static void a_forked_child_leaves_the_backend_alone(void **state) {
    (void)state;
    for (int automatic = 0; automatic < 2; automatic++) {
        mofka_consumer_t *consumer = faults_create_consumer(
            1, automatic ? MOFKA_ACKNOWLEDGE_AUTO : MOFKA_ACKNOWLEDGE_MANUAL);
        mofka_event_t *event;
        OK(mofka_consumer_pull(consumer, 1000, &event));
        int runs = script.runs, status = -1;
        script.closed = 0;
        script.acknowledged = 0;
        pid_t child = fork();
        if (child == 0) {
            bool refused = mofka_event_acknowledge(event) == MOFKA_ERR_INVALID &&
                           strstr(mofka_last_error(), "process that forked this one");
            bool readable = mofka_data_view_size(mofka_event_data(event)) == 4;
            mofka_event_release(event);
            bool alone = script.runs == runs && script.acknowledged == 0;
            _exit(refused && readable && alone ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        OK(mofka_event_acknowledge(event));
        assert_int_equal(script.acknowledged, mofka_event_id(event) + 1);
        mofka_event_release(event);
        faults_end_consumer(consumer);
    }
}

/* A backend of an earlier build: its table ends before fetch_unterminated. */
static void an_earlier_table_has_runs_too(void **state) {
    (void)state;
    mofka_consumer_t *consumer = faults_create_consumer(0, MOFKA_ACKNOWLEDGE_MANUAL);
    mofka_event_run_t *run;
    for (size_t next = 0; next < EVENTS;) {
        OK(mofka_consumer_pull_run(consumer, 3, 1000, &run));
        assert_int_equal(mofka_event_run_first_id(run), next);
        next += mofka_event_run_count(run);
        OK(mofka_event_run_acknowledge(run));
        mofka_event_run_release(run);
    }
    assert_int_equal(script.acknowledged, EVENTS);
    faults_end_consumer(consumer);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, faults_setup, faults_teardown)
    const struct CMUnitTest tests[] = {
        CASE(an_undelivered_event_is_not_acknowledged),
        CASE(an_event_whose_callback_failed_is_not_acknowledged),
        CASE(losses_that_no_event_reported_are_not_acknowledged),
        CASE(a_failed_event_is_passed_over),
        CASE(waiting_reports_the_errors_of_fetching),
        CASE(a_run_whose_data_failed_is_tried_again),
        CASE(losses_may_come_without_events),
        CASE(closing_twice_at_once_closes_once),
        CASE(closing_again_goes_on_where_it_failed),
        CASE(an_ended_consumer_takes_no_acknowledgement),
        CASE(the_driver_ends_what_was_left),
        CASE(a_forked_child_leaves_the_backend_alone),
        CASE(an_earlier_table_has_runs_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
