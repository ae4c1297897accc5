/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Data: where an event's raw bytes are in this process (data view) and in the backend (data
 * descriptor), and which of them are wanted (stacked selections).
 */
#ifndef MOFKA_DATA_H
#define MOFKA_DATA_H

#include <stddef.h>
#include <stdint.h>
#include <mofka/metadata.h>
#include <mofka/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One piece of this process's memory. */
typedef struct mofka_segment {
    void *ptr;   /**< its first byte; may be NULL where `size` is 0 */
    size_t size; /**< bytes */
} mofka_segment_t;

/** One piece of a byte sequence: `size` bytes from `offset`. */
typedef struct mofka_range {
    size_t offset; /**< of its first byte */
    size_t size;   /**< bytes */
} mofka_range_t;

/* ---- data view ------------------------------------------------------------------------------ */

/** Segments of this process's memory that an event's data comes from or goes to. Counted. */
typedef struct mofka_data_view mofka_data_view_t;
/** Called once, when the last user of a view lets go. */
typedef void (*mofka_data_free_fn)(void *context);

/** View `count` segments (the list is copied, the memory borrowed until the last release, then
 * `free_fn(context)` if not NULL). No segments: a view of nothing. Give: release.
 * MOFKA_ERR_INVALID for a NULL segment with a size, MOFKA_ERR_TOO_LARGE if the sizes overflow.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_view_create(const mofka_segment_t *segments, size_t count,
                                                mofka_data_free_fn free_fn, void *context,
                                                mofka_data_view_t **view);

/** View one piece of memory, without a free callback. Give: release. Errors as above.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_view_of(void *ptr, size_t size, mofka_data_view_t **view);

/** A view of fresh memory of `size` bytes that is freed with the view. Give: release.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_view_allocate(size_t size, mofka_data_view_t **view);

/** Count one more user; returns its argument, or NULL where that is no data view.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_data_view_t *mofka_data_view_retain(mofka_data_view_t *view);
/** Drop one user; what is no data view is ignored. Threads: any. MPI: none. Blocks: as the free
 * callback. Calls back: the free callback, in the last releasing thread. */
MOFKA_API void mofka_data_view_release(mofka_data_view_t *view);

/** Total bytes; 0 for what is no data view. Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_data_view_size(const mofka_data_view_t *view);
/** The segments; `*count` says how many. View. Threads: any. MPI: none. Blocks: no. */
MOFKA_API const mofka_segment_t *mofka_data_view_segments(const mofka_data_view_t *view,
                                                          size_t *count);
/** The context given at creation. Threads: any. MPI: none. Blocks: no. */
MOFKA_API void *mofka_data_view_context(const mofka_data_view_t *view);

/** Copy `size` bytes from `source` into the view from byte `offset` on, across segments. Returns
 * the bytes written: fewer than `size` where the view ends. Threads: handle. MPI: none. Blocks: no.
 */
MOFKA_API size_t mofka_data_view_write(mofka_data_view_t *view, const void *source, size_t size,
                                       size_t offset);
/** Copy `size` bytes of the view from byte `offset` on into `target`, across segments. Returns the
 * bytes read. Threads: handle. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_data_view_read(const mofka_data_view_t *view, void *target, size_t size,
                                      size_t offset);

/* ---- archive -------------------------------------------------------------------------------- */

/** Byte stream callbacks for serializers and descriptors. `read` and `write` move exactly `size`
 * bytes or fail. Either may be NULL where only the other direction is used. */
typedef struct mofka_archive {
    void *context; /**< for both callbacks */
    /** Read the next `size` bytes into `bytes`. */
    mofka_status_t (*read)(void *context, void *bytes, size_t size);
    /** Write `size` bytes behind those written before. */
    mofka_status_t (*write)(void *context, const void *bytes, size_t size);
} mofka_archive_t;

/* ---- data descriptor ------------------------------------------------------------------------ */

/**
 * Where an event's data is in the backend (an opaque location), its size, and a stack of
 * selections. Each selection addresses the bytes that the selections below it chose, numbered from
 * 0. Handles are immutable and counted.
 */
typedef struct mofka_data_descriptor mofka_data_descriptor_t;

/** What a selection is made of. */
typedef enum mofka_selection_kind {
    MOFKA_SELECTION_SUB,         /**< one piece */
    MOFKA_SELECTION_STRIDED,     /**< blocks of one size with gaps of one size */
    MOFKA_SELECTION_UNSTRUCTURED /**< any ranges */
} mofka_selection_kind_t;

/** One selection. SUB: `block` bytes from `offset` (count 1, gap 0). STRIDED: `count` blocks of
 * `block` bytes from `offset`, `gap` bytes between the end of one and the start of the next.
 * UNSTRUCTURED: `count` ranges. */
