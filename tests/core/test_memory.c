/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program's whole way (driver to driver), over and over, with one more allocation that succeeds
 * each time until nothing fails any more: each failure is a status, and leaves nothing behind.
 */
#include "support/check.h"
#include "support/failing_memory.h"
#include "conformance/simple/simple_backend.h"
#include <mofka/backend.h>

static bool for_good; /* all allocations after the one that fails, too */

/* ---- the way --------------------------------------------------------------------------------- */

typedef struct things {
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    mofka_data_view_t *view;
    mofka_future_t *future, *futures[6];
    mofka_event_t *event;
    mofka_metadata_t *metadata;
} things_t;

/* Go on while all is well. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        mofka_status_t status_ = (call);                                                           \
        if (status_)                                                                               \
            return status_;                                                                        \
    } while (0)

static mofka_status_t open_all(things_t *t) {
    const mofka_topic_options_t helpers = {.options = "{}",
                                           .validator = "{\"type\":\"default\",\"json\":true}"};
    const size_t targets[] = {0};
    const mofka_producer_options_t writer = {.name = "writer", .batch_size = 8, .options = "{}"};
    mofka_consumer_options_t reader = {
        .name = "reader", .targets = targets, .target_count = 1, .options = "{}"};
    const mofka_driver_ops_t *ops;
    void *self;
    TRY(simple_create("{}", &ops, &self));
    mofka_status_t status = mofka_driver_wrap("simple", ops, self, &t->driver);
    if (status) {
        ops->destroy(self); /* not taken */
        return status;
    }
    TRY(mofka_driver_create_topic(t->driver, "topic", &helpers));
    TRY(mofka_driver_open_topic(t->driver, "topic", 0, &t->topic));
    TRY(mofka_producer_create(t->topic, &writer, &t->producer));
    return mofka_consumer_create(t->topic, &reader, &t->consumer);
}

static mofka_status_t memory_push_all(things_t *t) {
    TRY(mofka_data_view_allocate(100, &t->view));
    for (int i = 0; i < 3; i++)
        TRY(mofka_producer_push(t->producer, "{\"a\":1}", 7, t->view, 0, NULL));
    TRY(mofka_producer_push(t->producer, "{\"a\":1}", 7, NULL, 0, &t->future));
    TRY(mofka_future_wait(t->future, 1000, NULL));
    mofka_future_release(t->future);
    t->future = NULL;
    for (int i = 0; i < 6; i++) /* more than have a place in one allocation */
        TRY(mofka_producer_push(t->producer, "{\"a\":1}", 7, NULL, 0, &t->futures[i]));
    for (int i = 0; i < 6; i++)
        TRY(mofka_future_wait(t->futures[i], 1000, NULL));
    TRY(mofka_producer_flush_future(t->producer, &t->future));
    TRY(mofka_future_wait(t->future, 1000, NULL));
    mofka_future_release(t->future);
    t->future = NULL;
    TRY(mofka_producer_flush(t->producer, 1000));
    return mofka_topic_mark_complete(t->topic, 1000);
}

static mofka_status_t look_at(things_t *t) {
    const struct cJSON *json;
    mofka_metadata_t *metadata;
    TRY(mofka_event_metadata(t->event, &metadata));
    TRY(mofka_metadata_json(metadata, &json));
    TRY(mofka_event_partition_info(t->event, &t->metadata));
    TRY(mofka_event_acknowledge(t->event));
    mofka_metadata_release(t->metadata);
    t->metadata = NULL;
    mofka_event_release(t->event);
    t->event = NULL;
    return MOFKA_OK;
}

static mofka_status_t memory_visit_topic(void *context, const char *name,
                                         const mofka_metadata_t *description) {
    (void)context;
    const struct cJSON *json;
    assert_string_equal(name, "topic");
    return mofka_metadata_json(description, &json);
}

