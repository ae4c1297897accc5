/* SPDX-License-Identifier: BSD-3-Clause */
/* Conformance: validators, serializers and selectors of a topic, and types that a program
 * registers. */
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

const struct CMUnitTest types_cases[] = {
    cmocka_unit_test(a_refusal_stops_nothing_else),
    cmocka_unit_test(metadata_must_be_json_where_asked),
    cmocka_unit_test(serializers_turn_metadata_both_ways),
    cmocka_unit_test(selectors_are_asked_and_checked),
};
const size_t types_case_count = sizeof types_cases / sizeof types_cases[0];
