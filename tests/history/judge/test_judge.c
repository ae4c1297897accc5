/* SPDX-License-Identifier: BSD-3-Clause */
/* Bad histories, made by hand: the judge finds each. And good ones, in which it finds nothing. */
#include <string.h>
#include "history/judge/made.h"

/* ---- good ones ------------------------------------------------------------------------------- */

static void all_in_order_is_right(void **state) {
    (void)state;
    made_pushes();
    made_join(0, false);
    made_deliveries(EVENTS);
    made_leave(0, true, 0);
    made_is_right();
    assert_int_equal(made_judged().pushed, EVENTS);
    assert_int_equal(made_judged().delivered, EVENTS);
}

static void what_was_not_acknowledged_comes_again(void **state) {
    (void)state;
    made_pushes();
    made_join(0, false);
    made_deliveries(EVENTS);
    made_acknowledgement(0, 1);
    made_leave(0, false, 0);
    made_join(1, true);
    made_delivery(1, 2, 0, 2);
    made_delivery(1, 3, 0, 3);
    made_record(HISTORY_RELEASE, 0, 1)->id = 3; /* not the first: it acknowledges nothing */
    made_leave(1, true, 0);
    made_join(2, false);
    made_delivery(2, 2, 0, 2);
    made_delivery(2, 3, 0, 3);
    made_leave(2, true, 0);
    made_is_right();
}

static void discarded_events_are_reported_as_lost(void **state) {
    (void)state;
    made_history.facts.discards = true;
    made_pushes();
    made_join(0, false);
    made_delivery(0, 2, 0, 2)->value = 2;
    made_delivery(0, 3, 0, 3);
    made_leave(0, true, 2);
    made_is_right();
    assert_int_equal(made_judged().lost, 2);
}

/* No reader was there from before the last event to the end: the highest id is not known. */
static void events_before_a_late_reader_may_be_unknown(void **state) {
    (void)state;
    made_history.facts.discards = true;
    made_history.facts.readers[0].early = false;
    made_pushes();
    made_join(0, false);
    made_leave(0, true, 0);
    made_is_right();
}

static void failed_events_are_nowhere(void **state) {
    (void)state;
    made_push(0, 0, MOFKA_OK, true);
    made_push(0, 1, MOFKA_ERR_TIMEOUT, true);
    made_push(0, 2, MOFKA_OK, false);
    made_flush(HISTORY_FLUSH, 0, 3, MOFKA_ERR_CLOSED); /* event 2 may be stored or not */
    made_outcome(0, 0, MOFKA_ERR_COMPLETE, 0);
    made_flush(HISTORY_CLOSE, 0, 3, MOFKA_OK);
    made_join(0, false);
    made_leave(0, true, 0);
    made_is_right();
}

/* ---- bad ones -------------------------------------------------------------------------------- */

static void an_event_that_is_missing_is_lost(void **state) {
    (void)state;
    made_pushes();
    made_join(0, false);
    made_delivery(0, 0, 0, 0);
    made_delivery(0, 2, 0, 2);
    made_delivery(0, 3, 0, 3);
    made_leave(0, true, 0);
    made_has(JUDGE_LOST, "partition 0, ids 1 to 1");
}

static void the_last_event_is_lost(void **state) {
    (void)state;
    made_pushes();
    made_join(0, false);
    made_deliveries(EVENTS - 1);
    made_leave(0, true, 0);
    made_has(JUDGE_LOST, "event 3 of source 0 is stored, and nowhere");
}

static void the_end_comes_too_early(void **state) {
    (void)state;
    made_pushes_with_futures();
    made_flush(HISTORY_CLOSE, 0, EVENTS, MOFKA_OK);
    made_join(0, false);
    made_delivery(0, 0, 0, 0);
    made_leave(0, true, 0);
    made_has(JUDGE_LOST, "ended before id 1 of 4");
}

/* The next session must begin behind what is acknowledged, and not further. */
static void a_session_begins_too_late(void **state) {
    (void)state;
    made_pushes();
    made_join(0, false);
    made_delivery(0, 0, 0, 0);
    made_delivery(0, 1, 0, 1);
    made_acknowledgement(0, 0);
    made_leave(0, false, 0);
    made_join(1, false);
    made_delivery(1, 2, 0, 2);
    made_delivery(1, 3, 0, 3);
    made_leave(1, true, 0);
    made_has(JUDGE_LOST, "reader 0, session 1: partition 0, ids 1 to 1");
}

static void an_event_comes_twice(void **state) {
    (void)state;
    made_pushes();
    made_join(0, false);
    made_deliveries(EVENTS);
    made_delivery(0, 3, 0, 3);
    made_leave(0, true, 0);
    made_has(JUDGE_DOUBLED, "partition 0, id 3: 4 and later");
}

