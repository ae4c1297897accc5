/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A named consumer in one partition: it joins, leaves, and publishes acknowledgements.
 *
 *   word          writer                                  when
 *   state, name   joiner or leaver, under the lock        FREE -> LIVE -> AWAY -> LIVE ... -> FREE
 *   cursor        joiner under the lock; then the live    a batch end, when all below it is
 *                 consumer's fetching thread, store       acknowledged
 *   acknowledged  as cursor                               next unacknowledged id
 *
 * The cursor is one word, so a trimmer never sees half of it. It only grows, so a late store keeps
 * more than it must, never less. `acknowledged` may be ahead of the cursor, within the next batch:
 * a successor starts at the cursor and skips what is below `acknowledged`.
 */
#include "mpi/consumer/consumer.h"

#include <stdlib.h>
#include <string.h>

static bool reader_has_place(const mmi_reader_t *r) {
    return r->place < MMI_CONSUMERS_MAX;
}

/* The offset of this reader's word in an array of the control block. */
static size_t reader_field(const mmi_reader_t *r, size_t array) {
    assert(reader_has_place(r));
    return array + 8 * r->place;
}

/* ---- join and leave -------------------------------------------------------------------------- */

/* With the partition's lock: the place that has the name, or a free one. */
static mofka_status_t reader_find_place(mmi_reader_t *r, const char *name) {
    const mmi_partition_t *p = r->p;
    mmi_assert_locked(p);
    uint64_t state[MMI_CONSUMERS_MAX];
    p->w->ops->load_run(p->w, p->owner, p->base + MMI_CONTROL(state), state, MMI_CONSUMERS_MAX);
    size_t free_place = MMI_CONSUMERS_MAX;
    assert(!reader_has_place(r));
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
                              "consumer '%s' is already live on topic '%s', partition %zu", name,
                              p->topic, p->index);
        r->place = i;
        r->fresh = false;
        return MOFKA_OK;
    }
    if (free_place == MMI_CONSUMERS_MAX)
        return mofka_fail(MOFKA_ERR_FULL,
                          "topic '%s', partition %zu already has %d named consumers, the maximum",
                          p->topic, p->index, MMI_CONSUMERS_MAX);
    r->place = free_place;
    r->fresh = true;
    return MOFKA_OK;
}

/* Read from batch start `at`, and deliver what is at or above `acknowledged`. */
static void reader_start(mmi_reader_t *r, uint64_t at, uint64_t acknowledged) {
    r->next = r->batch_end = r->batch_start = at;
    r->skip_below = r->published = acknowledged;
    atomic_store(&r->acknowledged, acknowledged);
}

/* With the partition's lock: go on where the last consumer of the name stopped. */
static void reader_resume(mmi_reader_t *r, mmi_place_t head) {
    const mmi_partition_t *p = r->p;
    mmi_assert_locked(p);
    uint64_t cursor = mmi_control_load(p, reader_field(r, MMI_CONTROL(cursor)));
    uint64_t acknowledged = mmi_control_load(p, reader_field(r, MMI_CONTROL(acknowledged)));
    mmi_place_t at = mmi_place_unpack(cursor, head, false);
    if (p->retention == MMI_DISCARD_OLDEST && acknowledged < head.events) {
        r->lost = head.events - acknowledged;
        acknowledged = head.events;
        at = head;
    }
    /* A cursor that the head has passed cannot be completed from the head: start at the head. */
    if (at.events > acknowledged)
        at = head;
    reader_start(r, at.events, acknowledged);
}

/* With the partition's lock: register the name, and start at the head or the tail. */
static void reader_begin(mmi_reader_t *r, const char *name, mmi_place_t head, bool from_end) {
    const mmi_partition_t *p = r->p;
    mmi_assert_locked(p);
    mmi_state_t state;
    char padded[MOFKA_NAME_BYTES_MAX + 1] = "";
    assert(strlen(name) < sizeof padded);
    memcpy(padded, name, strlen(name));
    p->w->ops->put(p->w, p->owner, p->base + MMI_CONTROL(name) + r->place * sizeof padded, padded,
                   sizeof padded);
    p->w->ops->flush(p->w, p->owner);
    uint64_t start = from_end ? mmi_tail_load(p, &state).events : head.events;
    mmi_control_store(p, reader_field(r, MMI_CONTROL(cursor)),
                      head.events << 32 | (uint32_t)head.units);
    mmi_control_store(p, reader_field(r, MMI_CONTROL(acknowledged)), start);
    reader_start(r, head.events, start);
}

mofka_status_t mmi_reader_join(mmi_reader_t *r, const mmi_partition_t *p, const char *name,
                               bool from_end) {
    r->p = p;
    r->place = MMI_CONSUMERS_MAX;
    mofka_status_t status = mmi_partition_lock(p, mmi_deadline(MMI_LOCK_TIMEOUT_MS));
    if (status)
        return status;
    status = reader_find_place(r, name);
    if (!status) {
        mmi_place_t head = mmi_state_load(p).head;
        if (r->fresh)
            reader_begin(r, name, head, from_end);
        else
            reader_resume(r, head);
        mmi_control_store(p, reader_field(r, MMI_CONTROL(state)), MMI_CONSUMER_LIVE);
    }
    mmi_partition_unlock(p);
    return status ? status : mmi_window_check(p->w);
}

