/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flushes or discards everything that was pushed so far.
 *
 * A flush covers the batches up to a sequence number, and the failures of their events. What is
 * pushed later belongs to the next flush. Which flush reports which failure: failures.c.
 */
#include <stdlib.h>
#include "producer/producer.h"

/* How long discarding waits for appends that have not returned. */
#define DISCARD_MS_MAX 1000

/* With the lock: begin a flush of everything that was pushed by now, and seal that. */
static mofka_status_t producer_begin_flush(mofka_producer_t *producer, mfi_flush_t *flush) {
    mfi_assert_inside(&producer->lock);
    mofka_status_t status = mfi_flush_begin(producer, flush, producer->sequence);
    if (status)
        return status;
    producer->sequence++;
    for (size_t i = 0; i < producer->topic->partition_count && producer->open_count > 0; i++)
        mfi_batch_seal(&producer->lanes[i], MFI_SEAL_FLUSH);
    producer->stats.flushes++;
    return MOFKA_OK;
}

/* With the lock: the events up to `sequence` that are sealed and not stored. */
static size_t producer_count_unstored(const mofka_producer_t *producer, uint64_t sequence) {
    mfi_assert_inside(&producer->lock);
    size_t left = 0;
    for (size_t i = 0; i < producer->topic->partition_count; i++)
        for (int durable = 0; durable < 2; durable++)
            for (const mfi_batch_t *b = durable ? producer->lanes[i].awaiting
                                                : producer->lanes[i].first;
                 b; b = b->next)
                left += b->sequence <= sequence ? b->out.event_count : 0;
    return left;
}

/* With the lock: a lane has batches, or an append is not over. */
static bool producer_has_work(const mofka_producer_t *producer) {
    mfi_assert_inside(&producer->lock);
    for (size_t i = 0; i < producer->topic->partition_count; i++)
        if (producer->lanes[i].count > 0 || producer->lanes[i].sending)
            return true;
    return false;
}

/* With the lock, releases it meanwhile: send the batches of all lanes up to `sequence`. */
static mofka_status_t producer_drive_all(mofka_producer_t *producer, uint64_t sequence,
                                         int64_t deadline) {
    mofka_status_t status = MOFKA_OK;
    mfi_assert_inside(&producer->lock);
    assert(sequence <= producer->sequence);
    for (size_t i = 0; i < producer->topic->partition_count && producer->ops->append_start; i++)
        mfi_lane_start(&producer->lanes[i]); /* so that no lane waits for another one */
    /* What is durable late is all stored first. */
    for (size_t i = 0; i < producer->topic->partition_count && producer->lanes[0].awaits; i++)
        (void)mfi_lane_store(&producer->lanes[i], sequence, deadline);
    for (size_t i = 0; i < producer->topic->partition_count; i++) {
        mofka_status_t one = mfi_lane_drive(&producer->lanes[i], sequence, deadline);
        status = status ? status : one;
    }
    if (status)
        mofka_fail(status, "producer '%s': %zu events are not stored yet: %s", producer->name,
                   producer_count_unstored(producer, sequence), mofka_last_error());
    return status;
}

mofka_status_t mfi_producer_flush(mofka_producer_t *producer, int64_t deadline, bool closing) {
    mfi_flush_t flush;
    mfi_assert_inside(&producer->lock);
    mofka_status_t status = producer_begin_flush(producer, &flush);
    if (status)
        return status;
    if (producer_has_work(producer))
        status = producer_drive_all(producer, flush.sequence, deadline);
    mfi_batches_release(producer);
    if (status) {
        mfi_flush_give_back(&flush);
        return status;
    }
    if (closing)
        producer->lossy |= producer->unstored_sequence > producer->reported_sequence;
    return mfi_flush_report(&flush);
}

/* MOFKA_OK: the producer is open, and this thread has its lock. */
static mofka_status_t producer_lock_open(mofka_producer_t *producer) {
    mofka_status_t status = mfi_check(producer, MFI_PRODUCER, "producer");
    if (status)
        return status;
    mfi_monitor_enter(&producer->lock);
    if (!producer->closed)
        return MOFKA_OK;
    mfi_monitor_leave(&producer->lock);
    return mofka_fail(MOFKA_ERR_CLOSED, "producer '%s' is closed", producer->name);
}