static void an_acknowledged_event_comes_again(void **state) {
    (void)state;
    made_pushes();
    made_join(0, true);
    made_delivery(0, 0, 0, 0);
    made_record(HISTORY_RELEASE, 0, 0);
    made_leave(0, false, 0);
    made_join(1, false);
    for (unsigned n = 0; n < EVENTS; n++)
        made_delivery(1, n, 0, n);
    made_leave(1, true, 0);
    made_has(JUDGE_DOUBLED, "session 1: partition 0, id 0: 1 and later");
}

static void an_event_is_stored_twice(void **state) {
    (void)state;
    made_pushes();
    made_join(0, false);
    made_deliveries(EVENTS - 1);
    made_delivery(0, 3, 0, 2);
    made_leave(0, true, 0);
    made_has(JUDGE_DOUBLED, "event 2 of source 0: partition 0, id 2, and partition 0, id 3");
}

static void two_events_are_exchanged(void **state) {
    (void)state;
    made_pushes();
    made_join(0, false);
    made_delivery(0, 0, 0, 0);
    made_delivery(0, 1, 0, 2);
    made_delivery(0, 2, 0, 1);
    made_delivery(0, 3, 0, 3);
    made_leave(0, true, 0);
    made_has(JUDGE_REORDERED, "partition 0, id 2: event 1 of source 0, after its event 2");
    made_history.facts.loose[0] = true;
    made_is_right();
}

static void bytes_are_wrong(void **state) {
    (void)state;
    made_pushes();
    made_join(0, false);
    for (unsigned n = 0; n < EVENTS; n++)
        made_delivery(0, n, 0, n)->status = n == 2 ? MOFKA_ERR_CORRUPT : MOFKA_OK;
    made_leave(0, true, 0);
    made_has(JUDGE_CORRUPT, "partition 0, id 2");
}

static void an_event_was_never_pushed(void **state) {
    (void)state;
    made_pushes();
    made_join(0, false);
    made_delivery(0, 0, 0, EVENTS);
    made_has(JUDGE_PHANTOM, "event 4 of source 0");
}

static void a_failed_event_is_delivered(void **state) {
    (void)state;
    made_push(0, 0, MOFKA_OK, true);
    made_outcome(0, 0, MOFKA_ERR_CLOSED, 0);
    made_push(0, 1, MOFKA_ERR_TIMEOUT, false);
    made_flush(HISTORY_CLOSE, 0, 2, MOFKA_OK);
    made_join(0, false);
    made_delivery(0, 0, 0, 0);
    made_has(JUDGE_PHANTOM, "event 0 of source 0");
    made_history.records[made_history.count - 1].number = 1;
    made_has(JUDGE_PHANTOM, "event 1 of source 0");
}

static void another_partition_is_delivered(void **state) {
    (void)state;
    made_history.facts.partition_count = 2;
    made_pushes();
    made_join(0, false);
    made_delivery(0, 0, 0, 0)->partition = 1;
    made_has(JUDGE_PHANTOM, "partition 1 is not its own");
}

static void ids_have_a_gap(void **state) {
    (void)state;
    for (unsigned n = 0; n < EVENTS; n++)
        made_push(0, n, n == 2 ? MOFKA_ERR_TIMEOUT : MOFKA_OK, true);
    for (unsigned n = 0; n < EVENTS; n++)
        if (n != 2)
            made_outcome(0, n, MOFKA_OK, n < 2 ? 2 * n : 1);
    made_push(0, EVENTS, MOFKA_OK, true);
    made_outcome(0, EVENTS, MOFKA_ERR_COMPLETE, 0);
    made_flush(HISTORY_CLOSE, 0, EVENTS + 1, MOFKA_OK);
    made_history.facts.loose[0] = true;
    made_is_right();
    made_outcome(0, 3, MOFKA_OK, 3);
    made_has(JUDGE_DOUBLED, "event 3 of source 0");
    made_history.count--;
    for (size_t i = 0; i < made_history.count; i++)
        if (made_history.records[i].kind == HISTORY_OUTCOME && made_history.records[i].number == 3)
            made_history.records[i].id = 3;
    made_has(JUDGE_SPARSE, "1 ids have no event");
}

static void an_id_is_two_events(void **state) {
    (void)state;
    for (unsigned n = 0; n < 2; n++)
        made_push(0, n, MOFKA_OK, true);
    made_outcome(0, 0, MOFKA_OK, 0);
    made_outcome(0, 1, MOFKA_OK, 0);
    made_flush(HISTORY_CLOSE, 0, 2, MOFKA_OK);
    made_has(JUDGE_SPARSE, "partition 0, id 0: event 0 of source 0, and event 1 of source 0");
}

static void an_id_is_too_high(void **state) {
    (void)state;
    made_pushes();
    made_join(0, false);
    made_delivery(0, EVENTS, 0, 0);
    made_has(JUDGE_SPARSE, "id 4: 4 events were accepted");
}

