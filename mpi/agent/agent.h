/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The agent: threads that do what may block inside MPI, so that no caller waits there.
 *
 * MPI has no time-outs. A flush or an atomic on the memory of a rank that is stopped, or behind a
 * link that is down, returns when that rank answers, or never. So in an rma window each call of a
 * backend's table becomes a job. A thread of the agent runs it. The caller waits for its own time
 * and a bit more (MMI_AGENT_GRACE_MS), then returns MOFKA_ERR_TIMEOUT or MOFKA_ERR_POSSIBLY_STORED,
 * with a message that names the rank. The job goes on. The next call on the same object finds it,
 * waits for it, and takes its result.
 *
 *   caller                             job                       thread of the agent
 *   make it, with a copy of its        queued  ----------------> run it
 *   arguments; wait
 *   in time: take the result           done   <-----------------
 *   late: keep it in the object's      running                   blocked in MPI
 *   list, return                          |
 *   next call: wait, take the result   done   <----------------- MPI returned
 *   or: leave it                       left   -----------------> run it to its end, undo, free it
 *
 * There is a thread for each job under way, so a target that does not answer holds up nobody else.
 * Idle threads are used again; they end with the agent.
 *
 * A job may leave puts that nobody waits for: see `unflushed` of the window, and settle.c.
 *
 * What MPI may still read or write is referenced by the job: the core's batch stays because its
 * append answered MOFKA_ERR_POSSIBLY_STORED; views of a selection are retained.
 *
 * Where only one thread may call MPI there is no agent. Then a call waits as long as MPI does.
 */
#ifndef MOFKA_MPI_AGENT_AGENT_H
#define MOFKA_MPI_AGENT_AGENT_H

#include <mofka/backend.h>
#include "mpi/window/window.h"

/* How much longer than its time-out a call waits for a job. It lets a poll succeed over a slow
 * network. */
#define MMI_AGENT_GRACE_MS 100

typedef struct mmi_agent mmi_agent_t;
typedef struct mmi_job mmi_job_t;
typedef struct mmi_round mmi_round_t; /* of appends; see round.h */

/* What every job begins with. The caller sets the first two, and zeroes the rest; `left` may be
 * set.
 */
struct mmi_job {
    mofka_status_t (*run)(mmi_job_t *job);
    /* Free the job, and what a result that nobody took needs. */
    void (*destroy)(mmi_job_t *job);
    mmi_agent_t *agent;
    mmi_job_t *next; /* in the agent's queue */
    bool done, left; /* with the agent's lock: it was run; the caller will not look at it again */
    _Atomic int target;    /* the rank that it waits for; -1: none yet */
    mofka_status_t status; /* of run, once it is done */
    char *message;         /* of run; NULL: none */
    pthread_cond_t changed;
};

/* Make an agent, where any thread may call MPI. It borrows the window. Give: mmi_agent_destroy. */
mofka_status_t mmi_agent_create(mmi_window_t *window, mmi_agent_t **agent);
/* Wait until no job is under way. MOFKA_ERR_TIMEOUT: one is; the message names its target. */
mofka_status_t mmi_agent_drain(mmi_agent_t *agent, int64_t deadline);
/* From now on no job begins: mmi_job_start answers MOFKA_ERR_TIMEOUT. */
void mmi_agent_refuse(mmi_agent_t *agent);
/* Once no job is under way: end the threads, and free the agent. `keep`: workers of a pool may
 * still call, so the agent stays, and refuses. NULL: nothing. */
void mmi_agent_destroy(mmi_agent_t *agent, bool keep);

/* A deadline, and the grace behind it. */
static inline int64_t mmi_agent_grace(int64_t deadline) {
    return deadline < INT64_MAX - MMI_AGENT_GRACE_MS ? deadline + MMI_AGENT_GRACE_MS : INT64_MAX;
}

/* What a job is a part of. */
#define mmi_job_owner(pointer, type, member)                                                       \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* The agent's rounds of appends. View. */
mmi_round_t *mmi_agent_rounds(const mmi_agent_t *agent);

/* Hand a job over. After an error it was destroyed. */
mofka_status_t mmi_job_start(mmi_agent_t *agent, mmi_job_t *job);
/* Wait until the job is done, or the deadline has passed. True: it is done. */
bool mmi_job_wait(mmi_job_t *job, int64_t deadline);
/* The status of a job that is done; its message becomes this thread's. */
mofka_status_t mmi_job_result(const mmi_job_t *job);
/* Give the job up: it is destroyed once it is done. */
void mmi_job_leave(mmi_job_t *job);
/* `status`, with a message that names a rank that does not answer. */
mofka_status_t mmi_rank_late(int rank, mofka_status_t status);
/* The same of the rank that a job waits for. */
mofka_status_t mmi_job_late(const mmi_job_t *job, mofka_status_t status);
/* Start a job, wait for it at most until `deadline`, and return its status. If it is late, it is
 * left, and the answer is MOFKA_ERR_TIMEOUT. On success the job stays the caller's:
 * mmi_job_leave. */
mofka_status_t mmi_job_call(mmi_agent_t *agent, mmi_job_t *job, int64_t deadline);

/* Put the agent between the core and a producer's table: `*ops` and `*self` are replaced. After an
 * error they are as they were. */
mofka_status_t mmi_agent_wrap_producer(mmi_agent_t *agent, size_t partition_count,
                                       const mofka_producer_ops_t **ops, void **self);
/* The same for a consumer's table. */
mofka_status_t mmi_agent_wrap_consumer(mmi_agent_t *agent, const mofka_consumer_ops_t **ops,
                                       void **self);
struct mmi_topic;
/* mmi_producer_create, by a job. */
mofka_status_t mmi_agent_make_producer(mmi_agent_t *agent, struct mmi_topic *topic,
                                       const char *name, const char *options,
                                       const mofka_producer_ops_t **made_ops, void **made);
/* mmi_topic_mark_complete, by a job. */
mofka_status_t mmi_agent_mark_complete(mmi_agent_t *agent, struct mmi_topic *topic,
                                       int64_t timeout_ms);
/* mmi_topic_evict, by a job. */
mofka_status_t mmi_agent_evict(mmi_agent_t *agent, struct mmi_topic *topic, const char *consumer,
                               int64_t timeout_ms);
/* mmi_storage_ends, by a job. */
mofka_status_t mmi_agent_ends(mmi_agent_t *agent, struct mmi_topic *topic, int64_t timeout_ms,
                              uint64_t *ends);
/* mmi_consumer_create, by a job. */
mofka_status_t mmi_agent_make_consumer(mmi_agent_t *agent, struct mmi_topic *topic,
                                       const mofka_consumer_config_t *config,
                                       const mofka_consumer_ops_t **made_ops, void **made);
/* `delete_topic`, the slot of mofka_driver_ops_t, by a job. */
typedef mofka_status_t (*mmi_delete_topic_t)(void *self, const char *name);
mofka_status_t mmi_agent_delete_topic(mmi_agent_t *agent, mmi_delete_topic_t delete_topic,
                                      void *self, const char *name);
/* `create`, the slot create_topic of mofka_driver_ops_t, by a job. */
typedef mofka_status_t (*mmi_create_topic_t)(void *self, const mofka_topic_config_t *config);
mofka_status_t mmi_agent_create_topic(mmi_agent_t *agent, mmi_create_topic_t create, void *self,
                                      const mofka_topic_config_t *config);

#endif
