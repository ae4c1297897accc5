/* SPDX-License-Identifier: BSD-3-Clause */
/* A topic "log" of numbered events over the heap window, whose producer and consumer work as usual,
 * and the places where it is stored. */
#ifndef MOFKA_TESTS_STORED_H
#define MOFKA_TESTS_STORED_H

#include "heap/job/log_fixture.h"

extern mofka_producer_t *stored_producer;
extern uint64_t stored_count; /* of events pushed so far; each has its number in it */

/* Before and after each case; warnings are kept for stored_expect_warning. */
int stored_setup(void **state);
int stored_teardown(void **state);
#define STORED_CASE(name) cmocka_unit_test_setup_teardown(name, stored_setup, stored_teardown)

/* Create the topic, and its producer. */
mofka_topic_t *stored_open(const char *options);
/* Close all three. */
void stored_end(mofka_consumer_t *consumer, mofka_topic_t *topic);
/* A consumer "reader" that fetches all data. */
mofka_consumer_t *stored_consumer(mofka_topic_t *topic, const char *options);
/* Push events, and flush: each quarter of the partition is a batch. */
mofka_status_t stored_try_push(int count, int64_t timeout_ms);
void stored_push(int count);

/* Whether the metadata is as it was pushed; *number is its number. */
bool stored_is_text(const char *metadata, size_t bytes, uint64_t *number);
/* Whether the event is as it was pushed; *number is its number. */
bool stored_is_right(const mofka_event_t *event, uint64_t *number);
/* It is, and its number is its id. */
void stored_check(const mofka_event_t *event);
/* The next events are those from `first` to `last`; the first reports `lost`. They are
 * acknowledged. */
void stored_expect(mofka_consumer_t *consumer, uint64_t first, uint64_t last, uint64_t lost);
void stored_expect_damage(mofka_consumer_t *consumer, const char *text);
void stored_expect_nothing(mofka_consumer_t *consumer);
void stored_expect_skipped(mofka_consumer_t *consumer, uint64_t count);
/* The last warning has `text` in it; "": there was none since the last call. */
void stored_expect_warning(const char *text);
/* The last warning since has not that text in it. */
void stored_expect_no_warning(const char *text);

/* Of the bits that are changed one at a time: all, but few where the sanitizers make each run
 * slow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STORED_BIT_STEP 7
#else
#define STORED_BIT_STEP 1
#endif

/* ---- where it is stored ---------------------------------------------------------------------- */

uint64_t *stored_word(const mmi_partition_t *p, uint64_t offset);
uint64_t *stored_control(const mmi_partition_t *p, size_t field);
uint64_t *stored_flag(const mmi_partition_t *p, uint64_t id);
mmi_entry_t *stored_entry(const mmi_partition_t *p, uint64_t id);
mmi_state_t stored_state(const mmi_partition_t *p);

#endif
