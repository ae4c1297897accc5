/* SPDX-License-Identifier: BSD-3-Clause */
/* Histories made by hand: a record a call, in the order in which they are made. For test_judge.c
 * and test_judge_fails.c. */
#ifndef MOFKA_TESTS_HISTORY_MADE_H
#define MOFKA_TESTS_HISTORY_MADE_H

#include "history/judge/judge.h"
#include "support/check.h"

/* Events that made_pushes pushes. */
#define EVENTS 4

extern history_t made_history;

/* Before each case: one source, one reader, one partition, and no record; and after it. */
int made_begin(void **state);
int made_end(void **state);
#define CASE(name) cmocka_unit_test_setup_teardown(name, made_begin, made_end)

/* The next record; `session` and `actor` order them. Borrow: until the next one is made. */
history_record_t *made_record(history_kind_t kind, int actor, unsigned session);
void made_push(int source, unsigned number, mofka_status_t status, bool future);
void made_outcome(int source, unsigned number, mofka_status_t status, uint64_t id);
void made_flush(history_kind_t kind, int source, unsigned number, mofka_status_t status);
history_record_t *made_delivery(unsigned session, uint64_t id, unsigned source, unsigned number);
void made_acknowledgement(unsigned session, uint64_t id);
void made_join(unsigned session, bool automatic);
void made_leave(unsigned session, bool end, uint64_t lost);
/* One source pushes events 0 to 3 without futures, and closes. */
void made_pushes(void);
/* The same events with futures, which say that they are stored. The source does not close. */
void made_pushes_with_futures(void);
/* Session 0 gets the first events, in order. */
void made_deliveries(unsigned count);

judge_summary_t made_judged(void);
/* The judge finds nothing. */
void made_is_right(void);
/* The judge finds that fault, and its line has all of `named`. */
void made_has(judge_fault_t fault, const char *named);

#endif
