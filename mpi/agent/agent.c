/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent's threads, its queue, and jobs. */
#include "mpi/agent/agent.h"
#include "mpi/agent/round.h"
#include "mpi/agent/settle.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include "base/thread.h"

/* The most threads: calls that are under way at the same time. */
#define THREADS_MAX 512

struct mmi_agent {
    mmi_round_t *rounds;
    mmi_settle_t *settle;
    pthread_mutex_t lock; /* guards what follows; a leaf */
    pthread_condattr_t clock;
    pthread_cond_t queued, changed; /* for threads: a job, or the end; no job is under way */
    mmi_job_t *first, *last;        /* not begun yet */
    size_t thread_count, idle;
    size_t under_way; /* jobs that are not done */
    bool ends;
    pthread_t threads[THREADS_MAX];
};

static void agent_wait(mmi_agent_t *agent, pthread_cond_t *condition, int64_t deadline) {
    if (deadline == INT64_MAX) {
        pthread_cond_wait(condition, &agent->lock);
        return;
    }
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
    pthread_cond_timedwait(condition, &agent->lock, &until);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void job_free(mmi_job_t *job) {
    pthread_cond_destroy(&job->changed);
    free(job->message);
    job->message = NULL;
    job->destroy(job);
}

/* Without the lock. */
static void job_run(mmi_job_t *job) {
    (void)mofka_fail(MOFKA_ERR_TIMEOUT, "%s", ""); /* a message from now on is the job's */
    mmi_window_target = &job->target;
    job->status = job->run(job);
    mmi_window_target = NULL;
    const char *message = mofka_last_error();
    if (job->status && message && *message)
        job->message = strdup(message);
}

/* With the lock, releases it meanwhile. */
static void agent_run_first(mmi_agent_t *agent) {
    mmi_job_t *job = agent->first;
    assert(job && !job->done && agent->under_way > 0);
    agent->first = job->next;
    if (!agent->first)
        agent->last = NULL;
    job->next = NULL;
    pthread_mutex_unlock(&agent->lock);
    job_run(job);
    mmi_settle_look(agent->settle);
    pthread_mutex_lock(&agent->lock);
    job->done = true;
    bool left = job->left;
    pthread_cond_broadcast(&job->changed);
    if (left) {
        pthread_mutex_unlock(&agent->lock);
        job_free(job);
        pthread_mutex_lock(&agent->lock);
    }
    agent->under_way--;
    if (agent->under_way == 0)
        pthread_cond_broadcast(&agent->changed);
}

static void *agent_main(void *argument) {
    mmi_agent_t *agent = argument;
    prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
    mfi_thread_take_short_turns();
    pthread_mutex_lock(&agent->lock);
    while (agent->first || !agent->ends) {
        if (agent->first) {
            agent_run_first(agent);
            continue;
        }
        agent->idle++;
        while (!agent->first && !agent->ends)
            pthread_cond_wait(&agent->queued, &agent->lock);
        agent->idle--;
    }
    pthread_mutex_unlock(&agent->lock);
    return NULL;
}

/* With the lock. */
static mofka_status_t agent_add_thread(mmi_agent_t *agent) {
    if (agent->thread_count == THREADS_MAX)
        return mofka_fail(MOFKA_ERR_SYSTEM, "%d operations of MPI have not returned", THREADS_MAX);
    int error = mfi_thread_start(&agent->threads[agent->thread_count], agent_main, agent);
    if (error)
        return mofka_fail(MOFKA_ERR_SYSTEM, "starting a thread for operations of MPI: %s",
                          strerror(error));
    agent->thread_count++;
    return MOFKA_OK;
}

/* ---- the agent ------------------------------------------------------------------------------- */

mofka_status_t mmi_agent_create(mmi_window_t *window, mmi_agent_t **out) {
    mmi_agent_t *agent = calloc(1, sizeof *agent);
    if (!agent)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for an agent");
    mofka_status_t status = mmi_rounds_create(agent, window->size, &agent->rounds);
    if (!status)
        status = mmi_settle_create(agent, window, &agent->settle);
    if (status) {
        mmi_rounds_destroy(agent->rounds);
        free(agent);
        return status;
    }
    pthread_mutex_init(&agent->lock, NULL);
    pthread_condattr_init(&agent->clock);
    pthread_condattr_setclock(&agent->clock, CLOCK_MONOTONIC);
    pthread_cond_init(&agent->queued, &agent->clock);
    pthread_cond_init(&agent->changed, &agent->clock);
    *out = agent;
    return MOFKA_OK;
}

mofka_status_t mmi_agent_drain(mmi_agent_t *agent, int64_t deadline) {
    mmi_settle_stop(agent->settle);
    pthread_mutex_lock(&agent->lock);
    while (agent->under_way > 0 && mmi_now_ms() < deadline)
        agent_wait(agent, &agent->changed, deadline);
    bool idle = agent->under_way == 0;
    pthread_mutex_unlock(&agent->lock);
    return idle ? MOFKA_OK
                : mofka_fail(MOFKA_ERR_TIMEOUT,
                             "an operation on the window of another rank has not returned in time");
}

void mmi_agent_refuse(mmi_agent_t *agent) {
    pthread_mutex_lock(&agent->lock);
    agent->ends = true;
    pthread_mutex_unlock(&agent->lock);
}

void mmi_agent_destroy(mmi_agent_t *agent, bool keep) {
    if (!agent)
        return;
    pthread_mutex_lock(&agent->lock);
    assert(agent->under_way == 0);
    agent->ends = true;
    pthread_cond_broadcast(&agent->queued);
    pthread_mutex_unlock(&agent->lock);
    for (size_t i = 0; i < agent->thread_count; i++)
        pthread_join(agent->threads[i], NULL);
    mmi_settle_destroy(agent->settle);
    if (keep)
        return;
    pthread_cond_destroy(&agent->queued);
    pthread_cond_destroy(&agent->changed);
    pthread_condattr_destroy(&agent->clock);
    pthread_mutex_destroy(&agent->lock);
    mmi_rounds_destroy(agent->rounds);
    free(agent);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

mofka_status_t mmi_job_start(mmi_agent_t *agent, mmi_job_t *job) {
    mofka_status_t status = MOFKA_OK;
    assert(job->run && job->destroy && !job->agent);
    job->agent = agent;
    atomic_store(&job->target, -1);
    pthread_cond_init(&job->changed, &agent->clock);
    pthread_mutex_lock(&agent->lock);
    /* Each idle thread may have been promised to a job of the queue. */
    size_t waiting = 1;
    for (const mmi_job_t *other = agent->first; other; other = other->next)
        waiting++;
    if (agent->ends)
        status = mofka_fail(MOFKA_ERR_TIMEOUT, "MPI_Finalize was called");
    else if (waiting > agent->idle)
        status = agent_add_thread(agent);
    if (!status) {
        if (agent->last)
            agent->last->next = job;
        else
            agent->first = job;
        agent->last = job;
        agent->under_way++;
        pthread_cond_signal(&agent->queued);
    }
    pthread_mutex_unlock(&agent->lock);
    if (status)
        job_free(job);
    return status;
}

bool mmi_job_wait(mmi_job_t *job, int64_t deadline) {
    mmi_agent_t *agent = job->agent;
    pthread_mutex_lock(&agent->lock);
    assert(!job->left);
    while (!job->done && mmi_now_ms() < deadline)
        agent_wait(agent, &job->changed, deadline);
    bool done = job->done;
    pthread_mutex_unlock(&agent->lock);
    return done;
}

mofka_status_t mmi_job_result(const mmi_job_t *job) {
    assert(job->done);
    if (!job->message && job->status == MOFKA_ERR_MEMORY) /* there was none for the message */
        return mofka_fail(job->status, "%s", mofka_status_text(job->status));
    return job->message ? mofka_fail(job->status, "%s", job->message) : job->status;
}

void mmi_job_leave(mmi_job_t *job) {
    mmi_agent_t *agent = job->agent;
    pthread_mutex_lock(&agent->lock);
    bool done = job->done;
    assert(!job->left);
    job->left = true;
    pthread_mutex_unlock(&agent->lock);
    if (done)
        job_free(job);
}

mofka_status_t mmi_rank_late(int rank, mofka_status_t status) {
    assert(status < MOFKA_OK && rank >= 0);
    return mofka_fail(status,
                      "rank %d has not answered in time; it is stopped, does not enter MPI, or "
                      "cannot be reached",
                      rank);
}

mofka_status_t mmi_job_late(const mmi_job_t *job, mofka_status_t status) {
    int target = atomic_load(&job->target);
    return target < 0 ? mofka_fail(status, "an operation of MPI has not begun in time")
                      : mmi_rank_late(target, status);
}

mmi_round_t *mmi_agent_rounds(const mmi_agent_t *agent) {
    return agent->rounds;
}

mofka_status_t mmi_job_call(mmi_agent_t *agent, mmi_job_t *job, int64_t deadline) {
    mofka_status_t status = mmi_job_start(agent, job);
    if (status)
        return status;
    if (mmi_job_wait(job, deadline)) {
        status = mmi_job_result(job);
    } else {
        status = mmi_job_late(job, MOFKA_ERR_TIMEOUT);
    }
    if (status)
        mmi_job_leave(job);
    return status;
}
