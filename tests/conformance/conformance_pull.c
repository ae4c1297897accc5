/* SPDX-License-Identifier: BSD-3-Clause */
/* Conformance: consumers, their places, futures of pulls, processing. */
#include <pthread.h>
#include "conformance/conformance.h"
#include "support/clock.h"

static void time_outs_are_kept_and_lose_nothing(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    mofka_future_t *future;
    mofka_event_t *event;
    mofka_result_t result;
    FAILS(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_TIMEOUT, "no event");
    int64_t start = clock_ms();
    FAILS(mofka_consumer_pull(consumer, 60, &event), MOFKA_ERR_TIMEOUT, "60 ms");
    assert_true(clock_ms() - start >= 60);
    OK(mofka_consumer_pull_future(consumer, &future));
    start = clock_ms();
    FAILS(mofka_future_wait(future, 2500, &result), MOFKA_ERR_TIMEOUT, "2500 ms");
    assert_true(clock_ms() - start >= 2500); /* no number of nanoseconds overflowed */
    assert_false(mofka_future_completed(future));
    push_numbers(topic, 2);
    OK(mofka_future_wait(future, WAIT_MS, &result));
    assert_int_equal(mofka_event_id(result.event), 0);
    mofka_event_release(result.event);
    FAILS(mofka_future_wait(future, 0, &result), MOFKA_ERR_CLOSED, "given already");
    mofka_future_release(future);
    take_number(consumer, 1);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

/* In the order of single pulls, never more than asked for, never waiting for more; the end
 * alone. */
static void many_are_pulled_at_once(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    mofka_event_t *events[8] = {NULL};
    size_t count = 99;
    FAILS(mofka_consumer_pull_many(consumer, 8, 0, events, &count), MOFKA_ERR_TIMEOUT, "no event");
    FAILS(mofka_consumer_pull_many(consumer, 0, 0, events, &count), MOFKA_ERR_RANGE,
          "events_max is 0");
    assert_int_equal(count, 99);
    push_numbers(topic, 20);
    take_number(consumer, 0);
    size_t pulls = 0;
    for (size_t next = 1; next < 20; next += count, pulls++) {
        OK(mofka_consumer_pull_many(consumer, 7, WAIT_MS, events, &count));
        IN_RANGE(count, 1, 7);
        assert_null(events[7]);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(mofka_event_id(events[i]), next + i);
            mofka_event_release(events[i]);
        }
    }
    IN_RANGE(pulls, 3, 10); /* what is ready comes together */
    OK(mofka_topic_mark_complete(topic, WAIT_MS));
    OK(mofka_consumer_pull_many(consumer, 8, WAIT_MS, events, &count));
    assert_int_equal(count, 1);
    assert_true(mofka_event_is_end(events[0]));
    mofka_event_release(events[0]);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void requests_are_answered_in_order(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    mofka_future_t *futures[5];
    mofka_result_t result;
    for (int i = 0; i < 5; i++)
        OK(mofka_consumer_pull_future(consumer, &futures[i]));
    mofka_future_release(futures[1]); /* gives up: the others get what it would have */
    push_numbers(topic, 5);
    const int left[] = {4, 0, 3, 2};
    const uint64_t ids[] = {3, 0, 2, 1};
    for (int i = 0; i < 4; i++) {
        OK(mofka_future_wait(futures[left[i]], WAIT_MS, &result));
        assert_int_equal(mofka_event_id(result.event), ids[i]);
        mofka_event_release(result.event);
        mofka_future_release(futures[left[i]]);
    }
    /* A request was answered and its future not read: the next pull gets its event. */
    OK(mofka_consumer_pull_future(consumer, &futures[0]));
    OK(mofka_future_wait(futures[0], WAIT_MS, NULL));
    mofka_future_release(futures[0]);
    take_number(consumer, 4);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

/* Failed while each went to the front. */
static void abandoned_events_come_back_in_order(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    mofka_future_t *futures[3];
    push_numbers(topic, 5);
    for (int i = 0; i < 3; i++)
        OK(mofka_consumer_pull_future(consumer, &futures[i]));
    for (int i = 0; i < 3; i++)
        OK(mofka_future_wait(futures[i], WAIT_MS, NULL));
    for (int i = 0; i < 3; i++)
        mofka_future_release(futures[i]);
    for (int i = 0; i < 5; i++)
        take_number(consumer, i);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void closing_answers_requests(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    mofka_future_t *future;
    mofka_event_t *event;
    OK(mofka_consumer_pull_future(consumer, &future));
    OK(mofka_consumer_close(consumer));
    OK(mofka_consumer_close(consumer));
    FAILS(mofka_future_wait(future, 0, NULL), MOFKA_ERR_CLOSED, "closed");
    FAILS(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_CLOSED, "closed");
    mofka_future_release(future);
    FAILS(mofka_consumer_pull_future(consumer, &future), MOFKA_ERR_CLOSED, "closed");
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
}

static void *close_after_a_while(void *consumer) {
    clock_sleep_ms(50);
    mofka_status_t status = mofka_consumer_close(consumer);
    return (void *)(intptr_t)status;
}

static void closing_wakes_a_pull_that_waits(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    pthread_t thread;
    void *closed;
    mofka_event_t *event;
    assert_int_equal(pthread_create(&thread, NULL, close_after_a_while, consumer), 0);
    FAILS(mofka_consumer_pull(consumer, WAIT_MS, &event), MOFKA_ERR_CLOSED, "closed");
    pthread_join(thread, &closed);
    assert_null(closed);
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
}

static void every_name_gets_every_event(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *one = new_consumer(topic, "one"), *two = new_consumer(topic, "two");
    push_numbers(topic, 50);
    for (int i = 0; i < 50; i++)
        take_number(one, i);
    for (int i = 0; i < 50; i++)
        take_number(two, i);
    end_consumer(one);
    end_consumer(two);
    mofka_topic_release(topic);
}

static void a_name_resumes_after_its_last_acknowledged(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, 30); /* one batch: places inside it count */
    for (int at = 0; at < 30; at += 7) {
        mofka_consumer_t *consumer = new_consumer(topic, "reader");
        for (int i = at; i < at + 7 && i < 30; i++)
            take_number(consumer, i);
        for (int i = at + 7; i < at + 9 && i < 30; i++) /* seen, not acknowledged: comes again */
            mofka_event_release(pull_number(consumer, i));
        end_consumer(consumer);
    }
    mofka_topic_release(topic);
}

static void acknowledging_covers_all_before(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, 10);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    mofka_event_t *events[6];
    for (int i = 0; i < 6; i++)
        events[i] = pull_number(consumer, i);
    OK(mofka_event_acknowledge(events[5]));
    OK(mofka_event_acknowledge(events[2])); /* goes nowhere */
    end_consumer(consumer);
    assert_string_equal(mofka_event_metadata_text(events[3], NULL), "{\"n\":3}");
    FAILS(mofka_event_acknowledge(events[3]), MOFKA_ERR_CLOSED, "closed");
    for (int i = 0; i < 6; i++)
        mofka_event_release(events[i]);
    consumer = new_consumer(topic, "reader");
    take_number(consumer, 6);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void automatic_acknowledgement_goes_by_release(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_options_t options = {.name = "reader", .acknowledge = MOFKA_ACKNOWLEDGE_AUTO};
    mofka_consumer_t *consumer;
    mofka_event_t *events[6];
    push_numbers(topic, 10);
    OK(mofka_consumer_create(topic, &options, &consumer));
    for (int i = 0; i < 6; i++)
        events[i] = pull_number(consumer, i);
    const int order[] = {1, 0, 4, 2}; /* all up to 2 are released; 3 holds 4 back */
    for (int i = 0; i < 4; i++)
        mofka_event_release(events[order[i]]);
    OK(mofka_consumer_close(consumer));
    mofka_event_release(events[3]);
    mofka_event_release(events[5]);
    mofka_consumer_release(consumer);
    OK(mofka_consumer_create(topic, &options, &consumer));
    take_number(consumer, 3);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void a_live_name_is_busy_and_unsubscribe_forgets(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, 4);
    mofka_consumer_t *consumer = new_consumer(topic, "reader"), *second;
    FAILS(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "reader"}, &second),
          MOFKA_ERR_BUSY, "reader");
    take_number(consumer, 0);
    OK(mofka_consumer_unsubscribe(consumer));
    mofka_event_t *event;
    FAILS(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_CLOSED, "closed");
    end_consumer(consumer);
    consumer = new_consumer(topic, "reader"); /* from the oldest event there is */
    OK(mofka_consumer_pull(consumer, WAIT_MS, &event));
    assert_true(mofka_event_id(event) < 4);
    mofka_event_release(event);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void a_new_name_may_start_at_the_end(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, 10);
    mofka_consumer_t *consumer;
    mofka_consumer_options_t options = {.name = "late", .start = MOFKA_START_END};
    OK(mofka_consumer_create(topic, &options, &consumer));
    mofka_event_t *event;
    FAILS(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_TIMEOUT, "");
    push_numbers(topic, 2);
    event = pull_number(consumer, 0);
    assert_int_equal(mofka_event_id(event), 10);
    mofka_event_release(event);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void targets_choose_partitions(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, 1);
    mofka_consumer_t *consumer;
    size_t targets[] = {0, 1};
    mofka_consumer_options_t options = {.name = "a", .targets = targets, .target_count = 1};
    OK(mofka_consumer_create(topic, &options, &consumer));
    size_t count;
    assert_int_equal(mofka_consumer_targets(consumer, &count)[0], 0);
    assert_int_equal(count, 1);
    take_number(consumer, 0);
    end_consumer(consumer);
    options.target_count = 2;
    FAILS(mofka_consumer_create(topic, &options, &consumer), MOFKA_ERR_RANGE, "target_count is");
    targets[0] = 1;
    options.target_count = 1;
    FAILS(mofka_consumer_create(topic, &options, &consumer), MOFKA_ERR_RANGE, "target 1");
    mofka_topic_release(topic);
}

