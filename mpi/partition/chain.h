/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the next entry of the log must point, which follows from the entries before it.
 *
 * The payload of a batch begins at a unit, behind that of the batch before. It holds the metadata
 * of all events, then the data of all events, without gaps. An entry that points elsewhere is
 * damaged, even if its check holds.
 */
#ifndef MOFKA_MPI_PARTITION_CHAIN_H
#define MOFKA_MPI_PARTITION_CHAIN_H

#include "mpi/partition/layout.h"

typedef enum mmi_link {
    MMI_LINK_BATCH, /* a batch begins, at `metadata` or behind it */
    MMI_LINK_EVENT, /* the batch goes on exactly at `metadata` and `data` */
    MMI_LINK_LOST   /* it goes on there or behind: the entry before was damaged */
} mmi_link_t;

/* Positions are bytes counted from the start of the log. */
typedef struct mmi_chain {
    uint64_t metadata, data; /* the next event's; in front of a batch they are equal */
    uint64_t data_start;     /* where the batch's data begins; behind a damaged entry, at least */
    mmi_link_t link;
} mmi_chain_t;

/* Units that so many bytes take. */
static inline uint64_t mmi_units_of(uint64_t bytes) {
    return (bytes + MMI_UNIT_BYTES - 1) / MMI_UNIT_BYTES;
}

/* The check of an entry's other fields. Odd constants, and products that do not wait for each
 * other. */
static inline uint32_t mmi_entry_check(const mmi_entry_t *e) {
    uint64_t x =
        e->id_1 * UINT64_C(0x9e3779b97f4a7c15) ^ e->metadata * UINT64_C(0xff51afd7ed558ccd) ^
        e->data * UINT64_C(0xc4ceb9fe1a85ec53) ^ e->data_bytes * UINT64_C(0xd6e8feb86659fd93) ^
        e->metadata_bytes * UINT64_C(0xa0761d6478bd642f);
    return (uint32_t)(x ^ (x >> 32));
}

/* In front of a batch whose payload begins at `units` or behind. */
static inline mmi_chain_t mmi_chain_from(uint64_t units) {
    uint64_t at = units * MMI_UNIT_BYTES;
    return (mmi_chain_t){at, at, UINT64_MAX, MMI_LINK_BATCH};
}

/* Units that the log has taken at least. */
static inline uint64_t mmi_chain_units(const mmi_chain_t *chain) {
    return mmi_units_of(chain->data);
}

/* The batch ends here. */
static inline void mmi_chain_end_batch(mmi_chain_t *chain) {
    *chain = mmi_chain_from(mmi_chain_units(chain));
}

/* Pass an event whose entry is damaged. */
static inline void mmi_chain_lose(mmi_chain_t *chain) {
    chain->link = MMI_LINK_LOST;
}

/* Where the entry may point, seen from the chain: it is no farther than this. A log does not
 * advance so far between two looks; see mmi_tail_unpack. */
#define MMI_CHAIN_GAP_MAX ((uint64_t)MMI_UNIT_BYTES << 31)

/* Whether an entry points where a batch may begin, or may go on behind a damaged entry. */
static inline bool mmi_chain_allows(const mmi_chain_t *c, const mmi_entry_t *e,
                                    uint64_t ring_bytes) {
    uint64_t apart = e->data - e->metadata; /* from its metadata to its data */
    return e->metadata_bytes <= apart && apart <= ring_bytes &&
           e->data_bytes <= ring_bytes - apart && e->metadata - c->metadata <= MMI_CHAIN_GAP_MAX &&
           e->data - c->data <= MMI_CHAIN_GAP_MAX &&
           (c->link == MMI_LINK_LOST || e->metadata % MMI_UNIT_BYTES == 0);
}

/* Pass the entry of event `id`, in a ring of `ring_bytes`. False, and the chain is as it was: the
 * entry is damaged. */
static inline bool mmi_chain_follow(mmi_chain_t *c, const mmi_entry_t *e, uint64_t id,
                                    uint64_t ring_bytes) {
    if (e->id_1 != id + 1 || e->check != mmi_entry_check(e))
        return false;
    if (c->link != MMI_LINK_EVENT) {
        if (!mmi_chain_allows(c, e, ring_bytes))
            return false;
        c->data_start = e->data < c->data_start ? e->data : c->data_start;
        c->link = MMI_LINK_EVENT;
    } else if (e->metadata != c->metadata || e->data != c->data ||
               e->metadata_bytes > c->data_start - e->metadata || e->data_bytes > ring_bytes) {
        return false;
    }
    c->metadata = e->metadata + e->metadata_bytes;
    c->data = e->data + e->data_bytes;
    return true;
}

#endif
