/* SPDX-License-Identifier: BSD-3-Clause */
/* Conformance: producers, futures of pushes and flushes, helpers, completion. */
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include "conformance/conformance.h"
#include <mofka/register.h>

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
        OK(mofka_future_wait(futures[i], 20000, NULL));
        OK(mofka_future_wait(futures[i], 0, &result));
        assert_int_equal(result.event_id, i);
        assert_int_equal(result.partition, 0);
        assert_true(mofka_future_completed(futures[i]));
        assert_int_equal(mofka_future_delivery(futures[i]), MOFKA_STORED);
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

/* Futures of one batch share memory. Each still reports its own event, whichever of them are asked for,
 * kept and released, and also after the producer is gone. */
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
        assert_int_equal(mofka_future_delivery(futures[i]), MOFKA_STORED);
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
    OK(mofka_future_wait(flushed, 20000, NULL));
    assert_int_equal(mofka_future_delivery(pushed), MOFKA_STORED);
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
        OK(mofka_producer_flush(producer, 20000));
        end_producer(producer);
        mofka_consumer_t *consumer = new_consumer(topic, "reader");
        int seen = 0;
        for (int n = 0; n < 100; n++) {
            mofka_event_t *event;
            int number;
            OK(mofka_consumer_pull(consumer, 20000, &event));
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
        OK(mofka_future_wait(kept[i], 20000, NULL));
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
    OK(mofka_topic_mark_complete(topic, 20000));
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    for (int i = 0; i < 400; i++) {
        mofka_event_t *event;
        int n;
        OK(mofka_consumer_pull(consumer, 20000, &event));
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
    mofka_producer_t *producer = new_producer(topic);
    push_number(producer, 2);
    OK(mofka_producer_flush(producer, 20000)); /* just now it saw an open topic, with room */
    push_number(producer, 99);                 /* in the batch, not stored when the topic ends */
    OK(mofka_topic_mark_complete(topic, 20000));
    OK(mofka_topic_mark_complete(topic, 20000));
    mofka_future_t *future;
    OK(mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, &future));
    FAILS(mofka_future_wait(future, 20000, NULL), MOFKA_ERR_COMPLETE, "complete");
    assert_int_equal(mofka_future_delivery(future), MOFKA_NOT_STORED);
    mofka_future_release(future);
    FAILS(mofka_producer_flush(producer, 20000), MOFKA_ERR_COMPLETE, "1 events failed");
    OK(mofka_producer_flush(producer, 20000)); /* reported once */
    end_producer(producer);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    for (int i = 0; i < 3; i++)
        take_number(consumer, i);
    for (int i = 0; i < 3; i++)
        expect_end(consumer);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

/* ---- helpers --------------------------------------------------------------------------------- */

static mofka_status_t refuse_no(void *self, const char *metadata, size_t bytes,
                                const mofka_data_view_t *data) {
    (void)self, (void)data;
    if (bytes == 4 && memcmp(metadata, "\"no\"", 4) == 0)
        return mofka_fail(MOFKA_ERR_REFUSED, "it says no");
    return MOFKA_OK;
}

static const mofka_validator_ops_t refusing = {.size = sizeof refusing, .validate = refuse_no};

static mofka_status_t create_refusing(const mofka_metadata_t *metadata,
                                      const mofka_validator_ops_t **ops, void **self) {
    (void)metadata;
    *ops = &refusing;
    *self = NULL;
    return MOFKA_OK;
}
MOFKA_REGISTER_VALIDATOR(refusing, create_refusing);

static void a_refusal_stops_nothing_else(void **state) {
    (void)state;
    mofka_topic_t *topic =
        fresh_topic(&(mofka_topic_options_t){.validator = "{\"type\":\"refusing\"}"});
    assert_non_null(
        strstr(mofka_metadata_text(mofka_validator_metadata(mofka_topic_validator(topic)), NULL),
               "refusing"));
    mofka_producer_t *producer = new_producer(topic);
    mofka_future_t *future;
    push_number(producer, 0);
    OK(mofka_producer_push(producer, "\"no\"", 4, NULL, MOFKA_ANY_PARTITION, &future));
    FAILS(mofka_future_wait(future, 0, NULL), MOFKA_ERR_REFUSED, "it says no");
    mofka_future_release(future);
    FAILS(mofka_producer_push(producer, "\"no\"", 4, NULL, MOFKA_ANY_PARTITION, NULL),
          MOFKA_ERR_REFUSED, "it says no");
    push_number(producer, 1);
    FAILS(mofka_producer_flush(producer, 20000), MOFKA_ERR_REFUSED, "1 events failed");
    end_producer(producer);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    take_number(consumer, 0);
    take_number(consumer, 1);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void metadata_must_be_json_where_asked(void **state) {
    (void)state;
    mofka_topic_t *topic =
        fresh_topic(&(mofka_topic_options_t){.validator = "{\"type\":\"default\",\"json\":true}"});
    mofka_producer_t *producer = new_producer(topic);
    mofka_future_t *future;
    OK(mofka_producer_push(producer, "{oops", 5, NULL, MOFKA_ANY_PARTITION, &future));
    FAILS(mofka_future_wait(future, 0, NULL), MOFKA_ERR_JSON, "not JSON");
    mofka_future_release(future);
    /* Lenient readers accept these: a leading zero, a raw tab, a byte that is not UTF-8. */
    static const char *const wrong[] = {"01", "\"\t\"", "\"\xff\""};
    for (int i = 0; i < 3; i++) {
        OK(mofka_producer_push(producer, wrong[i], strlen(wrong[i]), NULL, MOFKA_ANY_PARTITION,
                               &future));
        FAILS(mofka_future_wait(future, 0, NULL), MOFKA_ERR_JSON, "");
        mofka_future_release(future);
    }
    end_producer(producer);
    mofka_topic_release(topic);
}

/* Stores metadata backwards, behind its length. */
static mofka_status_t write_backwards(void *self, const mofka_archive_t *archive,
                                      const char *metadata, size_t bytes) {
    (void)self;
    uint32_t length = (uint32_t)bytes;
    mofka_status_t status = archive->write(archive->context, &length, sizeof length);
    while (bytes-- > 0 && !status)
        status = archive->write(archive->context, metadata + bytes, 1);
    return status;
}

static mofka_status_t read_backwards(void *self, const mofka_archive_t *archive, size_t stored,
                                     mofka_metadata_t **metadata) {
    (void)self;
    uint32_t length;
    char text[256];
    mofka_status_t status = archive->read(archive->context, &length, sizeof length);
    if (!status && (length > sizeof text || length + sizeof length != stored))
        status = mofka_fail(MOFKA_ERR_CORRUPT, "length %u of %zu", length, stored);
    for (uint32_t i = length; i-- > 0 && !status;)
        status = archive->read(archive->context, &text[i], 1);
    if (!status && archive->read(archive->context, &text[0], 1) == MOFKA_OK)
        status = mofka_fail(MOFKA_ERR_CORRUPT, "there is more than was stored");
    return status ? status : mofka_metadata_create(text, length, metadata);
}

static const mofka_serializer_ops_t backwards = {
    .size = sizeof backwards, .serialize = write_backwards, .deserialize = read_backwards};

static mofka_status_t create_backwards(const mofka_metadata_t *metadata,
                                       const mofka_serializer_ops_t **ops, void **self) {
    (void)metadata;
    *ops = &backwards;
    *self = NULL;
    return MOFKA_OK;
}
MOFKA_REGISTER_SERIALIZER(backwards, create_backwards);

static void serializers_turn_metadata_both_ways(void **state) {
    (void)state;
    mofka_topic_t *topic =
        fresh_topic(&(mofka_topic_options_t){.serializer = "{\"type\":\"backwards\"}"});
    assert_false(mofka_serializer_is_identity(mofka_topic_serializer(topic)));
    push_numbers(topic, 20);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    for (int i = 0; i < 20; i++)
        take_number(consumer, i);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static mofka_status_t obeying_set_partitions(void *self, const mofka_metadata_t *const *partitions,
                                             size_t count) {
    (void)self, (void)partitions, (void)count;
    return MOFKA_OK;
}

static mofka_status_t select_requested(void *self, const char *metadata, size_t bytes,
                                       size_t requested, size_t *partition) {
    (void)self, (void)metadata, (void)bytes;
    *partition = requested;
    return MOFKA_OK;
}

static const mofka_partition_selector_ops_t obeying = {
    .size = sizeof obeying, .set_partitions = obeying_set_partitions, .select = select_requested};

static mofka_status_t create_obeying(const mofka_metadata_t *metadata,
                                     const mofka_partition_selector_ops_t **ops, void **self) {
    (void)metadata;
    *ops = &obeying;
    *self = NULL;
    return MOFKA_OK;
}
MOFKA_REGISTER_PARTITION_SELECTOR(obeying, create_obeying);

static void selectors_are_asked_and_checked(void **state) {
    (void)state;
    mofka_topic_t *topic =
        fresh_topic(&(mofka_topic_options_t){.selector = "{\"type\":\"obeying\"}"});
    assert_non_null(strstr(mofka_topic_selector(topic), "obeying"));
    mofka_producer_t *producer = new_producer(topic);
    mofka_future_t *future;
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    OK(mofka_producer_push(producer, "{}", 2, NULL, 7, &future));
    FAILS(mofka_future_wait(future, 0, NULL), MOFKA_ERR_RANGE, "7 of 1");
    mofka_future_release(future);
    end_producer(producer);
    mofka_topic_release(topic);
    /* The default one takes a request modulo the number of partitions. */
    topic = fresh_topic(NULL);
    producer = new_producer(topic);
    OK(mofka_producer_push(producer, "{}", 2, NULL, 7, NULL));
    end_producer(producer);
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
    cmocka_unit_test(a_refusal_stops_nothing_else),
    cmocka_unit_test(metadata_must_be_json_where_asked),
    cmocka_unit_test(serializers_turn_metadata_both_ways),
    cmocka_unit_test(selectors_are_asked_and_checked),
    cmocka_unit_test(producers_report_their_options),
    cmocka_unit_test(calls_leave_errno_alone),
};
const size_t push_case_count = sizeof push_cases / sizeof push_cases[0];
