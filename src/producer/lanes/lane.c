/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lane is one producer's batches of one partition: their order, and sending them.
 * Path: push 4/7. Before: types/partition_selector.c. After: producer/lanes/batch.c.
 */
#include "producer/producer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"

/* The most that an adaptive batch holds. That hides the cost of a batch, and fits a cache. */
#define ADAPTIVE_EVENTS 4096
#define ADAPTIVE_BYTES ((size_t)1 << 20)

/* The longest time-out of an append. A thread that waits longer appends again, after it has looked
 * at what other threads did: one may have discarded the batch, or called close. */
#define APPEND_MS_MAX 100

/* Batches of a group, at most. */
#define GROUP_MAX 256
/* How long an append waits for room that nobody waits for. */
#define START_MS 1
/* How much longer than its time-out a call waits for an append in the backend. It lets a poll
 * succeed over a slow network. */
#define GRACE_MS 100

mofka_status_t mfi_lane_init(mfi_lane_t *lane, mofka_producer_t *producer, size_t partition) {
    lane->producer = producer;
    lane->partition = partition;
    mofka_status_t status = producer->ops->limits(producer->self, partition, &lane->limits);
    if (!status && lane->limits.events_max == 0)
        status = mofka_fail(MOFKA_ERR_INVALID,
                            "topic '%s', partition %zu: the backend allows no event in a batch",
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
    assert(lane->events_cap > 0);
    lane->awaits = producer->ops->size > offsetof(mofka_producer_ops_t, wait_durable) &&
                   producer->ops->wait_durable;
    return MOFKA_OK;
}

/* With the lock: what holds of a lane whenever the lock is free, too. */
static inline void lane_assert_whole(const mfi_lane_t *lane) {
    (void)lane; /* without assertions */
    mfi_assert_inside(&lane->producer->lock);
    assert(lane->first ? lane->last && !lane->last->next : !lane->last);
    assert(lane->count <= lane->producer->max_batches);
    assert(lane->count >= (size_t)(lane->open != NULL) + (lane->first != NULL));
}

static mfi_batch_t *lane_unlink_first(mfi_lane_t *lane) {
    mfi_batch_t *batch = lane->first;
    assert(batch && batch->lane == lane);
    lane->first = batch->next;
    if (!lane->first)
        lane->last = NULL;
    batch->next = NULL;
    return batch;
}

/* Whether consumers may have seen the batch, or may see it yet. */
static bool batch_must_stay(const mfi_batch_t *batch) {
    return batch->under_way || batch->out.reserved;
}

/* Unlink the oldest batch that no consumer can see; with `discarded`, of those that were discarded.
 * NULL: there is none. */
static mfi_batch_t *lane_unlink_unreserved(mfi_lane_t *lane, bool discarded) {
    mfi_batch_t *before = NULL, *batch = lane->first;
    for (; batch && (batch_must_stay(batch) || (discarded && !batch->discard)); batch = batch->next)
        before = batch;
    if (!batch || !before)
        return batch ? lane_unlink_first(lane) : NULL;
    before->next = batch->next;
    if (lane->last == batch)
        lane->last = before;
    batch->next = NULL;
    return batch;
}

/* With the lock: what append answered last decides whether the batch may be stored. */
static void batch_set_possibly_stored(mfi_batch_t *batch, bool possibly) {
    if (batch->possibly_stored == possibly)
        return;
    batch->possibly_stored = possibly;
    for (mfi_outcome_t *o = batch->outcomes; o; o = o->next)
        atomic_store(&o->delivery, possibly ? MOFKA_POSSIBLY_STORED : MOFKA_NOT_STORED);
}

/* Append could not finish the first batch: it stays, and loose ordering moves it to the end. */
static void lane_keep_first(mfi_lane_t *lane, mofka_status_t status) {
    mfi_assert_inside(&lane->producer->lock);
    mfi_batch_t *batch = lane->first;
    batch->out.reserved |= status == MOFKA_ERR_POSSIBLY_STORED;
    batch_set_possibly_stored(batch, batch->out.reserved);
    mfi_producer_retry_soon(lane->producer);
    if (lane->producer->ordering == MOFKA_ORDERING_LOOSE && lane->first != lane->last) {
        lane_unlink_first(lane);
        assert(lane->last);
        lane->last->next = batch;
        lane->last = batch;
    }
}

/* Whether a batch up to `sequence` is sealed, or still being sent. */
static bool lane_has_work(const mfi_lane_t *lane, uint64_t sequence) {
    if (lane->sending && lane->sending_sequence <= sequence)
        return true;
    for (const mfi_batch_t *b = lane->first; b; b = b->next)
        if (b->sequence <= sequence)
            return true;
    return false;
}

void mfi_caller_begin(mofka_producer_t *producer, mfi_caller_t *caller) {
    mfi_assert_inside(&producer->lock);
    *caller = (mfi_caller_t){.next = producer->callers, .thread = mfi_thread_self()};
    producer->callers = caller;
}

void mfi_caller_end(mofka_producer_t *producer, mfi_caller_t *caller) {
    mfi_caller_t **at = &producer->callers;
    mfi_assert_inside(&producer->lock);
    while (*at != caller)
        at = &(*at)->next;
    *at = caller->next;
}

mofka_status_t mfi_producer_check_caller(mofka_producer_t *producer) {
    mfi_assert_inside(&producer->lock);
    uintptr_t self = mfi_thread_self();
    for (const mfi_caller_t *caller = producer->callers; caller; caller = caller->next)
        if (caller->thread == self)
            return mofka_fail(MOFKA_ERR_BUSY,
                              "producer '%s': a callback of a send cannot wait for sends",
                              producer->name);
    return MOFKA_OK;
}

static mofka_status_t lane_fail_discarded(const mofka_producer_t *producer) {
    return mofka_fail(MOFKA_ERR_CLOSED,
                      "the event was discarded by mofka_producer_discard of producer '%s'",
                      producer->name);
}

/* The time-out of an append that begins at `start_ms` of the coarse clock, in milliseconds. */
static int64_t lane_append_time(int64_t deadline, int64_t start_ms) {
    int64_t left_ms = mfi_remaining_at(deadline, start_ms);
    return left_ms < 0 || left_ms > APPEND_MS_MAX ? APPEND_MS_MAX : left_ms;
}

/* ---- one append ------------------------------------------------------------------------------ */

static bool append_may_go_on(mofka_status_t status) {
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED;
}

/* An append of at most `most` batches begins. */
static void lane_begin_append(mfi_lane_t *lane, size_t most) {
    mfi_assert_inside(&lane->producer->lock);
    assert(!lane->sending && lane->first && most > 0);
    lane->sending = true;
    lane->sending_sequence = lane->first->sequence;
    lane->group_count = 0;
    for (mfi_batch_t *b = lane->first; b && lane->group_count < most; b = b->next) {
        assert(!b->under_way && b->out.event_count > 0);
        if (b->out.reserved != lane->first->out.reserved)
            break;
        b->under_way = true;
        lane->group_count++;
    }
}

/* The batches that an append stored leave the lane. Releases the lock meanwhile. */
static void lane_finish_stored(mfi_lane_t *lane, size_t stored) {
    assert(stored <= lane->group_count);
    for (; stored > 0; stored--) {
        mfi_batch_t *batch = lane_unlink_first(lane);
        batch->under_way = false;
        lane->group_count--;
        mfi_batch_end_stored(batch);
        mfi_lane_call_sender_back(lane);
    }
}

/* What an append left: `status` is that of the first batch. Releases the lock meanwhile. */
static void lane_settle_rest(mfi_lane_t *lane, mofka_status_t status) {
    mfi_batch_t *batch = lane->first;
    bool any = lane->group_count > 0;
    for (; lane->group_count > 0; lane->group_count--, batch = batch->next) {
        batch->under_way = false;
        batch_set_possibly_stored(batch, batch->out.reserved);
    }
    if (!status || !any)
        return;
    batch = lane->first;
    if (status == MOFKA_ERR_TIMEOUT && batch->discard && !batch->out.reserved)
        return; /* it fails next */
    if (append_may_go_on(status)) {
        lane_keep_first(lane, status);
        return;
    }
    lane_unlink_first(lane);
    mfi_batch_finish(batch, status, 0);
    mfi_lane_call_sender_back(lane);
}

/* Batches that were discarded meanwhile, and are not reserved. Releases the lock meanwhile. */
static void lane_fail_unreserved(mfi_lane_t *lane) {
    for (mfi_batch_t *batch; (batch = lane_unlink_unreserved(lane, true));) {
        mfi_batch_finish(batch, lane_fail_discarded(lane->producer), 0);
        mfi_lane_call_sender_back(lane);
    }
}

/* The append is over: see mofka_append_t. True: batches have left the lane. Releases the lock
 * meanwhile. */
static bool lane_end_append(mfi_lane_t *lane, size_t stored, mofka_status_t status) {
    char message[MOFKA_MESSAGE_BYTES_MAX + 1];
    bool keeps = status && stored > 0; /* the message, from callbacks of the stored batches */
    size_t before = lane->count;
    mfi_assert_inside(&lane->producer->lock);
    assert(lane->sending && stored <= lane->group_count);
    if (keeps)
        snprintf(message, sizeof message, "%s", mofka_last_error());
    lane_finish_stored(lane, stored);
    if (keeps)
        (void)mofka_fail(status, "%s", message);
    lane_settle_rest(lane, status);
    if (lane->first)
        lane_fail_unreserved(lane);
    assert(lane->group_count == 0);
    lane->sending = false;
    mfi_monitor_notify(&lane->producer->lock);
    return lane->count < before;
}

/* Append the first batch once, in this thread. MOFKA_OK: the batch has left the lane, or there is
 * time to append again. Releases the lock meanwhile. */
static mofka_status_t lane_send_first(mfi_lane_t *lane, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    mofka_batch_t *out = &lane->first->out;
    int64_t start_ms = mfi_coarse_ms(), time_ms = lane_append_time(deadline, start_ms);
    mfi_caller_t caller;
    mfi_caller_begin(producer, &caller);
    lane_begin_append(lane, 1);
    mfi_monitor_leave(&producer->lock);
    mofka_status_t status =
        producer->ops->append(producer->self, lane->partition, out, time_ms, &out->first_id);
    mfi_log(MOFKA_LOG_TRACE, "topic '%s', partition %zu: batch of %zu events: %s",
            producer->topic->name, lane->partition, out->event_count, mofka_status_name(status));
    mfi_monitor_enter(&producer->lock);
    bool left = lane_end_append(lane, status ? 0 : 1, status);
    mfi_caller_end(producer, &caller);
    if (left)
        return MOFKA_OK;
    /* An append that does not wait is not repeated at once. */
    bool again = time_ms == APPEND_MS_MAX && mfi_coarse_ms() - start_ms >= APPEND_MS_MAX / 2;
    return again ? MOFKA_OK : status;
}

/* ---- appends in the backend's threads -------------------------------------------------------- */

/* Have a list for a group, of at most half of the batches that there may be: so pushes fill the
 * others meanwhile. Without memory, groups are of one batch. */
static size_t lane_group_room(mfi_lane_t *lane) {
    size_t half = (lane->producer->max_batches + 1) / 2, most = half < GROUP_MAX ? half : GROUP_MAX;
    if (!lane->group)
        lane->group = malloc(most * sizeof *lane->group);
    return lane->group ? most : 1;
}

/* How the last append ended. From a TIMEOUT on, the first batch waits for room. */
static void lane_note_kept(mfi_lane_t *lane, mofka_status_t status) {
    free(lane->kept_message);
    lane->kept = status;
    lane->kept_message = status ? strdup(mofka_last_error()) : NULL;
    lane->full_ns = status == MOFKA_ERR_TIMEOUT ? mfi_now_ns() : 0;
}

static mofka_status_t lane_fail_kept(const mfi_lane_t *lane) {
    return mofka_fail(lane->kept, "%s", lane->kept_message ? lane->kept_message : "");
}

static void lane_append_done(mofka_append_t *append, size_t stored, mofka_status_t status);

/* Begin to append the first batches. An error: nothing has begun. */
static mofka_status_t lane_start_group(mfi_lane_t *lane, int64_t timeout_ms) {
    mofka_producer_t *producer = lane->producer;
    size_t room = lane_group_room(lane), i = 0;
    if (lane->full_ns != 0)
        lane->first->out.blocked_ns += mfi_now_ns() - lane->full_ns;
    lane->full_ns = 0;
    lane_begin_append(lane, room);
    lane->one = &lane->first->out;
    for (mfi_batch_t *b = lane->first; i < lane->group_count && lane->group; b = b->next)
        lane->group[i++] = &b->out;
    lane->append = (mofka_append_t){.partition = lane->partition,
                                    .batches = lane->group ? lane->group : &lane->one,
                                    .count = lane->group_count,
                                    .timeout_ms = timeout_ms,
                                    .done = lane_append_done};
    mofka_status_t status = producer->ops->append_start(producer->self, &lane->append);
    if (!status)
        return MOFKA_OK;
    status = mofka_fail(lane->first->out.reserved ? MOFKA_ERR_POSSIBLY_STORED : MOFKA_ERR_TIMEOUT,
                        "%s", mofka_last_error());
    lane_note_kept(lane, status);
    lane_end_append(lane, 0, status);
    return status;
}

void mfi_lane_start(mfi_lane_t *lane) {
    mfi_assert_inside(&lane->producer->lock);
    assert(lane->producer->ops->append_start);
    if (lane->first && !lane->sending)
        (void)lane_start_group(lane, START_MS);
}

/* Nothing keeps the producer's memory for this, because a producer ends only when it sends nothing.
 */
static void lane_append_done(mofka_append_t *append, size_t stored, mofka_status_t status) {
    mfi_lane_t *lane = mfi_container_of(append, mfi_lane_t, append);
    mofka_producer_t *producer = lane->producer;
    mfi_caller_t caller;
    mfi_monitor_enter(&producer->lock);
    mfi_caller_begin(producer, &caller); /* of the log's callback, too */
    lane_note_kept(lane, append_may_go_on(status) ? status : MOFKA_OK);
    mfi_monitor_leave(&producer->lock);
    mfi_log(MOFKA_LOG_TRACE, "topic '%s', partition %zu: %zu of %zu batches stored: %s",
            producer->topic->name, lane->partition, stored, append->count,
            mofka_status_name(status));
    mfi_monitor_enter(&producer->lock);
    lane->in_backend = true;
    bool left = lane_end_append(lane, stored, status);
    lane->in_backend = false;
    if (left)
        mfi_lane_start(lane);
    mfi_caller_end(producer, &caller);
    mfi_monitor_leave(&producer->lock);
}

/* The append under way has taken longer than its caller waits. */
static mofka_status_t lane_fail_late(mfi_lane_t *lane) {
    mofka_producer_t *producer = lane->producer;
    assert(lane->sending);
    if (!producer->ops->append_late)
        return mofka_fail(MOFKA_ERR_TIMEOUT, "another thread is still sending a batch");
    mofka_status_t status = producer->ops->append_late(producer->self, lane->partition);
    if (lane->first && lane->first->possibly_stored)
        status = mofka_fail(MOFKA_ERR_POSSIBLY_STORED, "%s", mofka_last_error());
    if (lane->kept && lane->kept_message) /* what held the batch up before says more */
        status = mofka_fail(status, "%s; since then %s", lane->kept_message, mofka_last_error());
    for (mfi_batch_t *b = lane->first; b && b->under_way; b = b->next)
        batch_set_possibly_stored(b, status == MOFKA_ERR_POSSIBLY_STORED);
    return status;
}

/* Wait for the append under way; for one in the backend a bit longer than the deadline. Releases
 * the lock meanwhile. */
static mofka_status_t lane_wait_append(mfi_lane_t *lane, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    bool backend = producer->ops->append_start;
    int64_t end = backend && deadline < INT64_MAX - GRACE_MS ? deadline + GRACE_MS : deadline;
    mfi_monitor_wait(&producer->lock, end);
    if (lane->sending)
        return mfi_remaining(end) == 0 ? lane_fail_late(lane) : MOFKA_OK;
    return lane->kept && mfi_remaining(deadline) == 0 ? lane_fail_kept(lane) : MOFKA_OK;
}

/* Begin an append, and wait for it. As lane_send_first. Releases the lock meanwhile. */
static mofka_status_t lane_start_and_wait(mfi_lane_t *lane, int64_t deadline) {
    int64_t start_ms = mfi_coarse_ms();
    mofka_status_t status = lane_start_group(lane, lane_append_time(deadline, start_ms));
    if (!status)
        status = lane_wait_append(lane, deadline);
    /* An append that does not wait is not repeated at once. */
    bool hasty = mfi_coarse_ms() - start_ms < APPEND_MS_MAX / 2;
    return !status && !lane->sending && lane->kept && hasty ? lane_fail_kept(lane) : status;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Send a batch, or wait for the append under way. Releases the lock meanwhile. */
static mofka_status_t lane_advance(mfi_lane_t *lane, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    lane_assert_whole(lane);
    mofka_status_t status = mfi_producer_check_caller(producer);
    if (status)
        return status;
    if (lane->sending)
        return lane_wait_append(lane, deadline);
    if (!lane->first)
        return mfi_lane_await(lane, deadline);
    return producer->ops->append_start ? lane_start_and_wait(lane, deadline)
                                       : lane_send_first(lane, deadline);
}

mofka_status_t mfi_lane_store(mfi_lane_t *lane, uint64_t sequence, int64_t deadline) {
    mfi_assert_inside(&lane->producer->lock);
    mofka_status_t status = MOFKA_OK;
    while (!status && lane_has_work(lane, sequence))
        status = lane_advance(lane, deadline);
    if (!lane_has_work(lane, sequence)) /* a time-out, if any, was that of a later batch */
        status = MOFKA_OK;
    return status;
}

mofka_status_t mfi_lane_drive(mfi_lane_t *lane, uint64_t sequence, int64_t deadline) {
    mofka_status_t status = mfi_lane_store(lane, sequence, deadline);
    if (!status && mfi_lane_awaits(lane, sequence))
        status = mfi_producer_check_caller(lane->producer);
    while (!status && mfi_lane_awaits(lane, sequence))
        status = mfi_lane_await(lane, deadline);
    return status;
}

void mfi_lane_drive_until_close(mfi_lane_t *lane, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    uint64_t closes = producer->closes;
    mofka_status_t status = MOFKA_OK;
    if (producer->ops->append_start) {
        mfi_lane_start(lane);
        return;
    }
    while (!status && lane_has_work(lane, UINT64_MAX) && producer->closes == closes)
        status = lane_advance(lane, deadline);
    if (status == MOFKA_ERR_BUSY) /* what a callback's push filled is sent after the callback */
        mfi_producer_retry_soon(producer);
}

void mfi_lane_discard(mfi_lane_t *lane) {
    mofka_producer_t *producer = lane->producer;
    lane_assert_whole(lane);
    mfi_batch_seal(lane, MFI_SEAL_FLUSH);
    for (mfi_batch_t *batch; (batch = lane_unlink_unreserved(lane, false));)
        mfi_batch_finish(batch, lane_fail_discarded(producer), 0);
    for (mfi_batch_t *batch = lane->first; batch; batch = batch->next)
        batch->discard = true;
    mfi_lane_stop_awaiting(lane);
    mfi_monitor_notify(&producer->lock);
}

/* Whether append has a batch that is to be discarded, and may be when append is over. */
static bool lane_is_discarding(const mfi_lane_t *lane) {
    const mfi_batch_t *batch = lane->first;
    while (batch && !(batch->under_way && batch->discard && !batch->possibly_stored))
        batch = batch->next;
    return batch;
}

mofka_status_t mfi_lane_wait_discarded(mfi_lane_t *lane, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    mfi_assert_inside(&producer->lock);
    while (lane_is_discarding(lane))
        if (!mfi_monitor_wait(&producer->lock, deadline) && lane_is_discarding(lane))
            return mofka_fail(MOFKA_ERR_TIMEOUT,
                              "producer '%s': %zu events for partition %zu are being sent; if "
                              "that does not store them, they are discarded then",
                              producer->name, lane->first->out.event_count, lane->partition);
    return MOFKA_OK;
}

static bool lane_has_place(const mfi_lane_t *lane) {
    return lane->open || lane->count < lane->producer->max_batches;
}

mofka_status_t mfi_lane_make_place(mfi_lane_t *lane, int64_t deadline) {
    const mofka_producer_t *producer = lane->producer;
    uint64_t closes = producer->closes;
    mofka_status_t status = MOFKA_OK;
    lane_assert_whole(lane);
    while (!status && !lane_has_place(lane))
        status = producer->closes == closes
                     ? lane_advance(lane, deadline)
                     : mofka_fail(MOFKA_ERR_CLOSED,
                                  "producer '%s': another thread closes it, and partition %zu has "
                                  "no room",
                                  producer->name, lane->partition);
    return lane_has_place(lane) ? MOFKA_OK : status;
}
