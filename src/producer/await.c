/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stored batches wait until they are durable.
 *
 *   first ... last  --append-->  awaiting ... last_awaiting  --durable-->  ended, kept for reuse
 *
 * Appends go on meanwhile: max_batches bounds both lists together. Nobody watches `awaiting` for
 * itself: a flush, a close, a wait for a future, and a push that finds max_batches do. One of these
 * threads at a time asks the backend (`asking`); the others wait for a turn of the monitor.
 */
#include "producer/producer.h"

/* The longest wait in the backend: another thread may have called close, or discard. */
#define ASK_MS_MAX 100

bool mfi_lane_awaits(const mfi_lane_t *lane, uint64_t sequence) {
    mfi_assert_inside(&lane->producer->lock);
    return lane->awaiting && lane->awaiting->sequence <= sequence;
}

void mfi_batch_end_stored(mfi_batch_t *batch) {
    mfi_lane_t *lane = batch->lane;
    mfi_assert_inside(&lane->producer->lock);
    if (!lane->awaits || batch->out.durable) {
        mfi_batch_finish(batch, MOFKA_OK, batch->out.first_id);
        return;
    }
    assert(!batch->next);
    batch->stored = true;
    for (mfi_outcome_t *o = batch->outcomes; o; o = o->next)
        atomic_store(&o->delivery, MOFKA_STORED);
    if (lane->last_awaiting)
        lane->last_awaiting->next = batch;
    else
        lane->awaiting = batch;
    lane->last_awaiting = batch;
}

/* One past the batch's last event. */
static uint64_t batch_end(const mfi_batch_t *batch) {
    return batch->out.first_id + batch->out.event_count;
}

/* End the oldest batch of `awaiting`. Releases the lock meanwhile. */
static void lane_end_awaiting(mfi_lane_t *lane, mofka_status_t status) {
    mfi_batch_t *batch = lane->awaiting;
    uint64_t first_id = batch->out.first_id;
    lane->awaiting = batch->next;
    if (!lane->awaiting)
        lane->last_awaiting = NULL;
    batch->next = NULL;
    batch->out.durable = !status;
    mfi_batch_finish(batch, status, first_id);
}

/* Another thread asks the backend. */
static mofka_status_t lane_await_other(mfi_lane_t *lane, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    if (mfi_monitor_wait(&producer->lock, deadline) || !lane->asking)
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_TIMEOUT,
                      "topic '%s', partition %zu: events are stored, and not "
                      "durable yet",
                      producer->topic->name, lane->partition);
}

mofka_status_t mfi_lane_await(mfi_lane_t *lane, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    mfi_assert_inside(&producer->lock);
    assert(lane->awaiting && producer->ops->wait_durable);
    if (lane->asking)
        return lane_await_other(lane, deadline);
    int64_t left = mfi_remaining(deadline),
            time_ms = left < 0 || left > ASK_MS_MAX ? ASK_MS_MAX : left;
    uint64_t next = batch_end(lane->awaiting), durable = 0;
    lane->asking = true;
    mfi_monitor_leave(&producer->lock);
    mofka_status_t status =
        producer->ops->wait_durable(producer->self, lane->partition, next, time_ms, &durable);
    mfi_monitor_enter(&producer->lock);
    bool some = lane->awaiting && batch_end(lane->awaiting) <= durable;
    while (lane->awaiting && batch_end(lane->awaiting) <= durable)
        lane_end_awaiting(lane, MOFKA_OK);
    lane->asking = false;
    mfi_monitor_notify(&producer->lock);
    bool over = mfi_remaining(deadline) == 0;
    return some || (!over &&
                    (!status || status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_STORAGE))
               ? MOFKA_OK
               : status;
}

void mfi_lane_stop_awaiting(mfi_lane_t *lane) {
    mfi_assert_inside(&lane->producer->lock);
    while (lane->awaiting)
        lane_end_awaiting(lane, mofka_fail(MOFKA_ERR_STORAGE,
                                           "the event is stored; whether it is durable was not "
                                           "waited for, since mofka_producer_discard was called"));
}
