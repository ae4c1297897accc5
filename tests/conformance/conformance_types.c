/* SPDX-License-Identifier: BSD-3-Clause */
/* Conformance: validators, serializers and selectors of a topic, and types that a program
 * registers. */
#include <unistd.h>
#include "conformance/conformance.h"
#include <mofka/register.h>

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
    FAILS(mofka_producer_flush(producer, WAIT_MS), MOFKA_ERR_REFUSED, "1 events failed");
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

/* Events that fail go to the fallback with their metadata, whatever serialized it, and data, in the
 * order in which they were pushed: also where they fail in the background, batch after batch. */
static void a_fallback_has_the_same_events(void **state) {
    (void)state;
    mofka_topic_t *complete =
        fresh_topic(&(mofka_topic_options_t){.serializer = "{\"type\":\"backwards\"}"});
    mofka_topic_t *resort = fresh_topic(NULL);
    mofka_producer_t *fallback = new_producer(resort), *producer;
    mofka_data_view_t *data;
    char bytes[] = "data of an event";
    OK(mofka_producer_create(
        complete, &(mofka_producer_options_t){.fallback = fallback, .linger_ms = 1}, &producer));
    assert_ptr_equal(mofka_producer_fallback(producer), fallback);
    OK(mofka_topic_mark_complete(complete, WAIT_MS));
    OK(mofka_data_view_of(bytes, sizeof bytes, &data));
    for (int i = 0; i < 3; i++) {
        char text[32];
        snprintf(text, sizeof text, "{\"n\":%d}", i);
        OK(mofka_producer_push(producer, text, strlen(text), i == 1 ? data : NULL,
                               MOFKA_ANY_PARTITION, NULL));
        usleep(20000);
    }
    mofka_data_view_release(data);
    FAILS(mofka_producer_flush(producer, WAIT_MS), MOFKA_ERR_COMPLETE, "complete");
    end_producer(producer);
    end_producer(fallback);
    mofka_consumer_t *consumer = new_consumer(resort, "reader");
    for (int i = 0; i < 3; i++) {
        mofka_event_t *event = pull_number(consumer, i);
        assert_int_equal(mofka_event_data_size(event), i == 1 ? sizeof bytes : 0);
        mofka_event_release(event);
    }
    end_consumer(consumer);
    mofka_topic_release(complete);
    mofka_topic_release(resort);
}

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

/* ---- wrapped: made of a table, without a type ------------------------------------------------ */

typedef struct wrapped {
    mofka_validator_t *validator;
    mofka_serializer_t *serializer;
    mofka_partition_selector_t *selector;
    int validated, selected, destroyed;
} wrapped_t;

static mofka_status_t wrapped_validate(void *self, const char *metadata, size_t bytes,
                                       const mofka_data_view_t *data) {
    ((wrapped_t *)self)->validated++;
    return refuse_no(NULL, metadata, bytes, data);
}

static mofka_status_t wrapped_select(void *self, const char *metadata, size_t bytes,
                                     size_t requested, size_t *partition) {
    (void)metadata, (void)bytes, (void)requested;
    ((wrapped_t *)self)->selected++;
    *partition = 0;
    return MOFKA_OK;
}

static void wrapped_destroy(void *self) {
    ((wrapped_t *)self)->destroyed++;
}

static const mofka_validator_ops_t wrapped_validator = {
    .size = sizeof wrapped_validator, .validate = wrapped_validate, .destroy = wrapped_destroy};
static const mofka_serializer_ops_t wrapped_serializer = {.size = sizeof wrapped_serializer,
                                                          .serialize = write_backwards,
                                                          .deserialize = read_backwards,
                                                          .destroy = wrapped_destroy};
static const mofka_partition_selector_ops_t wrapped_selector = {.size = sizeof wrapped_selector,
                                                                .set_partitions =
                                                                    obeying_set_partitions,
                                                                .select = wrapped_select,
                                                                .destroy = wrapped_destroy};

