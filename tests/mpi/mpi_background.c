/* SPDX-License-Identifier: BSD-3-Clause */
/* A producer without workers: what lingers, and what found no room, is sent without a call of the
 * user. Users' callbacks run in the user's threads. Rank 0 acts; rank 1 owns the memory. */
#include <pthread.h>
#include "support/callbacks.h"
#include "support/mpi/mpi_main.h"

static mofka_driver_t *driver;
static mofka_topic_t *topic;
static mofka_producer_t *producer;
static mofka_consumer_t *consumer;

static int background_setup(void **state) {
    static int number;
    char name[16];
    (void)state;
    snprintf(name, sizeof name, "topic%d", number++);
    OK(mofka_driver_create_topic(driver, name,
                                 &(mofka_topic_options_t){.options = "{\"partition_events\":8}"}));
    OK(mofka_driver_open_topic(driver, name, 0, &topic));
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.batch_size = 2}, &producer));
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "reader"}, &consumer));
    return 0;
}

static int background_teardown(void **state) {
    (void)state;
    OK(mofka_producer_close(producer, 60000));
    mofka_producer_release(producer);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
    return 0;
}

static void background_pull(uint64_t id) {
    mofka_event_t *event;
    OK(mofka_consumer_pull(consumer, 60000, &event));
    assert_int_equal(mofka_event_id(event), id);
    OK(mofka_event_acknowledge(event));
    mofka_event_release(event);
}

static pthread_t freed_by;
static int freed;

static void note_free(void *context) {
    (void)context;
    freed++;
    freed_by = pthread_self();
}

static void a_batch_is_sent_when_it_has_lingered(void **state) {
    static char bytes[] = "data";
    mofka_data_view_t *view;
    (void)state;
    freed = 0;
    OK(mofka_data_view_create(&(mofka_segment_t){bytes, sizeof bytes}, 1, note_free, NULL, &view));
    OK(mofka_producer_push(producer, "{}", 2, view, 0, NULL));
    mofka_data_view_release(view);
    background_pull(0);
    assert_int_equal(freed, 0);
    OK(mofka_producer_flush(producer, 60000));
    assert_int_equal(freed, 1);
    assert_true(pthread_equal(freed_by, pthread_self()));
}

/* 20 events through a partition of 8: the last ones wait in the producer. */
static void a_batch_without_room_is_tried_again(void **state) {
    mofka_producer_t *hasty;
    (void)state;
    OK(mofka_producer_create(
        topic,
        &(mofka_producer_options_t){
            .batch_size = 2, .max_batches = 8, .linger_ms = 600000, .push_timeout_ms = 1},
        &hasty));
    for (int i = 0; i < 20; i++)
        OK(mofka_producer_push(hasty, "{}", 2, NULL, 0, NULL));
    for (uint64_t id = 0; id < 20; id++)
        background_pull(id);
    OK(mofka_producer_close(hasty, 60000));
    mofka_producer_release(hasty);
}

int main(int argc, char **argv) {
    char text[64];
    mpi_main_start(&argc, &argv);
    snprintf(text, sizeof text, "{\"window\":\"%s\",\"owners\":[1]}", window);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, text, &driver));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_batch_is_sent_when_it_has_lingered, background_setup,
                                        background_teardown),
        cmocka_unit_test_setup_teardown(a_batch_without_room_is_tried_again, background_setup,
                                        background_teardown),
    };
    int failed = rank == 0 ? RUN_MPI_TESTS(tests) : 0;
    if (failed)
        mpi_main_abort();
    OK(mofka_driver_close(driver, 60000));
    mofka_driver_release(driver);
    return mpi_main_end(failed);
}
