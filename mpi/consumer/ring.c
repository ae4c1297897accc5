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

static bool ring_is_near(const mmi_reader_t *r) {
    return mmi_window_is_near(r->p->w, r->p->owner);
}

mofka_status_t mmi_consumer_begin_rings(mmi_consumer_t *c) {
    mmi_clerk_t *clerk = c->readers[0].p->w->clerk;
    if (!clerk || mmi_consumer_is_near(c))
        return MOFKA_OK;
    c->waiter = mmi_waiter_begin(clerk, c->reader_count);
    return c->waiter ? MOFKA_OK : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a consumer's rings");
}

/* Have one owner forget the consumer. */
static mofka_status_t ring_end_at(mmi_consumer_t *c, const mmi_partition_t *p, int64_t deadline) {
    mofka_status_t status = mmi_waiter_forget(p->w->clerk, c->waiter, p->owner, deadline);
    for (size_t i = 0; !status && i < c->reader_count; i++)
        if (c->readers[i].p->owner == p->owner)
            c->readers[i].told = false;
    return status;
}

mofka_status_t mmi_consumer_end_rings(mmi_consumer_t *c) {
    int64_t deadline = mmi_deadline(FORGET_MS);
    mofka_status_t status = MOFKA_OK;
    if (!c->waiter)
        return MOFKA_OK;
    for (size_t i = 0; !status && i < c->reader_count; i++)
        if (c->readers[i].told)
            status = ring_end_at(c, c->readers[i].p, deadline);
    if (status)
        return status;
    mmi_waiter_end(c->readers[0].p->w->clerk, c->waiter);
    c->waiter = NULL;
    return MOFKA_OK;
}

/* Whether a reader was rung. The next fetch begins at the first of them. */
static bool ring_take(mmi_consumer_t *c) {
    bool found = false;
    mmi_waiter_hear(c->readers[0].p->w->clerk);
    for (size_t i = 0; i < c->reader_count; i++) {
        mmi_reader_t *r = &c->readers[i];
        if (!atomic_exchange(&c->waiter->rung[i], false))
            continue;
        c->turn = found ? c->turn : i;
        r->expects = found = true;
        r->watched_at = MMI_UNWATCHED;
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
    (void)mmi_waiter_watch(p->w->clerk, c->waiter, p->owner, index, words);
}

/* As mmi_reader_has_news, but what the last fetch saw counts as a look: if it has changed since,
 * the owner rings at once. */
static bool ring_has_news(mmi_reader_t *r, size_t *ended) {
    if (ring_is_near(r) || r->seen_at != r->next || r->watched_at == r->next)
        return mmi_reader_has_news(r, ended);
    *ended += r->complete && r->next == r->complete - 1;
    return false;
}

/* Whether there is something to fetch, or nothing will come any more. */
static bool ring_look(mmi_consumer_t *c, int64_t now_ms) {
    size_t ended = 0;
    for (size_t i = 0; i < c->reader_count; i++) {
        mmi_reader_t *r = &c->readers[i];
        size_t before = ended;
        if (ring_is_watched(r, now_ms))
            continue;
        if (ring_has_news(r, &ended))
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
        c->nap_us = c->nap_us < NAP_US ? NAP_US : c->nap_us + c->nap_us / NAP_PART;
        c->nap_us = c->nap_us < NAP_US_MAX ? c->nap_us : NAP_US_MAX;
        mmi_back_off(&(int64_t){c->nap_us}, c->nap_us);
        found = ring_take(c);
    }
    c->nap_us = 0;
    return mmi_consumer_check(c);
}
