/* SPDX-License-Identifier: BSD-3-Clause */
/* What is known of the events of each source: by their futures, and by flushes for the others. */
#include <mofka/future.h>
#include <mofka/status.h>
#include "history/judge/judge.h"

/* A source, while its records are read. */
typedef struct source_state {
    size_t pushed;
    size_t sure_from; /* flushes have reported failures among the events before */
    bool closed;
} source_state_t;

static bool judge_is_pending(int32_t status) {
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED ||
           status == MOFKA_ERR_BUSY;
}

static void judge_push(judge_t *j, source_state_t *source, const history_record_t *r) {
    judge_event_t *event = &j->events[r->actor][source->pushed];
    if (r->number != source->pushed++)
        judge_report(j, JUDGE_UNEXPECTED, "source %d: its records lack a push before number %u",
                     r->actor, r->number);
    event->pushed = true;
    event->has_future = r->value == 1 || r->status != MOFKA_OK;
    event->fate = judge_may_be_stored(r->status) ? JUDGE_UNCERTAIN : JUDGE_NEVER;
}

static void judge_outcome(judge_t *j, const source_state_t *source, const history_record_t *r) {
    if (r->number >= source->pushed) {
        judge_report(j, JUDGE_UNEXPECTED, "source %d: an outcome of event %u, which is not pushed",
                     r->actor, r->number);
        return;
    }
    judge_event_t *event = &j->events[r->actor][r->number];
    if (r->status == MOFKA_OK) {
        event->fate = JUDGE_STORED;
        judge_place(j, r->partition, r->id, (uint32_t)r->actor, r->number);
    } else if (!judge_is_pending(r->status) && !judge_may_be_stored(r->status)) {
        event->fate = JUDGE_NEVER;
    }
    if (source->closed && judge_is_pending(r->status) && !j->history->facts.fails)
        judge_report(j, JUDGE_UNDECIDED, "event %u of source %d after the close: %s", r->number,
                     r->actor, mofka_status_name((mofka_status_t)r->status));
    if ((r->status == MOFKA_OK) != (r->value == MOFKA_STORED))
        judge_report(j, JUDGE_UNEXPECTED, "event %u of source %d: %s, and its delivery is %llu",
                     r->number, r->actor, mofka_status_name((mofka_status_t)r->status),
                     (unsigned long long)r->value);
}

/* A flush that succeeded: events without a future are stored, unless an earlier flush reported a
 * failure among them. */
static void judge_flush(judge_t *j, source_state_t *source, const history_record_t *r) {
    size_t most = r->number < source->pushed ? r->number : source->pushed;
    for (size_t n = source->sure_from; n < most && r->status == MOFKA_OK; n++) {
        judge_event_t *event = &j->events[r->actor][n];
        if (!event->has_future && event->fate == JUDGE_UNCERTAIN)
            event->fate = JUDGE_STORED;
    }
    if (!judge_is_pending(r->status) && most > source->sure_from)
        source->sure_from = most;
    if (r->kind != HISTORY_CLOSE)
        return;
    source->closed = true;
    if (judge_is_pending(r->status) && !j->history->facts.fails)
        judge_report(j, JUDGE_UNDECIDED, "source %d: the last close: %s", r->actor,
                     mofka_status_name((mofka_status_t)r->status));
}

void judge_sources(judge_t *j) {
    source_state_t sources[HISTORY_SOURCES_MAX] = {0};
    for (size_t i = 0; i < j->history->count; i++) {
        const history_record_t *r = &j->history->records[i];
        if (!history_is_of_source(r))
            continue;
        source_state_t *source = &sources[r->actor];
        if (r->kind == HISTORY_PUSH)
            judge_push(j, source, r);
        else if (r->kind == HISTORY_OUTCOME)
            judge_outcome(j, source, r);
        else
            judge_flush(j, source, r);
    }
    for (size_t s = 0; s < j->history->facts.source_count; s++)
        if (!sources[s].closed)
            judge_report(j, JUDGE_UNDECIDED, "source %zu has not closed its producer", s);
}
