/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes the frames of batches. Metadata and data are written from where they are; only headers,
 * entries and checks are put together here. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "store/write/writing.h"

static const char zeros[MFI_FRAME_BYTES];

static size_t sizes_add(const mofka_segment_t *pieces, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += pieces[i].size;
    return bytes;
}

static void batch_sizes(const mfi_append_t *batch, uint64_t *metadata, uint64_t *data) {
    *metadata = 0, *data = 0;
    for (uint32_t i = 0; i < batch->events && batch->kind == MFI_FRAME_BATCH; i++) {
        *metadata += batch->sizes[i].metadata_bytes;
        *data += batch->sizes[i].data_bytes;
    }
}

static mfi_frame_header_t batch_header(const mfi_append_t *batch) {
    mfi_frame_header_t h = {.magic = MFI_FRAME_MAGIC,
                            .version = MFI_FORMAT_VERSION,
                            .kind = (uint16_t)batch->kind,
                            .first_id = batch->first_id,
                            .events = batch->events,
                            .stamp = batch->stamp,
                            .mark = batch->producer};
    if (batch->kind == MFI_FRAME_BATCH)
        h.entries = batch->events * (uint32_t)sizeof(mfi_entry_t);
    batch_sizes(batch, &h.metadata_bytes, &h.data_bytes);
    return h;
}

uint64_t mfi_build_bytes(const mfi_append_t *batch) {
    mfi_frame_header_t header = batch_header(batch);
    return mfi_frame_whole_bytes(&header);
}

mofka_status_t mfi_build_check(const mfi_append_t *batch) {
    uint64_t metadata, data;
    bool takes_ids = batch->kind == MFI_FRAME_BATCH || batch->kind == MFI_FRAME_VOID ||
                     batch->kind == MFI_FRAME_DAMAGED;
    if (!takes_ids || batch->events == 0 ||
        (batch->kind == MFI_FRAME_BATCH && batch->events > MFI_FRAME_EVENTS_MAX))
        return mofka_fail(MOFKA_ERR_INVALID, "a batch of kind %d has %u events", (int)batch->kind,
                          (unsigned)batch->events);
    for (uint32_t i = 0; i < batch->events && batch->kind == MFI_FRAME_BATCH; i++)
        if (batch->sizes[i].metadata_bytes > UINT32_MAX)
            return mofka_fail(MOFKA_ERR_TOO_LARGE,
                              "event %llu has %zu bytes of metadata; a store takes %u at most",
                              (unsigned long long)batch->first_id + i,
                              batch->sizes[i].metadata_bytes, UINT32_MAX);
    batch_sizes(batch, &metadata, &data);
    if (batch->kind == MFI_FRAME_BATCH &&
        (metadata != sizes_add(batch->metadata, batch->metadata_count) ||
         data != sizes_add(batch->data, batch->data_count) || data > MFI_FRAME_DATA_MAX))
        return mofka_fail(MOFKA_ERR_INVALID,
                          "the batch of event %llu is not as long as its sizes say",
                          (unsigned long long)batch->first_id);
    return MOFKA_OK;
}

/* ---- memory ---------------------------------------------------------------------------------- */

mofka_status_t mfi_build_begin(mfi_build_t *build, const mfi_append_t *batches, size_t count) {
    size_t bytes = 0, parts = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += MFI_FRAME_BYTES + batches[i].events * sizeof(mfi_entry_t) + sizeof(uint64_t);
        parts += 3 + batches[i].metadata_count + batches[i].data_count;
    }
    build->used = build->part_count = 0;
    build->file_bytes = 0;
    if (!build->check)
        build->check = mfi_check_create();
    if (bytes > build->room) {
        free(build->bytes);
        build->bytes = malloc(bytes);
        build->room = build->bytes ? bytes : 0;
    }
    if (parts > build->part_room) {
        free(build->parts);
        build->parts = calloc(parts, sizeof *build->parts);
        build->part_room = build->parts ? parts : 0;
    }
    if (!build->check || bytes > build->room || parts > build->part_room)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to write %zu batches", count);
    return MOFKA_OK;
}

void mfi_build_clear(mfi_build_t *build) {
    mfi_check_destroy(build->check);
    free(build->bytes);
    free(build->parts);
    *build = (mfi_build_t){0};
}

static char *build_take(mfi_build_t *build, size_t bytes) {
    char *taken = build->bytes + build->used;
    build->used += bytes;
    assert(build->used <= build->room);
    return taken;
}

