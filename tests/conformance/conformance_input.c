/* SPDX-License-Identifier: BSD-3-Clause */
/* Conformance: bad input is met by a clear error, and changes nothing. */
#include "conformance/conformance.h"

static mofka_status_t input_create_topic(const char *name, const mofka_topic_options_t *options) {
    return mofka_driver_create_topic(conformance_driver(), name, options);
}

static void topic_names(void **state) {
    (void)state;
    char name[MOFKA_NAME_BYTES_MAX + 2];
    bool exists;
    mofka_topic_t *topic;
    memset(name, 'x', sizeof name);
    name[MOFKA_NAME_BYTES_MAX + 1] = '\0';
    FAILS(input_create_topic("", NULL), MOFKA_ERR_INVALID,
          "empty; names are 1 to 127 printable ASCII");
    FAILS(input_create_topic(NULL, NULL), MOFKA_ERR_INVALID, "empty");
    FAILS(input_create_topic(name, NULL), MOFKA_ERR_INVALID, "more than 127");
    FAILS(input_create_topic("tab\there", NULL), MOFKA_ERR_INVALID,
          "0x09 at 3; names are 1 to 127 ");
    FAILS(input_create_topic("\xc3\xa9", NULL), MOFKA_ERR_INVALID, "0xc3");
    FAILS(mofka_driver_open_topic(conformance_driver(), "", 0, &topic), MOFKA_ERR_INVALID, "empty");
    FAILS(mofka_driver_open_topic(conformance_driver(), "nowhere", 30, &topic), MOFKA_ERR_NOT_FOUND,
          "nowhere");
    OK(mofka_driver_topic_exists(conformance_driver(), "nowhere", &exists));
    assert_false(exists);
    topic = fresh_topic(NULL);
    const char *taken = mofka_topic_name(topic);
    OK(mofka_driver_topic_exists(conformance_driver(), taken, &exists));
    assert_true(exists);
    FAILS(input_create_topic(taken, NULL), MOFKA_ERR_EXISTS, taken);
    mofka_topic_release(topic);
}

static void options_and_helpers(void **state) {
    (void)state;
    mofka_topic_options_t o = {.options = "{\"colour\":1}"};
    bool exists;
    FAILS(input_create_topic("bad", &o), MOFKA_ERR_OPTION, "colour");
    o.options = "{";
    FAILS(input_create_topic("bad", &o), MOFKA_ERR_JSON, "not a JSON object");
    o.options = "[1]";
    FAILS(input_create_topic("bad", &o), MOFKA_ERR_JSON, "not a JSON object");
    o.options = NULL;
    o.validator = "{\"type\":\"unheard-of\"}";
    FAILS(input_create_topic("bad", &o), MOFKA_ERR_NOT_FOUND,
          "validator type 'unheard-of' is neither registered (");
    assert_non_null(strstr(mofka_last_error(), "default"));
    o.validator = "{\"type\":\"default\\u0000x\"}";
    FAILS(input_create_topic("bad", &o), MOFKA_ERR_OPTION,
          "validator: option \"type\" has a zero byte");
    o.validator = "{\"type\":\"default\",\"colour\":1}";
    FAILS(input_create_topic("bad", &o), MOFKA_ERR_OPTION, "colour");
    o.validator = "{\"type\":7}";
    FAILS(input_create_topic("bad", &o), MOFKA_ERR_OPTION,
          "option \"type\" must be a string, not 7; registered");
    o.validator = "nonsense";
    FAILS(input_create_topic("bad", &o), MOFKA_ERR_JSON, "nonsense");
    o.validator = NULL;
    o.selector = "{\"type\":\"x:libnowhere.so\"}";
    FAILS(input_create_topic("bad", &o), MOFKA_ERR_NOT_FOUND, "libnowhere.so");
    o.selector = "{\"type\":\"range\",\"pointer\":\"/x\",\"bounds\":[1]}"; /* a topic has one */
    FAILS(input_create_topic("bad", &o), MOFKA_ERR_RANGE,
          "1 bounds, for 2 partitions; the topic has 1");
    o.selector = NULL;
    o.serializer = "{\"type\":\"\"}";
    FAILS(input_create_topic("bad", &o), MOFKA_ERR_INVALID,
          "serializer type is empty; registered are ");
    OK(mofka_driver_topic_exists(conformance_driver(), "bad", &exists));
    assert_false(exists);
}

