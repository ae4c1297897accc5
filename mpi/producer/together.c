/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Appends of several lanes to partitions of one owner, step by step together: their reservations
 * under one flush, then their puts under one flush. So many partitions cost the round trips of one.
 *
 * An append takes part while all is as it mostly is: room was seen for its group, and the
 * reservation confirms that. Else it drops out, and is appended for itself (append.c), from where
 * it is: nobody waits for another one's room.
 *
 * The reservations go by words, or by a message. By words, each append starts a fetch_add, and one
 * flush completes them: one round trip, where the network has atomics. Where an MPI emulates them
 * with a lock of its own, it takes several: three in Open MPI 4.1.4 over UCX, and more when ranks
 * meet at the lock. There, the round asks the owner's progress thread by one message, which adds to
 * the words itself (clerk/ask.c).
 *
 * A rank that stops after it asked leaves what one leaves that stops after it reserved: a hole. So
 * the models of append hold for both.
 *
 * Both change the words by the same operation of MPI. So ranks may differ, and each finds out by
 * itself: it begins with words, and goes over to messages when reserving has mostly taken more than
 * twice as long as the flush of the batches behind it.
 */
#include <stdlib.h>
#include "mpi/producer/producer.h"

static const mmi_partition_t *together_partition(const mmi_append_t *a) {
    return &a->producer->topic->partitions[a->partition];
}

static mmi_sender_t *together_sender(const mmi_append_t *a) {
    return &a->producer->senders[a->partition];
}

/* The append goes on alone. */
static void together_drop(mmi_append_t *a) {
    a->group.count = 0;
}

/* The appends that still take part. */
#define TOGETHER_EACH(a, first)                                                                    \
    for (mmi_append_t *a = (first); a; a = a->next)                                                \
        if (a->group.count > 0)

static bool together_any(mmi_append_t *first) {
    bool any = false;
    TOGETHER_EACH(a, first)
    any = true;
    return any;
}

/* One flush for all. After an error of MPI no append takes part any more. */
static bool together_flush(mmi_append_t *first) {
    const mmi_partition_t *p = together_partition(first);
    if (!together_any(first))
        return false;
    if (p->w->ops->flush(p->w, p->owner) == MOFKA_OK)
        return true;
    TOGETHER_EACH(a, first)
    together_drop(a);
    return false;
}

/* Returns how many take part. */
static size_t together_prepare(mmi_append_t *first) {
    size_t count = 0;
    for (mmi_append_t *a = first; a; a = a->next) {
        /* A caller that does not wait must not reserve what it then waits for: it looks first. */
        if (a->timeout_ms == 0 || !mmi_append_prepare(together_partition(a), together_sender(a),
                                                      a->batches, a->count, &a->group)) {
            together_drop(a);
            continue;
        }
        a->add = mmi_reservation_of(a->group.size.events, a->group.size.units);
        count++;
    }
    return count;
}

/* ---- reserving ------------------------------------------------------------------------------- */

/* How many more rounds than others were slow, when messages begin. */
#define SLOW_ROUNDS 4

/* A round reserved by words, and flushed its batches, which took these times. */
static void together_note_reserving(mmi_window_t *w, int owner, int64_t reserve_ns,
                                    int64_t flush_ns) {
    _Atomic int *slow = &w->slow_words[owner];
    int now = atomic_load(slow);
    if (w->reserve != MMI_RESERVE_AUTO || now >= SLOW_ROUNDS)
        return;
    atomic_store(slow, reserve_ns > 2 * flush_ns ? now + 1 : now > 0 ? now - 1 : 0);
}

/* Whether a round reserves at this owner by a message. */
static bool together_asks(const mmi_window_t *w, int owner) {
    if (!w->clerk || owner == w->rank || w->reserve == MMI_RESERVE_ATOMIC)
        return false;
    return w->reserve == MMI_RESERVE_MESSAGE || atomic_load(&w->slow_words[owner]) >= SLOW_ROUNDS;
}