mofka_status_t mofka_producer_flush(mofka_producer_t *producer, int64_t timeout_ms) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = producer_lock_open(producer);
    if (status)
        return status;
    status = mfi_producer_check_caller(producer);
    /* The clock is read only if there may be something to wait for. */
    int64_t deadline = producer_has_work(producer) ? mfi_deadline(timeout_ms) : INT64_MAX;
    if (!status)
        status = mfi_producer_flush(producer, deadline, false);
    mfi_monitor_leave(&producer->lock);
    return status;
}

/* ---- flush futures: outcome->batch is the flush, until it has reported ----------------------- */

static mofka_status_t flush_future_drive(void *owner, mfi_outcome_t *outcome, int64_t timeout_ms) {
    mofka_producer_t *producer = owner;
    mfi_monitor_enter(&producer->lock);
    mofka_status_t caller = mfi_producer_check_caller(producer);
    /* If driving fails, the flush is not complete yet. */
    if (!caller && !producer_drive_all(producer, outcome->ticket, mfi_deadline(timeout_ms)) &&
        !atomic_load(&outcome->done)) {
        mofka_status_t status = mfi_flush_report(outcome->batch);
        free(outcome->batch);
        outcome->batch = NULL;
        mfi_outcome_complete(outcome, status, mofka_last_error(),
                             status ? MOFKA_NOT_STORED : MOFKA_STORED, NULL);
    }
    mfi_monitor_leave(&producer->lock);
    return caller;
}

static void flush_future_abandon(void *owner, mfi_outcome_t *outcome) {
    mofka_producer_t *producer = owner;
    if (!outcome->batch)
        return;
    mfi_monitor_enter(&producer->lock);
    mfi_flush_give_back(outcome->batch);
    mfi_monitor_leave(&producer->lock);
    free(outcome->batch);
}

static const mfi_future_ops_t flush_future_ops = {.drive = flush_future_drive,
                                                  .owner_retain = mfi_producer_retain_memory,
                                                  .owner_release = mfi_producer_release_memory,
                                                  .abandoned = flush_future_abandon};

static mofka_status_t flush_future_create(mofka_producer_t *producer, mofka_future_t **future) {
    mfi_flush_t *flush = malloc(sizeof *flush);
    if (!flush)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a flush");
    mfi_outcome_t *outcome = mfi_future_create(&flush_future_ops, producer, future);
    mofka_status_t status = outcome ? producer_begin_flush(producer, flush) : MOFKA_ERR_MEMORY;
    if (status) {
        free(flush);
        return status;
    }
    outcome->batch = flush;
    outcome->ticket = flush->sequence;
    return MOFKA_OK;
}

mofka_status_t mofka_producer_flush_future(mofka_producer_t *producer, mofka_future_t **out) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = producer_lock_open(producer);
    if (status)
        return status;
    mofka_future_t *future = NULL;
    status = flush_future_create(producer, &future);
    mfi_monitor_leave(&producer->lock);
    if (status) {
        mofka_future_release(future);
        return status;
    }
    mfi_producer_wake_workers(producer);
    *out = future;
    return MOFKA_OK;
}

mofka_status_t mofka_producer_discard(mofka_producer_t *producer) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = producer_lock_open(producer);
    if (status)
        return status;
    status = mfi_producer_check_caller(producer);
    size_t count = status ? 0 : producer->topic->partition_count;
    for (size_t i = 0; i < count; i++)
        mfi_lane_discard(&producer->lanes[i]);
    int64_t deadline = mfi_deadline(DISCARD_MS_MAX);
    for (size_t i = 0; i < count && !status; i++)
        status = mfi_lane_wait_discarded(&producer->lanes[i], deadline);
    if (count > 0)
        mfi_batches_release(producer);
    mfi_monitor_leave(&producer->lock);
    return status;
}
