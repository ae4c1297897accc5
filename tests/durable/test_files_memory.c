/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver "files", from its creation to its close, over and over, with one more allocation that
 * succeeds each time until none fails: each failure is a status, and leaves nothing behind. What is
 * in the store then is what was stored.
 */
#include <inttypes.h>
#include "support/check.h"
#include "support/failing_memory.h"

static char folder[64];
static bool for_good; /* all allocations after the one that fails, too */

#define EVENTS 12
#define DATA_BYTES 100

typedef struct things {
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    mofka_data_view_t *view;
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

static int files_memory_setup(void **state) {
    (void)state;
    strcpy(folder, "/dev/shm/mofka-files-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int files_memory_teardown(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static mofka_status_t files_memory_open(things_t *t) {
    char options[128];
    snprintf(options, sizeof options, "{\"store\":\"%s\",\"sync_ms\":10000}", folder);
    TRY(mofka_driver_create("files", options, &t->driver));
    mofka_status_t status = mofka_driver_create_topic(
        t->driver, "t", &(mofka_topic_options_t){.options = "{\"partitions\":2}"});
    if (status && status != MOFKA_ERR_EXISTS)
        return status;
    TRY(mofka_driver_open_topic(t->driver, "t", 0, &t->topic));
    TRY(mofka_producer_create(t->topic, &(mofka_producer_options_t){.batch_size = 4},
                              &t->producer));
    return mofka_consumer_create(
        t->topic, &(mofka_consumer_options_t){.name = "a", .selector = mofka_consumer_select_all},
        &t->consumer);
}

static mofka_status_t files_memory_push(things_t *t) {
    TRY(mofka_data_view_allocate(DATA_BYTES, &t->view));
    for (size_t i = 0; i < EVENTS; i++)
        TRY(mofka_producer_push(t->producer, "{\"a\":1}", 7, t->view, i % 2, NULL));
    return mofka_producer_flush(t->producer, 10000);
}

static mofka_status_t files_memory_pull(things_t *t) {
    for (int i = 0; i < EVENTS; i++) {
        TRY(mofka_consumer_pull(t->consumer, 10000, &t->event));
        assert_string_equal(mofka_event_metadata_text(t->event, NULL), "{\"a\":1}");
        assert_int_equal(mofka_data_view_size(mofka_event_data(t->event)), DATA_BYTES);
        TRY(mofka_event_acknowledge(t->event));
        mofka_event_release(t->event);
        t->event = NULL;
    }
    return mofka_driver_stats(t->driver, 1000, &t->metadata);
}

/* Whatever there is; none of this may fail for want of memory. */
static void files_memory_end(things_t *t) {
    mofka_metadata_release(t->metadata);
    mofka_event_release(t->event);
    if (t->consumer)
        OK(mofka_consumer_close(t->consumer));
    mofka_consumer_release(t->consumer);
    if (t->producer)
        mofka_producer_close(t->producer, 10000); /* it reports failed pushes */
    mofka_producer_release(t->producer);
    mofka_data_view_release(t->view);
    mofka_topic_release(t->topic);
    if (t->driver)
        OK(mofka_driver_close(t->driver, 10000));
    mofka_driver_release(t->driver);
}

static mofka_status_t files_memory_run(long allowed) {
    things_t things = {0};
    memory_fail_after(allowed, for_good);
    mofka_status_t status = files_memory_open(&things);
    if (!status)
        status = files_memory_push(&things);
    if (!status)
        status = files_memory_pull(&things);
    memory_fail_no_more();
    files_memory_end(&things);
    return status;
}

/* Each partition has whole events, with ids from 0 on. */
static void files_memory_check(void) {
    things_t t = {0};
    uint64_t next[2] = {0};
    OK(files_memory_open(&t));
    OK(mofka_consumer_unsubscribe(t.consumer));
    OK(mofka_consumer_close(t.consumer));
    mofka_consumer_release(t.consumer);
    OK(mofka_topic_mark_complete(t.topic, 1000));
    OK(mofka_consumer_create(
        t.topic, &(mofka_consumer_options_t){.name = "b", .selector = mofka_consumer_select_all},
        &t.consumer));
    for (;;) {
        OK(mofka_consumer_pull(t.consumer, 10000, &t.event));
        if (mofka_event_is_end(t.event))
            break;
        assert_int_equal(mofka_event_id(t.event), next[mofka_event_partition(t.event)]++);
        assert_int_equal(mofka_data_view_size(mofka_event_data(t.event)), DATA_BYTES);
        mofka_event_release(t.event);
    }
    assert_true(next[0] >= EVENTS / 2 && next[1] >= EVENTS / 2);
    files_memory_end(&t);
}

static void each_allocation_of_files_may_fail(void **state) {
    for_good = *(const bool *)*state;
    OK(files_memory_run(-1)); /* one-time allocations are made before the count */
    long before = memory_live(), allowed = 0;
    /* With all later ones failing, every third place is enough. */
    for (bool whole = false; !whole; allowed += for_good ? 3 : 1) {
        mofka_status_t status = files_memory_run(allowed);
        whole = !memory_failed();
        if (memory_live() != before)
            fail_msg("after %ld allocations: %ld are left", allowed, memory_live() - before);
        /* What an index does not hold is looked for: a hint needs no memory. */
        if (status && (whole || status != MOFKA_ERR_MEMORY))
            fail_msg("after %ld allocations: %s: %s", allowed, mofka_status_name(status),
                     mofka_last_error());
    }
    assert_true(allowed > 100);
    files_memory_check();
}

int main(void) {
    static bool one = false, all = true;
    const struct CMUnitTest cases[] = {
        cmocka_unit_test_prestate_setup_teardown(each_allocation_of_files_may_fail,
                                                 files_memory_setup, files_memory_teardown, &one),
        cmocka_unit_test_prestate_setup_teardown(each_allocation_of_files_may_fail,
                                                 files_memory_setup, files_memory_teardown, &all),
    };
    memory_start();
    return cmocka_run_group_tests(cases, NULL, NULL);
}
