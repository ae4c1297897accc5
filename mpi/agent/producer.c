/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A producer's table over the agent.
 *
 * Appends go in rounds (round.c), on the core's batches, which stay until `done` is called. An
 * append has a place for each partition, which is used again once it is over. So it needs no memory
 * here.
 *
 * A topic whose producers are of its owners' nodes is appended to without MPI. So appends are done
 * by the caller, and only the rest are jobs.
 */
#include <assert.h>
#include <stdlib.h>
#include "mpi/agent/round.h"

/* How long a close waits beside the time-out of the lock that it may need. */
#define CLOSE_MS 15000

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
    mmi_round_append_t appends[];    /* one per partition */
} agent_producer_t;

/* The job is a part of the producer. */
static void job_stays(mmi_job_t *job) {
    (void)job;
}

static mofka_status_t agent_append_start(void *self, mofka_append_t *append) {
    agent_producer_t *producer = self;
    mmi_producer_t *made = producer->self;
    mmi_round_append_t *a = &producer->appends[append->partition];
    a->append = (mmi_append_t){.producer = made,
                               .partition = append->partition,
                               .batches = append->batches,
                               .count = append->count,
                               .timeout_ms = append->timeout_ms};
    a->core = append;
    a->round = mmi_rounds_find(mmi_agent_rounds(producer->agent),
                               made->topic->partitions[append->partition].owner);
    return mmi_round_add(a);
}

static mofka_status_t agent_append_late(void *self, size_t partition) {
    const agent_producer_t *producer = self;
    return mmi_round_late(&producer->appends[partition]);
}

static mofka_status_t agent_producer_limits(void *self, size_t partition,
                                            mofka_batch_limits_t *limits) {
    const agent_producer_t *producer = self;
    return producer->ops->limits(producer->self, partition, limits);
}

/* Its reads end in time by themselves. */
static mofka_status_t agent_wait_durable(void *self, size_t partition, uint64_t next,
                                         int64_t timeout_ms, uint64_t *durable) {
    const agent_producer_t *producer = self;
    return producer->ops->wait_durable(producer->self, partition, next, timeout_ms, durable);
}

static mofka_status_t close_run(mmi_job_t *job) {
    const close_job_t *c = (const close_job_t *)(const void *)job;
    return c->producer->ops->close(c->producer->self, c->flushed);
}

static mofka_status_t agent_producer_close(void *self, bool flushed) {
    agent_producer_t *producer = self;
    int64_t deadline = mmi_deadline(CLOSE_MS);
    close_job_t *c = &producer->close;
    if (!producer->closing) {
        *c = (close_job_t){.job = {.run = close_run, .destroy = job_stays},
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
    const mmi_producer_t *made = producer->self;
    assert(!producer->closing);
    mofka_status_t fault = mmi_window_check(made->topic->w, MMI_ANY_RANK);
    producer->ops->destroy(producer->self);
    if (!fault) /* else MPI may still write the words of a reservation */
        free(producer);
}

static const mofka_producer_ops_t agent_producer_ops = {
    .size = sizeof agent_producer_ops,
    .limits = agent_producer_limits,
    .append_start = agent_append_start,
    .append_late = agent_append_late,
    .close = agent_producer_close,
    .destroy = agent_producer_destroy,
};

/* ---- a producer that appends by this rank's processor -----------------------------------------
 */

static mofka_status_t near_append(void *self, size_t partition, mofka_batch_t *batch,
                                  int64_t timeout_ms, uint64_t *first_id) {
    const agent_producer_t *producer = self;
    return mmi_append_batch(producer->self, partition, batch, timeout_ms, first_id);
}

static mofka_status_t near_refuse(void *self, size_t partition) {
    const agent_producer_t *producer = self;
    return mmi_producer_refuse(producer->self, partition);
}

static mofka_status_t near_claim(void *self, size_t partition, mofka_place_t *place,
                                 int64_t timeout_ms) {
    const agent_producer_t *producer = self;
    return mmi_claim_take(producer->self, partition, place, timeout_ms);
}

static mofka_status_t near_commit(void *self, size_t partition, mofka_place_t *place) {
    const agent_producer_t *producer = self;
    return mmi_claim_commit(producer->self, partition, place);
}

static mofka_status_t near_give_up(void *self, size_t partition, mofka_place_t *place, bool keep) {
    const agent_producer_t *producer = self;
    return mmi_claim_give_up(producer->self, partition, place, keep);
}

static const mofka_producer_ops_t near_producer_ops = {
    .size = sizeof near_producer_ops,
    .limits = agent_producer_limits,
    .append = near_append,
    .close = agent_producer_close,
    .destroy = agent_producer_destroy,
    .refuse = near_refuse,
    .claim = near_claim,
    .commit = near_commit,
    .give_up = near_give_up,
};

static const mofka_producer_ops_t near_durable_producer_ops = {
    .size = sizeof near_durable_producer_ops,
    .limits = agent_producer_limits,
    .append = near_append,
    .close = agent_producer_close,
    .destroy = agent_producer_destroy,
    .refuse = near_refuse,
    .wait_durable = agent_wait_durable,
};

static const mofka_producer_ops_t agent_durable_producer_ops = {
    .size = sizeof agent_durable_producer_ops,
    .limits = agent_producer_limits,
    .append_start = agent_append_start,
    .append_late = agent_append_late,
    .close = agent_producer_close,
    .destroy = agent_producer_destroy,
    .wait_durable = agent_wait_durable,
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
    const mmi_producer_t *made = *self;
    bool durable = producer->ops->wait_durable != NULL;
    if (made->topic->partitions[0].of_node)
        *ops = durable ? &near_durable_producer_ops : &near_producer_ops;
    else
        *ops = durable ? &agent_durable_producer_ops : &agent_producer_ops;
    *self = producer;
    return MOFKA_OK;
}
