/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing the reserved batches of a group into the owner's memory: payload, entries and stamps,
 * then a flush.
 *
 * In rma, each put is an operation of MPI, which costs more than copying some KiB. So small pieces
 * of payload that follow each other are packed, and put at once.
 */
#include "mpi/producer/producer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Pieces of at most this are packed. */
#define PACK_BYTES 16384

/* ---- memory ---------------------------------------------------------------------------------- */

static mofka_status_t put_grow(void *list, size_t *room, size_t need, size_t item) {
    void **at = list;
    if (*room >= need)
        return MOFKA_OK;
    void *more = reallocarray(*at, need, item);
    if (!more)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu entries", need);
    *at = more;
    *room = need;
    return MOFKA_OK;
}

/* Bytes of the group's payload that may be packed, with the gaps between batches. */
static size_t put_packed_bytes(const mmi_group_t *group) {
    size_t bytes = 0;
    for (size_t i = 0; i < group->count; i++) {
        const mofka_batch_t *batch = group->batches[i];
        bytes += MMI_UNIT_BYTES + (batch->metadata_bytes <= PACK_BYTES ? batch->metadata_bytes : 0);
        for (size_t k = 0; k < batch->segment_count; k++)
            bytes += batch->segments[k].size <= PACK_BYTES ? batch->segments[k].size : 0;
    }
    return bytes;
}

bool mmi_group_is_small(const mmi_group_t *group) {
    if (group->count > MMI_EARLY_BATCHES)
        return false;
    for (size_t i = 0; i < group->count; i++)
        if (group->batches[i]->metadata_bytes + group->batches[i]->data_bytes > MMI_EARLY_BYTES)
            return false;
    return true;
}

/* Without memory, no group is early. Where no agent flushes settled flags later, neither is. */
static void put_prepare_settled(const mmi_partition_t *p, mmi_sender_t *sender) {
    if (p->checksums && p->w->agent && !sender->settled)
        sender->settled = malloc(MMI_EARLY_BATCHES * sizeof *sender->settled);
}

/* One piece alone is not worth packing. */
static bool put_is_worth_packing(const mmi_partition_t *p, const mmi_group_t *group) {
    return !p->w->ops->puts_are_cheap && (group->count > 1 || group->batches[0]->segment_count > 0);
}

mofka_status_t mmi_put_prepare(const mmi_partition_t *p, mmi_sender_t *sender,
                               const mmi_group_t *group) {
    mofka_status_t status = put_grow(&sender->entries, &sender->entry_room,
                                     (size_t)group->size.events, sizeof *sender->entries);
    if (!status && p->checksums)
        status = put_grow(&sender->sums, &sender->sum_room, (size_t)group->size.events,
                          sizeof *sender->sums);
    if (!status)
        status = put_grow(&sender->marks, &sender->mark_room, group->count, sizeof *sender->marks);
    put_prepare_settled(p, sender);
    sender->packs = !status && put_is_worth_packing(p, group) &&
                    !put_grow(&sender->packed, &sender->packed_room, put_packed_bytes(group), 1);
    return status;
}

/* ---- payload --------------------------------------------------------------------------------- */

/* Pieces that were packed, and are not put yet. */
typedef struct put_run {
    const mmi_partition_t *p;
    mmi_put_t put;
    uint64_t position; /* of the first */
    char *packed;      /* where it is */
    size_t bytes, room;
} put_run_t;

static void put_run_end(put_run_t *run) {
    if (run->bytes == 0)
        return;
    mmi_ring_put(run->p, run->put, run->position, run->packed, run->bytes);
    run->packed += run->bytes;
    run->room -= run->bytes;
    run->bytes = 0;
}

/* Copy a piece behind those of the run, or begin a run with it. */
static void put_run_add(put_run_t *run, uint64_t position, const void *source, size_t bytes) {
    uint64_t gap = run->bytes == 0 ? 0 : position - (run->position + run->bytes);
    if (gap >= MMI_UNIT_BYTES || run->bytes + gap + bytes > run->p->ring_bytes) {
        put_run_end(run);
        gap = 0;
    }
    if (run->bytes == 0)
        run->position = position;
    assert(run->bytes + gap + bytes <= run->room);
    memset(run->packed + run->bytes, 0, (size_t)gap);
    memcpy(run->packed + run->bytes + gap, source, bytes);
    run->bytes += (size_t)gap + bytes;
}

