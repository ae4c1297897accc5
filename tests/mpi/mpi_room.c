/* SPDX-License-Identifier: BSD-3-Clause */
/* Room: acknowledged events make room for their partition's producers, soon and in every case. A
 * push that found no room leaves nothing behind. Guards 4 and 5. One rank acts; another may own the
 * memory. */
#include "support/callbacks.h"
#include "support/mpi/mpi_main.h"

static mofka_driver_t *driver;

static int room_setup(void **state) {
    char text[64];
    (void)state;
    snprintf(text, sizeof text, "{\"window\":\"%s\"}", window);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, text, &driver));
    return 0;
}

static int room_teardown(void **state) {
    (void)state;
    OK(mofka_driver_close(driver, 60000));
    mofka_driver_release(driver);
    return 0;
}

static mofka_topic_t *room_create_topic(const char *options) {
    mofka_topic_t *topic;
    OK(mofka_driver_create_topic(driver, "topic", &(mofka_topic_options_t){.options = options}));
    OK(mofka_driver_open_topic(driver, "topic", 0, &topic));
    return topic;
}

static mofka_consumer_t *room_create_consumer(mofka_topic_t *topic, bool data) {
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(
        topic,
        &(mofka_consumer_options_t){.name = "reader", .selector = data ? select_all_data : NULL},
        &consumer));
    return consumer;
}

static mofka_producer_t *room_create_producer(mofka_topic_t *topic, size_t batch_size) {
    mofka_producer_t *producer;
    mofka_producer_options_t options = {
        .batch_size = batch_size, .linger_ms = 60000, .push_timeout_ms = 2000};
    OK(mofka_producer_create(topic, &options, &producer));
    return producer;
}

static void room_push_bytes(mofka_producer_t *producer, size_t bytes, size_t partition) {
    mofka_data_view_t *view;
    OK(mofka_data_view_allocate(bytes, &view));
    OK(mofka_producer_push(producer, "{}", 2, view, partition, NULL));
    mofka_data_view_release(view);
}

static void room_take_event(mofka_consumer_t *consumer, bool acknowledge) {
    mofka_event_t *event;
    OK(mofka_consumer_pull(consumer, 20000, &event));
    if (acknowledge)
        OK(mofka_event_acknowledge(event));
    mofka_event_release(event);
}

