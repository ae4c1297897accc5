/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who sends a producer's batches, and when.
 *
 * Without pool threads the caller sends what it sealed, and looks now and then for batches of other
 * lanes that lingered, or that found no room before. With them, a lane with something sealed has a
 * task that sends. An opened adaptive batch has a task of the lowest priority that seals it, so it
 * grows exactly while the workers are busy. Batches of a fixed size wait for their time in a task
 * for later, one per producer (in a backend's own pool, which has none of those: as adaptive ones).
 */
#include "producer/producer.h"

/* The lanes are looked at so often at least: keeps sums of times far from overflow. */
#define LOOK_MS_MAX 3600000

static bool has_workers(const mofka_producer_t *producer) {
    return mofka_thread_pool_thread_count(producer->pool) > 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* As the lane's sender, with a reference to let go of. Deadline 0: a new one each round. */
static void send_until(mfi_lane_t *lane, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    pthread_mutex_lock(&producer->lock);
    do {
        mofka_status_t status = mfi_lane_drive(
            lane, UINT64_MAX, deadline ? deadline : mfi_deadline(producer->push_timeout_ms));
        lane->has_sender = !status && lane->first;
    } while (lane->has_sender);
    pthread_mutex_unlock(&producer->lock);
    mfi_producer_drop(producer);
}

static void send_task(void *context) {
    send_until(context, 0);
}

/* Send what is sealed, in a worker, or else here until the deadline. */
void mfi_lane_send(mfi_lane_t *lane, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    bool workers = has_workers(producer);
    pthread_mutex_lock(&producer->lock);
    if (!workers)
        mfi_lane_drive(lane, UINT64_MAX, deadline);
    bool another = workers && !lane->has_sender;
    lane->has_sender |= another;
    pthread_mutex_unlock(&producer->lock);
    if (!another)
        return;
    mfi_producer_keep(producer);
    if (mofka_thread_pool_push_work(producer->pool, send_task, lane, MOFKA_PRIORITY_DEFAULT))
        send_until(lane, deadline); /* the pool is closed: here, then */
}

static void seal_task(void *context) {
    mfi_lane_t *lane = context;
    mofka_producer_t *producer = lane->producer;
    pthread_mutex_lock(&producer->lock);
    mfi_batch_seal(lane, MFI_SEAL_WORKER);
    bool has_sender = lane->has_sender;
    lane->has_sender = true;
    lane->has_sealer = false;
    pthread_mutex_unlock(&producer->lock);
    if (has_sender)
        mfi_producer_drop(producer);
    else
        send_task(lane);
}

/* ---- lingering ------------------------------------------------------------------------------- */

static int64_t linger_of(const mofka_producer_t *producer) {
    return producer->linger_ms < LOOK_MS_MAX ? (int64_t)producer->linger_ms : LOOK_MS_MAX;
}

/* With the lock. True: something is sealed. */
static bool look_at(mfi_lane_t *lane, int64_t now) {
    mofka_producer_t *producer = lane->producer;
    const mfi_batch_t *open = lane->open;
    if (open && open->out.event_count > 0) {
        int64_t due = open->opened_ms + linger_of(producer);
        if (mfi_batch_is_old(open, now))
            mfi_batch_seal(lane, MFI_SEAL_LINGER);
        else if (due < producer->look_ms)
            producer->look_ms = due;
    }
    return lane->first;
}

void mfi_producer_look_around(mofka_producer_t *producer) {
    int64_t now = mfi_coarse_ms();
    pthread_mutex_lock(&producer->lock);
    producer->look_ms = now + linger_of(producer); /* what is opened from now on is due later */
    for (size_t i = 0; i < producer->topic->partition_count; i++) {
        if (!look_at(&producer->lanes[i], now))
            continue;
        pthread_mutex_unlock(&producer->lock);
        mfi_lane_send(&producer->lanes[i], mfi_deadline(0));
        pthread_mutex_lock(&producer->lock);
    }
    pthread_mutex_unlock(&producer->lock);
}

void mfi_producer_ask_workers(mofka_producer_t *producer) {
    if (has_workers(producer))
        mfi_producer_look_around(producer);
}

static void linger_task(void *context);

/* With the lock. */
static void look_later(mofka_producer_t *producer, int64_t delay_ms) {
    mfi_producer_keep(producer);
    producer->lingering =
        mfi_thread_pool_push_later(producer->pool, linger_task, producer, delay_ms);
    if (!producer->lingering)
        mfi_producer_drop(producer); /* not the last one: the caller has another */
}

static void linger_task(void *context) {
    mofka_producer_t *producer = context;
    mfi_producer_look_around(producer);
    pthread_mutex_lock(&producer->lock);
    producer->lingering = false;
    int64_t wait = producer->look_ms - mfi_coarse_ms();
    if (producer->open_count > 0 && !producer->closed)
        look_later(producer, wait > 0 ? wait : 0);
    pthread_mutex_unlock(&producer->lock);
    mfi_producer_drop(producer);
}

void mfi_producer_stop_lingering(mofka_producer_t *producer) {
    if (mfi_thread_pool_cancel_later(producer->pool, linger_task, producer))
        mfi_producer_drop(producer);
}

/* A batch was opened: some worker shall see to it that it does not stay. */
void mfi_lane_watch(mfi_lane_t *lane) {
    mofka_producer_t *producer = lane->producer;
    if (!has_workers(producer))
        return;
    pthread_mutex_lock(&producer->lock);
    if (producer->batch_size != MOFKA_BATCH_ADAPTIVE && !producer->lingering)
        look_later(producer, linger_of(producer));
    bool watched = producer->lingering || lane->has_sealer;
    lane->has_sealer |= !watched;
    pthread_mutex_unlock(&producer->lock);
    if (watched)
        return;
    mfi_producer_keep(producer);
    if (mofka_thread_pool_push_work(producer->pool, seal_task, lane, 0) == MOFKA_OK)
        return;
    pthread_mutex_lock(&producer->lock); /* the pool is closed: calls will find the batch */
    lane->has_sealer = false;
    pthread_mutex_unlock(&producer->lock);
    mfi_producer_drop(producer);
}
