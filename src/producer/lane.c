/* SPDX-License-Identifier: BSD-3-Clause */
/* A lane is one producer's batches of one partition: their order, and sending them. */
#include "producer/producer.h"

#include "base/log.h"

/* An adaptive batch: large enough to hide the cost of a batch, small enough to stay in a cache. */
#define ADAPTIVE_EVENTS 4096
#define ADAPTIVE_BYTES ((size_t)1 << 20)

mofka_status_t mfi_lane_init(mfi_lane_t *lane, mofka_producer_t *producer, size_t partition) {
    lane->producer = producer;
    lane->partition = partition;
    mofka_status_t status = producer->ops->limits(producer->self, partition, &lane->limits);
    if (!status && lane->limits.events_max == 0)
        status =
            mofka_fail(MOFKA_ERR_INVALID, "topic '%s', partition %zu: its batches take no event",
                       producer->topic->name, partition);
    if (status)
        return status;
    bool adaptive = producer->batch_size == MOFKA_BATCH_ADAPTIVE;
    size_t events = adaptive ? ADAPTIVE_EVENTS : producer->batch_size;
    lane->events_cap = events < lane->limits.events_max ? events : lane->limits.events_max;
    /* A quarter of the partition, so that a consumer reads one batch while others fill. */
    lane->bytes_cap = lane->limits.bytes_max / 4;
    if (adaptive && lane->bytes_cap > ADAPTIVE_BYTES)
        lane->bytes_cap = ADAPTIVE_BYTES;
    return MOFKA_OK;
}

static mfi_batch_t *unlink_first(mfi_lane_t *lane) {
    mfi_batch_t *batch = lane->first;
    lane->first = batch->next;
    if (!lane->first)
        lane->last = NULL;
    batch->next = NULL;
    return batch;
}

static void stays(mfi_lane_t *lane, mofka_status_t status) {
    mfi_batch_t *batch = lane->first;
    if (status == MOFKA_ERR_POSSIBLY_STORED) {
        batch->out.reserved = batch->possibly_stored = true;
        for (mfi_outcome_t *o = batch->outcomes; o; o = o->next)
            atomic_store(&o->delivery, MOFKA_POSSIBLY_STORED);
    }
    if (lane->producer->ordering == MOFKA_ORDERING_LOOSE && lane->first != lane->last) {
        unlink_first(lane);
        lane->last->next = batch;
        lane->last = batch;
    }
}

/* A batch up to `sequence` is sealed, or its sender is not yet done with it. */
static bool has_work(const mfi_lane_t *lane, uint64_t sequence) {
    if (lane->sending && lane->sending_sequence <= sequence)
        return true;
    for (const mfi_batch_t *b = lane->first; b; b = b->next)
        if (b->sequence <= sequence)
            return true;
    return false;
}

mofka_status_t mfi_producer_check_caller(const mofka_producer_t *producer) {
    pthread_t self = pthread_self();
    for (size_t i = 0; i < producer->topic->partition_count; i++)
        if (producer->lanes[i].sending && pthread_equal(producer->lanes[i].sender, self))
            return mofka_fail(MOFKA_ERR_BUSY,
                              "producer '%s': a callback of its sending cannot wait for it",
                              producer->name);
    return MOFKA_OK;
}

static mofka_status_t discarded(const mofka_producer_t *producer) {
    return mofka_fail(MOFKA_ERR_CLOSED, "producer '%s' discarded it before it was stored",
                      producer->name);
}

