/* SPDX-License-Identifier: BSD-3-Clause */
/* Conformance: consumers go to another event or time, and topics say where they end. */
#include <inttypes.h>
#include <time.h>
#include "conformance/conformance.h"

#define EVENTS 100

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Pull a number without acknowledging it. */
static void see_number(mofka_consumer_t *consumer, int number) {
    mofka_event_release(pull_number(consumer, number));
}

static mofka_consumer_t *seeking_consumer(mofka_topic_t *topic, mofka_acknowledge_t acknowledge,
                                          mofka_thread_pool_t *pool) {
    mofka_consumer_t *consumer;
    mofka_consumer_options_t options = {
        .name = "reader", .acknowledge = acknowledge, .thread_pool = pool, .batch_size = 8};
    OK(mofka_consumer_create(topic, &options, &consumer));
    return consumer;
}

static void go_about(mofka_topic_t *topic, mofka_thread_pool_t *pool) {
    mofka_consumer_t *consumer = seeking_consumer(topic, MOFKA_ACKNOWLEDGE_MANUAL, pool);
    for (int i = 0; i < 50; i++)
        see_number(consumer, i);
    static const int places[] = {10, 90, 0, 99, 49, 50, 7};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        OK(mofka_consumer_seek(consumer, 0, (uint64_t)places[i]));
        for (int n = places[i]; n < EVENTS && n < places[i] + 20; n++)
            see_number(consumer, n);
    }
    FAILS(mofka_consumer_seek(consumer, 0, EVENTS + 1), MOFKA_ERR_RANGE, "cannot go to");
    FAILS(mofka_consumer_seek(consumer, 1, 0), MOFKA_ERR_RANGE, "does not read partition 1");
    see_number(consumer, 27); /* it is where it was */
    OK(mofka_consumer_unsubscribe(consumer));
    FAILS(mofka_consumer_seek(consumer, 0, 1), MOFKA_ERR_CLOSED, "reader");
    end_consumer(consumer);
}

static void a_consumer_goes_back_and_forth(void **state) {
    (void)state;
    mofka_thread_pool_t *pool;
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, EVENTS);
    go_about(topic, NULL);
    OK(mofka_driver_make_thread_pool(conformance_driver(), 1, MOFKA_BINDING_NONE, &pool));
    go_about(topic, pool);
    mofka_thread_pool_release(pool);
    mofka_topic_release(topic);
}

