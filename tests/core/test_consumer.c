/* SPDX-License-Identifier: BSD-3-Clause */
/* Consumers: how far they fetch ahead; and events that a backend made itself. */
#include <time.h>
#include "support/check.h"
#include "support/clock.h"
#include "consumer/consumer.h"
#include "conformance/simple/simple_backend.h"
#include <mofka/backend.h>
#include <mofka/log.h>

static mofka_driver_t *driver;
static mofka_topic_t *topic;

static int consumer_case_setup(void **state) {
    const mofka_driver_ops_t *ops;
    void *self;
    (void)state;
    if (simple_create(NULL, &ops, &self) || mofka_driver_wrap("simple", ops, self, &driver) ||
        mofka_driver_create_topic(driver, "topic", NULL) ||
        mofka_driver_open_topic(driver, "topic", 0, &topic))
        return 1;
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, NULL, &producer));
    for (int i = 0; i < 1000; i++)
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    OK(mofka_producer_close(producer, 1000));
    mofka_producer_release(producer);
    return 0;
}

static int consumer_case_teardown(void **state) {
    (void)state;
    mofka_topic_release(topic);
    int failed = mofka_driver_close(driver, 0) != MOFKA_OK;
    mofka_driver_release(driver);
    return failed;
}

/* Runs that wait to be pulled, once no worker is at it any more. */
static size_t ready_runs(mofka_consumer_t *consumer) {
    for (;;) {
        mfi_monitor_enter(&consumer->lock);
        bool busy = consumer->prefetching;
        size_t runs = consumer->ready_runs;
        mfi_monitor_leave(&consumer->lock);
        if (!busy)
            return runs;
        clock_sleep_ms(1);
    }
}

/* A consumer that is not pulled holds max_batches and no more. */
static void prefetch_is_bounded(void **state) {
    (void)state;
    mofka_thread_pool_t *pool;
    OK(mofka_thread_pool_create(&(mofka_thread_pool_options_t){.thread_count = 2}, &pool));
    for (size_t pooled = 0; pooled < 2; pooled++) {
        mofka_consumer_options_t options = {.name = pooled ? "with" : "without",
                                            .batch_size = 10,
                                            .max_batches = 3,
                                            .thread_pool = pooled ? pool : NULL};
        mofka_consumer_t *consumer;
        OK(mofka_consumer_create(topic, &options, &consumer));
        for (uint64_t i = 0; i < 1000; i++) {
            mofka_event_t *event;
            OK(mofka_consumer_pull(consumer, 1000, &event));
            assert_int_equal(mofka_event_id(event), i);
            mofka_event_release(event);
            if (i % 100 == 50)
                assert_int_equal(ready_runs(consumer), pooled ? 3 : 1);
        }
        OK(mofka_consumer_close(consumer));
        mofka_consumer_release(consumer);
    }
    mofka_thread_pool_release(pool);
}

/* ---- processing in a pool that does not come to it ------------------------------------------- */

typedef struct nested {
    mofka_consumer_t *consumer;
    mofka_thread_pool_t *pool;
    mofka_status_t status;
    size_t processed;
    _Atomic int running, most, count;
} nested_t;

static mofka_status_t count_overlap(void *context, mofka_event_t *event) {
    nested_t *nested = context;
    (void)event;
    int now = atomic_fetch_add(&nested->running, 1) + 1;
    if (now > atomic_load(&nested->most))
        atomic_store(&nested->most, now);
    nested->count++;
    nanosleep(&(struct timespec){.tv_nsec = 10000}, NULL);
    atomic_fetch_sub(&nested->running, 1);
    return MOFKA_OK;
}

static void process_here(void *context) {
    nested_t *nested = context;
    const mofka_process_options_t options = {.thread_pool = nested->pool, .events_max = 500};
    nested->status = mofka_consumer_process(nested->consumer, count_overlap, nested, 20000,
                                            &options, &nested->processed);
}

/* Called by the pool's only worker, it cannot wait for that worker. Never do more callbacks run at
 * once than the pool has threads. */
static void a_worker_can_process_in_its_own_pool(void **state) {
    (void)state;
    nested_t nested = {.processed = 0};
    OK(mofka_thread_pool_create(&(mofka_thread_pool_options_t){.thread_count = 1}, &nested.pool));
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "nested"},
                             &nested.consumer));
    OK(mofka_thread_pool_push_work(nested.pool, process_here, &nested, MOFKA_PRIORITY_DEFAULT));
    while (mofka_thread_pool_size(nested.pool) > 0)
        clock_sleep_ms(1);
    assert_int_equal(nested.status, MOFKA_OK);
    assert_true(nested.processed == 500 && nested.count == 500 && nested.most == 1);
    mofka_thread_pool_release(nested.pool);
    OK(mofka_consumer_close(nested.consumer));
    mofka_consumer_release(nested.consumer);
}

/* ---- processing when nothing comes ----------------------------------------------------------- */

typedef struct quiet {
    _Atomic size_t events;
    size_t waits;          /* that found no event */
    mofka_status_t answer; /* of the third */
} quiet_t;

