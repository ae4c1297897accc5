/* SPDX-License-Identifier: BSD-3-Clause */
/* One segment, read: its frames in order, and the data of its events. */
#include "store/log/segment.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* A window is so long, or as the frame in it needs. */
#define WINDOW_BYTES ((size_t)256 << 10)
/* What is checked in one piece. */
#define PIECE_BYTES ((size_t)256 << 10)

mofka_status_t mfi_segment_open(const mfi_log_t *log, uint64_t life, uint64_t first_id,
                                mfi_segment_t **segment) {
    char path[MFI_PATH_BYTES_MAX];
    mofka_status_t status = mfi_part_path(log, life, first_id, ".log", path);
    if (status)
        return status;
    int fd = log->io.ops->open(log->io.self, path, O_RDONLY);
    if (fd < 0)
        return mfi_io_fail(fd, "open", path);
    mfi_segment_t *made = calloc(1, sizeof *made);
    if (!made) {
        log->io.ops->close(log->io.self, fd);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to open %s", path);
    }
    made->log = log;
    made->io = log->io;
    made->fd = fd;
    made->life = life;
    made->first_id = first_id;
    made->seed = mfi_segment_seed(log, life, first_id);
    atomic_init(&made->users, 1);
    *segment = made;
    return MOFKA_OK;
}

mfi_segment_t *mfi_segment_retain(mfi_segment_t *segment) {
    unsigned before = atomic_fetch_add(&segment->users, 1);
    assert(before > 0);
    (void)before;
    return segment;
}

void mfi_segment_release(mfi_segment_t *segment) {
    if (!segment || atomic_fetch_sub(&segment->users, 1) > 1)
        return;
    segment->io.ops->close(segment->io.self, segment->fd);
    free(segment->window);
    free(segment);
}

static mofka_status_t segment_fail(const mfi_segment_t *segment, int error) {
    char path[MFI_PATH_BYTES_MAX];
    mofka_status_t status =
        mfi_part_path(segment->log, segment->life, segment->first_id, ".log", path);
    return status ? status : mfi_io_fail(error, "read", path);
}

/* ---- the window ------------------------------------------------------------------------------ */

static bool window_has(const mfi_segment_t *segment, uint64_t offset, uint64_t bytes) {
    return offset >= segment->window_offset && bytes <= segment->window_bytes &&
           offset - segment->window_offset <= segment->window_bytes - bytes;
}

static mofka_status_t window_grow(mfi_segment_t *segment, size_t bytes) {
    if (bytes <= segment->window_room)
        return MOFKA_OK;
    char *window = malloc(bytes);
    if (!window)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu bytes of a segment", bytes);
    free(segment->window);
    segment->window = window;
    segment->window_room = bytes;
    segment->window_bytes = 0;
    return MOFKA_OK;
}

/* Whether the file is long enough: asked before memory is taken for a long frame. */
static mofka_status_t segment_reaches(const mfi_segment_t *segment, uint64_t end, bool *reaches) {
    uint64_t size = 0;
    int error = segment->io.ops->size(segment->io.self, segment->fd, &size);
    *reaches = end <= size;
    return error ? segment_fail(segment, error) : MOFKA_OK;
}

/* Bring bytes of the file into the window. `*there` is false: the file ends before. */
static mofka_status_t window_fill(mfi_segment_t *segment, uint64_t offset, uint64_t bytes,
                                  bool *there) {
    *there = window_has(segment, offset, bytes);
    if (*there)
        return MOFKA_OK;
    size_t room = WINDOW_BYTES;
    if (bytes > room) {
        mofka_status_t status = segment_reaches(segment, offset + bytes, there);
        if (status || !*there)
            return status;
        room = (size_t)bytes;
    }
    mofka_status_t status = window_grow(segment, room);
    if (status)
        return status;
    segment->window_offset = offset;
    int error = mfi_io_read(&segment->io, segment->fd, segment->window, room, offset,
                            &segment->window_bytes);
    if (error) {
        segment->window_bytes = 0;
        return segment_fail(segment, error);
    }
    *there = window_has(segment, offset, bytes);
    return MOFKA_OK;
}