typedef struct shared {
    mofka_consumer_t *consumer;
    _Atomic int count;
    _Atomic int sum;
} shared_t;

static void *pull_to_the_end(void *context) {
    shared_t *shared = context;
    for (;;) {
        mofka_event_t *event;
        OK(mofka_consumer_pull(shared->consumer, WAIT_MS, &event));
        bool end = mofka_event_is_end(event);
        if (!end) {
            shared->count++;
            shared->sum += (int)mofka_event_id(event);
        }
        mofka_event_release(event);
        if (end)
            return NULL;
    }
}

static void threads_share_a_consumer(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    shared_t shared = {.consumer = new_consumer(topic, "reader")};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pull_to_the_end, &shared), 0);
    push_numbers(topic, 400);
    OK(mofka_topic_mark_complete(topic, WAIT_MS));
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared.count, 400);
    assert_int_equal(shared.sum, 399 * 400 / 2);
    end_consumer(shared.consumer);
    mofka_topic_release(topic);
}

static mofka_status_t process_count_event(void *context, mofka_event_t *event) {
    shared_t *shared = context;
    (void)event;
    shared->sum += (int)mofka_event_id(event);
    return ++shared->count == 150 ? MOFKA_STOP : MOFKA_OK;
}

static mofka_status_t fail_at_once(void *context, mofka_event_t *event) {
    (void)context, (void)event;
    return mofka_fail(MOFKA_ERR_CALLBACK, "not to my taste");
}

