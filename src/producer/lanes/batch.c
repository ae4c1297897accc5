/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Batches: opening, filling, sealing and finishing. The picture is in producer.h.
 * Path: push 5/7. Before: producer/lanes/lane.c. After: mpi/producer/append.c.
 */
#include "producer/producer.h"

#include <stdlib.h>
#include <string.h>
#include <mofka/backend.h>

void mfi_batch_destroy(mfi_batch_t *batch) {
    free(batch->events);
    free(batch->metadata);
    free(batch->segments);
    free(batch->views);
    free(batch);
}

mofka_status_t mfi_batch_open(mfi_lane_t *lane) {
    mofka_producer_t *producer = lane->producer;
    mfi_batch_t *batch = producer->spare;
    mfi_assert_inside(&producer->lock);
    assert(!lane->open && lane->count < producer->max_batches);
    if (batch)
        producer->spare = batch->next;
    else if (!(batch = calloc(1, sizeof *batch)))
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a batch");
    assert(!batch->outcomes && batch->view_count == 0 && batch->futureless == 0);
    assert(!batch->under_way);
    batch->next = NULL;
    batch->lane = lane;
    batch->out = (mofka_batch_t){0};
    batch->possibly_stored = batch->discard = batch->falls_back = batch->stored = false;
    lane->open = batch;
    lane->count++;
    producer->open_count++;
    return MOFKA_OK;
}

