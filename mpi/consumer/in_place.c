/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fills runs whose metadata is shown in the window: one pass over entries, which are not copied
 * first.
 *
 * Each word of an entry is loaded once, so what was checked is what is used. Retention waits for
 * these events, so entries under settled flags do not change.
 */
#include "mpi/consumer/consumer.h"

#include <mofka/backend.h>

/* An entry in this process's memory. */
static inline mmi_entry_t entry_load(const mmi_entry_t *from) {
    return (mmi_entry_t){
        .id_1 = __atomic_load_n(&from->id_1, __ATOMIC_RELAXED),
        .metadata = __atomic_load_n(&from->metadata, __ATOMIC_RELAXED),
        .data = __atomic_load_n(&from->data, __ATOMIC_RELAXED),
        .data_bytes = __atomic_load_n(&from->data_bytes, __ATOMIC_RELAXED),
        .metadata_bytes = __atomic_load_n(&from->metadata_bytes, __ATOMIC_RELAXED),
        .check = __atomic_load_n(&from->check, __ATOMIC_RELAXED),
    };
}

/* The events of one batch, from `i` up to `end`: of the next one that is not, the index. */
static size_t batch_show(const mmi_reader_t *r, size_t i, size_t end, mmi_run_t *run,
                         mmi_chain_t *chain) {
    const mmi_partition_t *p = r->p;
    const uint64_t bytes = p->ring_bytes;
    const char *ring = mmi_window_address(p->w, p->owner, p->ring);
    const mmi_entry_t *entries = (const mmi_entry_t *)(const void *)mmi_window_address(
        p->w, p->owner, p->entries + (r->next % p->slots) * sizeof *entries);
    mmi_chain_t c = *chain;
    uint64_t at = entry_load(&entries[i]).metadata % bytes; /* of the metadata in the ring */
    for (; i < end; i++) {
        mmi_entry_t e = entry_load(&entries[i]);
        if (e.metadata_bytes > bytes - at || !mmi_chain_follow(&c, &e, r->next + i, bytes))
            break;
        run->events[i] = (mofka_fetched_event_t){.id = r->next + i,
                                                 .metadata = ring + at,
                                                 .metadata_bytes = e.metadata_bytes,
                                                 .data_bytes = e.data_bytes,
                                                 .data_position = e.data};
        at += e.metadata_bytes;
    }
    if (i == end)
        r->entries[end - 1] = entry_load(&entries[end - 1]);
    *chain = c;
    return i;
}

bool mmi_reader_can_show(const mmi_reader_t *r) {
    return r->form == MMI_FORM_IN_PLACE && !r->p->checksums && r->next >= r->skip_below;
}

size_t mmi_reader_show(mmi_reader_t *r, size_t found, mmi_run_t *run, mmi_chain_t *chain) {
    size_t i = 0;
    assert(found >= 1 && found <= MMI_RUN_EVENTS_MAX &&
           found <= r->p->slots - r->next % r->p->slots);
    while (i < found) {
        uint64_t batch = mmi_reader_end_of_batch(r, r->next + i) - r->next;
        size_t end = batch < found ? (size_t)batch : found;
        i = batch_show(r, i, end, run, chain);
        if (i < end)
            break;
        if (end == batch)
            mmi_chain_end_batch(chain);
    }
    return i;
}
