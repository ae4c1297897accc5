/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Producers: accept an event and run the steps in order.
 * Path: push 1/7. Before: the caller. After: validator.c.
 *
 * Who sends the batches is in producer_send.c; flush and close are in producer_end.c. Tasks and
 * futures keep the producer's memory.
 */
#include <stdlib.h>
#include <string.h>
#include "producer/producer.h"

/* ---- futures -------------------------------------------------------------------------------- */

static mofka_status_t drive_push(void *owner, mfi_outcome_t *outcome, int64_t timeout_ms) {
    mofka_producer_t *producer = owner;
    mofka_status_t status = MOFKA_OK;
    pthread_mutex_lock(&producer->lock);
    if (!atomic_load(&outcome->done)) {
        mfi_batch_t *batch = outcome->batch;
        if (batch->lane->open == batch)
            mfi_batch_seal(batch->lane, MFI_SEAL_FLUSH);
        status = mfi_lane_drive(batch->lane, batch->sequence, mfi_deadline(timeout_ms));
    }
    pthread_mutex_unlock(&producer->lock);
    /* What else it answers is told by the delivery state. */
    return status == MOFKA_ERR_BUSY ? status : MOFKA_OK;
}

const mfi_future_ops_t mfi_push_future_ops = {
    .drive = drive_push, .owner_retain = mfi_producer_keep, .owner_release = mfi_producer_drop};

/* ---- push ----------------------------------------------------------------------------------- */

/* The event is not accepted: told by the future that is asked for, else kept and returned. */
static mofka_status_t refuse(mofka_producer_t *producer, mofka_status_t status,
                             mofka_future_t **future) {
    pthread_mutex_lock(&producer->lock);
    producer->stats.events_refused++;
    if (!future)
        mfi_keep_failure(producer, 1, producer->sequence, status, mofka_last_error());
    pthread_mutex_unlock(&producer->lock);
    if (!future)
        return status;
    mfi_outcome_t *outcome = mfi_future_create(&mfi_push_future_ops, producer, future);
    if (!outcome)
        return MOFKA_ERR_MEMORY;
    mfi_outcome_complete(outcome, status, mofka_last_error(), MOFKA_NOT_STORED, NULL);
    return MOFKA_OK;
}

/* With the lock: an open batch that the event fits, waiting for room among max_batches. Only who
 * waits reads the clock: `*deadline` is 0 at first. */
static mofka_status_t make_room(mfi_lane_t *lane, size_t bytes, bool *sealed, bool *opened,
                                int64_t *deadline) {
    mofka_producer_t *producer = lane->producer;
    for (;;) {
        if (producer->closed)
            return mofka_fail(MOFKA_ERR_CLOSED, "producer '%s' is closed", producer->name);
        if (lane->open && !mfi_batch_fits(lane, bytes)) {
            mfi_batch_seal(lane, MFI_SEAL_FULL);
            *sealed = true;
        }
        if (lane->open)
            return MOFKA_OK;
        if (lane->count < producer->max_batches) {
            *opened = true;
            return mfi_batch_open(lane);
        }
        if (*deadline == 0)
            *deadline = mfi_deadline(producer->push_timeout_ms);
        uint64_t since = mfi_wall_ns();
        mofka_status_t status = mfi_lane_make_place(lane, *deadline);
        mfi_stats_push_waited(&producer->stats, since);
        if (status)
            return status == MOFKA_ERR_POSSIBLY_STORED
                       ? mofka_fail(MOFKA_ERR_TIMEOUT, "the event is not stored: %s",
                                    mofka_last_error())
                       : status;
    }
}

/* Deadline 0: that of a push which has not waited yet. */
static mofka_status_t enqueue(mfi_lane_t *lane, const char *metadata, size_t bytes,
                              mofka_data_view_t *data, mofka_future_t **future, int64_t deadline) {
    mofka_producer_t *producer = lane->producer;
    size_t total = data ? bytes + mofka_data_view_size(data) : bytes;
    if (total < bytes || total > lane->limits.event_bytes_max)
        return refuse(producer,
                      mofka_fail(MOFKA_ERR_TOO_LARGE,
                                 "an event of %zu + %zu bytes; topic '%s' takes at most %zu", bytes,
                                 mofka_data_view_size(data), producer->topic->name,
                                 lane->limits.event_bytes_max),
                      future);
    bool sealed = false, opened = false;
    pthread_mutex_lock(&producer->lock);
    mofka_status_t status = make_room(lane, total, &sealed, &opened, &deadline);
    if (!status)
        status = mfi_batch_add(lane, metadata, bytes, data, future);
    int64_t now = mfi_coarse_ms();
    bool full = !status && mfi_batch_is_full(lane);
    if (full || (!status && mfi_batch_is_old(lane->open, now))) {
        mfi_batch_seal(lane, full ? MFI_SEAL_FULL : MFI_SEAL_LINGER);
        sealed = true;
    }
    bool look = now >= producer->look_ms;
    pthread_mutex_unlock(&producer->lock);
    if (sealed || opened)
        mfi_producer_see_to(lane, sealed, opened, deadline);
    if (look)
        mfi_producer_look_around(producer);
    return status;
}

