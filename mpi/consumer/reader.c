/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A named consumer in one partition: it advances, and publishes acknowledgements. join.c lets it
 * join and leave.
 *
 *   word          writer                                  when
 *   state, name   joiner or leaver, under the lock        FREE -> LIVE -> AWAY -> LIVE ... -> FREE
 *   cursor        joiner under the lock; then the live    a batch end, when all below it is
 *                 consumer's fetching thread, store       acknowledged
 *   acknowledged  as cursor                               next unacknowledged id
 *
 * The cursor is one word, so a trimmer never sees half of it. It only grows, so a late store keeps
 * more than it must, never less. It passes batches with settled flags only. `acknowledged` may be
 * ahead of the cursor, within the next batch, or behind batches whose flags are not settled: a
 * successor starts at the cursor and skips what is below `acknowledged`.
 */
#include "mpi/consumer/consumer.h"
#include "mpi/rows/rows.h"

#include <stdlib.h>
#include <string.h>

/* Flags that are looked at again at once. */
#define SETTLE_MAX MMI_RUN_WORDS_MAX
/* How long the last publication waits for flags, since it was seen first that they are not settled:
 * longer than producers take (agent/settle.c). */
#define SETTLE_MS 50

/* ---- marks ----------------------------------------------------------------------------------- */

/* The oldest but `i`. The room is a power of two. */
static inline mmi_mark_t *mark_at(const mmi_reader_t *r, size_t i) {
    assert((r->mark_room & (r->mark_room - 1)) == 0);
    return &r->marks[(r->mark_first + i) & (r->mark_room - 1)];
}

static mofka_status_t marks_grow(mmi_reader_t *r) {
    size_t room = r->mark_room ? 2 * r->mark_room : 64;
    assert(r->mark_count == r->mark_room);
    mmi_mark_t *marks = malloc(room * sizeof *marks);
    if (!marks)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu batch ends", room);
    for (size_t i = 0; i < r->mark_count; i++)
        marks[i] = *mark_at(r, i);
    free(r->marks);
    r->marks = marks;
    r->mark_first = 0;
    r->mark_room = room;
    return MOFKA_OK;
}

mofka_status_t mmi_reader_mark(mmi_reader_t *r, mmi_mark_t mark) {
    /* Without acknowledgements nothing else ends the marks of what is discarded. */
    mmi_state_t state;
    if (r->mark_count == r->mark_room && r->may_lose && mmi_state_load(r->p, &state) == MOFKA_OK)
        mmi_reader_forget(r, state.head);
    mofka_status_t status = r->mark_count == r->mark_room ? marks_grow(r) : MOFKA_OK;
    if (status)
        return status;
    assert(r->mark_count < r->mark_room && r->mark_first < r->mark_room);
    *mark_at(r, r->mark_count++) = mark;
    r->any_unsettled |= mark.unsettled != 0;
    return MOFKA_OK;
}

/* Whether the head may pass a batch of which this flag was read. Where a later lap is, it has; and
 * what was read before is damaged now, if it is not there. */
static bool mark_is_settled(const mmi_partition_t *p, uint64_t start, uint64_t flag) {
    return mmi_flag_extent(p, start, flag) == 0 || mmi_flag_is_settled(flag);
}

/* Look again at the flags of batches that acknowledgements up to `id` reach, if some were not
 * settled. One round trip. True: all of those are settled now, and there may be more. */
static bool marks_settle(mmi_reader_t *r, uint64_t id) {
    const mmi_partition_t *p = r->p;
    uint64_t *words = r->words;
    mmi_mark_t *marks[SETTLE_MAX];
    mmi_piece_t pieces[SETTLE_MAX];
    size_t count = 0;
    for (size_t i = 0; i < r->mark_count && count < SETTLE_MAX; i++) {
        mmi_mark_t *mark = mark_at(r, i);
        if (mark->needs > id)
            break;
        id = mark->end > id ? mark->end : id;
        if (!mark->unsettled)
            continue;
        pieces[count] = (mmi_piece_t){mmi_flag_offset(p, mark->unsettled - 1), &words[count], 8};
        marks[count++] = mark;
    }
    if (count == 0)
        return false;
    p->w->ops->get_pieces(p->w, p->owner, pieces, count);
    if (p->w->ops->flush(p->w, p->owner))
        return false;
    bool all = true;
    for (size_t i = 0; i < count; i++) {
        bool settled = mark_is_settled(p, marks[i]->unsettled - 1, words[i]);
        all &= settled;
        if (settled)
            marks[i]->unsettled = 0;
    }
    return all && count == SETTLE_MAX;
}

