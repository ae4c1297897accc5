/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decides whether a history keeps the guarantees of the README. It looks at nothing but the
 * records.
 */
#ifndef MOFKA_TESTS_HISTORY_JUDGE_H
#define MOFKA_TESTS_HISTORY_JUDGE_H

#include <mofka/status.h>
#include "history/history.h"

/* What can be wrong. The name is the first word of the line that reports it. */
#define JUDGE_FAULTS(X)                                                                            \
    X(LOST, lost)             /* stored, and not delivered to a reader that must get it */         \
    X(DOUBLED, doubled)       /* delivered again in a session or after its acknowledgement */      \
    X(REORDERED, reordered)   /* ids against push order, with strict ordering */                   \
    X(CORRUPT, corrupt)       /* bytes are not those that were pushed */                           \
    X(PHANTOM, phantom)       /* never pushed, or reported as not stored, and delivered */         \
    X(SPARSE, sparse)         /* ids are not dense, or one id is two events */                     \
    X(DROPPED, dropped)       /* lost by a retention that may not */                               \
    X(MISCOUNTED, miscounted) /* the counts of lost events do not agree */                         \
    X(AFTER_END, after_end)   /* delivered after the end */                                        \
    X(UNDECIDED, undecided)   /* a future or a producer has no outcome after close */              \
    X(UNEXPECTED, unexpected) /* a call gave an answer that is not documented */

typedef enum judge_fault {
#define JUDGE_ENUM(NAME, name) JUDGE_##NAME,
    JUDGE_FAULTS(JUDGE_ENUM)
#undef JUDGE_ENUM
        JUDGE_FAULT_COUNT
} judge_fault_t;

typedef struct judge_summary {
    uint64_t faults[JUDGE_FAULT_COUNT], fault_count;
    uint64_t pushed;    /* accepted events */
    uint64_t delivered; /* to all readers */
    uint64_t lost;      /* reported to readers */
    uint64_t late_ms;   /* by how much the latest call was late */
    char late_call[HISTORY_CALL_BYTES];
} judge_summary_t;

/* Sorts the records, and prints the first faults to `out`. */
void judge_history(history_t *history, FILE *out, judge_summary_t *summary);

/* ---- between the files of judge/ ------------------------------------------------------------- */

/* What is known of an event of a source. */
typedef enum judge_fate {
    JUDGE_NEVER,     /* not pushed, or it was reported that it is not stored */
    JUDGE_UNCERTAIN, /* accepted; it may be stored or not */
    JUDGE_STORED
} judge_fate_t;

typedef struct judge_event {
    judge_fate_t fate;
    bool pushed, has_future, has_place;
    uint32_t partition; /* its place */
    uint64_t id;
} judge_event_t;

/* The event that has an id. */
typedef struct judge_cell {
    bool known;
    uint32_t source, number;
} judge_cell_t;

typedef struct judge {
    const history_t *history;
    FILE *out;
    judge_summary_t *summary;
    judge_event_t *events[HISTORY_SOURCES_MAX];
    size_t event_count[HISTORY_SOURCES_MAX];
    size_t total;                                /* accepted events: no id is as high */
    judge_cell_t *cells[HISTORY_PARTITIONS_MAX]; /* `total` of them */
    uint64_t ends[HISTORY_PARTITIONS_MAX];       /* behind the highest known id */
    bool sure[HISTORY_PARTITIONS_MAX]; /* a reader followed the partition to its end: none is higher
                                        */
} judge_t;

/* Whether a push that answered that may have stored its event. After an error of MPI, nobody
 * knows. */
static inline bool judge_may_be_stored(int32_t status) {
    return status == MOFKA_OK || status == MOFKA_ERR_MPI;
}

/* Report a fault. The first are printed, the others counted. */
void judge_report(judge_t *j, judge_fault_t fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The event is at that place, by a future or by a delivery. */
void judge_place(judge_t *j, uint32_t partition, uint64_t id, uint32_t source, uint32_t number);

/* Find the fate of each event, from the records of its source. */
void judge_sources(judge_t *j);

/* Follow each reader through its sessions. `last`: the ends of the partitions are known. */
void judge_readers(judge_t *j);

#endif