static void put_piece(put_run_t *run, uint64_t position, const void *source, size_t bytes) {
    if (bytes > 0 && bytes <= PACK_BYTES) {
        put_run_add(run, position, source, bytes);
        return;
    }
    put_run_end(run);
    mmi_ring_put(run->p, run->put, position, source, bytes);
}

static void put_batch_packed(put_run_t *run, const mofka_batch_t *batch) {
    uint64_t position = mmi_batch_place(batch).units * MMI_UNIT_BYTES;
    put_piece(run, position, batch->metadata, batch->metadata_bytes);
    position += batch->metadata_bytes;
    for (size_t i = 0; i < batch->segment_count; i++) {
        put_piece(run, position, batch->segments[i].ptr, batch->segments[i].size);
        position += batch->segments[i].size;
    }
}

static void put_packed(const mmi_partition_t *p, mmi_put_t put, mmi_sender_t *sender,
                       const mmi_group_t *group) {
    put_run_t run = {.p = p, .put = put, .packed = sender->packed, .room = sender->packed_room};
    for (size_t i = 0; i < group->count; i++)
        put_batch_packed(&run, group->batches[i]);
    put_run_end(&run);
}

void mmi_put_plain(const mmi_partition_t *p, mmi_put_t put, const mofka_batch_t *batch) {
    uint64_t position = mmi_batch_place(batch).units * MMI_UNIT_BYTES;
    const uint64_t end = position + batch->metadata_bytes + batch->data_bytes;
    mmi_ring_put(p, put, position, batch->metadata, batch->metadata_bytes);
    position += batch->metadata_bytes;
    for (size_t i = 0; i < batch->segment_count; i++) {
        mmi_ring_put(p, put, position, batch->segments[i].ptr, batch->segments[i].size);
        position += batch->segments[i].size;
    }
    assert(position == end);
    (void)end; /* without assertions */
}

static void put_payloads(const mmi_partition_t *p, mmi_sender_t *sender, const mmi_group_t *group) {
    size_t bytes = (size_t)group->size.units * MMI_UNIT_BYTES;
    mmi_timed_t timed = mmi_pace_start(&sender->pace, p, bytes);
    mmi_put_t put = timed.way == MMI_PAST_CACHES ? p->w->ops->put_past_caches : p->w->ops->put;
    if (sender->packs)
        put_packed(p, put, sender, group);
    for (size_t i = 0; i < group->count && !sender->packs; i++)
        mmi_put_plain(p, put, group->batches[i]);
    mmi_pace_stop(&sender->pace, timed, bytes);
}

/* ---- entries --------------------------------------------------------------------------------- */

void mmi_put_make_entries(const mofka_batch_t *batch, mmi_entry_t *entries) {
    mmi_place_t place = mmi_batch_place(batch);
    uint64_t id_1 = place.events + 1, metadata = place.units * MMI_UNIT_BYTES,
             data = metadata + batch->metadata_bytes,
             sum = mmi_entry_place_sum(id_1, metadata, data);
    for (size_t i = 0; i < batch->event_count; i++) {
        const mofka_batch_event_t event = batch->events[i];
        entries[i] =
            (mmi_entry_t){.id_1 = id_1++,
                          .metadata = metadata,
                          .data = data,
                          .data_bytes = event.data_bytes,
                          .metadata_bytes = (uint32_t)event.metadata_bytes,
                          .check = mmi_entry_check_of(sum, event.metadata_bytes, event.data_bytes)};
        assert(entries[i].check == mmi_entry_check(&entries[i]));
        metadata += event.metadata_bytes;
        data += event.data_bytes;
        sum += mmi_entry_place_sum(1, event.metadata_bytes, event.data_bytes);
    }
    assert(metadata == place.units * MMI_UNIT_BYTES + batch->metadata_bytes);
    assert(data == metadata + batch->data_bytes);
}