static void producers_and_consumers(void **state) {
    (void)state;
    char name[MOFKA_NAME_BYTES_MAX + 2];
    memset(name, 'x', sizeof name);
    name[MOFKA_NAME_BYTES_MAX + 1] = '\0';
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *p;
    mofka_consumer_t *c;
    size_t twice[] = {0};
    FAILS(mofka_producer_create(topic, &(mofka_producer_options_t){.name = name}, &p),
          MOFKA_ERR_INVALID, "127");
    FAILS(mofka_producer_create(topic, &(mofka_producer_options_t){.ordering = 9}, &p),
          MOFKA_ERR_INVALID, "9");
    FAILS(mofka_producer_create(topic, &(mofka_producer_options_t){.options = "{\"a\":1}"}, &p),
          MOFKA_ERR_OPTION, "\"a\"");
    FAILS(mofka_consumer_create(topic, NULL, &c), MOFKA_ERR_INVALID, "name");
    FAILS(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = name}, &c),
          MOFKA_ERR_INVALID, "127");
    FAILS(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "a\nb"}, &c),
          MOFKA_ERR_INVALID, "0x0a");
    FAILS(mofka_consumer_create(
              topic, &(mofka_consumer_options_t){.name = "a", .options = "{\"a\":1}"}, &c),
          MOFKA_ERR_OPTION, "\"a\"");
    FAILS(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "a", .targets = twice},
                                &c),
          MOFKA_ERR_RANGE, "target_count is 0, outside [1, ");
    FAILS(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "a", .target_count = 1},
                                &c),
          MOFKA_ERR_INVALID, "targets is NULL, target_count is 1");
    FAILS(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "a", .start = 9}, &c),
          MOFKA_ERR_INVALID, "9");
    FAILS(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "a", .acknowledge = 9},
                                &c),
          MOFKA_ERR_INVALID, "9");
    mofka_metadata_t *info;
    FAILS(mofka_topic_partition_info(topic, 1, &info), MOFKA_ERR_RANGE, "partition 1 of 1");
    mofka_topic_release(topic);
}

static void an_event_that_is_too_large(void **state) {
    (void)state;
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_producer_t *producer = new_producer(topic);
    mofka_data_view_t *view;
    mofka_future_t *future;
    static char byte;
    mofka_segment_t huge = {&byte, (size_t)1 << 40}; /* never read: it is refused by its size */
    OK(mofka_data_view_create(&huge, 1, NULL, NULL, &view));
    OK(mofka_producer_push(producer, "{}", 2, view, MOFKA_ANY_PARTITION, &future));
    FAILS(mofka_future_wait(future, 0, NULL), MOFKA_ERR_TOO_LARGE, "at most");
    mofka_future_release(future);
    FAILS(mofka_producer_push(producer, NULL, 5, NULL, MOFKA_ANY_PARTITION, NULL),
          MOFKA_ERR_INVALID, "NULL");
    mofka_data_view_release(view);
    push_number(producer, 0);
    end_producer(producer);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    take_number(consumer, 0);
    end_consumer(consumer);
    mofka_topic_release(topic);
}

/* A handle that is NULL, or of another kind, is met by an error or by nothing. */

static void wrong_ends(const void *handle) {
    const mofka_producer_t *p = handle;
    const mofka_consumer_t *c = handle;
    void *context = &context;
    size_t count = 9;
    assert_null(mofka_producer_name(p));
    assert_null(mofka_producer_topic(p));
    assert_null(mofka_producer_thread_pool(p));
    assert_null(mofka_producer_options_json(p));
    assert_int_equal(mofka_producer_batch_size(p), 0);
    assert_int_equal(mofka_producer_max_batches(p), 0);
    assert_int_equal(mofka_producer_ordering(p), 0);
    assert_int_equal(mofka_producer_linger_ms(p), 0);
    assert_int_equal(mofka_producer_push_timeout_ms(p), 0);
    assert_null(mofka_consumer_name(c));
    assert_null(mofka_consumer_topic(c));
    assert_null(mofka_consumer_thread_pool(c));
    assert_null(mofka_consumer_options_json(c));
    assert_int_equal(mofka_consumer_batch_size(c), 0);
    assert_int_equal(mofka_consumer_max_batches(c), 0);
    assert_int_equal(mofka_consumer_lost(c), 0);
    assert_int_equal(mofka_consumer_voided(c), 0);
    assert_int_equal(mofka_consumer_start(c), 0);
    assert_int_equal(mofka_consumer_acknowledge_mode(c), 0);
    assert_true(!mofka_consumer_selector(c, &context) && !context);
    context = &context;
    assert_true(!mofka_consumer_allocator(c, &context) && !context);
    assert_true(!mofka_consumer_targets(c, &count) && count == 0);
}

