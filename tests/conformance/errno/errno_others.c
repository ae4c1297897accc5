/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls the public functions that the conformance suite does not call. */
#include <cjson/cJSON.h>
#include "conformance/conformance.h"
#include "conformance/errno/errno_check.h"

/* An archive in memory. */
static char archived[4096];
static size_t archive_used;

static mofka_status_t archive_write(void *context, const void *bytes, size_t size) {
    (void)context;
    memcpy(archived + archive_used, bytes, size);
    archive_used += size;
    return MOFKA_OK;
}

static mofka_status_t archive_read(void *context, void *bytes, size_t size) {
    size_t *at = context;
    memcpy(bytes, archived + *at, size);
    *at += size;
    return MOFKA_OK;
}

static void others_of_data(void) {
    mofka_data_descriptor_t *whole, *part, *loaded;
    mofka_selection_t selection;
    mofka_range_t *ranges;
    mofka_data_view_t *view;
    size_t count, at = 0;
    char bytes[16];
    mofka_archive_t archive = {.context = &at, .write = archive_write, .read = archive_read};
    OK(mofka_data_descriptor_create("place", 5, 100, &whole));
    OK(mofka_data_descriptor_sub_view(whole, 10, 20, &part));
    OK(mofka_data_descriptor_selection(part, 0, &selection));
    OK(mofka_data_descriptor_flatten(part, &ranges, &count));
    free(ranges);
    OK(mofka_data_descriptor_save(part, &archive));
    OK(mofka_data_descriptor_load(&archive, &loaded));
    mofka_data_descriptor_release(loaded);
    mofka_data_descriptor_release(part);
    OK(mofka_consumer_select_all(NULL, NULL, whole, &part));
    assert_ptr_equal(part, whole);
    mofka_data_descriptor_release(part);
    mofka_data_descriptor_release(whole);
    OK(mofka_data_view_of(bytes, sizeof bytes, &view));
    assert_false(mofka_data_view_is_shared(view));
    mofka_data_view_release(view);
}

static void others_of_metadata(void) {
    mofka_metadata_t *string, *copy, *object;
    const struct cJSON *json;
    const char *text;
    char *dump;
    OK(mofka_metadata_create_string("text", 4, &string));
    assert_true(mofka_metadata_is_string(string));
    OK(mofka_metadata_string(string, &text));
    OK(mofka_metadata_json(string, &json));
    OK(mofka_metadata_copy(string, &copy));
    OK(mofka_metadata_dump(copy, false, &dump));
    free(dump);
    mofka_metadata_release(copy);
    mofka_metadata_release(string);
    OK(mofka_metadata_create_json(cJSON_CreateObject(), &object));
    mofka_metadata_release(object);
}

static void others_ignore_line(void *context, mofka_log_level_t level, const char *message) {
    (void)context, (void)level, (void)message;
}

static void others_of_log(void) {
    mofka_log_level_t level = mofka_log_level();
    assert_string_equal(mofka_log_level_name(MOFKA_LOG_WARN), "warn");
    mofka_log_set_level(MOFKA_LOG_INFO);
    mofka_log_set_callback(others_ignore_line, NULL);
    mofka_log(MOFKA_LOG_WARN, "%s", "a line");
    mofka_log_set_callback(NULL, NULL);
    mofka_log_to_descriptor((void *)(intptr_t)-1, MOFKA_LOG_WARN, "nowhere");
    mofka_log_set_level(level);
    assert_string_equal(mofka_status_name(MOFKA_OK), "MOFKA_OK");
    assert_non_null(mofka_status_text(MOFKA_ERR_FULL));
    assert_int_equal(mofka_status_class(MOFKA_OK), mofka_status_class(MOFKA_OK));
}

static void others_ignore_stats(void *context, const mofka_metadata_t *stats) {
    (void)context, (void)stats;
}

static void others_of_driver(void) {
    mofka_driver_t *driver = conformance_driver();
    mofka_metadata_t *stats;
    assert_non_null(mofka_driver_type(driver));
    OK(mofka_driver_stats(driver, 10000, &stats));
    mofka_metadata_release(stats);
    OK(mofka_driver_set_stats_callback(driver, 60000, others_ignore_stats, NULL));
    OK(mofka_driver_set_stats_callback(driver, 60000, NULL, NULL));
}

