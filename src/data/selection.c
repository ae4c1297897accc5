/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maps selections to ranges of the whole data.
 *
 * A selection selects pieces of the bytes that the selections below it have left. Those bytes are a
 * list of ranges. Both the pieces and the ranges ascend, so one walk along the ranges serves all
 * pieces.
 */
#include "data/selection.h"

#include <assert.h>
#include <stdlib.h>

mofka_status_t mfi_ranges_make_room(mfi_ranges_t *ranges, size_t first) {
    assert(ranges->count <= ranges->room);
    if (ranges->count < ranges->room)
        return MOFKA_OK;
    size_t room = ranges->room ? 2 * ranges->room : first;
    mofka_range_t *more = reallocarray(ranges->list, room, sizeof *more);
    if (!more)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu ranges", room);
    ranges->list = more;
    ranges->room = room;
    return MOFKA_OK;
}

mofka_status_t mfi_ranges_append(mfi_ranges_t *ranges, size_t offset, size_t size) {
    if (size == 0)
        return MOFKA_OK;
    mofka_range_t *last = ranges->count ? &ranges->list[ranges->count - 1] : NULL;
    assert(!last || offset >= last->offset + last->size);
    if (last && last->offset + last->size == offset) {
        last->size += size;
        return MOFKA_OK;
    }
    mofka_status_t status = mfi_ranges_make_room(ranges, 8);
    if (!status)
        ranges->list[ranges->count++] = (mofka_range_t){offset, size};
    return status;
}

mofka_status_t mfi_selection_check_ranges(const mofka_range_t *ranges, size_t count, size_t limit,
                                          size_t *size) {
    size_t at = 0;
    *size = 0;
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].offset > limit || ranges[i].size > limit - ranges[i].offset)
            return mofka_fail(MOFKA_ERR_RANGE, "range %zu: %zu bytes from %zu, of %zu bytes", i,
                              ranges[i].size, ranges[i].offset, limit);
        if (ranges[i].offset < at)
            return mofka_fail(MOFKA_ERR_INVALID,
                              "range %zu starts at %zu, before the end of the last", i,
                              ranges[i].offset);
        at = ranges[i].offset + ranges[i].size;
        *size += ranges[i].size;
    }
    assert(*size <= limit);
    return MOFKA_OK;
}

/* A place on the walk along the ranges below: in range `index`. */
typedef struct range_walk {
    const mfi_ranges_t *below;
    size_t index;
    size_t start; /* sum of the sizes of the ranges before it */
} range_walk_t;

static mofka_status_t selection_map_piece(range_walk_t *walk, size_t offset, size_t size,
                                          mfi_ranges_t *out) {
    mofka_status_t status = MOFKA_OK;
    while (size > 0 && !status) {
        assert(walk->index < walk->below->count && offset >= walk->start);
        const mofka_range_t *range = &walk->below->list[walk->index];
        size_t into = offset - walk->start;
        if (into >= range->size) {
            walk->start += range->size;
            walk->index++;
            continue;
        }
        size_t here = range->size - into < size ? range->size - into : size;
        status = mfi_ranges_append(out, range->offset + into, here);
        offset += here;
        size -= here;
    }
    return status;
}

mofka_status_t mfi_selection_map(const mofka_selection_t *s, const mfi_ranges_t *below,
                                 mfi_ranges_t *out) {
    range_walk_t walk = {below, 0, 0};
    mofka_status_t status = MOFKA_OK;
    assert(out->count == 0);
    if (s->kind == MOFKA_SELECTION_STRIDED && s->gap == 0)
        return selection_map_piece(&walk, s->offset, s->count * s->block, out);
    for (size_t i = 0; i < s->count && !status; i++) {
        if (s->kind == MOFKA_SELECTION_UNSTRUCTURED)
            status = selection_map_piece(&walk, s->ranges[i].offset, s->ranges[i].size, out);
        else if (s->block > 0)
            status = selection_map_piece(&walk, s->offset + i * (s->block + s->gap), s->block, out);
        else
            break;
    }
    return status;
}
