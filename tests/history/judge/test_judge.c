/* SPDX-License-Identifier: BSD-3-Clause */
/* Bad histories, made by hand: the judge finds each. And good ones, in which it finds nothing. */
#include <string.h>
#include "history/judge/judge.h"
#include "support/check.h"

#define EVENTS 4

static history_t history;
static char *text;

/* The next record; `session` and `actor` order them. */
static history_record_t *made(history_kind_t kind, int actor, unsigned session) {
    history.records = realloc(history.records, (history.count + 1) * sizeof *history.records);
    assert_non_null(history.records);
    history_record_t *r = &history.records[history.count];
    *r = (history_record_t){.kind = (int32_t)kind,
                            .actor = actor,
                            .session = session,
                            .order = (uint32_t)history.count};
    history.count++;
    return r;
}

static void pushed(int source, unsigned number, mofka_status_t status, bool future) {
    history_record_t *r = made(HISTORY_PUSH, source, 0);
    r->number = number;
    r->status = status;
    r->value = future;
}

static void outcome(int source, unsigned number, mofka_status_t status, uint64_t id) {
    history_record_t *r = made(HISTORY_OUTCOME, source, 0);
    r->number = number;
    r->status = status;
    r->id = id;
    r->value = status ? MOFKA_NOT_STORED : MOFKA_STORED;
}

static void flushed(history_kind_t kind, int source, unsigned number, mofka_status_t status) {
    history_record_t *r = made(kind, source, 0);
    r->number = number;
    r->status = status;
}

static history_record_t *delivered(unsigned session, uint64_t id, unsigned source,
                                   unsigned number) {
    history_record_t *r = made(HISTORY_DELIVER, 0, session);
    r->id = id;
    r->source = source;
    r->number = number;
    return r;
}

static void acknowledged(unsigned session, uint64_t id) {
    made(HISTORY_ACKNOWLEDGE, 0, session)->id = id;
}

static void joined(unsigned session, bool automatic) {
    made(HISTORY_JOIN, 0, session)->value = automatic;
}

static void left(unsigned session, bool end, uint64_t lost) {
    if (end)
        made(HISTORY_END, 0, session);
    made(HISTORY_LEAVE, 0, session)->value = lost;
}

/* One source pushes events 0 to 3 without futures, and closes. */
static int begin(void **state) {
    (void)state;
    memset(&history, 0, sizeof history);
    history.facts = (history_facts_t){.partition_count = 1, .source_count = 1, .reader_count = 1};
    history.facts.readers[0].early = true;
    history.facts.readers[0].targets = 1;
    return 0;
}

static void pushed_all(void) {
    for (unsigned n = 0; n < EVENTS; n++)
        pushed(0, n, MOFKA_OK, false);
    flushed(HISTORY_CLOSE, 0, EVENTS, MOFKA_OK);
}

/* The same events with futures, which say that they are stored. The source does not close. */
static void pushed_with_futures(void) {
    for (unsigned n = 0; n < EVENTS; n++)
        pushed(0, n, MOFKA_OK, true);
    for (unsigned n = 0; n < EVENTS; n++)
        outcome(0, n, MOFKA_OK, n);
}

/* Session 0 gets the first events, in order. */
static void delivered_up_to(unsigned count) {
    for (unsigned n = 0; n < count; n++)
        delivered(0, n, 0, n);
}

static int end(void **state) {
    (void)state;
    free(history.records);
    free(text);
    text = NULL;
    return 0;
}

static judge_summary_t judged(void) {
    judge_summary_t summary;
    size_t bytes;
    free(text);
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    judge_history(&history, out, &summary);
    fclose(out);
    return summary;
}

static void is_right(void) {
    judge_summary_t summary = judged();
    if (summary.fault_count)
        fail_msg("%s", text);
}

/* The judge finds that fault, and its line has all of `named`. */
static void has(judge_fault_t fault, const char *named) {
    judge_summary_t summary = judged();
    if (!summary.faults[fault] || !strstr(text, named))
        fail_msg("fault %d with '%s' is not in: %s", (int)fault, named, text);
}

/* ---- good ones ------------------------------------------------------------------------------- */