/* One append, with the lock let go meanwhile. */
static mofka_status_t send_first(mfi_lane_t *lane, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    mfi_batch_t *batch = lane->first;
    uint64_t first_id = 0;
    lane->sending = batch->under_way = true;
    lane->sender = pthread_self();
    lane->sending_sequence = batch->sequence;
    pthread_mutex_unlock(&producer->lock);
    mofka_status_t status = producer->ops->append(producer->self, lane->partition, &batch->out,
                                                  mfi_remaining(deadline), &first_id);
    mfi_log(MOFKA_LOG_TRACE, "topic '%s', partition %zu: batch of %zu events: %s",
            producer->topic->name, lane->partition, batch->out.event_count,
            mofka_status_name(status));
    pthread_mutex_lock(&producer->lock);
    mfi_stats_blocked(&producer->stats, &batch->out);
    if (batch->given_up && status == MOFKA_ERR_TIMEOUT && !batch->out.reserved)
        status = discarded(producer);
    batch->under_way = batch->given_up = false;
    if (status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED) {
        stays(lane, status);
    } else {
        unlink_first(lane);
        mfi_batch_finish(batch, status, first_id);
        status = MOFKA_OK;
    }
    lane->sending = false;
    pthread_cond_broadcast(&producer->changed);
    return status;
}

/* With the lock, let go meanwhile: send a batch, or wait for the thread that does. */
static mofka_status_t advance(mfi_lane_t *lane, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    if (!lane->sending)
        return send_first(lane, deadline);
    mofka_status_t status = mfi_producer_check_caller(producer);
    if (status)
        return status;
    mfi_cond_wait(&producer->changed, &producer->lock, deadline);
    if (lane->sending && mfi_remaining(deadline) == 0)
        return mofka_fail(MOFKA_ERR_TIMEOUT, "another thread is still sending");
    return MOFKA_OK;
}

mofka_status_t mfi_lane_drive(mfi_lane_t *lane, uint64_t sequence, int64_t deadline) {
    mofka_status_t status = MOFKA_OK;
    while (!status && has_work(lane, sequence))
        status = advance(lane, deadline);
    if (!has_work(lane, sequence)) /* the time-out was that of a later batch */
        status = MOFKA_OK;
    return status;
}

/* What append has may be stored or reserved yet. */
static bool must_stay(const mfi_batch_t *batch) {
    return batch->under_way || batch->out.reserved;
}

/* With the lock: the oldest batch that nobody can have seen, out of the lane. */
static mfi_batch_t *unlink_unreserved(mfi_lane_t *lane) {
    mfi_batch_t *before = NULL, *batch = lane->first;
    for (; batch && must_stay(batch); batch = batch->next)
        before = batch;
    if (!batch || !before)
        return batch ? unlink_first(lane) : NULL;
    before->next = batch->next;
    if (lane->last == batch)
        lane->last = before;
    batch->next = NULL;
    return batch;
}

void mfi_lane_give_up(mfi_lane_t *lane) {
    mofka_producer_t *producer = lane->producer;
    mfi_batch_seal(lane, MFI_SEAL_FLUSH);
    for (mfi_batch_t *batch; (batch = unlink_unreserved(lane));)
        mfi_batch_finish(batch, discarded(producer), 0);
    if (lane->first && lane->first->under_way && !lane->first->possibly_stored)
        lane->first->given_up = true;
    pthread_cond_broadcast(&producer->changed);
}

mofka_status_t mfi_lane_wait_given_up(mfi_lane_t *lane, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    while (lane->first && lane->first->given_up)
        if (!mfi_cond_wait(&producer->changed, &producer->lock, deadline) && lane->first &&
            lane->first->given_up)
            return mofka_fail(MOFKA_ERR_TIMEOUT,
                              "producer '%s': %zu events for partition %zu are being sent; they "
                              "are given up when that ends without storing them",
                              producer->name, lane->first->out.event_count, lane->partition);
    return MOFKA_OK;
}

static bool has_place(const mfi_lane_t *lane) {
    return lane->open || lane->count < lane->producer->max_batches;
}

mofka_status_t mfi_lane_make_place(mfi_lane_t *lane, int64_t deadline) {
    mofka_status_t status = MOFKA_OK;
    while (!status && !has_place(lane))
        status = advance(lane, deadline);
    return has_place(lane) ? MOFKA_OK : status;
}