static void wrap_all(wrapped_t *w) {
    OK(mofka_validator_wrap(&wrapped_validator, w, &w->validator));
    OK(mofka_serializer_wrap(&wrapped_serializer, w, &w->serializer));
    OK(mofka_partition_selector_wrap(&wrapped_selector, w, &w->selector));
}

static void release_all(wrapped_t *w) {
    mofka_validator_release(w->validator);
    mofka_serializer_release(w->serializer);
    mofka_partition_selector_release(w->selector);
}

static void push_with_wrapped(mofka_topic_t *topic, wrapped_t *w) {
    mofka_producer_options_t options = {
        .validator = w->validator, .selector = w->selector, .serializer = w->serializer};
    mofka_producer_t *producer, *second;
    OK(mofka_producer_create(topic, &options, &producer));
    FAILS(mofka_producer_create(topic, &options, &second), MOFKA_ERR_BUSY, "serves a producer");
    assert_ptr_equal(mofka_producer_validator(producer), w->validator);
    assert_ptr_equal(mofka_producer_selector(producer), w->selector);
    assert_ptr_equal(mofka_producer_serializer(producer), w->serializer);
    for (int i = 0; i < 5; i++)
        push_number(producer, i);
    FAILS(mofka_producer_push(producer, "\"no\"", 4, NULL, MOFKA_ANY_PARTITION, NULL),
          MOFKA_ERR_REFUSED, "it says no");
    FAILS(mofka_producer_flush(producer, WAIT_MS), MOFKA_ERR_REFUSED, "it says no");
    end_producer(producer);
}

