/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pushing: validates an event, chooses its partition, serializes it, and adds it to a batch.
 * Path: push 1/7. Before: the caller. After: types/validator.c.
 */
#include <stdlib.h>
#include <string.h>
#include "producer/producer.h"

/* ---- futures -------------------------------------------------------------------------------- */

/* Push futures: send the event's batch, and wait for that. */
static mofka_status_t push_drive(void *owner, mfi_outcome_t *outcome, int64_t timeout_ms) {
    mofka_producer_t *producer = owner;
    mofka_status_t status = MOFKA_OK;
    mfi_monitor_enter(&producer->lock);
    if (!atomic_load(&outcome->done)) {
        mfi_batch_t *batch = outcome->batch;
        assert(batch->lane->producer == producer);
        if (batch->lane->open == batch)
            mfi_batch_seal(batch->lane, MFI_SEAL_FLUSH);
        status = mfi_lane_drive(batch->lane, batch->sequence, mfi_deadline(timeout_ms));
    }
    mfi_batches_release(producer);
    mfi_monitor_leave(&producer->lock);
    /* The delivery state reports the other errors. */
    return status == MOFKA_ERR_BUSY ? status : MOFKA_OK;
}

const mfi_future_ops_t mfi_push_future_ops = {.drive = push_drive,
                                              .owner_retain = mfi_producer_retain_memory,
                                              .owner_release = mfi_producer_release_memory};

/* ---- push ----------------------------------------------------------------------------------- */

mofka_status_t mfi_push_refuse(mofka_producer_t *producer, mofka_status_t status,
                               mofka_future_t **future) {
    assert(status != MOFKA_OK);
    mfi_monitor_enter(&producer->lock);
    producer->stats.events_refused++;
    if (!future && !mfi_account_of_thread(producer))
        status = MOFKA_ERR_MEMORY;
    else if (!future)
        mfi_failure_note(producer, 1, producer->sequence, status, mofka_last_error());
    mfi_monitor_leave(&producer->lock);
    if (!future)
        return status;
    mfi_outcome_t *outcome = mfi_future_create(&mfi_push_future_ops, producer, future);
    if (!outcome)
        return MOFKA_ERR_MEMORY;
    mfi_outcome_complete(outcome, status, mofka_last_error(), MOFKA_NOT_STORED, NULL);
    return MOFKA_OK;
}

/* One event on its way into a batch of its lane. */
typedef struct push {
    mofka_producer_t *producer;
    mofka_data_view_t *data; /* borrowed; NULL: none */
    mofka_future_t **future; /* NULL: no future is wanted */
    int64_t deadline;        /* see push_deadline; 0 means not yet asked for */
    /* Of the coarse clock, when the event was added; 0 means not yet, or that a task looks for
     * batches that linger, so that no push has to. */
    int64_t now_ms;
    bool sealed;  /* a batch of the lane was sealed: it must be sent */
    bool opened;  /* a batch was opened: it must not linger for ever */
    bool dropped; /* there was no place, and the producer does not wait */
} push_t;

/* Counts from when the push first waits or sends. Most pushes do neither. */
static int64_t push_deadline(push_t *push) {
    const mofka_producer_t *producer = push->producer;
    if (push->deadline == 0)
        push->deadline = mfi_deadline_at(
            producer->when_full == MOFKA_WHEN_FULL_WAIT ? producer->push_timeout_ms : 0,
            push->now_ms ? push->now_ms : mfi_coarse_ms());
    return push->deadline;
}

/* How many times as long as a look for room no further one is made. */
#define LOOK_PAUSE 8

/* With the lock, releases it meanwhile: where no other thread sends, look whether a batch can be
 * sent, but not all the time. True: it could. */
static bool push_look_for_place(push_t *push, mfi_lane_t *lane) {
    mofka_producer_t *producer = push->producer;
    int64_t start_ms = mfi_coarse_ms();
    mfi_assert_inside(&producer->lock);
    if (mfi_producer_has_senders(producer) || start_ms < producer->look_ms)
        return false;
    bool place = mfi_lane_make_place(lane, push_deadline(push)) == MOFKA_OK;
    int64_t end_ms = mfi_coarse_ms();
    producer->look_ms = end_ms + LOOK_PAUSE * (end_ms - start_ms);
    return place;
}