/* Remove the marks that acknowledgements up to `id` reach; with `settled`, up to the first whose
 * flag is not. The last of them; its `end` is 0: none was removed. */
static mmi_mark_t marks_remove(mmi_reader_t *r, uint64_t id, bool settled) {
    mmi_mark_t last = {0};
    while (r->mark_count > 0 && mark_at(r, 0)->needs <= id &&
           !(settled && mark_at(r, 0)->unsettled)) {
        assert(mark_at(r, 0)->end >= last.end);
        last = *mark_at(r, 0);
        id = last.end > id ? last.end : id;
        r->mark_first = (r->mark_first + 1) & (r->mark_room - 1);
        r->mark_count--;
    }
    r->any_unsettled &= r->mark_count > 0;
    return last;
}

void mmi_reader_clear_ends(mmi_reader_t *r, uint64_t count) {
    assert(count <= MMI_RUN_EVENTS_MAX);
    for (uint64_t id = r->next, here; count > 0; id += here, count -= here) {
        here = 64 - id % 64 < count ? 64 - id % 64 : count;
        assert(here <= 64);
        r->ends[id % MMI_RUN_EVENTS_MAX / 64] &= ~(UINT64_MAX >> (64 - here) << id % 64);
    }
}

uint64_t mmi_reader_end_of_batch(const mmi_reader_t *r, uint64_t id) {
    assert(id >= r->next && id - r->next < MMI_RUN_EVENTS_MAX && id < r->batch_end);
    if (id + 1 >= r->batch_end)
        return r->batch_end;
    if (r->ends[id % MMI_RUN_EVENTS_MAX / 64] >> id % 64 & 1) /* a batch of one event */
        return id + 1;
    uint64_t limit =
        r->next + MMI_RUN_EVENTS_MAX < r->batch_end ? r->next + MMI_RUN_EVENTS_MAX : r->batch_end;
    for (uint64_t at = id; at < limit; at += 64 - at % 64) {
        uint64_t ends = r->ends[at % MMI_RUN_EVENTS_MAX / 64] >> at % 64;
        if (ends == 0)
            continue;
        at += (uint64_t)__builtin_ctzll(ends);
        return at < limit ? at + 1 : r->batch_end;
    }
    return r->batch_end;
}

mofka_status_t mmi_reader_advance(mmi_reader_t *r, size_t count, const mmi_chain_t *chain) {
    uint64_t next = r->next + count;
    mofka_status_t status = MOFKA_OK;
    uint64_t start = r->batch_start;
    size_t marked = 0;
    assert(count >= 1 && count <= MMI_RUN_EVENTS_MAX && next <= r->batch_end);
    for (uint64_t at = r->next, end; !status && at < next; at = end) {
        end = mmi_reader_end_of_batch(r, at);
        const mmi_entry_t *last = &r->entries[end - 1 - r->next];
        if (end > next)
            break;
        status = mmi_reader_mark(r, (mmi_mark_t){end, mmi_units_of(last->data + last->data_bytes),
                                                 end, end > r->settled_below ? start + 1 : 0});
        marked += !status;
        start = end;
    }
    if (status) { /* what is read again is marked again */
        r->mark_count -= marked < r->mark_count ? marked : r->mark_count;
        return status;
    }
    r->batch_start = start;
    if (marked > (size_t)(next == r->batch_end)) /* batch_end has no bit */
        mmi_reader_clear_ends(r, count);
    r->next = next;
    r->chain = *chain;
    r->reported = false;
    return MOFKA_OK;
}

/* ---- measuring a run ------------------------------------------------------------------------- */

/* Metadata of a run, at most: see MMI_RUN_EVENTS_MAX. */
#define RUN_METADATA_BYTES ((size_t)1 << 20)

/* Check one more entry. False: it is damaged, or too much. */
static bool measure_one(const mmi_reader_t *r, mmi_measure_t *run) {
    const mmi_entry_t *e = &r->entries[run->count];
    bool fits = run->bytes + e->metadata_bytes <= RUN_METADATA_BYTES &&
                run->data + e->data_bytes <= r->run_data_bytes;
    if ((run->count > 0 && !fits) ||
        !mmi_chain_follow(&run->chain, e, r->next + run->count, r->p->ring_bytes))
        return false;
    run->bytes += e->metadata_bytes;
    run->data += e->data_bytes;
    run->count++;
    return true;
}

/* Check the entries of a batch up to `end`: the first, then all others at once, or one by one up to
 * that which is not right. False: there is one. */
