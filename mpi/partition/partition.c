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
    return (bytes + MOFKA_MPI_PAGE_BYTES - 1) / MOFKA_MPI_PAGE_BYTES * MOFKA_MPI_PAGE_BYTES;
}

static uint64_t lines(uint64_t bytes) {
    return (bytes + MOFKA_MPI_UNIT_BYTES - 1) / MOFKA_MPI_UNIT_BYTES * MOFKA_MPI_UNIT_BYTES;
}

uint64_t mofka_mpi_partition_bytes(uint64_t slots, uint64_t ring_bytes) {
    return pages(pages(sizeof(mofka_mpi_control_t)) + lines(MOFKA_MPI_FLAG_BYTES * slots) +
                 lines(sizeof(mofka_mpi_entry_t) * slots) + ring_bytes);
}

void mofka_mpi_partition_place(mofka_mpi_partition_t *p) {
    p->flags = p->base + pages(sizeof(mofka_mpi_control_t));
    p->entries = p->flags + lines(MOFKA_MPI_FLAG_BYTES * p->slots);
    p->ring = p->entries + lines(sizeof(mofka_mpi_entry_t) * p->slots);
}

mofka_status_t mofka_mpi_partition_format(const mofka_mpi_partition_t *p, mofka_mpi_place_t start) {
    /* MPI does not promise zeros: with one rank, MPICH's shared windows are plain malloc. Entries and
     * payload are only read behind a flag. */
    mofka_status_t status = mofka_mpi_window_zero(p->w, p->owner, p->base, p->entries - p->base);
    if (status)
        return status;
    mofka_mpi_store(p, MOFKA_MPI_CONTROL(head_events), start.events);
    mofka_mpi_store(p, MOFKA_MPI_CONTROL(head_units), start.units);
    mofka_mpi_store(p, MOFKA_MPI_CONTROL(reservation), (start.events << 32) + start.units);
    return mofka_mpi_window_check(p->w);
}

mofka_mpi_state_t mofka_mpi_state_of(const uint64_t *words) {
    return (mofka_mpi_state_t){{words[0], words[1]}, words[2], words[3]};
}

mofka_mpi_state_t mofka_mpi_state(const mofka_mpi_partition_t *p) {
    uint64_t words[MOFKA_MPI_STATE_WORDS];
    p->w->ops->load_run(p->w, p->owner, p->base + MOFKA_MPI_CONTROL(head_events), words,
                        MOFKA_MPI_STATE_WORDS);
    return mofka_mpi_state_of(words);
}

void mofka_mpi_state_get(const mofka_mpi_partition_t *p, uint64_t *words) {
    p->w->ops->get_words(p->w, p->owner, p->base + MOFKA_MPI_CONTROL(head_events), words,
                         MOFKA_MPI_STATE_WORDS);
}

mofka_mpi_place_t mofka_mpi_complete_word(uint64_t word, mofka_mpi_place_t head, bool carries) {
    mofka_mpi_place_t place;
    place.units = head.units + (uint32_t)((uint32_t)word - (uint32_t)head.units);
    uint32_t events = (uint32_t)(word >> 32) - (carries ? (uint32_t)(place.units >> 32) : 0);
    place.events = head.events + (uint32_t)(events - (uint32_t)head.events);
    return place;
}

mofka_mpi_place_t mofka_mpi_tail(const mofka_mpi_partition_t *p, mofka_mpi_state_t *state) {
    *state = mofka_mpi_state(p);
    uint64_t word = mofka_mpi_load(p, MOFKA_MPI_CONTROL(reservation));
    return mofka_mpi_complete_word(word, state->head, true);
}

mofka_status_t mofka_mpi_lock(mofka_mpi_window_t *w, int rank, uint64_t offset, int64_t deadline,
                              const char *what) {
    int tries = 0;
    for (int64_t us = 1;; tries++) {
        /* With an error of this rank's the lock is not even tried: it must not stay taken. */
        mofka_status_t status = mofka_mpi_window_check(w);
        if (status)
            return status;
        if (w->ops->exchange(w, rank, offset, 1) == 0)
            break;
        if (mofka_mpi_now_ms() >= deadline || atomic_load(&w->shut))
            return mofka_fail(MOFKA_ERR_TIMEOUT, "the lock of %s at rank %d stays taken", what,
                              rank);
        if (tries >= LOCK_TRIES)
            mofka_mpi_back_off(&us, 1000);
    }
    mofka_status_t status = mofka_mpi_window_check(w);
    if (status)
        w->ops->store(w, rank, offset, 0);
    return status;
}

void mofka_mpi_unlock(mofka_mpi_window_t *w, int rank, uint64_t offset) {
    w->ops->flush(w, rank);
    w->ops->store(w, rank, offset, 0);
}

mofka_status_t mofka_mpi_partition_lock(const mofka_mpi_partition_t *p, int64_t deadline) {
    return mofka_mpi_lock(p->w, p->owner, p->base + MOFKA_MPI_CONTROL(lock), deadline, p->topic);
}

