/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data descriptors: a location, a size, and stacked selections.
 *
 * A descriptor holds one selection and retains the descriptor below it; the lowest one holds the
 * location. Flattening begins with the whole data as one range, then maps each selection through
 * the ranges below it, from the lowest to the highest (selection.c).
 */
#include "data/data_descriptor.h"

#include <stdlib.h>
#include <string.h>
#include "base/object.h"
#include "data/selection.h"

#define SAVE_MAGIC UINT64_C(0x6d6f666b61646431)
#define LOCATION_BYTES_MAX ((uint64_t)1 << 20)
#define SELECTIONS_MAX 4096
#define READ_RANGES 1024 /* room that is made before the first saved range is read */

struct mofka_data_descriptor {
    mfi_object_t object;
    mofka_data_descriptor_t *below; /* kept; NULL for the lowest */
    size_t size;
    size_t depth;                /* selections, this one included */
    mofka_selection_t selection; /* depth > 0; its ranges are owned */
    size_t location_bytes;       /* depth == 0 */
    unsigned char location[];
};

static mofka_data_descriptor_t *descriptor_allocate(size_t size, size_t location_bytes) {
    mofka_data_descriptor_t *d = calloc(1, sizeof *d + location_bytes);
    if (!d)
        return NULL;
    mfi_object_init(&d->object, MFI_DATA_DESCRIPTOR);
    d->size = size;
    d->location_bytes = location_bytes;
    return d;
}

static bool descriptor_is_valid(const mofka_data_descriptor_t *handle) {
    return mfi_object_is(handle, MFI_DATA_DESCRIPTOR);
}

mofka_status_t mofka_data_descriptor_create(const void *location, size_t location_bytes,
                                            size_t size, mofka_data_descriptor_t **descriptor) {
    if (location_bytes > LOCATION_BYTES_MAX)
        return mofka_fail(MOFKA_ERR_TOO_LARGE, "a location of %zu bytes", location_bytes);
    mofka_data_descriptor_t *d = descriptor_allocate(size, location_bytes);
    if (!d)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a data descriptor");
    if (location_bytes > 0)
        memcpy(d->location, location, location_bytes);
    *descriptor = d;
    return MOFKA_OK;
}

bool mfi_data_descriptor_reuse(mofka_data_descriptor_t *descriptor, const void *location,
                               size_t location_bytes, size_t size) {
    assert(descriptor_is_valid(descriptor));
    if (atomic_load(&descriptor->object.count) != 1 || descriptor->depth > 0 ||
        descriptor->location_bytes != location_bytes)
        return false;
    memcpy(descriptor->location, location, location_bytes);
    descriptor->size = size;
    return true;
}

mofka_data_descriptor_t *mofka_data_descriptor_retain(mofka_data_descriptor_t *descriptor) {
    if (descriptor)
        mfi_object_retain(&descriptor->object);
    return descriptor;
}

void mofka_data_descriptor_release(mofka_data_descriptor_t *descriptor) {
    while (descriptor && mfi_object_release(&descriptor->object)) {
        mofka_data_descriptor_t *below = descriptor->below;
        assert(!below == (descriptor->depth == 0));
        free((void *)descriptor->selection.ranges);
        free(descriptor);
        descriptor = below;
    }
}

static const mofka_data_descriptor_t *descriptor_lowest(const mofka_data_descriptor_t *d) {
    if (!descriptor_is_valid(d))
        return NULL;
    while (d->below)
        d = d->below;
    assert(d->depth == 0);
    return d;
}

size_t mofka_data_descriptor_size(const mofka_data_descriptor_t *descriptor) {
    return descriptor_is_valid(descriptor) ? descriptor->size : 0;
}

const void *mofka_data_descriptor_location(const mofka_data_descriptor_t *descriptor,
                                           size_t *bytes) {
    const mofka_data_descriptor_t *d = descriptor_lowest(descriptor);
    if (bytes)
        *bytes = d ? d->location_bytes : 0;
    return d ? d->location : NULL;
}

size_t mofka_data_descriptor_selection_count(const mofka_data_descriptor_t *descriptor) {
    return descriptor_is_valid(descriptor) ? descriptor->depth : 0;
}

/* The selection of that index, from below. */
static mofka_selection_t descriptor_selection(const mofka_data_descriptor_t *d, size_t index) {
    assert(index < d->depth);
    while (d->depth > index + 1)
        d = d->below;
    return d->selection;
}

mofka_status_t mofka_data_descriptor_selection(const mofka_data_descriptor_t *descriptor,
                                               size_t index, mofka_selection_t *selection) {
    size_t depth = mofka_data_descriptor_selection_count(descriptor);
    if (index >= depth)
        return mofka_fail(MOFKA_ERR_RANGE, "selection %zu of %zu", index, depth);
    *selection = descriptor_selection(descriptor, index);
    return MOFKA_OK;
}

