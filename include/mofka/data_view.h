/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Data views: where an event's raw bytes are in this process.
 */
#ifndef MOFKA_DATA_VIEW_H
#define MOFKA_DATA_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <mofka/status.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One piece of this process's memory. */
typedef struct mofka_segment {
    void *ptr;   /**< its first byte; may be NULL if `size` is 0 */
    size_t size; /**< bytes */
} mofka_segment_t;

/** Called once, when the last user of a view releases it. */
typedef void (*mofka_data_free_fn)(void *context);

/** Make a view of `count` segments. The list is copied. The memory is borrowed until the last
 * release, which calls `free_fn(context)` unless `free_fn` is NULL. A count of 0 makes an empty
 * view. Give: mofka_data_view_release. MOFKA_ERR_INVALID: a segment with a size has no memory.
 * MOFKA_ERR_TOO_LARGE: the sizes overflow.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_view_create(const mofka_segment_t *segments, size_t count,
                                                mofka_data_free_fn free_fn, void *context,
                                                mofka_data_view_t **view);

/** Make a view of one piece of memory (borrow), without a free callback. Give:
 * mofka_data_view_release. Errors: as mofka_data_view_create.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_view_of(void *ptr, size_t size, mofka_data_view_t **view);

/** Make a view of `size` bytes of new memory. The memory is freed with the view. Give:
 * mofka_data_view_release.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_view_allocate(size_t size, mofka_data_view_t **view);

/** Count one more user. Returns its argument, or NULL if that is not a data view.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_data_view_t *mofka_data_view_retain(mofka_data_view_t *view);
/** Drop one user. An argument that is not a data view is ignored.
 * Threads: any. MPI: none. Blocks: as the free callback. Calls back: the free callback, in the last
 * releasing thread. */
MOFKA_API void mofka_data_view_release(mofka_data_view_t *view);

/** Whether anyone besides the caller is a user of the view. While a pushed view is shared, the
 * library may still read its memory. For callers that cannot have free callbacks, such as bindings:
 * they keep a reference, and ask from time to time. False if `view` is not a data view.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API bool mofka_data_view_is_shared(const mofka_data_view_t *view);

/** The sum of all segments, in bytes; 0 if `view` is not a data view.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_data_view_size(const mofka_data_view_t *view);
/** The segments. `*count` is their number. View.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API const mofka_segment_t *mofka_data_view_segments(const mofka_data_view_t *view,
                                                          size_t *count);
/** The context given at creation.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void *mofka_data_view_context(const mofka_data_view_t *view);

/** Copy `size` bytes from `source` into the view, across segments, from byte `offset` of the view
 * on. Returns the bytes written: fewer than `size` if the view ends first.
 * Threads: handle. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_data_view_write(mofka_data_view_t *view, const void *source, size_t size,
                                       size_t offset);
/** Copy `size` bytes of the view, across segments, from byte `offset` of the view on, into
 * `target`. Returns the bytes read: fewer than `size` if the view ends first.
 * Threads: handle. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_data_view_read(const mofka_data_view_t *view, void *target, size_t size,
                                      size_t offset);

#ifdef __cplusplus
}
#endif
#endif
