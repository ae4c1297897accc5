/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several nodes, each of two ranks: parts of one host, by the option "node_ranks", or hosts. Topics
 * with "producers": "node", whose partitions are appended to by their owners' nodes, and read from
 * all. Ranks 0 and 1 are one node, ranks 2 and 3 another one.
 */
#include <unistd.h>
#include "driver/driver.h"
#include "mpi/topic/topic.h"
#include "support/callbacks.h"
#include "support/clock.h"
#include "support/mpi/mpi_main.h"

#define EVENTS 600
#define ROOM ",\"partition_bytes\":262144,\"partition_events\":1024"
#define LOCAL "{\"type\":\"local\"}"

static mofka_driver_t *driver;
static mofka_topic_t *topic;

/* Atomic operations of MPI that this process has begun. An MPI may take a lock of its own for one,
 * and a rank that stops or dies with it would stop all others. */
static _Atomic int mpi_atomics, mpi_atomics_before;

int MPI_Fetch_and_op(const void *from, void *to, MPI_Datatype type, int target, MPI_Aint place,
                     MPI_Op op, MPI_Win window_) {
    mpi_atomics++;
    return PMPI_Fetch_and_op(from, to, type, target, place, op, window_);
}

static int nodes_setup(void **state) {
    const char *options = "{\"window\":\"node\",\"node_ranks\":2,\"arena_bytes\":4194304}";
    (void)state;
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver));
    assert_int_not_equal(mpi_atomics, 0); /* of the trial */
    mpi_atomics_before = mpi_atomics;
    return 0;
}

static int nodes_teardown(void **state) {
    (void)state;
    OK(mofka_driver_close(driver, 60000));
    mofka_driver_release(driver);
    return 0;
}

static void nodes_meet(void) {
    MPI_Barrier(MPI_COMM_WORLD);
}

/* A topic of one partition for each rank, which owns it. `more` begins with a comma. */
static void nodes_open(const char *name, const char *more) {
    char options[256];
    snprintf(options, sizeof options, "{\"producers\":\"node\",\"partitions\":\"per_owner\"%s}",
             more);
    const mofka_topic_options_t topic_options = {.options = options, .selector = LOCAL};
    if (rank == 3) /* it formats partitions of both nodes */
        OK(mofka_driver_create_topic(driver, name, &topic_options));
    OK(mofka_driver_open_topic(driver, name, 60000, &topic));
    assert_int_equal(mofka_topic_partition_count(topic), size);
}

static void nodes_close(void) {
    nodes_meet();
    mofka_topic_release(topic);
}

static mofka_producer_t *nodes_producer(void) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, NULL, &producer));
    return producer;
}

static void nodes_end_producer(mofka_producer_t *producer) {
    OK(mofka_producer_close(producer, 60000));
    mofka_producer_release(producer);
}

static mofka_status_t nodes_consumer(const char *name, size_t target, mofka_consumer_t **consumer) {
    return mofka_consumer_create(
        topic,
        &(mofka_consumer_options_t){
            .name = name, .targets = &target, .target_count = 1, .selector = select_all_data},
        consumer);
}

static void nodes_end_consumer(mofka_consumer_t *consumer) {
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

static size_t nodes_bytes(int n) {
    return (size_t)(n * 37 % 700);
}

static void nodes_push(mofka_producer_t *producer, int n, size_t partition) {
    char text[32];
    mofka_data_view_t *data;
    OK(mofka_data_view_allocate(nodes_bytes(n), &data));
    memset(mofka_data_view_segments(data, NULL)->ptr, n, nodes_bytes(n));
    size_t bytes = (size_t)snprintf(text, sizeof text, "{\"n\":%d,\"of\":%d}", n, rank);
    OK(mofka_producer_push(producer, text, bytes, data, partition, NULL));
    mofka_data_view_release(data);
}

/* Pull event `n`, and check its bytes. */
static void nodes_pull(mofka_consumer_t *consumer, int n, bool acknowledges) {
    unsigned char bytes[700];
    mofka_event_t *event;
    int found = -1;
    OK(mofka_consumer_pull(consumer, 60000, &event));
    assert_false(mofka_event_is_end(event));
    assert_int_equal(sscanf(mofka_event_metadata_text(event, NULL), "{\"n\":%d", &found), 1);
    assert_int_equal(found, n);
    assert_int_equal(mofka_event_id(event), n);
    assert_int_equal(mofka_data_view_read(mofka_event_data(event), bytes, sizeof bytes, 0),
                     nodes_bytes(n));
    for (size_t i = 0; i < nodes_bytes(n); i++)
        assert_int_equal(bytes[i], (unsigned char)n);
    if (acknowledges)
        OK(mofka_event_acknowledge(event));
    mofka_event_release(event);
}

/* ---- cases ----------------------------------------------------------------------------------- */

/* A partition that is far too small for all events: the producer waits for the slowest consumer,
 * whose cursor comes by MPI. */
static void retention_waits_for_a_consumer_elsewhere(void **state) {
    (void)state;
    mofka_consumer_t *consumer = NULL;
    nodes_open("ring", ",\"partition_bytes\":8192,\"partition_events\":32");
    if (rank == 0 || rank == 3)
        OK(nodes_consumer(rank == 0 ? "here" : "there", 0, &consumer));
    nodes_meet();
    if (rank == 1) {
        mofka_producer_t *producer = nodes_producer();
        for (int n = 0; n < EVENTS; n++)
            nodes_push(producer, n, 0);
        nodes_end_producer(producer);
    }
    for (int n = 0; consumer && n < EVENTS; n++)
        nodes_pull(consumer, n, true);
    if (consumer)
        nodes_end_consumer(consumer);
    nodes_close();
}

static void a_push_from_another_node_is_refused(void **state) {
    (void)state;
    nodes_open("refused", ROOM);
    if (rank == 2) {
        mofka_future_t *future;
        mofka_result_t result;
        mofka_producer_t *producer = nodes_producer();
        FAILS(mofka_producer_push(producer, "{}", 2, NULL, 1, NULL), MOFKA_ERR_UNSUPPORTED,
              "the owner of partition 1, rank 1, is on the node of rank 0");
        FAILS(mofka_producer_push(producer, "{}", 2, NULL, 1, NULL), MOFKA_ERR_UNSUPPORTED,
              "and this rank, 2, on the node of rank 2");
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, &future));
        FAILS(mofka_future_wait(future, 60000, &result), MOFKA_ERR_UNSUPPORTED, "rank 0");
        mofka_future_release(future);
        /* An event without bytes is refused when it is sent. */
        OK(mofka_producer_push(producer, "", 0, NULL, 1, NULL));
        FAILS(mofka_producer_flush(producer, 60000), MOFKA_ERR_UNSUPPORTED, "rank 1");
        OK(mofka_producer_push(producer, "{}", 2, NULL, 3, NULL));
        nodes_end_producer(producer);
    }
    nodes_close();
}

