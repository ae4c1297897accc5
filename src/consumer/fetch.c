/* SPDX-License-Identifier: BSD-3-Clause */
/* Fetches in turns, one thread at a time: a pull that needs an event, or a worker ahead of
 * pulls. Skips damage in a turn, too. */
#include <string.h>
#include "consumer/consumer.h"
#include <mofka/backend.h>

/* In the turn, after a wait: if that was the last one, what is waited for, as far as the backend
 * knows. */
static void fetch_describe_wait(mofka_consumer_t *consumer, int64_t deadline,
                                char waits_for[MFI_WAITS_FOR_BYTES]) {
    assert(consumer->fetching);
    if (consumer->ops->describe_wait && mfi_remaining(deadline) == 0)
        consumer->ops->describe_wait(consumer->self, waits_for, MFI_WAITS_FOR_BYTES);
}

/* In the turn: call the backend's fetch, or that of events without NUL bytes if runs are pulled. */
static mofka_status_t fetch_call(mofka_consumer_t *consumer, mofka_run_t **run) {
    const mofka_consumer_ops_t *ops = consumer->ops;
    size_t most = consumer->options.batch_size;
    assert(most > 0);
    consumer->unterminated = atomic_load_explicit(&consumer->pulls_runs, memory_order_relaxed) &&
                             ops->size > offsetof(mofka_consumer_ops_t, fetch_unterminated) &&
                             ops->fetch_unterminated;
    return consumer->unterminated ? ops->fetch_unterminated(consumer->self, most, run)
                                  : ops->fetch(consumer->self, most, run);
}

/* In the turn: fetch a run, and wait for one until the deadline, or for a slice of time.
 * MOFKA_ERR_TIMEOUT: there is none yet. MOFKA_ERR_COMPLETE: there will be none. `*waited`: this
 * call's last wait found nothing, so it waits on without a fetch. */
static mofka_status_t fetch_run(mofka_consumer_t *consumer, int64_t deadline, bool *waited,
                                char waits_for[MFI_WAITS_FOR_BYTES]) {
    mofka_run_t *run = consumer->untaken;
    mofka_status_t status = MOFKA_ERR_TIMEOUT;
    bool waits_on = *waited;
    *waited = false;
    assert(consumer->fetching);
    if (consumer->unfinished) {
        status = mfi_run_finish(consumer, deadline);
        if (status == MOFKA_ERR_TIMEOUT)
            fetch_describe_wait(consumer, deadline, waits_for);
        return status;
    }
    if (run)
        return mfi_run_take(consumer, run, deadline);
    if (!waits_on) {
        status = fetch_call(consumer, &run);
        mfi_count(&consumer->fetches);
    }
    if (status == MOFKA_ERR_TIMEOUT) {
        mofka_status_t published =
            consumer->ops->publish ? consumer->ops->publish(consumer->self) : MOFKA_OK;
        if (published)
            return published;
        int64_t left = mfi_remaining(deadline);
        if (left == 0)
            return MOFKA_ERR_TIMEOUT;
        if (!waits_on)
            mfi_count(&consumer->waits);
        status = consumer->ops->wait(
            consumer->self, left < 0 || left > MFI_WAIT_SLICE_MS ? MFI_WAIT_SLICE_MS : left);
        *waited = status == MOFKA_ERR_TIMEOUT;
        if (!status)
            status = fetch_call(consumer, &run);
        if (status == MOFKA_ERR_TIMEOUT)
            fetch_describe_wait(consumer, deadline, waits_for);
    }
    assert(status || run);
    return status ? status : mfi_run_take(consumer, run, deadline);
}

mofka_status_t mfi_consumer_check_caller(mofka_consumer_t *consumer) {
    mfi_assert_inside(&consumer->lock);
    if (!consumer->fetching || consumer->fetcher != mfi_thread_self())
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_BUSY,
                      "consumer '%s': a callback of a fetch cannot wait for fetches",
                      consumer->name);
}

void mfi_consumer_begin_turn(mofka_consumer_t *consumer) {
    mfi_assert_inside(&consumer->lock);
    assert(!consumer->fetching);
    consumer->fetching = true;
    consumer->fetcher = mfi_thread_self();
    mfi_monitor_leave(&consumer->lock);
}

void mfi_consumer_end_turn(mofka_consumer_t *consumer) {
    mfi_monitor_enter(&consumer->lock);
    assert(consumer->fetching && consumer->fetcher == mfi_thread_self());
    consumer->fetching = false;
    mfi_monitor_notify(&consumer->lock);
}