static mofka_status_t count_one(void *context, mofka_event_t *event) {
    (void)event;
    ((quiet_t *)context)->events++;
    return MOFKA_OK;
}

static mofka_status_t count_wait(void *context) {
    quiet_t *quiet = context;
    return ++quiet->waits < 3
               ? MOFKA_OK
               : (quiet->answer < 0 ? mofka_fail(quiet->answer, "had enough") : quiet->answer);
}

/* Each wait has its own time-out beside that of the call. */
static void processing_reports_that_nothing_came(void **state) {
    (void)state;
    mofka_thread_pool_t *pool;
    OK(mofka_thread_pool_create(&(mofka_thread_pool_options_t){.thread_count = 2}, &pool));
    for (int pooled = 0; pooled < 2; pooled++) {
        mofka_consumer_t *consumer;
        mofka_process_options_t options = {
            .thread_pool = pooled ? pool : NULL, .wait_timeout_ms = 1, .no_event = count_wait};
        quiet_t quiet = {.answer = MOFKA_STOP};
        size_t processed;
        OK(mofka_consumer_create(
            topic, &(mofka_consumer_options_t){.name = pooled ? "with" : "without"}, &consumer));
        OK(mofka_consumer_process(consumer, count_one, &quiet, MOFKA_WAIT_FOREVER, &options,
                                  &processed));
        assert_true(processed == 1000 && quiet.events == 1000 && quiet.waits == 3);
        quiet = (quiet_t){.answer = MOFKA_ERR_SYSTEM};
        FAILS(mofka_consumer_process(consumer, count_one, &quiet, MOFKA_WAIT_FOREVER, &options,
                                     &processed),
              MOFKA_ERR_SYSTEM, "had enough");
        assert_true(processed == 0 && quiet.waits == 3);
        quiet = (quiet_t){.answer = MOFKA_OK};
        FAILS(mofka_consumer_process(consumer, count_one, &quiet, 0, &options, &processed),
              MOFKA_ERR_TIMEOUT, "within 0 ms");
        assert_int_equal(quiet.waits, 0); /* the call was over */
        options.no_event = NULL;
        FAILS(mofka_consumer_process(consumer, count_one, &quiet, MOFKA_WAIT_FOREVER, &options,
                                     &processed),
              MOFKA_ERR_TIMEOUT, "within 1 ms");
        OK(mofka_consumer_close(consumer));
        mofka_consumer_release(consumer);
    }
    mofka_thread_pool_release(pool);
}

/* ---- ending ---------------------------------------------------------------------------------- */

static void *unsubscribe_after_a_while(void *consumer) {
    clock_sleep_ms(50);
    return (void *)(intptr_t)mofka_consumer_unsubscribe(consumer);
}