void mofka_mpi_partition_unlock(const mofka_mpi_partition_t *p) {
    mofka_mpi_unlock(p->w, p->owner, p->base + MOFKA_MPI_CONTROL(lock));
}

bool mofka_mpi_fits(const mofka_mpi_partition_t *p, mofka_mpi_place_t head,
                    mofka_mpi_place_t need) {
    return (int64_t)(need.events - head.events) <= (int64_t)p->slots &&
           (int64_t)(need.units - head.units) <= (int64_t)(p->ring_bytes / MOFKA_MPI_UNIT_BYTES);
}

static mofka_mpi_place_t slowest_consumer(const mofka_mpi_partition_t *p, mofka_mpi_place_t head) {
    uint64_t state[MOFKA_MPI_CONSUMERS_MAX], cursor[MOFKA_MPI_CONSUMERS_MAX];
    p->w->ops->load_run(p->w, p->owner, p->base + MOFKA_MPI_CONTROL(state), state,
                        MOFKA_MPI_CONSUMERS_MAX);
    p->w->ops->load_run(p->w, p->owner, p->base + MOFKA_MPI_CONTROL(cursor), cursor,
                        MOFKA_MPI_CONSUMERS_MAX);
    mofka_mpi_place_t least = head;
    bool any = false;
    for (size_t i = 0; i < MOFKA_MPI_CONSUMERS_MAX; i++) {
        if (state[i] == MOFKA_MPI_CONSUMER_FREE)
            continue;
        mofka_mpi_place_t place = mofka_mpi_complete_word(cursor[i], head, false);
        if (!any || place.events < least.events)
            least = place;
        any = true;
    }
    return least;
}

/* Over published batches, until `need` fits. */
static mofka_status_t discard_oldest(const mofka_mpi_partition_t *p, mofka_mpi_place_t need,
                                     mofka_mpi_place_t *head) {
    while (!mofka_mpi_fits(p, *head, need)) {
        uint64_t count = mofka_mpi_flag(p, head->events);
        if (count == 0)
            break; /* not published yet: its producer is not overtaken */
        mofka_mpi_entry_t last;
        mofka_mpi_entries_get(p, head->events + count - 1, &last, 1);
        mofka_status_t status = p->w->ops->flush(p->w, p->owner);
        if (!status &&
            (last.id_1 != head->events + count || last.check != mofka_mpi_entry_check(&last)))
            status = mofka_mpi_damaged(p, head->events + count - 1);
        if (status)
            return status;
        head->events += count;
        head->units = mofka_mpi_units(last.data + last.data_bytes);
    }
    return MOFKA_OK;
}

/* Without the lock: whether a trim would move the head. */
static bool worth_trimming(const mofka_mpi_partition_t *p) {
    mofka_mpi_place_t head = mofka_mpi_state(p).head;
    return p->retention == MOFKA_MPI_DISCARD_OLDEST ||
           slowest_consumer(p, head).events != head.events;
}

mofka_status_t mofka_mpi_trim(const mofka_mpi_partition_t *p, mofka_mpi_place_t need,
                              int64_t deadline) {
    if (!worth_trimming(p))
        return mofka_mpi_window_check(p->w);
    mofka_status_t status = mofka_mpi_partition_lock(p, deadline);
    if (status)
        return status;
    mofka_mpi_place_t head = mofka_mpi_state(p).head, next = head;
    if (p->retention == MOFKA_MPI_DISCARD_OLDEST)
        status = discard_oldest(p, need, &next);
    else
        next = slowest_consumer(p, head);
    if (!status)
        status = mofka_mpi_window_check(p->w);
    if (!status && next.events != head.events) {
        mofka_mpi_store(p, MOFKA_MPI_CONTROL(head_events), next.events);
        mofka_mpi_store(p, MOFKA_MPI_CONTROL(head_units), next.units);
    }
    mofka_mpi_partition_unlock(p);
    return status ? status : mofka_mpi_window_check(p->w);
}

void mofka_mpi_ring_put(const mofka_mpi_partition_t *p, mofka_mpi_put_t put, uint64_t position,
                        const void *source, size_t bytes) {
    uint64_t at = position % p->ring_bytes;
    size_t first = bytes < p->ring_bytes - at ? bytes : (size_t)(p->ring_bytes - at);
    assert(bytes <= p->ring_bytes);
    if (first > 0)
        put(p->w, p->owner, p->ring + at, source, first);
    if (bytes > first)
        put(p->w, p->owner, p->ring, (const char *)source + first, bytes - first);
}

void mofka_mpi_ring_get(const mofka_mpi_partition_t *p, uint64_t position, void *target,
                        size_t bytes) {
    uint64_t at = position % p->ring_bytes;
    size_t first = bytes < p->ring_bytes - at ? bytes : (size_t)(p->ring_bytes - at);
    assert(bytes <= p->ring_bytes);
    if (first > 0)
        p->w->ops->get(p->w, p->owner, p->ring + at, target, first);
    if (bytes > first)
        p->w->ops->get(p->w, p->owner, p->ring, (char *)target + first, bytes - first);
}

