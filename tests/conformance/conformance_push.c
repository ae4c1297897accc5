/* SPDX-License-Identifier: BSD-3-Clause */
/* Conformance: producers, futures of pushes and flushes, completion. */
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include "conformance/conformance.h"

static void ids_are_dense_and_in_push_order(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, 300);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    for (int i = 0; i < 300; i++) {
        mofka_event_t *event = pull_number(consumer, i);
        assert_int_equal(mofka_event_id(event), i);
        assert_int_equal(mofka_event_partition(event), 0);
        assert_false(mofka_event_is_end(event));
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void futures_report_ids(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    mofka_future_t *futures[10];
    for (int i = 0; i < 10; i++)
        OK(mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, &futures[i]));
    assert_int_equal(mofka_future_delivery(futures[9]), MOFKA_NOT_STORED);
    for (int i = 9; i >= 0; i--) {
        mofka_result_t result;
        OK(mofka_future_wait(futures[i], WAIT_MS, NULL));
        OK(mofka_future_wait(futures[i], 0, &result));
        assert_int_equal(result.event_id, i);
        assert_int_equal(result.partition, 0);
        assert_true(mofka_future_completed(futures[i]));
        assert_true(mofka_future_delivery(futures[i]) >= MOFKA_STORED);
        mofka_future_release(futures[i]);
    }
    end_producer(producer);
    mofka_topic_release(topic);
}

/* Futures without a waiter, and futures that outlive their producer, do no harm. */
static void futures_may_be_dropped_or_kept(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    mofka_future_t *dropped, *kept;
    OK(mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, &dropped));
    OK(mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, &kept));
    mofka_future_release(dropped);
    end_producer(producer);
    mofka_result_t result;
    OK(mofka_future_wait(kept, 0, &result));
    assert_int_equal(result.event_id, 1);
    mofka_future_release(kept);
    mofka_topic_release(topic);
}

/* Futures of one batch share memory. Each still reports its own event, whichever of them are asked
 * for, kept and released, and also after the producer is gone. */
static void futures_of_a_batch_are_apart(void **state) {
    (void)state;
    enum { EVENTS = 480 };
    static mofka_future_t *futures[EVENTS];
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    for (int i = 0; i < EVENTS; i++) {
        futures[i] = NULL;
        OK(mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION,
                               i % 3 ? &futures[i] : NULL));
        if (i % 5 == 0) { /* before anything is stored */
            mofka_future_release(futures[i]);
            futures[i] = NULL;
        }
    }
    end_producer(producer);
    for (int i = EVENTS - 1; i >= 0; i--) { /* some stay */
        mofka_result_t result;
        if (!futures[i])
            continue;
        OK(mofka_future_wait(futures[i], 0, &result));
        assert_int_equal(result.event_id, i);
        assert_true(mofka_future_delivery(futures[i]) >= MOFKA_STORED);
        if (i % 7 == 0)
            continue;
        mofka_future_release(futures[i]);
        futures[i] = NULL;
    }
    mofka_topic_release(topic);
    for (int i = 0; i < EVENTS; i++) {
        mofka_result_t result;
        if (!futures[i])
            continue;
        OK(mofka_future_wait(futures[i], 0, &result));
        assert_int_equal(result.event_id, i);
        mofka_future_release(futures[i]);
    }
}

static void flush_is_a_future_too(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    mofka_future_t *pushed, *flushed;
    OK(mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, &pushed));
    OK(mofka_producer_flush_future(producer, &flushed));
    OK(mofka_future_wait(flushed, WAIT_MS, NULL));
    assert_true(mofka_future_delivery(pushed) >= MOFKA_STORED);
    OK(mofka_producer_flush(producer, 0));
    mofka_future_release(pushed);
    mofka_future_release(flushed);
    end_producer(producer);
    mofka_topic_release(topic);
}