static void retention_drops_what_it_may_not(void **state) {
    (void)state;
    made_pushes();
    made_join(0, false);
    made_delivery(0, 2, 0, 2)->value = 2;
    made_has(JUDGE_DROPPED, "2 lost before it");
}

static void counts_of_lost_events_differ(void **state) {
    (void)state;
    made_history.facts.discards = true;
    made_pushes();
    made_join(0, false);
    made_delivery(0, 2, 0, 2)->value = 2;
    made_delivery(0, 3, 0, 3);
    made_leave(0, true, 3);
    made_has(JUDGE_MISCOUNTED, "report 2 lost, mofka_consumer_lost 3");
    made_history.records[made_history.count - 1].value = 1;
    made_has(JUDGE_MISCOUNTED, "report 2 lost, mofka_consumer_lost 1");
}

/* What is discarded for a batch that the end refuses is counted, and nothing else. */
static void the_end_hides_some_lost_events(void **state) {
    (void)state;
    made_history.facts.discards = made_history.facts.ends_early = true;
    made_pushes_with_futures();
    made_flush(HISTORY_CLOSE, 0, EVENTS, MOFKA_OK);
    made_join(0, false);
    made_delivery(0, 0, 0, 0);
    made_leave(0, true, EVENTS - 1);
    made_is_right();
    made_history.records[made_history.count - 1].value--;
    made_has(JUDGE_LOST, "ended before id 1 of 4");
    made_history.records[made_history.count - 1].value++;
    made_history.facts.ends_early = false;
    made_has(JUDGE_MISCOUNTED, "report 0 lost, mofka_consumer_lost 3");
}

static void an_event_follows_the_end(void **state) {
    (void)state;
    made_pushes();
    made_join(0, false);
    for (unsigned n = 0; n < EVENTS; n++) {
        made_delivery(0, n, 0, n);
        if (n == 2)
            made_record(HISTORY_END, 0, 0);
    }
    made_has(JUDGE_AFTER_END, "partition 0, id 3");
}

static void a_future_stays_undecided(void **state) {
    (void)state;
    made_push(0, 0, MOFKA_OK, true);
    made_flush(HISTORY_CLOSE, 0, 1, MOFKA_OK);
    made_outcome(0, 0, MOFKA_ERR_POSSIBLY_STORED, 0);
    made_has(JUDGE_UNDECIDED, "event 0 of source 0 after the close: MOFKA_ERR_POSSIBLY_STORED");
}

static void a_producer_stays_open(void **state) {
    (void)state;
    made_push(0, 0, MOFKA_OK, false);
    made_has(JUDGE_UNDECIDED, "source 0 has not closed");
    made_flush(HISTORY_CLOSE, 0, 1, MOFKA_ERR_TIMEOUT);
    made_has(JUDGE_UNDECIDED, "the last close: MOFKA_ERR_TIMEOUT");
}

static void a_call_answers_otherwise(void **state) {
    (void)state;
    made_pushes();
    history_record_t *r = made_record(HISTORY_UNEXPECTED, 0, 1);
    r->status = MOFKA_ERR_CORRUPT;
    strcpy(r->call, "pull");
    made_has(JUDGE_UNEXPECTED, "pull: MOFKA_ERR_CORRUPT");
}

static void a_late_call_is_a_note(void **state) {
    (void)state;
    made_pushes();
    made_join(0, false);
    made_deliveries(EVENTS);
    history_record_t *r = made_record(HISTORY_LATE, 0, 0);
    r->value = 1700;
    strcpy(r->call, "flush");
    made_is_right();
    assert_int_equal(made_judged().late_ms, 1700);
    assert_string_equal(made_judged().late_call, "flush");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(all_in_order_is_right),
        CASE(what_was_not_acknowledged_comes_again),
        CASE(discarded_events_are_reported_as_lost),
        CASE(events_before_a_late_reader_may_be_unknown),
        CASE(failed_events_are_nowhere),
        CASE(an_event_that_is_missing_is_lost),
        CASE(the_last_event_is_lost),
        CASE(the_end_comes_too_early),
        CASE(a_session_begins_too_late),
        CASE(an_event_comes_twice),
        CASE(an_acknowledged_event_comes_again),
        CASE(an_event_is_stored_twice),
        CASE(two_events_are_exchanged),
        CASE(bytes_are_wrong),
        CASE(an_event_was_never_pushed),
        CASE(a_failed_event_is_delivered),
        CASE(another_partition_is_delivered),
        CASE(ids_have_a_gap),
        CASE(an_id_is_two_events),
        CASE(an_id_is_too_high),
        CASE(retention_drops_what_it_may_not),
        CASE(counts_of_lost_events_differ),
        CASE(the_end_hides_some_lost_events),
        CASE(an_event_follows_the_end),
        CASE(a_future_stays_undecided),
        CASE(a_producer_stays_open),
        CASE(a_call_answers_otherwise),
        CASE(a_late_call_is_a_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