static void events_are_processed(void **state) {
    (void)state;
    mofka_thread_pool_t *pool;
    OK(mofka_driver_make_thread_pool(conformance_driver(), 3, MOFKA_BINDING_COMPACT, &pool));
    for (int pooled = 0; pooled < 2; pooled++) {
        mofka_topic_t *topic = fresh_topic(NULL);
        mofka_consumer_t *consumer = new_consumer(topic, "reader");
        shared_t shared = {.count = 0};
        mofka_process_options_t options = {.thread_pool = pooled ? pool : NULL, .events_max = 100};
        size_t processed = 99;
        FAILS(mofka_consumer_process(consumer, process_count_event, &shared, 20, &options,
                                     &processed),
              MOFKA_ERR_TIMEOUT, "no event");
        assert_int_equal(processed, 0);
        push_numbers(topic, 300);
        OK(mofka_topic_mark_complete(topic, WAIT_MS));
        OK(mofka_consumer_process(consumer, process_count_event, &shared, WAIT_MS, &options,
                                  &processed));
        assert_int_equal(processed, 100);
        options.events_max = 0;
        OK(mofka_consumer_process(consumer, process_count_event, &shared, WAIT_MS, &options,
                                  &processed));
        assert_true(processed >= 50 && processed <= 60); /* workers may have some on their way */
        FAILS(mofka_consumer_process(consumer, fail_at_once, NULL, WAIT_MS, &options, &processed),
              MOFKA_ERR_CALLBACK, "not to my taste");
        OK(mofka_consumer_process(consumer, process_count_event, &shared, WAIT_MS, &options,
                                  &processed));
        assert_true(shared.count >= 289);
        OK(mofka_consumer_process(consumer, process_count_event, &shared, 0, NULL, &processed));
        assert_int_equal(processed, 0);
        end_consumer(consumer);
        mofka_topic_release(topic);
    }
    mofka_thread_pool_release(pool);
}

