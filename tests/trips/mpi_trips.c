/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The round trips of this library's calls in an rma window, counted by count_mpi.c. The figures
 * stand in one table, `pinned`. A change of a protocol changes them there, and in
 * benchmarks/MODEL.md.
 *
 * Rank 1 makes all calls. The directory is at rank 0, and rank 2 owns all partitions, so everything
 * is at another rank. None of the figures depends on time: see trips_append.
 * The last rows are calls of rank 2 at itself.
 */
#include "support/callbacks.h"
#include "support/clock.h"
#include "support/mpi/mpi_main.h"
#include "trips/count_mpi.h"

/* Both are longer than a producer's hint of the partition's state lives. */
#define LONG_MS 1100
#define LINGER_MS 50
#define REPEATS 50
#define RUN_EVENTS 16

typedef enum trips {
    TRIPS_CREATE_DRIVER,
    TRIPS_CREATE_TOPIC,
    TRIPS_CREATE_SECOND,
    TRIPS_CREATE_FOUR,
    TRIPS_CREATE_OWNERS,
    TRIPS_OPEN_FIRST,
    TRIPS_OPEN_THIRD,
    TRIPS_CREATE_PRODUCER,
    TRIPS_APPEND_FIRST,
    TRIPS_APPEND,
    TRIPS_APPEND_DATA,
    TRIPS_APPEND_LATE,
    TRIPS_APPEND_LINGERED,
    TRIPS_APPEND_FOUR,
    TRIPS_CLOSE_PRODUCER,
    TRIPS_CREATE_CONSUMER,
    TRIPS_PULL_RUN,
    TRIPS_PULL_DATA,
    TRIPS_ACKNOWLEDGE,
    TRIPS_LOOK,
    TRIPS_WAIT,
    TRIPS_CLOSE_CONSUMER,
    TRIPS_WAIT_RUNG,
    TRIPS_RUNG,
    TRIPS_OWN_APPEND,
    TRIPS_OWN_PULL,
    TRIPS_COUNT
} trips_t;

static const struct trips_row {
    const char *what;
    uint64_t trips;
    int rank;   /* that calls */
    int target; /* what is counted: COUNT_OTHERS or COUNT_SELF */
} pinned[TRIPS_COUNT] = {
    [TRIPS_CREATE_DRIVER] = {"create a driver: its window is tried", 3, 1, COUNT_OTHERS},
    [TRIPS_CREATE_TOPIC] = {"create a topic of 1 partition, the first", 8, 1, COUNT_OTHERS},
    [TRIPS_CREATE_SECOND] = {"create a topic of 1 partition, the second", 8, 1, COUNT_OTHERS},
    [TRIPS_CREATE_FOUR] = {"create a topic of 4 partitions, the third", 11, 1, COUNT_OTHERS},
    [TRIPS_CREATE_OWNERS] = {"create a topic among 2 owners, the first", 8, 1, COUNT_OTHERS},
    [TRIPS_OPEN_FIRST] = {"open the first topic", 1, 1, COUNT_OTHERS},
    [TRIPS_OPEN_THIRD] = {"open the third topic", 1, 1, COUNT_OTHERS},
    [TRIPS_CREATE_PRODUCER] = {"create a producer", 1, 1, COUNT_OTHERS},
    [TRIPS_APPEND_FIRST] = {"append its first batch", 3, 1, COUNT_OTHERS},
    [TRIPS_APPEND] = {"append a batch at once after another", 2, 1, COUNT_OTHERS},
    [TRIPS_APPEND_DATA] = {"append a batch with data, the same", 2, 1, COUNT_OTHERS},
    [TRIPS_APPEND_LATE] = {"append a batch a second after another", 3, 1, COUNT_OTHERS},
    [TRIPS_APPEND_LINGERED] = {"append a batch that lingered", 2, 1, COUNT_OTHERS},
    [TRIPS_APPEND_FOUR] = {"append to 4 partitions of one owner", 2, 1, COUNT_OTHERS},
    [TRIPS_CLOSE_PRODUCER] = {"close a producer, which is counted", 3, 1, COUNT_OTHERS},
    [TRIPS_CREATE_CONSUMER] = {"create a consumer of 1 partition", 9, 1, COUNT_OTHERS},
    [TRIPS_PULL_RUN] = {"pull a run of one batch", 1, 1, COUNT_OTHERS},
    [TRIPS_PULL_DATA] = {"pull a run of one batch with its data", 1, 1, COUNT_OTHERS},
    [TRIPS_ACKNOWLEDGE] = {"look, and publish acknowledgements", 4, 1, COUNT_OTHERS},
    [TRIPS_LOOK] = {"look of an idle consumer", 2, 1, COUNT_OTHERS},
    [TRIPS_WAIT] = {"an idle consumer waits for 1 s, at most", 200, 1, COUNT_OTHERS},
    /* With the lock, so that no eviction comes in between. */
    [TRIPS_CLOSE_CONSUMER] = {"close a consumer", 5, 1, COUNT_OTHERS},
    [TRIPS_WAIT_RUNG] = {"the same, rung by an owner that runs a thread", 4, 1, COUNT_OTHERS},
    [TRIPS_RUNG] = {"look, be rung, and pull the event, at most", 3, 1, COUNT_OTHERS},
    [TRIPS_OWN_APPEND] = {"an owner appends at once after another", 1, 2, COUNT_SELF},
    [TRIPS_OWN_PULL] = {"an owner pulls a run of one batch", 0, 2, COUNT_SELF},
};