static void build_add_part(mfi_build_t *build, const void *bytes, size_t size) {
    if (size == 0)
        return;
    assert(build->part_count < build->part_room);
    build->parts[build->part_count++] =
        (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* The check of the next bytes of data; the place in the pieces moves on. */
static uint32_t data_check(mfi_build_t *build, const mofka_segment_t **piece, size_t *used,
                           size_t bytes, uint64_t seed) {
    while (*used == (*piece)->size)
        ++*piece, *used = 0;
    const char *at = (const char *)(*piece)->ptr + *used;
    if (bytes <= (*piece)->size - *used) {
        *used += bytes;
        return (uint32_t)mfi_check_bytes(at, bytes, seed);
    }
    mfi_check_begin(build->check, seed);
    while (bytes > 0) {
        while (*used == (*piece)->size)
            ++*piece, *used = 0;
        size_t left = (*piece)->size - *used, now = bytes < left ? bytes : left;
        mfi_check_add(build->check, (const char *)(*piece)->ptr + *used, now);
        *used += now;
        bytes -= now;
    }
    return (uint32_t)mfi_check_value(build->check);
}

static void entries_fill(mfi_build_t *build, const mfi_append_t *batch, uint64_t seed,
                         mfi_entry_t *entries) {
    const mofka_segment_t *piece = batch->data;
    size_t used = 0;
    for (uint32_t i = 0; i < batch->events; i++) {
        size_t bytes = batch->sizes[i].data_bytes;
        entries[i] = (mfi_entry_t){.data_bytes = bytes,
                                   .metadata_bytes = (uint32_t)batch->sizes[i].metadata_bytes};
        if (bytes > 0)
            entries[i].data_check = data_check(build, &piece, &used, bytes,
                                               mfi_seed_of_data(seed, batch->first_id + i));
    }
}

static void build_add_body(mfi_build_t *build, const mfi_append_t *batch, uint64_t seed,
                           uint64_t offset, mfi_entry_t *entries) {
    size_t entry_bytes = batch->events * sizeof *entries;
    entries_fill(build, batch, seed, entries);
    mfi_check_begin(build->check, mfi_seed_at(seed, offset + 1));
    mfi_check_add(build->check, entries, entry_bytes);
    for (size_t i = 0; i < batch->metadata_count; i++) {
        mfi_check_add(build->check, batch->metadata[i].ptr, batch->metadata[i].size);
        build_add_part(build, batch->metadata[i].ptr, batch->metadata[i].size);
    }
    uint64_t check = mfi_check_value(build->check);
    build_add_part(build, memcpy(build_take(build, sizeof check), &check, sizeof check),
                   sizeof check);
    for (size_t i = 0; i < batch->data_count; i++)
        build_add_part(build, batch->data[i].ptr, batch->data[i].size);
}

static void header_seal(mfi_frame_header_t *h, uint64_t seed, uint64_t offset) {
    h->check = mfi_check_bytes(h, offsetof(mfi_frame_header_t, check), mfi_seed_at(seed, offset));
}

void mfi_build_add(mfi_build_t *build, const mfi_append_t *batch, uint64_t seed, uint64_t offset) {
    mfi_frame_header_t header = batch_header(batch);
    uint64_t bytes = mfi_frame_whole_bytes(&header), used = mfi_frame_head_bytes(&header);
    header_seal(&header, seed, offset);
    char *front = build_take(build, sizeof header + header.entries);
    memcpy(front, &header, sizeof header);
    build_add_part(build, front, sizeof header + header.entries);
    if (batch->kind == MFI_FRAME_BATCH) {
        build_add_body(build, batch, seed, offset, (mfi_entry_t *)(void *)(front + sizeof header));
        used += header.data_bytes;
    }
    build_add_part(build, zeros, (size_t)(bytes - used));
    build->file_bytes += bytes;
}

mfi_frame_header_t mfi_build_mark(mfi_frame_kind_t kind, uint64_t first_id, uint64_t mark,
                                  uint64_t seed, uint64_t offset) {
    mfi_frame_header_t h = {.magic = MFI_FRAME_MAGIC,
                            .version = MFI_FORMAT_VERSION,
                            .kind = (uint16_t)kind,
                            .first_id = first_id,
                            .mark = mark};
    header_seal(&h, seed, offset);
    return h;
}