static void wrapped_types_serve_who_is_given_them(void **state) {
    (void)state;
    wrapped_t w = {0};
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer;
    wrap_all(&w);
    push_with_wrapped(topic, &w);
    assert_true(w.validated == 6 && w.selected == 5);
    mofka_consumer_options_t options = {.name = "reader", .serializer = w.serializer};
    OK(mofka_consumer_create(topic, &options, &consumer));
    assert_ptr_equal(mofka_consumer_serializer(consumer), w.serializer);
    release_all(&w);
    assert_int_equal(w.destroyed, 2); /* the consumer has the third */
    for (int i = 0; i < 5; i++)
        take_number(consumer, i);
    end_consumer(consumer);
    assert_int_equal(w.destroyed, 3);
    /* The topic itself stores the text as it is. */
    mofka_event_t *event;
    size_t bytes;
    consumer = new_consumer(topic, "other");
    OK(mofka_consumer_pull(consumer, WAIT_MS, &event));
    assert_memory_equal(mofka_event_metadata_text(event, &bytes) + 4, "}0:\"n\"{", 7);
    assert_int_equal(bytes, 11);
    mofka_event_release(event);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

static void wrapped_types_are_not_stored(void **state) {
    (void)state;
    wrapped_t w = {0};
    wrap_all(&w);
    assert_null(mofka_validator_metadata(w.validator));
    const char *no_json = mofka_metadata_text(mofka_validator_metadata(w.validator), NULL);
    const mofka_topic_options_t options[] = {
        {.validator = no_json}, {.selector = no_json}, {.serializer = no_json}};
    for (int i = 0; i < 3; i++)
        FAILS(mofka_driver_create_topic(conformance_driver(), "wrapped", &options[i]),
              MOFKA_ERR_JSON, "one that was wrapped has no JSON");
    release_all(&w);
    assert_int_equal(w.destroyed, 3);
}

static void incomplete_tables_are_not_wrapped(void **state) {
    (void)state;
    wrapped_t w = {0};
    const mofka_validator_ops_t small = {.size = 8, .destroy = wrapped_destroy};
    const mofka_serializer_ops_t one_way = {.size = sizeof one_way, .serialize = write_backwards};
    const mofka_partition_selector_ops_t blind = {.size = sizeof blind, .select = wrapped_select};
    FAILS(mofka_validator_wrap(NULL, &w, &w.validator), MOFKA_ERR_INVALID, "validator to wrap");
    FAILS(mofka_validator_wrap(&small, &w, &w.validator), MOFKA_ERR_INVALID, "incomplete");
    FAILS(mofka_serializer_wrap(&one_way, &w, &w.serializer), MOFKA_ERR_INVALID, "incomplete");
    FAILS(mofka_partition_selector_wrap(&blind, &w, &w.selector), MOFKA_ERR_INVALID, "incomplete");
    assert_true(w.destroyed == 0 && !w.validator && !w.serializer && !w.selector);
}

static void options_refuse_handles_of_another_kind(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    const mofka_producer_options_t pushing[] = {
        {.validator = (void *)topic}, {.selector = (void *)topic}, {.serializer = (void *)topic}};
    for (int i = 0; i < 3; i++)
        FAILS(mofka_producer_create(topic, &pushing[i], &producer), MOFKA_ERR_INVALID,
              "of another kind");
    mofka_consumer_options_t pulling = {.name = "reader", .serializer = (void *)topic};
    FAILS(mofka_consumer_create(topic, &pulling, &consumer), MOFKA_ERR_INVALID, "of another kind");
    mofka_topic_release(topic);
}

/* ---- what accessors return ------------------------------------------------------------------- */

static void what_accessors_return_can_be_kept(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(&(mofka_topic_options_t){
        .validator = "{\"type\":\"refusing\"}", .serializer = "{\"type\":\"backwards\"}"});
    push_numbers(topic, 1);
    mofka_producer_t *producer = new_producer(topic);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    mofka_event_t *event = pull_number(consumer, 0);
    mofka_metadata_t *metadata;
    mofka_topic_t *topic_kept = mofka_topic_retain(mofka_producer_topic(producer));
    mofka_validator_t *validator = mofka_validator_retain(mofka_topic_validator(topic));
    mofka_metadata_t *json = mofka_metadata_retain(mofka_validator_metadata(validator));
    mofka_serializer_t *serializer = mofka_serializer_retain(mofka_consumer_serializer(consumer));
    mofka_driver_t *driver = mofka_driver_retain(mofka_topic_driver(topic));
    OK(mofka_event_metadata(event, &metadata));
    mofka_metadata_retain(metadata);
    mofka_event_release(event);
    end_producer(producer);
    end_consumer(consumer);
    mofka_topic_release(topic);
    assert_int_equal(mofka_topic_partition_count(topic_kept), 1);
    mofka_topic_release(topic_kept);
    FAILS(mofka_validator_validate(validator, "\"no\"", 4, NULL), MOFKA_ERR_REFUSED, "no");
    mofka_validator_release(validator);
    assert_string_equal(mofka_metadata_text(json, NULL), "{\"type\":\"refusing\"}");
    assert_string_equal(mofka_metadata_text(metadata, NULL), "{\"n\":0}");
    assert_false(mofka_serializer_is_identity(serializer));
    assert_ptr_equal(driver, conformance_driver());
    mofka_metadata_release(json);
    mofka_metadata_release(metadata);
    mofka_serializer_release(serializer);
    mofka_driver_release(driver);
}

const struct CMUnitTest types_cases[] = {
    cmocka_unit_test(a_refusal_stops_nothing_else),
    cmocka_unit_test(metadata_must_be_json_where_asked),
    cmocka_unit_test(serializers_turn_metadata_both_ways),
    cmocka_unit_test(a_fallback_has_the_same_events),
    cmocka_unit_test(selectors_are_asked_and_checked),
    cmocka_unit_test(wrapped_types_serve_who_is_given_them),
    cmocka_unit_test(wrapped_types_are_not_stored),
    cmocka_unit_test(incomplete_tables_are_not_wrapped),
    cmocka_unit_test(options_refuse_handles_of_another_kind),
    cmocka_unit_test(what_accessors_return_can_be_kept),
};
const size_t types_case_count = sizeof types_cases / sizeof types_cases[0];
