/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MPI_Finalize with open handles, fork, and Fortran. One mode a run; the second argument is the
 * window.
 *   one        rank 0 calls MPI_Finalize with everything open; the others get its events, and close
 *   attribute  as one, but the program calls MPI's own MPI_Finalize
 *   late       as one, but rank 0 cannot store its events; the others come when it has given up
 *   worker     as late, and a worker of its pool waits for room without a limit
 *   again      a rank whose close timed out calls again after another, in MPI_Finalize, has given
 *              up
 *   two        one rank closes a driver and forgets the next, the other forgets both
 *   fork       a child's calls on its parent's handles fail; it releases them, and ends
 *   handle     a communicator from Fortran
 */
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "support/clock.h"
#include "support/mpi/mpi_main.h"

static mofka_driver_t *driver;
static mofka_topic_t *topic;
static mofka_producer_t *producer;
static mofka_consumer_t *consumer;
static void around_open_topic(const char *options) {
    char text[64];
    snprintf(text, sizeof text, "{\"window\":\"%s\"}", window);
    NEEDS(!mofka_mpi_driver_create(MPI_COMM_WORLD, text, &driver));
    if (rank == 0)
        NEEDS(!mofka_driver_create_topic(driver, "topic",
                                         &(mofka_topic_options_t){.options = options}));
    NEEDS(!mofka_driver_open_topic(driver, "topic", 20000, &topic));
}

static mofka_thread_pool_t *pool; /* of the producer; never released */

static void open_producer(void) {
    mofka_producer_options_t options = {
        .linger_ms = 60000, .push_timeout_ms = 100, .thread_pool = pool};
    if (pool) { /* a worker has each event at once, and waits for ever */
        options.batch_size = 1;
        options.push_timeout_ms = -1;
    }
    NEEDS(!mofka_producer_create(topic, &options, &producer));
}

static void around_open_consumer(const char *name) {
    NEEDS(!mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = name}, &consumer));
}

