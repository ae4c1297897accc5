/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges of bytes, and the selections of data descriptors that are mapped through them. */
#ifndef MOFKA_SRC_DATA_SELECTION_H
#define MOFKA_SRC_DATA_SELECTION_H

#include <mofka/data_descriptor.h>

/* A list that grows. All zero: empty. */
typedef struct mfi_ranges {
    mofka_range_t *list; /* owned */
    size_t count, room;
} mfi_ranges_t;

/* Make room for one more range; the list begins with room for `first`. MOFKA_ERR_MEMORY. */
mofka_status_t mfi_ranges_make_room(mfi_ranges_t *ranges, size_t first);
/* Append a range that begins at or after the end of the last; one that continues the last is joined
 * to it, an empty one is left out. MOFKA_ERR_MEMORY. */
mofka_status_t mfi_ranges_append(mfi_ranges_t *ranges, size_t offset, size_t size);

/* Check that ranges ascend, do not overlap, and end within `limit` bytes; `*size` is their sum.
 * MOFKA_ERR_RANGE, MOFKA_ERR_INVALID. */
mofka_status_t mfi_selection_check_ranges(const mofka_range_t *ranges, size_t count, size_t limit,
                                          size_t *size);
/* Append to `out` the ranges of the whole data that a checked selection selects of `below`.
 * MOFKA_ERR_MEMORY. */
mofka_status_t mfi_selection_map(const mofka_selection_t *selection, const mfi_ranges_t *below,
                                 mfi_ranges_t *out);

#endif
