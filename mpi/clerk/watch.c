/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watches: a rank waits until a word of an owner's share is no longer what it saw there.
 *
 * The owner compares on arrival, and whenever its progress thread is awake. It rings once, and
 * forgets the watch. So what changed between the look and the arrival rings at once. The waiter
 * tests for rings itself: a rank that owns nothing runs no progress thread.
 */
#include "mpi/clerk/clerk.h"
#include "mpi/window/share.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* How long comparing all words pauses, for each watch: about ten times as long as it takes. */
#define PAUSE_NS 200
/* How often an owner that does not answer is looked at, and the longest nap between. */
#define DEAF_MS 1000
#define NAP_US_MAX 1000

struct mmi_watch {
    mmi_watch_t *next;
    int rank; /* that waits */
    uint64_t waiter, index;
    mmi_watched_t words[MMI_WATCH_WORDS];
};

/* ---- the owner ------------------------------------------------------------------------------- */

static bool watch_differs(const mmi_clerk_t *c, const mmi_watch_t *watch) {
    mmi_window_t *w = c->w;
    for (size_t i = 0; i < MMI_WATCH_WORDS; i++) {
        mmi_watched_t word = watch->words[i];
        if (word.offset != 0 && w->ops->load(w, w->rank, word.offset) != word.value)
            return true;
    }
    return false;
}

/* Without memory, or after an error, the waiter looks by itself. */
static void watch_ring(mmi_clerk_t *c, int rank, uint64_t waiter, uint64_t index, uint64_t kind) {
    mmi_message_t *message = mmi_message_create(MMI_RING_MESSAGE);
    if (!message)
        return;
    message->words[0] = waiter;
    message->words[1] = index;
    message->words[2] = kind;
    atomic_fetch_add(&c->rings, 1);
    (void)mmi_clerk_send(c, message, rank, MMI_RING_TAG);
}

static mmi_watch_t **watch_list(mmi_clerk_t *c, int rank) {
    return &c->watches[rank % MMI_WATCH_LISTS];
}

/* Where the watch of this index is, or the end of the list. */
static mmi_watch_t **watch_find(mmi_clerk_t *c, int rank, uint64_t waiter, uint64_t index) {
    mmi_watch_t **at = watch_list(c, rank);
    while (*at && ((*at)->rank != rank || (*at)->waiter != waiter || (*at)->index != index))
        at = &(*at)->next;
    return at;
}

static void watch_remove(mmi_clerk_t *c, mmi_watch_t **at) {
    mmi_watch_t *watch = *at;
    c->watch_count--;
    *at = watch->next;
    free(watch);
}

static bool watch_is_valid(const mmi_clerk_t *c, const mmi_watch_t *watch) {
    for (size_t i = 0; i < MMI_WATCH_WORDS; i++)
        if (watch->words[i].offset % 8 != 0 || watch->words[i].offset > c->share_bytes - 8)
            return false;
    return true;
}

void mmi_watch_take(mmi_clerk_t *c, int rank, const uint64_t message[MMI_WATCH_MESSAGE]) {
    mmi_watch_t watch = {.rank = rank, .waiter = message[1], .index = message[2]};
    memcpy(watch.words, message + 3, sizeof watch.words);
    if (!watch_is_valid(c, &watch))
        return;
    mmi_watch_t **at = watch_find(c, rank, watch.waiter, watch.index);
    if (watch_differs(c, &watch)) {
        if (*at)
            watch_remove(c, at);
        watch_ring(c, rank, watch.waiter, watch.index, MMI_RUNG);
        return;
    }
    if (!*at && (*at = calloc(1, sizeof **at)))
        c->watch_count++;
    if (!*at)
        return;
    watch.next = (*at)->next;
    **at = watch;
}

void mmi_watch_forget(mmi_clerk_t *c, int rank, uint64_t waiter, uint64_t index) {
    for (mmi_watch_t **at = watch_list(c, rank); *at;)
        if ((*at)->rank == rank && (*at)->waiter == waiter)
            watch_remove(c, at);
        else
            at = &(*at)->next;
    watch_ring(c, rank, waiter, index, MMI_FORGOTTEN);
}

void mmi_watch_free_all(mmi_clerk_t *c) {
    for (size_t i = 0; i < MMI_WATCH_LISTS; i++)
        while (c->watches[i])
            watch_remove(c, &c->watches[i]);
}

static void watch_compare_list(mmi_clerk_t *c, mmi_watch_t **at) {
    while (*at)
        if (watch_differs(c, *at)) {
            watch_ring(c, (*at)->rank, (*at)->waiter, (*at)->index, MMI_RUNG);
            watch_remove(c, at);
        } else {
            at = &(*at)->next;
        }
}

/* With many watches, comparing takes at most a part of the thread's time. */
static void watch_compare_all(mmi_clerk_t *c) {
    int64_t start_ns = mmi_now_ns();
    if (start_ns < c->ring_ns)
        return;
    for (size_t i = 0; i < MMI_WATCH_LISTS; i++)
        watch_compare_list(c, &c->watches[i]);
    c->ring_ns = start_ns + PAUSE_NS * (int64_t)c->watch_count;
}

void mmi_clerk_ring(mmi_clerk_t *c) {
    if (atomic_load(&c->watch_count) == 0 || pthread_mutex_trylock(&c->lock))
        return; /* another thread does it, or will come back */
    watch_compare_all(c);
    pthread_mutex_unlock(&c->lock);
}

