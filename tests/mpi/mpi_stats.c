/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics of a job: every rank reads those of every topic, producers and consumers count, and
 * reading never waits longer than its time-out. */
#include "support/clock.h"
#include "support/json_path.h"
#include "support/mpi/mpi_main.h"

static mofka_driver_t *driver;
static mofka_metadata_t *stats;

static int stats_setup(void **state) {
    char text[64];
    (void)state;
    snprintf(text, sizeof text, "{\"window\":\"%s\"}", window);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, text, &driver));
    return 0;
}

static int stats_teardown(void **state) {
    (void)state;
    mofka_metadata_release(stats);
    stats = NULL;
    OK(mofka_driver_close(driver, 60000));
    mofka_driver_release(driver);
    return 0;
}

static void stats_read_driver_text(void) {
    mofka_metadata_release(stats);
    OK(mofka_driver_stats(driver, 20000, &stats));
    assert_null(json_at(stats, "topics_status"));
}

static mofka_topic_t *stats_open_topic(const char *name, const char *options) {
    mofka_topic_t *topic;
    if (rank == 0)
        OK(mofka_driver_create_topic(driver, name, &(mofka_topic_options_t){.options = options}));
    OK(mofka_driver_open_topic(driver, name, 20000, &topic));
    return topic;
}

static void stats_push_events(mofka_topic_t *topic, int count, mofka_producer_t **producer) {
    OK(mofka_producer_create(
        topic, &(mofka_producer_options_t){.batch_size = 10, .linger_ms = 60000}, producer));
    for (int i = 0; i < count; i++)
        OK(mofka_producer_push(*producer, "{}", 2, NULL, (size_t)i % 2, NULL));
    OK(mofka_producer_flush(*producer, 20000));
}

static void stats_end_producer(mofka_producer_t *producer) {
    OK(mofka_producer_close(producer, 20000));
    mofka_producer_release(producer);
}

static void pull_and_acknowledge(mofka_consumer_t *consumer, int count) {
    for (int i = 0; i < count; i++) {
        mofka_event_t *event;
        OK(mofka_consumer_pull(consumer, 20000, &event));
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
}

/* No rank has the topics open while their statistics are read. */
static void every_rank_sees_every_topic(void **state) {
    (void)state;
    mofka_producer_t *producer;
    stats_read_driver_text();
    assert_int_equal(cJSON_GetArraySize(json_at(stats, "topics")), 0);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        mofka_topic_t *topic =
            stats_open_topic("first", "{\"partitions\":2,\"partition_events\":1024}");
        stats_push_events(topic, 100, &producer);
        stats_end_producer(producer);
        OK(mofka_topic_mark_complete(topic, 20000));
        mofka_topic_release(topic);
        topic =
            stats_open_topic("second", "{\"retention\":\"discard_oldest\",\"partition_events\":64,"
                                       "\"partition_bytes\":65536}");
        stats_push_events(topic, 1000, &producer);
        stats_end_producer(producer);
        mofka_topic_release(topic);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    for (int again = 0; again < 2; again++) { /* the second time, the directory is known */
        stats_read_driver_text();
        assert_int_equal(cJSON_GetArraySize(json_at(stats, "topics")), 2);
        NUMBER(stats, "rank", rank);
        NUMBER(stats, "size", size);
        assert_string_equal(cJSON_GetStringValue(json_at(stats, "topics/0/name")), "first");
        NUMBER(stats, "topics/0/partitions/0/tail_events", 50);
        NUMBER(stats, "topics/0/partitions/0/tail_bytes", 5 * 64); /* 5 batches of 20 bytes */
        NUMBER(stats, "topics/0/partitions/0/held_events", 50);
        NUMBER(stats, "topics/0/partitions/1/partition", 1);
        NUMBER(stats, "topics/0/partitions/1/owner", size > 1 ? 1 : 0);
        NUMBER(stats, "topics/0/partitions/1/room_events", 1024);
        NUMBER(stats, "topics/0/partitions/1/room_bytes", 8 << 20);
        NUMBER(stats, "topics/0/partitions/1/complete", 1);
        assert_string_equal(cJSON_GetStringValue(json_at(stats, "topics/1/retention")),
                            "discard_oldest");
        NUMBER(stats, "topics/1/partitions/0/tail_events", 1000);
        NUMBER(stats, "topics/1/partitions/0/complete", 0);
        assert_true(number_at(stats, "topics/1/partitions/0/head_events") >= 1000 - 64);
        assert_true(number_at(stats, "topics/1/partitions/0/held_events") <= 64);
    }
    MPI_Barrier(MPI_COMM_WORLD);
}

/* How far the first consumer is behind, in both partitions together. */
static double stats_lag(void) {
    return number_at(stats, "topics/0/partitions/0/consumers/0/lag") +
           number_at(stats, "topics/0/partitions/1/consumers/0/lag");
}

/* A pull that finds nothing publishes, or leaves that to a later one if the agent is late. */
static void stats_publish(mofka_consumer_t *consumer, double lag) {
    mofka_event_t *event;
    int tries = 0;
    do {
        assert_int_equal(mofka_consumer_pull(consumer, 0, &event), MOFKA_ERR_TIMEOUT);
        stats_read_driver_text();
    } while (stats_lag() != lag && ++tries < 1000);
    assert_true(stats_lag() == lag);
}

/* Rank 0 produces, the last rank consumes, the others read statistics. */
static void consumers_and_latencies(void **state) {
    (void)state;
    mofka_topic_t *topic =
        stats_open_topic("topic", "{\"partitions\":2,\"partition_events\":1024}");
    mofka_producer_t *producer = NULL;
    mofka_consumer_t *consumer = NULL;
    if (rank == 0)
        stats_push_events(topic, 100, &producer);
    MPI_Barrier(MPI_COMM_WORLD);
    clock_sleep_ms(20);
    if (rank == size - 1) {
        OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "viewer"}, &consumer));
        pull_and_acknowledge(consumer, 60); /* all of one partition, 10 of the other */
        mofka_event_t *event;
        for (int i = 0; i < 40; i++) {
            OK(mofka_consumer_pull(consumer, 20000, &event));
            mofka_event_release(event);
        }
        stats_publish(consumer, 40);
        NUMBER(stats, "consumers/0/events_acknowledged", 60);
        NUMBER(stats, "consumers/0/stored_to_pulled_ns/count", 2);
        assert_true(number_at(stats, "consumers/0/stored_to_pulled_ns/p50") >= 20e6);
        assert_true(number_at(stats, "consumers/0/stored_to_pulled_ns/max") < 60e9);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    stats_read_driver_text();
    assert_true(stats_lag() == 40);
    NUMBER(stats, "topics/0/partitions/0/consumers/0/live", 1);
    assert_string_equal(
        cJSON_GetStringValue(json_at(stats, "topics/0/partitions/0/consumers/0/name")), "viewer");
    if (rank == 0) {
        NUMBER(stats, "producers/0/push_to_stored_ns/count", 10);
        assert_true(number_at(stats, "producers/0/push_to_stored_ns/max") > 0);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (consumer) {
        OK(mofka_consumer_close(consumer));
        mofka_consumer_release(consumer);
    }
    if (producer)
        stats_end_producer(producer);
    MPI_Barrier(MPI_COMM_WORLD);
    stats_read_driver_text();
    NUMBER(stats, "topics/0/partitions/0/consumers/0/live", 0);
    mofka_topic_release(topic);
    MPI_Barrier(MPI_COMM_WORLD);
}

