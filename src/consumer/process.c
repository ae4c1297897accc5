/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processing: pulls events and calls back with each, in this thread or in a pool's workers.
 *
 *   pull -> queue -> callback
 *
 * The queue holds at most two events per worker. So a slow callback slows pulling down.
 *
 * For each queued event, the pool has a task, which calls back with the event that is the oldest
 * then. If no task runs (the pool is busy, or this thread is its only worker), the caller does
 * their work. At most as many callbacks run at once as the pool has threads. A task that finds no
 * event does nothing. Tasks keep the process's memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include "consumer/consumer.h"

/* How long to wait for an event or a worker before checking what the others did. */
#define SLICE_MS 100

typedef struct process {
    mofka_event_fn callback;
    mofka_no_event_fn no_event; /* NULL: a wait without an event ends the call */
    void *context;
    int64_t wait_ms;           /* of one wait; negative: no limit */
    int64_t deadline;          /* of the call */
    mofka_thread_pool_t *pool; /* borrowed from the caller */
    size_t workers;            /* 0: callbacks run in the caller, and there is no queue */
    _Atomic size_t users;      /* the caller and the pool's tasks */
    _Atomic int answer; /* the first of a callback that was not MOFKA_OK; written with the lock */
    char message[MOFKA_MESSAGE_BYTES_MAX + 1]; /* of that answer */
    pthread_mutex_t lock;                      /* guards all below; a leaf */
    pthread_cond_t ended;                      /* a callback ended; only the caller waits */
    mofka_event_t *first, *last;
    size_t queued, running;
    bool alone; /* no worker took an event within a slice: the caller calls back, too */
} process_t;

static process_t *process_create(mofka_event_fn callback, void *context, int64_t timeout_ms,
                                 const mofka_process_options_t *options) {
    process_t *process = calloc(1, sizeof *process);
    if (!process)
        return NULL;
    process->callback = callback;
    process->no_event = options->no_event;
    process->context = context;
    process->wait_ms = options->wait_timeout_ms ? options->wait_timeout_ms : MOFKA_WAIT_FOREVER;
    process->deadline = mfi_deadline(timeout_ms);
    process->pool = options->thread_pool;
    process->workers = mofka_thread_pool_thread_count(process->pool);
    atomic_init(&process->users, 1);
    pthread_mutex_init(&process->lock, NULL);
    mfi_cond_init(&process->ended);
    return process;
}

static void process_release(process_t *process) {
    if (atomic_fetch_sub(&process->users, 1) != 1)
        return;
    assert(!process->first && process->queued == 0 && process->running == 0);
    pthread_cond_destroy(&process->ended);
    pthread_mutex_destroy(&process->lock);
    free(process);
}

/* Without the lock: what a callback returned. */
static void process_answer(process_t *process, mofka_status_t status) {
    if (!status)
        return;
    pthread_mutex_lock(&process->lock);
    if (!atomic_load(&process->answer)) {
        snprintf(process->message, sizeof process->message, "%s", mofka_last_error());
        atomic_store(&process->answer, (int)status);
    }
    pthread_mutex_unlock(&process->lock);
}

/* Without the lock: call back with the event, and release it. After an error it counts as
 * undelivered. */
static void process_call(process_t *process, mofka_event_t *event) {
    mofka_status_t status = process->callback(process->context, event);
    event->undelivered = status && status != MOFKA_STOP;
    process_answer(process, status);
    mofka_event_release(event);
}

/* With the lock, releases it meanwhile: call back with the oldest event. False: there is none, or
 * too many callbacks run. */
static bool process_call_first(process_t *process) {
    mfi_assert_locked(&process->lock);
    mofka_event_t *event = process->first;
    if (!event || process->running >= process->workers)
        return false;
    assert(process->queued > 0);
    process->first = event->next;
    event->next = NULL;
    process->queued--;
    process->running++;
    pthread_mutex_unlock(&process->lock);
    process_call(process, event);
    pthread_mutex_lock(&process->lock);
    assert(process->running > 0);
    process->running--;
    pthread_cond_signal(&process->ended);
    return true;
}

static void process_task(void *context) {
    process_t *process = context;
    assert(process->workers > 0);
    pthread_mutex_lock(&process->lock);
    process_call_first(process);
    pthread_mutex_unlock(&process->lock);
    process_release(process);
}

/* With the lock, releases it meanwhile: wait until a callback ends. */
static void process_wait_one(process_t *process) {
    mfi_assert_locked(&process->lock);
    if (process->alone && process_call_first(process))
        return;
    size_t queued = process->queued;
    if (!mfi_cond_wait(&process->ended, &process->lock, mfi_deadline(SLICE_MS)) &&
        process->queued == queued && process->running == 0)
        process->alone = true;
}

