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

/* The check of an entry's other fields: the upper half of a sum of products. A changed bit changes
 * the sum by a shifted factor. No factor has 32 equal bits in a row but at its end, so the change
 * reaches the upper half. */
#define MMI_ENTRY_ID UINT64_C(0x9e3779b97f4a7c15)
#define MMI_ENTRY_METADATA UINT64_C(0xff51afd7ed558ccd)
#define MMI_ENTRY_DATA UINT64_C(0xc4ceb9fe1a85ec53)
#define MMI_ENTRY_DATA_BYTES UINT64_C(0xd6e8feb86659fd93)
#define MMI_ENTRY_METADATA_BYTES UINT64_C(0xa0761d6478bd642f)

/* What its place adds to the sum: it grows by the factors from entry to entry of a batch. */
static inline uint64_t mmi_entry_place_sum(uint64_t id_1, uint64_t metadata, uint64_t data) {
    return id_1 * MMI_ENTRY_ID + metadata * MMI_ENTRY_METADATA + data * MMI_ENTRY_DATA;
}

static inline uint32_t mmi_entry_check_of(uint64_t place_sum, uint64_t metadata_bytes,
                                          uint64_t data_bytes) {
    return (uint32_t)((place_sum + data_bytes * MMI_ENTRY_DATA_BYTES +
                       metadata_bytes * MMI_ENTRY_METADATA_BYTES) >>
                      32);
}

static inline uint32_t mmi_entry_check(const mmi_entry_t *e) {
    return mmi_entry_check_of(mmi_entry_place_sum(e->id_1, e->metadata, e->data), e->metadata_bytes,
                              e->data_bytes);
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

/* The same of the entries of `count` events from `id` on that follow others of their batch. They
 * are looked at together, so this costs half. False: at least one is damaged, or so large that it
 * has to be looked at alone. */
static inline bool mmi_chain_follow_all(mmi_chain_t *c, const mmi_entry_t *e, size_t count,
                                        uint64_t id, uint64_t ring_bytes) {
    uint64_t metadata = c->metadata, data = c->data, wrong = 0, sizes = 0,
             sum = mmi_entry_place_sum(id + 1, metadata, data);
    assert(c->link == MMI_LINK_EVENT);
    for (size_t i = 0; i < count; i++, e++) {
        wrong |= (e->id_1 ^ ++id) | (e->metadata ^ metadata) | (e->data ^ data) |
                 (e->check ^ mmi_entry_check_of(sum, e->metadata_bytes, e->data_bytes));
        sizes |= e->data_bytes;
        sum += mmi_entry_place_sum(1, e->metadata_bytes, e->data_bytes);
        metadata += e->metadata_bytes;
        data += e->data_bytes;
    }
    if (wrong || sizes > ring_bytes || metadata > c->data_start)
        return false;
    c->metadata = metadata;
    c->data = data;
    return true;
}

#endif
