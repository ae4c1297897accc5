/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rows of a partition, and voids: what a rank has reserved, and what becomes of it if it is
 * never published. layout.h draws both. Only in windows where CPUs write.
 *
 *   row.c    takes an entry of this rank's row
 *   void.c   makes a reserved range void
 *   dead.c   finds who reserved a range, and makes void what the dead have reserved
 */
#ifndef MOFKA_MPI_ROWS_ROWS_H
#define MOFKA_MPI_ROWS_ROWS_H

#include "mpi/partition/partition.h"

/* The entry of a row that an append uses. */
typedef struct mmi_row_hold {
    uint64_t at; /* its offset in the owner's share; the last one that was used; 0: none yet */
    bool held;   /* it says what is reserved, or is about to be */
} mmi_row_hold_t;

/* Whether the partition has rows. */
static inline bool mmi_rows_exist(const mmi_partition_t *p) {
    return p->rows != 0 && p->w->ops->has_addresses;
}

/* For the next function: the entry that `hold` used last is taken by another append of this
 * process, or `hold` has used none yet. False: all entries are taken. */
bool mmi_row_take_other(const mmi_partition_t *p, mmi_row_hold_t *hold, uint64_t add);
/* Take an entry of this rank's row, before `add` is added to the reservation. False: all are
 * taken, by other appends of this process. */
static inline bool mmi_row_take(const mmi_partition_t *p, mmi_row_hold_t *hold, uint64_t add) {
    uint64_t expected = 0;
    assert(!hold->held && add != 0);
    hold->held = hold->at != 0 && mmi_near_exchange(p, hold->at, &expected, add);
    return hold->held || mmi_row_take_other(p, hold, add);
}

/* The entries of a row that claims leave to appends. */
#define MMI_ROW_APPENDS 2
/* The same for a claim. False: this rank has as many open claims as it may have, or other appends
 * use their entries. */
bool mmi_row_take_other_for_claim(const mmi_partition_t *p, mmi_row_hold_t *hold, uint64_t add);
static inline bool mmi_row_take_for_claim(const mmi_partition_t *p, mmi_row_hold_t *hold,
                                          uint64_t add) {
    uint64_t expected = 0;
    assert(!hold->held && add != 0);
    hold->held = hold->at != 0 && mmi_near_exchange(p, hold->at, &expected, add);
    return hold->held || mmi_row_take_other_for_claim(p, hold, add);
}

static inline _Atomic uint64_t *mmi_row_word(const mmi_partition_t *p, uint64_t offset) {
    return (_Atomic uint64_t *)(void *)mmi_window_address(p->w, p->owner, offset);
}

/* What was reserved begins at `place`. Nothing, if no entry is held. */
static inline void mmi_row_place(const mmi_partition_t *p, const mmi_row_hold_t *hold,
                                 mmi_place_t place) {
    if (!hold->held)
        return;
    atomic_store_explicit(mmi_row_word(p, hold->at + offsetof(mmi_row_entry_t, units)), place.units,
                          memory_order_relaxed);
    atomic_store_explicit(mmi_row_word(p, hold->at + offsetof(mmi_row_entry_t, first)),
                          place.events + 1, memory_order_release);
}

/* All of it is published or void; or it is behind the topic's end. Nothing, if no entry is held. */
static inline void mmi_row_empty(const mmi_partition_t *p, mmi_row_hold_t *hold) {
    if (!hold->held)
        return;
    atomic_store_explicit(mmi_row_word(p, hold->at + offsetof(mmi_row_entry_t, first)), 0,
                          memory_order_release);
    atomic_store_explicit(mmi_row_word(p, hold->at), 0, memory_order_release);
    hold->held = false;
}

/* ---- void.c ---------------------------------------------------------------------------------- */

/* Make a reserved range void, which nobody will publish: this rank's own; or a dead rank's, with
 * the lock. `*from` moves behind what is void; what does not fit the slots behind the head stays.
 * Wakes readers. MOFKA_ERR_CORRUPT: something else is there. */
mofka_status_t mmi_void_range(const mmi_partition_t *p, mmi_place_t *from, mmi_place_t end);

/* Make a claim's place void, whose memory may still be written to: readers pass it, and the head
 * does not, before mmi_void_range settles it. MOFKA_ERR_CORRUPT. */
mofka_status_t mmi_void_keep(const mmi_partition_t *p, mmi_place_t from, mmi_place_t end);

/* ---- dead.c ---------------------------------------------------------------------------------- */

/* Who has reserved an event that is not stored. */
typedef struct mmi_holder {
    int rank;              /* -1: not known */
    bool dead;             /* it is proven dead */
    mmi_place_t from, end; /* dead: what can be made void */
} mmi_holder_t;

/* Find who has reserved event `id`, which is not stored. */
mofka_status_t mmi_holder_find(const mmi_partition_t *p, uint64_t id, mmi_holder_t *holder);
/* A caller waits behind event `id`, which is not stored: if the rank that reserved it is proven
 * dead, make void what it reserved there. Waits for the lock at most until `deadline`. *passed:
 * something was made void. */
mofka_status_t mmi_dead_pass(const mmi_partition_t *p, uint64_t id, int64_t deadline, bool *passed);
/* Describe who has reserved event `id`: "rank 3 (process 4711 on host n1)", or "its producer". */
#define MMI_HOLDER_TEXT_BYTES 192
void mmi_holder_describe(const mmi_partition_t *p, uint64_t id, char text[MMI_HOLDER_TEXT_BYTES]);

#endif