static uint64_t measured[TRIPS_COUNT];
static count_t trips_before;

static int trips_target(void) {
    return rank == 2 ? COUNT_SELF : COUNT_OTHERS;
}

static void trips_start(void) {
    trips_before = count_read(trips_target());
}

static count_t trips_made(void) {
    count_t now = count_read(trips_target());
    return count_minus(&now, &trips_before);
}

static void trips_note(trips_t row, const count_t *made) {
    assert_int_equal(pinned[row].rank, rank);
    assert_int_equal(pinned[row].target, trips_target());
    measured[row] = made->trips;
    printf("%-40s ", pinned[row].what);
    count_print(stdout, made);
}

static void trips_stop(trips_t row) {
    count_t made = trips_made();
    trips_note(row, &made);
}

/* ---- topics ---------------------------------------------------------------------------------- */

static mofka_topic_t *trips_create_topic(mofka_driver_t *driver, const char *name,
                                         const char *options, trips_t create_row) {
    mofka_topic_t *topic;
    trips_start();
    OK(mofka_driver_create_topic(driver, name, &(mofka_topic_options_t){.options = options}));
    trips_stop(create_row);
    OK(mofka_driver_open_topic(driver, name, 0, &topic));
    return topic;
}

static void trips_open_topic(mofka_driver_t *driver, const char *name, trips_t row) {
    mofka_topic_t *topic;
    trips_start();
    OK(mofka_driver_open_topic(driver, name, 0, &topic));
    trips_stop(row);
    mofka_topic_release(topic);
}

/* ---- producer -------------------------------------------------------------------------------- */

static void trips_push(mofka_producer_t *producer, mofka_data_view_t *data) {
    OK(mofka_producer_push(producer, "{}", 2, data, MOFKA_ANY_PARTITION, NULL));
}

/* The least of some repeats: if a rank is interrupted in between, a hint is too old, and that
 * repeat takes more. */
static void trips_append(mofka_producer_t *producer, mofka_data_view_t *data, trips_t row) {
    count_t least = {.trips = UINT64_MAX};
    for (int i = 0; i < REPEATS; i++) {
        trips_start();
        trips_push(producer, data);
        OK(mofka_producer_flush(producer, 10000));
        count_t made = trips_made();
        least = made.trips < least.trips ? made : least;
    }
    trips_note(row, &least);
}

static void trips_produce(mofka_topic_t *topic) {
    mofka_producer_t *producer;
    mofka_data_view_t *data;
    OK(mofka_data_view_allocate(1000, &data));
    trips_start();
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.batch_size = 1}, &producer));
    trips_stop(TRIPS_CREATE_PRODUCER);
    trips_start();
    trips_push(producer, NULL);
    OK(mofka_producer_flush(producer, 10000));
    trips_stop(TRIPS_APPEND_FIRST);
    trips_append(producer, NULL, TRIPS_APPEND);
    trips_append(producer, data, TRIPS_APPEND_DATA);
    clock_sleep_ms(LONG_MS);
    trips_start();
    trips_push(producer, NULL);
    OK(mofka_producer_flush(producer, 10000));
    trips_stop(TRIPS_APPEND_LATE);
    mofka_data_view_release(data);
    trips_start();
    OK(mofka_producer_close(producer, 10000));
    trips_stop(TRIPS_CLOSE_PRODUCER);
    mofka_producer_release(producer);
}

