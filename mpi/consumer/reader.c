/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Named consumers: joining, leaving, publishing acknowledgements, and waiting for events.
 *
 *   word          who                                     when
 *   state, name   joiner or leaver, under the lock        FREE -> LIVE -> AWAY -> LIVE ... -> FREE
 *   cursor        joiner under the lock; then the live    a batch end, when all below it is
 *                 consumer's fetching thread, store       acknowledged
 *   acknowledged  as cursor                               next unacknowledged id
 *
 * The cursor is one word, so a trimmer never sees half of it; it only grows, so a late store keeps
 * more than it must, never less. `acknowledged` may run ahead of the cursor, inside the next batch:
 * a successor starts at the cursor and skips what is below `acknowledged`.
 *
 * Waiting: read the bell, announce oneself, look again, sleep on the bell. A publisher stores its
 * flag and reads the waiters: either it sees the waiter, or the waiter sees the flag.
 */
#include "mpi/consumer/consumer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How long a consumer sleeps between two looks: at a bell, which wakes it; and polling in rma, where
 * each look costs round trips. */
#define BELL_NAP_US 100000
#define POLL_NAP_US 20
#define POLL_NAP_US_MAX 20000

static size_t field_of(size_t array, size_t place) {
    return array + 8 * place;
}

/* Under the lock. */
static mofka_status_t find_place(const mmi_partition_t *p, const char *name, size_t *place,
                                 bool *fresh) {
    uint64_t state[MMI_CONSUMERS_MAX];
    p->w->ops->load_run(p->w, p->owner, p->base + MMI_CONTROL(state), state, MMI_CONSUMERS_MAX);
    size_t free_place = MMI_CONSUMERS_MAX;
    for (size_t i = MMI_CONSUMERS_MAX; i-- > 0;) {
        if (state[i] == MMI_CONSUMER_FREE) {
            free_place = i;
            continue;
        }
        char other[MOFKA_NAME_BYTES_MAX + 1];
        mmi_consumer_name(p, i, other, INT64_MAX);
        if (strcmp(other, name) != 0)
            continue;
        if (state[i] == MMI_CONSUMER_LIVE)
            return mofka_fail(MOFKA_ERR_BUSY,
                              "consumer '%s' is live already on topic '%s', partition %zu", name,
                              p->topic, p->index);
        *place = i;
        *fresh = false;
        return MOFKA_OK;
    }
    if (free_place == MMI_CONSUMERS_MAX)
        return mofka_fail(MOFKA_ERR_FULL,
                          "topic '%s', partition %zu has %d named consumers, the most it can have",
                          p->topic, p->index, MMI_CONSUMERS_MAX);
    *place = free_place;
    *fresh = true;
    return MOFKA_OK;
}

static void resume(mmi_reader_t *r, mmi_place_t head) {
    const mmi_partition_t *p = r->p;
    uint64_t cursor = mmi_control_load(p, field_of(MMI_CONTROL(cursor), r->place));
    uint64_t acknowledged = mmi_control_load(p, field_of(MMI_CONTROL(acknowledged), r->place));
    mmi_place_t at = mmi_place_unpack(cursor, head, false);
    if (p->retention == MMI_DISCARD_OLDEST && acknowledged < head.events) {
        r->lost = head.events - acknowledged;
        acknowledged = head.events;
        at = head;
    }
    /* An overtaken cursor below the head cannot be completed from it: start at the head instead. */
    if (at.events > acknowledged)
        at = head;
    r->next = r->batch_end = r->batch_start = at.events;
    r->skip_below = acknowledged;
    r->published = acknowledged;
    atomic_store(&r->acknowledged, acknowledged);
}

static void begin(mmi_reader_t *r, const char *name, mmi_place_t head, bool from_end) {
    const mmi_partition_t *p = r->p;
    mmi_state_t state;
    char padded[MOFKA_NAME_BYTES_MAX + 1] = "";
    memcpy(padded, name, strlen(name));
    p->w->ops->put(p->w, p->owner, p->base + MMI_CONTROL(name) + r->place * sizeof padded, padded,
                   sizeof padded);
    p->w->ops->flush(p->w, p->owner);
    uint64_t start = head.events;
    if (from_end)
        start = mmi_tail_load(p, &state).events;
    mmi_control_store(p, field_of(MMI_CONTROL(cursor), r->place),
                      head.events << 32 | (uint32_t)head.units);
    mmi_control_store(p, field_of(MMI_CONTROL(acknowledged), r->place), start);
    r->next = r->batch_end = r->batch_start = head.events;
    r->skip_below = r->published = start;
    atomic_store(&r->acknowledged, start);
}