static void all_in_order_is_right(void **state) {
    (void)state;
    pushed_all();
    joined(0, false);
    delivered_up_to(EVENTS);
    left(0, true, 0);
    is_right();
    assert_int_equal(judged().pushed, EVENTS);
    assert_int_equal(judged().delivered, EVENTS);
}

static void what_was_not_acknowledged_comes_again(void **state) {
    (void)state;
    pushed_all();
    joined(0, false);
    delivered_up_to(EVENTS);
    acknowledged(0, 1);
    left(0, false, 0);
    joined(1, true);
    delivered(1, 2, 0, 2);
    delivered(1, 3, 0, 3);
    made(HISTORY_RELEASE, 0, 1)->id = 3; /* not the first: it acknowledges nothing */
    left(1, true, 0);
    joined(2, false);
    delivered(2, 2, 0, 2);
    delivered(2, 3, 0, 3);
    left(2, true, 0);
    is_right();
}

static void discarded_events_are_reported_as_lost(void **state) {
    (void)state;
    history.facts.discards = true;
    pushed_all();
    joined(0, false);
    delivered(0, 2, 0, 2)->value = 2;
    delivered(0, 3, 0, 3);
    left(0, true, 2);
    is_right();
    assert_int_equal(judged().lost, 2);
}

/* No reader was there from before the last event to the end: the highest id is not known. */
static void events_before_a_late_reader_may_be_unknown(void **state) {
    (void)state;
    history.facts.discards = true;
    history.facts.readers[0].early = false;
    pushed_all();
    joined(0, false);
    left(0, true, 0);
    is_right();
}

static void failed_events_are_nowhere(void **state) {
    (void)state;
    pushed(0, 0, MOFKA_OK, true);
    pushed(0, 1, MOFKA_ERR_TIMEOUT, true);
    pushed(0, 2, MOFKA_OK, false);
    flushed(HISTORY_FLUSH, 0, 3, MOFKA_ERR_CLOSED); /* event 2 may be stored or not */
    outcome(0, 0, MOFKA_ERR_COMPLETE, 0);
    flushed(HISTORY_CLOSE, 0, 3, MOFKA_OK);
    joined(0, false);
    left(0, true, 0);
    is_right();
}

/* ---- operations that fail ------------------------------------------------------------------- */

/* Event 1 met an error of MPI; the others have the ids 0, 2 and 3. Nothing is delivered yet. */
static void pushed_with_an_error(void) {
    history.facts.fails = true;
    for (unsigned n = 0; n < EVENTS; n++)
        pushed(0, n, MOFKA_OK, true);
    for (unsigned n = 0; n < EVENTS; n++)
        outcome(0, n, n == 1 ? MOFKA_ERR_MPI : MOFKA_OK, n);
    flushed(HISTORY_CLOSE, 0, EVENTS, MOFKA_ERR_TIMEOUT);
}

static void waited(unsigned session) {
    made(HISTORY_WAIT, 0, session);
    left(session, false, 0);
}

static void a_failed_event_may_be_a_hole(void **state) {
    (void)state;
    pushed_with_an_error();
    joined(0, false);
    delivered_up_to(1);
    waited(0);
    is_right();
}

static void a_failed_event_may_be_stored(void **state) {
    (void)state;
    pushed_with_an_error();
    joined(0, false);
    delivered_up_to(EVENTS);
    waited(0);
    is_right();
}

static void a_failed_push_may_have_stored(void **state) {
    (void)state;
    history.facts.fails = true;
    pushed(0, 0, MOFKA_ERR_MPI, false);
    pushed(0, 1, MOFKA_OK, false);
    flushed(HISTORY_CLOSE, 0, 2, MOFKA_OK);
    joined(0, false);
    delivered(0, 0, 0, 0);
    delivered(0, 1, 0, 1);
    left(0, true, 0);
    is_right();
}

/* Its acknowledgement may not have arrived. */
static void a_faulty_reader_may_begin_again(void **state) {
    (void)state;
    history.facts.readers[0].faulty = true;
    pushed_with_an_error();
    joined(0, false);
    delivered_up_to(3);
    acknowledged(0, 2);
    left(0, false, 0);
    joined(1, false);
    delivered(1, 1, 0, 1);
    delivered(1, 2, 0, 2);
    left(1, false, 0);
    is_right();
}