/* The batch is sent without a call, once it has lingered. */
static void trips_linger(mofka_topic_t *topic) {
    mofka_producer_t *producer;
    mofka_future_t *future;
    const mofka_producer_options_t options = {.batch_size = RUN_EVENTS, .linger_ms = LINGER_MS};
    OK(mofka_producer_create(topic, &options, &producer));
    trips_push(producer, NULL);
    OK(mofka_producer_flush(producer, 10000));
    trips_start();
    OK(mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, &future));
    int64_t end_ms = clock_ms() + 30000;
    while (mofka_future_delivery(future) != MOFKA_STORED && clock_ms() < end_ms)
        clock_sleep_ms(1);
    assert_int_equal(mofka_future_delivery(future), MOFKA_STORED);
    trips_stop(TRIPS_APPEND_LINGERED);
    mofka_future_release(future);
    OK(mofka_producer_close(producer, 10000));
    mofka_producer_release(producer);
}

/* All go together; or the first begins at once, and the others wait for it. */
static void trips_produce_to_four(mofka_topic_t *topic) {
    mofka_producer_t *producer;
    count_t least = {.trips = UINT64_MAX};
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.batch_size = RUN_EVENTS},
                             &producer));
    for (int i = 0; i < REPEATS; i++) {
        trips_start();
        for (size_t k = 0; k < 4; k++)
            OK(mofka_producer_push(producer, "{}", 2, NULL, k, NULL));
        OK(mofka_producer_flush(producer, 10000));
        count_t made = trips_made();
        least = made.trips < least.trips ? made : least;
    }
    trips_note(TRIPS_APPEND_FOUR, &least);
    OK(mofka_producer_close(producer, 10000));
    mofka_producer_release(producer);
}

/* ---- consumer -------------------------------------------------------------------------------- */

static mofka_event_t *trips_pull(mofka_consumer_t *consumer) {
    mofka_event_t *event;
    OK(mofka_consumer_pull(consumer, 10000, &event));
    return event;
}

static void trips_look(mofka_consumer_t *consumer, int64_t timeout_ms, trips_t row) {
    mofka_event_t *event;
    trips_start();
    assert_int_equal(mofka_consumer_pull(consumer, timeout_ms, &event), MOFKA_ERR_TIMEOUT);
    trips_stop(row);
}

static void trips_produce_run(mofka_topic_t *topic) {
    mofka_producer_t *producer;
    mofka_data_view_t *data;
    OK(mofka_data_view_allocate(1000, &data));
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.batch_size = RUN_EVENTS},
                             &producer));
    for (int i = 0; i < RUN_EVENTS; i++)
        trips_push(producer, data);
    OK(mofka_producer_flush(producer, 10000));
    OK(mofka_producer_close(producer, 10000));
    mofka_producer_release(producer);
    mofka_data_view_release(data);
}

static void trips_consume_run(mofka_consumer_t *consumer, trips_t row) {
    trips_start();
    mofka_event_t *event = trips_pull(consumer);
    for (int i = 1; i < RUN_EVENTS; i++) {
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
        event = trips_pull(consumer);
    }
    trips_stop(row);
    OK(mofka_event_acknowledge(event));
    mofka_event_release(event);
}

static void trips_consume(mofka_topic_t *topic) {
    mofka_consumer_t *consumer;
    trips_produce_run(topic);
    trips_start();
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "reader"}, &consumer));
    trips_stop(TRIPS_CREATE_CONSUMER);
    trips_consume_run(consumer, TRIPS_PULL_RUN);
    trips_look(consumer, 0, TRIPS_ACKNOWLEDGE);
    trips_look(consumer, 0, TRIPS_LOOK);
    mofka_event_t *event; /* Naps grow over waits in a row, and only the first one spins. */
    assert_int_equal(mofka_consumer_pull(consumer, 200, &event), MOFKA_ERR_TIMEOUT);
    trips_look(consumer, 1000, TRIPS_WAIT);
    trips_start();
    OK(mofka_consumer_close(consumer));
    trips_stop(TRIPS_CLOSE_CONSUMER);
    mofka_consumer_release(consumer);
    OK(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = "data", .selector = select_all_data},
        &consumer));
    trips_consume_run(consumer, TRIPS_PULL_DATA);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

/* Rank 2 pushes an event once rank 1 waits for it, or, if that is slow, shortly before. */
static void trips_rung(mofka_driver_t *driver) {
    mofka_topic_t *topic;
    mofka_consumer_t *consumer;
    count_t least = {.trips = UINT64_MAX};
    OK(mofka_driver_open_topic(driver, "rung", 60000, &topic));
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "rung"}, &consumer));
    trips_look(consumer, 1000, TRIPS_WAIT_RUNG);
    for (int i = 0; i < REPEATS; i++) {
        mofka_event_t *event;
        assert_int_equal(mofka_consumer_pull(consumer, 1, &event), MOFKA_ERR_TIMEOUT);
        MPI_Send(NULL, 0, MPI_INT, 2, 0, MPI_COMM_WORLD);
        trips_start();
        event = trips_pull(consumer);
        count_t made = trips_made();
        least = made.trips < least.trips ? made : least;
        mofka_event_release(event);
    }
    trips_note(TRIPS_RUNG, &least);
