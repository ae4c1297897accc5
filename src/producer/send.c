/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decides which thread sends a producer's batches, and when.
 *
 * Without pool threads, the thread that sealed a batch sends it. Every linger_ms, a push also looks
 * for batches of other lanes that lingered, or that found no room before.
 *
 * With pool threads, each lane that has a sealed batch has a task that sends. An open adaptive
 * batch has a task of the lowest priority that seals it, so the batch grows while the workers are
 * busy. For batches of a fixed size, the producer has one delayed task, which seals those that
 * lingered. A backend's own pool has no delayed tasks; there, batches of a fixed size are treated
 * as adaptive ones.
 */
#include "producer/producer.h"

/* Lanes are checked at least this often. It keeps sums of times far from overflow. */
#define CHECK_MS_MAX 3600000

static bool producer_has_workers(const mofka_producer_t *producer) {
    return mofka_thread_pool_thread_count(producer->pool) > 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* As the lane's sender: send until nothing is left, then release the producer's memory. Deadline 0:
 * a new one each round. */
static void lane_send_until(mfi_lane_t *lane, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    pthread_mutex_lock(&producer->lock);
    assert(lane->has_sender);
    do {
        mofka_status_t status = mfi_lane_drive(
            lane, UINT64_MAX, deadline ? deadline : mfi_deadline(producer->push_timeout_ms));
        lane->has_sender = !status && lane->first;
    } while (lane->has_sender);
    pthread_mutex_unlock(&producer->lock);
    mfi_producer_release_memory(producer);
}

static void lane_send_task(void *context) {
    lane_send_until(context, 0);
}

void mfi_lane_send(mfi_lane_t *lane, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    bool workers = producer_has_workers(producer);
    pthread_mutex_lock(&producer->lock);
    if (!workers)
        mfi_lane_drive(lane, UINT64_MAX, deadline);
    bool another = workers && !lane->has_sender;
    lane->has_sender |= another;
    pthread_mutex_unlock(&producer->lock);
    if (!another)
        return;
    mfi_producer_retain_memory(producer);
    if (mofka_thread_pool_push_work(producer->pool, lane_send_task, lane, MOFKA_PRIORITY_DEFAULT))
        lane_send_until(lane, deadline); /* the pool is closed: send here */
}

static void lane_seal_task(void *context) {
    mfi_lane_t *lane = context;
    mofka_producer_t *producer = lane->producer;
    pthread_mutex_lock(&producer->lock);
    assert(lane->has_sealer);
    mfi_batch_seal(lane, MFI_SEAL_WORKER);
    bool has_sender = lane->has_sender;
    lane->has_sender = true;
    lane->has_sealer = false;
    pthread_mutex_unlock(&producer->lock);
    if (has_sender)
        mfi_producer_release_memory(producer);
    else
        lane_send_task(lane);
}

/* ---- lingering ------------------------------------------------------------------------------- */

/* linger_ms, in bounds. */
static int64_t producer_linger(const mofka_producer_t *producer) {
    return producer->linger_ms < CHECK_MS_MAX ? (int64_t)producer->linger_ms : CHECK_MS_MAX;
}

/* With the lock: seal the open batch if it is old. True: the lane has a sealed batch. */
static bool lane_check_linger(mfi_lane_t *lane, int64_t now) {
    mofka_producer_t *producer = lane->producer;
    mfi_assert_locked(&producer->lock);
    const mfi_batch_t *open = lane->open;
    if (open && open->out.event_count > 0) {
        int64_t due = open->opened_ms + producer_linger(producer);
        if (mfi_batch_is_old(open, now))
            mfi_batch_seal(lane, MFI_SEAL_LINGER);
        else if (due < producer->check_ms)
            producer->check_ms = due;
    }
    return lane->first;
}

void mfi_producer_check_lanes(mofka_producer_t *producer) {
    int64_t now = mfi_coarse_ms();
    pthread_mutex_lock(&producer->lock);
    /* A batch that is opened from now on is due later than this. */
    producer->check_ms = now + producer_linger(producer);
    for (size_t i = 0; i < producer->topic->partition_count; i++) {
        if (!lane_check_linger(&producer->lanes[i], now))
            continue;
        pthread_mutex_unlock(&producer->lock);
        mfi_lane_send(&producer->lanes[i], mfi_deadline(0));
        pthread_mutex_lock(&producer->lock);
    }
    pthread_mutex_unlock(&producer->lock);
}

void mfi_producer_wake_workers(mofka_producer_t *producer) {
    if (producer_has_workers(producer))
        mfi_producer_check_lanes(producer);
}

static void producer_linger_task(void *context);

/* With the lock: start the delayed task, where the pool has those. */
static void producer_check_later(mofka_producer_t *producer, int64_t delay_ms) {
    mfi_assert_locked(&producer->lock);
    assert(!producer->lingering && delay_ms >= 0);
    mfi_producer_retain_memory(producer);
    producer->lingering =
        mfi_thread_pool_push_later(producer->pool, producer_linger_task, producer, delay_ms);
    if (!producer->lingering)
        mfi_producer_release_memory(producer); /* not the last: the caller keeps it, too */
}

static void producer_linger_task(void *context) {
    mofka_producer_t *producer = context;
    mfi_producer_check_lanes(producer);
    pthread_mutex_lock(&producer->lock);
    assert(producer->lingering);
    producer->lingering = false;
    int64_t wait = producer->check_ms - mfi_coarse_ms();
    if (producer->open_count > 0 && !producer->closed)
        producer_check_later(producer, wait > 0 ? wait : 0);
    pthread_mutex_unlock(&producer->lock);
    mfi_producer_release_memory(producer);
}

void mfi_producer_stop_lingering(mofka_producer_t *producer) {
    if (mfi_thread_pool_cancel_later(producer->pool, producer_linger_task, producer))
        mfi_producer_release_memory(producer);
}

void mfi_lane_watch(mfi_lane_t *lane) {
    mofka_producer_t *producer = lane->producer;
    if (!producer_has_workers(producer))
        return;
    pthread_mutex_lock(&producer->lock);
    if (producer->batch_size != MOFKA_BATCH_ADAPTIVE && !producer->lingering)
        producer_check_later(producer, producer_linger(producer));
    bool watched = producer->lingering || lane->has_sealer;
    lane->has_sealer |= !watched;
    pthread_mutex_unlock(&producer->lock);
    if (watched)
        return;
    mfi_producer_retain_memory(producer);
    if (mofka_thread_pool_push_work(producer->pool, lane_seal_task, lane, 0) == MOFKA_OK)
        return;
    /* The pool is closed. A later push or flush will seal the batch. */
    pthread_mutex_lock(&producer->lock);
    lane->has_sealer = false;
    pthread_mutex_unlock(&producer->lock);
    mfi_producer_release_memory(producer);
}
