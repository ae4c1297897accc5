/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moving the head, under the partition's lock, as far as retention allows.
 *
 * acknowledged: the new head is the smallest cursor of the registered consumers. If there are none,
 * the head stays. A cursor is one word, so its events and units belong together.
 * discard_oldest: the head passes published batches until the new batch fits. A batch ends where
 * the data of its last event ends. Nothing is discarded if a batch is in the way that is not
 * published. So the way is walked first, and damage on it is logged once it is discarded.
 *
 * Damage does not stop this. If the last entry of a batch is damaged, the units of the head, or of
 * a cursor, are at most the true ones. What stands behind shows the true ones: the next batch's
 * first entry, or the place that the new batch has itself.
 *
 * The head's events are stored before its units: a producer that sees new units has room indeed.
 */
#include "mpi/partition/partition.h"

#include <assert.h>
#include <mofka/log.h>

/* The entry of event `id`, which is published. */
static mofka_status_t trim_read_entry(const mmi_partition_t *p, uint64_t id, mmi_entry_t *entry) {
    mmi_entries_get(p, id, entry, 1);
    return p->w->ops->flush(p->w, p->owner);
}

/* With the lock: correct the units of a place, where a batch begins, if they may be too low.
 * *rough: they may still be. *wrong: they are too high. */
static mofka_status_t trim_correct_units(const mmi_partition_t *p, mmi_place_t start,
                                         mmi_place_t head, mmi_place_t *place, bool *rough,
                                         bool *wrong) {
    mmi_entry_t first;
    mmi_chain_t chain = mmi_chain_from(head.units);
    mmi_assert_locked(p);
    *wrong = place->events == start.events && place->units > start.units;
    *rough = !*wrong && place->events != start.events;
    if (place->events == start.events)
        place->units = start.units;
    if (!*rough || mmi_flag_count(p, place->events, mmi_flag_load(p, place->events)) == 0)
        return mmi_window_check(p->w, p->owner);
    mofka_status_t status = trim_read_entry(p, place->events, &first);
    if (!status && mmi_chain_follow(&chain, &first, place->events, p->ring_bytes)) {
        uint64_t units = first.metadata / MMI_UNIT_BYTES;
        *wrong = units < place->units;
        *rough = false;
        place->units = units;
    }
    return status;
}

/* With the lock: the published batch at the head, damaged or not. `first == end`: there is none, or
 * its flag is not settled. */
static mofka_status_t trim_next_batch(const mmi_partition_t *p, mmi_place_t head,
                                      mmi_damage_t *batch) {
    mmi_chain_t chain = mmi_chain_from(head.units);
    uint64_t flag = mmi_flag_load(p, head.events);
    uint64_t count = mmi_flag_is_settled(flag) ? mmi_flag_extent(p, head.events, flag) : 0;
    mmi_flag_kind_t kind = mmi_flag_kind(p, head.events, flag);
    mmi_assert_locked(p);
    *batch = (mmi_damage_t){.first = head.events, .end = head.events + count, .chain = chain};
    if (kind == MMI_FLAG_STORED || kind == MMI_FLAG_VOID || kind == MMI_FLAG_EARLIER)
        return mmi_window_check(p->w, p->owner);
    return mmi_damage_of_flag(p, head.events, chain, batch);
}

static void trim_warn(const mmi_partition_t *p, const mmi_damage_t *damage) {
    char text[MMI_DAMAGE_TEXT_BYTES];
    mmi_damage_describe(damage, text);
    mofka_log(MOFKA_LOG_WARN, "topic '%s', partition %zu: %s; retention discards that", p->topic,
              p->index, text);
}

/* The way over published batches. */
typedef struct trim_walk {
    mmi_place_t start; /* where a batch begins, or will begin */
    mmi_place_t head;  /* how far it is */
    bool rough;        /* the head's units may be lower than the true ones */
    bool damaged;      /* it passed damage */
    bool warns;        /* of damage */
} trim_walk_t;

/* With the lock: pass that batch, unless its flag is so old that its lap counts as the current
 * one. */
static mofka_status_t trim_pass_batch(const mmi_partition_t *p, mmi_damage_t *batch,
                                      trim_walk_t *walk) {
    mmi_entry_t last;
    bool known = false, wrong;
    mmi_assert_locked(p);
    if (!batch->of_flag) {
        mofka_status_t status = trim_read_entry(p, batch->end - 1, &last);
        if (status || mmi_entry_is_earlier(p, &last, batch->end - 1))
            return status;
        mmi_chain_lose(&batch->chain);
        known = mmi_chain_follow(&batch->chain, &last, batch->end - 1, p->ring_bytes);
        batch->first = batch->end - 1; /* for the warning */
    }
    walk->head = (mmi_place_t){batch->end, mmi_chain_units(&batch->chain)};
    walk->rough = !known;
    if (known)
        return MOFKA_OK;
    walk->damaged = true;
    if (walk->warns)
        trim_warn(p, batch);
    return trim_correct_units(p, walk->start, walk->head, &walk->head, &walk->rough, &wrong);
}

/* With the lock: pass published batches until a log up to `end` fits. */
static mofka_status_t trim_pass_batches(const mmi_partition_t *p, mmi_place_t end,
                                        trim_walk_t *walk) {
    mmi_assert_locked(p);
    while (!mmi_place_fits(p, walk->head, end)) {
        mmi_damage_t batch;
        uint64_t before = walk->head.events;
        mofka_status_t status = trim_next_batch(p, walk->head, &batch);
        if (!status && batch.end > batch.first)
            status = trim_pass_batch(p, &batch, walk);
        if (status)
            return status;
        if (walk->head.events == before)
            break; /* not published yet; its producer is not overtaken */
    }
    return MOFKA_OK;
}