static mofka_status_t memory_count_event(void *context, mofka_event_t *event) {
    (void)event;
    ++*(int *)context;
    return MOFKA_OK;
}

static mofka_status_t memory_read_stats(things_t *t) {
    TRY(mofka_producer_stats(t->producer, &t->metadata));
    mofka_metadata_release(t->metadata);
    t->metadata = NULL;
    TRY(mofka_consumer_stats(t->consumer, &t->metadata));
    mofka_metadata_release(t->metadata);
    t->metadata = NULL;
    TRY(mofka_driver_stats(t->driver, 1000, &t->metadata));
    assert_non_null(strstr(mofka_metadata_text(t->metadata, NULL), "stored_to_pulled_ns"));
    mofka_metadata_release(t->metadata);
    t->metadata = NULL;
    return MOFKA_OK;
}

static mofka_status_t memory_pull_all(things_t *t) {
    mofka_result_t result;
    int count = 0;
    TRY(mofka_consumer_pull(t->consumer, 1000, &t->event));
    TRY(look_at(t));
    TRY(mofka_consumer_pull_future(t->consumer, &t->future));
    TRY(mofka_future_wait(t->future, 1000, &result));
    t->event = result.event;
    TRY(look_at(t));
    TRY(mofka_consumer_process(t->consumer, memory_count_event, &count, 1000, NULL, NULL));
    assert_int_equal(count, 8);
    return mofka_driver_list_topics(t->driver, memory_visit_topic, NULL);
}

static mofka_status_t select_two_quarters(void *context, const mofka_metadata_t *metadata,
                                          mofka_data_descriptor_t *full,
                                          mofka_data_descriptor_t **selected) {
    (void)context, (void)metadata;
    return mofka_data_descriptor_strided_view(full, 0, mofka_data_descriptor_size(full) / 4, 2, 2,
                                              selected);
}

/* The same events again, with their data. */
static mofka_status_t pull_data(things_t *t) {
    const mofka_consumer_options_t reader = {.name = "another",
                                             .batch_size = 1,
                                             .selector = select_two_quarters,
                                             .acknowledge = MOFKA_ACKNOWLEDGE_AUTO};
    TRY(mofka_consumer_unsubscribe(t->consumer));
    TRY(mofka_consumer_close(t->consumer));
    mofka_consumer_release(t->consumer);
    t->consumer = NULL;
    TRY(mofka_consumer_create(t->topic, &reader, &t->consumer));
    for (int i = 0; i < 11; i++) {
        TRY(mofka_consumer_pull(t->consumer, 1000, &t->event));
        assert_int_equal(mofka_event_is_end(t->event), i == 10);
        assert_int_equal(mofka_data_view_size(mofka_event_data(t->event)), i < 3 ? 50 : 0);
        mofka_event_release(t->event);
        t->event = NULL;
    }
    return MOFKA_OK;
}

/* Whatever there is; none of this may fail for want of memory. */
static void end_all(things_t *t) {
    mofka_metadata_release(t->metadata);
    mofka_event_release(t->event);
    mofka_future_release(t->future);
    for (int i = 0; i < 6; i++)
        mofka_future_release(t->futures[i]);
    if (t->consumer)
        OK(mofka_consumer_close(t->consumer));
    mofka_consumer_release(t->consumer);
    if (t->producer)
        mofka_producer_close(t->producer, 1000); /* it reports failed pushes */
    mofka_producer_release(t->producer);
    mofka_data_view_release(t->view);
    mofka_topic_release(t->topic);
    if (t->driver)
        OK(mofka_driver_close(t->driver, 1000));
    mofka_driver_release(t->driver);
}

static mofka_status_t memory_run_all(long allowed) {
    things_t things = {0};
    memory_fail_after(allowed, for_good);
    mofka_status_t status = open_all(&things);
    if (!status)
        status = memory_push_all(&things);
    if (!status)
        status = memory_pull_all(&things);
    if (!status)
        status = memory_read_stats(&things);
    if (!status)
        status = pull_data(&things);
    memory_fail_no_more();
    end_all(&things);
    return status;
}

