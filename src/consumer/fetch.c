/* SPDX-License-Identifier: BSD-3-Clause */
/* Fetching: one thread at a time, for a pull that waits or ahead of it in a worker. */
#include "consumer/consumer.h"
#include <mofka/backend.h>

/* How long the backend may wait at a time, so that close is not kept waiting. */
#define WAIT_SLICE_MS 100

/* Fetch a run, waiting for one if there is time. MOFKA_ERR_TIMEOUT: nothing yet. */
static mofka_status_t fetch(mofka_consumer_t *consumer, int64_t deadline) {
    size_t most = consumer->options.batch_size;
    mofka_run_t *run = consumer->untaken;
    if (run)
        return mfi_run_take(consumer, run);
    mofka_status_t status = consumer->ops->fetch(consumer->self, most, &run);
    mfi_count(&consumer->fetches);
    if (status == MOFKA_ERR_TIMEOUT) {
        mofka_status_t published =
            consumer->ops->publish ? consumer->ops->publish(consumer->self) : MOFKA_OK;
        if (published)
            return published;
        int64_t left = mfi_remaining(deadline);
        if (left == 0)
            return MOFKA_ERR_TIMEOUT;
        mfi_count(&consumer->waits);
        status = consumer->ops->wait(consumer->self,
                                     left < 0 || left > WAIT_SLICE_MS ? WAIT_SLICE_MS : left);
        if (!status)
            status = consumer->ops->fetch(consumer->self, most, &run);
    }
    return status ? status : mfi_run_take(consumer, run);
}

/* With the lock: whether a callback of this thread's own fetch calls. */
mofka_status_t mfi_consumer_check_caller(const mofka_consumer_t *consumer) {
    if (!consumer->fetching || !pthread_equal(consumer->fetcher, pthread_self()))
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_BUSY,
                      "consumer '%s' fetches: a callback of that cannot wait for it",
                      consumer->name);
}

/* With the lock, when nobody fetches. */
void mfi_consumer_begin_turn(mofka_consumer_t *consumer) {
    consumer->fetching = true;
    consumer->fetcher = pthread_self();
    pthread_mutex_unlock(&consumer->lock);
}

void mfi_consumer_end_turn(mofka_consumer_t *consumer) {
    pthread_mutex_lock(&consumer->lock);
    consumer->fetching = false;
    pthread_cond_broadcast(&consumer->changed);
}

/* With the lock, when nobody fetches. `*found`: events were fetched. The errors are those that a pull
 * reports; finding nothing is none. */
static mofka_status_t fetch_alone(mofka_consumer_t *consumer, int64_t deadline, bool *found) {
    mfi_consumer_begin_turn(consumer);
    mofka_status_t status = fetch(consumer, deadline);
    mfi_consumer_end_turn(consumer);
    *found = status == MOFKA_OK;
    if (status == MOFKA_ERR_COMPLETE)
        consumer->ended = true;
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_COMPLETE ? MOFKA_OK : status;
}

/* Fetch ahead, in a worker. An error is left for the pull that meets it again. */
static void prefetch(void *context) {
    mofka_consumer_t *consumer = context;
    bool found = true;
    pthread_mutex_lock(&consumer->lock);
    while (found && !consumer->fetching && !consumer->ended && !mfi_consumer_is_over(consumer) &&
           consumer->ready_runs < consumer->options.max_batches)
        fetch_alone(consumer, 0, &found);
    consumer->prefetching = false;
    pthread_mutex_unlock(&consumer->lock);
    mfi_consumer_drop(consumer);
}

bool mfi_consumer_wants_prefetch(mofka_consumer_t *consumer) {
    if (consumer->ready_runs >= consumer->options.max_batches || consumer->prefetching ||
        consumer->fetching || consumer->ended || mfi_consumer_is_over(consumer))
        return false;
    return consumer->prefetching = true;
}

/* Without the lock. */
void mfi_consumer_start_prefetch(mofka_consumer_t *consumer) {
    mfi_consumer_keep(consumer);
    if (mofka_thread_pool_push_work(consumer->options.thread_pool, prefetch, consumer,
                                    MOFKA_PRIORITY_DEFAULT) == MOFKA_OK)
        return;
    pthread_mutex_lock(&consumer->lock); /* the pool is closed: pulls fetch for themselves */
    consumer->prefetching = false;
    pthread_mutex_unlock(&consumer->lock);
    mfi_consumer_drop(consumer);
}

/* With the lock: fetch, or wait for the thread that does. Fetch's hard errors are returned. */
mofka_status_t mfi_consumer_advance(mofka_consumer_t *consumer, int64_t deadline) {
    mofka_status_t status = mfi_consumer_check_caller(consumer);
    if (status)
        return status;
    bool found;
    if (consumer->fetching)
        mfi_cond_wait(&consumer->changed, &consumer->lock, deadline);
    else
        status = fetch_alone(consumer, deadline, &found);
    mfi_requests_serve_and_drop(consumer);
    return status;
}
