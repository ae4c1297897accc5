/*
 * Producers: accept an event and run the steps in order; flush; close.
 * Path: push 1/7. Before: the caller. After: validator.c.
 *
 * Without pool threads the caller sends what it sealed. With them, each sealed batch is a task, and
 * each opened one a task of the lowest priority that seals it once it lingered (adaptive: at once,
 * so a batch grows exactly while the workers are busy). Tasks and futures keep the producer's
 * memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "batch.h"

static void producer_retain(void *producer) {
    mofka_producer_retain(producer);
}

static void producer_release(void *producer) {
    mofka_producer_release(producer);
}

/* ---- sending -------------------------------------------------------------------------------- */

static void send_task(void *context) {
    mfi_lane_t *lane = context;
    mofka_producer_t *producer = lane->producer;
    mfi_lane_drive(lane, UINT64_MAX, mfi_deadline(producer->push_timeout_ms));
    mofka_producer_release(producer);
}

static void linger_task(void *context) {
    mfi_lane_t *lane = context;
    mofka_producer_t *producer = lane->producer;
    bool adaptive = producer->batch_size == MOFKA_BATCH_ADAPTIVE;
    pthread_mutex_lock(&producer->lock);
    int64_t age = lane->open ? mfi_coarse_ms() - lane->open->opened_ms : 0;
    bool due = lane->open && (adaptive || age >= (int64_t)producer->linger_ms);
    bool wait = lane->open && !due && !producer->closed;
    if (due)
        mfi_batch_seal(lane);
    pthread_mutex_unlock(&producer->lock);
    if (wait) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        if (mofka_thread_pool_push_work(producer->pool, linger_task, lane, 0) == MOFKA_OK)
            return;
    }
    send_task(lane);
}

static bool has_workers(const mofka_producer_t *producer) {
    return mofka_thread_pool_thread_count(producer->pool) > 0;
}

/* A batch was sealed or opened: let a worker see to it, or send here. */
static void see_to(mfi_lane_t *lane, bool sealed, bool opened) {
    mofka_producer_t *producer = lane->producer;
    bool workers = has_workers(producer);
    if (opened && workers) {
        mofka_producer_retain(producer);
        if (mofka_thread_pool_push_work(producer->pool, linger_task, lane, 0))
            mofka_producer_release(producer);
    }
    if (!sealed)
        return;
    mofka_producer_retain(producer);
    if (!workers ||
        mofka_thread_pool_push_work(producer->pool, send_task, lane, MOFKA_PRIORITY_DEFAULT))
        send_task(lane);
}

/* ---- push ----------------------------------------------------------------------------------- */

/* The event is not accepted: told by the future that was asked for, else kept and returned. */
static mofka_status_t refuse(mofka_producer_t *producer, mofka_status_t status,
                             mofka_future_t *future) {
    if (future) {
        mfi_future_complete(future, status, mofka_last_error(), MOFKA_NOT_STORED, NULL);
        return MOFKA_OK;
    }
    pthread_mutex_lock(&producer->lock);
    mfi_keep_failure(producer, 1, status, mofka_last_error());
    pthread_mutex_unlock(&producer->lock);
    return status;
}

/* With the lock: an open batch that the event fits, waiting for room among max_batches. */
static mofka_status_t make_room(mfi_lane_t *lane, size_t bytes, int64_t deadline, bool *sealed,
                                bool *opened) {
    mofka_producer_t *producer = lane->producer;
    for (;;) {
        if (producer->closed)
            return mofka_fail(MOFKA_ERR_CLOSED, "producer '%s' is closed", producer->name);
        if (lane->open && !mfi_batch_fits(lane, bytes)) {
            mfi_batch_seal(lane);
            *sealed = true;
        }
        if (lane->open)
            return MOFKA_OK;
        if (lane->count < producer->max_batches) {
            *opened = true;
            return mfi_batch_open(lane);
        }
        uint64_t oldest = lane->first ? lane->first->sequence : 0;
        pthread_mutex_unlock(&producer->lock);
        mofka_status_t status = mfi_lane_drive(lane, oldest, deadline);
        pthread_mutex_lock(&producer->lock);
        if (status && lane->count >= producer->max_batches && !lane->open)
            return status == MOFKA_ERR_POSSIBLY_STORED
                       ? mofka_fail(MOFKA_ERR_TIMEOUT, "the event is not stored: %s",
                                    mofka_last_error())
                       : status;
    }
}