/* A batch that is not full leaves by itself when a worker finds it old. */
static void a_lingering_batch_leaves(void **state) {
    (void)state;
    mofka_thread_pool_t *pool;
    OK(mofka_driver_make_thread_pool(conformance_driver(), 1, MOFKA_BINDING_NONE, &pool));
    for (int fixed = 0; fixed < 2; fixed++) {
        mofka_topic_t *topic = fresh_topic(NULL);
        mofka_producer_t *producer;
        mofka_producer_options_t options = {
            .thread_pool = pool, .batch_size = fixed ? 100 : 0, .linger_ms = 5};
        OK(mofka_producer_create(topic, &options, &producer));
        push_number(producer, 0);
        mofka_consumer_t *consumer = new_consumer(topic, "reader");
        take_number(consumer, 0);
        end_consumer(consumer);
        end_producer(producer);
        mofka_topic_release(topic);
    }
    mofka_thread_pool_release(pool);
}

static void batch_sizes_and_orderings(void **state) {
    (void)state;
    const size_t sizes[] = {1, 3, 64, MOFKA_BATCH_ADAPTIVE};
    mofka_thread_pool_t *pool;
    OK(mofka_driver_make_thread_pool(conformance_driver(), 2, MOFKA_BINDING_NONE, &pool));
    for (int i = 0; i < 16; i++) {
        bool strict = i & 4;
        mofka_topic_t *topic = fresh_topic(NULL);
        mofka_producer_options_t options = {.batch_size = sizes[i % 4],
                                            .ordering = strict ? MOFKA_ORDERING_STRICT
                                                               : MOFKA_ORDERING_LOOSE,
                                            .thread_pool = i & 8 ? pool : NULL,
                                            .max_batches = 1 + (size_t)i % 3};
        mofka_producer_t *producer;
        OK(mofka_producer_create(topic, &options, &producer));
        assert_int_equal(mofka_producer_batch_size(producer), sizes[i % 4]);
        for (int n = 0; n < 100; n++)
            push_number(producer, n);
        OK(mofka_producer_flush(producer, WAIT_MS));
        end_producer(producer);
        mofka_consumer_t *consumer = new_consumer(topic, "reader");
        int seen = 0;
        for (int n = 0; n < 100; n++) {
            mofka_event_t *event;
            int number;
            OK(mofka_consumer_pull(consumer, WAIT_MS, &event));
            assert_int_equal(sscanf(mofka_event_metadata_text(event, NULL), "{\"n\":%d}", &number),
                             1);
            if (strict)
                assert_int_equal(number, n);
            seen += number;
            mofka_event_release(event);
        }
        assert_int_equal(seen, 99 * 100 / 2);
        end_consumer(consumer);
        mofka_topic_release(topic);
    }
    mofka_thread_pool_release(pool);
}

typedef struct pusher {
    mofka_producer_t *producer;
    int first;
    pthread_t thread;
} pusher_t;

/* With a future of every event, of which ten at a time are kept: others release theirs of the same
 * batches meanwhile. */
static void *push_a_hundred(void *context) {
    pusher_t *pusher = context;
    mofka_future_t *kept[10] = {NULL};
    for (int i = 0; i < 100; i++) {
        char text[32];
        int bytes = snprintf(text, sizeof text, "{\"n\":%d}", pusher->first + i);
        mofka_future_release(kept[i % 10]);
        OK(mofka_producer_push(pusher->producer, text, (size_t)bytes, NULL, MOFKA_ANY_PARTITION,
                               &kept[i % 10]));
    }
    for (int i = 0; i < 10; i++) {
        OK(mofka_future_wait(kept[i], WAIT_MS, NULL));
        mofka_future_release(kept[i]);
    }
    return NULL;
}