static mofka_status_t answer_later(void *context, mofka_event_t *event) {
    (void)event;
    clock_sleep_ms(50);
    return mofka_fail(*(const mofka_status_t *)context, "the worker's answer");
}

/* A worker's answer takes effect although no more events come. */
static void a_worker_can_end_processing(void **state) {
    (void)state;
    mofka_thread_pool_t *pool;
    OK(mofka_driver_make_thread_pool(conformance_driver(), 2, MOFKA_BINDING_NONE, &pool));
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    mofka_process_options_t options = {.thread_pool = pool};
    mofka_status_t answer = MOFKA_STOP;
    size_t processed;
    int64_t start = clock_ms();
    push_numbers(topic, 1);
    OK(mofka_consumer_process(consumer, answer_later, &answer, WAIT_MS, &options, &processed));
    assert_int_equal(processed, 1);
    push_numbers(topic, 1);
    answer = MOFKA_ERR_CALLBACK;
    FAILS(mofka_consumer_process(consumer, answer_later, &answer, WAIT_MS, &options, &processed),
          MOFKA_ERR_CALLBACK, "the worker's answer");
    assert_int_equal(processed, 1);
    assert_true(clock_ms() - start < 10000);
    end_consumer(consumer);
    mofka_topic_release(topic);
    mofka_thread_pool_release(pool);
}

static void events_report_their_fields(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, 1);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    mofka_event_t *event = pull_number(consumer, 0);
    mofka_metadata_t *metadata, *info;
    size_t bytes;
    OK(mofka_event_metadata(event, &metadata));
    assert_string_equal(mofka_metadata_text(metadata, &bytes), "{\"n\":0}");
    assert_int_equal(bytes, 7);
    OK(mofka_event_partition_info(event, &info));
    assert_non_null(strstr(mofka_metadata_text(info, NULL), "partition"));
    mofka_metadata_release(info);
    assert_null(mofka_event_data(event));
    assert_int_equal(mofka_event_data_size(event), 0);
    assert_int_equal(mofka_event_lost(event), 0);
    assert_int_equal(mofka_consumer_lost(consumer), 0);
    assert_int_equal(mofka_consumer_voided(consumer), 0);
    mofka_event_t *same = mofka_event_retain(event);
    mofka_event_release(event);
    OK(mofka_event_acknowledge(same));
    mofka_event_release(same);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static mofka_status_t any_data(void *context, const mofka_metadata_t *metadata,
                               mofka_data_descriptor_t *full, mofka_data_descriptor_t **selected) {
    (void)context, (void)metadata;
    *selected = mofka_data_descriptor_retain(full);
    return MOFKA_OK;
}

