/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One partition, seen from this process: its place, its geometry, and what appending, reading,
 * trimming and completing share.
 */
#ifndef MOFKA_MPI_PARTITION_H
#define MOFKA_MPI_PARTITION_H

#include "mpi/partition/layout.h"
#include "mpi/window/window.h"

typedef enum mmi_retention { MMI_RETAIN_ACKNOWLEDGED, MMI_DISCARD_OLDEST } mmi_retention_t;

typedef struct mmi_partition {
    mmi_window_t *w;
    const char *topic; /* view, for messages */
    size_t index;
    int owner;
    uint64_t base; /* offset of the control block in the owner's share */
    uint64_t slots;
    uint64_t ring_bytes;
    mmi_retention_t retention;
    uint64_t flags, entries, ring;     /* offsets in the owner's share */
    const struct mmi_partition *bells; /* partition 0, which has the topic's data bell */
} mmi_partition_t;

/* A place in the log. */
typedef struct mmi_place {
    uint64_t events, units;
} mmi_place_t;

/* Bytes that a partition of this geometry takes, pages. */
uint64_t mmi_partition_bytes(uint64_t slots, uint64_t ring_bytes);
/* Set the offsets that follow from base, slots and ring_bytes. */
void mmi_partition_place(mmi_partition_t *p);
/* Make fresh memory (of any contents) a partition whose log starts at `start` (zero but for tests). */
mofka_status_t mmi_partition_format(const mmi_partition_t *p, mmi_place_t start);

/* Units that so many bytes take. */
static inline uint64_t mmi_units(uint64_t bytes) {
    return (bytes + MMI_UNIT_BYTES - 1) / MMI_UNIT_BYTES;
}

static inline uint64_t mmi_load(const mmi_partition_t *p, size_t field) {
    return p->w->ops->load(p->w, p->owner, p->base + field);
}

static inline void mmi_store(const mmi_partition_t *p, size_t field, uint64_t value) {
    p->w->ops->store(p->w, p->owner, p->base + field, value);
}

/* How far a partition is. A producer reads `closing` *after* its own reservation, and so obeys it; the
 * head is then held back by that reservation, and an older one is a lower bound. */
typedef struct mmi_state {
    mmi_place_t head;
    uint64_t closing, complete;
} mmi_state_t;

#define MMI_STATE_WORDS 4

mmi_state_t mmi_state(const mmi_partition_t *p);
/* The same in two halves: start to read its words, which are there after a flush. */
void mmi_state_get(const mmi_partition_t *p, uint64_t *words);
mmi_state_t mmi_state_of(const uint64_t *words);
/* Complete a packed word (reservation, cursor) that is at or after `head`. `carries`: whether
 * carries out of the units went into the events, as a reservation's fetch_add lets them. */
mmi_place_t mmi_complete_word(uint64_t word, mmi_place_t head, bool carries);
/* The tail, as it was a moment ago. The state is read before it: nothing of one's own holds the head
 * back, and a word from before the head could not be completed. */
mmi_place_t mmi_tail(const mmi_partition_t *p, mmi_state_t *state);

mofka_status_t mmi_lock(mmi_window_t *w, int rank, uint64_t offset, int64_t deadline,
                        const char *what);
void mmi_unlock(mmi_window_t *w, int rank, uint64_t offset);
mofka_status_t mmi_partition_lock(const mmi_partition_t *p, int64_t deadline);
void mmi_partition_unlock(const mmi_partition_t *p);

/* Move the head as far as retention lets it; with discard_oldest at least until `need` fits, as far
 * as batches are published. */
mofka_status_t mmi_trim(const mmi_partition_t *p, mmi_place_t need, int64_t deadline);
/* Whether `need` (a tail after the new batch) fits behind `head`. */
bool mmi_fits(const mmi_partition_t *p, mmi_place_t head, mmi_place_t need);

/* Copy between the payload ring and memory, wrapping, by one of the window's puts, or get. Under way
 * until a flush. */
void mmi_ring_put(const mmi_partition_t *p, mmi_put_t put, uint64_t position, const void *source,
                  size_t bytes);
void mmi_ring_get(const mmi_partition_t *p, uint64_t position, void *target, size_t bytes);
/* The same for `count` entries from id on. */
void mmi_entries_put(const mmi_partition_t *p, uint64_t id, const mmi_entry_t *entries,
                     size_t count);
void mmi_entries_get(const mmi_partition_t *p, uint64_t id, mmi_entry_t *entries, size_t count);

static inline uint32_t mmi_entry_check(const mmi_entry_t *e) {
    /* Odd constants; products that do not wait for each other. */
    uint64_t x =
        e->id_1 * UINT64_C(0x9e3779b97f4a7c15) ^ e->metadata * UINT64_C(0xff51afd7ed558ccd) ^
        e->data * UINT64_C(0xc4ceb9fe1a85ec53) ^ e->data_bytes * UINT64_C(0xd6e8feb86659fd93) ^
        e->metadata_bytes * UINT64_C(0xa0761d6478bd642f);
    return (uint32_t)(x ^ (x >> 32));
}

/* An entry that is not what was stored: MOFKA_ERR_CORRUPT, with a message. */
mofka_status_t mmi_damaged(const mmi_partition_t *p, uint64_t id);

/* The count of the batch that begins at `id`, 0 while it is not published; the same of a flag that
 * was read. */
uint64_t mmi_flag(const mmi_partition_t *p, uint64_t id);
uint64_t mmi_flag_count(const mmi_partition_t *p, uint64_t id, uint64_t flag);
uint64_t mmi_flag_value(const mmi_partition_t *p, uint64_t id, uint64_t count);
uint64_t mmi_flag_offset(const mmi_partition_t *p, uint64_t id);

/* Put, or start to get, the stamp of the batch that begins at `id`; complete after a flush. */
void mmi_stamp_put(const mmi_partition_t *p, uint64_t id, const uint64_t *stamp);
void mmi_stamp_get(const mmi_partition_t *p, uint64_t id, uint64_t *stamp);

/* Wake who waits for data, all of them, or for room, one: it passes the bell on. Where anyone does. */
void mmi_ring_data(const mmi_partition_t *p);
void mmi_ring_room(const mmi_partition_t *p);
/* Wake all that wait for room: the topic ended. */
void mmi_ring_room_all(const mmi_partition_t *p);
/* Announce oneself (1) or leave (-1) as a waiter at the bell. */
void mmi_bell_waiters(const mmi_partition_t *p, size_t bell, int64_t add);

/* Read the name in a place of the table of consumers, MOFKA_NAME_BYTES_MAX + 1 bytes. On failure it is
 * empty. Blocks: until the owner answers, at most until `deadline`. */
mofka_status_t mmi_consumer_name(const mmi_partition_t *p, size_t place, char *name,
                                 int64_t deadline);

mofka_status_t mmi_partition_complete(const mmi_partition_t *p, int64_t deadline);

#endif