#ifndef OPEN_MPI
    assert_int_equal(least.flush_trips, 0); /* the owner runs a thread, which may need this core */
#endif
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
}

static void trips_ring(mofka_driver_t *driver) {
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    OK(mofka_driver_create_topic(driver, "rung", NULL));
    OK(mofka_driver_open_topic(driver, "rung", 0, &topic));
    OK(mofka_producer_create(topic, NULL, &producer));
    for (int i = 0; i < REPEATS; i++) {
        MPI_Recv(NULL, 0, MPI_INT, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        clock_sleep_ms(5);
        trips_push(producer, NULL);
        OK(mofka_producer_flush(producer, 10000));
    }
    OK(mofka_producer_close(producer, 10000));
    mofka_producer_release(producer);
    mofka_topic_release(topic);
}

/* ---- the tests ------------------------------------------------------------------------------- */

static mofka_driver_t *trips_open(const char *owners, const char *progress) {
    char options[128];
    mofka_driver_t *driver;
    snprintf(options, sizeof options,
             "{\"window\":\"rma\",\"reserve\":\"atomic\",\"owners\":%s,\"progress\":\"%s\"}",
             owners, progress);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver));
    return driver;
}

static void trips_close(mofka_driver_t *driver) {
    OK(mofka_driver_close(driver, 100000));
    mofka_driver_release(driver);
}

static void trips_call(mofka_driver_t *driver) {
    mofka_topic_t *first =
        trips_create_topic(driver, "first", "{\"expected_producers\":9}", TRIPS_CREATE_TOPIC);
    mofka_topic_t *second = trips_create_topic(driver, "second", NULL, TRIPS_CREATE_SECOND);
    mofka_topic_t *third =
        trips_create_topic(driver, "third", "{\"partitions\":4}", TRIPS_CREATE_FOUR);
    trips_open_topic(driver, "first", TRIPS_OPEN_FIRST);
    trips_open_topic(driver, "third", TRIPS_OPEN_THIRD);
    trips_produce(first);
    trips_linger(first);
    trips_produce_to_four(third);
    trips_consume(second);
    mofka_topic_release(first);
    mofka_topic_release(second);
    mofka_topic_release(third);
}

/* The owner's own calls. */
static void trips_call_owner(mofka_driver_t *driver) {
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    OK(mofka_driver_open_topic(driver, "push", 60000, &topic));
    OK(mofka_producer_create(topic, &(mofka_producer_options_t){.batch_size = 1}, &producer));
    trips_append(producer, NULL, TRIPS_OWN_APPEND);
    OK(mofka_producer_close(producer, 10000));
    mofka_producer_release(producer);
    mofka_topic_release(topic);
    OK(mofka_driver_open_topic(driver, "pull", 60000, &topic));
    trips_produce_run(topic);
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "own"}, &consumer));
    trips_consume_run(consumer, TRIPS_OWN_PULL);
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
}

