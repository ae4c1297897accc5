/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs of a log, and their data. */
#include "store/read/block.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void mfi_block_release(mfi_block_t *block) {
    if (!block || atomic_fetch_sub(&block->users, 1) > 1)
        return;
    mfi_segment_release(block->segment);
    free(block->entries);
    free(block->data);
    free(block->metadata);
    free(block);
}

static void block_fill(mfi_block_t *block, const mfi_read_t *read) {
    const char *from = read->metadata;
    char *to = block->bytes;
    uint64_t offset = read->data_offset;
    for (uint32_t i = 0; i < read->events; i++) {
        block->entries[i] = read->entries[i];
        block->data[i] = offset;
        block->metadata[i] = to;
        memcpy(to, from, read->entries[i].metadata_bytes);
        to[read->entries[i].metadata_bytes] = '\0';
        from += read->entries[i].metadata_bytes;
        to += read->entries[i].metadata_bytes + 1;
        offset += read->entries[i].data_bytes;
    }
}

mofka_status_t mfi_block_create(const mfi_read_t *read, mfi_block_t **out) {
    assert(read->events > 0 && read->kind == MFI_FRAME_BATCH);
    size_t bytes = read->events;
    for (uint32_t i = 0; i < read->events; i++)
        bytes += read->entries[i].metadata_bytes;
    mfi_block_t *block = calloc(1, sizeof *block + bytes);
    if (block) {
        atomic_init(&block->users, 1);
        block->segment = mfi_segment_retain(read->segment);
        block->first_id = read->first_id;
        block->events = read->events;
        block->stamp = read->stamp;
        block->verified = read->verified;
        block->entries = calloc(read->events, sizeof *block->entries);
        block->data = calloc(read->events, sizeof *block->data);
        block->metadata = calloc(read->events, sizeof *block->metadata);
    }
    if (!block || !block->entries || !block->data || !block->metadata) {
        mfi_block_release(block);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a batch of %" PRIu32 " events",
                          read->events);
    }
    block_fill(block, read);
    *out = block;
    return MOFKA_OK;
}

mofka_status_t mfi_block_make_run(mfi_block_t *block, uint32_t at, size_t events_max,
                                  size_t partition, mofka_run_t **out) {
    assert(at < block->events);
    size_t count = block->events - at;
    count = count < events_max ? count : events_max;
    mofka_run_t *run = malloc(sizeof *run + count * sizeof *run->events);
    if (!run)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a run of %zu events", count);
    *run = (mofka_run_t){.partition = partition,
                         .event_count = count,
                         .events = (mofka_fetched_event_t *)(run + 1),
                         .stored_ns = block->stamp,
                         .backend = block};
    for (size_t i = 0; i < count; i++)
        run->events[i] =
            (mofka_fetched_event_t){.id = block->first_id + at + i,
                                    .metadata = block->metadata[at + i],
                                    .metadata_bytes = block->entries[at + i].metadata_bytes,
                                    .data_bytes = (size_t)block->entries[at + i].data_bytes,
                                    .data_position = at + i,
                                    .verified = true};
    atomic_fetch_add(&block->users, 1);
    *out = run;
    return MOFKA_OK;
}

void mfi_block_release_run(mofka_run_t *run) {
    mfi_block_release(run->backend);
    free(run);
}

/* ---- data ------------------------------------------------------------------------------------ */

static size_t ranges_bytes(const mofka_range_t *ranges, size_t range_count) {
    size_t bytes = 0;
    for (size_t i = 0; i < range_count; i++)
        bytes += ranges[i].size;
    return bytes;
}

/* Read ranges of an event's data, one after the other. Damage is noted in the event. */
static mofka_status_t block_read_data(mofka_run_t *run, size_t index, const mofka_range_t *ranges,
                                      size_t range_count, char *to) {
    const mfi_block_t *block = run->backend;
    mofka_fetched_event_t *event = &run->events[index];
    size_t at = (size_t)event->data_position;
    mofka_status_t status =
        mfi_segment_read_data(block->segment, event->id, block->data[at], &block->entries[at],
                              ranges, range_count, to, &event->verified);
    event->data_damaged = status == MOFKA_ERR_CORRUPT;
    event->verified = event->verified || block->verified;
    return event->data_damaged ? MOFKA_OK : status;
}

mofka_status_t mfi_block_get_data(mofka_run_t *run, size_t index, const mofka_range_t *ranges,
                                  size_t range_count, mofka_data_view_t *view) {
    size_t bytes = ranges_bytes(ranges, range_count);
    char *copy = malloc(bytes + 1);
    if (!copy)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu bytes of data", bytes);
    mofka_status_t status = block_read_data(run, index, ranges, range_count, copy);
    if (!status && !run->events[index].data_damaged)
        mofka_data_view_write(view, copy, bytes, 0);
    free(copy);
    return status;
}

/* The bytes are the caller's own, so they stay as long as it wants. */
mofka_status_t mfi_block_view_data(mofka_run_t *run, size_t index, const mofka_range_t *ranges,
                                   size_t range_count, mofka_data_view_t **view) {
    size_t bytes = ranges_bytes(ranges, range_count), count;
    mofka_data_view_t *made;
    mofka_status_t status = mofka_data_view_allocate(bytes, &made);
    if (status)
        return status;
    const mofka_segment_t *segments = mofka_data_view_segments(made, &count);
    if (bytes > 0)
        status = block_read_data(run, index, ranges, range_count, segments[0].ptr);
    if (status)
        mofka_data_view_release(made);
    else
        *view = made;
    return status;
}