mofka_status_t mmi_reader_join(mmi_reader_t *r, const mmi_partition_t *p, const char *name,
                               bool from_end) {
    r->p = p;
    r->place = MMI_CONSUMERS_MAX;
    mofka_status_t status = mmi_partition_lock(p, mmi_deadline(MMI_LOCK_TIMEOUT_MS));
    if (status)
        return status;
    size_t place;
    status = find_place(p, name, &place, &r->fresh);
    if (!status) {
        r->place = place;
        mmi_place_t head = mmi_state_load(p).head;
        if (r->fresh)
            begin(r, name, head, from_end);
        else
            resume(r, head);
        mmi_control_store(p, field_of(MMI_CONTROL(state), place), MMI_CONSUMER_LIVE);
    }
    mmi_partition_unlock(p);
    return status ? status : mmi_window_check(p->w);
}

/* Going away needs no lock: trimmers treat both states alike, and joiners of the name come after. */
mofka_status_t mmi_reader_leave(mmi_reader_t *r, uint64_t state) {
    if (r->place == MMI_CONSUMERS_MAX)
        return MOFKA_OK;
    bool lock = state == MMI_CONSUMER_FREE;
    mofka_status_t status =
        lock ? mmi_partition_lock(r->p, mmi_deadline(MMI_LOCK_TIMEOUT_MS)) : MOFKA_OK;
    if (status)
        return status;
    mmi_control_store(r->p, field_of(MMI_CONTROL(state), r->place), state);
    if (lock)
        mmi_partition_unlock(r->p);
    r->place = MMI_CONSUMERS_MAX;
    mmi_bell_ring_room(r->p);
    return mmi_window_check(r->p->w);
}

static mofka_status_t add_mark(mmi_reader_t *r, uint64_t end, uint64_t units) {
    /* Without acknowledgements nothing else ends the marks of what is discarded. */
    if (r->mark_count == r->mark_room && r->p->retention == MMI_DISCARD_OLDEST)
        mmi_reader_forget(r, mmi_state_load(r->p).head);
    if (r->mark_count == r->mark_room) {
        size_t room = r->mark_room ? 2 * r->mark_room : 64;
        mmi_mark_t *marks = malloc(room * sizeof *marks);
        if (!marks)
            return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu batch ends", room);
        for (size_t i = 0; i < r->mark_count; i++)
            marks[i] = r->marks[(r->mark_first + i) % r->mark_room];
        free(r->marks);
        r->marks = marks;
        r->mark_first = 0;
        r->mark_room = room;
    }
    r->marks[(r->mark_first + r->mark_count++) % r->mark_room] = (mmi_mark_t){end, units};
    return MOFKA_OK;
}

/* A batch ends where the next entry's metadata is not right behind this one's, or its data is not; and
 * where batch_end is. */
mofka_status_t mmi_reader_took(mmi_reader_t *r, size_t count, size_t found) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < count && !status; i++) {
        const mmi_entry_t *e = &r->entries[i];
        uint64_t id = r->next + i;
        bool last = i + 1 < found ? e[1].metadata != e->metadata + e->metadata_bytes ||
                                        e[1].data != e->data + e->data_bytes
                                  : id + 1 == r->batch_end;
        if (last)
            status = add_mark(r, id + 1, mmi_units_of(e->data + e->data_bytes));
        if (last)
            r->batch_start = id + 1;
    }
    if (status)
        return status;
    r->next += count;
    assert(r->next <= r->batch_end);
    return MOFKA_OK;
}

void mmi_reader_forget(mmi_reader_t *r, mmi_place_t head) {
    while (r->mark_count > 0 && r->marks[r->mark_first].end <= head.events) {
        r->mark_first = (r->mark_first + 1) % r->mark_room;
        r->mark_count--;
    }
}