static bool measure_batch(const mmi_reader_t *r, size_t end, mmi_measure_t *run) {
    if (!measure_one(r, run))
        return false;
    if (run->count == end)
        return true;
    mmi_measure_t all = *run;
    if (mmi_chain_follow_all(&all.chain, r->entries + run->count, end - run->count,
                             r->next + run->count, r->p->ring_bytes)) {
        all.bytes += (size_t)(all.chain.metadata - run->chain.metadata);
        all.data += all.chain.data - run->chain.data;
        all.count = end;
        if (all.bytes <= RUN_METADATA_BYTES && all.data <= r->run_data_bytes)
            *run = all;
    }
    while (run->count < end)
        if (!measure_one(r, run))
            return false;
    return true;
}

void mmi_reader_measure(const mmi_reader_t *r, size_t found, mmi_measure_t *run) {
    *run = (mmi_measure_t){.chain = r->chain};
    assert(found >= 1 && found <= MMI_RUN_EVENTS_MAX);
    while (run->count < found) {
        uint64_t batch = mmi_reader_end_of_batch(r, r->next + run->count) - r->next;
        if (!measure_batch(r, batch < found ? (size_t)batch : found, run))
            return;
        if (run->count == batch)
            mmi_chain_end_batch(&run->chain);
    }
}

/* ---- moving ---------------------------------------------------------------------------------- */

void mmi_reader_go_to(mmi_reader_t *r, uint64_t id, uint64_t units) {
    assert(id > r->next);
    mmi_reader_clear_ends(r, id - r->next < MMI_RUN_EVENTS_MAX ? id - r->next : MMI_RUN_EVENTS_MAX);
    r->next = r->batch_start = id;
    r->batch_end = r->batch_end > id ? r->batch_end : id;
    r->settled_below = r->settled_below > id ? r->settled_below : id;
    r->chain = mmi_chain_from(units);
    r->reported = false;
}

void mmi_reader_forget(mmi_reader_t *r, mmi_place_t head) {
    marks_remove(r, head.events, false);
}

mmi_place_t mmi_reader_find_batch(const mmi_reader_t *r, uint64_t id) {
    mmi_place_t found = r->kept;
    for (size_t i = 0; i < r->mark_count && mark_at(r, i)->end <= id; i++)
        found = (mmi_place_t){mark_at(r, i)->end, mark_at(r, i)->units};
    return found;
}

void mmi_reader_go_back(mmi_reader_t *r, mmi_place_t at, uint64_t deliver) {
    uint64_t known = r->batch_end - r->next;
    mmi_reader_clear_ends(r, known < MMI_RUN_EVENTS_MAX ? known : MMI_RUN_EVENTS_MAX);
    while (r->mark_count > 0 && mark_at(r, r->mark_count - 1)->end > at.events)
        r->mark_count--;
    r->any_unsettled &= r->mark_count > 0;
    r->held = 0;
    r->next = r->batch_end = r->batch_start = r->settled_below = at.events;
    r->chain = mmi_chain_from(at.units);
    r->skip_below = deliver;
    r->expects = true;
    r->reported = r->late = false;
}

mofka_status_t mmi_reader_has_ended(mmi_reader_t *r, bool *ended) {
    mofka_status_t status =
        r->complete ? MOFKA_OK
                    : mmi_sealed_load(r->p, MMI_CONTROL(complete), "complete", &r->complete);
    if (!status && r->complete && r->next > r->complete - 1) /* nothing is stored there */
        status = mmi_word_damaged(r->p, "complete", mmi_seal(r->complete));
    *ended = !status && r->complete && r->next == r->complete - 1;
    return status;
}

/* ---- acknowledgements ------------------------------------------------------------------------ */

/* Waking a producer costs both sides: not for every run, but for an eighth of the partition. */
static bool reader_is_worth_ringing(const mmi_reader_t *r, mmi_mark_t reached) {
    const mmi_partition_t *p = r->p;
    return reached.end - r->rung.end >= p->slots / 8 ||
           reached.units - r->rung.units >= p->ring_bytes / MMI_UNIT_BYTES / 8;
}

void mmi_reader_acknowledge(mmi_reader_t *r, uint64_t next) {
    uint64_t old = atomic_load(&r->acknowledged);
    while (old < next && !atomic_compare_exchange_weak(&r->acknowledged, &old, next))
        ;
}

/* Whether a quarter of the partition is free. Else a producer will soon need more room. */
static bool reader_sees_room(const mmi_partition_t *p) {
    mmi_state_t state;
    mmi_tail_t tail;
    if (mmi_tail_load(p, &state, &tail))
        return true;
    const mmi_place_t quarter = {p->slots / 4, p->ring_bytes / MMI_UNIT_BYTES / 4};
    return mmi_place_fits(
        p, state.head,
        (mmi_place_t){tail.at.events + quarter.events, tail.at.units + quarter.units});
}

