/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A consumer's table over the agent.
 *
 * The core calls fetch, get_data, finish_data, wait, publish, skip_damaged, describe_wait,
 * seek, unsubscribe and close by one thread at a time. So a consumer has one job, at most. If it is
 * late, the next call of the same kind takes its result; a call of another kind waits until it is
 * done.
 *
 * get_data only notes the ranges. The job of finish_data starts the copies and completes them. It
 * retains the views, because MPI may write into them after the caller has given up.
 *
 * A consumer whose partitions are all its rank's own reads them without MPI. So it fetches, waits
 * and copies in the caller's thread, and only the rest are jobs. In a node window, a consumer whose
 * partitions are all used by its own node's processors does all but its end in the caller's thread.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/data_view.h>
#include "mpi/agent/agent.h"
#include "mpi/consumer/consumer.h"

/* How long ending a consumer waits: longer than for the lock that it needs. */
#define END_MS 15000

typedef enum consumer_task {
    TASK_FETCH,
    TASK_WAIT,
    TASK_FINISH,
    TASK_PUBLISH,
    TASK_UNSUBSCRIBE,
    TASK_SKIP,
    TASK_SEEK,
    TASK_SEEK_TIME,
    TASK_DESCRIBE,
    TASK_TRIM,
    TASK_CLOSE
} consumer_task_t;

/* Room for what events wait for. */
#define DESCRIPTION_BYTES 256

/* One selection of a run. */
typedef struct copy {
    struct copy *next;
    size_t index;
    mofka_data_view_t *view;
    size_t range_count;
    mofka_range_t ranges[];
} copy_t;

typedef struct consumer_job {
    mmi_job_t job;
    const struct agent_consumer *consumer;
    consumer_task_t task;
    size_t events_max;                   /* fetch */
    int64_t timeout_ms;                  /* wait */
    mofka_run_t *run;                    /* fetch: the result, until it is taken; finish: the run */
    copy_t *copies;                      /* finish */
    bool owns_run;                       /* nobody else releases `run` */
    size_t overtaken;                    /* finish: the result */
    uint64_t skipped;                    /* skip: the result */
    size_t partition;                    /* seek */
    uint64_t place;                      /* seek: an id, or a time */
    char description[DESCRIPTION_BYTES]; /* describe: the result */
} consumer_job_t;

typedef struct agent_consumer {
    mmi_agent_t *agent;
    const mofka_consumer_ops_t *ops; /* of the consumer that does the work */
    mmi_consumer_t *self;            /* of it */
    bool near;                       /* see mmi_consumer_is_near */
    consumer_job_t job;              /* used again and again, so that ending needs no memory */
    consumer_job_t *late;            /* &job while it is under way, or not taken; else NULL */
    mofka_run_t *fetched;            /* by a late fetch, before a seek; NULL: nothing */
    copy_t *first_copy, **last_copy; /* noted by get_data */
    /* The run whose copies are under way; the core has released it meanwhile. Runs are released by
     * any thread, but this one only by the thread that closes. */
    _Atomic(mofka_run_t *) finishing;
    bool finishing_released;
} agent_consumer_t;

static void copies_free(copy_t *copy) {
    while (copy) {
        copy_t *next = copy->next;
        mofka_data_view_release(copy->view);
        free(copy);
        copy = next;
    }
}

/* ---- in a thread of the agent ---------------------------------------------------------------- */

static mofka_status_t consumer_copy(consumer_job_t *j) {
    const agent_consumer_t *c = j->consumer;
    mofka_status_t status = MOFKA_OK;
    for (const copy_t *copy = j->copies; copy && !status; copy = copy->next)
        status = c->ops->get_data(c->self, j->run, copy->index, copy->ranges, copy->range_count,
                                  copy->view);
    /* Also after an error: copies that began are completed before their memory is let go. */
    mofka_status_t finished = c->ops->finish_data(c->self, j->run, -1, &j->overtaken);
    if (finished == MOFKA_ERR_MPI) /* MPI may still write into that memory: it is never freed */
        j->copies = NULL;
    return status ? status : finished;
}