/* ---- the waiter ------------------------------------------------------------------------------ */

int mmi_waiter_receive(mmi_clerk_t *c) {
    int error = MPI_Irecv(c->ring, MMI_RING_MESSAGE, MPI_UINT64_T, MPI_ANY_SOURCE, MMI_RING_TAG,
                          c->w->comm, &c->ring_request);
    if (error)
        c->ring_request = MPI_REQUEST_NULL;
    return error;
}

/* No ring comes any more, so waiters look by themselves. */
static void waiter_fail(mmi_clerk_t *c, int error) {
    c->ring_request = MPI_REQUEST_NULL;
    mmi_window_fault(c->w, c->w->rank, "receiving a ring", error);
    atomic_store(&c->hears_none, true);
}

mmi_waiter_t *mmi_waiter_begin(mmi_clerk_t *c, size_t count) {
    mmi_waiter_t *waiter = calloc(1, sizeof *waiter + count * sizeof waiter->came[0]);
    if (!waiter)
        return NULL;
    waiter->count = count;
    pthread_mutex_lock(&c->ring_lock);
    waiter->number = ++c->waiter_count;
    waiter->next = c->waiters;
    c->waiters = waiter;
    pthread_mutex_unlock(&c->ring_lock);
    return waiter;
}

void mmi_waiter_end(mmi_clerk_t *c, mmi_waiter_t *waiter) {
    pthread_mutex_lock(&c->ring_lock);
    mmi_waiter_t **at = &c->waiters;
    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
    pthread_mutex_unlock(&c->ring_lock);
    free(waiter);
}

/* A ring for a waiter that is gone is of one whose owner met an error. */
static void waiter_note_ring(const mmi_clerk_t *c) {
    mmi_waiter_t *waiter = c->waiters;
    while (waiter && waiter->number != c->ring[0])
        waiter = waiter->next;
    if (waiter && c->ring[1] < waiter->count && c->ring[2] < MMI_RING_KINDS)
        atomic_store(&waiter->came[c->ring[1]][c->ring[2]], true);
}

void mmi_waiter_hear(mmi_clerk_t *c) {
    int done = 1;
    mmi_clerk_help(c);
    if (pthread_mutex_trylock(&c->ring_lock)) /* another thread does it */
        return;
    while (done && c->ring_request != MPI_REQUEST_NULL) {
        int error = MPI_Test(&c->ring_request, &done, MPI_STATUS_IGNORE);
        if (!error && done) {
            waiter_note_ring(c);
            error = mmi_waiter_receive(c);
        }
        if (error)
            waiter_fail(c, error);
    }
    pthread_mutex_unlock(&c->ring_lock);
}

static bool waiter_send(mmi_clerk_t *c, int owner, const uint64_t *words, size_t count) {
    mmi_message_t *message = mmi_message_create(count);
    if (!message)
        return false;
    memcpy(message->words, words, count * sizeof *words);
    int error = mmi_clerk_send(c, message, owner, MMI_ASK_TAG);
    if (error)
        mmi_window_fault(c->w, owner, "MPI_Isend", error);
    return !error;
}

/* Whether the owner has met an error of MPI, and answers no more. */
static bool waiter_is_unheard(const mmi_clerk_t *c, int owner, int64_t deadline) {
    uint64_t deaf;
    return !mmi_window_read(c->w, owner, offsetof(mmi_share_t, deaf), &deaf, 1, deadline) && deaf;
}

void mmi_waiter_watch(mmi_clerk_t *c, const mmi_waiter_t *waiter, int owner, size_t index,
                      const mmi_watched_t words[MMI_WATCH_WORDS]) {
    uint64_t message[MMI_WATCH_MESSAGE] = {MMI_ASK_WATCH, waiter->number, index};
    assert(owner != c->w->rank && index < waiter->count);
    memcpy(message + 3, words, MMI_WATCH_WORDS * sizeof *words);
    (void)waiter_send(c, owner, message, MMI_WATCH_MESSAGE);
}

bool mmi_waiter_ask_forget(mmi_clerk_t *c, const mmi_waiter_t *waiter, int owner, size_t index) {
    return waiter_send(c, owner, (uint64_t[]){MMI_ASK_FORGET, waiter->number, index}, 3);
}

mofka_status_t mmi_waiter_await_forgotten(mmi_clerk_t *c, mmi_waiter_t *waiter, int owner,
                                          size_t index, int64_t deadline) {
    int64_t us = 10;
    mmi_window_wait_for(owner);
    for (int64_t look_ms = mmi_now_ms() + DEAF_MS;;) {
        mmi_waiter_hear(c);
        int64_t now_ms = mmi_now_ms();
        if (mmi_waiter_take(waiter, index, MMI_FORGOTTEN) || mmi_window_check(c->w, owner) ||
            atomic_load(&c->hears_none) ||
            (now_ms >= look_ms && waiter_is_unheard(c, owner, deadline)))
            return MOFKA_OK;
        if (now_ms >= deadline)
            return mofka_fail(MOFKA_ERR_TIMEOUT, "rank %d has not answered", owner);
        look_ms += now_ms >= look_ms ? DEAF_MS : 0;
        mmi_back_off(&us, NAP_US_MAX);
    }
}