static bool together_reserve_by_words(mmi_append_t *first) {
    TOGETHER_EACH(a, first) {
        const mmi_partition_t *p = together_partition(a);
        p->w->ops->fetch_add_start(p->w, p->owner, p->base + MMI_CONTROL(reservation), &a->add,
                                   &a->old);
    }
    return together_flush(first);
}

static bool together_reserve_by_message(mmi_append_t *first) {
    const mmi_partition_t *p = together_partition(first);
    mmi_asks_t *asks = malloc(sizeof *asks);
    if (!asks)
        return together_reserve_by_words(first);
    asks->count = 0;
    TOGETHER_EACH(a, first) {
        uint64_t *asked = &asks->message[1 + 2 * asks->count++];
        asked[0] = together_partition(a)->base + MMI_CONTROL(reservation);
        asked[1] = a->add;
    }
    mofka_status_t status = mmi_clerk_ask(p->w->clerk, p->owner, asks);
    size_t i = 0;
    TOGETHER_EACH(a, first) {
        a->old = asks->old[i++];
        if (status)
            together_drop(a);
    }
    if (status != MOFKA_ERR_MPI)
        free(asks);
    return !status;
}

/* ---- the round ------------------------------------------------------------------------------- */

/* All are reserved. */
static void together_take_places(mmi_append_t *first) {
    TOGETHER_EACH(a, first) {
        mmi_append_known_t known = APPEND_STATE_READ;
        mofka_status_t status = mmi_append_take_place(together_partition(a), together_sender(a),
                                                      &a->group, a->old, &known);
        if (status || known != APPEND_ROOM_SEEN)
            together_drop(a);
    }
}

static void together_put(mmi_append_t *first) {
    const mmi_partition_t *p = together_partition(first);
    mmi_window_nudge(p->w, p->owner); /* large puts come in many pieces */
    p->w->ops->hold_puts(p->w, p->owner);
    TOGETHER_EACH(a, first)
    if (mmi_put_start(together_partition(a), together_sender(a), &a->group, true))
        together_drop(a);
    p->w->ops->send_puts(p->w);
}

/* The puts were flushed. True: flags were put that need a flush. */
static bool together_commit(mmi_append_t *first, int64_t now_ns) {
    bool flush = false;
    TOGETHER_EACH(a, first) {
        const mmi_partition_t *p = together_partition(a);
        mmi_sender_t *sender = together_sender(a);
        if (mmi_append_note_state(p, sender, now_ns))
            together_drop(a);
        else
            flush |= !mmi_commit_start(p, sender, &a->group);
    }
    return flush;
}

static void together_end(mmi_append_t *first) {
    TOGETHER_EACH(a, first) {
        const mmi_partition_t *p = together_partition(a);
        mmi_commit_ring(p);
        mmi_room_end_wait(p, together_sender(a));
    }
}

static void together_run(mmi_append_t *first) {
    const mmi_partition_t *p = together_partition(first);
    size_t count = together_prepare(first);
    bool asks = count <= MMI_ASKS_MAX && together_asks(p->w, p->owner);
    int64_t start_ns = mmi_now_ns();
    if (count == 0 ||
        !(asks ? together_reserve_by_message(first) : together_reserve_by_words(first)))
        return;
    int64_t reserved_ns = mmi_now_ns();
    together_take_places(first);
    together_put(first);
    if (!together_flush(first))
        return;
    if (!asks)
        together_note_reserving(p->w, p->owner, reserved_ns - start_ns, mmi_now_ns() - reserved_ns);
    if (together_commit(first, reserved_ns) && !together_flush(first))
        return;
    together_end(first);
}

void mmi_append_together(mmi_append_t *first) {
    mmi_window_t *w = first->producer->topic->w;
    for (mmi_append_t *a = first; a; a = a->next)
        together_drop(a);
    atomic_fetch_add(&w->appends, 1);
    if (!mmi_window_may_call(w) && !atomic_load(&w->shut) && !w->rma.serial_words)
        together_run(first);
    atomic_fetch_sub(&w->appends, 1);
}