static void wrong_helpers(void *handle) {
    mofka_archive_t archive = {0};
    mofka_metadata_t *metadata;
    size_t partition;
    const mofka_metadata_t *list[1] = {NULL};
    assert_null(mofka_validator_metadata(handle));
    assert_null(mofka_serializer_metadata(handle));
    assert_null(mofka_partition_selector_metadata(handle));
    FAILS(mofka_validator_validate(handle, "{}", 2, NULL), MOFKA_ERR_INVALID, "validator handle");
    FAILS(mofka_serializer_serialize(handle, &archive, "{}", 2), MOFKA_ERR_INVALID,
          "serializer handle");
    FAILS(mofka_serializer_deserialize(handle, &archive, 2, &metadata), MOFKA_ERR_INVALID,
          "serializer handle");
    assert_false(mofka_serializer_is_identity(handle));
    FAILS(mofka_partition_selector_set_partitions(handle, list, 1), MOFKA_ERR_INVALID,
          "partition selector handle");
    FAILS(mofka_partition_selector_select(handle, "{}", 2, 0, &partition), MOFKA_ERR_INVALID,
          "partition selector handle");
    mofka_validator_release(handle), mofka_serializer_release(handle);
    mofka_partition_selector_release(handle);
    assert_null(mofka_validator_retain(handle));
    assert_null(mofka_serializer_retain(handle));
    assert_null(mofka_partition_selector_retain(handle));
}

static void do_nothing(void *context) {
    (void)context;
}

static void wrong_pools_and_views(void *handle) {
    char text[8];
    size_t count = 9;
    assert_int_equal(mofka_thread_pool_thread_count(handle), 0);
    assert_int_equal(mofka_thread_pool_size(handle), 0);
    FAILS(mofka_thread_pool_worker_cpus(handle, 0, text, sizeof text), MOFKA_ERR_INVALID,
          "thread pool handle");
    FAILS(mofka_thread_pool_close(handle), MOFKA_ERR_INVALID, "thread pool handle");
    if (handle) /* NULL means: run it here */
        FAILS(mofka_thread_pool_push_work(handle, do_nothing, NULL, 0), MOFKA_ERR_INVALID,
              "thread pool handle");
    assert_null(mofka_thread_pool_retain(handle));
    mofka_thread_pool_release(handle);
    assert_int_equal(mofka_data_view_size(handle), 0);
    assert_null(mofka_data_view_context(handle));
    assert_true(!mofka_data_view_segments(handle, &count) && count == 0);
    assert_int_equal(mofka_data_view_write(handle, text, sizeof text, 0), 0);
    assert_int_equal(mofka_data_view_read(handle, text, sizeof text, 0), 0);
    assert_null(mofka_data_view_retain(handle));
    mofka_data_view_release(handle);
    assert_int_equal(mofka_data_descriptor_size(handle), 0);
    assert_int_equal(mofka_data_descriptor_selection_count(handle), 0);
    assert_true(!mofka_data_descriptor_location(handle, &count) && count == 0);
}

static void handles_of_another_kind(mofka_topic_t *topic, mofka_producer_t *producer) {
    mofka_thread_pool_t *pool = (mofka_thread_pool_t *)topic;
    mofka_producer_t *p;
    mofka_consumer_t *c;
    wrong_ends(topic);
    wrong_helpers(topic);
    wrong_pools_and_views(topic);
    FAILS(mofka_producer_push(producer, "{}", 2, (mofka_data_view_t *)topic, 0, NULL),
          MOFKA_ERR_INVALID, "data view handle");
    FAILS(mofka_producer_create(topic, &(mofka_producer_options_t){.thread_pool = pool}, &p),
          MOFKA_ERR_INVALID, "thread pool handle");
    FAILS(mofka_consumer_create(topic,
                                &(mofka_consumer_options_t){.name = "a", .thread_pool = pool}, &c),
          MOFKA_ERR_INVALID, "thread pool handle");
}

