/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Producers: flush, close, release.
 *
 * A flush covers the batches up to a sequence number, and the failures that belong to them: what is
 * pushed later is for the next one.
 */
#include <stdio.h>
#include "producer/producer.h"
#include "base/log.h"

/* How long discarding waits for sends that are under way. */
#define DISCARD_MS_MAX 1000

/* ---- flush ----------------------------------------------------------------------------------- */

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
static mofka_status_t flush(mofka_producer_t *producer, int64_t deadline, bool *unstored) {
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
        status = flush(producer, mfi_deadline(timeout_ms), NULL);
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

/* ---- close ----------------------------------------------------------------------------------- */

static bool may_yet_be_stored(mofka_status_t status) {
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED;
}

/* With the lock. */
static bool is_empty(const mofka_producer_t *producer) {
    for (size_t i = 0; i < producer->topic->partition_count; i++) {
        const mfi_lane_t *lane = &producer->lanes[i];
        if (lane->first || lane->sending || (lane->open && lane->open->out.event_count > 0))
            return false;
    }
    return true;
}

/* With the lock, let go meanwhile: flush until nothing is left, then take no more. Refused events are
 * told, but not missing. */
static mofka_status_t flush_and_shut(mofka_producer_t *producer, int64_t deadline) {
    mofka_status_t failed = MOFKA_OK;
    char first[512] = "";
    for (;;) {
        bool unstored = false;
        mofka_status_t status = flush(producer, deadline, &unstored);
        if (may_yet_be_stored(status))
            return failed ? mofka_fail(status, "%s; before that, %s", mofka_last_error(), first)
                          : status;
        if (status && !failed) {
            failed = status;
            snprintf(first, sizeof first, "%s", mofka_last_error());
        }
        producer->lossy |= unstored;
        producer->closed |= is_empty(producer);
        if (producer->closed)
            return failed ? mofka_fail(failed, "%s", first) : MOFKA_OK;
        if (mfi_remaining(deadline) == 0)
            return mofka_fail(MOFKA_ERR_TIMEOUT, "producer '%s': others push while it closes",
                              producer->name);
    }
}

/* `*turn`: it is this thread's to end the backend's part. MOFKA_ERR_BUSY: a callback of that calls. */
static mofka_status_t begin_ending(mofka_producer_t *producer, bool *turn) {
    pthread_mutex_lock(&producer->lock);
    bool own = producer->ending && pthread_equal(producer->ender, pthread_self());
    while (producer->ending && !own)
        pthread_cond_wait(&producer->changed, &producer->lock);
    *turn = !own && !producer->ended;
    if (*turn) {
        producer->ending = true;
        producer->ender = pthread_self();
    }
    pthread_mutex_unlock(&producer->lock);
    return own ? mofka_fail(MOFKA_ERR_BUSY, "producer '%s': a callback of its close closes it",
                            producer->name)
               : MOFKA_OK;
}

static mofka_status_t end_backend(mofka_producer_t *producer) {
    bool turn;
    mofka_status_t status = begin_ending(producer, &turn);
    if (!turn)
        return status;
    status = producer->ops->close(producer->self, !producer->lossy);
    bool ended = status != MOFKA_ERR_TIMEOUT;
    if (ended) {
        producer->ops->destroy(producer->self);
        producer->self = NULL;
        mfi_driver_remove_child(producer->topic->driver, &producer->child);
        mfi_log(MOFKA_LOG_DEBUG, "producer '%s' of topic '%s' is closed", producer->name,
                producer->topic->name);
    }
    pthread_mutex_lock(&producer->lock);
    producer->ending = false;
    producer->ended = ended;
    pthread_cond_broadcast(&producer->changed);
    pthread_mutex_unlock(&producer->lock);
    return status;
}

static mofka_status_t end(mofka_producer_t *producer, int64_t timeout_ms) {
    pthread_mutex_lock(&producer->lock);
    mofka_status_t status = mfi_producer_check_caller(producer);
    bool shut = false;
    if (!status) {
        status = flush_and_shut(producer, mfi_deadline(timeout_ms));
        shut = !may_yet_be_stored(status);
    }
    pthread_mutex_unlock(&producer->lock);
    if (!shut)
        return status;
    mfi_producer_stop_lingering(producer);
    mofka_status_t ended = end_backend(producer);
    return status ? status : ended;
}

mofka_status_t mofka_producer_close(mofka_producer_t *producer, int64_t timeout_ms) {
    mofka_status_t status = mfi_check(producer, MFI_PRODUCER, "producer");
    return status ? status : end(producer, timeout_ms);
}

mofka_producer_t *mofka_producer_retain(mofka_producer_t *producer) {
    if (producer)
        mfi_object_retain(&producer->object);
    return producer;
}

mofka_status_t mfi_producer_child_end(mfi_child_t *child, int64_t timeout_ms) {
    return end((mofka_producer_t *)((char *)child - offsetof(mofka_producer_t, child)), timeout_ms);
}

static mofka_status_t drive_abandoned(mfi_child_t *child, int64_t timeout_ms) {
    mofka_producer_t *producer =
        (mofka_producer_t *)((char *)child - offsetof(mofka_producer_t, child));
    mofka_status_t status = end(producer, timeout_ms);
    if (producer->ended) /* what it says of lost events is told; calling again goes on */
        mfi_producer_drop(producer);
    return status;
}

void mofka_producer_release(mofka_producer_t *producer) {
    if (!producer || !mfi_handle_release(&producer->object))
        return;
    if (producer->ended) { /* no lock: the last user is alone, and the library does not end it */
        mfi_producer_drop(producer);
        return;
    }
    mfi_log(MOFKA_LOG_WARN,
            "producer '%s' of topic '%s' was released but not closed; the driver's close sends its "
            "events",
            producer->name, producer->topic->name);
    mofka_driver_t *driver = producer->topic->driver;
    pthread_mutex_lock(&driver->lock);
    producer->child.drive = drive_abandoned;
    pthread_mutex_unlock(&driver->lock);
}
