/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pushes events of 128 B in one process: what a push costs in C. The other programs of this folder
 * do the same in their languages.
 *   push_c EVENTS metadata|data|future
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/mofka.h>
#include <mofka/mpi.h>

static void check(mofka_status_t status) {
    if (status) {
        fprintf(stderr, "push_c: %s\n", mofka_last_error());
        exit(1);
    }
}

static void push_metadata(mofka_producer_t *producer, const char *text, long events) {
    for (long i = 0; i < events; i++)
        check(mofka_producer_push(producer, text, 128, NULL, MOFKA_ANY_PARTITION, NULL));
}

static void push_data(mofka_producer_t *producer, const char *text, long events) {
    static char data[64];
    mofka_data_view_t *view;
    for (long i = 0; i < events; i++) {
        check(mofka_data_view_of(data, sizeof data, &view));
        check(mofka_producer_push(producer, text, 64, view, MOFKA_ANY_PARTITION, NULL));
        mofka_data_view_release(view);
    }
}

static void push_future(mofka_producer_t *producer, const char *text, long events) {
    mofka_future_t *future;
    for (long i = 0; i < events; i++) {
        check(mofka_producer_push(producer, text, 128, NULL, MOFKA_ANY_PARTITION, &future));
        mofka_future_release(future);
    }
}

int main(int argc, char **argv) {
    char text[129];
    int level;
    if (argc != 3)
        return 2;
    long events = strtol(argv[1], NULL, 10);
    memset(text, 'x', sizeof text);
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    check(mofka_mpi_driver_create(MPI_COMM_WORLD, "{\"window\":\"shm\"}", &driver));
    check(mofka_driver_create_topic(
        driver, "t", &(mofka_topic_options_t){.options = "{\"retention\":\"discard_oldest\"}"}));
    check(mofka_driver_open_topic(driver, "t", 0, &topic));
    check(mofka_producer_create(topic, NULL, &producer));
    if (strcmp(argv[2], "metadata") == 0)
        push_metadata(producer, text, events);
    else if (strcmp(argv[2], "data") == 0)
        push_data(producer, text, events);
    else
        push_future(producer, text, events);
    check(mofka_producer_close(producer, MOFKA_WAIT_FOREVER));
    mofka_producer_release(producer);
    mofka_topic_release(topic);
    check(mofka_driver_close(driver, MOFKA_WAIT_FOREVER));
    mofka_driver_release(driver);
    return MPI_Finalize();
}
