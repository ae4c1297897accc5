/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Completes puts that nobody waits for: the settled flags of appends.
 *
 * A later flush of the same rank completes them, such as that of its next append. If none comes, a
 * clock thread, which never enters MPI, has each owner flushed by a job of the agent. So an owner
 * that does not answer keeps only its own job.
 */
#include "mpi/agent/settle.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/thread.h"

/* How long puts wait for the flush of another job. */
#define SETTLE_MS 10

typedef struct settle_job {
    mmi_job_t job;
    mmi_settle_t *settle;
    int rank;
    bool busy; /* with the lock: it is under way */
} settle_job_t;

struct mmi_settle {
    mmi_agent_t *agent; /* borrow, as is the window */
    mmi_window_t *window;
    pthread_mutex_t lock; /* guards what follows; a leaf but for the agent's lock */
    pthread_cond_t changed;
    bool armed, stopped, ends;
    pthread_t thread;
    settle_job_t jobs[]; /* one per rank */
};

static void settle_arm(mmi_settle_t *settle) {
    pthread_mutex_lock(&settle->lock);
    if (!settle->armed)
        pthread_cond_signal(&settle->changed);
    settle->armed = true;
    pthread_mutex_unlock(&settle->lock);
}

static mofka_status_t settle_run(mmi_job_t *job) {
    const settle_job_t *s = (const settle_job_t *)(const void *)job;
    mmi_window_t *w = s->settle->window;
    mmi_window_nudge(w, s->rank);
    return w->ops->flush(w, s->rank);
}

/* The job is a part of `settle`. Puts that came during the flush are the next one's. */
static void settle_end(mmi_job_t *job) {
    settle_job_t *s = (settle_job_t *)(void *)job;
    mmi_settle_t *settle = s->settle;
    if (!job->done) /* it was not started */
        return;
    int rank = s->rank;
    pthread_mutex_lock(&settle->lock);
    s->busy = false;
    pthread_mutex_unlock(&settle->lock);
    if (atomic_load(&settle->window->unflushed[rank]))
        settle_arm(settle);
}

/* With the lock: begin a flush, unless one is under way. */
static void settle_flush(mmi_settle_t *settle, int rank) {
    settle_job_t *s = &settle->jobs[rank];
    if (s->busy || settle->stopped)
        return;
    *s = (settle_job_t){.job = {.run = settle_run, .destroy = settle_end, .left = true},
                        .settle = settle,
                        .rank = rank,
                        .busy = true};
    if (mmi_job_start(settle->agent, &s->job)) { /* there is no thread: later */
        s->busy = false;
        settle->armed = true;
    }
}

/* With the lock: sleep until something is left, then for its time. */
static void settle_sleep(mmi_settle_t *settle) {
    while (!settle->armed && !settle->ends)
        pthread_cond_wait(&settle->changed, &settle->lock);
    int64_t due = mmi_now_ms() + SETTLE_MS;
    const struct timespec until = {.tv_sec = due / 1000, .tv_nsec = due % 1000 * 1000000};
    while (!settle->ends && mmi_now_ms() < due)
        pthread_cond_timedwait(&settle->changed, &settle->lock, &until);
}

static void *settle_main(void *argument) {
    mmi_settle_t *settle = argument;
    pthread_mutex_lock(&settle->lock);
    while (!settle->ends) {
        settle_sleep(settle);
        settle->armed = false;
        for (int i = 0; i < settle->window->size; i++)
            if (atomic_load(&settle->window->unflushed[i]))
                settle_flush(settle, i);
    }
    pthread_mutex_unlock(&settle->lock);
    return NULL;
}

mofka_status_t mmi_settle_create(mmi_agent_t *agent, mmi_window_t *window, mmi_settle_t **out) {
    pthread_condattr_t clock;
    mmi_settle_t *settle =
        calloc(1, sizeof *settle + (size_t)window->size * sizeof settle->jobs[0]);
    if (!settle)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for an agent");
    settle->agent = agent;
    settle->window = window;
    pthread_mutex_init(&settle->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&settle->changed, &clock);
    pthread_condattr_destroy(&clock);
    int error = mfi_thread_start(&settle->thread, settle_main, settle);
    if (error) {
        pthread_cond_destroy(&settle->changed);
        pthread_mutex_destroy(&settle->lock);
        free(settle);
        return mofka_fail(MOFKA_ERR_SYSTEM, "starting a thread for operations of MPI: %s",
                          strerror(error));
    }
    *out = settle;
    return MOFKA_OK;
}

void mmi_settle_look(mmi_settle_t *settle) {
    if (atomic_exchange(&settle->window->left_puts, false))
        settle_arm(settle);
}

void mmi_settle_stop(mmi_settle_t *settle) {
    pthread_mutex_lock(&settle->lock);
    settle->stopped = true;
    pthread_mutex_unlock(&settle->lock);
}

void mmi_settle_destroy(mmi_settle_t *settle) {
    pthread_mutex_lock(&settle->lock);
    settle->ends = true;
    pthread_cond_signal(&settle->changed);
    pthread_mutex_unlock(&settle->lock);
    pthread_join(settle->thread, NULL);
    pthread_cond_destroy(&settle->changed);
    pthread_mutex_destroy(&settle->lock);
    free(settle);
}
