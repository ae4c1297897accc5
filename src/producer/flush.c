/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flushing and discarding: everything that was pushed up to a point.
 *
 * A flush covers the batches up to a sequence number, and the failures that belong to them. What is
 * pushed later belongs to the next flush.
 */
#include <stdlib.h>
#include <string.h>
#include "producer/producer.h"

/* How long discarding waits for sends that are under way. */
#define DISCARD_MS_MAX 1000

/* With the lock: seal all that was pushed by now; the sequence that covers it. */
static uint64_t seal_all(mofka_producer_t *producer) {
    uint64_t sequence = producer->sequence++;
    for (size_t i = 0; i < producer->topic->partition_count; i++)
        mfi_batch_seal(&producer->lanes[i], MFI_SEAL_FLUSH);
    producer->stats.flushes++;
    return sequence;
}

/* With the lock. */
static size_t events_left(const mofka_producer_t *producer, uint64_t sequence) {
    size_t left = 0;
    for (size_t i = 0; i < producer->topic->partition_count; i++)
        for (const mfi_batch_t *b = producer->lanes[i].first; b; b = b->next)
            left += b->sequence <= sequence ? b->out.event_count : 0;
    return left;
}

/* With the lock, let go meanwhile. */
static mofka_status_t drive_all(mofka_producer_t *producer, uint64_t sequence, int64_t deadline) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < producer->topic->partition_count; i++) {
        mofka_status_t one = mfi_lane_drive(&producer->lanes[i], sequence, deadline);
        status = status ? status : one;
    }
    if (status)
        mofka_fail(status, "producer '%s': %zu events are not stored yet: %s", producer->name,
                   events_left(producer, sequence), mofka_last_error());
    return status;
}

void mfi_keep_failure(mofka_producer_t *producer, size_t count, uint64_t sequence,
                      mofka_status_t status, const char *message) {
    if (count == 0)
        return;
    if (producer->failed == 0 || sequence < producer->failed_sequence)
        producer->failed_sequence = sequence;
    if (producer->failed == 0) {
        producer->failed_status = status;
        free(producer->failed_message);
        producer->failed_message = strdup(message);
    }
    producer->failed += count;
}

/* With the lock: the failures up to `sequence`, told once. `*unstored` (optional) is set when some
 * are not refusals, but of events that had been accepted. */
static mofka_status_t take_failures(mofka_producer_t *producer, uint64_t sequence, bool *unstored) {
    if (producer->failed == 0 || producer->failed_sequence > sequence)
        return MOFKA_OK;
    size_t count = producer->failed;
    producer->failed = 0;
    if (unstored)
        *unstored |= producer->unstored;
    producer->unstored = false;
    return mofka_fail(producer->failed_status, "%zu events failed, the first: %s", count,
                      producer->failed_message ? producer->failed_message : "");
}

/* With the lock, let go meanwhile. */
mofka_status_t mfi_producer_flush(mofka_producer_t *producer, int64_t deadline, bool *unstored) {
    uint64_t sequence = seal_all(producer);
    mofka_status_t status = drive_all(producer, sequence, deadline);
    return status ? status : take_failures(producer, sequence, unstored);
}

/* OK: it is open, and locked. */
static mofka_status_t lock_open(mofka_producer_t *producer) {
    mofka_status_t status = mfi_check(producer, MFI_PRODUCER, "producer");
    if (status)
        return status;
    pthread_mutex_lock(&producer->lock);
    if (!producer->closed)
        return MOFKA_OK;
    pthread_mutex_unlock(&producer->lock);
    return mofka_fail(MOFKA_ERR_CLOSED, "producer '%s' is closed", producer->name);
}

mofka_status_t mofka_producer_flush(mofka_producer_t *producer, int64_t timeout_ms) {
    mofka_status_t status = lock_open(producer);
    if (status)
        return status;
    status = mfi_producer_check_caller(producer);
    if (!status)
        status = mfi_producer_flush(producer, mfi_deadline(timeout_ms), NULL);
    pthread_mutex_unlock(&producer->lock);
    return status;
}

static mofka_status_t drive_flush(void *owner, mfi_outcome_t *outcome, int64_t timeout_ms) {
    mofka_producer_t *producer = owner;
    pthread_mutex_lock(&producer->lock);
    mofka_status_t caller = mfi_producer_check_caller(producer);
    /* A time-out: not yet. */
    if (!caller && !drive_all(producer, outcome->ticket, mfi_deadline(timeout_ms)) &&
        !atomic_load(&outcome->done)) {
        mofka_status_t status = take_failures(producer, outcome->ticket, NULL);
        mfi_outcome_complete(outcome, status, mofka_last_error(),
                             status ? MOFKA_NOT_STORED : MOFKA_STORED, NULL);
    }
    pthread_mutex_unlock(&producer->lock);
    return caller;
}

static const mfi_future_ops_t flush_future_ops = {
    .drive = drive_flush, .owner_retain = mfi_producer_keep, .owner_release = mfi_producer_drop};

mofka_status_t mofka_producer_flush_future(mofka_producer_t *producer, mofka_future_t **out) {
    mofka_status_t status = lock_open(producer);
    if (status)
        return status;
    mofka_future_t *future;
    mfi_outcome_t *outcome = mfi_future_create(&flush_future_ops, producer, &future);
    if (outcome)
        outcome->ticket = seal_all(producer);
    pthread_mutex_unlock(&producer->lock);
    if (!outcome)
        return MOFKA_ERR_MEMORY;
    mfi_producer_ask_workers(producer);
    *out = future;
    return MOFKA_OK;
}

mofka_status_t mofka_producer_discard(mofka_producer_t *producer) {
    mofka_status_t status = lock_open(producer);
    if (status)
        return status;
    status = mfi_producer_check_caller(producer);
    size_t count = status ? 0 : producer->topic->partition_count;
    for (size_t i = 0; i < count; i++)
        mfi_lane_give_up(&producer->lanes[i]);
    int64_t deadline = mfi_deadline(DISCARD_MS_MAX);
    for (size_t i = 0; i < count && !status; i++)
        status = mfi_lane_wait_given_up(&producer->lanes[i], deadline);
    pthread_mutex_unlock(&producer->lock);
    return status;
}