mofka_status_t mmi_reader_publish(mmi_reader_t *r, bool all) {
    const mmi_partition_t *p = r->p;
    uint64_t acknowledged = atomic_load(&r->acknowledged);
    mmi_mark_t reached = {0, 0};
    if (r->place == MMI_CONSUMERS_MAX)
        return MOFKA_OK;
    while (r->mark_count > 0 && r->marks[r->mark_first].end <= acknowledged) {
        reached = r->marks[r->mark_first];
        r->mark_first = (r->mark_first + 1) % r->mark_room;
        r->mark_count--;
    }
    if (reached.end == 0 && (!all || acknowledged == r->published))
        return MOFKA_OK;
    if (acknowledged != r->published)
        mmi_control_store(p, field_of(MMI_CONTROL(acknowledged), r->place), acknowledged);
    r->published = acknowledged;
    if (reached.end == 0)
        return mmi_window_check(p->w);
    mmi_control_store(p, field_of(MMI_CONTROL(cursor), r->place),
                      reached.end << 32 | (uint32_t)reached.units);
    /* Waking costs both sides: not for every run, but for an eighth of the partition. */
    if (all || reached.end - r->rung.end >= p->slots / 8 ||
        reached.units - r->rung.units >= p->ring_bytes / MMI_UNIT_BYTES / 8) {
        r->rung = reached;
        mmi_bell_ring_room(p);
    }
    return mmi_window_check(p->w);
}

void mmi_reader_end(mmi_reader_t *r) {
    free(r->marks);
}

static bool something_to_read(mmi_consumer_t *c) {
    size_t ended = 0;
    for (size_t i = 0; i < c->reader_count; i++) {
        mmi_reader_t *r = &c->readers[i];
        if (r->next < r->batch_end || mmi_flag_load(r->p, r->next) > 0)
            return true;
        if (r->p->retention == MMI_DISCARD_OLDEST && mmi_state_load(r->p).head.events > r->next)
            return true;
        ended += mmi_reader_ended(r);
    }
    return ended == c->reader_count;
}

/* One sleep at the data bell, unless there is something meanwhile. */
static bool sleep_for_data(mmi_consumer_t *c, int64_t left_ms) {
    const mmi_partition_t *b = c->readers[0].p->bells;
    mmi_window_t *w = b->w;
    int64_t nap = left_ms < c->nap_us / 1000 ? left_ms * 1000 : c->nap_us;
    uint64_t seen = w->ops->has_bells ? mmi_control_load(b, MMI_CONTROL(data_bell)) : 0;
    mmi_bell_add_waiter(b, MMI_CONTROL(data_bell), 1);
    bool found = something_to_read(c);
    if (!found && left_ms > 0)
        w->ops->sleep_on(w, b->owner, b->base + MMI_CONTROL(data_bell), seen, nap);
    mmi_bell_add_waiter(b, MMI_CONTROL(data_bell), -1);
    return found;
}

/* Polling naps grow over all waits in a row that found nothing; at a bell they need not. */
mofka_status_t mmi_consumer_wait(void *self, int64_t timeout_ms) {
    mmi_consumer_t *c = self;
    if (c->reader_count == 0)
        return MOFKA_OK;
    mmi_window_t *w = c->readers[0].p->w;
    int64_t deadline = mmi_deadline(timeout_ms);
    int64_t first = w->ops->has_bells ? BELL_NAP_US : POLL_NAP_US,
            most = w->ops->has_bells ? first : POLL_NAP_US_MAX;
    mmi_spin_t spin = mmi_spin_start(w);
    bool found = something_to_read(c);
    while (!found && c->nap_us <= first && mmi_spin_again(&spin))
        found = something_to_read(c);
    while (!found) {
        mofka_status_t status = mmi_window_check(w);
        int64_t left = deadline - mmi_now_ms();
        if (status || left <= 0)
            return status ? status : MOFKA_ERR_TIMEOUT;
        if (c->nap_us < first)
            c->nap_us = first;
        found = sleep_for_data(c, left);
        c->nap_us = 2 * c->nap_us < most ? 2 * c->nap_us : most;
    }
    c->nap_us = 0;
    return mmi_window_check(w);
}
