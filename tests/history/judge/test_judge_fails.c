/* SPDX-License-Identifier: BSD-3-Clause */
/* Histories made by hand of runs in which operations of MPI failed. */
#include "history/judge/made.h"

/* Event 1 met an error of MPI; the others have the ids 0, 2 and 3. Nothing is delivered yet. */
static void fails_push(void) {
    made_history.facts.fails = true;
    for (unsigned n = 0; n < EVENTS; n++)
        made_push(0, n, MOFKA_OK, true);
    for (unsigned n = 0; n < EVENTS; n++)
        made_outcome(0, n, n == 1 ? MOFKA_ERR_MPI : MOFKA_OK, n);
    made_flush(HISTORY_CLOSE, 0, EVENTS, MOFKA_ERR_TIMEOUT);
}

static void fails_wait(unsigned session) {
    made_record(HISTORY_WAIT, 0, session);
    made_leave(session, false, 0);
}

static void a_failed_event_may_be_a_hole(void **state) {
    (void)state;
    fails_push();
    made_join(0, false);
    made_deliveries(1);
    fails_wait(0);
    made_is_right();
}

static void a_failed_event_may_be_stored(void **state) {
    (void)state;
    fails_push();
    made_join(0, false);
    made_deliveries(EVENTS);
    fails_wait(0);
    made_is_right();
}

static void a_failed_push_may_have_stored(void **state) {
    (void)state;
    made_history.facts.fails = true;
    made_push(0, 0, MOFKA_ERR_MPI, false);
    made_push(0, 1, MOFKA_OK, false);
    made_flush(HISTORY_CLOSE, 0, 2, MOFKA_OK);
    made_join(0, false);
    made_delivery(0, 0, 0, 0);
    made_delivery(0, 1, 0, 1);
    made_leave(0, true, 0);
    made_is_right();
}

/* Its acknowledgement may not have arrived. */
static void a_faulty_reader_may_begin_again(void **state) {
    (void)state;
    made_history.facts.readers[0].faulty = true;
    fails_push();
    made_join(0, false);
    made_deliveries(3);
    made_acknowledgement(0, 2);
    made_leave(0, false, 0);
    made_join(1, false);
    made_delivery(1, 1, 0, 1);
    made_delivery(1, 2, 0, 2);
    made_leave(1, false, 0);
    made_is_right();
}

static void a_faulty_reader_skips_an_event(void **state) {
    (void)state;
    made_history.facts.readers[0].faulty = true;
    fails_push();
    made_join(0, false);
    made_deliveries(1);
    made_leave(0, false, 0);
    made_join(1, false);
    made_delivery(1, 0, 0, 0);
    made_delivery(1, 2, 0, 2);
    made_has(JUDGE_LOST, "partition 0, ids 1 to 1");
}

/* Its name was not there while the first events were pushed. */
static void a_reader_that_was_kept_out_begins_anywhere(void **state) {
    (void)state;
    fails_push();
    made_join(0, false);
    made_history.records[made_history.count - 1].status = MOFKA_ERR_TIMEOUT;
    made_join(1, false);
    made_delivery(1, 2, 0, 2);
    made_delivery(1, 3, 0, 3);
    made_leave(1, false, 0);
    made_is_right();
}

static void a_reader_waits_for_a_stored_event(void **state) {
    (void)state;
    fails_push();
    made_join(0, false);
    made_deliveries(2);
    fails_wait(0);
    made_has(JUDGE_LOST, "reader 0 waited in partition 0 for id 2");
}

/* The oldest events were discarded for a batch whose reservation then failed: no event follows that
 * could say so. */
static void discarded_events_may_be_the_last(void **state) {
    (void)state;
    made_history.facts.discards = true;
    fails_push();
    made_join(0, false);
    made_deliveries(2);
    made_record(HISTORY_WAIT, 0, 0);
    made_leave(0, false, 2);
    made_is_right();
    made_history.records[made_history.count - 1].value--;
    made_has(JUDGE_LOST, "reader 0 waited in partition 0 for id 2");
}

static void a_failed_event_is_stored_twice(void **state) {
    (void)state;
    fails_push();
    made_join(0, false);
    made_deliveries(2);
    made_delivery(0, 2, 0, 1);
    fails_wait(0);
    made_has(JUDGE_DOUBLED, "event 1 of source 0: partition 0, id 1, and partition 0, id 2");
}

static void a_hole_is_no_failed_event(void **state) {
    (void)state;
    made_history.facts.fails = true;
    for (unsigned n = 0; n < EVENTS; n++)
        made_push(0, n, MOFKA_OK, true);
    for (unsigned n = 0; n < 3; n++)
        made_outcome(0, n, MOFKA_OK, n == 0 ? 0 : n + 1);
    made_outcome(0, 3, MOFKA_ERR_COMPLETE, 0);
    made_flush(HISTORY_CLOSE, 0, EVENTS, MOFKA_OK);
    made_join(0, false);
    made_deliveries(1);
    fails_wait(0);
    made_has(JUDGE_SPARSE, "1 ids have no event; at most 0 events");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_failed_event_may_be_a_hole),      CASE(a_failed_event_may_be_stored),
        CASE(a_failed_push_may_have_stored),     CASE(a_faulty_reader_may_begin_again),
        CASE(a_faulty_reader_skips_an_event),    CASE(a_reader_that_was_kept_out_begins_anywhere),
        CASE(a_reader_waits_for_a_stored_event), CASE(a_failed_event_is_stored_twice),
        CASE(a_hole_is_no_failed_event),         CASE(discarded_events_may_be_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