static mofka_status_t others_ignore_partition(void *context, size_t partition,
                                              const mofka_metadata_t *info) {
    (void)context, (void)partition, (void)info;
    return MOFKA_OK;
}

static void others_of_topic(void) {
    mofka_topic_t *topic = fresh_topic(NULL);
    mofka_consumer_t *consumer = new_consumer(topic, "reader");
    mofka_producer_t *producer = new_producer(topic);
    mofka_future_t *future;
    mofka_metadata_t *stats;
    uint64_t skipped;
    mofka_driver_t *driver = conformance_driver();
    OK(mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, &future));
    mofka_future_release(mofka_future_retain(future));
    mofka_future_release(future);
    assert_true(mofka_producer_oldest_pending_ms(producer) >= 0);
    OK(mofka_producer_discard(producer));
    mofka_producer_release(mofka_producer_retain(producer));
    mofka_producer_close(producer, 10000); /* of the discarded event */
    mofka_producer_release(producer);
    OK(mofka_consumer_stats(consumer, &stats));
    mofka_metadata_release(stats);
    OK(mofka_consumer_skip_damaged(consumer, &skipped));
    assert_int_equal(mofka_consumer_rewound(consumer), 0);
    OK(mofka_consumer_seek(consumer, 0, 0));
    (void)mofka_consumer_seek_time(consumer, 0);
    if (!mofka_topic_ends(topic, 0, &stats))
        mofka_metadata_release(stats);
    assert_false(mofka_consumer_zero_copy(consumer));
    mofka_consumer_release(mofka_consumer_retain(consumer));
    end_consumer(consumer);
    OK(mofka_driver_list_partitions(driver, mofka_topic_name(topic), others_ignore_partition,
                                    NULL));
    mofka_topic_release(topic);
}

static void others_of_types(void) {
    mofka_partition_selector_t *selector;
    mofka_serializer_t *serializer;
    mofka_thread_pool_t *pool;
    OK(mofka_partition_selector_from_metadata("{\"type\":\"default\"}", &selector));
    OK(mofka_partition_selector_check_count("{\"type\":\"default\"}", 2));
    mofka_partition_selector_release(selector);
    OK(mofka_serializer_from_metadata("{\"type\":\"default\"}", &serializer));
    mofka_serializer_release(serializer);
    OK(mofka_thread_pool_create(&(mofka_thread_pool_options_t){.thread_count = 1}, &pool));
    OK(mofka_thread_pool_close(pool));
    mofka_thread_pool_release(pool);
    OK(mofka_options_read("options", "{}", NULL, 0));
}

/* Of authors of backends and types: that their arguments are refused is enough. */
static void others_of_authors(void) {
    mofka_driver_t *driver;
    mofka_event_t *event;
    mofka_thread_pool_t *pool;
    FAILS(mofka_driver_wrap("none", NULL, NULL, &driver), MOFKA_ERR_INVALID, "");
    FAILS(mofka_driver_register("", NULL), MOFKA_ERR_INVALID, "");
    FAILS(mofka_event_wrap(NULL, NULL, &event), MOFKA_ERR_INVALID, "");
    FAILS(mofka_thread_pool_wrap(NULL, NULL, &pool), MOFKA_ERR_INVALID, "");
    mofka_driver_end_forgotten(&driver, 0, 0);
    mofka_backend_at_fork(NULL);
}

static void others_of_mpi(void) {
    mofka_driver_t *driver;
    OK(mofka_mpi_driver_create_f(MPI_Comm_c2f(MPI_COMM_SELF), NULL, &driver));
    OK(mofka_driver_close(driver, 10000));
    mofka_driver_release(driver);
}

void errno_call_others(void **state) {
    (void)state;
    others_of_data();
    others_of_metadata();
    others_of_log();
    others_of_driver();
    others_of_topic();
    others_of_types();
    others_of_authors();
    others_of_mpi();
}