static void a_faulty_reader_skips_an_event(void **state) {
    (void)state;
    history.facts.readers[0].faulty = true;
    pushed_with_an_error();
    joined(0, false);
    delivered_up_to(1);
    left(0, false, 0);
    joined(1, false);
    delivered(1, 0, 0, 0);
    delivered(1, 2, 0, 2);
    has(JUDGE_LOST, "partition 0, ids 1 to 1");
}

/* Its name was not there while the first events were pushed. */
static void a_reader_that_was_kept_out_begins_anywhere(void **state) {
    (void)state;
    pushed_with_an_error();
    joined(0, false);
    history.records[history.count - 1].status = MOFKA_ERR_TIMEOUT;
    joined(1, false);
    delivered(1, 2, 0, 2);
    delivered(1, 3, 0, 3);
    left(1, false, 0);
    is_right();
}

static void a_reader_waits_for_a_stored_event(void **state) {
    (void)state;
    pushed_with_an_error();
    joined(0, false);
    delivered_up_to(2);
    waited(0);
    has(JUDGE_LOST, "reader 0 waited in partition 0 for id 2");
}

static void a_failed_event_is_stored_twice(void **state) {
    (void)state;
    pushed_with_an_error();
    joined(0, false);
    delivered_up_to(2);
    delivered(0, 2, 0, 1);
    waited(0);
    has(JUDGE_DOUBLED, "event 1 of source 0: partition 0, id 1, and partition 0, id 2");
}

static void a_hole_is_no_failed_event(void **state) {
    (void)state;
    history.facts.fails = true;
    for (unsigned n = 0; n < EVENTS; n++)
        pushed(0, n, MOFKA_OK, true);
    for (unsigned n = 0; n < 3; n++)
        outcome(0, n, MOFKA_OK, n == 0 ? 0 : n + 1);
    outcome(0, 3, MOFKA_ERR_COMPLETE, 0);
    flushed(HISTORY_CLOSE, 0, EVENTS, MOFKA_OK);
    joined(0, false);
    delivered_up_to(1);
    waited(0);
    has(JUDGE_SPARSE, "1 ids have no event; at most 0 events");
}

/* ---- bad ones -------------------------------------------------------------------------------- */

static void an_event_that_is_missing_is_lost(void **state) {
    (void)state;
    pushed_all();
    joined(0, false);
    delivered(0, 0, 0, 0);
    delivered(0, 2, 0, 2);
    delivered(0, 3, 0, 3);
    left(0, true, 0);
    has(JUDGE_LOST, "partition 0, ids 1 to 1");
}

static void the_last_event_is_lost(void **state) {
    (void)state;
    pushed_all();
    joined(0, false);
    delivered_up_to(EVENTS - 1);
    left(0, true, 0);
    has(JUDGE_LOST, "event 3 of source 0 is stored, and nowhere");
}

static void the_end_comes_too_early(void **state) {
    (void)state;
    pushed_with_futures();
    flushed(HISTORY_CLOSE, 0, EVENTS, MOFKA_OK);
    joined(0, false);
    delivered(0, 0, 0, 0);
    left(0, true, 0);
    has(JUDGE_LOST, "ended before id 1 of 4");
}

/* The next session must begin behind what is acknowledged, and not further. */
static void a_session_begins_too_late(void **state) {
    (void)state;
    pushed_all();
    joined(0, false);
    delivered(0, 0, 0, 0);
    delivered(0, 1, 0, 1);
    acknowledged(0, 0);
    left(0, false, 0);
    joined(1, false);
    delivered(1, 2, 0, 2);
    delivered(1, 3, 0, 3);
    left(1, true, 0);
    has(JUDGE_LOST, "reader 0, session 1: partition 0, ids 1 to 1");
}

static void an_event_comes_twice(void **state) {
    (void)state;
    pushed_all();
    joined(0, false);
    delivered_up_to(EVENTS);
    delivered(0, 3, 0, 3);
    left(0, true, 0);
    has(JUDGE_DOUBLED, "partition 0, id 3: 4 and later");
}

static void an_acknowledged_event_comes_again(void **state) {
    (void)state;
    pushed_all();
    joined(0, true);
    delivered(0, 0, 0, 0);
    made(HISTORY_RELEASE, 0, 0);
    left(0, false, 0);
    joined(1, false);
    for (unsigned n = 0; n < EVENTS; n++)
        delivered(1, n, 0, n);
    left(1, true, 0);
    has(JUDGE_DOUBLED, "session 1: partition 0, id 0: 1 and later");
}

