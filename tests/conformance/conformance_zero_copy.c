/* SPDX-License-Identifier: BSD-3-Clause */
/* Conformance: consumers that read data in place, and the error where that is impossible. */
#include "conformance/conformance.h"

static mofka_status_t select_middle(void *context, const mofka_metadata_t *metadata,
                                    mofka_data_descriptor_t *full,
                                    mofka_data_descriptor_t **selected) {
    (void)context, (void)metadata;
    size_t size = mofka_data_descriptor_size(full);
    return mofka_data_descriptor_strided_view(full, 1, (size - 1) / 10, 3, 7, selected);
}

static void push_letters(mofka_producer_t *producer, int number, size_t size) {
    mofka_data_view_t *view;
    OK(mofka_data_view_allocate(size, &view));
    char *to = mofka_data_view_segments(view, NULL)->ptr;
    for (size_t k = 0; k < size; k++)
        to[k] = (char)('A' + ((size_t)number + k) % 26);
    OK(mofka_producer_push(producer, "{}", 2, view, MOFKA_ANY_PARTITION, NULL));
    mofka_data_view_release(view);
}

static void check_letters(const mofka_event_t *event, size_t number, size_t size) {
    char got[16384];
    size_t count = (size - 1) / 10;
    assert_int_equal(mofka_event_id(event), number);
    assert_int_equal(mofka_data_view_read(mofka_event_data(event), got, sizeof got, 0), 3 * count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(got[3 * i + k], 'A' + (int)((number + 1 + 10 * i + k) % 26));
}

/* The consumer, or NULL where the driver says that its windows do not allow it. */
static mofka_consumer_t *zero_copy_consumer(mofka_topic_t *topic, mofka_acknowledge_t acknowledge) {
    mofka_consumer_t *consumer;
    mofka_consumer_options_t options = {
        .name = "reader", .selector = select_middle, .acknowledge = acknowledge, .zero_copy = true};
    mofka_metadata_t *info;
    OK(mofka_topic_partition_info(topic, 0, &info));
    bool remote = strstr(mofka_metadata_text(info, NULL), "\"rma\"");
    bool stored = strstr(mofka_metadata_text(info, NULL), "\"storage\":true");
    mofka_metadata_release(info);
    if (remote || stored) {
        FAILS(mofka_consumer_create(topic, &options, &consumer), MOFKA_ERR_UNSUPPORTED,
              stored ? "without \"storage\"" : "\"rma\" window does not allow");
        return NULL;
    }
    OK(mofka_consumer_create(topic, &options, &consumer));
    assert_true(mofka_consumer_zero_copy(consumer));
    return consumer;
}

/* A consumer ends only once nothing is held. */
static void held_events_stay(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer = zero_copy_consumer(topic, MOFKA_ACKNOWLEDGE_MANUAL);
    if (consumer) {
        mofka_producer_t *producer = new_producer(topic);
        mofka_event_t *events[6];
        for (int i = 0; i < 6; i++)
            push_letters(producer, i, 1000 + 100 * (size_t)i);
        end_producer(producer);
        for (size_t i = 0; i < 6; i++) {
            OK(mofka_consumer_pull(consumer, WAIT_MS, &events[i]));
            check_letters(events[i], i, 1000 + 100 * i);
        }
        OK(mofka_event_acknowledge(events[4]));
        for (int i = 0; i < 6; i++)
            if (i != 2)
                mofka_event_release(events[i]);
        FAILS(mofka_consumer_close(consumer), MOFKA_ERR_BUSY, "1 events");
        FAILS(mofka_consumer_unsubscribe(consumer), MOFKA_ERR_BUSY, "reader");
        check_letters(events[2], 2, 1200);
        mofka_event_release(events[2]);
        end_consumer(consumer);
        consumer = zero_copy_consumer(topic, MOFKA_ACKNOWLEDGE_MANUAL);
        OK(mofka_consumer_pull(consumer, WAIT_MS, &events[5]));
        check_letters(events[5], 5, 1500);
        mofka_event_release(events[5]);
        end_consumer(consumer);
    }
    mofka_topic_release(topic);
}

/* One event is held while others come and go, until its partition is full, or many times over. Its
 * bytes stay. It fails if acknowledgements pass an event that is not released. */
static void bytes_stay_while_an_event_is_held(void **state) {
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        mofka_topic_t *topic = fresh_topic(NULL);
        mofka_consumer_t *consumer = zero_copy_consumer(topic, (mofka_acknowledge_t)mode);
        mofka_producer_t *producer = new_producer(topic);
        mofka_event_t *held = NULL, *event;
        size_t pulled = 0;
        mofka_status_t status = MOFKA_OK;
        for (size_t i = 0; i < 200 && consumer && !status; i++) {
            push_letters(producer, (int)i, 9000 + i);
            status = mofka_producer_flush(producer, held ? 50 : WAIT_MS);
            if (status)
                break;
            OK(mofka_consumer_pull(consumer, WAIT_MS, &event));
            check_letters(event, pulled, 9000 + pulled);
            if (mode == MOFKA_ACKNOWLEDGE_MANUAL)
                OK(mofka_event_acknowledge(event));
            if (pulled++ == 3)
                held = event;
            else
                mofka_event_release(event);
        }
        if (held) {
            check_letters(held, 3, 9003);
            mofka_event_release(held);
            status = mofka_consumer_pull(consumer, 0, &event); /* publishes that it is let go */
            assert_int_equal(status, MOFKA_ERR_TIMEOUT);
        }
        end_producer(producer);
        if (consumer)
            end_consumer(consumer);
        mofka_topic_release(topic);
    }
}

static mofka_status_t allocate_unused(void *context, const mofka_metadata_t *metadata,
                                      mofka_data_descriptor_t *selected, mofka_data_view_t **view) {
    (void)context, (void)metadata;
    return mofka_data_view_allocate(mofka_data_descriptor_size(selected), view);
}

static void an_allocator_is_refused(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer;
    FAILS(mofka_consumer_create(topic,
                                &(mofka_consumer_options_t){
                                    .name = "a", .zero_copy = true, .allocator = allocate_unused},
                                &consumer),
          MOFKA_ERR_INVALID, "allocator");
    mofka_topic_release(topic);
}

const struct CMUnitTest zero_copy_cases[] = {
    cmocka_unit_test(held_events_stay),
    cmocka_unit_test(bytes_stay_while_an_event_is_held),
    cmocka_unit_test(an_allocator_is_refused),
};
const size_t zero_copy_case_count = sizeof zero_copy_cases / sizeof zero_copy_cases[0];
