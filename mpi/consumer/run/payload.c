/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The payload that a reader gets along with entries, where each read is a round trip.
 *
 * The chain says where the next batch begins, and the runs before say how long events are. So the
 * payload of small events comes with their entries, in one round trip, on the guess that the log
 * goes on so. Its data is kept with the run. What the guess did not cover is read for itself.
 *
 * Where the partition is this rank's own, nothing is guessed.
 *
 * Under a flag that is not settled, bytes may be on their way. There, all of an event is read and
 * compared with its sum before it counts.
 */
#include "mpi/consumer/consumer.h"

#include <stdlib.h>

mmi_payload_t *mmi_payload_create(void) {
    mmi_payload_t *payload = malloc(sizeof *payload);
    if (payload)
        payload->count = 0;
    return payload;
}

const char *mmi_payload_find(const mmi_reader_t *r, uint64_t position, size_t bytes) {
    const mmi_payload_t *payload = r->payload;
    if (!payload || position < payload->from || position - payload->from > payload->count ||
        bytes > payload->count - (position - payload->from))
        return NULL;
    return payload->bytes + (position - payload->from);
}

static void payload_get(mmi_reader_t *r, uint64_t from, size_t bytes, bool certain) {
    assert(bytes <= MMI_PAYLOAD_BYTES && bytes <= r->p->ring_bytes);
    r->payload->from = from;
    r->payload->count = bytes;
    r->payload->certain = certain;
    mmi_ring_get(r->p, from, r->payload->bytes, bytes);
}

/* What `count` events have, and some more. */
static size_t payload_estimate(size_t count, size_t each) {
    size_t bytes = count * each;
    return bytes + bytes / 4 + MMI_UNIT_BYTES;
}

void mmi_payload_get_more(mmi_reader_t *r, size_t count) {
    const uint64_t ring = r->p->ring_bytes;
    size_t most = ring < MMI_PAYLOAD_BYTES ? (size_t)ring : MMI_PAYLOAD_BYTES;
    size_t bytes = payload_estimate(count, r->event_payload);
    if (bytes > most) /* then the metadata of the first batch */
        bytes = payload_estimate(count, r->event_metadata);
    payload_get(r, r->chain.metadata, bytes < most ? bytes : most, !r->guessed);
}

/* The bytes from an event's metadata to the end of another one's data. */
static uint64_t payload_extent(const mmi_entry_t *first, const mmi_entry_t *last) {
    return last->data + last->data_bytes - first->metadata;
}

size_t mmi_payload_fit_early(const mmi_reader_t *r, size_t count) {
    const mmi_entry_t *e = r->entries;
    assert(r->next + count > r->settled_below);
    if (r->next < r->settled_below)
        return (size_t)(r->settled_below - r->next);
    while (count > 1 && payload_extent(e, e + count - 1) > MMI_PAYLOAD_BYTES)
        count--;
    return count;
}

mofka_status_t mmi_payload_get_all(mmi_reader_t *r, size_t count) {
    const mmi_entry_t *e = r->entries;
    bool must = r->next + count > r->settled_below;
    uint64_t bytes = payload_extent(e, e + count - 1);
    if (bytes > MMI_PAYLOAD_BYTES || mmi_payload_find(r, e->metadata, (size_t)bytes))
        return MOFKA_OK;
    /* Nobody wants the data, or it is at hand when it is wanted. */
    if (!must && (r->run_data_bytes == UINT64_MAX || !mmi_reader_guesses(r)))
        return MOFKA_OK;
    payload_get(r, e->metadata, (size_t)bytes, true);
    return r->p->w->ops->flush(r->p->w, r->p->owner);
}

void mmi_payload_learn(mmi_reader_t *r, size_t count, size_t metadata_bytes) {
    const mmi_entry_t *e = r->entries;
    r->event_payload = (size_t)(payload_extent(e, e + count - 1) / count) + 1;
    r->event_metadata = metadata_bytes / count + 1;
}

/* Whether the event's bytes are what its sum says, as far as that can be seen now. */
static bool payload_is_right(const mmi_reader_t *r, const mofka_fetched_event_t *event,
                             const mmi_entry_t *entry, uint64_t sum) {
    if (mmi_sum_bytes(r->p, event->id, MMI_SUM_METADATA, event->metadata, event->metadata_bytes) !=
        mmi_sum_half(sum, MMI_SUM_METADATA))
        return false;
    if (!mmi_payload_is_early(r, event->id))
        return true;
    const char *data = mmi_payload_find(r, entry->data, (size_t)entry->data_bytes);
    if (!data) /* it is read later */
        return event->id < r->settled_below;
    return mmi_sum_bytes(r->p, event->id, MMI_SUM_DATA, data, (size_t)entry->data_bytes) ==
           mmi_sum_half(sum, MMI_SUM_DATA);
}

size_t mmi_payload_check_sums(const mmi_reader_t *r, const mofka_run_t *run) {
    size_t i = 0;
    while (i < run->event_count &&
           (run->events[i].id < r->skip_below ||
            payload_is_right(r, &run->events[i], &r->entries[i], r->sums[i])))
        i++;
    return i;
}
