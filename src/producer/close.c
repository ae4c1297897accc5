/* SPDX-License-Identifier: BSD-3-Clause */
/* Closes a producer: the last flush, then the end of the backend's part. Releases its handles. */
#include <inttypes.h>
#include <stdio.h>
#include "producer/claim.h"
#include "base/log.h"

/* With the lock: whether events are still to be stored, or to become durable: a later call goes on.
 */
static bool producer_may_store_yet(const mofka_producer_t *producer, mofka_status_t status) {
    bool awaits = false;
    mfi_assert_inside(&producer->lock);
    for (size_t i = 0; i < producer->topic->partition_count && status == MOFKA_ERR_STORAGE; i++)
        awaits |= producer->lanes[i].awaiting != NULL;
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED || awaits;
}

/* With the lock: no event is in a lane. */
static bool producer_is_empty(const mofka_producer_t *producer) {
    mfi_assert_inside(&producer->lock);
    for (size_t i = 0; i < producer->topic->partition_count; i++) {
        const mfi_lane_t *lane = &producer->lanes[i];
        if (lane->first || lane->awaiting || lane->asking || lane->sending ||
            (lane->open && lane->open->out.event_count > 0))
            return false;
    }
    return true;
}

/* With the lock: claims are open. `failed`: what the flush has reported, with its message. */
static mofka_status_t producer_fail_claims(const mofka_producer_t *producer, mofka_status_t failed,
                                           const char *first) {
    mfi_assert_inside(&producer->lock);
    return mofka_fail(MOFKA_ERR_BUSY,
                      "producer '%s': %zu claims are open; commit or abort them first%s%s",
                      producer->name, mfi_claims_count(producer), failed ? "; before that, " : "",
                      failed ? first : "");
}

/* With the lock, releases it meanwhile: flush until no event is left, then set `closed`. Refused
 * events make the call fail, but do not make the producer lossy. */
static mofka_status_t producer_flush_and_shut(mofka_producer_t *producer, int64_t deadline) {
    mofka_status_t failed = MOFKA_OK;
    char first[MOFKA_MESSAGE_BYTES_MAX + 1] = "";
    mfi_assert_inside(&producer->lock);
    for (;;) {
        mofka_status_t status = mfi_producer_flush(producer, deadline, true);
        if (producer_may_store_yet(producer, status))
            return failed ? mofka_fail(status, "%s; before that, %s", mofka_last_error(), first)
                          : status;
        if (status && !failed) {
            failed = status;
            snprintf(first, sizeof first, "%s", mofka_last_error());
        }
        bool empty = producer_is_empty(producer);
        if (empty && producer->claims)
            return producer_fail_claims(producer, failed, first);
        producer->closed |= empty;
        if (producer->closed)
            return failed ? mofka_fail(failed, "%s", first) : MOFKA_OK;
        if (mfi_remaining(deadline) == 0)
            return mofka_fail(MOFKA_ERR_TIMEOUT,
                              "producer '%s': other threads push while this one closes",
                              producer->name);
    }
}

/* *turn: this thread must end the backend's part; no other thread does or has done it.
 * MOFKA_ERR_BUSY: this thread is in a callback of the backend's close. */
static mofka_status_t producer_begin_ending(mofka_producer_t *producer, bool *turn) {
    mfi_monitor_enter(&producer->lock);
    bool own = producer->ending && producer->ender == mfi_thread_self();
    while (producer->ending && !own)
        mfi_monitor_wait(&producer->lock, INT64_MAX);
    *turn = !own && !producer->ended;
    assert(!*turn || producer->closed);
    if (*turn) {
        producer->ending = true;
        producer->ender = mfi_thread_self();
    }
    mfi_monitor_leave(&producer->lock);
    return own ? mofka_fail(MOFKA_ERR_BUSY,
                            "producer '%s': a callback of its close cannot close it",
                            producer->name)
               : MOFKA_OK;
}

static mofka_status_t producer_end_backend(mofka_producer_t *producer) {
    bool turn;
    mofka_status_t status = producer_begin_ending(producer, &turn);
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
    mfi_monitor_enter(&producer->lock);
    assert(producer->ending && !producer->ended);
    producer->ending = false;
    producer->ended = ended;
    uint64_t dropped = ended ? producer->stats.events_dropped : 0;
    mfi_monitor_notify(&producer->lock);
    mfi_monitor_leave(&producer->lock);
    if (dropped > 0)
        mfi_log(MOFKA_LOG_WARN,
                "producer '%s' of topic '%s' dropped %" PRIu64 " events that found no room",
                producer->name, producer->topic->name, dropped);
    return status;
}

static mofka_status_t producer_end(mofka_producer_t *producer, int64_t timeout_ms) {
    mfi_monitor_enter(&producer->lock);
    mofka_status_t status = mfi_producer_check_caller(producer);
    bool shut = false;
    if (!status &&
        !mfi_account_of_thread(producer)) /* from here on, no flush needs memory to begin */
        status = MOFKA_ERR_MEMORY;
    if (!status) {
        producer->closes++;
        mfi_monitor_notify(&producer->lock);
        status = producer_flush_and_shut(producer, mfi_deadline(timeout_ms));
        shut = producer->closed;
    }
    mfi_monitor_leave(&producer->lock);
    if (!shut)
        return status;
    mfi_producer_cancel_tasks(producer);
    mfi_claims_stop_looking(producer);
    mfi_monitor_enter(&producer->lock);
    mfi_batches_release(producer);
    mfi_monitor_leave(&producer->lock);
    mofka_status_t ended = producer_end_backend(producer);
    return status ? status : ended;
}

mofka_status_t mofka_producer_close(mofka_producer_t *producer, int64_t timeout_ms) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(producer, MFI_PRODUCER, "producer");
    return status ? status : producer_end(producer, timeout_ms);
}

mofka_status_t mfi_producer_child_end(mfi_child_t *child, int64_t timeout_ms) {
    mofka_producer_t *producer = mfi_container_of(child, mofka_producer_t, child);
    mfi_claims_orphan(producer);
    return producer_end(producer, timeout_ms);
}

static mofka_status_t producer_drive_abandoned(mfi_child_t *child, int64_t timeout_ms) {
    mofka_producer_t *producer = mfi_container_of(child, mofka_producer_t, child);
    mofka_status_t status = producer_end(producer, timeout_ms);
    if (producer->ended) /* else the next call goes on */
        mfi_producer_release_memory(producer);
    return status;
}

void mofka_producer_release(mofka_producer_t *producer) {
    MFI_KEEP_ERRNO;
    if (!producer || !mfi_handle_release(&producer->object))
        return;
    if (producer->ended) { /* read without the lock: no other thread has a handle */
        mfi_producer_release_memory(producer);
        return;
    }
    mfi_log(MOFKA_LOG_WARN,
            "producer '%s' of topic '%s' was released but not closed; the driver's close sends its "
            "events",
            producer->name, producer->topic->name);
    mofka_driver_t *driver = producer->topic->driver;
    pthread_mutex_lock(&driver->lock);
    producer->child.drive = producer_drive_abandoned;
    pthread_mutex_unlock(&driver->lock);
}
