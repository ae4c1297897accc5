/* SPDX-License-Identifier: BSD-3-Clause */
/* Data views: an event's data as segments of this process's memory. */
#include <mofka/data_view.h>

#include <stdlib.h>
#include <string.h>
#include "base/object.h"

struct mofka_data_view {
    mfi_object_t object;
    mofka_data_free_fn free_fn;
    void *context;
    size_t size;
    size_t count;
    mofka_segment_t segments[];
};

static bool view_is_valid(const mofka_data_view_t *handle) {
    return mfi_object_is(handle, MFI_DATA_VIEW);
}

static mofka_status_t view_sum_sizes(const mofka_segment_t *segments, size_t count, size_t *size) {
    size_t total = 0;
    if (count > 0 && !segments)
        return mofka_fail(MOFKA_ERR_INVALID, "data view: NULL list of %zu segments", count);
    for (size_t i = 0; i < count; i++) {
        if (!segments[i].ptr && segments[i].size > 0)
            return mofka_fail(MOFKA_ERR_INVALID, "data view: segment %zu of %zu bytes is NULL", i,
                              segments[i].size);
        if (__builtin_add_overflow(total, segments[i].size, &total))
            return mofka_fail(MOFKA_ERR_TOO_LARGE, "data view: the sizes overflow at segment %zu",
                              i);
    }
    *size = total;
    return MOFKA_OK;
}

mofka_status_t mofka_data_view_create(const mofka_segment_t *segments, size_t count,
                                      mofka_data_free_fn free_fn, void *context,
                                      mofka_data_view_t **view) {
    size_t size = 0;
    mofka_status_t status = view_sum_sizes(segments, count, &size);
    if (status)
        return status;
    if (count > (SIZE_MAX - sizeof **view) / sizeof *segments)
        return mofka_fail(MOFKA_ERR_TOO_LARGE, "data view: %zu segments", count);
    mofka_data_view_t *made = malloc(sizeof *made + count * sizeof *segments);
    if (!made)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a view of %zu segments", count);
    mfi_object_init(&made->object, MFI_DATA_VIEW);
    made->free_fn = free_fn;
    made->context = context;
    made->size = size;
    made->count = count;
    if (count > 0)
        memcpy(made->segments, segments, count * sizeof *segments);
    *view = made;
    return MOFKA_OK;
}

mofka_status_t mofka_data_view_of(void *ptr, size_t size, mofka_data_view_t **view) {
    mofka_segment_t segment = {ptr, size};
    return mofka_data_view_create(&segment, 1, NULL, NULL, view);
}

mofka_status_t mofka_data_view_allocate(size_t size, mofka_data_view_t **view) {
    void *memory = malloc(size ? size : 1);
    if (!memory)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu bytes of data", size);
    mofka_segment_t segment = {memory, size};
    mofka_status_t status = mofka_data_view_create(&segment, 1, free, memory, view);
    if (status)
        free(memory);
    return status;
}

mofka_data_view_t *mofka_data_view_retain(mofka_data_view_t *view) {
    if (!view_is_valid(view))
        return NULL;
    mfi_object_retain(&view->object);
    return view;
}

bool mofka_data_view_is_shared(const mofka_data_view_t *view) {
    /* Pairs with the release of the last other user: its reads of the memory are over. */
    return view_is_valid(view) &&
           atomic_load_explicit(&view->object.count, memory_order_acquire) > 1;
}

void mofka_data_view_release(mofka_data_view_t *view) {
    if (!view_is_valid(view) || !mfi_object_release(&view->object))
        return;
    MFI_KEEP_ERRNO;
    assert(view->count > 0 || view->size == 0);
    if (view->free_fn)
        view->free_fn(view->context);
    free(view);
}

size_t mofka_data_view_size(const mofka_data_view_t *view) {
    return view_is_valid(view) ? view->size : 0;
}

const mofka_segment_t *mofka_data_view_segments(const mofka_data_view_t *view, size_t *count) {
    if (count)
        *count = view_is_valid(view) ? view->count : 0;
    return view_is_valid(view) ? view->segments : NULL;
}

void *mofka_data_view_context(const mofka_data_view_t *view) {
    return view_is_valid(view) ? view->context : NULL;
}

/* Copy between `bytes` and the view's [offset, offset + size), in the direction `write` says. The
 * number of bytes that were copied. */
static size_t view_copy(const mofka_data_view_t *view, char *bytes, size_t size, size_t offset,
                        bool write) {
    size_t done = 0;
    if (!view_is_valid(view) || !bytes)
        return 0;
    for (size_t i = 0; i < view->count && done < size; i++) {
        const mofka_segment_t *segment = &view->segments[i];
        if (offset >= segment->size) {
            offset -= segment->size;
            continue;
        }
        size_t here = segment->size - offset < size - done ? segment->size - offset : size - done;
        assert(here <= segment->size - offset && done + here <= size);
        char *at = (char *)segment->ptr + offset;
        if (write)
            memcpy(at, bytes + done, here);
        else
            memcpy(bytes + done, at, here);
        done += here;
        offset = 0;
    }
    return done;
}

size_t mofka_data_view_write(mofka_data_view_t *view, const void *source, size_t size,
                             size_t offset) {
    return view_copy(view, (char *)source, size, offset, true);
}

size_t mofka_data_view_read(const mofka_data_view_t *view, void *target, size_t size,
                            size_t offset) {
    return view_copy(view, target, size, offset, false);
}