static bool batch_grow_list(void **list, size_t *room, size_t need, size_t item) {
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

static bool batch_grow_data(mfi_batch_t *b, size_t segments) {
    return batch_grow_list((void **)&b->segments, &b->segment_room, b->out.segment_count + segments,
                           sizeof *b->segments) &&
           batch_grow_list((void **)&b->views, &b->view_room, b->view_count + 1,
                           sizeof(mofka_data_view_t *));
}

/* Add the data, for which batch_grow_data has made room. */
static size_t batch_add_data(mfi_batch_t *b, mofka_data_view_t *data) {
    size_t count;
    const mofka_segment_t *segments = mofka_data_view_segments(data, &count);
    assert(b->out.segment_count + count <= b->segment_room && b->view_count < b->view_room);
    if (count > 0)
        memcpy(b->segments + b->out.segment_count, segments, count * sizeof *segments);
    b->views[b->view_count++] = mofka_data_view_retain(data);
    b->out.segment_count += count;
    size_t bytes = mofka_data_view_size(data);
    b->out.data_bytes += bytes;
    return bytes;
}

/* Futures of one outcome. Outcomes grow with the batch. One future that is kept keeps its whole
 * outcome, which is why they do not grow further. */
#define OUTCOME_ROOM_MIN 4
#define OUTCOME_ROOM_MAX 128

/* Make a place for one more future. */
static bool batch_grow_outcomes(mfi_lane_t *lane) {
    mfi_batch_t *b = lane->open;
    mfi_outcome_t *last = b->outcomes;
    if (last && last->left > 0)
        return true;
    size_t room = b->out.event_count, most = lane->events_cap - room;
    assert(room < lane->events_cap);
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
                             mofka_data_view_t *data, mofka_future_t **future, int64_t now_ms) {
    mfi_batch_t *b = lane->open;
    size_t segments = 0;
    assert(b->out.event_count < lane->events_cap);
    if (data)
        mofka_data_view_segments(data, &segments);
    if (!batch_grow_list((void **)&b->events, &b->event_room, b->out.event_count + 1,
                         sizeof *b->events) ||
        !batch_grow_list((void **)&b->metadata, &b->metadata_room,
                         b->out.metadata_bytes + metadata_bytes, 1) ||
        (data && !batch_grow_data(b, segments)) || (future && !batch_grow_outcomes(lane)))
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for one more event in a batch");
    if (b->out.event_count == 0) {
        b->sequence = ++lane->producer->sequence;
        b->opened_ms = now_ms;
        b->out.timed = mfi_stats_times_next(&lane->producer->stats);
        b->opened_ns = b->out.timed ? mfi_now_ns() : 0;
    }
    if (metadata_bytes > 0)
        memcpy(b->metadata + b->out.metadata_bytes, metadata, metadata_bytes);
    b->out.metadata_bytes += metadata_bytes;
    size_t data_bytes = data ? batch_add_data(b, data) : 0;
    if (future)
        *future = mfi_outcome_give(b->outcomes, b->out.event_count);
    else
        b->futureless++;
    b->events[b->out.event_count++] = (mofka_batch_event_t){metadata_bytes, data_bytes};
    return MOFKA_OK;
}

void mfi_batch_seal(mfi_lane_t *lane, mfi_seal_t why) {
    mfi_batch_t *batch = lane->open;
    mfi_assert_inside(&lane->producer->lock);
    if (!batch || batch->out.event_count == 0)
        return;
    mfi_stats_sealed(&lane->producer->stats, &batch->out, why);
    batch->out.events = batch->events;
    batch->out.metadata = batch->metadata;
    batch->out.segments = batch->segments;
    assert(!batch->next && batch->lane == lane && !lane->first == !lane->last);
    assert(batch->futureless <= batch->out.event_count);
    assert(batch->view_count <= batch->out.event_count);
    assert(!lane->last || lane->producer->ordering == MOFKA_ORDERING_LOOSE ||
           lane->last->sequence < batch->sequence);
    assert(lane->producer->open_count > 0);
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

static mofka_delivery_t batch_delivery_after(const mfi_batch_t *batch, mofka_status_t status) {
    const mofka_batch_t *out = &batch->out;
    if (!status)
        return out->durable ? MOFKA_DURABLE : MOFKA_STORED;
    if (batch->stored)
        return MOFKA_STORED;
    return out->reserved && status != MOFKA_ERR_COMPLETE ? MOFKA_POSSIBLY_STORED : MOFKA_NOT_STORED;
}

/* Without the lock: releasing runs callbacks, such as a data's free callback. */
static void batch_release_contents(mfi_batch_t *batch, mfi_outcome_t *outcome) {
    if (batch->falls_back)
        mfi_fallback_take(batch);
    while (outcome) {
        mfi_outcome_t *next = outcome->next;
        mfi_outcome_let_go(outcome);
        outcome = next;
    }
    for (size_t i = 0; i < batch->view_count; i++)
        mofka_data_view_release(batch->views[i]);
    batch->view_count = 0;
}

/* With the lock, releases it meanwhile. */
static void batch_release(mfi_batch_t *batch, mfi_outcome_t *outcomes) {
    mofka_producer_t *producer = batch->lane->producer;
    if (outcomes || batch->view_count > 0 || batch->falls_back) {
        mfi_caller_t caller;
        mfi_caller_begin(producer, &caller);
        mfi_monitor_leave(&producer->lock);
        batch_release_contents(batch, outcomes);
        mfi_monitor_enter(&producer->lock);
        mfi_caller_end(producer, &caller);
    }
    batch->next = producer->spare;
    producer->spare = batch;
}

/* Whether this is the driver's background thread, or one of the backend. */
static bool batch_is_in_background(const mfi_batch_t *batch) {
    const mofka_producer_t *producer = batch->lane->producer;
    return batch->lane->in_backend || (producer->timer && producer->timer != producer->pool &&
                                       mfi_thread_pool_is_own_worker(producer->timer));
}

void mfi_batch_finish(mfi_batch_t *batch, mofka_status_t status, uint64_t first_id) {
    mofka_producer_t *producer = batch->lane->producer;
    mfi_assert_inside(&producer->lock);
    assert(!batch->next && !batch->under_way && batch->lane->open != batch);
    assert(batch->lane->count > 0);
    const char *message = status ? mofka_last_error() : NULL;
    mofka_delivery_t delivery = batch_delivery_after(batch, status);
    mfi_stats_finished(&producer->stats, &batch->out, batch->opened_ns, status);
    mfi_outcome_t *outcomes = batch->outcomes;
    batch->outcomes = NULL;
    if (status) {
        mfi_failure_note(producer, batch->futureless, batch->sequence, status, message);
        if (batch->futureless > 0 && batch->sequence > producer->unstored_sequence)
            producer->unstored_sequence = batch->sequence;
    }
    mofka_result_t result = {.event_id = first_id, .partition = batch->lane->partition};
    for (mfi_outcome_t *o = outcomes; o; o = o->next)
        mfi_outcome_complete(o, status, message, delivery, &result);
    batch->futureless = 0;
    batch->lane->count--;
    batch->falls_back = status && producer->fallback;
    bool later = (batch->view_count > 0 || batch->falls_back) && batch_is_in_background(batch);
    if (later) {
        batch->outcomes = outcomes;
        mfi_batch_t **end = &producer->unreleased;
        while (*end)
            end = &(*end)->next;
        *end = batch;
        return;
    }
    if (batch->falls_back) /* behind those that failed before it */
        mfi_batches_release(producer);
    batch_release(batch, outcomes);
}

void mfi_batches_release(mofka_producer_t *producer) {
    mfi_assert_inside(&producer->lock);
    for (mfi_batch_t *batch; (batch = producer->unreleased);) {
        mfi_outcome_t *outcomes = batch->outcomes;
        producer->unreleased = batch->next;
        batch->next = NULL;
        batch->outcomes = NULL;
        batch_release(batch, outcomes);
    }
}
