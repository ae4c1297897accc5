/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A producer's table over the agent.
 *
 * An append runs on a copy of the core's batch, because the core writes into its own when append
 * returns. What the batch points to stays while append answers MOFKA_ERR_POSSIBLY_STORED. For each
 * partition there is a list of jobs: one that runs, at most, and those that are done. The core asks
 * for each of them again, by its batch.
 */
#include <assert.h>
#include <stdlib.h>
#include "mpi/agent/agent.h"

/* How long a close waits beside the time-out of the lock that it may need. */
#define CLOSE_MS 15000

typedef struct append_job {
    mmi_job_t job;
    struct append_job *next; /* of the same partition */
    struct agent_producer *producer;
    size_t partition;
    const mofka_batch_t *owner; /* the core's batch */
    mofka_batch_t batch;        /* a copy of it */
    int64_t timeout_ms;
    uint64_t first_id;
} append_job_t;

typedef struct close_job {
    mmi_job_t job;
    struct agent_producer *producer;
    bool flushed;
} close_job_t;

typedef struct agent_producer {
    mmi_agent_t *agent;
    const mofka_producer_ops_t *ops; /* of the producer that does the work */
    void *self;                      /* of it */
    close_job_t close;               /* a part of it, so that closing needs no memory */
    bool closing;                    /* `close` is under way, or its result was not taken */
    size_t appends_count;
    append_job_t *appends[]; /* for each partition: the jobs that the core will ask for */
} agent_producer_t;

static void agent_job_free(mmi_job_t *job) {
    free(job);
}

static mofka_status_t append_run(mmi_job_t *job) {
    append_job_t *a = (append_job_t *)(void *)job;
    return a->producer->ops->append(a->producer->self, a->partition, &a->batch, a->timeout_ms,
                                    &a->first_id);
}

/* Take the job out of the partition's list, and give the core its result. */
static mofka_status_t append_take(append_job_t **at, mofka_batch_t *batch, uint64_t *first_id) {
    append_job_t *a = *at;
    mofka_status_t status = mmi_job_result(&a->job);
    assert(a->owner == batch);
    batch->reserved = a->batch.reserved;
    batch->blocked_ns += a->batch.blocked_ns;
    for (size_t i = 0; i < sizeof batch->scratch / sizeof batch->scratch[0]; i++)
        batch->scratch[i] = a->batch.scratch[i];
    if (!status)
        *first_id = a->first_id;
    *at = a->next;
    mmi_job_leave(&a->job);
    return status;
}

/* Wait until all are done. The one that is not by the deadline; NULL: all are. */
static append_job_t *appends_settle(append_job_t *first, int64_t deadline) {
    for (append_job_t *a = first; a; a = a->next)
        if (!mmi_job_wait(&a->job, deadline))
            return a;
    return NULL;
}

static mofka_status_t agent_append_start(agent_producer_t *producer, size_t partition,
                                         mofka_batch_t *batch, int64_t timeout_ms) {
    append_job_t *a = calloc(1, sizeof *a);
    if (!a)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for an append");
    *a = (append_job_t){.job = {.run = append_run, .destroy = agent_job_free},
                        .producer = producer,
                        .partition = partition,
                        .owner = batch,
                        .batch = *batch,
                        .timeout_ms = timeout_ms};
    a->batch.blocked_ns = 0;
    mofka_status_t status = mmi_job_start(producer->agent, &a->job);
    if (status)
        return status;
    a->next = producer->appends[partition];
    producer->appends[partition] = a;
    return MOFKA_OK;
}

/* An append that waits for a thread is not over: it is tried again. A batch that was reserved stays
 * so. */
static mofka_status_t append_fail(const mofka_batch_t *batch, mofka_status_t status) {
    if (batch->reserved)
        return MOFKA_ERR_POSSIBLY_STORED;
    return status == MOFKA_ERR_SYSTEM ? mofka_fail(MOFKA_ERR_TIMEOUT, "%s", mofka_last_error())
                                      : status;
}