/* With the lock, releases it meanwhile: make a place without waiting, or drop the event. */
static mofka_status_t push_drop(push_t *push, mfi_lane_t *lane) {
    mofka_producer_t *producer = push->producer;
    MFI_KEEP_ERRNO;
    if (push_look_for_place(push, lane) || producer->closed)
        return MOFKA_OK; /* the caller looks again */
    push->dropped = true;
    producer->stats.events_dropped += !producer->fallback;
    return mofka_fail(MOFKA_ERR_FULL,
                      "producer '%s' of topic '%s': no room in partition %zu; the event is dropped",
                      producer->name, producer->topic->name, lane->partition);
}

/* With the lock, releases it meanwhile: wait for a place among max_batches. */
static mofka_status_t push_wait_for_place(push_t *push, mfi_lane_t *lane) {
    MFI_KEEP_ERRNO;
    mfi_assert_inside(&push->producer->lock);
    uint64_t since = mfi_now_ns();
    mofka_status_t status = mfi_lane_make_place(lane, push_deadline(push));
    mfi_stats_push_waited(&push->producer->stats, since);
    return status == MOFKA_ERR_POSSIBLY_STORED
               ? mofka_fail(MOFKA_ERR_TIMEOUT, "the event is not stored: %s", mofka_last_error())
               : status;
}

/* With the lock, releases it meanwhile: make an open batch that has room for `bytes`. */
static mofka_status_t push_make_room(push_t *push, mfi_lane_t *lane, size_t bytes) {
    mofka_producer_t *producer = push->producer;
    mfi_assert_inside(&producer->lock);
    for (;;) {
        if (producer->closed)
            return mofka_fail(MOFKA_ERR_CLOSED, "producer '%s' is closed", producer->name);
        if (lane->open && !mfi_batch_fits(lane, bytes)) {
            mfi_batch_seal(lane, MFI_SEAL_FULL);
            push->sealed = true;
        }
        if (lane->open)
            return MOFKA_OK;
        if (lane->count < producer->max_batches) {
            push->opened = true;
            return mfi_batch_open(lane);
        }
        mofka_status_t status = producer->when_full == MOFKA_WHEN_FULL_WAIT
                                    ? push_wait_for_place(push, lane)
                                    : push_drop(push, lane);
        if (status)
            return status;
    }
}

/* With the lock, releases it meanwhile: add the event of `total` bytes to a batch. Seals the batch
 * if it is full or old. */
static mofka_status_t push_add(push_t *push, mfi_lane_t *lane, const char *metadata, size_t bytes,
                               size_t total) {
    bool answerable = push->future || mfi_account_of_thread(push->producer);
    mfi_assert_inside(&push->producer->lock);
    mofka_status_t status = answerable ? push_make_room(push, lane, total) : MOFKA_ERR_MEMORY;
    bool first = !lane->open || lane->open->out.event_count == 0;
    if (first || !push->producer->lingering)
        push->now_ms = mfi_coarse_ms();
    if (!status)
        status = mfi_batch_add(lane, metadata, bytes, push->data, push->future, push->now_ms);
    if (status)
        return status;
    bool full = mfi_batch_is_full(lane);
    if (full || mfi_batch_is_old(lane->open, push->now_ms)) {
        mfi_batch_seal(lane, full ? MFI_SEAL_FULL : MFI_SEAL_LINGER);
        push->sealed = true;
    }
    return MOFKA_OK;
}

/* With the lock, which it unlocks: after push_add gave `status`, do what the lanes need. */
static mofka_status_t push_serve_lanes(push_t *push, mfi_lane_t *lane, mofka_status_t status,
                                       bool check) {
    MFI_KEEP_ERRNO;
    mofka_producer_t *producer = push->producer;
    mfi_assert_inside(&producer->lock);
    /* Without workers one delayed task serves all lanes. */
    bool watch =
        push->opened && (producer->pool || (producer->open_count > 0 && !producer->lingering));
    if (producer->unreleased)
        mfi_batches_release(producer);
    bool sends = push->sealed && !status && !watch && !producer->pool;
    if (sends) /* the lock is taken once for both: a batch may hold one event */
        mfi_lane_drive_until_close(lane, push_deadline(push));
    mfi_monitor_leave(&producer->lock);
    if (watch)
        mfi_lane_watch(lane);
    if (push->sealed && status) /* this call has waited enough */
        mfi_producer_wake_workers(producer);
    if (status)
        return status;
    if (push->sealed && !sends)
        mfi_lane_send(lane, push_deadline(push));
    if (check)
        mfi_producer_check_lanes(producer);
    return MOFKA_OK;
}

