/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs of a log: what a backend's consumer gives of batches that a reader has read.
 *
 * A block is a batch in memory. Any number of runs are made of it; each keeps it, and its file, so
 * that data is read later, also by other threads.
 */
#ifndef MOFKA_SRC_STORE_READ_BLOCK_H
#define MOFKA_SRC_STORE_READ_BLOCK_H

#include <mofka/backend.h>
#include "store/read/reader.h"

/* Its members but `users` do not change. */
typedef struct mfi_block {
    _Atomic unsigned users;
    mfi_segment_t *segment;
    uint64_t first_id;
    uint32_t events;
    uint64_t stamp;
    bool verified;
    mfi_entry_t *entries;
    uint64_t *data; /* offset of each event's data */
    char **metadata;
    char bytes[]; /* each with a zero behind it */
} mfi_block_t;

/* Make a block of a batch that was read, and is of the kind BATCH. Give: mfi_block_release.
 * MOFKA_ERR_MEMORY. */
mofka_status_t mfi_block_create(const mfi_read_t *read, mfi_block_t **block);
/* NULL is ignored. */
void mfi_block_release(mfi_block_t *block);
/* Make a run of at most `events_max` events of the block (keep), from its event number `at` on.
 * `*run`: give, mfi_block_release_run. MOFKA_ERR_MEMORY. */
mofka_status_t mfi_block_make_run(mfi_block_t *block, uint32_t at, size_t events_max,
                                  size_t partition, mofka_run_t **run);
void mfi_block_release_run(mofka_run_t *run);
/* Slots get_data and view_data of a consumer, for such a run. Damaged data is noted in the event.
 * Threads: any. Blocks: as the file system. */
mofka_status_t mfi_block_get_data(mofka_run_t *run, size_t index, const mofka_range_t *ranges,
                                  size_t range_count, mofka_data_view_t *view);
mofka_status_t mfi_block_view_data(mofka_run_t *run, size_t index, const mofka_range_t *ranges,
                                   size_t range_count, mofka_data_view_t **view);

#endif
