/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A partition's geometry and state: where its parts are, fresh memory, and the places that packed
 * words stand for.
 */
#include "mpi/partition/partition.h"

#include <assert.h>

/* The parts that come before the payload: see layout.h. */
static uint64_t partition_flags_bytes(uint64_t slots) {
    return mmi_round_up(MMI_FLAG_BYTES * slots, MMI_UNIT_BYTES);
}

static uint64_t partition_entries_bytes(uint64_t slots) {
    return mmi_round_up(sizeof(mmi_entry_t) * slots, MMI_UNIT_BYTES);
}

uint64_t mmi_partition_bytes(uint64_t slots, uint64_t ring_bytes) {
    uint64_t control = mmi_round_up(sizeof(mmi_control_t), MMI_PAGE_BYTES);
    uint64_t entries = partition_entries_bytes(slots);
    return mmi_round_up(control + partition_flags_bytes(slots) + entries + ring_bytes,
                        MMI_PAGE_BYTES);
}

void mmi_partition_place(mmi_partition_t *p) {
    assert(p->slots > 0 && p->ring_bytes >= MMI_UNIT_BYTES);
    assert(p->owner >= 0 && p->owner < p->w->size);
    p->flags = p->base + mmi_round_up(sizeof(mmi_control_t), MMI_PAGE_BYTES);
    p->entries = p->flags + partition_flags_bytes(p->slots);
    p->ring = p->entries + partition_entries_bytes(p->slots);
}

mofka_status_t mmi_partition_format(const mmi_partition_t *p, mmi_place_t start) {
    assert(p->base % MMI_PAGE_BYTES == 0 && p->base < p->flags && p->flags < p->entries);
    assert(p->ring_bytes % MMI_UNIT_BYTES == 0);
    /* MPI does not promise zeros: with one rank, MPICH's shared windows are plain malloc. Entries
     * and payload need none: they are read only behind a flag. */
    mofka_status_t status = mmi_window_zero(p->w, p->owner, p->base, p->entries - p->base);
    if (status)
        return status;
    mmi_control_store(p, MMI_CONTROL(head_events), start.events);
    mmi_control_store(p, MMI_CONTROL(head_units), start.units);
    mmi_control_store(p, MMI_CONTROL(reservation), (start.events << 32) + start.units);
    return mmi_window_check(p->w);
}

mmi_state_t mmi_state_of_words(const uint64_t *words) {
    return (mmi_state_t){{words[0], words[1]}, words[2], words[3]};
}

mmi_state_t mmi_state_load(const mmi_partition_t *p) {
    uint64_t words[MMI_STATE_WORDS];
    p->w->ops->load_run(p->w, p->owner, p->base + MMI_CONTROL(head_events), words, MMI_STATE_WORDS);
    return mmi_state_of_words(words);
}

void mmi_state_get(const mmi_partition_t *p, uint64_t *words) {
    p->w->ops->get_words(p->w, p->owner, p->base + MMI_CONTROL(head_events), words,
                         MMI_STATE_WORDS);
}

mmi_place_t mmi_place_unpack(uint64_t word, mmi_place_t head, bool carries) {
    mmi_place_t place;
    place.units = head.units + (uint32_t)((uint32_t)word - (uint32_t)head.units);
    uint32_t events = (uint32_t)(word >> 32) - (carries ? (uint32_t)(place.units >> 32) : 0);
    place.events = head.events + (uint32_t)(events - (uint32_t)head.events);
    return place;
}

mmi_place_t mmi_tail_load(const mmi_partition_t *p, mmi_state_t *state) {
    *state = mmi_state_load(p);
    uint64_t word = mmi_control_load(p, MMI_CONTROL(reservation));
    return mmi_place_unpack(word, state->head, true);
}