typedef struct mofka_selection {
    mofka_selection_kind_t kind; /**< which members count, see above */
    size_t offset;               /**< of the first byte */
    size_t count;                /**< blocks or ranges */
    size_t block;                /**< bytes of each block */
    size_t gap;                  /**< bytes between blocks */
    const mofka_range_t *ranges; /**< view, UNSTRUCTURED only */
} mofka_selection_t;

/** Describe `size` bytes at a backend's `location` (copied). Give: release.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_descriptor_create(const void *location, size_t location_bytes,
                                                      size_t size,
                                                      mofka_data_descriptor_t **descriptor);
/** Count one more user; returns its argument. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_data_descriptor_t *
mofka_data_descriptor_retain(mofka_data_descriptor_t *descriptor);
/** Drop one user; NULL is ignored. Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_data_descriptor_release(mofka_data_descriptor_t *descriptor);

/** Bytes after all selections; 0 for NULL. Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_data_descriptor_size(const mofka_data_descriptor_t *descriptor);
/** The backend's location. View. Threads: any. MPI: none. Blocks: no. */
MOFKA_API const void *mofka_data_descriptor_location(const mofka_data_descriptor_t *descriptor,
                                                     size_t *bytes);
/** How many selections are stacked. Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_data_descriptor_selection_count(const mofka_data_descriptor_t *descriptor);
/** Selection `index`, 0 the lowest. MOFKA_ERR_RANGE. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_descriptor_selection(const mofka_data_descriptor_t *descriptor,
                                                         size_t index,
                                                         mofka_selection_t *selection);

/** Select `size` bytes from `offset`. Give: release. MOFKA_ERR_RANGE if it passes the end.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_descriptor_sub_view(mofka_data_descriptor_t *descriptor,
                                                        size_t offset, size_t size,
                                                        mofka_data_descriptor_t **selected);
/** Select `count` blocks of `block` bytes from `offset`, `gap` bytes between them (none needed
 * after the last). (1, 5, 2, 3) of "ABC…Z" is "BCGHLMQRVW". Give: release. MOFKA_ERR_RANGE.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_descriptor_strided_view(mofka_data_descriptor_t *descriptor,
                                                            size_t offset, size_t count,
                                                            size_t block, size_t gap,
                                                            mofka_data_descriptor_t **selected);
/** Select `count` ranges, ascending and without overlap. Give: release. MOFKA_ERR_RANGE,
 * MOFKA_ERR_INVALID where they overlap or go back. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_descriptor_unstructured_view(
    mofka_data_descriptor_t *descriptor, const mofka_range_t *ranges, size_t count,
    mofka_data_descriptor_t **selected);

/** The selected bytes as ascending, coalesced ranges of the original data. Give: free(). No bytes:
 * `*ranges` NULL, `*count` 0. MOFKA_ERR_MEMORY. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_data_descriptor_flatten(const mofka_data_descriptor_t *descriptor,
                                                       mofka_range_t **ranges, size_t *count);

/** Write it through `archive->write` (the format is private and host-endian). An error is the
 * archive's. Threads: any. MPI: none. Blocks: as the archive. */
MOFKA_API mofka_status_t mofka_data_descriptor_save(const mofka_data_descriptor_t *descriptor,
                                                    const mofka_archive_t *archive);
/** Make one of what save wrote, read through `archive->read`. Give: release. Every number is
 * checked: MOFKA_ERR_CORRUPT. Threads: any. MPI: none. Blocks: as the archive. */
MOFKA_API mofka_status_t mofka_data_descriptor_load(const mofka_archive_t *archive,
                                                    mofka_data_descriptor_t **descriptor);

/* ---- what a consumer asks of its user ------------------------------------------------------- */

/** Data selector: which bytes of `full` are wanted? Gives `*selected` (`full` itself, retained, for
 * all of it; NULL for none). An error fails the pull of this event. Runs in the fetching thread. */
typedef mofka_status_t (*mofka_data_selector_fn)(void *context, const mofka_metadata_t *metadata,
                                                 mofka_data_descriptor_t *full,
                                                 mofka_data_descriptor_t **selected);

/** Data allocator: where shall they go? Gives `*view` of at least the selected size (a smaller one
 * fails the pull). Not called for 0 bytes. Runs in the fetching thread. */
typedef mofka_status_t (*mofka_data_allocator_fn)(void *context, const mofka_metadata_t *metadata,
                                                  mofka_data_descriptor_t *selected,
                                                  mofka_data_view_t **view);

#ifdef __cplusplus
}
#endif
#endif
