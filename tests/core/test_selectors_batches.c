/* SPDX-License-Identifier: BSD-3-Clause */
/* Partition selectors that follow a producer's batches, over scripted answers: sticky, and tables
 * of older builds, which know of no batches; and how long a push to them waits. */
#include <stdatomic.h>
#include "support/scripted_backend.h"
#include <mofka/register.h>

static void batches_refuse_config(const char *json, mofka_status_t status, const char *text) {
    mofka_partition_selector_t *selector;
    FAILS(mofka_partition_selector_from_metadata(json, &selector), status, text);
}

/* ---- sticky ---------------------------------------------------------------------------------- */

static mofka_producer_t *producer_by(const char *selector) {
    memset(&script, 0, sizeof script);
    script.selector = selector;
    mofka_topic_release(topic);
    OK(mofka_driver_open_topic(driver, "topic", 0, &topic));
    return scripted_create_producer(2);
}

static void batches_push_bytes(mofka_producer_t *producer, size_t bytes) {
    static const char blanks[1024];
    OK(mofka_producer_push(producer, blanks, bytes, NULL, MOFKA_ANY_PARTITION, NULL));
}

/* Batches that 48 events make when every 6 of them are flushed; 4 fit into one. */
static size_t batches_of(const char *selector) {
    mofka_producer_t *producer = producer_by(selector);
    for (int i = 1; i <= 48; i++) {
        batches_push_bytes(producer, 2);
        if (i % 6 == 0)
            OK(mofka_producer_flush(producer, 1000));
    }
    size_t calls = script.calls;
    scripted_end_producer(producer);
    assert_int_equal(script.appended, 48);
    return calls;
}

static void sticky_batches_are_fuller(void **state) {
    (void)state;
    assert_int_equal(batches_of("{\"type\":\"default\"}"), 24); /* 2 + 2 + 2 */
    assert_int_equal(batches_of("{\"type\":\"sticky\"}"), 16);  /* 4 + 2 */
}

/* 300 of 1024 bytes: the fourth does not fit, and goes with the next partition's. */
static void sticky_leaves_nothing_behind(void **state) {
    (void)state;
    mofka_producer_t *producer = producer_by("{\"type\":\"sticky\"}");
    for (int i = 0; i < 36; i++)
        batches_push_bytes(producer, 300);
    OK(mofka_producer_flush(producer, 1000));
    assert_int_equal(script.calls, 12);
    for (int i = 0; i < PARTITIONS; i++)
        assert_int_equal(script.appended_to[i], 12);
    scripted_end_producer(producer);
}

static void sticky_goes_round_and_honours_requests(void **state) {
    (void)state;
    mofka_producer_t *producer = producer_by("{\"type\":\"sticky\"}");
    for (int i = 0; i < 48; i++) { /* what was asked for does not move it */
        batches_push_bytes(producer, 2);
        OK(mofka_producer_push(producer, "", 0, NULL, 4, NULL));
    }
    OK(mofka_producer_flush(producer, 1000));
    assert_true(script.appended_to[1] >= 48);
    assert_int_equal(script.appended, 96);
    assert_true(script.appended_to[0] >= 12 && script.appended_to[2] >= 12);
    scripted_end_producer(producer);
    batches_refuse_config("{\"type\":\"sticky\",\"pointer\":\"/x\"}", MOFKA_ERR_OPTION,
                          "\"pointer\"");
}

/* ---- tables ---------------------------------------------------------------------------------- */

static _Atomic size_t notified[PARTITIONS];

static mofka_status_t set_none(void *self, const mofka_metadata_t *const *partitions,
                               size_t count) {
    (void)self, (void)partitions, (void)count;
    return MOFKA_OK;
}

static mofka_status_t select_last(void *self, const char *metadata, size_t bytes, size_t requested,
                                  size_t *partition) {
    (void)self, (void)metadata, (void)bytes, (void)requested;
    *partition = PARTITIONS - 1;
    return MOFKA_OK;
}

static void notify_count(void *self, size_t partition) {
    (void)self;
    notified[partition]++;
}

static mofka_status_t only_three(void *self, size_t count) {
    (void)self;
    return count == 3 ? MOFKA_OK : mofka_fail(MOFKA_ERR_RANGE, "%zu partitions are not 3", count);
}

static mofka_partition_selector_ops_t table = {.set_partitions = set_none,
                                               .select = select_last,
                                               .batch_left = notify_count,
                                               .check_count = only_three};

