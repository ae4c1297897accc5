/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A consumer of other ranks' partitions waits for rings of their owners: see clerk/watch.c.
 *
 * For each reader, the owner watches the flag of the next event, from the value on that the last
 * look saw there, and the word that tells the end. So while nothing comes, no operation is made.
 * Once a watch is old, the consumer looks by itself: a ring may be lost with an error of MPI, or
 * for want of memory.
 */
#include "mpi/consumer/consumer.h"

/* Naps between two tests for rings grow as those of wait.c. */
#define NAP_US 20
#define NAP_US_MAX 1000
#define NAP_PART 8
/* How long an owner may take to forget a consumer that ends. */
#define FORGET_MS 10000
/* After so many rings that did not come, there will be none: the owner has met an error of MPI. */
#define LOST_RINGS_MAX 3

static bool ring_is_near(const mmi_reader_t *r) {
    return mmi_window_is_near(r->p->w, r->p->owner);
}

mofka_status_t mmi_consumer_begin_rings(mmi_consumer_t *c) {
    mmi_clerk_t *clerk = c->topic->w->clerk;
    if (!clerk || mmi_consumer_is_near(c) || c->topic->store) /* files do not ring */
        return MOFKA_OK;
    c->waiter = mmi_waiter_begin(clerk, c->reader_count);
    return c->waiter ? MOFKA_OK : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a consumer's rings");
}

/* Ask each owner that may watch to forget the consumer. */
static void ring_ask_forget(mmi_consumer_t *c) {
    for (size_t i = 0; i < c->reader_count; i++) {
        const mmi_partition_t *p = c->readers[i].p;
        if (!c->readers[i].told)
            continue;
        for (size_t k = i; k < c->reader_count; k++)
            c->readers[k].told &= c->readers[k].p->owner != p->owner;
        c->readers[i].forgets = mmi_waiter_ask_forget(p->w->clerk, c->waiter, p->owner, i);
    }
}

mofka_status_t mmi_consumer_end_rings(mmi_consumer_t *c) {
    int64_t deadline = mmi_deadline(FORGET_MS);
    mofka_status_t status = MOFKA_OK;
    mmi_clerk_t *clerk = c->waiter ? c->topic->w->clerk : NULL;
    if (!clerk) /* or the driver is closed */
        return MOFKA_OK;
    ring_ask_forget(c);
    for (size_t i = 0; i < c->reader_count; i++) {
        mmi_reader_t *r = &c->readers[i];
        if (!r->forgets)
            continue;
        mofka_status_t one = mmi_waiter_await_forgotten(clerk, c->waiter, r->p->owner, i, deadline);
        r->forgets = one != MOFKA_OK;
        status = status ? status : one;
    }
    if (status)
        return status;
    mmi_waiter_end(clerk, c->waiter);
    c->waiter = NULL;
    return MOFKA_OK;
}

bool mmi_consumer_may_be_rung(const mmi_consumer_t *c) {
    bool may = c->waiter && c->lost_rings < LOST_RINGS_MAX &&
               !atomic_load(&c->topic->w->clerk->hears_none);
    for (size_t i = 0; may && i < c->reader_count; i++) {
        const mmi_reader_t *r = &c->readers[i];
        may = r->idle_at != r->next || r->idle_flag == 0; /* else the head may pass that flag */
    }
    return may;
}

/* Whether a reader was rung. The next fetch begins at the first of them. */
static bool ring_take(mmi_consumer_t *c) {
    bool found = false;
    mmi_waiter_hear(c->topic->w->clerk);
    for (size_t i = 0; i < c->reader_count; i++) {
        mmi_reader_t *r = &c->readers[i];
        if (!mmi_waiter_take(c->waiter, i, MMI_RUNG))
            continue;
        c->turn = found ? c->turn : i;
        r->expects = found = true;
        r->watched_at = MMI_UNWATCHED;
        c->lost_rings = 0;
    }
    return found;
}

/* The owner watches, and has not for long. */
static bool ring_is_watched(const mmi_reader_t *r, int64_t now_ms) {
    return r->watched_at == r->next && now_ms - r->watched_ms < MMI_LOOK_MS;
}

/* Let the owner watch from the last look on. Without memory the consumer looks again later. */
static void ring_watch(mmi_consumer_t *c, size_t index, int64_t now_ms) {
    mmi_reader_t *r = &c->readers[index];
    const mmi_partition_t *p = r->p;
    const mmi_watched_t words[MMI_WATCH_WORDS] = {
        {mmi_flag_offset(p, r->next), r->seen_flag},
        {r->complete ? 0 : p->base + MMI_CONTROL(complete), mmi_seal(0)},
    };
    assert(r->seen_at == r->next);
    r->told = true;
    r->watched_at = r->next;
    r->watched_ms = now_ms;
    mmi_waiter_watch(p->w->clerk, c->waiter, p->owner, index, words);
}

/* As mmi_reader_has_news, but what the last look saw counts: if it has changed since, the owner
 * rings at once. Where the owner has not rung for long, the consumer looks: a ring may be lost. */
static bool ring_has_news(mmi_consumer_t *c, mmi_reader_t *r, size_t *ended) {
    bool watched = r->watched_at == r->next;
    if (ring_is_near(r) || r->seen_at != r->next || watched) {
        bool found = mmi_reader_has_news(r, ended);
        c->lost_rings += watched && found;
        return found || mmi_reader_is_evicted(r);
    }
    *ended += r->complete && r->next == r->complete - 1;
    return r->next < r->batch_end || mmi_reader_is_news(r, r->seen_flag);
}

/* Whether there is something to fetch, or nothing will come any more. */
static bool ring_look(mmi_consumer_t *c, int64_t now_ms) {
    size_t ended = 0;
    for (size_t i = 0; i < c->reader_count; i++) {
        mmi_reader_t *r = &c->readers[i];
        size_t before = ended;
        if (ring_is_watched(r, now_ms))
            continue;
        if (ring_has_news(c, r, &ended))
            return true;
        if (ended == before && !ring_is_near(r))
            ring_watch(c, i, now_ms);
    }
    return ended == c->reader_count;
}

mofka_status_t mmi_consumer_wait_for_rings(mmi_consumer_t *c, int64_t deadline) {
    bool found = ring_take(c);
    for (int64_t now_ms = mmi_now_ms(); !found; now_ms = mmi_now_ms()) {
        mofka_status_t status = mmi_consumer_check(c);
        if (status || now_ms >= deadline)
            return status ? status : MOFKA_ERR_TIMEOUT;
        if (ring_look(c, now_ms))
            break;
        mmi_consumer_pass_dead(c);
        c->nap_us = c->nap_us < NAP_US ? NAP_US : c->nap_us + c->nap_us / NAP_PART;
        c->nap_us = c->nap_us < NAP_US_MAX ? c->nap_us : NAP_US_MAX;
        mmi_back_off(&(int64_t){c->nap_us}, c->nap_us);
        found = ring_take(c);
    }
    c->nap_us = 0;
    return mmi_consumer_check(c);
}