static void each_allocation_may_fail(void **state) {
    for_good = *(const bool *)*state;
    OK(memory_run_all(-1)); /* one-time allocations are made before the count */
    long before = memory_live(), allowed = 0;
    for (bool whole = false; !whole; allowed++) {
        mofka_status_t status = memory_run_all(allowed);
        if (memory_live() != before)
            fail_msg("after %ld allocations: %ld are left", allowed, memory_live() - before);
        whole = !memory_failed();
        if (status != (whole ? MOFKA_OK : MOFKA_ERR_MEMORY))
            fail_msg("after %ld allocations: %s", allowed, mofka_status_name(status));
    }
    assert_true(allowed > 100);
}

static mofka_status_t match_a_pattern(const char *pattern) {
    static const char event[] = "{\"a\":{\"b\":\"\\u0041\"},\"\\u0064\":\"\\u0041\"}";
    mofka_validator_t *validator;
    TRY(mofka_validator_from_metadata(pattern, &validator));
    mofka_status_t status = mofka_validator_validate(validator, event, sizeof event - 1, NULL);
    mofka_validator_release(validator);
    return status;
}

/* Every kind of operand, a key and strings with escapes. */
static mofka_status_t use_a_pattern(void) {
    static const char pattern[] =
        "{\"type\":\"eventbridge\",\"pattern\":{\"a.b\":[1,1e30,\"s\",{\"prefix\":\"p\"},"
        "{\"suffix\":{\"equals-ignore-case\":\"f\"}},{\"anything-but\":{\"wildcard\":[\"*x\",\"y*"
        "\"]}},"
        "{\"cidr\":\"::/8\"},{\"numeric\":[\"\\u003e\",5]},{\"exists\":false}],"
        "\"$or\":[{\"c\":[1]},{\"\\u0064\":[\"\\u0041\"]}]}}";
    return match_a_pattern(pattern);
}

/* What only the original dialect has: a value that must be there, a choice in a field, doubles. */
static mofka_status_t use_an_original_pattern(void) {
    return match_a_pattern(
        "{\"type\":\"eventbridge\",\"dialect\":\"original\",\"schema\":{\"a\":{\"b\":[1e30,"
        "12345678901234567890,{\"anything-but\":[\"x\",null,1]},{\"numeric\":[\"<\",5]},"
        "{\"\\u0024or\":[{\"c\":1},{\"d\":[{\"prefix\":{\"equals-ignore-case\":[\"f\",\"g\"]}}]}]}]"
        "}}}");
}

static mofka_status_t use_a_selector(const char *json, size_t count, const char *event) {
    const mofka_metadata_t *none[3] = {NULL};
    mofka_partition_selector_t *selector;
    size_t partition;
    TRY(mofka_partition_selector_from_metadata(json, &selector));
    mofka_status_t status = mofka_partition_selector_set_partitions(selector, none, count);
    if (!status)
        status = mofka_partition_selector_select(selector, event, strlen(event),
                                                 MOFKA_ANY_PARTITION, &partition);
    mofka_partition_selector_release(selector);
    return status;
}

static mofka_status_t use_the_helpers(void) {
    TRY(use_a_pattern());
    TRY(use_an_original_pattern());
    TRY(use_a_selector("{\"type\":\"key\",\"pointer\":\"/a~1b/0\"}", 3,
                       "{\"\\u0061/b\":[\"\\u0041\"]}"));
    TRY(use_a_selector("{\"type\":\"key\",\"pointer\":\"\"}", 3, "1.5"));
    TRY(use_a_selector("{\"type\":\"range\",\"pointer\":\"\",\"bounds\":[1,2]}", 3, "1.5"));
    return use_a_selector("{\"type\":\"sticky\"}", 3, "");
}

