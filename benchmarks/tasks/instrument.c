/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Instruments programs that know nothing of it: every write of every rank becomes an event.
 *
 *   mpicc -shared -fPIC instrument.c -o libinstrument.so -ldl, with the library's flags
 *   mpiexec -n 4 env LD_PRELOAD=./libinstrument.so ./program
 *
 * INSTRUMENT_DRIVER and INSTRUMENT_TOPIC may have the options of the driver and of the topic, as
 * JSON. INSTRUMENT_FALLBACK may name a folder: there each rank makes a store, rank-0 and so on, for
 * the events that find no room.
 *
 * A push waits for nothing: an event that finds no room goes to the rank's store, or is dropped and
 * counted. When the program ends MPI, rank 0 reads the events and prints what it found.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <mofka/mofka.h>
#include <mofka/mpi.h>

static ssize_t (*next_write)(int, const void *, size_t);
#define TOPIC "writes"

static mofka_driver_t *driver, *files; /* `files`: NULL without a last resort */
static mofka_topic_t *topic;
static mofka_producer_t *last_resort;      /* NULL: none */
static mofka_producer_t *_Atomic producer; /* NULL: nothing is noted */
static _Thread_local bool inside;          /* this library writes: not the program */

__attribute__((constructor)) static void instrument_load(void) {
    *(void **)&next_write = dlsym(RTLD_NEXT, "write");
    if (!getenv("MOFKA_LOG"))
        mofka_log_set_level(MOFKA_LOG_ERROR); /* before MPI, and before main */
}

static bool instrument_fails(mofka_status_t status) {
    if (status)
        fprintf(stderr, "instrument: %s: %s\n", mofka_status_name(status), mofka_last_error());
    return status != MOFKA_OK;
}

/* A producer that writes to this rank's store. Its push does not wait either: a worker writes. */
static void instrument_open_store(int rank, const char *folder) {
    char options[4200];
    mofka_topic_t *store;
    mofka_thread_pool_t *worker;
    snprintf(options, sizeof options, "{\"store\":\"%s/rank-%d\"}", folder, rank);
    if (instrument_fails(mofka_driver_create("files", options, &files)) ||
        instrument_fails(mofka_driver_create_topic(files, TOPIC, NULL)) ||
        instrument_fails(mofka_driver_open_topic(files, TOPIC, 0, &store)))
        return;
    if (!instrument_fails(mofka_driver_make_thread_pool(files, 1, MOFKA_BINDING_NONE, &worker))) {
        mofka_producer_options_t of = {
            .thread_pool = worker, .max_batches = 8, .when_full = MOFKA_WHEN_FULL_DROP_NEWEST};
        instrument_fails(mofka_producer_create(store, &of, &last_resort));
        mofka_thread_pool_release(worker);
    }
    mofka_topic_release(store);
}

/* Collective. After an error, the program runs without instrumentation. */
static void instrument_start(void) {
    int rank;
    mofka_producer_t *made;
    mofka_topic_options_t topic_options = {.options = getenv("INSTRUMENT_TOPIC")};
    const char *folder = getenv("INSTRUMENT_FALLBACK");
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    inside = true;
    if (folder)
        instrument_open_store(rank, folder);
    mofka_producer_options_t options = {.when_full = MOFKA_WHEN_FULL_DROP_NEWEST,
                                        .fallback = last_resort};
    if (!instrument_fails(
            mofka_mpi_driver_create(MPI_COMM_WORLD, getenv("INSTRUMENT_DRIVER"), &driver)) &&
        !(rank == 0 &&
          instrument_fails(mofka_driver_create_topic(driver, TOPIC, &topic_options))) &&
        !instrument_fails(mofka_driver_open_topic(driver, TOPIC, 10000, &topic)) &&
        !instrument_fails(mofka_producer_create(topic, &options, &made)))
        producer = made;
    inside = false;
}

int MPI_Init(int *argc, char ***argv) {
    int level, error = PMPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &level);
    if (!error)
        instrument_start();
    return error;
}

int MPI_Init_thread(int *argc, char ***argv, int wanted, int *level) {
    (void)wanted;
    int error = PMPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, level);
    if (!error)
        instrument_start();
    return error;
}

/* In a forked child, a push answers an error, and nothing happens. errno stays that of write. */
ssize_t write(int file, const void *bytes, size_t size) {
    ssize_t written = next_write(file, bytes, size);
    mofka_producer_t *to = producer;
    if (to && !inside) {
        char text[64];
        inside = true;
        int length = snprintf(text, sizeof text, "{\"file\":%d,\"bytes\":%zd}", file, written);
        mofka_producer_push(to, text, (size_t)length, NULL, MOFKA_ANY_PARTITION, NULL);
        inside = false;
    }
    return written;
}

/* All ranks have closed their producers. */
static void instrument_print(void) {
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    size_t events = 0;
    if (instrument_fails(mofka_topic_mark_complete(topic, 10000)) ||
        instrument_fails(mofka_consumer_create(
            topic, &(mofka_consumer_options_t){.name = "summary"}, &consumer)))
        return;
    while (!instrument_fails(mofka_consumer_pull(consumer, 10000, &event))) {
        bool end = mofka_event_is_end(event);
        events += !end;
        mofka_event_release(event);
        if (end)
            break;
    }
    fprintf(stderr, "instrument: %zu writes\n", events);
    mofka_consumer_close(consumer);
    mofka_consumer_release(consumer);
}

static void instrument_close_store(void) {
    if (last_resort)
        instrument_fails(mofka_producer_close(last_resort, 10000));
    mofka_producer_release(last_resort);
    instrument_fails(mofka_driver_close(files, 10000));
    mofka_driver_release(files);
}

/* What finds no room until the end goes to the store, too. */
static void instrument_end(mofka_producer_t *open) {
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (mofka_producer_close(open, last_resort ? 100 : 10000) == MOFKA_ERR_TIMEOUT && last_resort) {
        mofka_producer_discard(open);
        mofka_producer_close(open, 10000);
    }
    mofka_producer_release(open);
    if (files)
        instrument_close_store();
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        instrument_print();
    mofka_topic_release(topic);
    instrument_fails(mofka_driver_close(driver, 10000));
    mofka_driver_release(driver);
}

/* The next one is that of the driver's library, which closes what is open. */
int MPI_Finalize(void) {
    int (*next)(void);
    mofka_producer_t *open = producer;
    *(void **)&next = dlsym(RTLD_NEXT, "MPI_Finalize");
    producer = NULL;
    inside = true;
    if (open)
        instrument_end(open);
    return next();
}