static mofka_status_t consumer_run(mmi_job_t *job) {
    consumer_job_t *j = (consumer_job_t *)(void *)job;
    const agent_consumer_t *c = j->consumer;
    switch (j->task) {
    case TASK_FETCH:
        return c->ops->fetch(c->self, j->events_max, &j->run);
    case TASK_WAIT:
        return c->ops->wait(c->self, j->timeout_ms);
    case TASK_FINISH:
        return consumer_copy(j);
    case TASK_PUBLISH:
        return c->ops->publish(c->self);
    case TASK_UNSUBSCRIBE:
        return c->ops->unsubscribe(c->self);
    case TASK_SKIP:
        return c->ops->skip_damaged(c->self, &j->skipped);
    case TASK_SEEK:
        return c->ops->seek(c->self, j->partition, j->place);
    case TASK_SEEK_TIME:
        return c->ops->seek_time(c->self, j->partition, j->place);
    case TASK_DESCRIBE:
        c->ops->describe_wait(c->self, j->description, sizeof j->description);
        return MOFKA_OK;
    case TASK_TRIM:
        mmi_consumer_trim(c->self);
        return MOFKA_OK;
    case TASK_CLOSE:
        return c->ops->close(c->self);
    }
    return MOFKA_ERR_INVALID;
}

/* The job is a part of the consumer. */
static void consumer_job_empty(mmi_job_t *job) {
    consumer_job_t *j = (consumer_job_t *)(void *)job;
    if (j->owns_run && j->run)
        j->consumer->ops->release_run(j->consumer->self, j->run);
    copies_free(j->copies);
}

/* ---- one job at a time ----------------------------------------------------------------------- */

/* The job has a result that was taken, or that nobody wants. */
static void consumer_drop_job(agent_consumer_t *c) {
    consumer_job_t *j = c->late;
    assert(j);
    c->late = NULL;
    if (j->task == TASK_FINISH) {
        j->owns_run = c->finishing_released;
        c->finishing_released = false;
        atomic_store(&c->finishing, NULL);
    }
    mmi_job_leave(&j->job);
}

/* Wait until the job under way is of this task or done; one that is done and of another task is
 * dropped. MOFKA_ERR_TIMEOUT: it is of another task, and late. */
static mofka_status_t consumer_settle(agent_consumer_t *c, consumer_task_t task, int64_t deadline) {
    if (!c->late || c->late->task == task)
        return MOFKA_OK;
    if (!mmi_job_wait(&c->late->job, deadline))
        return mmi_job_late(&c->late->job, MOFKA_ERR_TIMEOUT);
    consumer_drop_job(c);
    return MOFKA_OK;
}

/* The job of the task, which is under way or begins. NULL: see *status. */
static consumer_job_t *consumer_job(agent_consumer_t *c, consumer_task_t task, int64_t deadline,
                                    consumer_job_t arguments, mofka_status_t *status) {
    *status = consumer_settle(c, task, deadline);
    if (*status || c->late)
        return *status ? NULL : c->late;
    consumer_job_t *j = &c->job;
    *j = arguments;
    j->job = (mmi_job_t){.run = consumer_run, .destroy = consumer_job_empty};
    j->consumer = c;
    j->task = task;
    j->owns_run = task == TASK_FETCH;
    if (task == TASK_FINISH) {
        atomic_store(&c->finishing, j->run);
        j->copies = c->first_copy;
        c->first_copy = NULL;
        c->last_copy = &c->first_copy;
    }
    *status = mmi_job_start(c->agent, &j->job);
    if (*status)
        atomic_store(&c->finishing, NULL);
    c->late = *status ? NULL : j;
    return c->late;
}

/* Do a task. *done: the job, of which the caller takes the result, and which it drops; NULL: it did
 * not begin, or is late. */
