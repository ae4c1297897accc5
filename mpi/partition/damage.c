/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding out which events are lost to damage.
 *
 * A damaged flag does not say how many events its batch has. What was put before the flag shows it:
 * the entries of a batch follow each other, until a stored flag, an entry of another batch, or a
 * slot that was not written in this lap. The tail, too, is a batch's end.
 */
#include "mpi/partition/partition.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Slots that are read at a time. */
#define LOOK_SLOTS ((MMI_RUN_WORDS_MAX + 1) / 2)

/* A walk over consecutive slots. */
typedef struct damage_walk {
    const mmi_partition_t *p;
    uint64_t first, count; /* of the slots that were read */
    uint64_t words[MMI_RUN_WORDS_MAX];
    mmi_entry_t entries[LOOK_SLOTS];
} damage_walk_t;

/* Have the flag and the entry of `id`, and of events behind it, but below `end`. */
static mofka_status_t damage_walk_read(damage_walk_t *walk, uint64_t id, uint64_t end) {
    const mmi_partition_t *p = walk->p;
    uint64_t count = p->slots - id % p->slots;
    assert(id < end);
    if (id - walk->first < walk->count)
        return MOFKA_OK;
    count = count < end - id ? count : end - id;
    count = count < LOOK_SLOTS ? count : LOOK_SLOTS;
    p->w->ops->load_run(p->w, p->owner, mmi_flag_offset(p, id), walk->words, 2 * (size_t)count - 1);
    mmi_entries_get(p, id, walk->entries, (size_t)count);
    walk->first = id;
    walk->count = count;
    return p->w->ops->flush(p->w, p->owner);
}

bool mmi_entry_is_earlier(const mmi_partition_t *p, const mmi_entry_t *entry, uint64_t id) {
    return entry->check == mmi_entry_check(entry) && entry->id_1 <= id &&
           (id + 1 - entry->id_1) % p->slots == 0;
}

/* In the first lap, entries are zeros until they are put. */
static bool damage_is_fresh(const mmi_entry_t *entry) {
    static const mmi_entry_t zeros;
    return memcmp(entry, &zeros, sizeof zeros) == 0;
}

/* Whether an entry that the chain does not allow, of event `id`, is not of the batch under way: it
 * is of another one, or was not put yet. */
static bool damage_is_outside(const mmi_partition_t *p, const mmi_entry_t *entry, uint64_t id,
                              mmi_chain_t chain) {
    mmi_chain_end_batch(&chain);
    return mmi_chain_follow(&chain, entry, id, p->ring_bytes) ||
           mmi_entry_is_earlier(p, entry, id) || damage_is_fresh(entry);
}

/* Walk from event `first`, where a batch begins, to the end of the batch, at most to `limit`. If
 * its entries are good, but do not account for its metadata yet, it is being put: no damage. */
static mofka_status_t damage_find_end(const mmi_partition_t *p, uint64_t limit,
                                      mmi_damage_t *damage) {
    damage_walk_t walk = {.p = p};
    mmi_chain_t chain = damage->chain;
    uint64_t at = damage->first;
    bool lost = false;
    for (; at < limit; at++) {
        mofka_status_t status = damage_walk_read(&walk, at, limit);
        if (status)
            return status;
        size_t i = (size_t)(at - walk.first);
        if (at > damage->first && mmi_flag_extent(p, at, walk.words[2 * i]) > 0)
            break;
        if (mmi_chain_follow(&chain, &walk.entries[i], at, p->ring_bytes))
            continue;
        if (damage_is_outside(p, &walk.entries[i], at, chain))
            break;
        mmi_chain_lose(&chain);
        lost = true;
    }
    if (at == damage->first || (!lost && chain.metadata != chain.data_start))
        return MOFKA_OK;
    mmi_chain_end_batch(&chain);
    damage->end = at;
    damage->chain = chain;
    return MOFKA_OK;
}

mofka_status_t mmi_damage_of_flag(const mmi_partition_t *p, uint64_t id, mmi_chain_t chain,
                                  mmi_damage_t *damage) {
    mmi_state_t state;
    mmi_tail_t tail;
    uint64_t most = p->slots < MMI_BATCH_EVENTS_MAX ? p->slots : MMI_BATCH_EVENTS_MAX;
    assert(chain.link == MMI_LINK_BATCH);
    *damage = (mmi_damage_t){.first = id, .end = id, .of_flag = true, .chain = chain};
    mofka_status_t status = mmi_tail_load(p, &state, &tail);
    if (status || id >= tail.at.events)
        return status ? status : mmi_window_check(p->w, p->owner);
    uint64_t limit = tail.at.events - id < most ? tail.at.events : id + most;
    status = damage_find_end(p, limit, damage);
    if (!status && mmi_flag_extent(p, id, mmi_flag_load(p, id)) > 0) /* published meanwhile */
        damage->end = id;
    return status ? status : mmi_window_check(p->w, p->owner);
}

void mmi_damage_describe(const mmi_damage_t *damage, char text[MMI_DAMAGE_TEXT_BYTES]) {
    const char *what = damage->of_flag ? "flag" : damage->of_metadata ? "metadata" : "entry";
    uint64_t last = damage->end - 1;
    assert(damage->first < damage->end);
    if (damage->first == last)
        snprintf(text, MMI_DAMAGE_TEXT_BYTES, "the %s of event %" PRIu64 " is damaged", what, last);
    else
        snprintf(text, MMI_DAMAGE_TEXT_BYTES,
                 "the %s of events %" PRIu64 " to %" PRIu64 " %s damaged",
                 damage->of_flag ? "flag" : "entries", damage->first, last,
                 damage->of_flag ? "is" : "are");
}