/* Put a checked selection of `size` bytes on top. Its ranges are taken on success. */
static mofka_status_t descriptor_stack(mofka_data_descriptor_t *below,
                                       const mofka_selection_t *selection, size_t size,
                                       mofka_data_descriptor_t **selected) {
    if (below->depth >= SELECTIONS_MAX)
        return mofka_fail(MOFKA_ERR_TOO_LARGE, "more than %d stacked selections", SELECTIONS_MAX);
    mofka_data_descriptor_t *d = descriptor_allocate(size, 0);
    if (!d)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a data descriptor");
    assert(size <= below->size);
    d->below = mofka_data_descriptor_retain(below);
    d->depth = below->depth + 1;
    d->selection = *selection;
    *selected = d;
    return MOFKA_OK;
}

mofka_status_t mofka_data_descriptor_sub_view(mofka_data_descriptor_t *descriptor, size_t offset,
                                              size_t size, mofka_data_descriptor_t **selected) {
    mofka_status_t status = mfi_check(descriptor, MFI_DATA_DESCRIPTOR, "data descriptor");
    if (status)
        return status;
    if (offset > descriptor->size || size > descriptor->size - offset)
        return mofka_fail(MOFKA_ERR_RANGE, "sub-view of %zu bytes from %zu, of %zu bytes", size,
                          offset, descriptor->size);
    mofka_selection_t selection = {MOFKA_SELECTION_SUB, offset, 1, size, 0, NULL};
    return descriptor_stack(descriptor, &selection, size, selected);
}

mofka_status_t mofka_data_descriptor_sub_view_clamped(mofka_data_descriptor_t *descriptor,
                                                      size_t offset, size_t size,
                                                      mofka_data_descriptor_t **selected) {
    size_t end = mofka_data_descriptor_size(descriptor);
    size_t from = offset < end ? offset : end;
    return mofka_data_descriptor_sub_view(descriptor, from, size < end - from ? size : end - from,
                                          selected);
}

mofka_status_t mofka_data_descriptor_strided_view(mofka_data_descriptor_t *descriptor,
                                                  size_t offset, size_t count, size_t block,
                                                  size_t gap, mofka_data_descriptor_t **selected) {
    mofka_status_t status = mfi_check(descriptor, MFI_DATA_DESCRIPTOR, "data descriptor");
    if (status)
        return status;
    size_t step, end = offset, size;
    bool overflow = __builtin_add_overflow(block, gap, &step);
    overflow |= __builtin_mul_overflow(count, block, &size);
    if (count > 0) {
        overflow |= __builtin_mul_overflow(count - 1, step, &end);
        overflow |= __builtin_add_overflow(end, block, &end);
        overflow |= __builtin_add_overflow(end, offset, &end);
    }
    if (overflow || end > descriptor->size)
        return mofka_fail(
            MOFKA_ERR_RANGE,
            "strided view of %zu blocks of %zu bytes, gap %zu, from %zu, of %zu bytes", count,
            block, gap, offset, descriptor->size);
    mofka_selection_t selection = {MOFKA_SELECTION_STRIDED, offset, count, block, gap, NULL};
    return descriptor_stack(descriptor, &selection, size, selected);
}

mofka_status_t mofka_data_descriptor_unstructured_view(mofka_data_descriptor_t *descriptor,
                                                       const mofka_range_t *ranges, size_t count,
                                                       mofka_data_descriptor_t **selected) {
    mofka_status_t status = mfi_check(descriptor, MFI_DATA_DESCRIPTOR, "data descriptor");
    size_t size;
    if (!status && count > 0 && !ranges)
        status = mofka_fail(MOFKA_ERR_INVALID, "NULL list of %zu ranges", count);
    if (!status)
        status = mfi_selection_check_ranges(ranges, count, descriptor->size, &size);
    if (status)
        return status;
    mofka_range_t *copy = calloc(count + 1, sizeof *copy);
    if (!copy)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu ranges", count);
    if (count > 0)
        memcpy(copy, ranges, count * sizeof *copy);
    mofka_selection_t selection = {MOFKA_SELECTION_UNSTRUCTURED, 0, count, 0, 0, copy};
    status = descriptor_stack(descriptor, &selection, size, selected);
    if (status)
        free(copy);
    return status;
}

mofka_status_t mofka_data_descriptor_flatten(const mofka_data_descriptor_t *descriptor,
                                             mofka_range_t **ranges, size_t *count) {
    mofka_status_t status = mfi_check(descriptor, MFI_DATA_DESCRIPTOR, "data descriptor");
    mfi_ranges_t now = {0};
    if (!status)
        status = mfi_ranges_append(&now, 0, descriptor_lowest(descriptor)->size);
    for (size_t i = 0; !status && i < descriptor->depth; i++) {
        mofka_selection_t selection = descriptor_selection(descriptor, i);
        mfi_ranges_t next = {0};
        assert(selection.kind != MOFKA_SELECTION_UNSTRUCTURED || selection.ranges);
        status = mfi_selection_map(&selection, &now, &next);
        free(now.list);
        now = next;
    }
    if (status || now.count == 0) {
        free(now.list);
        now = (mfi_ranges_t){0};
    }
    if (!status) {
        *ranges = now.list;
        *count = now.count;
    }
    return status;
}