/* Rank 0 owns the partition. A name goes from node to node. */
static void a_name_goes_from_node_to_node(void **state) {
    (void)state;
    mofka_consumer_t *consumer, *other;
    nodes_open("name", ROOM);
    if (rank == 1) {
        mofka_producer_t *producer = nodes_producer();
        for (int n = 0; n < 40; n++)
            nodes_push(producer, n, 0);
        nodes_end_producer(producer);
    }
    nodes_meet();
    if (rank == 3) {
        OK(nodes_consumer("name", 0, &consumer));
        FAILS(nodes_consumer("name", 0, &other), MOFKA_ERR_BUSY, "'name' is already live");
        for (int n = 0; n < 10; n++)
            nodes_pull(consumer, n, n < 7);
    }
    nodes_meet();
    if (rank == 1)
        FAILS(nodes_consumer("name", 0, &other), MOFKA_ERR_BUSY, "'name' is already live");
    nodes_meet();
    if (rank == 3)
        nodes_end_consumer(consumer);
    nodes_meet();
    if (rank == 0) {
        OK(nodes_consumer("name", 0, &consumer));
        for (int n = 7; n < 20; n++)
            nodes_pull(consumer, n, true);
        nodes_end_consumer(consumer);
    }
    nodes_meet();
    if (rank == 2) {
        OK(nodes_consumer("name", 0, &consumer));
        nodes_pull(consumer, 20, true);
        OK(mofka_consumer_unsubscribe(consumer));
        nodes_end_consumer(consumer);
        OK(nodes_consumer("name", 0, &consumer)); /* a new name: from the head */
        nodes_pull(consumer, 0, true);
        nodes_end_consumer(consumer);
    }
    nodes_close();
}

/* Every rank pushes to its node, and reads everything. */
static void nodes_read_to_the_end(int count) {
    mofka_consumer_t *consumer;
    char name[16];
    int total = 0;
    snprintf(name, sizeof name, "rank-%d", rank);
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = name}, &consumer));
    for (bool end = false; !end;) {
        mofka_event_t *event;
        OK(mofka_consumer_pull(consumer, 60000, &event));
        end = mofka_event_is_end(event);
        if (!end) {
            int n, of;
            assert_int_equal(
                sscanf(mofka_event_metadata_text(event, NULL), "{\"n\":%d,\"of\":%d}", &n, &of), 2);
            assert_int_equal(of / 2, mofka_event_partition(event) / 2);
            total++;
        }
        mofka_event_release(event);
    }
    assert_int_equal(total, count);
    nodes_end_consumer(consumer);
}

static void producers_of_all_nodes_complete_the_topic(void **state) {
    (void)state;
    nodes_open("complete", ROOM ",\"expected_producers\":4");
    mofka_producer_t *producer = nodes_producer();
    for (int n = 0; n < 100; n++)
        nodes_push(producer, n, MOFKA_ANY_PARTITION);
    nodes_end_producer(producer);
    nodes_read_to_the_end(400);
    nodes_close();
}

