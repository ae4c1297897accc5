/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Consumers of another rank's partitions are rung by its progress thread (consumer/ring.c): when
 * they get rings, when rings are lost, and in which calls a ring ends the wait. Rank 0 owns
 * partition 0, rank 1 owns partition 1, and consumes.
 */
#include <stdatomic.h>
#include "mpi/clerk/clerk.h"
#include "support/mpi/mpi_main.h"

#define EVENTS 20

static _Atomic long watches, rings;
static _Atomic bool loses_rings;

/* A lost ring looks as if it were sent. */
int MPI_Isend(const void *from, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
              MPI_Request *request) {
    const uint64_t *words = from;
    bool rings_now = tag == MMI_RING_TAG && count == MMI_RING_MESSAGE && words[2] == MMI_RUNG;
    atomic_fetch_add(&watches, tag == MMI_ASK_TAG && count == MMI_WATCH_MESSAGE);
    atomic_fetch_add(&rings, rings_now);
    if (rings_now && loses_rings) {
        *request = MPI_REQUEST_NULL;
        return MPI_SUCCESS;
    }
    return PMPI_Isend(from, count, type, to, tag, comm, request);
}

static mofka_driver_t *driver;
static mofka_topic_t *topic;
static mofka_consumer_t *consumer; /* of rank 1 */

static void rings_open(size_t target, size_t target_count) {
    static size_t targets[2];
    const char *options = "{\"window\":\"rma\",\"progress\":\"thread\"}";
    targets[0] = target;
    targets[1] = 1 - target;
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver));
    if (rank == 0)
        OK(mofka_driver_create_topic(driver, "topic",
                                     &(mofka_topic_options_t){.options = "{\"partitions\":2}"}));
    OK(mofka_driver_open_topic(driver, "topic", 30000, &topic));
    if (rank == 1)
        OK(mofka_consumer_create(topic,
                                 &(mofka_consumer_options_t){.name = "rung",
                                                             .targets = targets,
                                                             .target_count = target_count},
                                 &consumer));
    MPI_Barrier(MPI_COMM_WORLD);
}

static void rings_close(void) {
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 1) {
        OK(mofka_consumer_close(consumer));
        mofka_consumer_release(consumer);
    }
    mofka_topic_release(topic);
    OK(mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
}

static void rings_push(size_t partition) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, NULL, &producer));
    OK(mofka_producer_push(producer, "{}", 2, NULL, partition, NULL));
    OK(mofka_producer_flush(producer, 10000));
    OK(mofka_producer_close(producer, 10000));
    mofka_producer_release(producer);
}

static void rings_pull(size_t partition, uint64_t id) {
    mofka_event_t *event;
    OK(mofka_consumer_pull(consumer, 60000, &event));
    assert_int_equal(mofka_event_partition(event), partition);
    assert_int_equal(mofka_event_id(event), id);
    mofka_event_release(event);
}

/* Wait in vain until the owner was asked to watch once more. Then rank 0 may push. */
static void rings_await_watch(void) {
    long before = atomic_load(&watches);
    while (atomic_load(&watches) == before) {
        mofka_event_t *event;
        FAILS(mofka_consumer_pull(consumer, 1, &event), MOFKA_ERR_TIMEOUT, "1 ms");
    }
    MPI_Send(NULL, 0, MPI_INT, 0, 0, MPI_COMM_WORLD);
}

static void rings_push_when_watched(size_t partition) {
    MPI_Recv(NULL, 0, MPI_INT, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    rings_push(partition);
}

/* Each event's flag is watched, and each watch is rung. */
static void a_ring_ends_a_wait(void **state) {
    (void)state;
    rings_open(0, 1);
    for (uint64_t i = 0; i < EVENTS; i++)
        if (rank == 0) {
            rings_push_when_watched(0);
        } else {
            rings_await_watch();
            rings_pull(0, i);
        }
    rings_close();
    if (rank == 0)
        assert_true(atomic_load(&rings) >= EVENTS);
}

/* Then the consumer looks by itself, and after some that were lost it asks for no more. */
static void lost_rings_lose_no_event(void **state) {
    (void)state;
    bool polls = false;
    rings_open(0, 1);
    atomic_store(&loses_rings, true);
    for (uint64_t i = 0; i < EVENTS && !polls; i++) {
        if (rank == 1) {
            mofka_event_t *event;
            long before = atomic_load(&watches);
            FAILS(mofka_consumer_pull(consumer, 500, &event), MOFKA_ERR_TIMEOUT, "500 ms");
            polls = atomic_load(&watches) == before;
        }
        MPI_Bcast(&polls, 1, MPI_C_BOOL, 1, MPI_COMM_WORLD);
        if (rank == 0)
            rings_push(0);
        else
            rings_pull(0, i);
    }
    assert_true(polls);
    rings_close();
    atomic_store(&loses_rings, false);
}

/* Its own by looking, the other's by rings. */
static void a_consumer_waits_for_its_own_partition_too(void **state) {
    (void)state;
    rings_open(0, 2);
    for (uint64_t i = 0; i < EVENTS; i++)
        for (size_t partition = 0; partition < 2; partition++)
            if (rank == 0) {
                rings_push_when_watched(partition);
            } else {
                MPI_Send(NULL, 0, MPI_INT, 0, 0, MPI_COMM_WORLD);
                rings_pull(partition, i);
            }
    rings_close();
}

static void the_end_of_a_topic_rings(void **state) {
    (void)state;
    mofka_event_t *event;
    rings_open(0, 1);
    if (rank == 0) {
        MPI_Recv(NULL, 0, MPI_INT, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        OK(mofka_topic_mark_complete(topic, 10000));
    } else {
        rings_await_watch();
        OK(mofka_consumer_pull(consumer, 60000, &event));
        assert_true(mofka_event_is_end(event));
        mofka_event_release(event);
    }
    rings_close();
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    assert_int_equal(size, 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_ends_a_wait),
        cmocka_unit_test(lost_rings_lose_no_event),
        cmocka_unit_test(a_consumer_waits_for_its_own_partition_too),
        cmocka_unit_test(the_end_of_a_topic_rings),
    };
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