static void room_end(mofka_consumer_t *consumer, mofka_producer_t *producer, mofka_topic_t *topic) {
    mofka_event_t *event;
    while (mofka_consumer_pull(consumer, 0, &event) == MOFKA_OK) {
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
    OK(mofka_producer_close(producer, 20000));
    mofka_producer_release(producer);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
}

/* A run that its bytes limit ends at a batch's end. Fails when only the end of the last batch that
 * was read counts as one (mpi/consumer/reader.c: mmi_reader_end_of_batch). */
static void large_events_make_room_one_by_one(void **state) {
    (void)state;
    if (rank == 0) {
        mofka_topic_t *topic = room_create_topic(NULL);
        mofka_consumer_t *consumer = room_create_consumer(topic, true);
        mofka_producer_t *producer = room_create_producer(topic, 1);
        mofka_event_t *none;
        for (int i = 0; i < 8; i++)
            room_push_bytes(producer, 1000000, 0);
        OK(mofka_producer_flush(producer, 20000));
        for (int i = 0; i < 8; i++)
            room_take_event(consumer, i < 7);
        FAILS(mofka_consumer_pull(consumer, 0, &none), MOFKA_ERR_TIMEOUT, "");
        for (int i = 0; i < 7; i++)
            room_push_bytes(producer, 1000000, 0);
        OK(mofka_producer_flush(producer, 2000));
        room_end(consumer, producer, topic);
    }
    MPI_Barrier(MPI_COMM_WORLD);
}

/* A poll of a future sends without waiting. If there is no room, nothing is reserved, although
 * there was room when this producer last looked. Fails when it does not look again. */
static void a_poll_leaves_no_hole(void **state) {
    (void)state;
    if (rank == 0) {
        mofka_topic_t *topic = room_create_topic("{\"partition_events\":16}");
        mofka_consumer_t *consumer = room_create_consumer(topic, false);
        mofka_producer_t *poller = room_create_producer(topic, 2),
                         *other = room_create_producer(topic, 1);
        mofka_future_t *future;
        OK(mofka_producer_push(poller, "{}", 2, NULL, 0, NULL));
        OK(mofka_producer_flush(poller, 20000));
        for (int i = 0; i < 15; i++)
            OK(mofka_producer_push(other, "{}", 2, NULL, 0, NULL));
        OK(mofka_producer_flush(other, 20000));
        OK(mofka_producer_push(poller, "{}", 2, NULL, 0, &future));
        assert_false(mofka_future_completed(future));
        assert_int_equal(mofka_future_delivery(future), MOFKA_NOT_STORED);
        for (int i = 0; i < 16; i++)
            room_take_event(consumer, true);
        /* A pull that waits publishes the acknowledgements: then the poller's event has room. */
        room_take_event(consumer, true);
        OK(mofka_producer_push(other, "{}", 2, NULL, 0, NULL));
        OK(mofka_producer_flush(other, 20000));
        room_take_event(consumer, true); /* not behind a hole */
        OK(mofka_future_wait(future, 20000, NULL));
        mofka_future_release(future);
        OK(mofka_producer_close(other, 20000));
        mofka_producer_release(other);
        room_end(consumer, poller, topic);
    }
    MPI_Barrier(MPI_COMM_WORLD);
}

/* A partition makes room although another one is read all the time. Fails when only the partition
 * that was just read publishes its acknowledgements (mpi/consumer/consumer.c:
 * mmi_consumer_fetch). */
static void a_busy_partition_holds_no_other_up(void **state) {
    (void)state;
    if (rank == 0) {
        mofka_topic_t *topic = room_create_topic("{\"partitions\":2,\"partition_events\":64}");
        mofka_consumer_t *consumer = room_create_consumer(topic, false);
        mofka_producer_t *producer = room_create_producer(topic, 1);
        for (int i = 0; i < 64; i++)
            OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
        OK(mofka_producer_flush(producer, 20000));
        for (int i = 0; i < 64; i++)
            room_take_event(consumer, true);
        for (int i = 0; i < 4; i++) { /* never a pull that finds nothing */
            OK(mofka_producer_push(producer, "{}", 2, NULL, 1, NULL));
            OK(mofka_producer_flush(producer, 20000));
            room_take_event(consumer, true);
        }
        for (int i = 0; i < 64; i++)
            OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
        OK(mofka_producer_flush(producer, 2000));
        room_end(consumer, producer, topic);
    }
    MPI_Barrier(MPI_COMM_WORLD);
}

/* A large event is stored though small ones take all room that becomes free. Fails when a batch is
 * reserved only if it has room (mpi/producer/turn.c). */
static void a_large_event_gets_its_turn(void **state) {
    (void)state;
    if (rank == 0) {
        mofka_topic_t *topic = room_create_topic("{\"partition_bytes\":65536}");
        mofka_consumer_t *consumer = room_create_consumer(topic, false);
        mofka_producer_t *large = room_create_producer(topic, 1), *small;
        mofka_producer_options_t hasty = {
            .batch_size = 1, .max_batches = 1, .linger_ms = 60000, .push_timeout_ms = 1};
        mofka_data_view_t *view;
        mofka_future_t *future;
        OK(mofka_producer_create(topic, &hasty, &small));
        OK(mofka_data_view_allocate(48000, &view));
        int accepted = 0, taken = 0;
        while (mofka_producer_push(small, "{}", 2, NULL, 0, NULL) == MOFKA_OK)
            accepted++;
        OK(mofka_producer_push(large, "{}", 2, view, 0, &future));
        while (!mofka_future_completed(future)) {
            room_take_event(consumer, true);
            taken++;
            while (mofka_producer_push(small, "{}", 2, NULL, 0, NULL) == MOFKA_OK)
                accepted++;
        }
        OK(mofka_future_wait(future, 0, NULL));
        mofka_future_release(future);
        mofka_data_view_release(view);
        for (; taken < accepted + 1; taken++)
            room_take_event(consumer, true);
        OK(mofka_producer_close(small, 20000));
        mofka_producer_release(small);
        room_end(consumer, large, topic);
    }
    MPI_Barrier(MPI_COMM_WORLD);
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(large_events_make_room_one_by_one, room_setup,
                                        room_teardown),
        cmocka_unit_test_setup_teardown(a_poll_leaves_no_hole, room_setup, room_teardown),
        cmocka_unit_test_setup_teardown(a_large_event_gets_its_turn, room_setup, room_teardown),
        cmocka_unit_test_setup_teardown(a_busy_partition_holds_no_other_up, room_setup,
                                        room_teardown),
    };
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
