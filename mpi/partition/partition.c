/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What appending, reading, trimming and completing a partition share.
 *
 * Trim (under the partition's lock): the new head is the smallest cursor of the registered
 * consumers; with none, it stays. A cursor is one word, so its events and units belong together.
 * discard_oldest instead walks published batches from the head until the need fits: a batch's end
 * is the end of its last event's data. Events are stored before units: a producer that sees new
 * units has room indeed.
 *
 * A rank that dies with the lock leaves it taken: waiters give up at their deadline with an error.
 */
#include "mpi/partition/partition.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_TRIES 16 /* before the first sleep: who holds a lock holds it for a microsecond */

static uint64_t pages(uint64_t bytes) {
    return (bytes + MMI_PAGE_BYTES - 1) / MMI_PAGE_BYTES * MMI_PAGE_BYTES;
}

static uint64_t lines(uint64_t bytes) {
    return (bytes + MMI_UNIT_BYTES - 1) / MMI_UNIT_BYTES * MMI_UNIT_BYTES;
}

uint64_t mmi_partition_bytes(uint64_t slots, uint64_t ring_bytes) {
    return pages(pages(sizeof(mmi_control_t)) + lines(MMI_FLAG_BYTES * slots) +
                 lines(sizeof(mmi_entry_t) * slots) + ring_bytes);
}

void mmi_partition_place(mmi_partition_t *p) {
    p->flags = p->base + pages(sizeof(mmi_control_t));
    p->entries = p->flags + lines(MMI_FLAG_BYTES * p->slots);
    p->ring = p->entries + lines(sizeof(mmi_entry_t) * p->slots);
}

mofka_status_t mmi_partition_format(const mmi_partition_t *p, mmi_place_t start) {
    /* MPI does not promise zeros: with one rank, MPICH's shared windows are plain malloc. Entries and
     * payload are only read behind a flag. */
    mofka_status_t status = mmi_window_zero(p->w, p->owner, p->base, p->entries - p->base);
    if (status)
        return status;
    mmi_store(p, MMI_CONTROL(head_events), start.events);
    mmi_store(p, MMI_CONTROL(head_units), start.units);
    mmi_store(p, MMI_CONTROL(reservation), (start.events << 32) + start.units);
    return mmi_window_check(p->w);
}

mmi_state_t mmi_state_of(const uint64_t *words) {
    return (mmi_state_t){{words[0], words[1]}, words[2], words[3]};
}

mmi_state_t mmi_state(const mmi_partition_t *p) {
    uint64_t words[MMI_STATE_WORDS];
    p->w->ops->load_run(p->w, p->owner, p->base + MMI_CONTROL(head_events), words, MMI_STATE_WORDS);
    return mmi_state_of(words);
}

void mmi_state_get(const mmi_partition_t *p, uint64_t *words) {
    p->w->ops->get_words(p->w, p->owner, p->base + MMI_CONTROL(head_events), words,
                         MMI_STATE_WORDS);
}

mmi_place_t mmi_complete_word(uint64_t word, mmi_place_t head, bool carries) {
    mmi_place_t place;
    place.units = head.units + (uint32_t)((uint32_t)word - (uint32_t)head.units);
    uint32_t events = (uint32_t)(word >> 32) - (carries ? (uint32_t)(place.units >> 32) : 0);
    place.events = head.events + (uint32_t)(events - (uint32_t)head.events);
    return place;
}

mmi_place_t mmi_tail(const mmi_partition_t *p, mmi_state_t *state) {
    *state = mmi_state(p);
    uint64_t word = mmi_load(p, MMI_CONTROL(reservation));
    return mmi_complete_word(word, state->head, true);
}

mofka_status_t mmi_lock(mmi_window_t *w, int rank, uint64_t offset, int64_t deadline,
                        const char *what) {
    int tries = 0;
    for (int64_t us = 1;; tries++) {
        /* With an error of this rank's the lock is not even tried: it must not stay taken. */
        mofka_status_t status = mmi_window_check(w);
        if (status)
            return status;
        if (w->ops->exchange(w, rank, offset, 1) == 0)
            break;
        if (mmi_now_ms() >= deadline || atomic_load(&w->shut))
            return mofka_fail(MOFKA_ERR_TIMEOUT, "the lock of %s at rank %d stays taken", what,
                              rank);
        if (tries >= LOCK_TRIES)
            mmi_back_off(&us, 1000);
    }
    mofka_status_t status = mmi_window_check(w);
    if (status)
        w->ops->store(w, rank, offset, 0);
    return status;
}

void mmi_unlock(mmi_window_t *w, int rank, uint64_t offset) {
    w->ops->flush(w, rank);
    w->ops->store(w, rank, offset, 0);
}

mofka_status_t mmi_partition_lock(const mmi_partition_t *p, int64_t deadline) {
    return mmi_lock(p->w, p->owner, p->base + MMI_CONTROL(lock), deadline, p->topic);
}

void mmi_partition_unlock(const mmi_partition_t *p) {
    mmi_unlock(p->w, p->owner, p->base + MMI_CONTROL(lock));
}

bool mmi_fits(const mmi_partition_t *p, mmi_place_t head, mmi_place_t need) {
    return (int64_t)(need.events - head.events) <= (int64_t)p->slots &&
           (int64_t)(need.units - head.units) <= (int64_t)(p->ring_bytes / MMI_UNIT_BYTES);
}

static mmi_place_t slowest_consumer(const mmi_partition_t *p, mmi_place_t head) {
    uint64_t state[MMI_CONSUMERS_MAX], cursor[MMI_CONSUMERS_MAX];
    p->w->ops->load_run(p->w, p->owner, p->base + MMI_CONTROL(state), state, MMI_CONSUMERS_MAX);
    p->w->ops->load_run(p->w, p->owner, p->base + MMI_CONTROL(cursor), cursor, MMI_CONSUMERS_MAX);
    mmi_place_t least = head;
    bool any = false;
    for (size_t i = 0; i < MMI_CONSUMERS_MAX; i++) {
        if (state[i] == MMI_CONSUMER_FREE)
            continue;
        mmi_place_t place = mmi_complete_word(cursor[i], head, false);
        if (!any || place.events < least.events)
            least = place;
        any = true;
    }
    return least;
}

/* Over published batches, until `need` fits. */
static mofka_status_t discard_oldest(const mmi_partition_t *p, mmi_place_t need,
                                     mmi_place_t *head) {
    while (!mmi_fits(p, *head, need)) {
        uint64_t count = mmi_flag(p, head->events);
        if (count == 0)
            break; /* not published yet: its producer is not overtaken */
        mmi_entry_t last;
        mmi_entries_get(p, head->events + count - 1, &last, 1);
        mofka_status_t status = p->w->ops->flush(p->w, p->owner);
        if (!status && (last.id_1 != head->events + count || last.check != mmi_entry_check(&last)))
            status = mmi_damaged(p, head->events + count - 1);
        if (status)
            return status;
        head->events += count;
        head->units = mmi_units(last.data + last.data_bytes);
    }
    return MOFKA_OK;
}

/* Without the lock: whether a trim would move the head. */
static bool worth_trimming(const mmi_partition_t *p) {
    mmi_place_t head = mmi_state(p).head;
    return p->retention == MMI_DISCARD_OLDEST || slowest_consumer(p, head).events != head.events;
}

mofka_status_t mmi_trim(const mmi_partition_t *p, mmi_place_t need, int64_t deadline) {
    if (!worth_trimming(p))
        return mmi_window_check(p->w);
    mofka_status_t status = mmi_partition_lock(p, deadline);
    if (status)
        return status;
    mmi_place_t head = mmi_state(p).head, next = head;
    if (p->retention == MMI_DISCARD_OLDEST)
        status = discard_oldest(p, need, &next);
    else
        next = slowest_consumer(p, head);
    if (!status)
        status = mmi_window_check(p->w);
    if (!status && next.events != head.events) {
        mmi_store(p, MMI_CONTROL(head_events), next.events);
        mmi_store(p, MMI_CONTROL(head_units), next.units);
    }
    mmi_partition_unlock(p);
    return status ? status : mmi_window_check(p->w);
}

void mmi_ring_put(const mmi_partition_t *p, mmi_put_t put, uint64_t position, const void *source,
                  size_t bytes) {
    uint64_t at = position % p->ring_bytes;
    size_t first = bytes < p->ring_bytes - at ? bytes : (size_t)(p->ring_bytes - at);
    assert(bytes <= p->ring_bytes);
    if (first > 0)
        put(p->w, p->owner, p->ring + at, source, first);
    if (bytes > first)
        put(p->w, p->owner, p->ring, (const char *)source + first, bytes - first);
}

void mmi_ring_get(const mmi_partition_t *p, uint64_t position, void *target, size_t bytes) {
    uint64_t at = position % p->ring_bytes;
    size_t first = bytes < p->ring_bytes - at ? bytes : (size_t)(p->ring_bytes - at);
    assert(bytes <= p->ring_bytes);
    if (first > 0)
        p->w->ops->get(p->w, p->owner, p->ring + at, target, first);
    if (bytes > first)
        p->w->ops->get(p->w, p->owner, p->ring, (char *)target + first, bytes - first);
}

void mmi_entries_put(const mmi_partition_t *p, uint64_t id, const mmi_entry_t *entries,
                     size_t count) {
    uint64_t slot = id % p->slots;
    size_t first = count < p->slots - slot ? count : (size_t)(p->slots - slot);
    assert(count <= p->slots);
    p->w->ops->put(p->w, p->owner, p->entries + slot * sizeof *entries, entries,
                   first * sizeof *entries);
    if (count > first)
        p->w->ops->put(p->w, p->owner, p->entries, entries + first,
                       (count - first) * sizeof *entries);
}

void mmi_entries_get(const mmi_partition_t *p, uint64_t id, mmi_entry_t *entries, size_t count) {
    uint64_t slot = id % p->slots;
    size_t first = count < p->slots - slot ? count : (size_t)(p->slots - slot);
    assert(count <= p->slots);
    p->w->ops->get(p->w, p->owner, p->entries + slot * sizeof *entries, entries,
                   first * sizeof *entries);
    if (count > first)
        p->w->ops->get(p->w, p->owner, p->entries, entries + first,
                       (count - first) * sizeof *entries);
}

void mmi_stamp_put(const mmi_partition_t *p, uint64_t id, const uint64_t *stamp) {
    p->w->ops->put(p->w, p->owner, mmi_flag_offset(p, id) + 8, stamp, sizeof *stamp);
}

void mmi_stamp_get(const mmi_partition_t *p, uint64_t id, uint64_t *stamp) {
    p->w->ops->get(p->w, p->owner, mmi_flag_offset(p, id) + 8, stamp, sizeof *stamp);
}

uint64_t mmi_flag_offset(const mmi_partition_t *p, uint64_t id) {
    return p->flags + MMI_FLAG_BYTES * (id % p->slots);
}

uint64_t mmi_flag_value(const mmi_partition_t *p, uint64_t id, uint64_t count) {
    return (id / p->slots + 1) << MMI_FLAG_COUNT_BITS | count;
}

uint64_t mmi_flag_count(const mmi_partition_t *p, uint64_t id, uint64_t flag) {
    uint64_t count = flag & ((UINT64_C(1) << MMI_FLAG_COUNT_BITS) - 1);
    return flag == mmi_flag_value(p, id, count) ? count : 0;
}

uint64_t mmi_flag(const mmi_partition_t *p, uint64_t id) {
    return mmi_flag_count(p, id, p->w->ops->load(p->w, p->owner, mmi_flag_offset(p, id)));
}

mofka_status_t mmi_damaged(const mmi_partition_t *p, uint64_t id) {
    return mofka_fail(MOFKA_ERR_CORRUPT,
                      "topic '%s', partition %zu: entry of event %" PRIu64 " is damaged", p->topic,
                      p->index, id);
}

static void ring(const mmi_partition_t *p, size_t bell, int sleepers) {
    if (!p->w->doorbells)
        return;
    /* What was published is stored, then the waiters are read; a waiter adds itself, then looks at
     * what is published. All four are sequentially consistent, so one of the two sees the other. */
    if (mmi_load(p, bell + 8) > 0)
        p->w->ops->ring(p->w, p->owner, p->base + bell, sleepers);
}

void mmi_ring_data(const mmi_partition_t *p) {
    ring(p->bells, MMI_CONTROL(data_bell), INT_MAX);
}

void mmi_ring_room(const mmi_partition_t *p) {
    ring(p, MMI_CONTROL(room_bell), 1);
}

void mmi_bell_waiters(const mmi_partition_t *p, size_t bell, int64_t add) {
    if (p->w->doorbells)
        p->w->ops->fetch_add(p->w, p->owner, p->base + bell + 8, (uint64_t)add);
}

mofka_status_t mmi_partition_complete(const mmi_partition_t *p, int64_t deadline) {
    mofka_status_t status = mmi_partition_lock(p, deadline);
    if (status)
        return status;
    if (mmi_load(p, MMI_CONTROL(complete)) == 0) {
        mmi_store(p, MMI_CONTROL(closing), 1);
        mmi_state_t state;
        mmi_place_t tail = mmi_tail(p, &state);
        mmi_store(p, MMI_CONTROL(complete), tail.events + 1);
    }
    mmi_partition_unlock(p);
    mmi_ring_data(p);
    ring(p, MMI_CONTROL(room_bell), INT_MAX);
    return mmi_window_check(p->w);
}
