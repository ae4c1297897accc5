/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that concern another owner while one owner is stopped. Rank 0 has the directory, pushes and
 * pulls; ranks 1 and 2 own a partition each.
 *
 *   stopped DIRECTORY
 *
 * Rank 1 prints "stop" and its process. The caller of this program stops it while several threads
 * of rank 0 push to it: so it stops in the middle of many appends, at different steps. Then the
 * caller makes the file DIRECTORY/stopped. Rank 0 prints "other owners served" when it has done all
 * that needs no rank 1, and the caller continues the process.
 */
#include <unistd.h>
#include "support/mpi/mpi_main.h"

/* The time-out of calls that need the stopped rank, and of those that do not. */
#define SHORT_MS 500
#define LONG_MS 60000
#define EVENTS 20
#define PRODUCERS 8

static const char *directory;
static mofka_thread_pool_t *pool;

typedef struct owned {
    mofka_topic_t *topic;
    mofka_producer_t *producers[PRODUCERS];
    int pushed[PRODUCERS];
    mofka_consumer_t *consumer;
} owned_t;

static void owned_open(mofka_driver_t *driver, const char *name, owned_t *o) {
    memset(o, 0, sizeof *o);
    OK(mofka_driver_open_topic(driver, name, LONG_MS, &o->topic));
    const mofka_producer_options_t options = {.batch_size = 1, .thread_pool = pool};
    for (int i = 0; i < PRODUCERS; i++)
        OK(mofka_producer_create(o->topic, &options, &o->producers[i]));
    OK(mofka_consumer_create(o->topic, &(mofka_consumer_options_t){.name = "reader"},
                             &o->consumer));
}

static void owned_close(owned_t *o) {
    for (int i = 0; i < PRODUCERS; i++) {
        OK(mofka_producer_close(o->producers[i], LONG_MS));
        mofka_producer_release(o->producers[i]);
    }
    OK(mofka_consumer_close(o->consumer));
    mofka_consumer_release(o->consumer);
    mofka_topic_release(o->topic);
}

/* Push an event by each producer. */
static void owned_push(owned_t *o) {
    for (int i = 0; i < PRODUCERS; i++) {
        char text[48];
        size_t bytes = (size_t)snprintf(text, sizeof text, "{\"producer\":%d,\"number\":%d}", i,
                                        o->pushed[i]++);
        OK(mofka_producer_push(o->producers[i], text, bytes, NULL, MOFKA_ANY_PARTITION, NULL));
    }
}

static mofka_status_t owned_flush(const owned_t *o, int64_t timeout_ms) {
    mofka_status_t status = MOFKA_OK;
    for (int i = 0; i < PRODUCERS && !status; i++)
        status = mofka_producer_flush(o->producers[i], timeout_ms);
    return status;
}

/* Pull all events: each once, those of a producer in order. */
static void owned_pull(const owned_t *o) {
    int next[PRODUCERS] = {0}, left = 0;
    for (int i = 0; i < PRODUCERS; i++)
        left += o->pushed[i];
    for (; left > 0; left--) {
        mofka_event_t *event;
        int producer = -1, number = -1;
        OK(mofka_consumer_pull(o->consumer, LONG_MS, &event));
        sscanf(mofka_event_metadata_text(event, NULL), "{\"producer\":%d,\"number\":%d}", &producer,
               &number);
        IN_RANGE(producer, 0, PRODUCERS - 1);
        assert_int_equal(number, next[producer]++);
        OK(mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
}

static bool is_late(mofka_status_t status) {
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED;
}

/* Push until the owner has stopped. */
static void stopped_push(owned_t *o) {
    char path[4096];
    snprintf(path, sizeof path, "%s/stopped", directory);
    for (;;) {
        bool stopped = access(path, F_OK) == 0;
        owned_push(o);
        mofka_status_t status = owned_flush(o, SHORT_MS);
        while (is_late(status) && access(path, F_OK) != 0)
            status = owned_flush(o, SHORT_MS);
        if (is_late(status) && stopped)
            return;
        if (!is_late(status))
            OK(status);
    }
}

/* With appends and a pull that wait for the stopped owner, rank 0 uses the other owner. */
static void stopped_call(mofka_driver_t *driver, owned_t *stopped, owned_t *other) {
    mofka_event_t *event;
    stopped_push(stopped);
    assert_true(is_late(mofka_consumer_pull(stopped->consumer, SHORT_MS, &event)));
    for (int i = 0; i < EVENTS; i++) {
        owned_push(other);
        OK(owned_flush(other, LONG_MS));
    }
    owned_pull(other);
    mofka_topic_t *again;
    OK(mofka_driver_open_topic(driver, "other", LONG_MS, &again));
    mofka_topic_release(again);
    assert_true(is_late(owned_flush(stopped, SHORT_MS)));
    printf("other owners served\n");
    fflush(stdout);
    OK(owned_flush(stopped, LONG_MS));
    owned_pull(stopped);
}

static void one_owner_stops(void **state) {
    (void)state;
    mofka_driver_t *driver;
    owned_t stopped, other;
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, "{\"window\":\"rma\",\"owners\":[1,2]}", &driver));
    if (rank == 0) {
        OK(mofka_thread_pool_create(&(mofka_thread_pool_options_t){.thread_count = 2 * PRODUCERS},
                                    &pool));
        OK(mofka_driver_create_topic(driver, "stopped", NULL));
        OK(mofka_driver_create_topic(driver, "other", NULL));
        owned_open(driver, "stopped", &stopped);
        owned_open(driver, "other", &other);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 1) {
        printf("stop %ld.\n", (long)getpid());
        fflush(stdout);
    }
    if (rank == 0) {
        stopped_call(driver, &stopped, &other);
        owned_close(&stopped);
        owned_close(&other);
        mofka_thread_pool_release(pool);
    }
    MPI_Barrier(MPI_COMM_WORLD); /* it has no time-out */
    OK(mofka_driver_close(driver, LONG_MS));
    mofka_driver_release(driver);
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    directory = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_owner_stops)};
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