/* Take an event: queue it for the workers, or without workers call back here. Waits for a place. */
static void process_hand_over(process_t *process, mofka_event_t *event) {
    assert(!event->next);
    if (process->workers == 0) {
        process_call(process, event);
        return;
    }
    pthread_mutex_lock(&process->lock);
    if (process->first)
        process->last->next = event;
    else
        process->first = event;
    process->last = event;
    process->queued++;
    pthread_mutex_unlock(&process->lock);
    atomic_fetch_add(&process->users, 1);
    if (mofka_thread_pool_push_work(process->pool, process_task, process, MOFKA_PRIORITY_DEFAULT))
        process_task(process); /* the pool is closed: call back here */
    pthread_mutex_lock(&process->lock);
    while (process->queued + process->running >= 2 * process->workers &&
           !atomic_load(&process->answer))
        process_wait_one(process);
    pthread_mutex_unlock(&process->lock);
}

static void process_wait_all(process_t *process) {
    pthread_mutex_lock(&process->lock);
    while (process->queued + process->running > 0)
        process_wait_one(process);
    pthread_mutex_unlock(&process->lock);
}

/* Pull, in slices: a worker's callback may ask to stop meanwhile. */
static mofka_status_t process_pull(process_t *process, mofka_consumer_t *consumer,
                                   mofka_event_t **event) {
    int64_t deadline = mfi_deadline(process->wait_ms);
    if (deadline > process->deadline)
        deadline = process->deadline;
    for (;;) {
        int64_t left = mfi_remaining(deadline);
        mofka_status_t status =
            mofka_consumer_pull(consumer, left < 0 || left > SLICE_MS ? SLICE_MS : left, event);
        if (status != MOFKA_ERR_TIMEOUT || atomic_load(&process->answer) || left == 0)
            return status;
    }
}

/* No event came in one wait. False: the whole call is over. */
static bool process_goes_on(process_t *process) {
    if (!process->no_event || atomic_load(&process->answer) ||
        mfi_remaining(process->deadline) == 0)
        return false;
    process_answer(process, process->no_event(process->context));
    return true;
}

static mofka_status_t process_run(process_t *process, mofka_consumer_t *consumer, size_t most,
                                  size_t *count) {
    while (*count < most && !atomic_load(&process->answer)) {
        mofka_event_t *event;
        mofka_status_t status = process_pull(process, consumer, &event);
        if (status == MOFKA_ERR_TIMEOUT && process_goes_on(process))
            continue;
        if (status)
            return status;
        if (mofka_event_is_end(event)) {
            mofka_event_release(event);
            break;
        }
        ++*count;
        process_hand_over(process, event);
    }
    return MOFKA_OK;
}

/* The status of the whole call. An error of a callback comes before one of pulling, and MOFKA_STOP
 * of a callback comes before a time-out. */
static mofka_status_t process_outcome(process_t *process, mofka_status_t pulled,
                                      int64_t timeout_ms) {
    if (mfi_remaining(process->deadline) != 0)
        timeout_ms = process->wait_ms;
    int answer = atomic_load(&process->answer);
    if (answer && answer != MOFKA_STOP)
        return mofka_fail(answer < 0 ? (mofka_status_t)answer : MOFKA_ERR_CALLBACK, "%s",
                          process->message);
    if (pulled != MOFKA_ERR_TIMEOUT)
        return pulled;
    return answer ? MOFKA_OK
                  : mofka_fail(MOFKA_ERR_TIMEOUT, "no event within %lld ms", (long long)timeout_ms);
}

mofka_status_t mofka_consumer_process(mofka_consumer_t *consumer, mofka_event_fn callback,
                                      void *context, int64_t timeout_ms,
                                      const mofka_process_options_t *options, size_t *processed) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    if (!status && !callback)
        status = mofka_fail(MOFKA_ERR_INVALID, "NULL callback");
    if (!status && options && options->thread_pool)
        status = mfi_check(options->thread_pool, MFI_THREAD_POOL, "thread pool");
    if (status)
        return status;
    mofka_process_options_t with = options ? *options : (mofka_process_options_t){0};
    if (!with.thread_pool)
        with.thread_pool = consumer->options.thread_pool;
    process_t *process = process_create(callback, context, timeout_ms, &with);
    if (!process)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to process events");
    size_t count = 0;
    status = process_run(process, consumer, with.events_max ? with.events_max : SIZE_MAX, &count);
    process_wait_all(process);
    status = process_outcome(process, status, timeout_ms);
    process_release(process);
    if (processed)
        *processed = count;
    return status;
}
