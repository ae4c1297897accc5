/* SPDX-License-Identifier: BSD-3-Clause */
/* Batches: filling, sealing, sending. The picture is in batch.h. */
#include "producer/producer.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void mfi_batch_free(mfi_batch_t *batch) {
    free(batch->events);
    free(batch->metadata);
    free(batch->segments);
    free(batch->views);
    free(batch);
}

mofka_status_t mfi_batch_open(mfi_lane_t *lane) {
    mofka_producer_t *producer = lane->producer;
    mfi_batch_t *batch = producer->spare;
    if (batch)
        producer->spare = batch->next;
    else if (!(batch = calloc(1, sizeof *batch)))
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a batch");
    batch->next = NULL;
    batch->lane = lane;
    batch->out = (mofka_batch_t){0};
    batch->possibly_stored = false;
    lane->open = batch;
    lane->count++;
    producer->open_count++;
    return MOFKA_OK;
}

static bool grow(void **list, size_t *room, size_t need, size_t item) {
    if (need <= *room)
        return true;
    size_t more = *room ? *room : 64;
    while (more < need)
        more *= 2;
    void *bigger = reallocarray(*list, more, item);
    if (!bigger)
        return false;
    *list = bigger;
    *room = more;
    return true;
}

static bool grow_data(mfi_batch_t *b, size_t segments) {
    return grow((void **)&b->segments, &b->segment_room, b->out.segment_count + segments,
                sizeof *b->segments) &&
           grow((void **)&b->views, &b->view_room, b->view_count + 1, sizeof(mofka_data_view_t *));
}

/* Room was made. */
static size_t add_data(mfi_batch_t *b, mofka_data_view_t *data) {
    size_t count;
    const mofka_segment_t *segments = mofka_data_view_segments(data, &count);
    if (count > 0)
        memcpy(b->segments + b->out.segment_count, segments, count * sizeof *segments);
    b->views[b->view_count++] = mofka_data_view_retain(data);
    b->out.segment_count += count;
    size_t bytes = mofka_data_view_size(data);
    b->out.data_bytes += bytes;
    return bytes;
}

/* A place for one more future. Outcomes grow with the batch, to a size that one kept future may well
 * hold on to. */
#define OUTCOME_ROOM_MIN 4
#define OUTCOME_ROOM_MAX 128

static bool grow_outcomes(mfi_lane_t *lane) {
    mfi_batch_t *b = lane->open;
    mfi_outcome_t *last = b->outcomes;
    if (last && last->left > 0)
        return true;
    size_t room = b->out.event_count, most = lane->events_cap - room;
    room = room > OUTCOME_ROOM_MIN ? room : OUTCOME_ROOM_MIN;
    room = room < OUTCOME_ROOM_MAX ? room : OUTCOME_ROOM_MAX;
    room = room < most ? room : most;
    mfi_outcome_t *more = mfi_outcome_create(&mfi_push_future_ops, lane->producer, (uint32_t)room);
    if (!more)
        return false;
    more->batch = b;
    more->next = last;
    b->outcomes = more;
    return true;
}

mofka_status_t mfi_batch_add(mfi_lane_t *lane, const char *metadata, size_t metadata_bytes,
                             mofka_data_view_t *data, mofka_future_t **future) {
    mfi_batch_t *b = lane->open;
    size_t segments = 0;
    if (data)
        mofka_data_view_segments(data, &segments);
    if (!grow((void **)&b->events, &b->event_room, b->out.event_count + 1, sizeof *b->events) ||
        !grow((void **)&b->metadata, &b->metadata_room, b->out.metadata_bytes + metadata_bytes,
              1) ||
        (data && !grow_data(b, segments)) || (future && !grow_outcomes(lane)))
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for one more event in a batch");
    if (b->out.event_count == 0) {
        b->sequence = ++lane->producer->sequence;
        b->opened_ms = mfi_coarse_ms();
        b->out.timed = mfi_stats_times_next(&lane->producer->stats);
        b->opened_ns = b->out.timed ? mfi_wall_ns() : 0;
    }
    if (metadata_bytes > 0)
        memcpy(b->metadata + b->out.metadata_bytes, metadata, metadata_bytes);
    b->out.metadata_bytes += metadata_bytes;
    size_t data_bytes = data ? add_data(b, data) : 0;
    if (future)
        *future = mfi_outcome_give(b->outcomes, b->out.event_count);
    else
        b->futureless++;
    b->events[b->out.event_count++] = (mofka_batch_event_t){metadata_bytes, data_bytes};
    return MOFKA_OK;
}

void mfi_batch_seal(mfi_lane_t *lane, mfi_seal_t why) {
    mfi_batch_t *batch = lane->open;
    if (!batch || batch->out.event_count == 0)
        return;
    mfi_stats_sealed(&lane->producer->stats, &batch->out, why);
    batch->out.events = batch->events;
    batch->out.metadata = batch->metadata;
    batch->out.segments = batch->segments;
    lane->open = NULL;
    lane->producer->open_count--;
    if (lane->last)
        lane->last->next = batch;
    else
        lane->first = batch;
    lane->last = batch;
    if (lane->producer->tells_selector)
        mfi_partition_selector_batch_left(lane->producer->selector, lane->partition);
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

static mfi_batch_t *unlink_first(mfi_lane_t *lane) {
    mfi_batch_t *batch = lane->first;
    lane->first = batch->next;
    if (!lane->first)
        lane->last = NULL;
    batch->next = NULL;
    return batch;
}

static mofka_delivery_t delivery_after(const mofka_batch_t *out, mofka_status_t status) {
    if (!status)
        return MOFKA_STORED;
    return out->reserved && status != MOFKA_ERR_COMPLETE ? MOFKA_POSSIBLY_STORED : MOFKA_NOT_STORED;
}

/* Not under the lock: releasing calls back (a data's free callback, the producer's). */
static void let_go(mfi_batch_t *batch, mfi_outcome_t *outcome) {
    while (outcome) {
        mfi_outcome_t *next = outcome->next;
        mfi_outcome_let_go(outcome);
        outcome = next;
    }
    for (size_t i = 0; i < batch->view_count; i++)
        mofka_data_view_release(batch->views[i]);
    batch->view_count = 0;
}

/* The batch left the lane: tell its futures, let go of its data, keep its memory for the next one.
 */
static void finish(mfi_batch_t *batch, mofka_status_t status, uint64_t first_id) {
    mofka_producer_t *producer = batch->lane->producer;
    const char *message = status ? mofka_last_error() : NULL;
    mofka_delivery_t delivery = delivery_after(&batch->out, status);
    mfi_stats_finished(&producer->stats, &batch->out, batch->opened_ns, status);
    mfi_outcome_t *outcomes = batch->outcomes;
    batch->outcomes = NULL;
    if (status) {
        mfi_keep_failure(producer, batch->futureless, batch->sequence, status, message);
        producer->unstored |= batch->futureless > 0;
    }
    mofka_result_t result = {.event_id = first_id, .partition = batch->lane->partition};
    for (mfi_outcome_t *o = outcomes; o; o = o->next)
        mfi_outcome_complete(o, status, message, delivery, &result);
    batch->futureless = 0;
    batch->lane->count--;
    if (outcomes || batch->view_count > 0) {
        pthread_mutex_unlock(&producer->lock);
        let_go(batch, outcomes);
        pthread_mutex_lock(&producer->lock);
    }
    batch->next = producer->spare;
    producer->spare = batch;
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
        finish(batch, status, first_id);
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
        finish(batch, discarded(producer), 0);
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
