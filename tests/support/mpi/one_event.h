/* SPDX-License-Identifier: BSD-3-Clause */
/* An event of each rank to each rank: whether a driver works. */
#ifndef MOFKA_TESTS_ONE_EVENT_H
#define MOFKA_TESTS_ONE_EVENT_H

#include "support/mpi/mpi_main.h"

static inline void one_event_push(mofka_topic_t *topic) {
    mofka_producer_t *producer;
    NEEDS(!mofka_producer_create(topic, NULL, &producer));
    NEEDS(!mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, NULL));
    NEEDS(!mofka_producer_close(producer, 30000));
    mofka_producer_release(producer);
}

static inline void one_event_pull(mofka_topic_t *topic) {
    char name[32];
    mofka_consumer_t *consumer;
    snprintf(name, sizeof name, "reader %d", rank);
    NEEDS(!mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = name}, &consumer));
    for (int i = 0; i < size; i++) {
        mofka_event_t *event;
        NEEDS(!mofka_consumer_pull(consumer, 30000, &event));
        NEEDS(!mofka_event_is_end(event));
        mofka_event_release(event);
    }
    NEEDS(!mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

/* Make a driver over `comm`; each rank pushes an event, and pulls those of all. It stays open. */
static inline mofka_driver_t *one_event_open(MPI_Comm comm, const char *options) {
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    NEEDS(!mofka_mpi_driver_create(comm, options, &driver));
    if (rank == 0)
        NEEDS(!mofka_driver_create_topic(driver, "topic", NULL));
    NEEDS(!mofka_driver_open_topic(driver, "topic", 30000, &topic));
    one_event_push(topic);
    one_event_pull(topic);
    mofka_topic_release(topic);
    return driver;
}

static inline void one_event_close(mofka_driver_t *driver) {
    NEEDS(!mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
}

#endif