typedef struct buffer {
    char *bytes;
    size_t used, room;
    mofka_status_t status; /* an error stays, whatever the serializer makes of it */
} buffer_t;

static mofka_status_t buffer_grow(buffer_t *buffer, size_t size) {
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

static mofka_status_t buffer_write(void *context, const void *bytes, size_t size) {
    buffer_t *buffer = context;
    if (!buffer->status)
        buffer->status = buffer_grow(buffer, size);
    if (buffer->status)
        return buffer->status;
    if (size > 0)
        memcpy(buffer->bytes + buffer->used, bytes, size);
    buffer->used += size;
    return MOFKA_OK;
}

static mofka_status_t serialize_and_enqueue(mfi_lane_t *lane, const char *metadata, size_t bytes,
                                            mofka_data_view_t *data, mofka_future_t **future,
                                            int64_t deadline) {
    const mofka_serializer_t *serializer = lane->producer->topic->serializer;
    if (lane->producer->stores_text)
        return enqueue(lane, metadata, bytes, data, future, deadline);
    buffer_t buffer = {0};
    mofka_archive_t archive = {.context = &buffer, .write = buffer_write};
    mofka_status_t status = mofka_serializer_serialize(serializer, &archive, metadata, bytes);
    if (buffer.status && !status)
        status = mofka_fail(buffer.status, "a serializer went on after: %s", mofka_last_error());
    if (status)
        status = refuse(lane->producer, status, future);
    else
        status = enqueue(lane, buffer.bytes, buffer.used, data, future, deadline);
    free(buffer.bytes);
    return status;
}

static mofka_status_t choose(mofka_producer_t *producer, const char *metadata, size_t bytes,
                             size_t requested, size_t *partition) {
    pthread_mutex_lock(&producer->select_lock);
    mofka_status_t status =
        mofka_partition_selector_select(producer->selector, metadata, bytes, requested, partition);
    pthread_mutex_unlock(&producer->select_lock);
    return status;
}

/* A batch without room for the event leaves now, so that a selector which follows batches can send
 * the event with the next one, and not with what is left behind. That may wait: until `*deadline`. */
static bool make_way(mfi_lane_t *lane, size_t bytes, int64_t *deadline) {
    pthread_mutex_lock(&lane->producer->lock);
    bool sealed = lane->open && !mfi_batch_fits(lane, bytes);
    if (sealed)
        mfi_batch_seal(lane, MFI_SEAL_FULL);
    pthread_mutex_unlock(&lane->producer->lock);
    if (sealed) {
        *deadline = mfi_deadline(lane->producer->push_timeout_ms);
        mfi_producer_see_to(lane, true, false, *deadline);
    }
    return sealed;
}

static mofka_status_t push(mofka_producer_t *producer, const char *metadata, size_t bytes,
                           mofka_data_view_t *data, size_t requested, mofka_future_t **future) {
    size_t partition = 0;
    int64_t deadline = 0;
    mofka_status_t status = MOFKA_OK;
    if (bytes > MOFKA_METADATA_BYTES_MAX)
        status = mofka_fail(MOFKA_ERR_TOO_LARGE, "metadata of %zu bytes, at most %zu", bytes,
                            MOFKA_METADATA_BYTES_MAX);
    if (!status && !producer->accepts_all)
        status = mofka_validator_validate(producer->topic->validator, metadata, bytes, data);
    if (!status && !producer->one_choice) {
        status = choose(producer, metadata, bytes, requested, &partition);
        if (!status && producer->tells_selector && requested == MOFKA_ANY_PARTITION &&
            make_way(&producer->lanes[partition], bytes + mofka_data_view_size(data), &deadline))
            status = choose(producer, metadata, bytes, requested, &partition);
    }
    if (status)
        return refuse(producer, status, future);
    return serialize_and_enqueue(&producer->lanes[partition], metadata, bytes, data, future,
                                 deadline);
}

mofka_status_t mofka_producer_push(mofka_producer_t *producer, const char *metadata, size_t bytes,
                                   mofka_data_view_t *data, size_t partition,
                                   mofka_future_t **out) {
    mofka_status_t status = mfi_check(producer, MFI_PRODUCER, "producer");
    if (!status && !metadata && bytes > 0)
        status = mofka_fail(MOFKA_ERR_INVALID, "NULL metadata of %zu bytes", bytes);
    if (!status && data)
        status = mfi_check(data, MFI_DATA_VIEW, "data view");
    return status ? status : push(producer, metadata, bytes, data, partition, out);
}
