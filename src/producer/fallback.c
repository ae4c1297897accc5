/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The last resort: what a producer cannot store goes to another producer.
 *
 *   a push that finds no room, of a producer that drops    goes there at once
 *   a batch that has failed, or was discarded              goes there when its data is released
 *
 * A thread of the user does this, so the driver's threads serve no other producer meanwhile. A
 * fallback has none itself, so its lock is taken without another one held, and there is no circle.
 */
#include <inttypes.h>
#include "base/log.h"
#include "producer/producer.h"

/* The fallback took `taken` events, and refused others, which are dropped. */
static void fallback_count(mofka_producer_t *producer, uint64_t taken, uint64_t dropped) {
    mfi_monitor_enter(&producer->lock);
    producer->stats.events_fallback += taken;
    producer->stats.events_dropped += dropped;
    mfi_monitor_leave(&producer->lock);
}

mofka_status_t mfi_fallback_push(mofka_producer_t *producer, const char *metadata, size_t bytes,
                                 mofka_data_view_t *data, mofka_future_t **future) {
    mofka_status_t status =
        mofka_producer_push(producer->fallback, metadata, bytes, data, MOFKA_ANY_PARTITION, future);
    fallback_count(producer, !status, status != MOFKA_OK);
    return status;
}

/* Push an event as it was serialized. */
static mofka_status_t fallback_take_event(const mofka_producer_t *producer, const char *stored,
                                          size_t bytes, mofka_data_view_t *data) {
    mofka_metadata_t *metadata;
    if (producer->stores_text)
        return mofka_producer_push(producer->fallback, stored, bytes, data, MOFKA_ANY_PARTITION,
                                   NULL);
    mofka_status_t status = mfi_serializer_read(producer->serializer, stored, bytes, &metadata);
    if (status)
        return status;
    const char *text = mofka_metadata_text(metadata, &bytes);
    status = mofka_producer_push(producer->fallback, text, bytes, data, MOFKA_ANY_PARTITION, NULL);
    mofka_metadata_release(metadata);
    return status;
}

/* The data of the next event. Views without bytes have no event of their own here. */
static mofka_data_view_t *fallback_next_view(const mfi_batch_t *batch, size_t *view) {
    while (*view < batch->view_count && mofka_data_view_size(batch->views[*view]) == 0)
        ++*view;
    assert(*view < batch->view_count);
    return batch->views[(*view)++];
}

void mfi_fallback_take(const mfi_batch_t *batch) {
    mofka_producer_t *producer = batch->lane->producer;
    const char *stored = batch->metadata;
    mofka_status_t first = MOFKA_OK;
    uint64_t taken = 0;
    for (size_t i = 0, view = 0; i < batch->out.event_count; i++) {
        const mofka_batch_event_t *event = &batch->events[i];
        mofka_data_view_t *data = event->data_bytes > 0 ? fallback_next_view(batch, &view) : NULL;
        mofka_status_t status = fallback_take_event(producer, stored, event->metadata_bytes, data);
        stored += event->metadata_bytes;
        taken += !status;
        first = first ? first : status;
    }
    fallback_count(producer, taken, 0); /* all of them count as failed */
    if (first)
        mfi_log(MOFKA_LOG_WARN,
                "producer '%s' of topic '%s': its fallback took %" PRIu64 " of %zu events: %s",
                producer->name, producer->topic->name, taken, batch->out.event_count,
                mofka_last_error());
}
