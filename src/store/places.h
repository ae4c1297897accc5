/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Places of a partition's consumers: a name, and the next event that it has not acknowledged. The
 * file is drawn in store/log/format.h.
 *
 * A place is a life and an id. Read under a later life that has other events from an earlier id on,
 * it is that id (mfi_reader_place).
 *
 * Several processes may have the file open; a name is live in one of them. Threads: any.
 */
#ifndef MOFKA_SRC_STORE_PLACES_H
#define MOFKA_SRC_STORE_PLACES_H

#include "store/log/segment.h"

typedef struct mfi_places mfi_places_t;

typedef struct mfi_place {
    char name[MFI_PLACE_NAME_BYTES];
    uint64_t life;
    uint64_t id;
} mfi_place_t;

/* Make the file, of no places: once, with the partition's folder. MOFKA_ERR_EXISTS. */
mofka_status_t mfi_places_make(const mfi_log_t *log);
/* Open the file, which is there, to read or to write. `log` is kept. Give: mfi_places_close.
 * MOFKA_ERR_CORRUPT: its header is not one. MOFKA_ERR_UNSUPPORTED, MOFKA_ERR_INVALID: of another
 * version, byte order, store, topic or partition. MOFKA_ERR_NOT_FOUND: it is missing. */
mofka_status_t mfi_places_open(const mfi_log_t *log, bool write, mfi_places_t **places);
/* Close. Names that are live here are live no more. */
void mfi_places_close(mfi_places_t *places);

/* Make a name live: `*slot` is its place in the file. A known name has its old place, in `*place`;
 * a new one gets what `*place` says, and `*fresh` is true. MOFKA_ERR_BUSY: it is live.
 * MOFKA_ERR_FULL: there are 64 others. MOFKA_ERR_CORRUPT: a place is damaged, and it may be that
 * of this name. */
mofka_status_t mfi_places_join(mfi_places_t *places, const char *name, mfi_place_t *place,
                               bool *fresh, size_t *slot);
/* Write a place; it is on disk after the next sync. Its events are to have their durability. */
mofka_status_t mfi_places_set(mfi_places_t *places, size_t slot, uint64_t life, uint64_t id);
/* The name is live no more, and keeps its place. */
void mfi_places_leave(mfi_places_t *places, size_t slot);
/* Remove a name that is live here. */
mofka_status_t mfi_places_remove(mfi_places_t *places, size_t slot);
/* The lowest event that a consumer has not acknowledged, in the lives that the log has now; what it
 * is made of is synced first. 0: a place is damaged. UINT64_MAX: there is no consumer. For
 * mfi_writer_retain. */
mofka_status_t mfi_places_floor(mfi_places_t *places, uint64_t *floor);
/* Remove damaged places. */
mofka_status_t mfi_places_clear_damaged(mfi_places_t *places);
/* Sync what this process has written. */
mofka_status_t mfi_places_sync(mfi_places_t *places);
/* Call `visit` for each name. Damaged places are counted in `*damaged`. */
mofka_status_t mfi_places_list(mfi_places_t *places,
                               void (*visit)(void *context, const mfi_place_t *place),
                               void *context, size_t *damaged);

#endif