/* A run that begins within a batch has that batch's stamp. A batch of 3000 events takes three
 * fetches; one of 10 events, stored much later, comes after it. */
static void stamps_belong_to_batches(void **state) {
    (void)state;
    mofka_topic_t *topic = stats_open_topic("topic", "{\"partition_events\":4096}");
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    if (rank == 0) {
        OK(mofka_producer_create(
            topic, &(mofka_producer_options_t){.batch_size = 3000, .linger_ms = 60000}, &producer));
        for (int i = 0; i < 3000; i++)
            OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
        OK(mofka_producer_flush(producer, 20000));
        clock_sleep_ms(300);
        for (int i = 0; i < 10; i++)
            OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
        OK(mofka_producer_flush(producer, 20000));
        mofka_consumer_options_t options = {.name = "viewer", .batch_size = 600};
        OK(mofka_consumer_create(topic, &options, &consumer));
        pull_and_acknowledge(consumer, 3010);
        mofka_metadata_release(stats);
        OK(mofka_consumer_stats(consumer, &stats));
        NUMBER(stats, "stored_to_pulled_ns/count", 6);
        assert_true(number_at(stats, "stored_to_pulled_ns/p50") >= 300e6);
        /* 5 runs of 6 have the early stamp; the smallest one is that of the late batch */
        NUMBER(stats, "runs", 6);
        OK(mofka_consumer_close(consumer));
        mofka_consumer_release(consumer);
        stats_end_producer(producer);
    }
    mofka_topic_release(topic);
    MPI_Barrier(MPI_COMM_WORLD);
}

/* Of the topic that was created first. */
static double blocked_now(void) {
    stats_read_driver_text();
    return number_at(stats, "topics/0/partitions/0/blocked_producers");
}

/* One worker, a full topic, and no end of push_timeout_ms. Another topic goes on. The full one goes
 * on, too, without a call, once there is room. Fails when a worker waits in append until there is
 * room (producer/lanes/send.c of src), and when a batch is counted during an append only. */