/* It waits for what is not there yet, and goes back from the end. */
static void a_consumer_goes_to_the_end(void **state) {
    (void)state;
    mofka_event_t *event;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    mofka_consumer_t *consumer = seeking_consumer(topic, MOFKA_ACKNOWLEDGE_MANUAL, NULL);
    for (int i = 0; i < EVENTS; i++)
        push_number(producer, i);
    OK(mofka_producer_flush(producer, WAIT_MS));
    see_number(consumer, 0);
    OK(mofka_consumer_seek(consumer, 0, EVENTS));
    FAILS(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_TIMEOUT, "no event");
    push_number(producer, EVENTS);
    OK(mofka_producer_close(producer, WAIT_MS));
    mofka_producer_release(producer);
    see_number(consumer, EVENTS);
    OK(mofka_topic_mark_complete(topic, WAIT_MS));
    expect_end(consumer);
    OK(mofka_consumer_seek(consumer, 0, 1));
    for (int i = 1; i <= EVENTS; i++)
        see_number(consumer, i);
    expect_end(consumer);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

/* What was acknowledged stays so, whether the driver keeps it or not. */
static void acknowledgements_stay(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, EVENTS);
    mofka_consumer_t *consumer = seeking_consumer(topic, MOFKA_ACKNOWLEDGE_MANUAL, NULL);
    for (int i = 0; i < 60; i++)
        take_number(consumer, i);
    mofka_status_t status = mofka_consumer_seek(consumer, 0, 20);
    if (status)
        FAILS(status, MOFKA_ERR_RANGE, "has not acknowledged");
    for (int i = status ? 60 : 20; i < 70; i++)
        see_number(consumer, i);
    end_consumer(consumer);
    consumer = seeking_consumer(topic, MOFKA_ACKNOWLEDGE_MANUAL, NULL);
    see_number(consumer, 60);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

/* Events that are held across a seek stay, and hold nothing back any more. */
static void held_events_outlive_a_seek(void **state) {
    (void)state;
    mofka_event_t *held[10];
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, EVENTS);
    mofka_consumer_t *consumer = seeking_consumer(topic, MOFKA_ACKNOWLEDGE_AUTO, NULL);
    for (int i = 0; i < 10; i++)
        held[i] = pull_number(consumer, i);
    mofka_event_release(held[5]);
    OK(mofka_consumer_seek(consumer, 0, 3));
    for (int i = 3; i < 40; i++)
        see_number(consumer, i);
    for (int i = 0; i < 10; i++) {
        char text[32];
        snprintf(text, sizeof text, "{\"n\":%d}", i);
        if (i == 5)
            continue;
        assert_string_equal(mofka_event_metadata_text(held[i], NULL), text);
        mofka_event_release(held[i]);
    }
    end_consumer(consumer);
    consumer = seeking_consumer(topic, MOFKA_ACKNOWLEDGE_AUTO, NULL);
    see_number(consumer, 40);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

/* Runs, and futures whose event nobody takes. */
static void runs_and_futures_follow_a_seek(void **state) {
    (void)state;
    mofka_event_run_t *run;
    mofka_future_t *future;
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, EVENTS);
    mofka_consumer_t *consumer = seeking_consumer(topic, MOFKA_ACKNOWLEDGE_MANUAL, NULL);
    OK(mofka_consumer_pull_run(consumer, 3, WAIT_MS, &run));
    assert_int_equal(mofka_event_run_first_id(run), 0);
    OK(mofka_consumer_seek(consumer, 0, 30));
    mofka_event_run_release(run);
    OK(mofka_consumer_pull_run(consumer, 3, WAIT_MS, &run));
    assert_int_equal(mofka_event_run_first_id(run), 30);
    mofka_event_run_release(run);
    OK(mofka_consumer_pull_future(consumer, &future));
    OK(mofka_future_wait(future, WAIT_MS, NULL));
    OK(mofka_consumer_seek(consumer, 0, 12));
    mofka_future_release(future);
    see_number(consumer, 12);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void a_consumer_goes_to_a_time(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, 10);
    uint64_t before, after;
    for (before = after = now_ns(); after == before;)
        after = now_ns();
    mofka_producer_t *producer = new_producer(topic);
    for (int i = 10; i < 20; i++)
        push_number(producer, i);
    end_producer(producer);
    mofka_consumer_t *consumer = seeking_consumer(topic, MOFKA_ACKNOWLEDGE_MANUAL, NULL);
    see_number(consumer, 0);
    mofka_status_t status = mofka_consumer_seek_time(consumer, after);
    if (!status) {
        see_number(consumer, 10);
        OK(mofka_consumer_seek_time(consumer, 0));
        see_number(consumer, 0);
        OK(mofka_consumer_seek_time(consumer, UINT64_MAX));
        mofka_event_t *event;
        FAILS(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_TIMEOUT, "no event");
    } else {
        FAILS(status, MOFKA_ERR_UNSUPPORTED, "");
        see_number(consumer, 1);
    }
    assert_int_equal(mofka_consumer_rewound(consumer), 0);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void a_topic_says_where_it_ends(void **state) {
    (void)state;
    mofka_metadata_t *ends = NULL;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_status_t status = mofka_topic_ends(topic, WAIT_MS, &ends);
    for (int i = 0; i < 3 && !status; i++) {
        char text[32];
        snprintf(text, sizeof text, "[%d]", 7 * i);
        assert_string_equal(mofka_metadata_text(ends, NULL), text);
        mofka_metadata_release(ends);
        push_numbers(topic, 7);
        status = mofka_topic_ends(topic, WAIT_MS, &ends);
    }
    if (status)
        FAILS(status, MOFKA_ERR_UNSUPPORTED, "on disk");
    else
        mofka_metadata_release(ends);
    FAILS(mofka_topic_ends(NULL, 0, &ends), MOFKA_ERR_INVALID, "topic");
    FAILS(mofka_consumer_seek(NULL, 0, 0), MOFKA_ERR_INVALID, "consumer");
    FAILS(mofka_consumer_seek_time(NULL, 0), MOFKA_ERR_INVALID, "consumer");
    assert_int_equal(mofka_consumer_rewound(NULL), 0);
    mofka_topic_release(topic);
}

const struct CMUnitTest seek_cases[] = {
    cmocka_unit_test(a_consumer_goes_back_and_forth), cmocka_unit_test(a_consumer_goes_to_the_end),
    cmocka_unit_test(acknowledgements_stay),          cmocka_unit_test(held_events_outlive_a_seek),
    cmocka_unit_test(runs_and_futures_follow_a_seek), cmocka_unit_test(a_consumer_goes_to_a_time),
    cmocka_unit_test(a_topic_says_where_it_ends),
};
const size_t seek_case_count = sizeof seek_cases / sizeof seek_cases[0];
