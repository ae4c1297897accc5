/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend that answers by script: its tables, and what each case begins and ends with. */
#include "support/scripted_backend.h"

#include <time.h>
#include <mofka/backend.h>
#include "base/clock.h"

script_t script;
sem_t gate;

static void wait_at_the_gate(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    sem_timedwait(&gate, &until);
}

static mofka_status_t scripted_limits(void *self, size_t partition, mofka_batch_limits_t *limits) {
    (void)self, (void)partition;
    *limits = (mofka_batch_limits_t){
        .events_max = script.eventless ? 0 : 4, .bytes_max = 4096, .event_bytes_max = 1024};
    return MOFKA_OK;
}

/* False: the partition stayed full. */
static bool wait_for_room(size_t partition, int64_t timeout_ms) {
    script.looks += script.full[partition];
    int64_t start_ms = mfi_now_ms();
    while (script.full[partition] && (timeout_ms < 0 || mfi_now_ms() - start_ms < timeout_ms))
        clock_sleep_ms(1);
    return !script.full[partition];
}

static mofka_status_t scripted_append(void *self, size_t partition, mofka_batch_t *batch,
                                      int64_t timeout_ms, uint64_t *first_id) {
    (void)self;
    mofka_status_t status = script.answers[script.next];
    int delay_ms = script.delay_ms[script.next];
    script.next += script.next < 7;
    script.calls++;
    script.timeout_ms[partition] = timeout_ms;
    void (*call)(void) = script.on_append;
    script.on_append = NULL;
    if (call)
        call();
    if (script.gated)
        wait_at_the_gate();
    clock_sleep_ms(delay_ms);
    if (script.waits && status == MOFKA_ERR_TIMEOUT) {
        script.waited_ms += timeout_ms;
        clock_sleep_ms((int)timeout_ms);
    }
    if (!wait_for_room(partition, timeout_ms))
        return mofka_fail(MOFKA_ERR_TIMEOUT, "the partition is full");
    if (script.reserves)
        batch->reserved = true;
    if (script.unreserves && status == MOFKA_ERR_TIMEOUT)
        batch->reserved = false;
    if (status)
        return mofka_fail(status, "as the script says");
    *first_id = script.appended;
    script.appended += batch->event_count;
    script.appended_to[partition] += batch->event_count;
    return MOFKA_OK;
}

static mofka_status_t scripted_close_producer(void *self, bool flushed) {
    (void)self;
    script.flushed = flushed;
    if (script.on_close)
        script.on_close();
    mofka_status_t status = script.close_answers[script.closed++ != 0];
    return status ? mofka_fail(status, "not the last one") : MOFKA_OK;
}

static void destroy_producer(void *self) {
    (void)self;
    script.destroyed++;
}

static void scripted_destroy_nothing(void *self) {
    (void)self;
}

static const mofka_producer_ops_t producer_ops = {.size = sizeof producer_ops,
                                                  .limits = scripted_limits,
                                                  .append = scripted_append,
                                                  .close = scripted_close_producer,
                                                  .destroy = destroy_producer};

static mofka_status_t scripted_append_start(void *self, mofka_append_t *append) {
    (void)self;
    if (script.start_answer)
        return mofka_fail(script.start_answer, "it does not start");
    assert_null(script.under_way);
    script.under_way = append;
    script.calls++;
    return MOFKA_OK;
}

static mofka_status_t scripted_append_late(void *self, size_t partition) {
    (void)self, (void)partition;
    assert_non_null(script.under_way);
    return mofka_fail(script.late_answer, "rank 7 has not answered");
}

void scripted_answer(size_t stored, mofka_status_t status) {
    mofka_append_t *append = script.under_way;
    assert_non_null(append);
    assert_true(stored <= append->count);
    script.under_way = NULL;
    for (size_t i = 0; i < stored; i++) {
        append->batches[i]->first_id = script.appended;
        script.appended += append->batches[i]->event_count;
    }
    append->done(append, stored, status ? mofka_fail(status, "as the case says") : MOFKA_OK);
}

static const mofka_producer_ops_t starting_ops = {.size = sizeof starting_ops,
                                                  .limits = scripted_limits,
                                                  .append_start = scripted_append_start,
                                                  .append_late = scripted_append_late,
                                                  .close = scripted_close_producer,
                                                  .destroy = destroy_producer};

