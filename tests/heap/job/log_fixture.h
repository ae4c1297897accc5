/* SPDX-License-Identifier: BSD-3-Clause */
/* A topic "log" over the heap window, senders that can stop after each step of an append, and a
 * consumer "reader". */
#ifndef MOFKA_TESTS_LOG_FIXTURE_H
#define MOFKA_TESTS_LOG_FIXTURE_H

#include <mofka/backend.h>
#include "consumer/consumer.h"
#include "mpi/consumer/consumer.h"
#include "support/check.h"

/* What log_pull_id returns if no event can be read. */
#define NOTHING_YET (UINT64_MAX - 1)

/* A producer of the backend, and batches of events without data for it. */
typedef struct sender {
    const mofka_producer_ops_t *ops;
    void *self;
    mofka_batch_event_t events[4];
    mofka_batch_t batch;
} sender_t;

extern mofka_driver_t *log_driver;

/* Before and after each case: the window's memory, and its driver. */
int log_open_memory(void **state);
int log_close_memory(void **state);
#define LOG_CASE(name) cmocka_unit_test_setup_teardown(name, log_open_memory, log_close_memory)

mofka_topic_t *log_create_topic(const char *options);
/* Its partition 0. */
const mmi_partition_t *log_of(const mofka_topic_t *topic);
mofka_consumer_t *log_create_consumer(mofka_topic_t *topic);
/* Pull an event, acknowledge it, and return its id. */
uint64_t log_pull_id(mofka_consumer_t *consumer);
void log_end(mofka_consumer_t *consumer, mofka_topic_t *topic);

/* With batches of `count` events of 10 bytes. */
void sender_open(sender_t *s, mofka_topic_t *topic, size_t count);
/* Append a batch of `count` of its events; returns the first id. */
uint64_t sender_append(sender_t *s, size_t count);
/* Reserve a place, as a rank that then stops has done. */
void sender_reserve_only(sender_t *s, const mmi_partition_t *p);
void sender_close(sender_t *s);

#endif