/* Where moving the head costs others round trips, the owner's consumers do it, whom it costs next
 * to nothing. Until room is needed the head stays, for consumers that join later. It does not pass
 * damage, whose end is not known for sure. */
static void reader_want_trim(mmi_reader_t *r, mmi_mark_t reached) {
    const mmi_partition_t *p = r->p;
    if (p->w->ops->puts_are_cheap || p->owner != p->w->rank || reached.needs != reached.end ||
        mmi_partition_overtakes(p) || reader_sees_room(p))
        return;
    r->trim_to = (mmi_place_t){reached.end, reached.units};
}

void mmi_reader_trim_now(mmi_reader_t *r) {
    assert(r->trim_to.events != 0);
    /* Who needs the room tries, too. */
    (void)mmi_trim_head(r->p, r->trim_to, r->trim_to, mmi_now_ms(), 0);
    r->trim_to = (mmi_place_t){0};
}

/* The end of the first batch that acknowledgements up to `id` have reached, and whose flag is not
 * settled; 0: there is none. *start: where it begins. */
static uint64_t reader_find_held(const mmi_reader_t *r, uint64_t id, uint64_t *start) {
    for (size_t i = 0; i < r->mark_count; i++) {
        mmi_mark_t mark = *mark_at(r, i);
        *start = mark.unsettled - 1;
        if (mark.needs > id || mark.unsettled)
            return mark.needs <= id ? mark.end : 0;
        id = mark.end > id ? mark.end : id;
    }
    return 0;
}

/* How often a reader looks who holds it up, and how long that waits for the partition's lock. */
#define DEAD_LOOK_MS 50
#define DEAD_LOCK_MS 100

/* If a dead rank has left the claim that holds the reader up, settle that. True: look again. */
static bool reader_pass_dead(mmi_reader_t *r, uint64_t start, int64_t now_ms) {
    bool passed;
    if (!mmi_rows_exist(r->p) || (r->held != 0 && now_ms - r->dead_ms < DEAD_LOOK_MS))
        return false;
    r->dead_ms = now_ms;
    /* An error is found again, and reported, by what needs the words. */
    return !mmi_dead_pass(r->p, start, now_ms + DEAD_LOCK_MS, &passed) && passed;
}

/* Look again at flags that were not settled. With `waits`: until they are, which is soon unless
 * their producer is slow. */
static void reader_settle(mmi_reader_t *r, uint64_t acknowledged, bool waits) {
    int64_t us = 100;
    if (!r->any_unsettled) {
        r->held = 0;
        return;
    }
    for (;;) {
        while (marks_settle(r, acknowledged))
            ;
        uint64_t start = 0, held = reader_find_held(r, acknowledged, &start);
        int64_t now_ms = held ? mmi_now_ms() : 0;
        if (held && reader_pass_dead(r, start, now_ms))
            continue;
        if (held != r->held)
            r->held_ms = now_ms;
        r->held = held;
        if (!waits || held == 0 || now_ms - r->held_ms > SETTLE_MS ||
            mmi_window_check(r->p->w, r->p->owner))
            return;
        mmi_back_off(&us, 5000);
    }
}

mofka_status_t mmi_reader_publish(mmi_reader_t *r, bool all) {
    const mmi_partition_t *p = r->p;
    if (!mmi_reader_has_place(r))
        return MOFKA_OK;
    uint64_t acknowledged = atomic_load(&r->acknowledged);
    assert(acknowledged >= r->published);
    reader_settle(r, acknowledged, all);
    mmi_mark_t reached = marks_remove(r, acknowledged, true);
    if (reached.end > acknowledged) { /* the batch ends with skipped events */
        acknowledged = reached.end;
        mmi_reader_acknowledge(r, acknowledged);
    }
    if (reached.end == 0 && (!all || acknowledged == r->published))
        return MOFKA_OK;
    if (acknowledged != r->published)
        mmi_control_store(p, mmi_reader_field(r, MMI_CONTROL(acknowledged)),
                          mmi_seal(acknowledged));
    r->published = acknowledged;
    if (reached.end == 0)
        return mmi_window_check(p->w, p->owner);
    mmi_control_store(p, mmi_reader_field(r, MMI_CONTROL(cursor)),
                      reached.end << 32 | (uint32_t)reached.units);
    r->kept = (mmi_place_t){reached.end, reached.units};
    if (all || reader_is_worth_ringing(r, reached)) {
        r->rung = reached;
        reader_want_trim(r, reached);
        mmi_bell_ring_room(p);
    }
    return mmi_window_check(p->w, p->owner);
}

void mmi_reader_destroy(mmi_reader_t *r) {
    mmi_behind_close(r);
    free(r->marks);
}