static void null_and_closed_handles(void **state) {
    (void)state;
    mofka_driver_t *d;
    mofka_topic_t *t = NULL;
    mofka_producer_t *p = NULL;
    mofka_consumer_t *c = NULL;
    mofka_event_t *e = NULL;
    mofka_future_t *f = NULL;
    mofka_metadata_t *m = NULL;
    bool b;
    FAILS(mofka_driver_create("unheard-of", NULL, &d), MOFKA_ERR_NOT_FOUND, "unheard-of");
    FAILS(mofka_driver_create("x:libnowhere.so", NULL, &d), MOFKA_ERR_NOT_FOUND, "libnowhere.so");
    FAILS(mofka_driver_create("", NULL, &d), MOFKA_ERR_INVALID, "empty");
    FAILS(mofka_driver_create(NULL, NULL, &d), MOFKA_ERR_INVALID, "empty");
    FAILS(mofka_driver_close(NULL, 0), MOFKA_ERR_INVALID, "driver handle is NULL");
    FAILS(mofka_driver_topic_exists(NULL, "a", &b), MOFKA_ERR_INVALID, "NULL");
    FAILS(mofka_producer_create(t, NULL, &p), MOFKA_ERR_INVALID, "topic handle is NULL");
    FAILS(mofka_consumer_create(t, NULL, &c), MOFKA_ERR_INVALID, "topic handle is NULL");
    FAILS(mofka_producer_push(p, "{}", 2, NULL, 0, NULL), MOFKA_ERR_INVALID, "producer handle");
    FAILS(mofka_producer_flush(p, 0), MOFKA_ERR_INVALID, "producer handle");
    FAILS(mofka_consumer_pull(c, 0, &e), MOFKA_ERR_INVALID, "consumer handle");
    FAILS(mofka_consumer_process(c, NULL, NULL, 0, NULL, NULL), MOFKA_ERR_INVALID, "consumer");
    FAILS(mofka_event_acknowledge(e), MOFKA_ERR_INVALID, "event handle");
    FAILS(mofka_event_metadata(e, &m), MOFKA_ERR_INVALID, "event handle");
    FAILS(mofka_future_wait(f, 0, NULL), MOFKA_ERR_INVALID, "future handle");
    assert_true(mofka_event_is_end(NULL));
    assert_false(mofka_future_completed(NULL));
    mofka_driver_release(NULL), mofka_topic_release(NULL), mofka_producer_release(NULL);
    mofka_consumer_release(NULL), mofka_event_release(NULL), mofka_future_release(NULL);
    wrong_ends(NULL), wrong_helpers(NULL), wrong_pools_and_views(NULL);
    t = fresh_topic(NULL);
    p = new_producer(t);
    handles_of_another_kind(t, p);
    FAILS(mofka_driver_close(conformance_driver(), 0), MOFKA_ERR_BUSY, mofka_topic_name(t));
    FAILS(mofka_consumer_pull((mofka_consumer_t *)p, 0, &e), MOFKA_ERR_INVALID, "another kind");
    OK(mofka_producer_close(p, WAIT_MS));
    OK(mofka_producer_close(p, WAIT_MS));
    FAILS(mofka_producer_push(p, "{}", 2, NULL, 0, NULL), MOFKA_ERR_CLOSED, "closed");
    FAILS(mofka_producer_flush(p, 0), MOFKA_ERR_CLOSED, "closed");
    mofka_producer_release(p);
    c = new_consumer(t, "reader");
    FAILS(mofka_consumer_process(c, NULL, NULL, 0, NULL, NULL), MOFKA_ERR_INVALID, "callback");
    FAILS(mofka_driver_close(conformance_driver(), 0), MOFKA_ERR_BUSY, "reader");
    end_consumer(c);
    mofka_topic_release(t);
}

static mofka_status_t find_topic(void *context, const char *name,
                                 const mofka_metadata_t *description) {
    const char *wanted = context;
    if (strcmp(name, wanted) != 0)
        return MOFKA_OK;
    const char *text = mofka_metadata_text(description, NULL);
    assert_non_null(strstr(text, "\"validator\":{\"type\":\"default\",\"json\":true}"));
    assert_non_null(strstr(text, "\"selector\":{\"type\":\"default\"}"));
    assert_non_null(strstr(text, "\"serializer\":{\"type\":\"default\"}"));
    assert_non_null(strstr(text, "\"partitions\":1"));
    assert_non_null(strstr(text, wanted));
    *(char *)context = '\0';
    return MOFKA_STOP;
}

static void topics_are_listed(void **state) {
    (void)state;
    mofka_topic_t *topic =
        fresh_topic(&(mofka_topic_options_t){.validator = "{\"type\":\"default\",\"json\":true}"});
    char wanted[MOFKA_NAME_BYTES_MAX + 1];
    strcpy(wanted, mofka_topic_name(topic));
    OK(mofka_driver_list_topics(conformance_driver(), find_topic, wanted));
    assert_int_equal(wanted[0], '\0');
    assert_ptr_equal(mofka_topic_driver(topic), conformance_driver());
    mofka_topic_release(topic);
}

const struct CMUnitTest input_cases[] = {
    cmocka_unit_test(topic_names),
    cmocka_unit_test(options_and_helpers),
    cmocka_unit_test(producers_and_consumers),
    cmocka_unit_test(an_event_that_is_too_large),
    cmocka_unit_test(null_and_closed_handles),
    cmocka_unit_test(topics_are_listed),
};
const size_t input_case_count = sizeof input_cases / sizeof input_cases[0];
