/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The appends to one owner, in rounds.
 *
 *   core            append_start ---> queued
 *   agent's thread  takes all that are queued, runs them together (producer/together.c)
 *                     stored          ---> done is called
 *                     dropped out     ---> a job of its own (producer/append.c) ---> done is called
 *                   and again, until none is queued
 *
 * One round of an owner is under way at a time. What comes meanwhile is the next one. An append
 * that waits for room does so in its own job. So it holds up no round.
 */
#include "mpi/agent/round.h"

#include <assert.h>
#include <stdlib.h>

struct mmi_round {
    mmi_agent_t *agent; /* borrow */
    int owner;
    pthread_mutex_t lock;             /* guards what follows; a leaf but for the agent's lock */
    bool runs;                        /* the job is under way */
    mmi_round_append_t *first, *last; /* queued */
    mmi_round_append_t *stored;       /* of the round that ends; of the job only */
    mmi_job_t job;
};

/* ---- alone ----------------------------------------------------------------------------------- */

static mofka_status_t alone_run(mmi_job_t *job) {
    mmi_round_append_t *a = mmi_job_owner(job, mmi_round_append_t, job);
    return mmi_append_group(a->append.producer, a->append.partition, a->append.batches,
                            a->append.count, a->append.timeout_ms, &a->stored);
}

/* By the thread that ran the job, whose message is the append's. The core may start the append
 * again. */
static void alone_report(mmi_job_t *job) {
    const mmi_round_append_t *a = mmi_job_owner(job, mmi_round_append_t, job);
    if (job->done) /* else it was not started */
        a->core->done(a->core, a->stored, job->status);
}

/* No thread can be had for the append. */
static void round_report_failure(const mmi_round_append_t *a) {
    mofka_status_t status =
        a->append.batches[0]->reserved ? MOFKA_ERR_POSSIBLY_STORED : MOFKA_ERR_TIMEOUT;
    a->core->done(a->core, 0, mofka_fail(status, "%s", mofka_last_error()));
}

/* The append dropped out of its round. */
static void round_go_alone(mmi_round_append_t *a) {
    a->job = (mmi_job_t){.run = alone_run, .destroy = alone_report, .left = true, .target = -1};
    atomic_store(&a->step, a->append.batches[0]->reserved ? MMI_ROUND_RESERVED : MMI_ROUND_ALONE);
    if (mmi_job_start(a->round->agent, &a->job))
        round_report_failure(a);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/* With the lock: take what is queued. */
static mmi_round_append_t *round_take(mmi_round_t *round) {
    mmi_round_append_t *first = round->first;
    round->first = round->last = NULL;
    for (mmi_round_append_t *a = first; a; a = a->next) {
        a->append.next = a->next ? &a->next->append : NULL;
        atomic_store(&a->step, MMI_ROUND_UNDER_WAY);
    }
    return first;
}

static mofka_status_t round_run(mmi_job_t *job) {
    mmi_round_t *round = mmi_job_owner(job, mmi_round_t, job);
    pthread_mutex_lock(&round->lock);
    mmi_round_append_t *first = round_take(round), *next;
    pthread_mutex_unlock(&round->lock);
    assert(first);
    mmi_append_together(&first->append);
    round->stored = NULL;
    for (mmi_round_append_t *a = first; a; a = next) {
        next = a->next; /* one that goes alone may be started again at once */
        if (a->append.group.count == 0) {
            round_go_alone(a);
            continue;
        }
        a->next = round->stored;
        round->stored = a;
    }
    return MOFKA_OK;
}

static void round_end(mmi_job_t *job);

/* Begin a round of what is queued. An error: it has not begun. */
static mofka_status_t round_start(mmi_round_t *round) {
    round->job = (mmi_job_t){.run = round_run, .destroy = round_end, .left = true};
    return mmi_job_start(round->agent, &round->job);
}

/* What was queued meanwhile cannot begin: no thread can be had. */
static void round_fail(mmi_round_t *round) {
    pthread_mutex_lock(&round->lock);
    mmi_round_append_t *first = round_take(round), *next;
    round->runs = false;
    pthread_mutex_unlock(&round->lock);
    for (mmi_round_append_t *a = first; a; a = next) {
        next = a->next;
        round_report_failure(a);
    }
}

/* The thread has ended the round: go on with what was queued meanwhile, then report. A callback of
 * the core's user may take long, so nothing waits for it. */
static void round_end(mmi_job_t *job) {
    mmi_round_t *round = mmi_job_owner(job, mmi_round_t, job);
    if (!job->done) /* it was not started */
        return;
    mmi_round_append_t *stored = round->stored, *next;
    pthread_mutex_lock(&round->lock);
    round->runs = round->first != NULL;
    bool more = round->runs;
    pthread_mutex_unlock(&round->lock);
    if (more && round_start(round))
        round_fail(round);
    for (mmi_round_append_t *a = stored; a; a = next) { /* it may be started again at once */
        next = a->next;
        a->core->done(a->core, a->append.group.count, MOFKA_OK);
    }
}

mofka_status_t mmi_round_add(mmi_round_append_t *a) {
    mmi_round_t *round = a->round;
    a->next = NULL;
    atomic_store(&a->step, MMI_ROUND_QUEUED);
    pthread_mutex_lock(&round->lock);
    assert(round->runs || !round->first);
    *(round->first ? &round->last->next : &round->first) = a;
    round->last = a;
    mofka_status_t status = round->runs ? MOFKA_OK : round_start(round);
    if (status)
        round->first = round->last = NULL;
    else
        round->runs = true;
    pthread_mutex_unlock(&round->lock);
    return status;
}

mofka_status_t mmi_round_late(const mmi_round_append_t *a) {
    int step = atomic_load(&a->step);
    if (step == MMI_ROUND_QUEUED || step == MMI_ROUND_UNDER_WAY)
        return mmi_rank_late(a->round->owner, step == MMI_ROUND_QUEUED ? MOFKA_ERR_TIMEOUT
                                                                       : MOFKA_ERR_POSSIBLY_STORED);
    bool began = step == MMI_ROUND_RESERVED || atomic_load(&a->job.target) >= 0;
    return mmi_job_late(&a->job, began ? MOFKA_ERR_POSSIBLY_STORED : MOFKA_ERR_TIMEOUT);
}

mofka_status_t mmi_rounds_create(mmi_agent_t *agent, int size, mmi_round_t **out) {
    mmi_round_t *rounds =
        calloc((size_t)size + 1, sizeof *rounds); /* one at the end without agent */
    if (!rounds)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for an agent");
    for (int i = 0; i < size; i++) {
        rounds[i].agent = agent;
        rounds[i].owner = i;
        pthread_mutex_init(&rounds[i].lock, NULL);
    }
    *out = rounds;
    return MOFKA_OK;
}

void mmi_rounds_destroy(mmi_round_t *rounds) {
    for (mmi_round_t *round = rounds; round && round->agent; round++) {
        assert(!round->runs && !round->first);
        pthread_mutex_destroy(&round->lock);
    }
    free(rounds);
}

mmi_round_t *mmi_rounds_find(mmi_round_t *rounds, int owner) {
    return &rounds[owner];
}