/* The event does not fit the partition, or this producer cannot append there. */
static mofka_status_t push_exceeds(const mfi_lane_t *lane, size_t bytes, size_t data_bytes) {
    const mofka_producer_t *producer = lane->producer;
    if (lane->limits.event_bytes_max == 0 && producer->ops->refuse)
        return producer->ops->refuse(producer->self, lane->partition);
    return mofka_fail(MOFKA_ERR_TOO_LARGE,
                      "an event of %zu + %zu bytes; topic '%s' takes at most %zu", bytes,
                      data_bytes, producer->topic->name, lane->limits.event_bytes_max);
}

/* Add serialized metadata and the data to a batch, and do what the lanes need then. */
static mofka_status_t push_enqueue(push_t *push, mfi_lane_t *lane, const char *metadata,
                                   size_t bytes) {
    mofka_producer_t *producer = push->producer;
    size_t data_bytes = push->data ? mofka_data_view_size(push->data) : 0;
    if (data_bytes > SIZE_MAX - bytes || bytes + data_bytes > lane->limits.event_bytes_max)
        return mfi_push_refuse(producer, push_exceeds(lane, bytes, data_bytes), push->future);
    mfi_monitor_enter(&producer->lock);
    mofka_status_t status = push_add(push, lane, metadata, bytes, bytes + data_bytes);
    bool check = push->now_ms && push->now_ms >= producer->check_ms;
    if (status || push->sealed || push->opened || check || producer->unreleased)
        return push_serve_lanes(push, lane, status, check);
    mfi_monitor_leave(&producer->lock); /* most pushes only add */
    return MOFKA_OK;
}

/* The archive that a serializer writes to. */
typedef struct push_buffer {
    char *bytes;
    size_t used, room;
    mofka_status_t status; /* the first error, which stays even if the serializer ignores it */
} push_buffer_t;

static mofka_status_t push_buffer_grow(push_buffer_t *buffer, size_t size) {
    assert(buffer->used <= buffer->room && buffer->used <= MOFKA_METADATA_BYTES_MAX);
    if (size > MOFKA_METADATA_BYTES_MAX - buffer->used)
        return mofka_fail(MOFKA_ERR_TOO_LARGE, "serialized metadata of %zu bytes, at most %zu",
                          buffer->used + size, MOFKA_METADATA_BYTES_MAX);
    if (size <= buffer->room - buffer->used)
        return MOFKA_OK;
    size_t room = 2 * buffer->room + size + 64;
    char *more = realloc(buffer->bytes, room);
    if (!more)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu serialized bytes", room);
    buffer->bytes = more;
    buffer->room = room;
    return MOFKA_OK;
}

static mofka_status_t push_buffer_write(void *context, const void *bytes, size_t size) {
    push_buffer_t *buffer = context;
    if (!buffer->status)
        buffer->status = push_buffer_grow(buffer, size);
    if (buffer->status)
        return buffer->status;
    if (size > 0)
        memcpy(buffer->bytes + buffer->used, bytes, size);
    buffer->used += size;
    return MOFKA_OK;
}

/* Serialize the metadata, and enqueue what that gives. */
static mofka_status_t push_serialize(push_t *push, mfi_lane_t *lane, const char *metadata,
                                     size_t bytes) {
    const mofka_serializer_t *serializer = push->producer->serializer;
    if (push->producer->stores_text)
        return push_enqueue(push, lane, metadata, bytes);
    push_buffer_t buffer = {0};
    mofka_archive_t archive = {.context = &buffer, .write = push_buffer_write};
    mofka_status_t status = mofka_serializer_serialize(serializer, &archive, metadata, bytes);
    if (buffer.status && !status)
        status =
            mofka_fail(buffer.status, "a serializer ignored this error: %s", mofka_last_error());
    if (status)
        status = mfi_push_refuse(push->producer, status, push->future);
    else
        status = push_enqueue(push, lane, buffer.bytes, buffer.used);
    free(buffer.bytes);
    return status;
}

mofka_status_t mfi_push_choose(mofka_producer_t *producer, const char *metadata, size_t bytes,
                               size_t requested, size_t *partition) {
    pthread_mutex_lock(&producer->select_lock);
    mofka_status_t status =
        mofka_partition_selector_select(producer->selector, metadata, bytes, requested, partition);
    pthread_mutex_unlock(&producer->select_lock);
    return status;
}

