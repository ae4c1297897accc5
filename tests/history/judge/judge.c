/* SPDX-License-Identifier: BSD-3-Clause */
/* Judges a history: sources first, then readers, then what both say of ids. */
#include "history/judge/judge.h"

#include <stdarg.h>
#include <string.h>
#include <mofka/status.h>

/* Faults that are printed: one mistake often shows as many. */
#define JUDGE_PRINTED 20

void judge_report(judge_t *j, judge_fault_t fault, const char *format, ...) {
    static const char *const names[] = {
#define JUDGE_NAME(NAME, name) #name,
        JUDGE_FAULTS(JUDGE_NAME)
#undef JUDGE_NAME
    };
    va_list arguments;
    j->summary->faults[fault]++;
    if (j->summary->fault_count++ >= JUDGE_PRINTED)
        return;
    fprintf(j->out, "%s: ", names[fault]);
    va_start(arguments, format);
    vfprintf(j->out, format, arguments);
    va_end(arguments);
    fputc('\n', j->out);
}

void judge_place(judge_t *j, uint32_t partition, uint64_t id, uint32_t source, uint32_t number) {
    judge_event_t *event = &j->events[source][number];
    if (partition >= j->history->facts.partition_count || id >= j->total) {
        judge_report(j, JUDGE_SPARSE, "partition %u, id %llu: %zu events were accepted in all",
                     partition, (unsigned long long)id, j->total);
        return;
    }
    judge_cell_t *cell = &j->cells[partition][id];
    if (cell->known && (cell->source != source || cell->number != number))
        judge_report(j, JUDGE_SPARSE,
                     "partition %u, id %llu: event %u of source %u, and event %u of source %u",
                     partition, (unsigned long long)id, cell->number, cell->source, number, source);
    *cell = (judge_cell_t){true, source, number};
    if (event->has_place && (event->partition != partition || event->id != id))
        judge_report(j, JUDGE_DOUBLED,
                     "event %u of source %u: partition %u, id %llu, and partition %u, id %llu",
                     number, source, event->partition, (unsigned long long)event->id, partition,
                     (unsigned long long)id);
    event->has_place = true;
    event->partition = partition;
    event->id = id;
    if (j->ends[partition] <= id)
        j->ends[partition] = id + 1;
}

/* Records of a source, or of a reader, in the order in which it made them. */
static int judge_compare(const void *left, const void *right) {
    const history_record_t *a = left, *b = right;
    bool of_source = history_is_of_source(a);
    if (of_source != history_is_of_source(b))
        return of_source ? -1 : 1;
    if (a->actor != b->actor)
        return a->actor < b->actor ? -1 : 1;
    if (a->session != b->session)
        return a->session < b->session ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* Some stored event is at no known id. */
static void judge_missing(judge_t *j, size_t stored, size_t unknown) {
    for (size_t p = 0; p < j->history->facts.partition_count; p++)
        if (!j->sure[p]) /* there may be higher ids */
            return;
    if (stored > unknown)
        judge_report(j, JUDGE_LOST, "%zu stored events are nowhere; %zu ids are left for them",
                     stored, unknown);
    for (size_t s = 0; s < j->history->facts.source_count && unknown == 0; s++)
        for (size_t n = 0; n < j->event_count[s]; n++)
            if (j->events[s][n].fate == JUDGE_STORED && !j->events[s][n].has_place)
                judge_report(j, JUDGE_LOST, "event %zu of source %zu is stored, and nowhere", n, s);
}

/* Ids that no record knows are those of events whose id no record knows, and of no more. */
static void judge_density(judge_t *j) {
    size_t unknown = 0, stored = 0, uncertain = 0;
    for (size_t p = 0; p < j->history->facts.partition_count; p++)
        for (uint64_t id = 0; id < j->ends[p]; id++)
            unknown += !j->cells[p][id].known;
    for (size_t s = 0; s < j->history->facts.source_count; s++)
        for (size_t n = 0; n < j->event_count[s]; n++) {
            const judge_event_t *event = &j->events[s][n];
            stored += event->fate == JUDGE_STORED && !event->has_place;
            uncertain += event->fate == JUDGE_UNCERTAIN && !event->has_place;
        }
    judge_missing(j, stored, unknown);
    if (unknown > stored + uncertain)
        judge_report(j, JUDGE_SPARSE, "%zu ids have no event; at most %zu events can have them",
                     unknown, stored + uncertain);
}

/* With strict ordering, ids of a partition follow the order of pushes of each source. */
static void judge_order(judge_t *j, size_t partition) {
    int64_t last[HISTORY_SOURCES_MAX];
    memset(last, -1, sizeof last);
    for (uint64_t id = 0; id < j->ends[partition]; id++) {
        const judge_cell_t *cell = &j->cells[partition][id];
        if (!cell->known || j->history->facts.loose[cell->source])
            continue;
        if ((int64_t)cell->number < last[cell->source])
            judge_report(j, JUDGE_REORDERED,
                         "partition %zu, id %llu: event %u of source %u, after its event %lld",
                         partition, (unsigned long long)id, cell->number, cell->source,
                         (long long)last[cell->source]);
        last[cell->source] = cell->number;
    }
}

static void judge_calls(judge_t *j) {
    for (size_t i = 0; i < j->history->count; i++) {
        const history_record_t *r = &j->history->records[i];
        if (r->kind == HISTORY_UNEXPECTED)
            judge_report(j, JUDGE_UNEXPECTED, "actor %d, session %u: %s: %s", r->actor, r->session,
                         r->call, mofka_status_name((mofka_status_t)r->status));
        if (r->kind == HISTORY_LATE && r->value > j->summary->late_ms) {
            j->summary->late_ms = r->value;
            memcpy(j->summary->late_call, r->call, sizeof r->call);
        }
    }
}

/* How many events each source pushed, and how many were accepted in all. */
static void judge_allocate(judge_t *j) {
    const history_t *h = j->history;
    for (size_t i = 0; i < h->count; i++)
        if (h->records[i].kind == HISTORY_PUSH) {
            j->event_count[h->records[i].actor]++;
            j->total += judge_may_be_stored(h->records[i].status);
        }
    for (size_t s = 0; s < h->facts.source_count; s++)
        j->events[s] = calloc(j->event_count[s] + 1, sizeof *j->events[s]);
    for (size_t p = 0; p < h->facts.partition_count; p++)
        j->cells[p] = calloc(j->total + 1, sizeof *j->cells[p]);
}

void judge_history(history_t *history, FILE *out, judge_summary_t *summary) {
    judge_t j = {.history = history, .out = out, .summary = summary};
    memset(summary, 0, sizeof *summary);
    qsort(history->records, history->count, sizeof *history->records, judge_compare);
    judge_allocate(&j);
    summary->pushed = j.total;
    judge_sources(&j);
    judge_readers(&j);
    for (size_t p = 0; p < history->facts.partition_count; p++)
        judge_order(&j, p);
    judge_density(&j);
    judge_calls(&j);
    for (size_t s = 0; s < history->facts.source_count; s++)
        free(j.events[s]);
    for (size_t p = 0; p < history->facts.partition_count; p++)
        free(j.cells[p]);
}