/* AWAY needs no lock: trimmers treat it as LIVE, and the next consumer of the name comes later. */
mofka_status_t mmi_reader_leave(mmi_reader_t *r, uint64_t state) {
    assert(state == MMI_CONSUMER_FREE || state == MMI_CONSUMER_AWAY);
    if (!reader_has_place(r))
        return MOFKA_OK;
    bool lock = state == MMI_CONSUMER_FREE;
    mofka_status_t status =
        lock ? mmi_partition_lock(r->p, mmi_deadline(MMI_LOCK_TIMEOUT_MS)) : MOFKA_OK;
    if (status)
        return status;
    mmi_control_store(r->p, reader_field(r, MMI_CONTROL(state)), state);
    if (lock)
        mmi_partition_unlock(r->p);
    r->place = MMI_CONSUMERS_MAX;
    mmi_bell_ring_room(r->p);
    return mmi_window_check(r->p->w);
}

/* ---- marks ----------------------------------------------------------------------------------- */

static mofka_status_t marks_grow(mmi_reader_t *r) {
    size_t room = r->mark_room ? 2 * r->mark_room : 64;
    assert(r->mark_count == r->mark_room);
    mmi_mark_t *marks = malloc(room * sizeof *marks);
    if (!marks)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu batch ends", room);
    for (size_t i = 0; i < r->mark_count; i++)
        marks[i] = r->marks[(r->mark_first + i) % r->mark_room];
    free(r->marks);
    r->marks = marks;
    r->mark_first = 0;
    r->mark_room = room;
    return MOFKA_OK;
}

mofka_status_t mmi_reader_mark(mmi_reader_t *r, mmi_mark_t mark) {
    /* Without acknowledgements nothing else ends the marks of what is discarded. */
    if (r->mark_count == r->mark_room && r->p->retention == MMI_DISCARD_OLDEST)
        mmi_reader_forget(r, mmi_state_load(r->p).head);
    mofka_status_t status = r->mark_count == r->mark_room ? marks_grow(r) : MOFKA_OK;
    if (status)
        return status;
    assert(r->mark_count < r->mark_room && r->mark_first < r->mark_room);
    r->marks[(r->mark_first + r->mark_count++) % r->mark_room] = mark;
    return MOFKA_OK;
}

/* Remove the marks at or below `id`. The last of them; its `end` is 0: none was removed. */
static mmi_mark_t marks_remove(mmi_reader_t *r, uint64_t id) {
    mmi_mark_t last = {0, 0};
    while (r->mark_count > 0 && r->marks[r->mark_first].end <= id) {
        assert(r->marks[r->mark_first].end >= last.end);
        last = r->marks[r->mark_first];
        r->mark_first = (r->mark_first + 1) % r->mark_room;
        r->mark_count--;
    }
    return last;
}

/* Whether a batch ends at the `i`-th of `found` entries: where `batch_end` is, or where the
 * metadata or the data of the next entry does not follow at once. */
static bool reader_ends_batch(const mmi_reader_t *r, size_t i, size_t found) {
    const mmi_entry_t *e = &r->entries[i];
    assert(i < found);
    if (i + 1 == found)
        return r->next + found == r->batch_end;
    return e[1].metadata != e->metadata + e->metadata_bytes || e[1].data != e->data + e->data_bytes;
}

mofka_status_t mmi_reader_advance(mmi_reader_t *r, size_t count, size_t found) {
    assert(count <= found && found <= MMI_RUN_EVENTS_MAX && r->next + found <= r->batch_end);
    for (size_t i = 0; i < count; i++) {
        if (!reader_ends_batch(r, i, found))
            continue;
        const mmi_entry_t *e = &r->entries[i];
        uint64_t end = r->next + i + 1;
        mofka_status_t status =
            mmi_reader_mark(r, (mmi_mark_t){end, mmi_units_of(e->data + e->data_bytes)});
        if (status)
            return status;
        r->batch_start = end;
    }
    r->next += count;
    return MOFKA_OK;
}

void mmi_reader_forget(mmi_reader_t *r, mmi_place_t head) {
    marks_remove(r, head.events);
}

bool mmi_reader_has_ended(mmi_reader_t *r) {
    if (!r->complete)
        r->complete = mmi_control_load(r->p, MMI_CONTROL(complete));
    return r->complete && r->next >= r->complete - 1;
}

/* ---- acknowledgements ------------------------------------------------------------------------ */

/* Waking a producer costs both sides: not for every run, but for an eighth of the partition. */
static bool reader_is_worth_ringing(const mmi_reader_t *r, mmi_mark_t reached) {
    const mmi_partition_t *p = r->p;
    return reached.end - r->rung.end >= p->slots / 8 ||
           reached.units - r->rung.units >= p->ring_bytes / MMI_UNIT_BYTES / 8;
}

mofka_status_t mmi_reader_publish(mmi_reader_t *r, bool all) {
    const mmi_partition_t *p = r->p;
    if (!reader_has_place(r))
        return MOFKA_OK;
    uint64_t acknowledged = atomic_load(&r->acknowledged);
    assert(acknowledged >= r->published);
    mmi_mark_t reached = marks_remove(r, acknowledged);
    if (reached.end == 0 && (!all || acknowledged == r->published))
        return MOFKA_OK;
    if (acknowledged != r->published)
        mmi_control_store(p, reader_field(r, MMI_CONTROL(acknowledged)), acknowledged);
    r->published = acknowledged;
    if (reached.end == 0)
        return mmi_window_check(p->w);
    mmi_control_store(p, reader_field(r, MMI_CONTROL(cursor)),
                      reached.end << 32 | (uint32_t)reached.units);
    if (all || reader_is_worth_ringing(r, reached)) {
        r->rung = reached;
        mmi_bell_ring_room(p);
    }
    return mmi_window_check(p->w);
}

void mmi_reader_destroy(mmi_reader_t *r) {
    free(r->marks);
}