static mofka_status_t allocate_full_size(void *context, const mofka_metadata_t *metadata,
                                         mofka_data_descriptor_t *selected,
                                         mofka_data_view_t **view) {
    (void)context, (void)metadata;
    return mofka_data_view_allocate(mofka_data_descriptor_size(selected), view);
}

static void consumers_report_their_options(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_thread_pool_t *pool = mofka_driver_default_thread_pool(conformance_driver());
    int one, two;
    void *context;
    mofka_consumer_options_t options = {.name = "reader",
                                        .batch_size = 5,
                                        .max_batches = 7,
                                        .thread_pool = pool,
                                        .selector = any_data,
                                        .selector_context = &one,
                                        .allocator = allocate_full_size,
                                        .allocator_context = &two,
                                        .start = MOFKA_START_END,
                                        .acknowledge = MOFKA_ACKNOWLEDGE_AUTO,
                                        .options = "{}"};
    mofka_consumer_t *c;
    OK(mofka_consumer_create(topic, &options, &c));
    assert_string_equal(mofka_consumer_name(c), "reader");
    assert_ptr_equal(mofka_consumer_topic(c), topic);
    assert_int_equal(mofka_consumer_batch_size(c), 5);
    assert_int_equal(mofka_consumer_max_batches(c), 7);
    assert_ptr_equal(mofka_consumer_thread_pool(c), pool);
    assert_true(mofka_consumer_selector(c, &context) == any_data && context == &one);
    assert_true(mofka_consumer_allocator(c, &context) == allocate_full_size && context == &two);
    assert_null(mofka_consumer_targets(c, NULL));
    assert_string_equal(mofka_consumer_options_json(c), "{}");
    assert_int_equal(mofka_consumer_start(c), MOFKA_START_END);
    assert_int_equal(mofka_consumer_acknowledge_mode(c), MOFKA_ACKNOWLEDGE_AUTO);
    end_consumer(c);
    mofka_topic_release(topic);
}

const struct CMUnitTest pull_cases[] = {
    cmocka_unit_test(time_outs_are_kept_and_lose_nothing),
    cmocka_unit_test(many_are_pulled_at_once),
    cmocka_unit_test(requests_are_answered_in_order),
    cmocka_unit_test(abandoned_events_come_back_in_order),
    cmocka_unit_test(closing_answers_requests),
    cmocka_unit_test(closing_wakes_a_pull_that_waits),
    cmocka_unit_test(every_name_gets_every_event),
    cmocka_unit_test(a_name_resumes_after_its_last_acknowledged),
    cmocka_unit_test(acknowledging_covers_all_before),
    cmocka_unit_test(automatic_acknowledgement_goes_by_release),
    cmocka_unit_test(a_live_name_is_busy_and_unsubscribe_forgets),
    cmocka_unit_test(a_new_name_may_start_at_the_end),
    cmocka_unit_test(targets_choose_partitions),
    cmocka_unit_test(threads_share_a_consumer),
    cmocka_unit_test(events_are_processed),
    cmocka_unit_test(a_worker_can_end_processing),
    cmocka_unit_test(events_report_their_fields),
    cmocka_unit_test(consumers_report_their_options),
};
const size_t pull_case_count = sizeof pull_cases / sizeof pull_cases[0];
