/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A consumer whose rank was only stopped, and whose name was evicted meanwhile, over the heap
 * window. It stops in the middle of a fetch, and in the middle of its end. Two ranks are two
 * drivers of this process.
 */
#include "driver/driver.h"
#include "heap/job/heap_driver.h"
#include "mpi/topic/topic.h"
#include "support/check.h"

#define TINY "{\"partition_bytes\":256,\"partition_events\":4}"

static heap_job_t job;
static mofka_driver_t *drivers[2];
static mofka_topic_t *topics[2];
static mofka_producer_t *producer;
static mofka_consumer_t *old, *heir; /* of rank 1; of rank 0, made by act */

static int evict_open(void **state) {
    (void)state;
    heap_job_start(&job, 2);
    for (int i = 0; i < 2; i++)
        OK(heap_driver_create(&job, i, &drivers[i]));
    OK(mofka_driver_create_topic(drivers[0], "t", &(mofka_topic_options_t){.options = TINY}));
    for (int i = 0; i < 2; i++)
        OK(mofka_driver_open_topic(drivers[i], "t", 0, &topics[i]));
    OK(mofka_producer_create(topics[0], &(mofka_producer_options_t){.batch_size = 1}, &producer));
    OK(mofka_consumer_create(topics[1], &(mofka_consumer_options_t){.name = "viewer"}, &old));
    heir = NULL;
    return 0;
}

static int evict_close(void **state) {
    (void)state;
    OK(mofka_consumer_close(heir));
    mofka_consumer_release(heir);
    OK(mofka_producer_close(producer, 0));
    mofka_producer_release(producer);
    for (int i = 0; i < 2; i++) {
        mofka_topic_release(topics[i]);
        OK(mofka_driver_close(drivers[i], 0));
        mofka_driver_release(drivers[i]);
    }
    heap_job_end(&job);
    return 0;
}

static void push(int first, int count) {
    for (int i = first; i < first + count; i++) {
        char text[32];
        size_t bytes = (size_t)snprintf(text, sizeof text, "{\"n\":%d}", i);
        OK(mofka_producer_push(producer, text, bytes, NULL, MOFKA_ANY_PARTITION, NULL));
        OK(mofka_producer_flush(producer, 1000));
    }
}

static void take(mofka_consumer_t *consumer, int first, int count) {
    for (int i = first; i < first + count; i++) {
        mofka_event_t *event;
        OK(mofka_consumer_pull(consumer, 1000, &event));
        assert_int_equal(mofka_event_id(event), i);
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
}

/* Rank 0 evicts the name, takes it, and has the whole partition written anew. */
static void act(void) {
    mofka_event_t *event;
    OK(mofka_topic_evict(topics[0], "viewer", 0));
    OK(mofka_consumer_create(topics[0], &(mofka_consumer_options_t){.name = "viewer"}, &heir));
    take(heir, 0, 4);
    assert_int_equal(mofka_consumer_pull(heir, 0, &event), MOFKA_ERR_TIMEOUT); /* it publishes */
    push(4, 4);
}

/* Rank 1 stops once, right before its next operation of this kind. */
static const mmi_window_ops_t *whole;
static mmi_window_ops_t hooked;

static void stop_before_get(mmi_window_t *w, int rank, uint64_t offset, void *target,
                            size_t bytes) {
    w->ops = whole;
    act();
    whole->get(w, rank, offset, target, bytes);
}

static bool stop_before_exchange(mmi_window_t *w, int rank, uint64_t offset, uint64_t *expected,
                                 uint64_t value) {
    w->ops = whole;
    act();
    return whole->compare_exchange(w, rank, offset, expected, value);
}

static mmi_window_t *rank_1(void) {
    mmi_window_t *w = ((mmi_topic_t *)topics[1]->self)->w;
    whole = w->ops;
    hooked = *whole;
    w->ops = &hooked;
    return w;
}

/* What lies where its events were is not delivered. */
static void a_fetch_that_was_overtaken_delivers_nothing(void **state) {
    (void)state;
    mofka_event_t *event;
    push(0, 4);
    rank_1();
    hooked.get = stop_before_get;
    FAILS(mofka_consumer_pull(old, 1000, &event), MOFKA_ERR_CLOSED, "was evicted");
    assert_non_null(heir);
    OK(mofka_consumer_close(old));
    mofka_consumer_release(old);
    take(heir, 4, 4);
}

/* Its end leaves the name to who has it now. */
static void an_end_that_was_overtaken_leaves_the_name(void **state) {
    (void)state;
    push(0, 4);
    take(old, 0, 1);
    rank_1();
    hooked.compare_exchange = stop_before_exchange;
    OK(mofka_consumer_close(old));
    mofka_consumer_release(old);
    assert_non_null(heir);
    FAILS(mofka_consumer_create(topics[1], &(mofka_consumer_options_t){.name = "viewer"}, &old),
          MOFKA_ERR_BUSY, "already live");
    take(heir, 4, 4);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test_setup_teardown(a_fetch_that_was_overtaken_delivers_nothing, evict_open,
                                        evict_close),
        cmocka_unit_test_setup_teardown(an_end_that_was_overtaken_leaves_the_name, evict_open,
                                        evict_close),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