static mofka_status_t agent_append(void *self, size_t partition, mofka_batch_t *batch,
                                   int64_t timeout_ms, uint64_t *first_id) {
    agent_producer_t *producer = self;
    append_job_t **at = &producer->appends[partition];
    int64_t deadline = mmi_deadline(timeout_ms);
    while (*at && (*at)->owner != batch)
        at = &(*at)->next;
    if (!*at) {
        /* One append of a partition at a time. */
        append_job_t *other = appends_settle(producer->appends[partition], deadline);
        if (other)
            return append_fail(batch, mmi_job_late(&other->job, MOFKA_ERR_TIMEOUT));
        mofka_status_t status = agent_append_start(producer, partition, batch, timeout_ms);
        if (status)
            return append_fail(batch, status);
        at = &producer->appends[partition];
        deadline = mmi_agent_grace(deadline);
    }
    if (mmi_job_wait(&(*at)->job, deadline))
        return append_take(at, batch, first_id);
    return mmi_job_late(&(*at)->job, MOFKA_ERR_POSSIBLY_STORED);
}

static mofka_status_t agent_producer_limits(void *self, size_t partition,
                                            mofka_batch_limits_t *limits) {
    const agent_producer_t *producer = self;
    return producer->ops->limits(producer->self, partition, limits);
}

static mofka_status_t close_run(mmi_job_t *job) {
    const close_job_t *c = (const close_job_t *)(const void *)job;
    return c->producer->ops->close(c->producer->self, c->flushed);
}

/* The job is a part of the producer. */
static void close_empty(mmi_job_t *job) {
    (void)job;
}

static mofka_status_t agent_producer_close(void *self, bool flushed) {
    agent_producer_t *producer = self;
    int64_t deadline = mmi_deadline(CLOSE_MS);
    for (size_t i = 0; i < producer->appends_count; i++) {
        append_job_t *late = appends_settle(producer->appends[i], deadline);
        if (late)
            return mmi_job_late(&late->job, MOFKA_ERR_TIMEOUT);
    }
    close_job_t *c = &producer->close;
    if (!producer->closing) {
        *c = (close_job_t){.job = {.run = close_run, .destroy = close_empty},
                           .producer = producer,
                           .flushed = flushed};
        if (mmi_job_start(producer->agent, &c->job)) /* it is not over */
            return mofka_fail(MOFKA_ERR_TIMEOUT, "%s", mofka_last_error());
        producer->closing = true;
    }
    if (!mmi_job_wait(&c->job, deadline))
        return mmi_job_late(&c->job, MOFKA_ERR_TIMEOUT);
    mofka_status_t status = mmi_job_result(&c->job);
    mmi_job_leave(&c->job);
    producer->closing = false;
    return status;
}

static void agent_producer_destroy(void *self) {
    agent_producer_t *producer = self;
    assert(!producer->closing);
    for (size_t i = 0; i < producer->appends_count; i++)
        for (append_job_t *a; (a = producer->appends[i]);) {
            producer->appends[i] = a->next;
            mmi_job_leave(&a->job);
        }
    producer->ops->destroy(producer->self);
    free(producer);
}

static const mofka_producer_ops_t agent_producer_ops = {
    .size = sizeof agent_producer_ops,
    .limits = agent_producer_limits,
    .append = agent_append,
    .close = agent_producer_close,
    .destroy = agent_producer_destroy,
};

mofka_status_t mmi_agent_wrap_producer(mmi_agent_t *agent, size_t partition_count,
                                       const mofka_producer_ops_t **ops, void **self) {
    agent_producer_t *producer =
        calloc(1, sizeof *producer + partition_count * sizeof producer->appends[0]);
    if (!producer)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a producer");
    producer->agent = agent;
    producer->ops = *ops;
    producer->self = *self;
    producer->appends_count = partition_count;
    *ops = &agent_producer_ops;
    *self = producer;
    return MOFKA_OK;
}
