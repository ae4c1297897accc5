/*
 * Processing: pull events and call back with each, here or in a pool's workers.
 *
 * With workers at most two events per worker are on their way, so a slow callback holds pulling
 * back.
 */
#include <stdio.h>
#include <stdlib.h>
#include "consumer.h"

typedef struct process {
    mofka_event_fn callback;
    void *context;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t ended; /* one callback ended */
    size_t under_way;
    mofka_status_t status; /* first answer that is not OK */
    char message[256];
} process_t;

typedef struct item {
    process_t *process;
    mofka_event_t *event;
} item_t;

static void call(process_t *process, mofka_event_t *event) {
    mofka_status_t status = process->callback(process->context, event);
    pthread_mutex_lock(&process->lock);
    if (status && !process->status) {
        process->status = status;
        snprintf(process->message, sizeof process->message, "%s", mofka_last_error());
    }
    pthread_mutex_unlock(&process->lock);
    mofka_event_release(event);
}

static void call_in_worker(void *context) {
    item_t *item = context;
    process_t *process = item->process;
    call(process, item->event);
    free(item);
    pthread_mutex_lock(&process->lock);
    process->under_way--;
    pthread_cond_signal(&process->ended);
    pthread_mutex_unlock(&process->lock);
}

static void hand_over(process_t *process, mofka_thread_pool_t *pool, mofka_event_t *event) {
    size_t most = 2 * mofka_thread_pool_thread_count(pool);
    item_t *item = most ? malloc(sizeof *item) : NULL;
    if (!item) {
        call(process, event);
        return;
    }
    *item = (item_t){process, event};
    pthread_mutex_lock(&process->lock);
    while (process->under_way >= most)
        pthread_cond_wait(&process->ended, &process->lock);
    process->under_way++;
    pthread_mutex_unlock(&process->lock);
    if (mofka_thread_pool_push_work(pool, call_in_worker, item, MOFKA_PRIORITY_DEFAULT))
        call_in_worker(item); /* the pool is closed: here, then */
}

static mofka_status_t stopped(process_t *process) {
    pthread_mutex_lock(&process->lock);
    mofka_status_t status = process->status;
    pthread_mutex_unlock(&process->lock);
    return status;
}

static void wait_all(process_t *process) {
    pthread_mutex_lock(&process->lock);
    while (process->under_way > 0)
        pthread_cond_wait(&process->ended, &process->lock);
    pthread_mutex_unlock(&process->lock);
}

mofka_status_t mofka_consumer_process(mofka_consumer_t *consumer, mofka_event_fn callback,
                                      void *context, int64_t timeout_ms,
                                      const mofka_process_options_t *options, size_t *processed) {
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    if (!status && !callback)
        status = mofka_fail(MOFKA_ERR_INVALID, "NULL callback");
    if (status)
        return status;
    process_t process = {.callback = callback, .context = context};
    pthread_mutex_init(&process.lock, NULL);
    pthread_cond_init(&process.ended, NULL);
    mofka_thread_pool_t *pool =
        options && options->thread_pool ? options->thread_pool : consumer->options.thread_pool;
    size_t most = options && options->events_max ? options->events_max : SIZE_MAX;
    int64_t deadline = mfi_deadline(timeout_ms);
    size_t count = 0;
    while (count < most && !stopped(&process)) {
        mofka_event_t *event;
        status = mofka_consumer_pull(consumer, mfi_remaining(deadline), &event);
        if (status)
            break;
        if (mofka_event_is_end(event)) {
            mofka_event_release(event);
            break;
        }
        count++;
        hand_over(&process, pool, event);
    }
    wait_all(&process);
    if (process.status && process.status != MOFKA_STOP)
        status = mofka_fail(process.status < 0 ? process.status : MOFKA_ERR_CALLBACK, "%s",
                            process.message);
    pthread_cond_destroy(&process.ended);
    pthread_mutex_destroy(&process.lock);
    if (processed)
        *processed = count;
    return status;
}