static mofka_status_t scripted_partition_info(void *self, size_t index, mofka_metadata_t **info) {
    (void)self, (void)index;
    return mofka_metadata_create("{}", 2, info);
}

static mofka_status_t scripted_mark_complete(void *self, int64_t timeout_ms) {
    (void)self, (void)timeout_ms;
    return MOFKA_OK;
}

static mofka_status_t scripted_make_producer(void *self, const char *name, const char *options,
                                             const mofka_producer_ops_t **ops, void **producer) {
    (void)name, (void)options;
    *ops = script.starts ? &starting_ops : &producer_ops;
    *producer = self;
    return MOFKA_OK;
}

static mofka_status_t scripted_make_consumer(void *self, const mofka_consumer_config_t *config,
                                             const mofka_consumer_ops_t **ops, void **consumer) {
    static const mofka_consumer_ops_t empty = {.size = 8};
    (void)self, (void)config;
    *ops = &empty;
    *consumer = NULL;
    return MOFKA_OK;
}

static const mofka_topic_ops_t topic_ops = {.size = sizeof topic_ops,
                                            .partition_info = scripted_partition_info,
                                            .mark_complete = scripted_mark_complete,
                                            .make_producer = scripted_make_producer,
                                            .make_consumer = scripted_make_consumer,
                                            .destroy = scripted_destroy_nothing};

static mofka_status_t scripted_create_topic(void *self, const mofka_topic_config_t *config) {
    (void)self, (void)config;
    return MOFKA_OK;
}

static mofka_status_t scripted_open_topic(void *self, const char *name, int64_t timeout_ms,
                                          mofka_topic_made_t *made) {
    (void)timeout_ms;
    static const char *const plain = "{\"type\":\"default\"}";
    (void)name;
    *made =
        (mofka_topic_made_t){.ops = &topic_ops,
                             .self = self,
                             .partition_count = PARTITIONS,
                             .validator = strdup(plain),
                             .selector = strdup(script.selector ? script.selector : plain),
                             .serializer = strdup(script.serializer ? script.serializer : plain)};
    return MOFKA_OK;
}

static mofka_status_t scripted_topic_exists(void *self, const char *name, bool *exists) {
    (void)self, (void)name;
    *exists = true;
    return MOFKA_OK;
}

static mofka_status_t scripted_list_topics(void *self, mofka_topic_visit_fn visit, void *context) {
    (void)self, (void)visit, (void)context;
    return MOFKA_OK;
}

static mofka_status_t scripted_close_driver(void *self, int64_t timeout_ms) {
    (void)self, (void)timeout_ms;
    return MOFKA_OK;
}

static bool scripted_any_thread(void *self) {
    (void)self;
    return script.any_thread;
}

const mofka_driver_ops_t driver_ops = {.size = sizeof driver_ops,
                                       .create_topic = scripted_create_topic,
                                       .open_topic = scripted_open_topic,
                                       .topic_exists = scripted_topic_exists,
                                       .list_topics = scripted_list_topics,
                                       .close = scripted_close_driver,
                                       .any_thread = scripted_any_thread,
                                       .destroy = scripted_destroy_nothing};

mofka_driver_t *driver;
mofka_topic_t *topic;

int scripted_setup(void **state) {
    (void)state;
    memset(&script, 0, sizeof script);
    return mofka_driver_wrap("scripted", &driver_ops, NULL, &driver) ||
           mofka_driver_open_topic(driver, "topic", 0, &topic);
}

int scripted_teardown(void **state) {
    (void)state;
    mofka_topic_release(topic);
    int failed = mofka_driver_close(driver, 0) != MOFKA_OK;
    mofka_driver_release(driver);
    return failed;
}

mofka_producer_t *scripted_create_producer(size_t max_batches) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic,
                             &(mofka_producer_options_t){.max_batches = max_batches,
                                                         .push_timeout_ms = 20,
                                                         .linger_ms = 100000},
                             &producer));
    return producer;
}

mofka_future_t *scripted_push(mofka_producer_t *producer) {
    mofka_future_t *future;
    OK(mofka_producer_push(producer, "{}", 2, NULL, 0, &future));
    return future;
}

void scripted_end_producer(mofka_producer_t *producer) {
    OK(mofka_producer_close(producer, 1000));
    assert_int_equal(script.closed, 1);
    assert_int_equal(script.destroyed, 1);
    mofka_producer_release(producer);
}