static void put_make_sums(const mmi_partition_t *p, const mofka_batch_t *batch, uint64_t *sums) {
    uint64_t id = mmi_batch_place(batch).events;
    const char *metadata = batch->metadata;
    mmi_segments_t data = {batch->segments, 0};
    for (size_t i = 0; i < batch->event_count; i++, id++) {
        const mofka_batch_event_t *event = &batch->events[i];
        uint32_t first = mmi_sum_bytes(p, id, MMI_SUM_METADATA, metadata, event->metadata_bytes);
        sums[i] =
            mmi_sum_word(first, mmi_sum_segments(p, id, MMI_SUM_DATA, &data, event->data_bytes));
        metadata += event->metadata_bytes;
    }
}

/* Where entries are made: in the window, if memory has addresses and they do not wrap there. */
static mmi_entry_t *put_entries_at(const mmi_partition_t *p, mmi_sender_t *sender, uint64_t first,
                                   size_t count) {
    if (!p->w->ops->has_addresses || first % p->slots + count > p->slots)
        return sender->entries;
    return (void *)mmi_window_address(p->w, p->owner, mmi_entry_offset(p, first));
}

/* The batches follow each other, and so do their entries and sums. */
static void put_entries(const mmi_partition_t *p, mmi_sender_t *sender, const mmi_group_t *group) {
    uint64_t first = mmi_batch_place(group->batches[0]).events;
    size_t count = 0;
    mmi_entry_t *entries = put_entries_at(p, sender, first, (size_t)group->size.events);
    for (size_t i = 0; i < group->count; i++) {
        assert(mmi_batch_place(group->batches[i]).events == first + count);
        mmi_put_make_entries(group->batches[i], entries + count);
        if (p->checksums)
            put_make_sums(p, group->batches[i], sender->sums + count);
        count += group->batches[i]->event_count;
    }
    assert(count == group->size.events && count <= sender->entry_room);
    if (entries == sender->entries)
        mmi_entries_put(p, first, entries, count);
    if (p->checksums)
        mmi_sums_put(p, first, sender->sums, count);
}

static void put_stamp(const mmi_partition_t *p, mmi_sender_t *sender, const mmi_group_t *group,
                      size_t i) {
    const mofka_batch_t *batch = group->batches[i];
    sender->marks[i].stamp = batch->timed ? mmi_stamp_value(mmi_wall_ns()) : 0;
    mmi_stamp_put(p, mmi_batch_place(batch).events, &sender->marks[i].stamp);
}

/* ---- groups ---------------------------------------------------------------------------------- */

/* The slot of `id` holds its id already. */
mofka_status_t mmi_put_fail_slot(const mmi_partition_t *p, uint64_t id) {
    mmi_entry_t entry;
    mmi_entries_get(p, id, &entry, 1);
    if (entry.check != mmi_entry_check(&entry))
        return MOFKA_OK;
    return mmi_word_damaged(p, "reservation", mmi_control_load(p, MMI_CONTROL(reservation)));
}

mofka_status_t mmi_put_start(const mmi_partition_t *p, mmi_sender_t *sender,
                             const mmi_group_t *group, bool with_state) {
    mofka_status_t status = mmi_put_check_slot(p, mmi_batch_place(group->batches[0]).events);
    if (status)
        return status;
    put_payloads(p, sender, group);
    put_entries(p, sender, group);
    for (size_t i = 0; i < group->count; i++)
        put_stamp(p, sender, group, i);
    /* The other batches are readable once this is flushed and their flags are stored. */
    if (mmi_group_is_early(p, sender, group))
        for (size_t i = 0; i < group->count; i++)
            mmi_commit_put_flag(p, group->batches[i], false, &sender->marks[i].flag);
    if (with_state)
        mmi_state_get(p, sender->state);
    mmi_window_nudge(p->w, p->owner);
    sender->unsettled = false; /* the flush of these puts completes that */
    return MOFKA_OK;
}