static mofka_status_t enqueue(mfi_lane_t *lane, const char *metadata, size_t bytes,
                              mofka_data_view_t *data, mofka_future_t *future) {
    mofka_producer_t *producer = lane->producer;
    size_t total = bytes + mofka_data_view_size(data);
    if (total < bytes || total > lane->limits.event_bytes_max)
        return refuse(producer,
                      mofka_fail(MOFKA_ERR_TOO_LARGE,
                                 "an event of %zu + %zu bytes; topic '%s' takes at most %zu", bytes,
                                 mofka_data_view_size(data), producer->topic->name,
                                 lane->limits.event_bytes_max),
                      future);
    bool sealed = false, opened = false;
    pthread_mutex_lock(&producer->lock);
    mofka_status_t status =
        make_room(lane, total, mfi_deadline(producer->push_timeout_ms), &sealed, &opened);
    if (!status)
        status = mfi_batch_add(lane, metadata, bytes, data, future);
    if (!status && (mfi_batch_is_full(lane) ||
                    mfi_coarse_ms() - lane->open->opened_ms >= (int64_t)producer->linger_ms)) {
        mfi_batch_seal(lane);
        sealed = true;
    }
    pthread_mutex_unlock(&producer->lock);
    see_to(lane, sealed, opened);
    return status;
}

typedef struct buffer {
    char *bytes;
    size_t used, room;
} buffer_t;

static mofka_status_t buffer_write(void *context, const void *bytes, size_t size) {
    buffer_t *buffer = context;
    if (size > buffer->room - buffer->used) {
        size_t room = 2 * buffer->room + size + 64;
        char *more = realloc(buffer->bytes, room);
        if (!more)
            return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu serialized bytes", room);
        buffer->bytes = more;
        buffer->room = room;
    }
    if (size > 0)
        memcpy(buffer->bytes + buffer->used, bytes, size);
    buffer->used += size;
    return MOFKA_OK;
}

static mofka_status_t serialize_and_enqueue(mfi_lane_t *lane, const char *metadata, size_t bytes,
                                            mofka_data_view_t *data, mofka_future_t *future) {
    const mofka_serializer_t *serializer = lane->producer->topic->serializer;
    if (mofka_serializer_is_identity(serializer))
        return enqueue(lane, metadata, bytes, data, future);
    buffer_t buffer = {0};
    mofka_archive_t archive = {.context = &buffer, .write = buffer_write};
    mofka_status_t status = mofka_serializer_serialize(serializer, &archive, metadata, bytes);
    if (status)
        status = refuse(lane->producer, status, future);
    else
        status = enqueue(lane, buffer.bytes, buffer.used, data, future);
    free(buffer.bytes);
    return status;
}

static mofka_status_t push(mofka_producer_t *producer, const char *metadata, size_t bytes,
                           mofka_data_view_t *data, size_t requested, mofka_future_t *future) {
    size_t partition = 0;
    mofka_status_t status = MOFKA_OK;
    if (bytes > MOFKA_METADATA_BYTES_MAX)
        status = mofka_fail(MOFKA_ERR_TOO_LARGE, "metadata of %zu bytes, at most %zu", bytes,
                            MOFKA_METADATA_BYTES_MAX);
    if (!status)
        status = mofka_validator_validate(producer->topic->validator, metadata, bytes, data);
    if (!status) {
        pthread_mutex_lock(&producer->select_lock);
        status = mofka_partition_selector_select(producer->selector, metadata, bytes, requested,
                                                 &partition);
        pthread_mutex_unlock(&producer->select_lock);
    }
    if (status)
        return refuse(producer, status, future);
    return serialize_and_enqueue(&producer->lanes[partition], metadata, bytes, data, future);
}

/* ---- futures -------------------------------------------------------------------------------- */

static void drive_push(void *owner, mofka_future_t *future, int64_t timeout_ms) {
    mofka_producer_t *producer = owner;
    int64_t deadline = mfi_deadline(timeout_ms);
    mfi_lane_t *lane = NULL;
    uint64_t sequence = 0;
    pthread_mutex_lock(&producer->lock);
    if (!atomic_load(&future->done)) {
        mfi_batch_t *batch = future->batch;
        lane = batch->lane;
        sequence = batch->sequence;
        if (lane->open == batch)
            mfi_batch_seal(lane);
    }
    pthread_mutex_unlock(&producer->lock);
    if (lane)
        mfi_lane_drive(lane, sequence, deadline);
}

static const mfi_future_ops_t push_future_ops = {
    .drive = drive_push, .owner_retain = producer_retain, .owner_release = producer_release};

static mofka_status_t flush(mofka_producer_t *producer, int64_t deadline);

static void drive_flush(void *owner, mofka_future_t *future, int64_t timeout_ms) {
    mofka_producer_t *producer = owner;
    mofka_status_t status = flush(producer, mfi_deadline(timeout_ms));
    if (status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED)
        return;
    pthread_mutex_lock(&producer->lock);
    if (!atomic_load(&future->done))
        mfi_future_complete(future, status, mofka_last_error(),
                            status ? MOFKA_NOT_STORED : MOFKA_STORED, NULL);
    pthread_mutex_unlock(&producer->lock);
}

static const mfi_future_ops_t flush_future_ops = {
    .drive = drive_flush, .owner_retain = producer_retain, .owner_release = producer_release};

static mofka_status_t check_open(mofka_producer_t *producer) {
    mofka_status_t status = mfi_check(producer, MFI_PRODUCER, "producer");
    if (status)
        return status;
    pthread_mutex_lock(&producer->lock);
    bool closed = producer->closed;
    pthread_mutex_unlock(&producer->lock);
    return closed ? mofka_fail(MOFKA_ERR_CLOSED, "producer '%s' is closed", producer->name)
                  : MOFKA_OK;
}

