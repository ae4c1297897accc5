/* SPDX-License-Identifier: BSD-3-Clause */
/* The conformance suite's runner, and what its cases share. */
#include "conformance/conformance.h"

static mofka_driver_t *subject;
static const char *subject_options;
static int topics_made;

mofka_driver_t *conformance_driver(void) {
    return subject;
}

mofka_topic_t *fresh_topic(const mofka_topic_options_t *helpers) {
    char name[32];
    snprintf(name, sizeof name, "conformance-%d", topics_made++);
    mofka_topic_options_t options = helpers ? *helpers : (mofka_topic_options_t){0};
    options.options = subject_options;
    OK(mofka_driver_create_topic(subject, name, &options));
    mofka_topic_t *topic;
    OK(mofka_driver_open_topic(subject, name, 0, &topic));
    assert_int_equal(mofka_topic_partition_count(topic), 1);
    return topic;
}

mofka_topic_t *conformance_replace_topic(const mofka_topic_t *topic) {
    const char *name = mofka_topic_name(topic);
    mofka_topic_t *other;
    OK(mofka_driver_delete_topic(subject, name));
    OK(mofka_driver_create_topic(subject, name,
                                 &(mofka_topic_options_t){.options = subject_options}));
    OK(mofka_driver_open_topic(subject, name, 0, &other));
    return other;
}

mofka_producer_t *new_producer(mofka_topic_t *topic) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, NULL, &producer));
    return producer;
}

mofka_consumer_t *new_consumer(mofka_topic_t *topic, const char *name) {
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = name}, &consumer));
    return consumer;
}

void end_producer(mofka_producer_t *producer) {
    OK(mofka_producer_close(producer, WAIT_MS));
    mofka_producer_release(producer);
}

void end_consumer(mofka_consumer_t *consumer) {
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

void push_number(mofka_producer_t *producer, int number) {
    char text[32];
    int bytes = snprintf(text, sizeof text, "{\"n\":%d}", number);
    OK(mofka_producer_push(producer, text, (size_t)bytes, NULL, MOFKA_ANY_PARTITION, NULL));
}

void push_numbers(mofka_topic_t *topic, int count) {
    mofka_producer_t *producer = new_producer(topic);
    for (int i = 0; i < count; i++)
        push_number(producer, i);
    end_producer(producer);
}

mofka_event_t *pull_number(mofka_consumer_t *consumer, int number) {
    mofka_event_t *event;
    char text[32];
    snprintf(text, sizeof text, "{\"n\":%d}", number);
    OK(mofka_consumer_pull(consumer, WAIT_MS, &event));
    assert_string_equal(mofka_event_metadata_text(event, NULL), text);
    return event;
}

void take_number(mofka_consumer_t *consumer, int number) {
    mofka_event_t *event = pull_number(consumer, number);
    OK(mofka_event_acknowledge(event));
    mofka_event_release(event);
}

void expect_end(mofka_consumer_t *consumer) {
    mofka_event_t *event;
    OK(mofka_consumer_pull(consumer, WAIT_MS, &event));
    assert_true(mofka_event_is_end(event));
    assert_true(mofka_event_id(event) == MOFKA_NO_MORE_EVENTS);
    mofka_event_release(event);
}

int conformance_run(const char *name, mofka_driver_t *driver, const char *topic_options) {
    const struct CMUnitTest *groups[] = {push_cases,      types_cases, pull_cases,   data_cases,
                                         zero_copy_cases, input_cases, delete_cases, run_cases,
                                         evict_cases,     seek_cases,  claim_cases};
    const size_t counts[] = {push_case_count,   types_case_count,     pull_case_count,
                             data_case_count,   zero_copy_case_count, input_case_count,
                             delete_case_count, run_case_count,       evict_case_count,
                             seek_case_count,   claim_case_count};
    struct CMUnitTest cases[128];
    size_t count = 0;
    subject = driver;
    subject_options = topic_options;
    memset(cases, 0, sizeof cases);
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        for (size_t j = 0; j < counts[i]; j++) {
            assert_true(count < sizeof cases / sizeof cases[0]);
            cases[count++] = groups[i][j];
        }
    return _cmocka_run_group_tests(name, cases, count, NULL, NULL);
}