static const char *window_at(const mfi_segment_t *segment, uint64_t offset) {
    assert(offset >= segment->window_offset);
    return segment->window + (offset - segment->window_offset);
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* Whether numbers are possible; a file can be made by anybody. */
static bool frame_is_possible(const mfi_frame_header_t *h) {
    bool takes_ids =
        h->kind == MFI_FRAME_BATCH || h->kind == MFI_FRAME_VOID || h->kind == MFI_FRAME_DAMAGED;
    if (h->kind < MFI_FRAME_LIFE || h->kind >= MFI_FRAME_KINDS || h->first_id > MFI_ID_MAX ||
        takes_ids != (h->events > 0))
        return false;
    if (h->kind != MFI_FRAME_BATCH)
        return h->entries == 0 && h->metadata_bytes == 0 && h->data_bytes == 0;
    return h->events <= MFI_FRAME_EVENTS_MAX && h->entries == h->events * sizeof(mfi_entry_t) &&
           h->metadata_bytes <= MFI_FRAME_DATA_MAX && h->data_bytes <= MFI_FRAME_DATA_MAX;
}

static bool frame_header_is_right(const mfi_frame_header_t *h, uint64_t seed, uint64_t offset) {
    return h->magic == MFI_FRAME_MAGIC && h->version == MFI_FORMAT_VERSION &&
           h->check ==
               mfi_check_bytes(h, offsetof(mfi_frame_header_t, check), mfi_seed_at(seed, offset)) &&
           frame_is_possible(h);
}

/* The sums of the entries are those of the header. */
static bool frame_adds_up(const mfi_frame_t *frame) {
    uint64_t metadata = 0, data = 0;
    for (uint32_t i = 0; i < frame->header.events; i++) {
        metadata += frame->entries[i].metadata_bytes;
        if (frame->entries[i].data_bytes > frame->header.data_bytes - data)
            return false; /* a sum that overflows could be right */
        data += frame->entries[i].data_bytes;
    }
    return metadata == frame->header.metadata_bytes && data == frame->header.data_bytes;
}

/* Read entries and metadata, and check them. */
static mofka_status_t frame_read_head(mfi_segment_t *segment, mfi_frame_t *frame, bool *whole) {
    uint64_t bytes = mfi_frame_head_bytes(&frame->header), expected;
    mofka_status_t status = window_fill(segment, frame->offset, bytes, whole);
    if (status || !*whole)
        return status;
    size_t size = (size_t)(bytes - MFI_FRAME_BYTES - sizeof expected);
    const char *body = window_at(segment, frame->offset) + MFI_FRAME_BYTES;
    memcpy(&expected, body + size, sizeof expected);
    frame->entries = (const mfi_entry_t *)(const void *)body;
    frame->metadata = body + frame->header.entries;
    *whole =
        mfi_check_bytes(body, size, mfi_seed_at(segment->seed, frame->offset + 1)) == expected &&
        frame_adds_up(frame);
    return MOFKA_OK;
}

/* Add bytes of the file to a check; by way of `piece`. `*whole` is false: the file ends before. */
static mofka_status_t data_check_add(const mfi_segment_t *segment, uint64_t offset, uint64_t bytes,
                                     char *piece, mfi_check_state_t *state, bool *whole) {
    *whole = true;
    while (bytes > 0 && *whole) {
        size_t got, now = bytes < PIECE_BYTES ? (size_t)bytes : PIECE_BYTES;
        int error = mfi_io_read(&segment->io, segment->fd, piece, now, offset, &got);
        if (error)
            return segment_fail(segment, error);
        mfi_check_add(state, piece, got);
        *whole = got == now;
        offset += now;
        bytes -= now;
    }
    return MOFKA_OK;
}

static mofka_status_t frame_check_pieces(const mfi_segment_t *segment, const mfi_frame_t *frame,
                                         char *piece, mfi_check_state_t *state, bool *whole) {
    uint64_t offset = frame->data_offset;
    mofka_status_t status = MOFKA_OK;
    *whole = true;
    for (uint32_t i = 0; i < frame->header.events && !status && *whole; i++) {
        const mfi_entry_t *entry = &frame->entries[i];
        if (entry->data_bytes == 0) {
            *whole = entry->data_check == 0;
            continue;
        }
        mfi_check_begin(state, mfi_seed_of_data(segment->seed, frame->header.first_id + i));
        status = data_check_add(segment, offset, entry->data_bytes, piece, state, whole);
        *whole = *whole && (uint32_t)mfi_check_value(state) == entry->data_check;
        offset += entry->data_bytes;
    }
    return status;
}

/* Check the data of a long frame. */
static mofka_status_t frame_check_long(const mfi_segment_t *segment, const mfi_frame_t *frame,
                                       bool *whole) {
    char *piece = malloc(PIECE_BYTES);
    mfi_check_state_t *state = mfi_check_create();
    mofka_status_t status = piece && state
                                ? frame_check_pieces(segment, frame, piece, state, whole)
                                : mofka_fail(MOFKA_ERR_MEMORY, "no memory to check a frame");
    mfi_check_destroy(state);
    free(piece);
    return status;
}

/* Check the data of a frame that is in the window. */
static bool frame_check_short(const mfi_segment_t *segment, const mfi_frame_t *frame) {
    const char *data = window_at(segment, frame->data_offset);
    for (uint32_t i = 0; i < frame->header.events; i++) {
        size_t bytes = (size_t)frame->entries[i].data_bytes;
        uint64_t seed = mfi_seed_of_data(segment->seed, frame->header.first_id + i);
        uint32_t check = bytes > 0 ? (uint32_t)mfi_check_bytes(data, bytes, seed) : 0;
        if (check != frame->entries[i].data_check)
            return false;
        data += bytes;
    }
    return true;
}

static mofka_status_t frame_read(mfi_segment_t *segment, uint64_t offset, mfi_frame_depth_t depth,
                                 mfi_frame_t *frame, bool *whole) {
    mofka_status_t status = window_fill(segment, offset, MFI_FRAME_BYTES, whole);
    if (status || !*whole)
        return status;
    memset(frame, 0, sizeof *frame);
    memcpy(&frame->header, window_at(segment, offset), MFI_FRAME_BYTES);
    *whole = frame_header_is_right(&frame->header, segment->seed, offset);
    if (!*whole)
        return MOFKA_OK;
    frame->offset = offset;
    frame->end = offset + mfi_frame_whole_bytes(&frame->header);
    frame->data_offset = offset + mfi_frame_head_bytes(&frame->header);
    if (depth == MFI_DEPTH_HEADER || frame->header.kind != MFI_FRAME_BATCH)
        return MOFKA_OK;
    /* With the zeros at its end: a write that failed before them has not stored the batch. */
    uint64_t bytes = frame->end - offset;
    bool in_window = depth == MFI_DEPTH_ALL && bytes <= WINDOW_BYTES;
    if (in_window)
        status = window_fill(segment, offset, bytes, whole);
    if (!status && *whole)
        status = frame_read_head(segment, frame, whole);
    if (!status && *whole && !window_has(segment, offset, bytes))
        status = segment_reaches(segment, frame->end, whole);
    if (status || !*whole || depth == MFI_DEPTH_HEAD)
        return status;
    if (!in_window)
        return frame_check_long(segment, frame, whole);
    *whole = frame_check_short(segment, frame);
    return MOFKA_OK;
}

mofka_status_t mfi_segment_read(mfi_segment_t *segment, uint64_t offset, mfi_frame_depth_t depth,
                                mfi_frame_t *frame, bool *whole) {
    assert(offset % MFI_FRAME_BYTES == 0 && offset >= MFI_SEGMENT_HEADER_BYTES);
    mofka_status_t status = frame_read(segment, offset, depth, frame, whole);
    if (status || *whole)
        return status;
    /* The window may be older than the frame. */
    segment->window_bytes = 0;
    return frame_read(segment, offset, depth, frame, whole);
}

mofka_status_t mfi_segment_resync(mfi_segment_t *segment, uint64_t offset, mfi_frame_t *frame,
                                  bool *whole) {
    for (;; offset += MFI_FRAME_BYTES) {
        bool there;
        mofka_status_t status = window_fill(segment, offset, MFI_FRAME_BYTES, &there);
        *whole = false;
        if (status || !there)
            return status;
        uint32_t magic;
        memcpy(&magic, window_at(segment, offset), sizeof magic);
        if (magic != MFI_FRAME_MAGIC)
            continue;
        status = frame_read(segment, offset, MFI_DEPTH_ALL, frame, whole);
        if (status || (*whole && frame->header.kind != MFI_FRAME_SYNCED))
            return status;
    }
}

mofka_status_t mfi_segment_find_synced(mfi_segment_t *segment, uint64_t offset, uint64_t *synced,
                                       uint64_t *end) {
    segment->window_bytes = 0;
    for (;;) {
        bool there, whole;
        mfi_frame_t frame;
        mofka_status_t status = window_fill(segment, offset, MFI_FRAME_BYTES, &there);
        if (status || !there)
            return status;
        status = frame_read(segment, offset, MFI_DEPTH_HEADER, &frame, &whole);
        if (status)
            return status;
        if (whole && frame.header.kind == MFI_FRAME_SYNCED && frame.header.first_id > *synced) {
            *synced = frame.header.first_id;
            *end = frame.end;
        }
        offset = whole ? frame.end : offset + MFI_FRAME_BYTES;
    }
}

/* ---- data ------------------------------------------------------------------------------------ */

static mofka_status_t data_read_range(const mfi_segment_t *segment, uint64_t offset, char *to,
                                      size_t bytes, bool *there) {
    size_t got;
    int error = mfi_io_read(&segment->io, segment->fd, to, bytes, offset, &got);
    *there = got == bytes;
    return error ? segment_fail(segment, error) : MOFKA_OK;
}

static mofka_status_t data_fail(const mfi_segment_t *segment, uint64_t id, uint64_t offset) {
    char path[MFI_PATH_BYTES_MAX];
    mofka_status_t status =
        mfi_part_path(segment->log, segment->life, segment->first_id, ".log", path);
    return status ? status
                  : mofka_fail(MOFKA_ERR_CORRUPT,
                               "%s: the data of event %llu, from byte %llu on, is damaged", path,
                               (unsigned long long)id, (unsigned long long)offset);
}

mofka_status_t mfi_segment_read_data(mfi_segment_t *segment, uint64_t id, uint64_t offset,
                                     const mfi_entry_t *entry, const mofka_range_t *ranges,
                                     size_t range_count, char *to, bool *verified) {
    char *at = to;
    for (size_t i = 0; i < range_count; i++) {
        bool there;
        assert(ranges[i].offset + ranges[i].size <= entry->data_bytes);
        mofka_status_t status =
            data_read_range(segment, offset + ranges[i].offset, at, ranges[i].size, &there);
        if (status)
            return status;
        if (!there)
            return data_fail(segment, id, offset);
        at += ranges[i].size;
    }
    *verified = range_count == 1 && ranges[0].size == entry->data_bytes;
    if (*verified && entry->data_bytes > 0 &&
        (uint32_t)mfi_check_bytes(to, (size_t)entry->data_bytes,
                                  mfi_seed_of_data(segment->seed, id)) != entry->data_check)
        return data_fail(segment, id, offset);
    return MOFKA_OK;
}
