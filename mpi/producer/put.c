/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing a reserved batch into the owner's memory: payload, entries and stamp, then a flush. */
#include "mpi/producer/producer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Data segments whose mean size is at most this are packed. */
#define PACK_BYTES 16384

mofka_status_t mmi_put_prepare(mmi_sender_t *sender, size_t count) {
    if (sender->entry_room >= count)
        return MOFKA_OK;
    mmi_entry_t *more = realloc(sender->entries, count * sizeof *more);
    if (!more)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu entries", count);
    sender->entries = more;
    sender->entry_room = count;
    return MOFKA_OK;
}

/* In rma, one operation for each small segment costs more than copying all of them together. NULL:
 * put them one by one. */
static const char *put_pack(const mmi_partition_t *p, mmi_sender_t *sender,
                            const mofka_batch_t *batch) {
    if (p->w->ops->puts_are_cheap || batch->segment_count < 2 ||
        batch->data_bytes / batch->segment_count > PACK_BYTES)
        return NULL;
    if (sender->packed_room < batch->data_bytes) {
        free(sender->packed);
        sender->packed = malloc(batch->data_bytes);
        sender->packed_room = sender->packed ? batch->data_bytes : 0;
        if (!sender->packed)
            return NULL;
    }
    char *to = sender->packed;
    for (size_t i = 0; i < batch->segment_count; i++) {
        if (batch->segments[i].size > 0)
            memcpy(to, batch->segments[i].ptr, batch->segments[i].size);
        to += batch->segments[i].size;
    }
    assert(to == sender->packed + batch->data_bytes);
    return sender->packed;
}

static void put_payload(const mmi_partition_t *p, mmi_sender_t *sender, const mofka_batch_t *batch,
                        uint64_t position) {
    size_t bytes = batch->metadata_bytes + batch->data_bytes;
    const uint64_t end = position + bytes;
    const char *packed = put_pack(p, sender, batch);
    mmi_timed_t timed = mmi_pace_start(&sender->pace, p, bytes);
    mmi_put_t put = timed.way == MMI_PAST_CACHES ? p->w->ops->put_past_caches : p->w->ops->put;
    mmi_ring_put(p, put, position, batch->metadata, batch->metadata_bytes);
    position += batch->metadata_bytes;
    if (packed)
        mmi_ring_put(p, put, position, packed, batch->data_bytes);
    for (size_t i = 0; i < batch->segment_count && !packed; i++) {
        mmi_ring_put(p, put, position, batch->segments[i].ptr, batch->segments[i].size);
        position += batch->segments[i].size;
    }
    assert(packed || position == end);
    (void)end; /* without assertions */
    mmi_pace_stop(&sender->pace, timed, bytes);
}

static void put_entries(const mmi_partition_t *p, mmi_sender_t *sender,
                        const mofka_batch_t *batch) {
    mmi_place_t place = mmi_batch_place(batch);
    uint64_t metadata = place.units * MMI_UNIT_BYTES, data = metadata + batch->metadata_bytes;
    assert(batch->event_count <= sender->entry_room);
    for (size_t i = 0; i < batch->event_count; i++) {
        mmi_entry_t *entry = &sender->entries[i];
        *entry = (mmi_entry_t){.id_1 = place.events + i + 1,
                               .metadata = metadata,
                               .data = data,
                               .data_bytes = batch->events[i].data_bytes,
                               .metadata_bytes = (uint32_t)batch->events[i].metadata_bytes};
        entry->check = mmi_entry_check(entry);
        metadata += batch->events[i].metadata_bytes;
        data += batch->events[i].data_bytes;
    }
    assert(metadata == place.units * MMI_UNIT_BYTES + batch->metadata_bytes);
    assert(data == metadata + batch->data_bytes);
    mmi_entries_put(p, place.events, sender->entries, batch->event_count);
}

/* Whether this place was given out before, and used: the reservation went back. Where looking costs
 * a round trip, it is not looked for. */
static mofka_status_t put_check_slot(const mmi_partition_t *p, uint64_t id) {
    const uint64_t slot = p->entries + id % p->slots * sizeof(mmi_entry_t);
    mmi_entry_t entry;
    static_assert(offsetof(mmi_entry_t, id_1) == 0, "the first word");
    if (!p->w->ops->loads_are_cheap || p->w->ops->load(p->w, p->owner, slot) != id + 1)
        return MOFKA_OK;
    mmi_entries_get(p, id, &entry, 1);
    if (entry.check != mmi_entry_check(&entry))
        return MOFKA_OK;
    return mmi_word_damaged(p, "reservation", mmi_control_load(p, MMI_CONTROL(reservation)));
}

mofka_status_t mmi_put_batch(const mmi_partition_t *p, mmi_sender_t *sender, mofka_batch_t *batch,
                             bool with_state) {
    mmi_place_t place = mmi_batch_place(batch);
    assert(batch->metadata_bytes + batch->data_bytes <= p->ring_bytes);
    mofka_status_t status = put_check_slot(p, place.events);
    if (status)
        return status;
    put_payload(p, sender, batch, place.units * MMI_UNIT_BYTES);
    put_entries(p, sender, batch);
    /* The batch is readable once this is flushed and the flag is stored. */
    sender->stamp = batch->timed ? mmi_stamp_value(mmi_wall_ns()) : 0;
    mmi_stamp_put(p, place.events, &sender->stamp);
    if (with_state)
        mmi_state_get(p, sender->state);
    p->w->ops->nudge(p->w, p->owner);
    return p->w->ops->flush(p->w, p->owner);
}
