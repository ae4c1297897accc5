/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A run on one rank: its actors, each a thread that does its part of the plan and records what the
 * calls answer.
 */
#ifndef MOFKA_TESTS_HISTORY_RUN_H
#define MOFKA_TESTS_HISTORY_RUN_H

#include <pthread.h>
#include <mofka/mpi.h>
#include "history/plan/plan.h"

/* With --fail: sources push for so long; a session gives up when no event comes for so long after
 * that; no push or close waits for longer than that. */
#define RUN_PUSH_MS 5000
#define RUN_WAIT_MS 3000
#define RUN_CALL_MS 1000

/* A call that comes back later than this after its time-out is recorded. */
#define RUN_LATE_MS 500

typedef struct run run_t;

/* A source, or a reader in all of its sessions on this rank. */
typedef struct actor {
    run_t *run;
    pthread_t thread;
    bool is_source, started;
    int index; /* of the source or reader */
    _Atomic unsigned session;
    _Atomic unsigned count; /* events so far, for a report of what hangs */
    const char *_Atomic call;
    int64_t _Atomic since_ms;
    mofka_producer_t *producer; /* of a source; its threads share it */
    uint64_t random;
} actor_t;

struct run {
    const plan_t *plan;
    int rank;
    bool stops;    /* this rank is stopped for a while: its calls are late by that */
    bool fails;    /* one-sided operations of some ranks fail */
    MPI_Comm comm; /* of the checker's own */
    mofka_topic_t *topic;
    actor_t sources[HISTORY_SOURCES_MAX], readers[HISTORY_READERS_MAX];
    int64_t _Atomic push_until; /* INT64_MAX: sources push all */
    int64_t _Atomic wait_from;  /* sources have ended; INT64_MAX: they have not */
    pthread_mutex_t lock;       /* guards the rest; a leaf */
    pthread_cond_t changed;
    bool begun;          /* sources may push */
    unsigned early_left; /* readers of this rank that must join before */
    bool doubtful;       /* some event may not be stored: the topic may not complete itself */
    history_record_t *records;
    size_t record_count, record_room;
};

/* ---- record.c -------------------------------------------------------------------------------- */

/* Add a record of that actor; its order is that of the calls. */
void record_add(actor_t *actor, history_record_t record);
/* A call begins; and it has ended: if it is late, that is recorded. Returns `status`. */
void record_begin(actor_t *actor, const char *call);
mofka_status_t record_end(actor_t *actor, int64_t timeout_ms, mofka_status_t status);
/* Record that the last call gave an answer that is not allowed. MOFKA_ERR_MPI is allowed where an
 * operation of this process has failed. */
void record_unexpected(actor_t *actor, const char *call, mofka_status_t status);
/* Collective: rank 0 gets the records of all ranks. Give: free the records. */
void record_gather(run_t *run, history_t *history);
void record_print(const history_record_t *record, FILE *out);

/* Do a call of the library; its status. */
#define STEP(actor, name, timeout_ms, call)                                                        \
    (record_begin((actor), (name)), record_end((actor), (timeout_ms), (call)))

/* ---- sources.c, readers.c -------------------------------------------------------------------- */

/* Thread functions; the context is an actor_t. */
void *source_main(void *context);
void *session_main(void *context);
/* Make the producers of this rank; release them when their sources have ended. */
void source_create_producers(run_t *run);
void source_release_producers(run_t *run);

#endif
