/* SPDX-License-Identifier: BSD-3-Clause */
/* Conformance: the names of consumers are given up by a user's word, by drivers that can. */
#include "conformance/conformance.h"

/* Evictions of one name, more than a table of consumers has places. */
#define EVICTIONS 80
/* Events that an evicted consumer may still get: what was fetched before. */
#define FETCHED_MAX 8

/* Skip the case if the driver cannot evict. */
static void evict_needs_slot(void) {
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_status_t status = mofka_topic_evict(topic, "nobody", 1000);
    mofka_topic_release(topic);
    if (status == MOFKA_ERR_NOT_FOUND)
        return;
    assert_int_equal(status, MOFKA_ERR_UNSUPPORTED);
    assert_non_null(strstr(mofka_last_error(), "cannot evict"));
    print_message("skipped: a driver of type '%s' cannot evict consumers\n",
                  mofka_driver_type(conformance_driver()));
    skip();
}

/* Pull until the consumer is told. */
static void expect_evicted(mofka_consumer_t *consumer, const char *name) {
    mofka_event_t *event;
    mofka_status_t status = MOFKA_OK;
    for (int i = 0; i <= FETCHED_MAX && status == MOFKA_OK; i++) {
        status = mofka_consumer_pull(consumer, WAIT_MS, &event);
        if (!status)
            mofka_event_release(event);
    }
    assert_int_equal(status, MOFKA_ERR_CLOSED);
    assert_non_null(strstr(mofka_last_error(), "was evicted"));
    assert_non_null(strstr(mofka_last_error(), name));
}

/* One that lives is told, and another one of the name begins anew beside it. */
static void an_evicted_consumer_is_told(void **state) {
    (void)state;
    evict_needs_slot();
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *old = new_consumer(topic, "viewer"), *consumer;
    push_numbers(topic, 2);
    take_number(old, 0);
    OK(mofka_topic_evict(topic, "viewer", WAIT_MS));
    FAILS(mofka_topic_evict(topic, "viewer", WAIT_MS), MOFKA_ERR_NOT_FOUND, "viewer");
    consumer = new_consumer(topic, "viewer");
    take_number(consumer, 0);
    expect_evicted(old, "viewer");
    expect_evicted(old, "viewer");
    end_consumer(old);
    take_number(consumer, 1);
    end_consumer(consumer);
    consumer = new_consumer(topic, "viewer"); /* the old one's end has left it its place */
    push_numbers(topic, 1);
    take_number(consumer, 0);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

/* Nobody has the name: its place in the topic is forgotten. */
static void a_name_that_is_away_is_evicted(void **state) {
    (void)state;
    evict_needs_slot();
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer = new_consumer(topic, "viewer"), *other = new_consumer(topic, "o");
    push_numbers(topic, 2);
    take_number(consumer, 0);
    end_consumer(consumer);
    OK(mofka_topic_evict(topic, "viewer", WAIT_MS));
    consumer = new_consumer(topic, "viewer");
    take_number(consumer, 0);
    take_number(other, 0);
    end_consumer(consumer);
    end_consumer(other);
    mofka_topic_release(topic);
}

/* A consumer that closes without having been told gives its place back, too. */
static void places_of_evicted_consumers_are_used_again(void **state) {
    (void)state;
    evict_needs_slot();
    mofka_topic_t *topic = fresh_topic(NULL);
    for (int i = 0; i < EVICTIONS; i++) {
        mofka_consumer_t *consumer = new_consumer(topic, "viewer");
        OK(mofka_topic_evict(topic, "viewer", WAIT_MS));
        if (i % 2)
            OK(mofka_consumer_unsubscribe(consumer));
        end_consumer(consumer);
    }
    mofka_topic_release(topic);
}

static void names_of_consumers_to_evict(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    FAILS(mofka_topic_evict(topic, "", 0), MOFKA_ERR_INVALID, "empty");
    FAILS(mofka_topic_evict(topic, NULL, 0), MOFKA_ERR_INVALID, "empty");
    FAILS(mofka_topic_evict(NULL, "x", 0), MOFKA_ERR_INVALID, "topic");
    mofka_topic_release(topic);
}

const struct CMUnitTest evict_cases[] = {
    cmocka_unit_test(an_evicted_consumer_is_told),
    cmocka_unit_test(a_name_that_is_away_is_evicted),
    cmocka_unit_test(places_of_evicted_consumers_are_used_again),
    cmocka_unit_test(names_of_consumers_to_evict),
};
const size_t evict_case_count = sizeof evict_cases / sizeof evict_cases[0];