static void a_rank_elsewhere_marks_complete(void **state) {
    (void)state;
    nodes_open("marked", ROOM);
    mofka_producer_t *producer = nodes_producer();
    for (int n = 0; n < 10; n++)
        nodes_push(producer, n, MOFKA_ANY_PARTITION);
    OK(mofka_producer_flush(producer, 60000));
    nodes_meet();
    if (rank == 2)
        OK(mofka_topic_mark_complete(topic, 60000));
    nodes_meet();
    OK(mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, NULL));
    FAILS(mofka_producer_close(producer, 60000), MOFKA_ERR_COMPLETE, "complete");
    mofka_producer_release(producer);
    nodes_read_to_the_end(40);
    nodes_close();
}

static void a_consumer_elsewhere_learns_what_it_lost(void **state) {
    (void)state;
    mofka_consumer_t *consumer = NULL;
    nodes_open(
        "lost",
        ",\"partition_bytes\":8192,\"partition_events\":32,\"retention\":\"discard_oldest\"");
    if (rank == 2)
        OK(nodes_consumer("slow", 1, &consumer));
    nodes_meet();
    if (rank == 0) {
        mofka_producer_t *producer = nodes_producer();
        for (int n = 0; n < 100; n++)
            nodes_push(producer, n, 1);
        nodes_end_producer(producer);
    }
    nodes_meet();
    if (rank == 2) {
        mofka_event_t *event;
        OK(mofka_consumer_pull(consumer, 60000, &event));
        assert_true(mofka_event_id(event) > 60);
        assert_int_equal(mofka_event_lost(event), mofka_event_id(event));
        mofka_event_release(event);
        nodes_end_consumer(consumer);
    }
    nodes_close();
}

/* It reads a partition of its own node, and one of the other. */
static void a_consumer_of_two_nodes_waits_for_both(void **state) {
    (void)state;
    static const size_t targets[] = {0, 2};
    mofka_consumer_t *consumer = NULL;
    nodes_open("both", ROOM);
    if (rank == 3)
        OK(mofka_consumer_create(
            topic,
            &(mofka_consumer_options_t){.name = "both", .targets = targets, .target_count = 2},
            &consumer));
    for (int n = 0; n < 6; n++) {
        nodes_meet();
        mofka_producer_t *producer = rank == n % 2 * 2 ? nodes_producer() : NULL;
        if (producer) { /* the consumer waits by now */
            clock_sleep_ms(100);
            OK(mofka_producer_push(producer, "{}", 2, NULL, (size_t)rank, NULL));
            nodes_end_producer(producer);
        }
        if (consumer) {
            mofka_event_t *event;
            OK(mofka_consumer_pull(consumer, 60000, &event));
            assert_int_equal(mofka_event_partition(event), n % 2 * 2);
            OK(mofka_event_acknowledge(event));
            mofka_event_release(event);
            FAILS(mofka_consumer_pull(consumer, 5, &event), MOFKA_ERR_TIMEOUT, "5 ms");
        }
    }
    if (consumer)
        nodes_end_consumer(consumer);
    nodes_close();
}

/* The owner's progress thread waits for the lock without keeping others waiting. */
static void an_owner_waits_for_the_lock(void **state) {
    (void)state;
    nodes_open("lock", ROOM);
    const mmi_partition_t *p = &((const mmi_topic_t *)topic->self)->partitions[0];
    mofka_consumer_t *consumer, *other;
    if (rank == 1)
        OK(mmi_partition_lock(p, mmi_deadline(60000)));
    nodes_meet();
    if (rank == 1) {
        clock_sleep_ms(300);
        mmi_partition_unlock(p);
    } else if (rank == 2) { /* another partition of the same node is served meanwhile */
        int64_t start = clock_ms();
        OK(nodes_consumer("quick", 1, &other));
        nodes_end_consumer(other);
        assert_true(clock_ms() - start < 60000);
    } else if (rank == 3) {
        OK(nodes_consumer("patient", 0, &consumer));
        nodes_end_consumer(consumer);
    }
    nodes_close();
}

/* Topics that nodes keep to themselves are made, used, ended and deleted without them. */
static void no_atomic_operation_of_mpi_is_used(void **state) {
    (void)state;
    nodes_meet();
    if (rank == 3)
        OK(mofka_driver_delete_topic(driver, "complete"));
    nodes_meet();
    assert_int_equal(mpi_atomics, mpi_atomics_before);
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    NEEDS(size == 4);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retention_waits_for_a_consumer_elsewhere),
        cmocka_unit_test(a_push_from_another_node_is_refused),
        cmocka_unit_test(a_name_goes_from_node_to_node),
        cmocka_unit_test(producers_of_all_nodes_complete_the_topic),
        cmocka_unit_test(a_rank_elsewhere_marks_complete),
        cmocka_unit_test(a_consumer_elsewhere_learns_what_it_lost),
        cmocka_unit_test(a_consumer_of_two_nodes_waits_for_both),
        cmocka_unit_test(an_owner_waits_for_the_lock),
        cmocka_unit_test(no_atomic_operation_of_mpi_is_used),
    };
    return mpi_main_end(cmocka_run_group_tests(tests, nodes_setup, nodes_teardown));
}
