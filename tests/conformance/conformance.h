/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cases that every driver must pass, whatever its type.
 *
 * Each case makes a topic of its own, with one partition, and leaves nothing open.
 */
#ifndef MOFKA_TESTS_CONFORMANCE_H
#define MOFKA_TESTS_CONFORMANCE_H

#include "support/check.h"

/* For waits that end earlier. */
#define WAIT_MS 20000

/* Run all cases; the number that failed. `topic_options`: JSON for each topic (one partition, which
 * takes at least 200 KiB and 512 events; NULL: none). The driver stays open. */
int conformance_run(const char *name, mofka_driver_t *driver, const char *topic_options);

/* How many claims the cases have found in place. */
int conformance_claims_in_place(void);

/* ---- for the files of cases ---- */

mofka_driver_t *conformance_driver(void);
/* A fresh topic with these helpers (JSON, NULL: the defaults), opened. */
mofka_topic_t *fresh_topic(const mofka_topic_options_t *helpers);
/* Delete the topic, make another one of its name, and open that. The handle `topic` stays. */
mofka_topic_t *conformance_replace_topic(const mofka_topic_t *topic);
mofka_producer_t *new_producer(mofka_topic_t *topic);
mofka_consumer_t *new_consumer(mofka_topic_t *topic, const char *name);
/* Close and release. */
void end_producer(mofka_producer_t *producer);
void end_consumer(mofka_consumer_t *consumer);
/* Push {"n":number} without data or future. */
void push_number(mofka_producer_t *producer, int number);
/* Push `count` numbers from 0 on through a producer of its own, all stored on return. */
void push_numbers(mofka_topic_t *topic, int count);
/* Pull one event, which must come in time and carry {"n":number}. Give: release. */
mofka_event_t *pull_number(mofka_consumer_t *consumer, int number);
/* The same, acknowledged and released. */
void take_number(mofka_consumer_t *consumer, int number);
/* The next pull gives the end. */
void expect_end(mofka_consumer_t *consumer);

extern const struct CMUnitTest push_cases[], types_cases[], pull_cases[], data_cases[],
    zero_copy_cases[], input_cases[], delete_cases[], run_cases[], evict_cases[], seek_cases[],
    claim_cases[];
extern const size_t push_case_count, types_case_count, pull_case_count, data_case_count,
    zero_copy_case_count, input_case_count, delete_case_count, run_case_count, evict_case_count,
    seek_case_count, claim_case_count;

#endif
