/* SPDX-License-Identifier: BSD-3-Clause */
/* Damaged memory of another rank, in each window: events around it are delivered, the damage is
 * named and skipped, and a wait names what is not stored. One rank acts; another may own the
 * memory. */
#include "driver/driver.h"
#include "mpi/topic/topic.h"
#include "support/callbacks.h"
#include "support/mpi/mpi_main.h"

static mofka_driver_t *driver;
static mofka_topic_t *topic;
static mofka_producer_t *producer;
static const mmi_partition_t *p;

static int damaged_setup(void **state) {
    char text[64];
    (void)state;
    snprintf(text, sizeof text, "{\"window\":\"%s\",\"owners\":[%d]}", window, size - 1);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, text, &driver));
    return 0;
}

static int damaged_teardown(void **state) {
    (void)state;
    OK(mofka_driver_close(driver, 60000));
    mofka_driver_release(driver);
    return 0;
}

static void damaged_open(const char *name) {
    const mofka_topic_options_t options = {
        .options = "{\"partition_bytes\":4096,\"partition_events\":16}"};
    OK(mofka_driver_create_topic(driver, name, &options));
    OK(mofka_driver_open_topic(driver, name, 0, &topic));
    OK(mofka_producer_create(
        topic, &(mofka_producer_options_t){.batch_size = 8, .push_timeout_ms = 20000}, &producer));
    p = &((const mmi_topic_t *)topic->self)->partitions[0];
}

static mofka_consumer_t *damaged_create_consumer(const char *options) {
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(topic,
                             &(mofka_consumer_options_t){
                                 .name = "reader", .selector = select_all_data, .options = options},
                             &consumer));
    return consumer;
}

static void damaged_end(mofka_consumer_t *consumer) {
    OK(mofka_producer_close(producer, 20000));
    mofka_producer_release(producer);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
}

static void push_batch(int count) {
    static char bytes[] = "0123456789";
    for (int i = 0; i < count; i++) {
        mofka_data_view_t *view;
        OK(mofka_data_view_of(bytes, sizeof bytes, &view));
        OK(mofka_producer_push(producer, "{}", 2, view, 0, NULL));
        mofka_data_view_release(view);
    }
    OK(mofka_producer_flush(producer, 20000));
}

static void change_flag(uint64_t id) {
    uint64_t flag = mmi_flag_load(p, id);
    assert_true(mmi_flag_count(p, id, flag) > 0);
    p->w->ops->exchange(p->w, p->owner, mmi_flag_offset(p, id), flag ^ UINT64_C(1) << 33);
}

static void change_entry(uint64_t id) {
    mmi_entry_t entry;
    mmi_entries_get(p, id, &entry, 1);
    OK(p->w->ops->flush(p->w, p->owner));
    entry.data ^= 64;
    mmi_entries_put(p, id, &entry, 1);
    OK(p->w->ops->flush(p->w, p->owner));
}

static void expect_events(mofka_consumer_t *consumer, uint64_t first, uint64_t last,
                          uint64_t lost) {
    for (uint64_t id = first; id <= last; id++) {
        mofka_event_t *event;
        OK(mofka_consumer_pull(consumer, 20000, &event));
        assert_int_equal(mofka_event_id(event), id);
        assert_int_equal(mofka_event_lost(event), id == first ? lost : 0);
        assert_int_equal(mofka_event_selected_size(event), 11);
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
}

static void expect_damage(mofka_consumer_t *consumer, const char *text, uint64_t count) {
    mofka_event_t *event;
    uint64_t skipped = 99;
    FAILS(mofka_consumer_pull(consumer, 20000, &event), MOFKA_ERR_CORRUPT, text);
    FAILS(mofka_consumer_pull(consumer, 20000, &event), MOFKA_ERR_CORRUPT, text);
    OK(mofka_consumer_skip_damaged(consumer, &skipped));
    assert_int_equal(skipped, count);
}

static void damage_is_named_and_skipped(void **state) {
    (void)state;
    if (rank > 0)
        return;
    damaged_open("named");
    mofka_consumer_t *consumer = damaged_create_consumer(NULL);
    push_batch(2);
    push_batch(3);
    push_batch(4);
    change_flag(2);
    change_entry(6);
    expect_events(consumer, 0, 1, 0);
    expect_damage(consumer, "topic 'named', partition 0: the flag of events 2 to 4 is damaged", 3);
    expect_events(consumer, 5, 5, 3);
    expect_damage(consumer, "topic 'named', partition 0: the entry of event 6 is damaged", 1);
    expect_events(consumer, 7, 8, 1);
    assert_int_equal(mofka_consumer_lost(consumer), 4);
    /* And the partition is used on, for several laps. */
    for (uint64_t id = 9; id < 60; id += 3) {
        push_batch(3);
        expect_events(consumer, id, id + 2, 0);
    }
    damaged_end(consumer);
}

static void the_option_skips_damage(void **state) {
    (void)state;
    if (rank > 0)
        return;
    damaged_open("option");
    mofka_log_set_level(MOFKA_LOG_ERROR);
    mofka_consumer_t *consumer = damaged_create_consumer("{\"skip_damaged\":true}");
    push_batch(2);
    push_batch(3);
    push_batch(1);
    change_flag(2);
    expect_events(consumer, 0, 1, 0);
    expect_events(consumer, 5, 5, 3);
    mofka_log_set_level(MOFKA_LOG_WARN);
    damaged_end(consumer);
}

/* Nobody stores what was reserved. */
static void a_wait_names_what_is_not_stored(void **state) {
    (void)state;
    if (rank > 0)
        return;
    damaged_open("hole");
    mofka_consumer_t *consumer = damaged_create_consumer(NULL);
    mofka_event_t *event;
    push_batch(2);
    p->w->ops->fetch_add(p->w, p->owner, p->base + MMI_CONTROL(reservation),
                         mmi_reservation_of(1, 1));
    push_batch(1);
    expect_events(consumer, 0, 1, 0);
    /* What it waits for is left out if it is not found out soon. */
    do
        FAILS(mofka_consumer_pull(consumer, 300, &event), MOFKA_ERR_TIMEOUT, "");
    while (!strstr(mofka_last_error(), "partition 0: event 2 was reserved and is not stored"));
    damaged_end(consumer);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(damage_is_named_and_skipped, damaged_setup,
                                        damaged_teardown),
        cmocka_unit_test_setup_teardown(the_option_skips_damage, damaged_setup, damaged_teardown),
        cmocka_unit_test_setup_teardown(a_wait_names_what_is_not_stored, damaged_setup,
                                        damaged_teardown),
    };
    mpi_main_start(&argc, &argv);
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
