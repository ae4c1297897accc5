/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What calls do while the link between two hosts is down. Rank 1 owns the topic's partition; rank 0
 * has the directory.
 *
 *   link back DIRECTORY    the link comes back: all events arrive, each once, in order
 *   link CALL DIRECTORY    the link stays down: that call comes back in time; see link_calls
 *
 * Each rank prints "unplug" when it needs no link any more, and goes on when the file
 * DIRECTORY/unplugged exists: the link is down.
 */
#include <unistd.h>
#include "support/clock.h"
#include "support/mpi/mpi_main.h"

/* Time-out of the calls, and the most that they may take. A call without a time-out of its own
 * waits 15 s. */
#define CALL_MS 500
#define CALL_MS_MAX 5000
#define LONG_CALL_MS_MAX 25000
#define EVENTS 60

typedef struct link {
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_producer_t *producer; /* rank 0's */
    mofka_consumer_t *consumer;
} link_t;

static const char *mode, *directory;

static mofka_status_t link_push(const link_t *l, int number, mofka_future_t **future) {
    char text[32];
    size_t bytes = (size_t)snprintf(text, sizeof text, "{\"n\":%d}", number);
    return mofka_producer_push(l->producer, text, bytes, NULL, MOFKA_ANY_PARTITION, future);
}

/* ---- while the link is down for good --------------------------------------------------------- */

/* Two batches are kept; a later event is not. */
static mofka_status_t call_push(link_t *l) {
    mofka_status_t status = MOFKA_OK;
    for (int i = 0; i < 8 && !status; i++)
        status = link_push(l, i, NULL);
    return status;
}

static mofka_status_t call_flush(link_t *l) {
    mofka_status_t status = link_push(l, 0, NULL);
    return status ? status : mofka_producer_flush(l->producer, CALL_MS);
}

static mofka_status_t call_wait(link_t *l) {
    mofka_future_t *future = NULL;
    mofka_status_t status = link_push(l, 0, &future);
    if (!status)
        status = mofka_future_wait(future, CALL_MS, NULL);
    mofka_future_release(future);
    return status;
}

static mofka_status_t call_close_producer(link_t *l) {
    mofka_status_t status = link_push(l, 0, NULL);
    return status ? status : mofka_producer_close(l->producer, CALL_MS);
}

static mofka_status_t call_pull(link_t *l) {
    mofka_event_t *event;
    return mofka_consumer_pull(l->consumer, CALL_MS, &event);
}

static mofka_status_t call_create_consumer(link_t *l) {
    mofka_consumer_t *consumer;
    return mofka_consumer_create(l->topic, &(mofka_consumer_options_t){.name = "late"}, &consumer);
}

static mofka_status_t call_close_consumer(link_t *l) {
    return mofka_consumer_close(l->consumer);
}

static mofka_status_t call_mark_complete(link_t *l) {
    return mofka_topic_mark_complete(l->topic, CALL_MS);
}

static mofka_status_t call_open_topic(link_t *l) {
    mofka_topic_t *topic;
    return mofka_driver_open_topic(l->driver, "second", CALL_MS, &topic);
}

static mofka_status_t call_close_driver(link_t *l) {
    return mofka_driver_close(l->driver, CALL_MS);
}

/* Which rank calls, and what the call answers at the latest after `ms_max`. */
static const struct link_call {
    const char *name;
    mofka_status_t (*call)(link_t *l);
    int rank;
    int ms_max;
} link_calls[] = {
    {"push", call_push, 0, 3 * CALL_MS_MAX},
    {"flush", call_flush, 0, 2 * CALL_MS_MAX},
    {"wait", call_wait, 0, 2 * CALL_MS_MAX},
    {"close_producer", call_close_producer, 0, 2 * CALL_MS_MAX},
    {"pull", call_pull, 0, CALL_MS_MAX},
    {"pull_own", call_pull, 1, CALL_MS_MAX},
    {"create_consumer", call_create_consumer, 0, LONG_CALL_MS_MAX},
    {"close_consumer", call_close_consumer, 0, LONG_CALL_MS_MAX},
    {"mark_complete", call_mark_complete, 0, CALL_MS_MAX},
    {"open_topic", call_open_topic, 1, CALL_MS_MAX},
    {"close_driver", call_close_driver, 1, CALL_MS_MAX},
};

static const struct link_call *link_find_call(void) {
    for (size_t i = 0; i < sizeof link_calls / sizeof link_calls[0]; i++)
        if (strcmp(link_calls[i].name, mode) == 0)
            return &link_calls[i];
    fail_msg("unknown call '%s'", mode);
    return NULL;
}