static void around_pull_events(int count, bool end) {
    for (int i = 0; i < count + end; i++) {
        mofka_event_t *event;
        NEEDS(!mofka_consumer_pull(consumer, 20000, &event));
        NEEDS(mofka_event_is_end(event) == (i == count));
        NEEDS(i == count || !mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
}

static void close_all(void) {
    NEEDS(!mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
    NEEDS(!mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
}

/* ---- MPI_Finalize ---------------------------------------------------------------------------- */

static void check_handles_are_closed(void) {
    mofka_event_t *event;
    NEEDS(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL) == MOFKA_ERR_CLOSED);
    NEEDS(mofka_consumer_pull(consumer, 0, &event) == MOFKA_ERR_CLOSED);
    NEEDS(mofka_topic_mark_complete(topic, 0) == MOFKA_ERR_CLOSED);
    NEEDS(mofka_driver_topic_exists(driver, "topic", &(bool){false}) == MOFKA_ERR_CLOSED);
    mofka_producer_release(producer);
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
    mofka_driver_release(driver);
}

static void forget_one(int (*finalize)(void)) {
    char name[16];
    snprintf(name, sizeof name, "reader %d", rank);
    around_open_topic("{\"expected_producers\":1}");
    around_open_consumer(name);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank != 0) {
        around_pull_events(
            10, true); /* rank 0 sends them from inside of MPI_Finalize, and counts as finished */
        close_all();
        MPI_Finalize();
        return;
    }
    open_producer();
    for (int i = 0; i < 10; i++)
        NEEDS(!mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    finalize();
    NEEDS(strstr(mpi_main_warnings, "rank 0: the MPI driver was not closed before MPI_Finalize"));
    NEEDS(!strstr(mpi_main_warnings, "could not be closed"));
    check_handles_are_closed();
}

static void forget_and_come_late(size_t threads) {
    around_open_topic("{\"partition_events\":4}");
    around_open_consumer(rank == 0 ? "holds it up" : "other");
    MPI_Barrier(MPI_COMM_WORLD);
    time_t start = time(NULL);
    if (rank != 0) {
        clock_sleep_ms(7000); /* longer than rank 0 waits */
        close_all();
        bool left =
            strstr(mpi_main_warnings, "another rank ended without closing the driver") != NULL;
        NEEDS(left == (strcmp(window, "shm") == 0));
        MPI_Finalize();
        NEEDS(time(NULL) - start < 30);
        return;
    }
    if (threads > 0)
        NEEDS(!mofka_driver_make_thread_pool(driver, threads, MOFKA_BINDING_NONE, &pool));
    open_producer();
    for (int i = 0; i < 5; i++)
        NEEDS(!mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    clock_sleep_ms(200); /* a worker waits by then */
    MPI_Finalize();
    clock_sleep_ms(300); /* what a worker still does then must not need the window */
    NEEDS(strstr(mpi_main_warnings,
                 "ending a forgotten producer: producer '': 1 events are not stored yet"));
    NEEDS(strstr(mpi_main_warnings, "the MPI driver could not be closed at MPI_Finalize"));
    check_handles_are_closed();
    NEEDS(time(NULL) - start < 30);
}

static void make_driver(mofka_driver_t **made) {
    char text[64];
    snprintf(text, sizeof text, "{\"window\":\"%s\"}", window);
    NEEDS(!mofka_mpi_driver_create(MPI_COMM_WORLD, text, made));
}

static void close_again(void) {
    make_driver(&driver);
    if (rank == 1) {
        NEEDS(mofka_driver_close(driver, 100) == MOFKA_ERR_TIMEOUT);
        clock_sleep_ms(7000);
        NEEDS(!mofka_driver_close(driver, 10000));
        mofka_driver_release(driver);
    } else {
        clock_sleep_ms(500); /* the barrier of the close is over by then, what follows is not */
    }
    MPI_Finalize();
}

static void forget_two(void) {
    mofka_driver_t *other;
    make_driver(&driver);
    make_driver(&other);
    if (rank == 0) {
        NEEDS(!mofka_driver_close(driver, 30000));
        mofka_driver_release(driver);
    }
    MPI_Finalize();
}

/* ---- fork ------------------------------------------------------------------------------------ */

static mofka_future_t *waiting;
static mofka_event_t *held;

#define REFUSED(call)                                                                              \
    NEEDS((call) == MOFKA_ERR_INVALID && strstr(mofka_last_error(), "process that forked this "    \
                                                                    "one"))

static void around_run_child(void) {
    mofka_event_t *event;
    mofka_metadata_t *metadata;
    mofka_topic_t *other;
    mofka_producer_t *made;
    mofka_consumer_t *read;
    mofka_driver_t *fresh;
    bool exists;
    REFUSED(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    REFUSED(mofka_producer_flush(producer, 1000));
    REFUSED(mofka_producer_stats(producer, &metadata));
    REFUSED(mofka_producer_close(producer, 1000));
    REFUSED(mofka_consumer_pull(consumer, 1000, &event));
    REFUSED(mofka_consumer_unsubscribe(consumer));
    REFUSED(mofka_consumer_close(consumer));
    REFUSED(mofka_topic_partition_info(topic, 0, &metadata));
    REFUSED(mofka_topic_mark_complete(topic, 1000));
    REFUSED(mofka_producer_create(topic, NULL, &made));
    REFUSED(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "x"}, &read));
    REFUSED(mofka_driver_create_topic(driver, "another", NULL));
    REFUSED(mofka_driver_open_topic(driver, "topic", 1000, &other));
    REFUSED(mofka_driver_topic_exists(driver, "topic", &exists));
    REFUSED(mofka_driver_stats(driver, 1000, &metadata));
    REFUSED(mofka_driver_close(driver, 1000));
    REFUSED(mofka_event_acknowledge(held));
    REFUSED(mofka_future_wait(waiting, 1000, NULL));
    NEEDS(!mofka_future_completed(waiting));
    NEEDS(mofka_mpi_driver_create(MPI_COMM_SELF, NULL, &fresh) == MOFKA_ERR_MPI);
    mofka_event_release(held);
    mofka_future_release(waiting);
    mofka_producer_release(producer);
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
    mofka_driver_release(driver);
}

static void ignore_report(void *context, const mofka_metadata_t *stats) {
    (void)context, (void)stats;
}

static void no_work(void *context) {
    (void)context;
}

static void check_child(pid_t child) {
    int status = 0;
    pid_t ended = 0;
    for (int i = 0; i < 2000 && ended == 0; i++) {
        ended = waitpid(child, &status, WNOHANG);
        clock_sleep_ms(5);
    }
    NEEDS(ended == child);
    NEEDS(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void fork_a_child(void) {
    char name[16];
    snprintf(name, sizeof name, "reader %d", rank);
    around_open_topic(NULL);
    around_open_consumer(name);
    MPI_Barrier(MPI_COMM_WORLD);
    mofka_thread_pool_t *other;
    NEEDS(!mofka_driver_make_thread_pool(driver, 1, MOFKA_BINDING_NONE, &other));
    NEEDS(!mofka_driver_set_stats_callback(driver, 1, ignore_report, NULL)); /* one more thread */
    open_producer();
    NEEDS(!mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    NEEDS(!mofka_producer_flush(producer, 20000));
    NEEDS(!mofka_consumer_pull(consumer, 20000, &held));
    NEEDS(!mofka_producer_push(producer, "{}", 2, NULL, 0, &waiting));
    pid_t child = fork();
    if (child == 0) {
        around_run_child();
        REFUSED(mofka_thread_pool_push_work(other, no_work, NULL, 0));
        mofka_thread_pool_release(other);
        _exit(0);
    }
    check_child(child);
    mofka_thread_pool_release(other);
    NEEDS(!mofka_future_wait(waiting, 20000, NULL));
    mofka_future_release(waiting);
    NEEDS(!mofka_producer_close(producer, 20000));
    mofka_producer_release(producer);
    NEEDS(!mofka_event_acknowledge(held));
    mofka_event_release(held);
    around_pull_events(2 * size - 1, false);
    MPI_Barrier(MPI_COMM_WORLD);
    close_all();
    MPI_Finalize();
}

/* ---- communicators of Fortran ---------------------------------------------------------------- */

/* What is no communicator is an error, also where errors of MPI end the program. */
static void use_bad_handles(void) {
    static const MPI_Fint numbers[] = {12345, -7, 2147483647, 0x7fff1234};
    MPI_Errhandler handler;
    MPI_Comm freed;
    MPI_Comm_dup(MPI_COMM_WORLD, &freed);
    MPI_Fint number = MPI_Comm_c2f(freed);
    MPI_Comm_free(&freed);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
    NEEDS(mofka_mpi_driver_create_f(number, NULL, &driver) == MOFKA_ERR_INVALID);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        NEEDS(mofka_mpi_driver_create_f(numbers[i], NULL, &driver) == MOFKA_ERR_INVALID);
        NEEDS(strstr(mofka_last_error(), "communicator"));
    }
    MPI_Comm_get_errhandler(MPI_COMM_WORLD, &handler);
    NEEDS(handler == MPI_ERRORS_ARE_FATAL); /* it was given back */
}

static void use_a_handle(void) {
    MPI_Comm half;
    use_bad_handles();
    MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &half);
    NEEDS(mofka_mpi_driver_create_f(MPI_Comm_c2f(MPI_COMM_NULL), NULL, &driver) ==
          MOFKA_ERR_INVALID);
    mofka_metadata_t *stats;
    char text[64];
    snprintf(text, sizeof text, "{\"window\":\"%s\"}", window);
    NEEDS(!mofka_mpi_driver_create_f(MPI_Comm_c2f(half), text, &driver));
    NEEDS(!mofka_driver_stats(driver, 1000, &stats));
    NEEDS(strstr(mofka_metadata_text(stats, NULL), size == 2 ? "\"size\":1" : "\"size\":"));
    mofka_metadata_release(stats);
    NEEDS(!mofka_driver_close(driver, 20000));
    mofka_driver_release(driver);
    MPI_Comm_free(&half);
    MPI_Finalize();
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    if (argc != 3)
        return 2;
    const char *mode = argv[1];
    window = argv[2];
    mpi_main_collect_warnings();
    if (strcmp(mode, "one") == 0)
        forget_one(MPI_Finalize);
    else if (strcmp(mode, "attribute") == 0)
        forget_one(PMPI_Finalize);
    else if (strcmp(mode, "late") == 0)
        forget_and_come_late(0);
    else if (strcmp(mode, "worker") == 0)
        forget_and_come_late(1);
    else if (strcmp(mode, "again") == 0)
        close_again();
    else if (strcmp(mode, "two") == 0)
        forget_two();
    else if (strcmp(mode, "fork") == 0)
        fork_a_child();
    else if (strcmp(mode, "handle") == 0)
        use_a_handle();
    else
        return 2;
    return 0;
}