mofka_status_t mofka_producer_push(mofka_producer_t *producer, const char *metadata, size_t bytes,
                                   mofka_data_view_t *data, size_t partition,
                                   mofka_future_t **out) {
    mofka_status_t status = mfi_check(producer, MFI_PRODUCER, "producer");
    if (!status && !metadata && bytes > 0)
        status = mofka_fail(MOFKA_ERR_INVALID, "NULL metadata of %zu bytes", bytes);
    if (status || !out)
        return status ? status : push(producer, metadata, bytes, data, partition, NULL);
    mofka_future_t *future;
    status = mfi_future_create(&push_future_ops, producer, &future);
    if (!status)
        status = push(producer, metadata, bytes, data, partition, future);
    else
        return status;
    if (status)
        mofka_future_release(future);
    else
        *out = future;
    return status;
}

/* ---- flush and close ------------------------------------------------------------------------ */

static size_t events_left(mofka_producer_t *producer) {
    size_t left = 0;
    for (size_t i = 0; i < producer->topic->partition_count; i++)
        for (mfi_batch_t *b = producer->lanes[i].first; b; b = b->next)
            left += b->out.event_count;
    return left;
}

static mofka_status_t flush(mofka_producer_t *producer, int64_t deadline) {
    size_t count = producer->topic->partition_count;
    pthread_mutex_lock(&producer->lock);
    uint64_t sequence = producer->sequence;
    for (size_t i = 0; i < count; i++)
        mfi_batch_seal(&producer->lanes[i]);
    pthread_mutex_unlock(&producer->lock);
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < count; i++) {
        mofka_status_t one = mfi_lane_drive(&producer->lanes[i], sequence, deadline);
        status = status ? status : one;
    }
    pthread_mutex_lock(&producer->lock);
    if (status) {
        mofka_fail(status, "producer '%s': %zu events are not stored yet: %s", producer->name,
                   events_left(producer), mofka_last_error());
    } else if (producer->failed > 0) {
        status =
            mofka_fail(producer->failed_status, "%zu events failed, the first: %s",
                       producer->failed, producer->failed_message ? producer->failed_message : "");
        producer->failed = 0;
    }
    pthread_mutex_unlock(&producer->lock);
    return status;
}

mofka_status_t mofka_producer_flush(mofka_producer_t *producer, int64_t timeout_ms) {
    mofka_status_t status = check_open(producer);
    return status ? status : flush(producer, mfi_deadline(timeout_ms));
}

mofka_status_t mofka_producer_flush_future(mofka_producer_t *producer, mofka_future_t **future) {
    mofka_status_t status = check_open(producer);
    return status ? status : mfi_future_create(&flush_future_ops, producer, future);
}

static bool may_yet_be_stored(mofka_status_t status) {
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED;
}

static mofka_status_t end(mofka_producer_t *producer, int64_t timeout_ms) {
    mofka_status_t status = flush(producer, mfi_deadline(timeout_ms));
    if (may_yet_be_stored(status))
        return status;
    pthread_mutex_lock(&producer->lock);
    bool first = !producer->closed;
    producer->closed = true;
    pthread_mutex_unlock(&producer->lock);
    if (!first)
        return status;
    mofka_status_t closing = producer->ops->close(producer->self, status == MOFKA_OK);
    producer->ops->destroy(producer->self);
    producer->self = NULL;
    mfi_driver_remove_child(producer->topic->driver, &producer->child);
    return status ? status : closing;
}

mofka_status_t mofka_producer_close(mofka_producer_t *producer, int64_t timeout_ms) {
    mofka_status_t status = mfi_check(producer, MFI_PRODUCER, "producer");
    if (status || producer->closed)
        return status;
    return end(producer, timeout_ms);
}

mofka_producer_t *mofka_producer_retain(mofka_producer_t *producer) {
    if (producer)
        mfi_object_retain(&producer->object);
    return producer;
}

static mofka_status_t drive_abandoned(mfi_child_t *child, int64_t timeout_ms) {
    mofka_producer_t *producer =
        (mofka_producer_t *)((char *)child - offsetof(mofka_producer_t, child));
    mofka_status_t status = end(producer, timeout_ms);
    if (may_yet_be_stored(status))
        return status;
    mfi_producer_free(producer);
    return MOFKA_OK;
}

void mofka_producer_release(mofka_producer_t *producer) {
    if (!producer || !mfi_object_release(&producer->object))
        return;
    if (producer->closed) {
        mfi_producer_free(producer);
        return;
    }
    fprintf(stderr,
            "mofka: producer '%s' of topic '%s' was released but not closed; the driver's "
            "close sends its events\n",
            producer->name, producer->topic->name);
    mofka_driver_t *driver = producer->topic->driver;
    pthread_mutex_lock(&driver->lock);
    producer->child.drive = drive_abandoned;
    pthread_mutex_unlock(&driver->lock);
}