static void an_event_is_stored_twice(void **state) {
    (void)state;
    pushed_all();
    joined(0, false);
    delivered_up_to(EVENTS - 1);
    delivered(0, 3, 0, 2);
    left(0, true, 0);
    has(JUDGE_DOUBLED, "event 2 of source 0: partition 0, id 2, and partition 0, id 3");
}

static void two_events_are_exchanged(void **state) {
    (void)state;
    pushed_all();
    joined(0, false);
    delivered(0, 0, 0, 0);
    delivered(0, 1, 0, 2);
    delivered(0, 2, 0, 1);
    delivered(0, 3, 0, 3);
    left(0, true, 0);
    has(JUDGE_REORDERED, "partition 0, id 2: event 1 of source 0, after its event 2");
    history.facts.loose[0] = true;
    is_right();
}

static void bytes_are_wrong(void **state) {
    (void)state;
    pushed_all();
    joined(0, false);
    for (unsigned n = 0; n < EVENTS; n++)
        delivered(0, n, 0, n)->status = n == 2 ? MOFKA_ERR_CORRUPT : MOFKA_OK;
    left(0, true, 0);
    has(JUDGE_CORRUPT, "partition 0, id 2");
}

static void an_event_was_never_pushed(void **state) {
    (void)state;
    pushed_all();
    joined(0, false);
    delivered(0, 0, 0, EVENTS);
    has(JUDGE_PHANTOM, "event 4 of source 0");
}

static void a_failed_event_is_delivered(void **state) {
    (void)state;
    pushed(0, 0, MOFKA_OK, true);
    outcome(0, 0, MOFKA_ERR_CLOSED, 0);
    pushed(0, 1, MOFKA_ERR_TIMEOUT, false);
    flushed(HISTORY_CLOSE, 0, 2, MOFKA_OK);
    joined(0, false);
    delivered(0, 0, 0, 0);
    has(JUDGE_PHANTOM, "event 0 of source 0");
    history.records[history.count - 1].number = 1;
    has(JUDGE_PHANTOM, "event 1 of source 0");
}

static void another_partition_is_delivered(void **state) {
    (void)state;
    history.facts.partition_count = 2;
    pushed_all();
    joined(0, false);
    delivered(0, 0, 0, 0)->partition = 1;
    has(JUDGE_PHANTOM, "partition 1 is not its own");
}

static void ids_have_a_gap(void **state) {
    (void)state;
    for (unsigned n = 0; n < EVENTS; n++)
        pushed(0, n, n == 2 ? MOFKA_ERR_TIMEOUT : MOFKA_OK, true);
    for (unsigned n = 0; n < EVENTS; n++)
        if (n != 2)
            outcome(0, n, MOFKA_OK, n < 2 ? 2 * n : 1);
    pushed(0, EVENTS, MOFKA_OK, true);
    outcome(0, EVENTS, MOFKA_ERR_COMPLETE, 0);
    flushed(HISTORY_CLOSE, 0, EVENTS + 1, MOFKA_OK);
    history.facts.loose[0] = true;
    is_right();
    outcome(0, 3, MOFKA_OK, 3);
    has(JUDGE_DOUBLED, "event 3 of source 0");
    history.count--;
    for (size_t i = 0; i < history.count; i++)
        if (history.records[i].kind == HISTORY_OUTCOME && history.records[i].number == 3)
            history.records[i].id = 3;
    has(JUDGE_SPARSE, "1 ids have no event");
}

static void an_id_is_two_events(void **state) {
    (void)state;
    for (unsigned n = 0; n < 2; n++)
        pushed(0, n, MOFKA_OK, true);
    outcome(0, 0, MOFKA_OK, 0);
    outcome(0, 1, MOFKA_OK, 0);
    flushed(HISTORY_CLOSE, 0, 2, MOFKA_OK);
    has(JUDGE_SPARSE, "partition 0, id 0: event 0 of source 0, and event 1 of source 0");
}

static void an_id_is_too_high(void **state) {
    (void)state;
    pushed_all();
    joined(0, false);
    delivered(0, EVENTS, 0, 0);
    has(JUDGE_SPARSE, "id 4: 4 events were accepted");
}