/* Requests that are left are answered, neither with what is there already nor with more. */
static void unsubscribing_answers_requests(void **state) {
    (void)state;
    mofka_consumer_t *consumer;
    mofka_future_t *future;
    mofka_event_t *event;
    mofka_result_t result;
    mofka_consumer_options_t options = {.name = "leaver", .start = MOFKA_START_BEGINNING};
    OK(mofka_consumer_create(topic, &options, &consumer));
    OK(mofka_consumer_pull(consumer, 1000, &event)); /* others are ready, then */
    mofka_event_release(event);
    OK(mofka_consumer_pull_future(consumer, &future));
    OK(mofka_consumer_unsubscribe(consumer));
    OK(mofka_consumer_unsubscribe(consumer));
    FAILS(mofka_future_wait(future, 0, &result), MOFKA_ERR_CLOSED, "closed");
    mofka_future_release(future);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    /* One that waits is woken. */
    pthread_t thread;
    void *left;
    options.start = MOFKA_START_END;
    OK(mofka_consumer_create(topic, &options, &consumer));
    OK(mofka_consumer_pull_future(consumer, &future));
    assert_int_equal(pthread_create(&thread, NULL, unsubscribe_after_a_while, consumer), 0);
    FAILS(mofka_future_wait(future, 5000, &result), MOFKA_ERR_CLOSED, "closed");
    pthread_join(thread, &left);
    assert_null(left);
    mofka_future_release(future);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

static void keep_warning(void *context, mofka_log_level_t level, const char *message) {
    if (level == MOFKA_LOG_WARN)
        snprintf(context, 256, "%s", message);
}

static void an_unsubscribed_name_is_not_taken(void **state) {
    (void)state;
    static char warning[256];
    mofka_consumer_t *consumer;
    mofka_consumer_options_t options = {.name = "leaver"};
    OK(mofka_consumer_create(topic, &options, &consumer));
    OK(mofka_consumer_unsubscribe(consumer));
    mofka_log_set_callback(keep_warning, warning);
    mofka_consumer_release(consumer);
    mofka_log_set_callback(NULL, NULL);
    assert_non_null(strstr(warning, "released but not closed"));
    assert_null(strstr(warning, "taken"));
}

static mofka_status_t end_it(void *context, const mofka_metadata_t *metadata,
                             mofka_data_descriptor_t *full, mofka_data_descriptor_t **selected) {
    mofka_consumer_t *consumer = *(mofka_consumer_t **)context;
    mofka_event_t *event;
    (void)metadata, (void)full;
    FAILS(mofka_consumer_close(consumer), MOFKA_ERR_BUSY, "callback");
    FAILS(mofka_consumer_unsubscribe(consumer), MOFKA_ERR_BUSY, "callback");
    FAILS(mofka_consumer_pull(consumer, 5000, &event), MOFKA_ERR_BUSY, "callback");
    *selected = NULL;
    return MOFKA_OK;
}

static mofka_status_t close_in_process(void *context, mofka_event_t *event) {
    (void)event;
    return mofka_consumer_close(context);
}

/* The thread that fetches cannot wait for itself. Between fetches everything is allowed. */
static void callbacks_cannot_end_their_consumer(void **state) {
    (void)state;
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    mofka_consumer_options_t options = {
        .name = "inside", .batch_size = 3, .selector = end_it, .selector_context = &consumer};
    OK(mofka_consumer_create(topic, &options, &consumer));
    for (int i = 0; i < 6; i++) {
        OK(mofka_consumer_pull(consumer, 1000, &event));
        mofka_event_release(event);
    }
    size_t processed;
    FAILS(mofka_consumer_process(consumer, close_in_process, consumer, 1000, NULL, &processed),
          MOFKA_ERR_CLOSED, "closed");
    assert_int_equal(processed, 1);
    mofka_consumer_release(consumer);
}

/* ---- an event that no consumer fetched ------------------------------------------------------- */

typedef struct made_event {
    mofka_data_view_t *data;
    int acknowledged, destroyed;
} made_event_t;

static uint64_t made_id(const void *self) {
    (void)self;
    return 42;
}

static size_t made_partition(const void *self) {
    (void)self;
    return 3;
}

static const char *made_metadata(const void *self, size_t *bytes) {
    (void)self;
    *bytes = 7;
    return "{\"a\":1}";
}

static mofka_data_view_t *made_data(const void *self) {
    return ((const made_event_t *)self)->data;
}

static size_t made_data_size(const void *self) {
    (void)self;
    return 1000;
}

static mofka_status_t made_acknowledge(void *self) {
    ((made_event_t *)self)->acknowledged++;
    return MOFKA_OK;
}

static void made_destroy(void *self) {
    made_event_t *event = self;
    event->destroyed++;
    mofka_data_view_release(event->data);
}

static void events_can_be_made_by_backends(void **state) {
    (void)state;
    mofka_event_ops_t ops = {.size = sizeof ops,
                             .id = made_id,
                             .partition = made_partition,
                             .metadata = made_metadata,
                             .data = made_data,
                             .data_size = made_data_size,
                             .acknowledge = made_acknowledge};
    made_event_t made = {.acknowledged = 0};
    mofka_event_t *event;
    mofka_metadata_t *metadata, *info;
    FAILS(mofka_event_wrap(&ops, &made, &event), MOFKA_ERR_INVALID, "required slot");
    ops.destroy = made_destroy;
    OK(mofka_data_view_allocate(5, &made.data));
    OK(mofka_event_wrap(&ops, &made, &event));
    assert_int_equal(mofka_event_id(event), 42);
    assert_int_equal(mofka_event_partition(event), 3);
    assert_int_equal(mofka_event_data_size(event), 1000);
    assert_int_equal(mofka_event_lost(event), 0);
    assert_ptr_equal(mofka_event_data(event), made.data);
    assert_int_equal(mofka_event_selected_size(event), 5);
    assert_int_equal(mofka_event_selected_size(NULL), 0);
    assert_null(mofka_event_user(event));
    OK(mofka_event_set_user(event, &made, NULL));
    assert_ptr_equal(mofka_event_user(event), &made);
    OK(mofka_event_metadata(event, &metadata));
    assert_string_equal(mofka_metadata_text(metadata, NULL), "{\"a\":1}");
    FAILS(mofka_event_partition_info(event, &info), MOFKA_ERR_UNSUPPORTED, "partition");
    OK(mofka_event_acknowledge(event));
    mofka_event_retain(event);
    mofka_event_release(event);
    assert_int_equal(made.destroyed, 0);
    mofka_event_release(event);
    assert_true(made.destroyed == 1 && made.acknowledged == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(prefetch_is_bounded, consumer_case_setup,
                                        consumer_case_teardown),
        cmocka_unit_test_setup_teardown(a_worker_can_process_in_its_own_pool, consumer_case_setup,
                                        consumer_case_teardown),
        cmocka_unit_test_setup_teardown(processing_reports_that_nothing_came, consumer_case_setup,
                                        consumer_case_teardown),
        cmocka_unit_test_setup_teardown(unsubscribing_answers_requests, consumer_case_setup,
                                        consumer_case_teardown),
        cmocka_unit_test_setup_teardown(an_unsubscribed_name_is_not_taken, consumer_case_setup,
                                        consumer_case_teardown),
        cmocka_unit_test_setup_teardown(callbacks_cannot_end_their_consumer, consumer_case_setup,
                                        consumer_case_teardown),
        cmocka_unit_test(events_can_be_made_by_backends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
