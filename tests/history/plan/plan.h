/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The schedule of a run: it follows from the seed, the number of ranks and the window alone. All
 * ranks make the same one.
 */
#ifndef MOFKA_TESTS_HISTORY_PLAN_H
#define MOFKA_TESTS_HISTORY_PLAN_H

#include "history/history.h"

#define PLAN_PRODUCERS_MAX (HISTORY_SOURCES_MAX / 2)

typedef enum plan_size {
    PLAN_SIZE_NONE,  /* no data */
    PLAN_SIZE_SMALL, /* 0 to 100 bytes */
    PLAN_SIZE_MIXED, /* from no byte to a quarter of the partition */
    PLAN_SIZE_LARGE, /* up to nearly all of it */
    PLAN_SIZE_COUNT
} plan_size_t;

typedef enum plan_selection {
    PLAN_SELECT_NOTHING,
    PLAN_SELECT_ALL,
    PLAN_SELECT_SUB,
    PLAN_SELECT_STRIDED,
    PLAN_SELECT_RANGES,
    PLAN_SELECT_COUNT
} plan_selection_t;

typedef enum plan_pull {
    PLAN_PULL_ONE,
    PLAN_PULL_MANY,
    PLAN_PULL_FUTURE,
    PLAN_PROCESS,
    PLAN_PULL_RUN
} plan_pull_t;

/* A producer; its threads are sources. */
typedef struct plan_producer {
    int rank;
    unsigned thread_count, first_source;
    unsigned event_count; /* of each thread */
    size_t batch_size, max_batches, workers;
    bool loose;
    uint64_t linger_ms;
    int64_t push_ms, flush_ms, close_ms; /* time-outs */
    plan_size_t size;
    unsigned future, early_release, flush, wait, sleep, bad, discard, request; /* per mille */
    unsigned gives_up; /* it discards after so many closes that timed out; 0: never */
} plan_producer_t;

typedef struct plan_session {
    int rank;
    unsigned event_count; /* it leaves after so many; 0: at the end */
    unsigned gap_ms;      /* before it joins */
    int64_t pull_ms;
    size_t batch_size, max_batches, workers;
    plan_pull_t pull;
    plan_selection_t selection;
    bool automatic, zero_copy, allocates, skips, unsubscribes, from_end;
    bool acknowledges_rest; /* when it leaves */
    unsigned hold;          /* events that it holds, at most, before it acknowledges or releases */
} plan_session_t;

typedef struct plan_reader {
    char name[16];
    size_t targets[HISTORY_PARTITIONS_MAX], target_count;
    unsigned session_count;
    plan_session_t sessions[HISTORY_SESSIONS_MAX];
} plan_reader_t;

typedef struct plan {
    uint64_t seed;
    int rank_count;
    bool rma;     /* or node */
    bool node;    /* the window is node */
    bool by_node; /* each source pushes to the partition that its rank owns */
    char driver[256], topic[256], validator[32]; /* options */
    const char *selector;
    uint64_t partition_events, partition_bytes;
    unsigned expected;     /* producers; 0: mark_complete ends the topic */
    int completer;         /* the rank that marks */
    int early_complete_ms; /* it marks while producers push; -1: it does not */
    size_t producer_count;
    plan_producer_t producers[PLAN_PRODUCERS_MAX];
    plan_reader_t readers[HISTORY_READERS_MAX];
    history_facts_t facts;
} plan_t;

void plan_make(plan_t *plan, uint64_t seed, int rank_count, const char *window);
/* Print all of it, to read. */
void plan_print(const plan_t *plan, FILE *out);
/* The producer of a source. */
const plan_producer_t *plan_producer_of(const plan_t *plan, unsigned source);

#endif