static mofka_status_t consumer_do(agent_consumer_t *c, consumer_task_t task, int64_t deadline,
                                  consumer_job_t arguments, consumer_job_t **done) {
    mofka_status_t status;
    consumer_job_t *j = consumer_job(c, task, deadline, arguments, &status);
    *done = NULL;
    if (!j)
        return status;
    if (!mmi_job_wait(&j->job, deadline))
        return mmi_job_late(&j->job, MOFKA_ERR_TIMEOUT);
    *done = j;
    return mmi_job_result(&j->job);
}

/* Do a task that has no result but its status. */
static mofka_status_t consumer_do_plain(agent_consumer_t *c, consumer_task_t task, int64_t deadline,
                                        consumer_job_t arguments) {
    consumer_job_t *done;
    mofka_status_t status = consumer_do(c, task, deadline, arguments, &done);
    if (done)
        consumer_drop_job(c);
    return status;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* Let a job move the heads that should be moved; nobody waits for it. */
static void consumer_start_trim(agent_consumer_t *c) {
    mofka_status_t status;
    if (!c->late && mmi_consumer_wants_trim(c->self)) /* else a later call does */
        (void)consumer_job(c, TASK_TRIM, 0, (consumer_job_t){0}, &status);
}

/* In this thread, once no job is under way. */
static mofka_status_t consumer_fetch_near(agent_consumer_t *c, size_t events_max,
                                          mofka_run_t **run) {
    mofka_status_t status = consumer_settle(c, TASK_FETCH, mmi_deadline(MMI_AGENT_GRACE_MS));
    if (status)
        return status;
    status = c->ops->fetch(c->self, events_max, run);
    if (!status)
        consumer_start_trim(c);
    return status;
}

static mofka_status_t agent_fetch(void *self, size_t events_max, mofka_run_t **run) {
    agent_consumer_t *c = self;
    consumer_job_t *j;
    if (c->fetched) {
        *run = c->fetched;
        c->fetched = NULL;
        return MOFKA_OK;
    }
    if (c->near)
        return consumer_fetch_near(c, events_max, run);
    int64_t deadline = c->late ? mmi_now_ms() : mmi_deadline(MMI_AGENT_GRACE_MS);
    mofka_status_t status =
        consumer_do(c, TASK_FETCH, deadline, (consumer_job_t){.events_max = events_max}, &j);
    if (!j)
        return status;
    *run = j->run;
    j->run = NULL;
    consumer_drop_job(c);
    return status;
}

/* What a late job waits for may be what fetch will find. */
static mofka_status_t agent_wait_events(void *self, int64_t timeout_ms) {
    agent_consumer_t *c = self;
    int64_t deadline = mmi_deadline(timeout_ms);
    if (c->late && c->late->task != TASK_WAIT)
        return mmi_job_wait(&c->late->job, deadline) ? MOFKA_OK : MOFKA_ERR_TIMEOUT;
    if (c->near)
        return c->ops->wait(c->self, timeout_ms);
    return consumer_do_plain(c, TASK_WAIT, mmi_agent_grace(deadline),
                             (consumer_job_t){.timeout_ms = timeout_ms});
}

static mofka_status_t agent_get_data(void *self, mofka_run_t *run, size_t index,
                                     const mofka_range_t *ranges, size_t range_count,
                                     mofka_data_view_t *view) {
    agent_consumer_t *c = self;
    if (c->near)
        return c->ops->get_data(c->self, run, index, ranges, range_count, view);
    copy_t *copy = malloc(sizeof *copy + range_count * sizeof *ranges);
    assert(run && range_count > 0);
    (void)run; /* finish_data names it, too */
    if (!copy)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a copy of %zu ranges", range_count);
    *copy = (copy_t){.index = index, .range_count = range_count};
    memcpy(copy->ranges, ranges, range_count * sizeof *ranges);
    mofka_data_view_retain(view);
    copy->view = view;
    *c->last_copy = copy;
    c->last_copy = &copy->next;
    return MOFKA_OK;
}

static mofka_status_t agent_finish_data(void *self, mofka_run_t *run, int64_t timeout_ms,
                                        size_t *overtaken) {
    agent_consumer_t *c = self;
    consumer_job_t *j;
    if (c->near)
        return c->ops->finish_data(c->self, run, timeout_ms, overtaken);
    assert(!c->late || c->late->task != TASK_FINISH || c->late->run == run);
    mofka_status_t status = consumer_do(c, TASK_FINISH, mmi_agent_grace(mmi_deadline(timeout_ms)),
                                        (consumer_job_t){.run = run}, &j);
    if (!j)
        return status;
    *overtaken = j->overtaken;
    consumer_drop_job(c);
    return status;
}

/* It is not urgent: if a job is late, a later call publishes. */
static mofka_status_t agent_publish(void *self) {
    agent_consumer_t *c = self;
    if (c->late && !mmi_job_wait(&c->late->job, mmi_now_ms()))
        return MOFKA_OK;
    if (c->late && (c->late->task == TASK_FETCH || c->late->task == TASK_WAIT)) /* not taken yet */
        return MOFKA_OK;
    mofka_status_t status =
        consumer_do_plain(c, TASK_PUBLISH, mmi_deadline(MMI_AGENT_GRACE_MS), (consumer_job_t){0});
    return status == MOFKA_ERR_TIMEOUT ? MOFKA_OK : status;
}

static mofka_status_t agent_unsubscribe(void *self) {
    return consumer_do_plain(self, TASK_UNSUBSCRIBE, mmi_deadline(END_MS), (consumer_job_t){0});
}

/* MOFKA_ERR_SYSTEM: there is no thread for it; it is not over. */
static mofka_status_t agent_consumer_close(void *self) {
    mofka_status_t status =
        consumer_do_plain(self, TASK_CLOSE, mmi_deadline(END_MS), (consumer_job_t){0});
    return status == MOFKA_ERR_SYSTEM ? mofka_fail(MOFKA_ERR_TIMEOUT, "%s", mofka_last_error())
                                      : status;
}

/* The damage was reported by a fetch. If a later one is under way, or its result is not taken yet,
 * there is nothing to skip. */
static mofka_status_t agent_skip_damaged(void *self, uint64_t *skipped) {
    agent_consumer_t *c = self;
    consumer_job_t *j;
    if (c->late && (c->late->task == TASK_FETCH || c->late->task == TASK_FINISH))
        return MOFKA_OK;
    mofka_status_t status =
        consumer_do(c, TASK_SKIP, mmi_deadline(END_MS), (consumer_job_t){0}, &j);
    if (!j)
        return status;
    *skipped += j->skipped;
    consumer_drop_job(c);
    return status;
}

/* A fetch is late, or not taken: keep its run for the next fetch. */
static mofka_status_t seek_await_fetch(agent_consumer_t *c, int64_t deadline) {
    consumer_job_t *j = c->late;
    if (!j || j->task != TASK_FETCH)
        return MOFKA_OK;
    if (!mmi_job_wait(&j->job, deadline))
        return mmi_job_late(&j->job, MOFKA_ERR_TIMEOUT);
    assert(!c->fetched);
    c->fetched = mmi_job_result(&j->job) ? NULL : j->run;
    if (c->fetched)
        j->run = NULL;
    consumer_drop_job(c);
    return MOFKA_OK;
}

static mofka_status_t agent_seek_to(agent_consumer_t *c, consumer_task_t task, size_t partition,
                                    uint64_t place) {
    int64_t deadline = mmi_deadline(END_MS);
    mofka_status_t status = seek_await_fetch(c, deadline);
    if (!status)
        status = consumer_do_plain(c, task, deadline,
                                   (consumer_job_t){.partition = partition, .place = place});
    if (!status && c->fetched && c->fetched->partition == partition) {
        c->ops->release_run(c->self, c->fetched);
        c->fetched = NULL;
    }
    return status;
}

static mofka_status_t agent_seek(void *self, size_t partition, uint64_t id) {
    return agent_seek_to(self, TASK_SEEK, partition, id);
}

static mofka_status_t agent_seek_time(void *self, size_t partition, uint64_t time_ns) {
    return agent_seek_to(self, TASK_SEEK_TIME, partition, time_ns);
}

static uint64_t agent_rewound(void *self) {
    const agent_consumer_t *c = self;
    return c->ops->rewound ? c->ops->rewound(c->self) : 0;
}

/* A job that is late says itself what is waited for. */
static void agent_describe_wait(void *self, char *text, size_t bytes) {
    agent_consumer_t *c = self;
    mofka_status_t status;
    int64_t deadline = mmi_deadline(MMI_AGENT_GRACE_MS);
    text[0] = '\0';
    if (c->late)
        return;
    consumer_job_t *j = consumer_job(c, TASK_DESCRIBE, deadline, (consumer_job_t){0}, &status);
    if (!j || !mmi_job_wait(&j->job, deadline))
        return;
    snprintf(text, bytes, "%s", j->description);
    consumer_drop_job(c);
}

static mofka_status_t agent_acknowledge(void *self, size_t partition, uint64_t id) {
    const agent_consumer_t *c = self;
    return c->ops->acknowledge(c->self, partition, id);
}

static mofka_status_t agent_acknowledged(void *self, size_t partition, uint64_t *next) {
    const agent_consumer_t *c = self;
    return c->ops->acknowledged(c->self, partition, next);
}

static uint64_t agent_metadata_damaged(void *self) {
    const agent_consumer_t *c = self;
    return c->ops->metadata_damaged(c->self);
}

static uint64_t agent_voided(void *self) {
    const agent_consumer_t *c = self;
    return c->ops->voided ? c->ops->voided(c->self) : 0;
}

static void agent_release_run(void *self, mofka_run_t *run) {
    agent_consumer_t *c = self;
    if (atomic_load(&c->finishing) == run)
        c->finishing_released = true; /* its job releases it */
    else
        c->ops->release_run(c->self, run);
}

static void agent_consumer_destroy(void *self) {
    agent_consumer_t *c = self;
    if (c->late && !mmi_job_wait(&c->late->job, mmi_now_ms()))
        return; /* its job is under way: the memory stays */
    if (c->late)
        consumer_drop_job(c);
    copies_free(c->first_copy);
    if (c->fetched)
        c->ops->release_run(c->self, c->fetched);
    c->ops->destroy(c->self);
    free(c);
}

static const mofka_consumer_ops_t agent_consumer_ops = {
    .size = sizeof agent_consumer_ops,
    .fetch = agent_fetch,
    .get_data = agent_get_data,
    .finish_data = agent_finish_data,
    .wait = agent_wait_events,
    .release_run = agent_release_run,
    .acknowledge = agent_acknowledge,
    .acknowledged = agent_acknowledged,
    .publish = agent_publish,
    .unsubscribe = agent_unsubscribe,
    .close = agent_consumer_close,
    .destroy = agent_consumer_destroy,
    .skip_damaged = agent_skip_damaged,
    .describe_wait = agent_describe_wait,
    .metadata_damaged = agent_metadata_damaged,
    .voided = agent_voided,
    .seek = agent_seek,
    .seek_time = agent_seek_time,
    .rewound = agent_rewound,
};

/* ---- a consumer that uses its node's memory only ----------------------------------------------
 */

static mofka_status_t near_fetch(void *self, size_t events_max, mofka_run_t **run) {
    const agent_consumer_t *c = self;
    return c->ops->fetch(c->self, events_max, run);
}

/* Of files, metadata has its NUL bytes in any case. */
static mofka_status_t near_fetch_unterminated(void *self, size_t events_max, mofka_run_t **run) {
    const agent_consumer_t *c = self;
    return c->ops->fetch_unterminated ? c->ops->fetch_unterminated(c->self, events_max, run)
                                      : c->ops->fetch(c->self, events_max, run);
}

static mofka_status_t near_get_data(void *self, mofka_run_t *run, size_t index,
                                    const mofka_range_t *ranges, size_t range_count,
                                    mofka_data_view_t *view) {
    const agent_consumer_t *c = self;
    return c->ops->get_data(c->self, run, index, ranges, range_count, view);
}

static mofka_status_t near_view_data(void *self, mofka_run_t *run, size_t index,
                                     const mofka_range_t *ranges, size_t range_count,
                                     mofka_data_view_t **view) {
    const agent_consumer_t *c = self;
    return mmi_consumer_view_data(c->self, run, index, ranges, range_count, view);
}

static mofka_status_t near_finish_data(void *self, mofka_run_t *run, int64_t timeout_ms,
                                       size_t *overtaken) {
    const agent_consumer_t *c = self;
    return c->ops->finish_data(c->self, run, timeout_ms, overtaken);
}

static mofka_status_t near_wait(void *self, int64_t timeout_ms) {
    const agent_consumer_t *c = self;
    return mmi_consumer_wait(c->self, timeout_ms);
}

static void near_release_run(void *self, mofka_run_t *run) {
    const agent_consumer_t *c = self;
    c->ops->release_run(c->self, run);
}

static mofka_status_t near_publish(void *self) {
    const agent_consumer_t *c = self;
    return c->ops->publish(c->self);
}

static mofka_status_t near_skip_damaged(void *self, uint64_t *skipped) {
    const agent_consumer_t *c = self;
    return mmi_consumer_skip_damaged(c->self, skipped);
}

static void near_describe_wait(void *self, char *text, size_t bytes) {
    const agent_consumer_t *c = self;
    mmi_consumer_describe_wait(c->self, text, bytes);
}

static mofka_status_t near_seek(void *self, size_t partition, uint64_t id) {
    const agent_consumer_t *c = self;
    return mmi_consumer_seek(c->self, partition, id);
}

static mofka_status_t near_seek_time(void *self, size_t partition, uint64_t time_ns) {
    const agent_consumer_t *c = self;
    return mmi_consumer_seek_time(c->self, partition, time_ns);
}

static const mofka_consumer_ops_t near_consumer_ops = {
    .size = sizeof near_consumer_ops,
    .fetch = near_fetch,
    .get_data = near_get_data,
    .view_data = near_view_data,
    .finish_data = near_finish_data,
    .wait = near_wait,
    .release_run = near_release_run,
    .acknowledge = agent_acknowledge,
    .acknowledged = agent_acknowledged,
    .publish = near_publish,
    .unsubscribe = agent_unsubscribe,
    .close = agent_consumer_close,
    .destroy = agent_consumer_destroy,
    .skip_damaged = near_skip_damaged,
    .describe_wait = near_describe_wait,
    .metadata_damaged = agent_metadata_damaged,
    .voided = agent_voided,
    .fetch_unterminated = near_fetch_unterminated,
    .seek = near_seek,
    .seek_time = near_seek_time,
    .rewound = agent_rewound,
};

mofka_status_t mmi_agent_wrap_consumer(mmi_agent_t *agent, const mofka_consumer_ops_t **ops,
                                       void **self) {
    agent_consumer_t *c = calloc(1, sizeof *c);
    if (!c)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a consumer");
    c->agent = agent;
    c->ops = *ops;
    c->self = *self;
    c->last_copy = &c->first_copy;
    c->near = c->self->trims_later = mmi_consumer_is_near(c->self);
    *ops = mmi_consumer_has_addresses(c->self) ? &near_consumer_ops : &agent_consumer_ops;
    *self = c;
    return MOFKA_OK;
}