/* ---- the job --------------------------------------------------------------------------------- */

static void link_open(link_t *l) {
    const struct mofka_topic_options options = {.options = "{\"expected_producers\":1}"};
    memset(l, 0, sizeof *l);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, "{\"window\":\"rma\",\"owners\":[1]}", &l->driver));
    if (rank == 0)
        OK(mofka_driver_create_topic(l->driver, "events", &options));
    OK(mofka_driver_open_topic(l->driver, "events", 60000, &l->topic));
    const mofka_producer_options_t producer = {.batch_size = 1, .push_timeout_ms = CALL_MS};
    if (rank == 0)
        OK(mofka_producer_create(l->topic, &producer, &l->producer));
    const mofka_consumer_options_t consumer = {.name = rank == 0 ? "far" : "near"};
    OK(mofka_consumer_create(l->topic, &consumer, &l->consumer));
}

/* Wait until the link is down. */
static void link_wait_unplugged(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s/unplugged", directory);
    MPI_Barrier(MPI_COMM_WORLD);
    printf("unplug\n");
    fflush(stdout);
    while (access(path, F_OK) != 0)
        clock_sleep_ms(1);
}

/* The job ends here: what is left open needs the link. */
static void link_report(const struct link_call *call, mofka_status_t status, int64_t ms) {
    bool good = status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED;
    printf("%s: %s after %lld ms, %s\n", call->name, mofka_status_name(status), (long long)ms,
           good && ms <= call->ms_max ? "in time" : "WRONG");
    fflush(stdout);
}

static void a_call_comes_back(void **state) {
    (void)state;
    link_t l;
    const struct link_call *call = link_find_call();
    link_open(&l);
    if (strcmp(call->name, "close_driver") == 0) {
        if (rank == 0)
            OK(mofka_producer_close(l.producer, 60000));
        OK(mofka_consumer_close(l.consumer));
    }
    link_wait_unplugged();
    if (rank == call->rank) {
        int64_t start_ms = clock_ms();
        mofka_status_t status = call->call(&l);
        link_report(call, status, clock_ms() - start_ms);
    }
    for (;;) /* The caller of this program ends it. */
        pause();
}

/* Push all events, and wait until they are stored. Meanwhile the link goes down and comes back. */
static void link_produce(const link_t *l) {
    for (int n = 0; n < EVENTS; n++) {
        if (n == EVENTS / 2)
            link_wait_unplugged();
        mofka_status_t status;
        while ((status = link_push(l, n, NULL)) == MOFKA_ERR_TIMEOUT)
            continue;
        OK(status);
        status = mofka_producer_flush(l->producer, CALL_MS);
        if (status != MOFKA_ERR_TIMEOUT && status != MOFKA_ERR_POSSIBLY_STORED)
            OK(status);
    }
    OK(mofka_producer_close(l->producer, 60000));
}

/* Returns how many events came before the end. */
static int link_consume(const link_t *l) {
    for (int n = 0;;) {
        mofka_event_t *event;
        mofka_status_t status = mofka_consumer_pull(l->consumer, CALL_MS, &event);
        if (status == MOFKA_ERR_TIMEOUT)
            continue;
        OK(status);
        bool end = mofka_event_is_end(event);
        if (!end) {
            int number = -1;
            sscanf(mofka_event_metadata_text(event, NULL), "{\"n\":%d}", &number);
            assert_int_equal(mofka_event_id(event), n);
            assert_int_equal(number, n++);
            OK(mofka_event_acknowledge(event));
        }
        mofka_event_release(event);
        if (end)
            return n;
    }
}

static void all_events_arrive(void **state) {
    (void)state;
    link_t l;
    link_open(&l);
    if (rank == 0)
        link_produce(&l);
    else
        link_wait_unplugged();
    assert_int_equal(link_consume(&l), EVENTS);
    OK(mofka_consumer_close(l.consumer));
    mofka_producer_release(l.producer);
    mofka_consumer_release(l.consumer);
    mofka_topic_release(l.topic);
    OK(mofka_driver_close(l.driver, 60000));
    mofka_driver_release(l.driver);
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    if (argc != 3) {
        fprintf(stderr, "link back|CALL DIRECTORY\n");
        return mpi_main_end(1);
    }
    mode = argv[1], directory = argv[2];
    const struct CMUnitTest back[] = {cmocka_unit_test(all_events_arrive)};
    const struct CMUnitTest gone[] = {cmocka_unit_test(a_call_comes_back)};
    return mpi_main_end(strcmp(mode, "back") == 0 ? RUN_MPI_TESTS(back) : RUN_MPI_TESTS(gone));
}