static void threads_share_a_producer(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    pusher_t pushers[4];
    int last[4] = {-1, -1, -1, -1};
    for (int i = 0; i < 4; i++) {
        pushers[i] = (pusher_t){.producer = producer, .first = 1000 * i};
        assert_int_equal(pthread_create(&pushers[i].thread, NULL, push_a_hundred, &pushers[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(pushers[i].thread, NULL);
    end_producer(producer);
    OK(mofka_topic_mark_complete(topic, WAIT_MS));
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    for (int i = 0; i < 400; i++) {
        mofka_event_t *event;
        int n;
        OK(mofka_consumer_pull(consumer, WAIT_MS, &event));
        assert_int_equal(sscanf(mofka_event_metadata_text(event, NULL), "{\"n\":%d}", &n), 1);
        assert_true(n % 1000 > last[n / 1000]);
        last[n / 1000] = n % 1000;
        mofka_event_release(event);
    }
    expect_end(consumer);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void complete_topics_take_no_more(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, 2);
    mofka_producer_t *producer; /* what it holds is not sent before the topic ends */
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.linger_ms = 3600000}, &producer));
    push_number(producer, 2);
    OK(mofka_producer_flush(producer, WAIT_MS)); /* just now it saw an open topic, with room */
    push_number(producer, 99);                   /* in the batch, not stored when the topic ends */
    OK(mofka_topic_mark_complete(topic, WAIT_MS));
    OK(mofka_topic_mark_complete(topic, WAIT_MS));
    mofka_future_t *future;
    OK(mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, &future));
    FAILS(mofka_future_wait(future, WAIT_MS, NULL), MOFKA_ERR_COMPLETE, "complete");
    assert_int_equal(mofka_future_delivery(future), MOFKA_NOT_STORED);
    mofka_future_release(future);
    FAILS(mofka_producer_flush(producer, WAIT_MS), MOFKA_ERR_COMPLETE, "1 events failed");
    OK(mofka_producer_flush(producer, WAIT_MS)); /* reported once */
    end_producer(producer);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    for (int i = 0; i < 3; i++)
        take_number(consumer, i);
    for (int i = 0; i < 3; i++)
        expect_end(consumer);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void producers_report_their_options(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_thread_pool_t *pool = mofka_driver_default_thread_pool(conformance_driver());
    char json[8];
    mofka_producer_options_t options = {.name = "writer",
                                        .batch_size = 5,
                                        .max_batches = 7,
                                        .ordering = MOFKA_ORDERING_LOOSE,
                                        .thread_pool = pool,
                                        .linger_ms = 11,
                                        .push_timeout_ms = 13,
                                        .options = json};
    strcpy(json, "{}");
    mofka_producer_t *p;
    OK(mofka_producer_create(topic, &options, &p));
    strcpy(json, "gone");
    assert_string_equal(mofka_producer_options_json(p), "{}");
    assert_string_equal(mofka_producer_name(p), "writer");
    assert_ptr_equal(mofka_producer_topic(p), topic);
    assert_int_equal(mofka_producer_batch_size(p), 5);
    assert_int_equal(mofka_producer_max_batches(p), 7);
    assert_int_equal(mofka_producer_ordering(p), MOFKA_ORDERING_LOOSE);
    assert_ptr_equal(mofka_producer_thread_pool(p), pool);
    assert_int_equal(mofka_producer_linger_ms(p), 11);
    assert_int_equal(mofka_producer_push_timeout_ms(p), 13);
    end_producer(p);
    p = new_producer(topic);
    assert_string_equal(mofka_producer_name(p), "");
    assert_null(mofka_producer_options_json(p));
    assert_true(mofka_producer_batch_size(p) == MOFKA_BATCH_ADAPTIVE);
    assert_int_equal(mofka_producer_max_batches(p), MOFKA_MAX_BATCHES_DEFAULT);
    assert_int_equal(mofka_producer_ordering(p), MOFKA_ORDERING_STRICT);
    assert_null(mofka_producer_thread_pool(p));
    assert_int_equal(mofka_producer_linger_ms(p), MOFKA_LINGER_MS_DEFAULT);
    assert_int_equal(mofka_producer_push_timeout_ms(p), MOFKA_PUSH_TIMEOUT_MS_DEFAULT);
    end_producer(p);
    mofka_topic_release(topic);
}

/* What is accepted is stored, in order; what is dropped is counted. */
static void a_producer_that_drops_never_waits(void **state) {
    (void)state;
    enum { EVENTS = 20000 };
    static int accepted[EVENTS];
    int count = 0, taken = 0;
    char text[32];
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    mofka_producer_t *producer;
    mofka_event_t *event;
    OK(mofka_producer_create(
        topic, &(mofka_producer_options_t){.when_full = MOFKA_WHEN_FULL_DROP_NEWEST}, &producer));
    assert_int_equal(mofka_producer_when_full(producer), MOFKA_WHEN_FULL_DROP_NEWEST);
    for (int i = 0; i < EVENTS; i++) {
        snprintf(text, sizeof text, "{\"n\":%d}", i);
        mofka_status_t status =
            mofka_producer_push(producer, text, strlen(text), NULL, MOFKA_ANY_PARTITION, NULL);
        if (!status)
            accepted[count++] = i;
        else if (status != MOFKA_ERR_FULL)
            OK(status);
    }
    mofka_metadata_t *stats;
    OK(mofka_producer_stats(producer, &stats));
    snprintf(text, sizeof text, "\"events_pushed\":%d,", count);
    assert_non_null(strstr(mofka_metadata_text(stats, NULL), text));
    snprintf(text, sizeof text, "\"events_dropped\":%d,", EVENTS - count);
    assert_non_null(strstr(mofka_metadata_text(stats, NULL), text));
    mofka_metadata_release(stats);
    while (taken < count) {
        mofka_status_t status = mofka_consumer_pull(consumer, 0, &event);
        if (status == MOFKA_ERR_TIMEOUT) { /* then there is room */
            status = mofka_producer_flush(producer, 0);
            assert_true(!status || status == MOFKA_ERR_TIMEOUT ||
                        status == MOFKA_ERR_POSSIBLY_STORED);
            continue;
        }
        OK(status);
        snprintf(text, sizeof text, "{\"n\":%d}", accepted[taken++]);
        assert_string_equal(mofka_event_metadata_text(event, NULL), text);
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
    end_producer(producer);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void calls_leave_errno_alone(void **state) {
    (void)state;
    errno = 77;
    mofka_topic_t *topic = fresh_topic(NULL);
    push_numbers(topic, 1);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    take_number(consumer, 0);
    mofka_event_t *event;
    assert_int_equal(mofka_consumer_pull(consumer, 20, &event), MOFKA_ERR_TIMEOUT);
    end_consumer(consumer);
    mofka_topic_release(topic);
    assert_int_equal(mofka_driver_open_topic(conformance_driver(), "none", 0, &topic),
                     MOFKA_ERR_NOT_FOUND);
    assert_int_equal(errno, 77);
    mofka_driver_t *driver; /* its library is looked for */
    assert_int_equal(mofka_driver_create("unheard-of", NULL, &driver), MOFKA_ERR_NOT_FOUND);
    assert_int_equal(errno, 77);
    mofka_validator_t *validator;
    assert_int_equal(mofka_validator_from_metadata("{\"type\":\"unheard-of\"}", &validator),
                     MOFKA_ERR_NOT_FOUND);
    assert_int_equal(errno, 77);
    mofka_thread_pool_t *pool;
    OK(mofka_driver_make_thread_pool(conformance_driver(), 1, MOFKA_BINDING_COMPACT, &pool));
    mofka_thread_pool_release(pool);
    assert_int_equal(errno, 77);
}

const struct CMUnitTest push_cases[] = {
    cmocka_unit_test(ids_are_dense_and_in_push_order),
    cmocka_unit_test(futures_report_ids),
    cmocka_unit_test(futures_may_be_dropped_or_kept),
    cmocka_unit_test(futures_of_a_batch_are_apart),
    cmocka_unit_test(flush_is_a_future_too),
    cmocka_unit_test(a_lingering_batch_leaves),
    cmocka_unit_test(batch_sizes_and_orderings),
    cmocka_unit_test(threads_share_a_producer),
    cmocka_unit_test(complete_topics_take_no_more),
    cmocka_unit_test(producers_report_their_options),
    cmocka_unit_test(a_producer_that_drops_never_waits),
    cmocka_unit_test(calls_leave_errno_alone),
};
const size_t push_case_count = sizeof push_cases / sizeof push_cases[0];