/* With the lock, releases it meanwhile, while no thread has the turn: fetch in a turn. *found: a
 * run was fetched. An error is one that the pull returns; that there is no run is not an error. */
static mofka_status_t fetch_in_turn(mofka_consumer_t *consumer, int64_t deadline, bool *waited,
                                    bool *found) {
    char waits_for[MFI_WAITS_FOR_BYTES];
    waits_for[0] = '\0';
    mfi_assert_inside(&consumer->lock);
    mfi_consumer_begin_turn(consumer);
    assert(!consumer->gone);
    mofka_status_t status = fetch_run(consumer, deadline, waited, waits_for);
    mfi_consumer_end_turn(consumer);
    consumer->waits_for[0] = '\0';
    if (waits_for[0])
        memcpy(consumer->waits_for, waits_for, sizeof waits_for);
    *found = status == MOFKA_OK;
    if (status == MOFKA_ERR_COMPLETE)
        consumer->ended = true;
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_COMPLETE ? MOFKA_OK : status;
}

/* Fetch ahead, in a worker. An error ends that; a pull will fetch, and report the error. */
static void fetch_ahead_task(void *context) {
    mofka_consumer_t *consumer = context;
    bool found = true;
    mfi_monitor_enter(&consumer->lock);
    assert(consumer->prefetching);
    while (found && !consumer->fetching && !consumer->ended && !mfi_consumer_is_over(consumer) &&
           consumer->ready_runs < consumer->options.max_batches)
        fetch_in_turn(consumer, 0, &(bool){false}, &found);
    consumer->prefetching = false;
    mfi_monitor_leave(&consumer->lock);
    mfi_consumer_release_memory(consumer);
}

bool mfi_consumer_wants_prefetch(mofka_consumer_t *consumer) {
    mfi_assert_inside(&consumer->lock);
    if (consumer->ready_runs >= consumer->options.max_batches || consumer->prefetching ||
        consumer->fetching || consumer->ended || mfi_consumer_is_over(consumer))
        return false;
    return consumer->prefetching = true;
}

void mfi_consumer_start_prefetch(mofka_consumer_t *consumer) {
    assert(consumer->workers);
    mfi_consumer_retain_memory(consumer);
    if (mofka_thread_pool_push_work(consumer->options.thread_pool, fetch_ahead_task, consumer,
                                    MOFKA_PRIORITY_DEFAULT) == MOFKA_OK)
        return;
    /* The pool is closed. Pulls will fetch. */
    mfi_monitor_enter(&consumer->lock);
    consumer->prefetching = false;
    mfi_monitor_leave(&consumer->lock);
    mfi_consumer_release_memory(consumer);
}

mofka_status_t mfi_consumer_advance(mofka_consumer_t *consumer, int64_t deadline, bool *waited) {
    MFI_KEEP_ERRNO;
    mfi_assert_inside(&consumer->lock);
    mofka_status_t status = mfi_consumer_check_caller(consumer);
    if (status)
        return status;
    bool found;
    if (consumer->fetching) {
        mfi_monitor_wait(&consumer->lock, deadline);
        *waited = false;
    } else {
        status = fetch_in_turn(consumer, deadline, waited, &found);
    }
    mfi_requests_serve_and_release(consumer);
    return status;
}

/* With the lock, releases it meanwhile: skip in a turn. */
static mofka_status_t fetch_skip_damaged(mofka_consumer_t *consumer, uint64_t *skipped) {
    mfi_assert_inside(&consumer->lock);
    mofka_status_t status = mfi_consumer_check_caller(consumer);
    while (!status && consumer->fetching)
        mfi_monitor_wait(&consumer->lock, INT64_MAX);
    if (!status && mfi_consumer_is_over(consumer))
        status = mofka_fail(MOFKA_ERR_CLOSED, "consumer '%s' is closed", consumer->name);
    if (status || !consumer->ops->skip_damaged)
        return status;
    mfi_consumer_begin_turn(consumer);
    status = consumer->ops->skip_damaged(consumer->self, skipped);
    mfi_consumer_end_turn(consumer);
    return status;
}

mofka_status_t mofka_consumer_skip_damaged(mofka_consumer_t *consumer, uint64_t *skipped) {
    MFI_KEEP_ERRNO;
    uint64_t count = 0;
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    if (status)
        return status;
    mfi_monitor_enter(&consumer->lock);
    status = fetch_skip_damaged(consumer, &count);
    mfi_monitor_leave(&consumer->lock);
    if (!status && skipped)
        *skipped = count;
    return status;
}