static void a_full_topic_holds_no_worker(void **state) {
    (void)state;
    if (rank == 0) {
        mofka_topic_t *topics[2] = {stats_open_topic("full", "{\"partition_events\":16}"),
                                    stats_open_topic("other", NULL)};
        mofka_consumer_t *consumers[2];
        mofka_producer_t *producers[2];
        mofka_thread_pool_t *pool;
        OK(mofka_driver_make_thread_pool(driver, 1, MOFKA_BINDING_NONE, &pool));
        for (int i = 0; i < 2; i++) {
            const mofka_producer_options_t options = {
                .batch_size = 1, .max_batches = 8, .thread_pool = pool, .push_timeout_ms = -1};
            OK(mofka_producer_create(topics[i], &options, &producers[i]));
            OK(mofka_consumer_create(topics[i], &(mofka_consumer_options_t){.name = "reader"},
                                     &consumers[i]));
        }
        for (int i = 0; i < 20; i++)
            OK(mofka_producer_push(producers[0], "{}", 2, NULL, 0, NULL));
        while (blocked_now() == 0)
            clock_sleep_ms(1);
        for (int i = 0; i < 10; i++) {
            OK(mofka_producer_push(producers[1], "{}", 2, NULL, 0, NULL));
            pull_and_acknowledge(consumers[1], 1);
            assert_true(blocked_now() == 1);
        }
        pull_and_acknowledge(consumers[0], 20);
        OK(mofka_producer_flush(producers[0], 20000));
        assert_true(blocked_now() == 0);
        OK(mofka_producer_push(producers[0], "{}", 2, NULL, 0, NULL));
        pull_and_acknowledge(consumers[0], 1);
        for (int i = 0; i < 2; i++) {
            stats_end_producer(producers[i]);
            OK(mofka_consumer_close(consumers[i]));
            mofka_consumer_release(consumers[i]);
            mofka_topic_release(topics[i]);
        }
        mofka_thread_pool_release(pool);
    }
    MPI_Barrier(MPI_COMM_WORLD);
}

/* Rank 0 fills a partition and waits for room. Another rank reads that it waits, then makes
 * room. */
static void a_blocked_producer_is_seen(void **state) {
    (void)state;
    if (size == 1)
        return; /* the rank that waits cannot read statistics at the same time */
    mofka_topic_t *topic = stats_open_topic("topic", "{\"partition_events\":16}");
    mofka_consumer_t *consumer = NULL;
    if (rank == 1)
        OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "slow"}, &consumer));
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        mofka_producer_t *producer;
        OK(mofka_producer_create(
            topic, &(mofka_producer_options_t){.batch_size = 4, .linger_ms = 60000}, &producer));
        for (int i = 0; i < 20; i++)
            OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
        OK(mofka_producer_flush(producer, 20000));
        stats_read_driver_text();
        NUMBER(stats, "producers/0/room_waits", 1);
        assert_true(number_at(stats, "producers/0/room_wait_ns") >= 50e6);
        stats_end_producer(producer);
    } else if (rank == 1) {
        time_t give_up = time(NULL) + 20;
        while (blocked_now() == 0 && time(NULL) < give_up)
            ;
        assert_true(blocked_now() == 1);
        NUMBER(stats, "topics/0/partitions/0/held_events", 16);
        clock_sleep_ms(100);
        pull_and_acknowledge(consumer, 20);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    assert_true(blocked_now() == 0);
    MPI_Barrier(MPI_COMM_WORLD);
    if (consumer) {
        OK(mofka_consumer_close(consumer));
        mofka_consumer_release(consumer);
    }
    mofka_topic_release(topic);
    MPI_Barrier(MPI_COMM_WORLD);
}

/* No thread of the owner is inside MPI. Whether its memory can be read then depends on the MPI. But
 * every call that reads it returns in time. */
static void reading_is_bounded(void **state) {
    (void)state;
    mofka_driver_t *without;
    char text[96];
    snprintf(text, sizeof text, "{\"window\":\"%s\",\"progress\":\"none\",\"owners\":[0]}", window);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, text, &without));
    if (rank == 0)
        OK(mofka_driver_create_topic(without, "topic", NULL));
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        clock_sleep_ms(1000);
    else /* the owner has left the barrier by then */
        clock_sleep_ms(300);
    int timed_out = 0;
    for (int i = 0; i < 3 && rank != 0; i++) {
        mofka_metadata_t *got;
        double before = clock_seconds(CLOCK_MONOTONIC);
        OK(mofka_driver_stats(without, 100, &got));
        assert_true(clock_seconds(CLOCK_MONOTONIC) - before < 0.6);
        const char *topics_status = cJSON_GetStringValue(json_at(got, "topics_status"));
        timed_out += topics_status != NULL;
        if (topics_status)
            assert_string_equal(topics_status, "MOFKA_ERR_TIMEOUT");
        else
            NUMBER(got, "topics/0/partitions/0/tail_events", 0);
        mofka_metadata_release(got);
    }
    if (getenv("MPIR_CVAR_NOLOCAL") && rank != 0)
        assert_true(timed_out > 0);
    MPI_Barrier(MPI_COMM_WORLD);
    OK(mofka_driver_close(without, 60000));
    mofka_driver_release(without);
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_rank_sees_every_topic, stats_setup, stats_teardown),
        cmocka_unit_test_setup_teardown(consumers_and_latencies, stats_setup, stats_teardown),
        cmocka_unit_test_setup_teardown(stamps_belong_to_batches, stats_setup, stats_teardown),
        cmocka_unit_test_setup_teardown(a_full_topic_holds_no_worker, stats_setup, stats_teardown),
        cmocka_unit_test_setup_teardown(a_blocked_producer_is_seen, stats_setup, stats_teardown),
        cmocka_unit_test(reading_is_bounded),
    };
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