void mofka_mpi_entries_put(const mofka_mpi_partition_t *p, uint64_t id,
                           const mofka_mpi_entry_t *entries, size_t count) {
    uint64_t slot = id % p->slots;
    size_t first = count < p->slots - slot ? count : (size_t)(p->slots - slot);
    assert(count <= p->slots);
    p->w->ops->put(p->w, p->owner, p->entries + slot * sizeof *entries, entries,
                   first * sizeof *entries);
    if (count > first)
        p->w->ops->put(p->w, p->owner, p->entries, entries + first,
                       (count - first) * sizeof *entries);
}

void mofka_mpi_entries_get(const mofka_mpi_partition_t *p, uint64_t id, mofka_mpi_entry_t *entries,
                           size_t count) {
    uint64_t slot = id % p->slots;
    size_t first = count < p->slots - slot ? count : (size_t)(p->slots - slot);
    assert(count <= p->slots);
    p->w->ops->get(p->w, p->owner, p->entries + slot * sizeof *entries, entries,
                   first * sizeof *entries);
    if (count > first)
        p->w->ops->get(p->w, p->owner, p->entries, entries + first,
                       (count - first) * sizeof *entries);
}

void mofka_mpi_stamp_put(const mofka_mpi_partition_t *p, uint64_t id, const uint64_t *stamp) {
    p->w->ops->put(p->w, p->owner, mofka_mpi_flag_offset(p, id) + 8, stamp, sizeof *stamp);
}

void mofka_mpi_stamp_get(const mofka_mpi_partition_t *p, uint64_t id, uint64_t *stamp) {
    p->w->ops->get(p->w, p->owner, mofka_mpi_flag_offset(p, id) + 8, stamp, sizeof *stamp);
}

uint64_t mofka_mpi_flag_offset(const mofka_mpi_partition_t *p, uint64_t id) {
    return p->flags + MOFKA_MPI_FLAG_BYTES * (id % p->slots);
}

uint64_t mofka_mpi_flag_value(const mofka_mpi_partition_t *p, uint64_t id, uint64_t count) {
    return (id / p->slots + 1) << MOFKA_MPI_FLAG_COUNT_BITS | count;
}

uint64_t mofka_mpi_flag_count(const mofka_mpi_partition_t *p, uint64_t id, uint64_t flag) {
    uint64_t count = flag & ((UINT64_C(1) << MOFKA_MPI_FLAG_COUNT_BITS) - 1);
    return flag == mofka_mpi_flag_value(p, id, count) ? count : 0;
}

uint64_t mofka_mpi_flag(const mofka_mpi_partition_t *p, uint64_t id) {
    return mofka_mpi_flag_count(p, id,
                                p->w->ops->load(p->w, p->owner, mofka_mpi_flag_offset(p, id)));
}

mofka_status_t mofka_mpi_damaged(const mofka_mpi_partition_t *p, uint64_t id) {
    return mofka_fail(MOFKA_ERR_CORRUPT,
                      "topic '%s', partition %zu: entry of event %" PRIu64 " is damaged", p->topic,
                      p->index, id);
}

static void ring(const mofka_mpi_partition_t *p, size_t bell, int sleepers) {
    if (!p->w->doorbells)
        return;
    /* What was published is stored, then the waiters are read; a waiter adds itself, then looks at
     * what is published. All four are sequentially consistent, so one of the two sees the other. */
    if (mofka_mpi_load(p, bell + 8) > 0)
        p->w->ops->ring(p->w, p->owner, p->base + bell, sleepers);
}

void mofka_mpi_ring_data(const mofka_mpi_partition_t *p) {
    ring(p->bells, MOFKA_MPI_CONTROL(data_bell), INT_MAX);
}

void mofka_mpi_ring_room(const mofka_mpi_partition_t *p) {
    ring(p, MOFKA_MPI_CONTROL(room_bell), 1);
}

void mofka_mpi_bell_waiters(const mofka_mpi_partition_t *p, size_t bell, int64_t add) {
    if (p->w->doorbells)
        p->w->ops->fetch_add(p->w, p->owner, p->base + bell + 8, (uint64_t)add);
}

mofka_status_t mofka_mpi_partition_complete(const mofka_mpi_partition_t *p, int64_t deadline) {
    mofka_status_t status = mofka_mpi_partition_lock(p, deadline);
    if (status)
        return status;
    if (mofka_mpi_load(p, MOFKA_MPI_CONTROL(complete)) == 0) {
        mofka_mpi_store(p, MOFKA_MPI_CONTROL(closing), 1);
        mofka_mpi_state_t state;
        mofka_mpi_place_t tail = mofka_mpi_tail(p, &state);
        mofka_mpi_store(p, MOFKA_MPI_CONTROL(complete), tail.events + 1);
    }
    mofka_mpi_partition_unlock(p);
    mofka_mpi_ring_data(p);
    ring(p, MOFKA_MPI_CONTROL(room_bell), INT_MAX);
    return mofka_mpi_window_check(p->w);
}
