/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The events of the races: {"r":rank,"n":number}, and data that follows from both. A check that
 * fails aborts the process.
 */
#ifndef MOFKA_TESTS_STRESS_EVENTS_H
#define MOFKA_TESTS_STRESS_EVENTS_H

#include <stdio.h>
#include <stdlib.h>
#include "support/stress/stress.h"

#define RING_BYTES 16384
#define SLOTS 64
#define WAIT_MS 60000

#define EXPECT(condition, ...)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                        \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, " (%s)\n", mofka_last_error());                                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)
#define GOOD(call) EXPECT((call) == MOFKA_OK, "failed")

/* Collective: create and open a topic, whose log begins at LOG_START. The format gives its
 * options. */
mofka_topic_t *stress_open_topic(const job_t *job, const char *name, const char *format, ...);

/* Consumer PREFIX-RANK, which selects all data. */
mofka_consumer_t *stress_open_consumer(const job_t *job, mofka_topic_t *topic, const char *prefix);

/* Close and release. */
void stress_close_consumer(mofka_consumer_t *consumer);
void stress_close_producer(mofka_producer_t *producer);

/* Push event `n` of rank `r`. */
void stress_push_event(mofka_producer_t *producer, int r, int n, mofka_future_t **future);

/* The event is event `n` of rank `r`, and its data is right. Gives `r` and `n`. */
void stress_check_event(const mofka_event_t *event, int *r, int *n);

/* Pull an event and check it. NULL: the end. Give: release. */
mofka_event_t *stress_pull_event(mofka_consumer_t *consumer, int *r, int *n);

#endif