static void trips_check(void) {
    int wrong = 0;
    for (int row = 0; row < TRIPS_COUNT; row++) {
        const struct trips_row *p = &pinned[row];
        /* The agent flushes what an append left, a while after it; then the close need not. */
        bool settles = row == TRIPS_APPEND_FIRST || row == TRIPS_APPEND_LATE ||
                       row == TRIPS_APPEND_LINGERED || row == TRIPS_CLOSE_PRODUCER;
        if (p->rank != rank || measured[row] == p->trips ||
            (settles && measured[row] == p->trips + 1) ||
            (row == TRIPS_CLOSE_PRODUCER && measured[row] == p->trips - 1) ||
            (row == TRIPS_APPEND_FOUR && measured[row] == 2 * p->trips) ||
            /* What it waited for is read and told only as far as that is quick. */
            (row == TRIPS_WAIT_RUNG && measured[row] >= pinned[TRIPS_LOOK].trips &&
             measured[row] < p->trips) ||
            ((row == TRIPS_WAIT || row == TRIPS_RUNG) && measured[row] > 0 &&
             measured[row] < p->trips))
            continue;
        print_error("%s: %llu round trips, not %llu\n", p->what, (unsigned long long)measured[row],
                    (unsigned long long)p->trips);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static void round_trips_are_as_pinned(void **state) {
    (void)state;
    assert_int_equal(size, 3);
    trips_start();
    mofka_driver_t *driver = trips_open("[2]", "auto");
    if (rank == 1) {
        trips_stop(TRIPS_CREATE_DRIVER);
        trips_call(driver);
    }
    trips_close(driver);
    driver = trips_open("[0,2]", "auto");
    if (rank == 1)
        mofka_topic_release(trips_create_topic(driver, "one", NULL, TRIPS_CREATE_OWNERS));
    trips_close(driver);
    driver = trips_open("[2]", "thread");
    if (rank == 1)
        trips_rung(driver);
    if (rank == 2)
        trips_ring(driver);
    trips_close(driver);
    driver = trips_open("[2]", "auto");
    if (rank == 2) {
        OK(mofka_driver_create_topic(driver, "push", NULL));
        OK(mofka_driver_create_topic(driver, "pull", NULL));
        trips_call_owner(driver);
    }
    trips_close(driver);
    trips_check();
}

/* The operations of each line are one round trip, those of the next line another. */
static void trips_of_raw_calls(MPI_Win win, uint64_t *word, int others[2]) {
    uint64_t one = 1;
    MPI_Request requests[2];
    MPI_Status statuses[2];
    MPI_Put(word, 1, MPI_UINT64_T, others[0], 0, 1, MPI_UINT64_T, win);
    MPI_Get(word + 1, 1, MPI_UINT64_T, others[0], 1, 1, MPI_UINT64_T, win);
    MPI_Win_flush(others[0], win);
    MPI_Win_flush(others[0], win); /* nothing is under way */

    MPI_Rget(word + 1, 1, MPI_UINT64_T, others[0], 1, 1, MPI_UINT64_T, win, &requests[0]);
    MPI_Rget(word + 2, 1, MPI_UINT64_T, others[1], 1, 1, MPI_UINT64_T, win, &requests[1]);
    MPI_Waitall(2, requests, statuses);

    MPI_Fetch_and_op(&one, word + 3, MPI_UINT64_T, others[1], 2, MPI_SUM, win);
    MPI_Accumulate(&one, 1, MPI_UINT64_T, others[0], 2, 1, MPI_UINT64_T, MPI_SUM, win);
    MPI_Win_flush_all(win);

    MPI_Get(word + 1, 1, MPI_UINT64_T, rank, 1, 1, MPI_UINT64_T, win); /* not at others */
    MPI_Win_flush(rank, win);
}

static void raw_calls_are_counted(void **state) {
    (void)state;
    uint64_t *memory, words[4] = {0};
    MPI_Win win;
    MPI_Win_allocate(sizeof words, 8, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &win);
    MPI_Win_lock_all(0, win);
    count_t before = count_read(COUNT_OTHERS), own = count_read(COUNT_SELF);
    if (rank == 1)
        trips_of_raw_calls(win, words, (int[2]){0, 2});
    count_t now = count_read(COUNT_OTHERS), made = count_minus(&now, &before);
    count_t own_now = count_read(COUNT_SELF), own_made = count_minus(&own_now, &own);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_unlock_all(win);
    MPI_Win_free(&win);
    if (rank != 1)
        return;
    assert_int_equal(made.trips, 3);
    assert_int_equal(own_made.trips, 1);
    assert_int_equal(made.calls[COUNT_PUT], 1);
    assert_int_equal(made.calls[COUNT_GET], 1);
    assert_int_equal(own_made.calls[COUNT_GET], 1);
    assert_int_equal(made.calls[COUNT_RGET], 2);
    assert_int_equal(made.calls[COUNT_WAIT], 2);
    assert_int_equal(made.calls[COUNT_FLUSH], 2);
    assert_int_equal(made.calls[COUNT_FLUSH_ALL], 1);
    assert_int_equal(made.calls[COUNT_FETCH_AND_OP], 1);
    assert_int_equal(made.calls[COUNT_ACCUMULATE], 1);
    assert_int_equal(made.bytes, 4 * 8);
}

static void calls_can_be_delayed(void **state) {
    (void)state;
    uint64_t *memory, word = 0;
    MPI_Win win;
    MPI_Win_allocate(8, 8, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &win);
    MPI_Win_lock_all(0, win);
    count_delay(COUNT_GET, 30000);
    int64_t start_ms = clock_ms();
    MPI_Get(&word, 1, MPI_UINT64_T, rank, 0, 1, MPI_UINT64_T, win);
    MPI_Win_flush(rank, win);
    assert_true(clock_ms() - start_ms >= 29);
    count_delay(COUNT_GET, 0);
    MPI_Win_unlock_all(win);
    MPI_Win_free(&win);
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_calls_are_counted),
        cmocka_unit_test(calls_can_be_delayed),
        cmocka_unit_test(round_trips_are_as_pinned),
    };
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
