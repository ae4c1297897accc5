/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting: idle ranks sleep, every wait ends in time, and a publisher wakes the waiters. Guards
 * 7. */
#include "support/clock.h"
#include "support/mpi/mpi_main.h"

static mofka_driver_t *driver;
static mofka_topic_t *topic;

static int waiting_setup(void **state) {
    char text[64];
    (void)state;
    snprintf(text, sizeof text, "{\"window\":\"%s\"}", window);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, text, &driver));
    if (rank == 0)
        OK(mofka_driver_create_topic(driver, "topic",
                                     &(mofka_topic_options_t){.options = "{\"partitions\":2}"}));
    OK(mofka_driver_open_topic(driver, "topic", 30000, &topic));
    return 0;
}

static int waiting_teardown(void **state) {
    (void)state;
    mofka_topic_release(topic);
    OK(mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
    return 0;
}

static mofka_consumer_t *waiting_create_consumer(size_t target) {
    char name[16];
    mofka_consumer_t *consumer;
    snprintf(name, sizeof name, "rank-%d", rank);
    OK(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = name, .targets = &target, .target_count = 1},
        &consumer));
    return consumer;
}

static void waiting_end_consumer(mofka_consumer_t *consumer) {
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

/* Fails when a sleeper returns at once (sleep_on without its wait). */
static void idle_waiting_burns_no_core(void **state) {
    (void)state;
    mofka_consumer_t *consumer = waiting_create_consumer(0);
    mofka_event_t *event;
    MPI_Barrier(MPI_COMM_WORLD);
    double wall = clock_seconds(CLOCK_MONOTONIC), cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    FAILS(mofka_consumer_pull(consumer, 1500, &event), MOFKA_ERR_TIMEOUT, "1500 ms");
    wall = clock_seconds(CLOCK_MONOTONIC) - wall;
    cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    assert_true(wall >= 1.5);
    if (cpu > 0.4 * wall)
        fail_msg("rank %d: %.3f s of CPU in %.3f s of waiting", rank, cpu, wall);
    waiting_end_consumer(consumer);
    MPI_Barrier(MPI_COMM_WORLD);
}

/* A producer that waits for room sleeps until its deadline, and no longer. Fails when a sleeper
 * returns at once, and when waiting for room ignores its deadline (room.c: mmi_room_wait). */
static void waiting_for_room_burns_no_core(void **state) {
    (void)state;
    if (rank == 0) {
        mofka_topic_options_t small = {.options =
                                           "{\"partition_bytes\":1024,\"partition_events\":16}"};
        mofka_producer_options_t options = {
            .batch_size = 4, .max_batches = 1, .push_timeout_ms = 1500};
        mofka_topic_t *full;
        mofka_producer_t *producer;
        mofka_consumer_t *consumer;
        OK(mofka_driver_create_topic(driver, "full", &small));
        OK(mofka_driver_open_topic(driver, "full", 0, &full));
        OK(mofka_consumer_create(full, &(mofka_consumer_options_t){.name = "idle"}, &consumer));
        OK(mofka_producer_create(full, &options, &producer));
        for (int i = 0; i < 16; i++)
            OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
        double wall = clock_seconds(CLOCK_MONOTONIC), cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
        mofka_status_t status;
        do /* if the agent's thread gets no core, the flush does not know what it waits for */
            status = mofka_producer_flush(producer, 1500);
        while (status == MOFKA_ERR_POSSIBLY_STORED);
        FAILS(status, MOFKA_ERR_TIMEOUT, "'idle' holds it up");
        wall = clock_seconds(CLOCK_MONOTONIC) - wall;
        cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        assert_true(wall >= 1.5 && wall < 8);
        if (cpu > 0.4 * wall)
            fail_msg("%.3f s of CPU in %.3f s of waiting", cpu, wall);
        OK(mofka_consumer_unsubscribe(consumer)); /* no consumer is left to wait for */
        waiting_end_consumer(consumer);
        consumer = NULL;
        OK(mofka_consumer_create(full, &(mofka_consumer_options_t){.name = "reader"}, &consumer));
        mofka_event_t *event;
        for (int i = 0; i < 16; i++) {
            OK(mofka_consumer_pull(consumer, 20000, &event));
            OK(mofka_event_acknowledge(event));
            mofka_event_release(event);
        }
        FAILS(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_TIMEOUT, ""); /* publishes */
        OK(mofka_producer_close(producer, 20000));
        mofka_producer_release(producer);
        waiting_end_consumer(consumer);
        mofka_topic_release(full);
    }
    MPI_Barrier(MPI_COMM_WORLD);
}

/* Events go back and forth. A lost wake-up costs its waiter 100 ms; a hundred of them would take 10
 * s. Fails, in shm, when the bell is not rung (bell.c: bell_wake). */
static void publishers_wake_readers(void **state) {
    (void)state;
    if (rank > 1 || size == 1)
        return;
    mofka_consumer_t *consumer = waiting_create_consumer((size_t)rank);
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, NULL, &producer));
    double start = clock_seconds(CLOCK_MONOTONIC);
    for (int i = 0; i < 100; i++) {
        mofka_event_t *event;
        for (int turn = 0; turn < 2; turn++) {
            if (turn == rank) {
                OK(mofka_producer_push(producer, "{}", 2, NULL, (size_t)(1 - rank), NULL));
                OK(mofka_producer_flush(producer, 20000));
            } else {
                OK(mofka_consumer_pull(consumer, 20000, &event));
                assert_int_equal(mofka_event_id(event), i);
                OK(mofka_event_acknowledge(event));
                mofka_event_release(event);
            }
        }
    }
    assert_true(clock_seconds(CLOCK_MONOTONIC) - start < 8);
    OK(mofka_producer_close(producer, 20000));
    mofka_producer_release(producer);
    waiting_end_consumer(consumer);
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(idle_waiting_burns_no_core, waiting_setup,
                                        waiting_teardown),
        cmocka_unit_test_setup_teardown(waiting_for_room_burns_no_core, waiting_setup,
                                        waiting_teardown),
        cmocka_unit_test_setup_teardown(publishers_wake_readers, waiting_setup, waiting_teardown),
    };
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