static void retention_drops_what_it_may_not(void **state) {
    (void)state;
    pushed_all();
    joined(0, false);
    delivered(0, 2, 0, 2)->value = 2;
    has(JUDGE_DROPPED, "2 lost before it");
}

static void counts_of_lost_events_differ(void **state) {
    (void)state;
    history.facts.discards = true;
    pushed_all();
    joined(0, false);
    delivered(0, 2, 0, 2)->value = 2;
    delivered(0, 3, 0, 3);
    left(0, true, 3);
    has(JUDGE_MISCOUNTED, "report 2 lost, mofka_consumer_lost 3");
    history.records[history.count - 1].value = 1;
    has(JUDGE_MISCOUNTED, "report 2 lost, mofka_consumer_lost 1");
}

/* What is discarded for a batch that the end refuses is counted, and nothing else. */
static void the_end_hides_some_lost_events(void **state) {
    (void)state;
    history.facts.discards = history.facts.ends_early = true;
    pushed_with_futures();
    flushed(HISTORY_CLOSE, 0, EVENTS, MOFKA_OK);
    joined(0, false);
    delivered(0, 0, 0, 0);
    left(0, true, EVENTS - 1);
    is_right();
    history.records[history.count - 1].value--;
    has(JUDGE_LOST, "ended before id 1 of 4");
    history.records[history.count - 1].value++;
    history.facts.ends_early = false;
    has(JUDGE_MISCOUNTED, "report 0 lost, mofka_consumer_lost 3");
}

static void an_event_follows_the_end(void **state) {
    (void)state;
    pushed_all();
    joined(0, false);
    for (unsigned n = 0; n < EVENTS; n++) {
        delivered(0, n, 0, n);
        if (n == 2)
            made(HISTORY_END, 0, 0);
    }
    has(JUDGE_AFTER_END, "partition 0, id 3");
}

static void a_future_stays_undecided(void **state) {
    (void)state;
    pushed(0, 0, MOFKA_OK, true);
    flushed(HISTORY_CLOSE, 0, 1, MOFKA_OK);
    outcome(0, 0, MOFKA_ERR_POSSIBLY_STORED, 0);
    has(JUDGE_UNDECIDED, "event 0 of source 0 after the close: MOFKA_ERR_POSSIBLY_STORED");
}

static void a_producer_stays_open(void **state) {
    (void)state;
    pushed(0, 0, MOFKA_OK, false);
    has(JUDGE_UNDECIDED, "source 0 has not closed");
    flushed(HISTORY_CLOSE, 0, 1, MOFKA_ERR_TIMEOUT);
    has(JUDGE_UNDECIDED, "the last close: MOFKA_ERR_TIMEOUT");
}

static void a_call_answers_otherwise(void **state) {
    (void)state;
    pushed_all();
    history_record_t *r = made(HISTORY_UNEXPECTED, 0, 1);
    r->status = MOFKA_ERR_CORRUPT;
    strcpy(r->call, "pull");
    has(JUDGE_UNEXPECTED, "pull: MOFKA_ERR_CORRUPT");
}

static void a_late_call_is_a_note(void **state) {
    (void)state;
    pushed_all();
    joined(0, false);
    delivered_up_to(EVENTS);
    history_record_t *r = made(HISTORY_LATE, 0, 0);
    r->value = 1700;
    strcpy(r->call, "flush");
    is_right();
    assert_int_equal(judged().late_ms, 1700);
    assert_string_equal(judged().late_call, "flush");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(all_in_order_is_right),
        CASE(what_was_not_acknowledged_comes_again),
        CASE(discarded_events_are_reported_as_lost),
        CASE(events_before_a_late_reader_may_be_unknown),
        CASE(failed_events_are_nowhere),
        CASE(a_failed_event_may_be_a_hole),
        CASE(a_failed_event_may_be_stored),
        CASE(a_failed_push_may_have_stored),
        CASE(a_faulty_reader_may_begin_again),
        CASE(a_faulty_reader_skips_an_event),
        CASE(a_reader_that_was_kept_out_begins_anywhere),
        CASE(a_reader_waits_for_a_stored_event),
        CASE(a_failed_event_is_stored_twice),
        CASE(a_hole_is_no_failed_event),
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
