/* SPDX-License-Identifier: BSD-3-Clause */
/* Histories made by hand, and what the judge says of them. */
#include "history/judge/made.h"

#include <string.h>

history_t made_history;
static char *text;

history_record_t *made_record(history_kind_t kind, int actor, unsigned session) {
    made_history.records =
        realloc(made_history.records, (made_history.count + 1) * sizeof *made_history.records);
    assert_non_null(made_history.records);
    history_record_t *r = &made_history.records[made_history.count];
    *r = (history_record_t){.kind = (int32_t)kind,
                            .actor = actor,
                            .session = session,
                            .order = (uint32_t)made_history.count};
    made_history.count++;
    return r;
}

void made_push(int source, unsigned number, mofka_status_t status, bool future) {
    history_record_t *r = made_record(HISTORY_PUSH, source, 0);
    r->number = number;
    r->status = status;
    r->value = future;
}

void made_outcome(int source, unsigned number, mofka_status_t status, uint64_t id) {
    history_record_t *r = made_record(HISTORY_OUTCOME, source, 0);
    r->number = number;
    r->status = status;
    r->id = id;
    r->value = status ? MOFKA_NOT_STORED : MOFKA_STORED;
}

void made_flush(history_kind_t kind, int source, unsigned number, mofka_status_t status) {
    history_record_t *r = made_record(kind, source, 0);
    r->number = number;
    r->status = status;
}

history_record_t *made_delivery(unsigned session, uint64_t id, unsigned source, unsigned number) {
    history_record_t *r = made_record(HISTORY_DELIVER, 0, session);
    r->id = id;
    r->source = source;
    r->number = number;
    return r;
}

void made_acknowledgement(unsigned session, uint64_t id) {
    made_record(HISTORY_ACKNOWLEDGE, 0, session)->id = id;
}

void made_join(unsigned session, bool automatic) {
    made_record(HISTORY_JOIN, 0, session)->value = automatic;
}

void made_leave(unsigned session, bool end, uint64_t lost) {
    if (end)
        made_record(HISTORY_END, 0, session);
    made_record(HISTORY_LEAVE, 0, session)->value = lost;
}

int made_begin(void **state) {
    (void)state;
    memset(&made_history, 0, sizeof made_history);
    made_history.facts =
        (history_facts_t){.partition_count = 1, .source_count = 1, .reader_count = 1};
    made_history.facts.readers[0].early = true;
    made_history.facts.readers[0].targets = 1;
    return 0;
}

void made_pushes(void) {
    for (unsigned n = 0; n < EVENTS; n++)
        made_push(0, n, MOFKA_OK, false);
    made_flush(HISTORY_CLOSE, 0, EVENTS, MOFKA_OK);
}

void made_pushes_with_futures(void) {
    for (unsigned n = 0; n < EVENTS; n++)
        made_push(0, n, MOFKA_OK, true);
    for (unsigned n = 0; n < EVENTS; n++)
        made_outcome(0, n, MOFKA_OK, n);
}

void made_deliveries(unsigned count) {
    for (unsigned n = 0; n < count; n++)
        made_delivery(0, n, 0, n);
}

int made_end(void **state) {
    (void)state;
    free(made_history.records);
    free(text);
    text = NULL;
    return 0;
}

judge_summary_t made_judged(void) {
    judge_summary_t summary;
    size_t bytes;
    free(text);
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    judge_history(&made_history, out, &summary);
    fclose(out);
    return summary;
}

void made_is_right(void) {
    judge_summary_t summary = made_judged();
    if (summary.fault_count)
        fail_msg("%s", text);
}

void made_has(judge_fault_t fault, const char *named) {
    judge_summary_t summary = made_judged();
    if (!summary.faults[fault] || !strstr(text, named))
        fail_msg("fault %d with '%s' is not in: %s", (int)fault, named, text);
}