static void helpers_may_lack_memory(void **state) {
    for_good = *(const bool *)*state;
    OK(use_the_helpers()); /* one-time allocations are made before the count */
    long before = memory_live(), allowed = 0;
    for (bool whole = false; !whole; allowed++) {
        memory_fail_after(allowed, for_good);
        mofka_status_t status = use_the_helpers();
        whole = !memory_fail_no_more();
        if (memory_live() != before)
            fail_msg("after %ld allocations: %ld are left", allowed, memory_live() - before);
        if (status != (whole ? MOFKA_OK : MOFKA_ERR_MEMORY))
            fail_msg("after %ld allocations: %s", allowed, mofka_status_name(status));
    }
    assert_true(allowed > 100);
}

/* The class of MOFKA_ERR_MEMORY says: free something, then try again. */
static void a_pull_without_memory_loses_nothing(void **state) {
    (void)state;
    things_t things = {0};
    uint64_t id = 0;
    OK(open_all(&things));
    OK(memory_push_all(&things));
    OK(mofka_consumer_close(things.consumer));
    mofka_consumer_release(things.consumer);
    OK(mofka_consumer_create(things.topic,
                             &(mofka_consumer_options_t){.name = "poor", .batch_size = 1},
                             &things.consumer));
    for (bool failed = true; failed; id++) {
        memory_fail_after((long)id, false);
        mofka_status_t status = mofka_consumer_pull(things.consumer, 1000, &things.event);
        failed = memory_fail_no_more();
        if (failed) {
            assert_int_equal(status, MOFKA_ERR_MEMORY);
            OK(mofka_consumer_pull(things.consumer, 1000, &things.event));
        }
        assert_int_equal(mofka_event_id(things.event), id);
        mofka_event_release(things.event);
        things.event = NULL;
    }
    assert_true(id > 2);
    end_all(&things);
}

static mofka_future_t *request_event(things_t *t) {
    mofka_future_t *future;
    OK(mofka_consumer_pull_future(t->consumer, &future));
    return future;
}

static void expect_event(mofka_future_t *future, uint64_t id) {
    mofka_result_t result;
    OK(mofka_future_wait(future, 1000, &result));
    assert_int_equal(result.event_id, id);
    mofka_event_release(result.event);
    mofka_future_release(future);
}

/* Whatever place in the list they have; those that stay get the events in their order. */
static void a_request_that_is_dropped_is_freed(void **state) {
    (void)state;
    things_t things = {0};
    OK(open_all(&things));
    long before = memory_live();
    for (int i = 0; i < 1000; i++)
        mofka_future_release(request_event(&things));
    assert_int_equal(memory_live(), before);
    mofka_future_t *futures[5];
    for (int i = 0; i < 5; i++)
        futures[i] = request_event(&things);
    long with_five = memory_live();
    for (int i = 0; i < 5; i += 2)
        mofka_future_release(futures[i]); /* the first, one in the middle, the last */
    assert_int_equal(with_five - memory_live(), 3 * (with_five - before) / 5);
    mofka_future_t *last = request_event(&things);
    for (int i = 0; i < 3; i++)
        OK(mofka_producer_push(things.producer, "{}", 2, NULL, 0, NULL));
    OK(mofka_producer_flush(things.producer, 1000));
    expect_event(futures[1], 0);
    expect_event(futures[3], 1);
    expect_event(last, 2);
    end_all(&things);
}

int main(void) {
    bool once = false, always = true;
    memory_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(each_allocation_may_fail, &once),
        {"each_allocation_may_fail_with_all_after_it", each_allocation_may_fail, NULL, NULL,
         &always},
        cmocka_unit_test_prestate(helpers_may_lack_memory, &once),
        {"helpers_may_lack_memory_for_good", helpers_may_lack_memory, NULL, NULL, &always},
        cmocka_unit_test(a_pull_without_memory_loses_nothing),
        cmocka_unit_test(a_request_that_is_dropped_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
