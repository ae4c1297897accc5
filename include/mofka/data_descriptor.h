/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Data descriptors: where an event's data is in the backend, and which bytes of it are selected.
 *
 * A descriptor holds the backend's location (opaque), the data's size, and a stack of selections.
 * Each selection addresses the bytes that the selections below it left, numbered from 0.
 */
#ifndef MOFKA_DATA_DESCRIPTOR_H
#define MOFKA_DATA_DESCRIPTOR_H

#include <stddef.h>
#include <mofka/archive.h>
#include <mofka/status.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One piece of a byte sequence: `size` bytes from `offset`. */
typedef struct mofka_range {
    size_t offset; /**< of its first byte */
    size_t size;   /**< bytes */
} mofka_range_t;

/** What a selection is made of. */
typedef enum mofka_selection_kind {
    MOFKA_SELECTION_SUB,         /**< one piece */
    MOFKA_SELECTION_STRIDED,     /**< blocks of one size with gaps of one size */
    MOFKA_SELECTION_UNSTRUCTURED /**< any ranges */
} mofka_selection_kind_t;

/** One selection, of one of three kinds.
 * - SUB: `block` bytes from `offset`; count is 1 and gap 0.
 * - STRIDED: `count` blocks of `block` bytes, the first at `offset`. Between the end of one block
 *   and the start of the next are `gap` bytes.
 * - UNSTRUCTURED: `count` ranges. */
typedef struct mofka_selection {
    mofka_selection_kind_t kind; /**< which members are used, see above */
    size_t offset;               /**< of the first byte */
    size_t count;                /**< number of blocks or ranges */
    size_t block;                /**< bytes of each block */
    size_t gap;                  /**< bytes between blocks */
    const mofka_range_t *ranges; /**< view, UNSTRUCTURED only */
} mofka_selection_t;

/** Describe `size` bytes at a backend's `location` (copied). Give: mofka_data_descriptor_release.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_descriptor_create(const void *location, size_t location_bytes,
                                                      size_t size,
                                                      mofka_data_descriptor_t **descriptor);
/** Count one more user; returns its argument.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_data_descriptor_t *
mofka_data_descriptor_retain(mofka_data_descriptor_t *descriptor);
/** Drop one user; NULL is ignored.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_data_descriptor_release(mofka_data_descriptor_t *descriptor);

/** The selected bytes: what all selections leave. 0 for NULL.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_data_descriptor_size(const mofka_data_descriptor_t *descriptor);
/** The backend's location; `*bytes` is its size. View.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API const void *mofka_data_descriptor_location(const mofka_data_descriptor_t *descriptor,
                                                     size_t *bytes);
/** The number of stacked selections.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_data_descriptor_selection_count(const mofka_data_descriptor_t *descriptor);
/** Selection `index`; 0 is the lowest. MOFKA_ERR_RANGE: there are fewer selections.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_descriptor_selection(const mofka_data_descriptor_t *descriptor,
                                                         size_t index,
                                                         mofka_selection_t *selection);

/** Select `size` bytes from `offset`. Give: mofka_data_descriptor_release. MOFKA_ERR_RANGE: the
 * selection passes the end.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_descriptor_sub_view(mofka_data_descriptor_t *descriptor,
                                                        size_t offset, size_t size,
                                                        mofka_data_descriptor_t **selected);
/** Select those of `size` bytes from `offset` that exist: all, fewer, or none if `offset` is at or
 * behind the end. Give: mofka_data_descriptor_release.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_descriptor_sub_view_clamped(mofka_data_descriptor_t *descriptor,
                                                                size_t offset, size_t size,
                                                                mofka_data_descriptor_t **selected);
/** Select `count` blocks of `block` bytes, the first at `offset`, with `gap` bytes between them. No
 * gap is needed after the last. Example: (1, 5, 2, 3) of "ABC…Z" is "BCGHLMQRVW". Give:
 * mofka_data_descriptor_release. MOFKA_ERR_RANGE: the selection passes the end.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_descriptor_strided_view(mofka_data_descriptor_t *descriptor,
                                                            size_t offset, size_t count,
                                                            size_t block, size_t gap,
                                                            mofka_data_descriptor_t **selected);
/** Select `count` ranges, ascending and without overlap. Give: mofka_data_descriptor_release.
 * MOFKA_ERR_RANGE: a range passes the end. MOFKA_ERR_INVALID: two ranges overlap, or are not in
 * ascending order.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_descriptor_unstructured_view(
    mofka_data_descriptor_t *descriptor, const mofka_range_t *ranges, size_t count,
    mofka_data_descriptor_t **selected);

/** The selected bytes as ascending ranges of the original data; adjacent ranges are merged. Give:
 * free(). If no byte is selected, `*ranges` is NULL and `*count` is 0. MOFKA_ERR_MEMORY: no memory
 * for the ranges. MOFKA_ERR_INVALID: the handle is invalid.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_descriptor_flatten(const mofka_data_descriptor_t *descriptor,
                                                       mofka_range_t **ranges, size_t *count);

/** Write the descriptor through `archive->write`. The format is private, in the byte order of the
 * host. Errors: those of the archive.
 * Threads: any. MPI: none. Blocks: as the archive. */
MOFKA_API mofka_status_t mofka_data_descriptor_save(const mofka_data_descriptor_t *descriptor,
                                                    const mofka_archive_t *archive);
/** Make a descriptor from what mofka_data_descriptor_save wrote, read through `archive->read`.
 * Give: mofka_data_descriptor_release. MOFKA_ERR_CORRUPT: a number is not possible; each is
 * checked. Other errors: those of the archive.
 * Threads: any. MPI: none. Blocks: as the archive. */
MOFKA_API mofka_status_t mofka_data_descriptor_load(const mofka_archive_t *archive,
                                                    mofka_data_descriptor_t **descriptor);

#ifdef __cplusplus
}
#endif
#endif