/* Send the lane's open batch now if it has no room for the event: a selector that follows batches
 * can then choose again. True: the batch was sealed. */
static bool push_make_way(push_t *push, mfi_lane_t *lane, size_t bytes) {
    mfi_monitor_enter(&push->producer->lock);
    bool sealed = lane->open && !mfi_batch_fits(lane, bytes);
    if (sealed)
        mfi_batch_seal(lane, MFI_SEAL_FULL);
    mfi_monitor_leave(&push->producer->lock);
    if (sealed)
        mfi_lane_send(lane, push_deadline(push));
    return sealed;
}

static mofka_status_t push_event(push_t *push, const char *metadata, size_t bytes,
                                 size_t requested) {
    mofka_producer_t *producer = push->producer;
    size_t partition = 0;
    mofka_status_t status = MOFKA_OK;
    if (bytes > MOFKA_METADATA_BYTES_MAX)
        status = mofka_fail(MOFKA_ERR_TOO_LARGE, "metadata of %zu bytes, at most %zu", bytes,
                            MOFKA_METADATA_BYTES_MAX);
    if (!status && !producer->accepts_all)
        status = mofka_validator_validate(producer->validator, metadata, bytes, push->data);
    if (!status && !producer->one_choice) {
        status = mfi_push_choose(producer, metadata, bytes, requested, &partition);
        if (!status && producer->tells_selector && requested == MOFKA_ANY_PARTITION &&
            push_make_way(push, &producer->lanes[partition],
                          bytes + mofka_data_view_size(push->data)))
            status = mfi_push_choose(producer, metadata, bytes, requested, &partition);
    }
    if (status)
        return mfi_push_refuse(producer, status, push->future);
    return push_serialize(push, &producer->lanes[partition], metadata, bytes);
}

/* With the lock. Most pushes only add text to a batch that stays open, which a task seals if it
 * lingers. False: the push is not such a one, and nothing was done. */
static inline bool push_join(mofka_producer_t *producer, const char *metadata, size_t bytes) {
    const mfi_lane_t *lane = &producer->lanes[0];
    const mfi_account_t *account = producer->account;
    mfi_batch_t *b = lane->open;
    if (!b || !producer->lingering || producer->unreleased || !account ||
        account->thread != mfi_thread_self())
        return false;
    mofka_batch_t *out = &b->out;
    size_t count = out->event_count, at = out->metadata_bytes, used = at + out->data_bytes;
    if (count == 0 || count >= b->event_room || count + 1 >= lane->events_cap ||
        bytes > b->metadata_room - at || used + bytes >= lane->bytes_cap)
        return false;
    memcpy(b->metadata + at, metadata, bytes);
    b->events[count] = (mofka_batch_event_t){bytes, 0};
    out->metadata_bytes = at + bytes;
    out->event_count = count + 1;
    b->futureless++;
    return true;
}

mofka_status_t mfi_producer_push(mofka_producer_t *producer, const char *metadata, size_t bytes,
                                 mofka_data_view_t *data, size_t partition, mofka_future_t **out) {
    if (producer->plain && !data && !out && bytes > 0) {
        mfi_monitor_enter(&producer->lock);
        bool joined = push_join(producer, metadata, bytes);
        mfi_monitor_leave(&producer->lock);
        if (joined)
            return MOFKA_OK;
    }
    push_t push = {.producer = producer, .data = data, .future = out};
    mofka_status_t status = push_event(&push, metadata, bytes, partition);
    return push.dropped && producer->fallback
               ? mfi_fallback_push(producer, metadata, bytes, data, out)
               : status;
}

mofka_status_t mofka_producer_push(mofka_producer_t *producer, const char *metadata, size_t bytes,
                                   mofka_data_view_t *data, size_t partition,
                                   mofka_future_t **out) {
    mofka_status_t status = mfi_check(producer, MFI_PRODUCER, "producer");
    if (!status && !metadata && bytes > 0)
        status = mofka_fail(MOFKA_ERR_INVALID, "NULL metadata of %zu bytes", bytes);
    if (!status && data)
        status = mfi_check(data, MFI_DATA_VIEW, "data view");
    return status ? status : mfi_producer_push(producer, metadata, bytes, data, partition, out);
}