/* With the lock: move `*head` until a log up to `end` fits. If it cannot, the head stays:
 * discarding less than the batch needs would lose events for nothing. */
static mofka_status_t trim_discard(const mmi_partition_t *p, mmi_place_t start, mmi_place_t end,
                                   mmi_place_t *head, bool *rough) {
    const trim_walk_t begin = {.start = start, .head = *head, .rough = *rough};
    trim_walk_t walk = begin;
    mmi_assert_locked(p);
    mofka_status_t status = trim_pass_batches(p, end, &walk);
    if (!status && walk.damaged && mmi_place_fits(p, walk.head, end)) {
        walk = begin;
        walk.warns = true;
        status = trim_pass_batches(p, end, &walk);
    }
    if (!status && mmi_place_fits(p, walk.head, end)) {
        *head = walk.head;
        *rough = walk.rough;
    }
    return status;
}

/* With the lock: whether the batches from the head on end at `id`, as far as flags show. */
static mofka_status_t trim_is_boundary(const mmi_partition_t *p, uint64_t head, uint64_t id,
                                       bool *boundary) {
    mofka_status_t status = MOFKA_OK;
    uint64_t at = head;
    bool stuck = false;
    mmi_assert_locked(p);
    while (!status && !stuck && at < id)
        status = mmi_flags_pass(p, id, false, INT64_MAX, &at, &stuck);
    /* Behind a damaged flag nothing is known. */
    *boundary = at == id || mmi_flag_count(p, at, mmi_flag_load(p, at)) == 0;
    return status;
}

/* With the lock: MOFKA_ERR_CORRUPT if a cursor cannot be where it is; it, or its units, would free
 * unread bytes. `rough`: no entry at the cursor confirms it. */
static mofka_status_t trim_check_cursor(const mmi_partition_t *p, mmi_place_t head,
                                        const mmi_slowest_t *slowest, bool rough, bool wrong) {
    mmi_state_t state;
    mmi_place_t at = slowest->at;
    mmi_tail_t tail;
    bool boundary = true;
    mofka_status_t status = rough ? mmi_tail_load(p, &state, &tail) : MOFKA_OK;
    if (!status && rough)
        wrong = at.events > tail.at.events || at.units > tail.at.units;
    if (!status && rough && at.events != tail.at.events)
        status = trim_is_boundary(p, head.events, at.events, &boundary);
    if (!status && (wrong || !boundary))
        status =
            mmi_consumer_damaged(p, slowest->place, "cursor", at.events << 32 | (uint32_t)at.units);
    return status;
}

/* With the lock: move `*head` to the slowest consumer's place. */
static mofka_status_t trim_to_cursor(const mmi_partition_t *p, mmi_place_t start, mmi_place_t *head,
                                     bool *rough) {
    mmi_slowest_t slowest;
    bool wrong = false;
    mmi_assert_locked(p);
    mofka_status_t status = mmi_consumers_find_slowest(p, *head, true, &slowest);
    if (status || slowest.place == MMI_CONSUMERS_MAX)
        return status;
    mmi_place_t next = slowest.at;
    status = trim_correct_units(p, start, *head, &next, rough, &wrong);
    if (!status)
        status = trim_check_cursor(p, *head, &slowest, *rough, wrong);
    if (!status)
        *head = next;
    return status;
}

/* Without the lock: whether trimming is worth taking it. The head's units may have been corrected
 * since, or can be now. */
static mofka_status_t trim_would_move(const mmi_partition_t *p, mmi_place_t start, bool *worth) {
    mmi_state_t state;
    mmi_slowest_t slowest;
    mofka_status_t status = mmi_state_load(p, &state);
    *worth = p->retention == MMI_DISCARD_OLDEST;
    if (!status && !*worth)
        status = mmi_consumers_find_slowest(p, state.head, false, &slowest);
    if (status || *worth)
        return status;
    uint64_t at = state.head.events;
    *worth = slowest.at.events != at ||
             (state.rough && slowest.place != MMI_CONSUMERS_MAX &&
              (at == start.events || mmi_flag_count(p, at, mmi_flag_load(p, at)) > 0));
    return mmi_window_check(p->w, p->owner);
}

/* With the lock, which the end of a topic needs, too. Nothing is discarded for a batch behind it.
 */
static mofka_status_t trim_move(const mmi_partition_t *p, mmi_place_t start, mmi_place_t end) {
    mmi_state_t state;
    mofka_status_t status = mmi_state_load(p, &state);
    mmi_place_t head = state.head;
    bool rough = state.rough;
    mmi_assert_locked(p);
    if (!status && state.complete && start.events >= state.complete - 1)
        return MOFKA_OK;
    if (!status)
        status = p->retention == MMI_DISCARD_OLDEST ? trim_discard(p, start, end, &head, &rough)
                                                    : trim_to_cursor(p, start, &head, &rough);
    if (!status)
        status = mmi_window_check(p->w, p->owner);
    if (status || (head.events == state.head.events && head.units == state.head.units &&
                   rough == state.rough))
        return status;
    assert(head.events >= state.head.events && head.units >= state.head.units);
    mmi_head_store(p, head, rough);
    return mmi_window_check(p->w, p->owner);
}

mofka_status_t mmi_trim_head(const mmi_partition_t *p, mmi_place_t start, mmi_place_t end,
                             int64_t deadline, int64_t lock_ms) {
    bool worth;
    mofka_status_t status = trim_would_move(p, start, &worth);
    if (status || !worth)
        return status;
    int64_t soon = mmi_deadline(lock_ms);
    status = mmi_partition_lock(p, deadline < soon ? deadline : soon);
    if (status)
        return status;
    status = trim_move(p, start, end);
    mmi_partition_unlock(p);
    return status ? status : mmi_window_check(p->w, p->owner);
}
