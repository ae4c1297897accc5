/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes a reserved range void.
 *
 *   step                                   written             a rank that dies after it leaves
 *   1 the entry of the last event: where   entry               the range as it was
 *     the range's units end
 *   2 the flag of the first event          flag, exchange      a void
 *
 * A range that does not fit the count of a flag, or the slots behind the head, takes several voids.
 * The units all go with the first one: nobody writes them any more.
 */
#include "mpi/rows/rows.h"

#include <inttypes.h>

/* With nobody else who writes there: make `count` events from `id` on void. `*done`: they are, or
 * were before. */
static mofka_status_t void_put(const mmi_partition_t *p, uint64_t id, uint64_t count,
                               uint64_t units, bool settled, bool *done) {
    const uint64_t end = id + count, bytes = units * MMI_UNIT_BYTES, at = mmi_flag_offset(p, id);
    const uint64_t word = mmi_flag_void(p, id, count, settled);
    mmi_entry_t entry = {.id_1 = end, .metadata = bytes, .data = bytes};
    uint64_t before = mmi_near_load(p, at);
    *done = before == word;
    if (*done)
        return MOFKA_OK;
    if (settled && before == mmi_flag_void(p, id, count, false)) {
        *done = mmi_near_exchange(p, at, &before, word);
    } else if (mmi_flag_kind(p, id, before) == MMI_FLAG_EARLIER) {
        entry.check = mmi_entry_check(&entry);
        mmi_entries_put(p, end - 1, &entry, 1);
        (void)p->w->ops->flush(p->w, p->owner); /* has no errors where CPUs write */
        *done = mmi_near_exchange(p, at, &before, word);
        if (*done)
            p->w->ops->fetch_add(p->w, p->owner, p->base + MMI_CONTROL(voided),
                                 count * MMI_COUNT_ONE);
    }
    return *done ? MOFKA_OK
                 : mofka_fail(MOFKA_ERR_CORRUPT,
                              "topic '%s', partition %zu: event %" PRIu64
                              " was to be void, and its flag is 0x%016" PRIx64,
                              p->topic, p->index, id, before);
}

mofka_status_t mmi_void_range(const mmi_partition_t *p, mmi_place_t *from, mmi_place_t end) {
    mmi_state_t state;
    uint64_t first = from->events;
    mofka_status_t status = mmi_state_load(p, &state);
    assert(p->w->ops->has_addresses && from->events < end.events);
    while (!status && from->events < end.events) {
        uint64_t room = state.head.events + p->slots - from->events, count;
        bool done = false;
        count = end.events - from->events;
        count = count < MMI_BATCH_EVENTS_MAX ? count : MMI_BATCH_EVENTS_MAX;
        count = count < room ? count : room;
        if ((int64_t)room <= 0 || from->events < state.head.events)
            break;
        status = void_put(p, from->events, count, end.units, true, &done);
        if (done)
            *from = (mmi_place_t){from->events + count, end.units};
    }
    if (from->events > first) {
        mmi_bell_ring_data(p);
        mmi_bell_ring_room(p);
    }
    return status;
}

mofka_status_t mmi_void_keep(const mmi_partition_t *p, mmi_place_t from, mmi_place_t end) {
    bool done;
    mofka_status_t status =
        void_put(p, from.events, end.events - from.events, end.units, false, &done);
    if (!status)
        mmi_bell_ring_data(p);
    return status;
}