/* ---- save and load: magic, location bytes, size, depth, location, then each selection -------- */

static mofka_status_t descriptor_put_words(const mofka_archive_t *archive, const uint64_t *words,
                                           size_t count) {
    return archive->write(archive->context, words, count * sizeof *words);
}

mofka_status_t mofka_data_descriptor_save(const mofka_data_descriptor_t *descriptor,
                                          const mofka_archive_t *archive) {
    mofka_status_t status = mfi_check(descriptor, MFI_DATA_DESCRIPTOR, "data descriptor");
    if (status)
        return status;
    const mofka_data_descriptor_t *low = descriptor_lowest(descriptor);
    uint64_t head[] = {SAVE_MAGIC, low->location_bytes, low->size, descriptor->depth};
    status = descriptor_put_words(archive, head, 4);
    if (!status && low->location_bytes > 0)
        status = archive->write(archive->context, low->location, low->location_bytes);
    for (size_t i = 0; i < descriptor->depth && !status; i++) {
        mofka_selection_t s = descriptor_selection(descriptor, i);
        uint64_t words[] = {s.kind, s.offset, s.count, s.block, s.gap};
        status = descriptor_put_words(archive, words, 5);
        for (size_t r = 0; s.kind == MOFKA_SELECTION_UNSTRUCTURED && r < s.count && !status; r++)
            status = descriptor_put_words(archive,
                                          (uint64_t[]){s.ranges[r].offset, s.ranges[r].size}, 2);
    }
    return status;
}

static mofka_status_t descriptor_corrupt(const char *what) {
    return mofka_fail(MOFKA_ERR_CORRUPT, "saved data descriptor: bad %s (%s)", what,
                      mofka_last_error());
}

static mofka_status_t descriptor_load_ranges(const mofka_archive_t *archive, uint64_t count,
                                             mfi_ranges_t *out) {
    for (uint64_t i = 0; i < count; i++) {
        uint64_t words[2];
        if (archive->read(archive->context, words, sizeof words))
            return descriptor_corrupt("range");
        mofka_status_t status = mfi_ranges_make_room(out, READ_RANGES);
        if (status)
            return status;
        out->list[out->count++] = (mofka_range_t){words[0], words[1]};
    }
    return MOFKA_OK;
}

static mofka_status_t descriptor_load_selection(const mofka_archive_t *archive,
                                                mofka_data_descriptor_t *below,
                                                mofka_data_descriptor_t **selected) {
    uint64_t w[5];
    if (archive->read(archive->context, w, sizeof w))
        return descriptor_corrupt("selection");
    mofka_status_t status;
    mfi_ranges_t ranges = {0};
    switch (w[0]) {
    case MOFKA_SELECTION_SUB:
        status = mofka_data_descriptor_sub_view(below, w[1], w[3], selected);
        break;
    case MOFKA_SELECTION_STRIDED:
        status = mofka_data_descriptor_strided_view(below, w[1], w[2], w[3], w[4], selected);
        break;
    case MOFKA_SELECTION_UNSTRUCTURED:
        status = descriptor_load_ranges(archive, w[2], &ranges);
        if (!status)
            status =
                mofka_data_descriptor_unstructured_view(below, ranges.list, ranges.count, selected);
        free(ranges.list);
        break;
    default:
        status = MOFKA_ERR_CORRUPT;
    }
    return status == MOFKA_OK || status == MOFKA_ERR_MEMORY ? status
                                                            : descriptor_corrupt("selection");
}

mofka_status_t mofka_data_descriptor_load(const mofka_archive_t *archive,
                                          mofka_data_descriptor_t **descriptor) {
    uint64_t head[4];
    if (archive->read(archive->context, head, sizeof head))
        return descriptor_corrupt("head");
    if (head[0] != SAVE_MAGIC || head[1] > LOCATION_BYTES_MAX || head[3] > SELECTIONS_MAX)
        return mofka_fail(MOFKA_ERR_CORRUPT, "these bytes are not a saved data descriptor");
    mofka_data_descriptor_t *d = descriptor_allocate(head[2], head[1]);
    if (!d)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a data descriptor");
    mofka_status_t status = MOFKA_OK;
    if (head[1] > 0 && archive->read(archive->context, d->location, head[1]))
        status = descriptor_corrupt("location");
    for (uint64_t i = 0; i < head[3] && !status; i++) {
        mofka_data_descriptor_t *next;
        status = descriptor_load_selection(archive, d, &next);
        if (!status) {
            mofka_data_descriptor_release(d);
            d = next;
        }
    }
    if (status)
        mofka_data_descriptor_release(d);
    else
        *descriptor = d;
    return status;
}
