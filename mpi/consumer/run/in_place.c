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

/* Events of one batch that are shown one behind the other. */
typedef struct show {
    const mmi_reader_t *r;
    const mmi_entry_t *entries; /* in the window: those of r->next and on */
    const char *ring;
    mofka_fetched_event_t *events; /* likewise */
} show_t;

/* Show the events from `i` up to `end`. Returns the index of the next one that is not shown. */
static size_t show_each(const show_t *s, size_t i, size_t end, mmi_chain_t *chain) {
    const uint64_t bytes = s->r->p->ring_bytes;
    for (; i < end; i++) {
        mmi_entry_t e = entry_load(&s->entries[i]);
        uint64_t at = e.metadata % bytes;
        if (e.metadata_bytes > bytes - at || !mmi_chain_follow(chain, &e, s->r->next + i, bytes))
            break;
        s->events[i] = (mofka_fetched_event_t){.id = s->r->next + i,
                                               .metadata = s->ring + at,
                                               .metadata_bytes = e.metadata_bytes,
                                               .data_bytes = e.data_bytes,
                                               .data_position = e.data};
    }
    return i;
}

/* The same of events behind one of the same batch, all at once: without looking at each whether it
 * is right. False: some are not, or wrap; nothing was done. */
static bool show_all(const show_t *s, size_t i, size_t end, mmi_chain_t *chain) {
    const uint64_t bytes = s->r->p->ring_bytes;
    assert(chain->link == MMI_LINK_EVENT);
    uint64_t id = s->r->next + i, metadata = chain->metadata, data = chain->data,
             sum = mmi_entry_place_sum(id + 1, metadata, data), wrong = 0, sizes = 0;
    const char *text = s->ring + metadata % bytes;
    for (; i < end; i++) {
        mmi_entry_t e = entry_load(&s->entries[i]);
        s->events[i] = (mofka_fetched_event_t){.id = id,
                                               .metadata = text,
                                               .metadata_bytes = e.metadata_bytes,
                                               .data_bytes = e.data_bytes,
                                               .data_position = data};
        wrong |= (e.id_1 ^ ++id) | (e.metadata ^ metadata) | (e.data ^ data) |
                 (e.check ^ mmi_entry_check_of(sum, e.metadata_bytes, e.data_bytes));
        sizes |= e.data_bytes;
        sum += mmi_entry_place_sum(1, e.metadata_bytes, e.data_bytes);
        metadata += e.metadata_bytes;
        data += e.data_bytes;
        text += e.metadata_bytes;
    }
    if (wrong || sizes > bytes || metadata > chain->data_start || text > s->ring + bytes)
        return false;
    chain->metadata = metadata;
    chain->data = data;
    return true;
}

/* The events of one batch, from `i` up to `end`: of the next one that is not shown, the index. */
static size_t batch_show(const show_t *s, size_t i, size_t end, mmi_chain_t *chain) {
    mmi_chain_t c = *chain;
    size_t to = c.link == MMI_LINK_EVENT ? i : i + 1;
    i = show_each(s, i, to, &c);
    if (i == to)
        i = show_all(s, i, end, &c) ? end : show_each(s, i, end, &c);
    if (i == end)
        s->r->entries[end - 1] = entry_load(&s->entries[end - 1]);
    *chain = c;
    return i;
}

bool mmi_reader_can_show(const mmi_reader_t *r) {
    return r->form == MMI_FORM_IN_PLACE && !r->p->checksums && r->next >= r->skip_below;
}

size_t mmi_reader_show(mmi_reader_t *r, size_t found, mmi_run_t *run, mmi_chain_t *chain) {
    const mmi_partition_t *p = r->p;
    const show_t show = {
        .r = r,
        .entries = (const mmi_entry_t *)(const void *)mmi_window_address(
            p->w, p->owner, p->entries + (r->next % p->slots) * sizeof *show.entries),
        .ring = mmi_window_address(p->w, p->owner, p->ring),
        .events = run->events};
    size_t i = 0;
    assert(found >= 1 && found <= MMI_RUN_EVENTS_MAX && found <= p->slots - r->next % p->slots);
    while (i < found) {
        uint64_t batch = mmi_reader_end_of_batch(r, r->next + i) - r->next;
        size_t end = batch < found ? (size_t)batch : found;
        i = batch_show(&show, i, end, chain);
        if (i < end)
            break;
        if (end == batch)
            mmi_chain_end_batch(chain);
    }
    return i;
}