static mofka_status_t create_last(const mofka_metadata_t *metadata,
                                  const mofka_partition_selector_ops_t **ops, void **self) {
    (void)metadata;
    *ops = &table;
    *self = NULL;
    return MOFKA_OK;
}

/* Slots were added later: a table of an older build ends before them, and is not read beyond. */
static void tables_without_the_last_slots_are_valid(void **state) {
    (void)state;
    static const size_t sizes[] = {offsetof(mofka_partition_selector_ops_t, batch_left),
                                   offsetof(mofka_partition_selector_ops_t, check_count),
                                   sizeof table};
    OK(mofka_partition_selector_register("last", create_last));
    for (size_t build = 0; build < 3; build++) {
        notified[PARTITIONS - 1] = 0;
        table.size = sizes[build];
        mofka_producer_t *producer = producer_by("{\"type\":\"last\"}");
        for (int i = 0; i < 6; i++)
            batches_push_bytes(producer, 2);
        scripted_end_producer(producer);
        assert_int_equal(notified[PARTITIONS - 1], build > 0 ? 2 : 0); /* 4 + 2 */
        assert_int_equal(notified[0], 0);
        OK(mofka_partition_selector_check_count("{\"type\":\"last\"}", 3));
        if (build < 2)
            OK(mofka_partition_selector_check_count("{\"type\":\"last\"}", 4));
        else
            FAILS(mofka_partition_selector_check_count("{\"type\":\"last\"}", 4), MOFKA_ERR_RANGE,
                  "4 partitions are not 3");
    }
    table.size = 8;
    batches_refuse_config("{\"type\":\"last\"}", MOFKA_ERR_INVALID, "incomplete");
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static _Atomic size_t current;

static mofka_status_t select_current(void *self, const char *metadata, size_t bytes,
                                     size_t requested, size_t *partition) {
    (void)self, (void)metadata, (void)bytes;
    *partition = requested == MOFKA_ANY_PARTITION ? current : requested;
    return MOFKA_OK;
}

static void move_on(void *self, size_t partition) {
    (void)self;
    if (partition == current)
        current = (partition + 1) % PARTITIONS;
}

static mofka_status_t create_following(const mofka_metadata_t *metadata,
                                       const mofka_partition_selector_ops_t **ops, void **self) {
    static const mofka_partition_selector_ops_t following = {
        .size = offsetof(mofka_partition_selector_ops_t, check_count),
        .set_partitions = set_none,
        .select = select_current,
        .batch_left = move_on};
    (void)metadata;
    *ops = &following;
    *self = NULL;
    return MOFKA_OK;
}

/* The batch that makes way finds no room. The partition that gets the event instead has no place,
 * either. */
static void making_way_and_waiting_for_a_place_have_one_deadline(void **state) {
    (void)state;
    OK(mofka_partition_selector_register("following", create_following));
    mofka_producer_t *producer;
    script.selector = "{\"type\":\"following\"}";
    script.waits = true;
    for (int i = 0; i < 8; i++)
        script.answers[i] = MOFKA_ERR_TIMEOUT;
    mofka_topic_release(topic);
    OK(mofka_driver_open_topic(driver, "topic", 0, &topic));
    OK(mofka_producer_create(
        topic,
        &(mofka_producer_options_t){.max_batches = 1, .push_timeout_ms = 100, .linger_ms = 100000},
        &producer));
    for (int i = 0; i < 4; i++) /* a full batch that stays */
        OK(mofka_producer_push(producer, "", 0, NULL, 1, NULL));
    for (int i = 0; i < 3; i++)
        batches_push_bytes(producer, 300);
    assert_int_equal(current, 0);
    script.waited_ms = 0;
    static const char blanks[300];
    FAILS(mofka_producer_push(producer, blanks, 300, NULL, MOFKA_ANY_PARTITION, NULL),
          MOFKA_ERR_TIMEOUT, "");
    assert_int_equal(current, 1);
    IN_RANGE(script.waited_ms, 50, 105);
    memset(script.answers, 0, sizeof script.answers);
    OK(mofka_producer_flush(producer, 1000));
    assert_int_equal(script.appended, 7);
    scripted_end_producer(producer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(sticky_batches_are_fuller),
        CASE(sticky_leaves_nothing_behind),
        CASE(sticky_goes_round_and_honours_requests),
        CASE(tables_without_the_last_slots_are_valid),
        CASE(making_way_and_waiting_for_a_place_have_one_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
