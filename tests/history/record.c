/* SPDX-License-Identifier: BSD-3-Clause */
/* Records what the calls of this rank answer, and gathers the records of all ranks. */
#include <string.h>
#include "history/run.h"
#include "history/trouble.h"
#include "support/clock.h"

void record_add(actor_t *actor, history_record_t record) {
    run_t *run = actor->run;
    record.actor = actor->index;
    record.session = actor->session;
    pthread_mutex_lock(&run->lock);
    if (run->record_count == run->record_room) {
        run->record_room = run->record_room ? 2 * run->record_room : 1024;
        run->records = realloc(run->records, run->record_room * sizeof *run->records);
        if (!run->records)
            abort();
    }
    record.order = (uint32_t)run->record_count;
    run->records[run->record_count++] = record;
    pthread_mutex_unlock(&run->lock);
}

void record_begin(actor_t *actor, const char *call) {
    actor->since_ms = clock_ms();
    actor->call = call;
}

mofka_status_t record_end(actor_t *actor, int64_t timeout_ms, mofka_status_t status) {
    int64_t late = clock_ms() - actor->since_ms - timeout_ms;
    if (timeout_ms >= 0 && late > RUN_LATE_MS && !actor->run->stops) {
        history_record_t record = {.kind = HISTORY_LATE, .value = (uint64_t)late};
        snprintf(record.call, sizeof record.call, "%s", actor->call);
        record_add(actor, record);
    }
    actor->call = "nothing";
    return status;
}

void record_unexpected(actor_t *actor, const char *call, mofka_status_t status) {
    history_record_t record = {.kind = HISTORY_UNEXPECTED, .status = status};
    if (status == MOFKA_ERR_MPI && trouble_has_failed())
        return;
    snprintf(record.call, sizeof record.call, "%s %d: %s", actor->is_source ? "source" : "reader",
             actor->index, call);
    fprintf(stderr, "rank %d: %s: %s: %s\n", actor->run->rank, record.call,
            mofka_status_name(status), mofka_last_error());
    record_add(actor, record);
}

void record_gather(run_t *run, history_t *history) {
    int bytes = (int)(run->record_count * sizeof *run->records), all = 0;
    int *counts = NULL, *starts = NULL;
    *history = (history_t){.facts = run->plan->facts};
    if (run->rank == 0) {
        counts = calloc((size_t)run->plan->rank_count * 2, sizeof *counts);
        if (!counts)
            abort();
        starts = counts + run->plan->rank_count;
    }
    MPI_Gather(&bytes, 1, MPI_INT, counts, 1, MPI_INT, 0, run->comm);
    for (int i = 0; i < run->plan->rank_count && counts; i++) {
        starts[i] = all;
        all += counts[i];
    }
    history->count = (size_t)all / sizeof *history->records;
    history->records = malloc((size_t)all + 1);
    MPI_Gatherv(run->records, bytes, MPI_BYTE, history->records, counts, starts, MPI_BYTE, 0,
                run->comm);
    free(counts);
}

void record_print(const history_record_t *r, FILE *out) {
    static const char *const kinds[] = {"push",    "outcome",     "flush",     "close", "join",
                                        "deliver", "acknowledge", "release",   "end",   "wait",
                                        "leave",   "late",        "unexpected"};
    fprintf(out, "%s %d.%u %u %s: %s, partition %u, id %llu, source %u, number %u, value %llu %s\n",
            history_is_of_source(r) ? "source" : "reader", r->actor, r->session, r->order,
            kinds[r->kind], mofka_status_name((mofka_status_t)r->status), r->partition,
            (unsigned long long)r->id, r->source, r->number, (unsigned long long)r->value, r->call);
}
