/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reserving for a round of appends: by words, or by a message.
 *
 * By words, each append starts a fetch_add, and one flush completes them: one round trip, where the
 * network has atomics. Where an MPI emulates them with a lock of its own, it takes several: three
 * in Open MPI 4.1.4 over UCX, and more when ranks meet at the lock. There, the round asks the
 * owner's progress thread by one message, which adds to the words itself (driver/clerk.c).
 *
 * A rank that stops after it asked leaves what one leaves that stops after it reserved: a hole. So
 * the models of append hold for both.
 *
 * Both change the words by the same operation of MPI. So ranks may differ, and each finds out by
 * itself: it begins with words, and goes over to messages when reserving has mostly taken more than
 * twice as long as the flush of the batches behind it.
 */
#include <sched.h>
#include <stdlib.h>
#include "mpi/producer/producer.h"
#include "mpi/window/share.h"

/* How many more rounds than others were slow, when messages begin. */
#define SLOW_ROUNDS 4
/* Waiting for an answer: the time before the first sleep, and the longest sleep. */
#define YIELD_NS 50000
#define SLEEP_US_MAX 200
/* How often an owner that does not answer is looked at. */
#define DEAF_NS INT64_C(1000000000)

void mmi_reserve_note(mmi_window_t *w, int owner, int64_t reserve_ns, int64_t flush_ns) {
    _Atomic int *slow = &w->slow_words[owner];
    int now = atomic_load(slow);
    if (w->reserve != MMI_RESERVE_AUTO || now >= SLOW_ROUNDS)
        return;
    atomic_store(slow, reserve_ns > 2 * flush_ns ? now + 1 : now > 0 ? now - 1 : 0);
}

bool mmi_reserve_asks(const mmi_window_t *w, int owner) {
    if (!w->nudges || owner == w->rank || w->reserve == MMI_RESERVE_ATOMIC)
        return false;
    return w->reserve == MMI_RESERVE_MESSAGE || atomic_load(&w->slow_words[owner]) >= SLOW_ROUNDS;
}

/* *words: of the answer. */
static bool reserve_is_answered(mmi_window_t *w, int owner, MPI_Request requests[2], int *words) {
    MPI_Status statuses[2];
    int done = 0;
    MMI_TRY(w, owner, MPI_Testall, 2, requests, &done, statuses);
    if (done)
        MPI_Get_count(&statuses[0], MPI_UINT64_T, words);
    return done;
}

/* Whether the owner has met an error of MPI, and may not answer. */
static bool reserve_is_unheard(mmi_window_t *w, int owner, int64_t *next_ns) {
    int64_t now = mmi_now_ns();
    if (now < *next_ns)
        return false;
    *next_ns = now + DEAF_NS;
    return w->ops->load(w, owner, offsetof(mmi_share_t, deaf)) != 0;
}

/* As a flush, this ends when the owner answers, or when MPI reports an error. Returns the words of
 * the answer. */
static size_t reserve_wait(mmi_window_t *w, int owner, MPI_Request requests[2]) {
    int64_t us = 10, now = mmi_now_ns(), yield_until = now + YIELD_NS, next_ns = now + DEAF_NS;
    int words = 0;
    while (!reserve_is_answered(w, owner, requests, &words) && !mmi_window_check(w, owner)) {
        void (*serve)(void *) = atomic_load(&w->serve);
        if (serve) /* the owner may wait for this rank's answer */
            serve(w->served);
        if (reserve_is_unheard(w, owner, &next_ns))
            mmi_window_fault(w, owner, "asking the owner", MPI_ERR_OTHER);
        else if (mmi_now_ns() < yield_until)
            sched_yield();
        else
            mmi_back_off(&us, SLEEP_US_MAX);
    }
    return (size_t)words;
}

mofka_status_t mmi_reserve_ask(mmi_window_t *w, int owner, mmi_asks_t *asks) {
    MPI_Request requests[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    assert(asks->count >= 1 && asks->count <= MMI_ASKS_MAX && owner != w->rank);
    mmi_window_wait_for(owner);
    if (MMI_TRY(w, owner, MPI_Irecv, asks->old, (int)asks->count, MPI_UINT64_T, owner,
                MMI_ANSWER_TAG, w->comm, &requests[0]) ||
        MMI_TRY(w, owner, MPI_Isend, asks->asked, 2 * (int)asks->count, MPI_UINT64_T, owner,
                MMI_ASK_TAG, w->comm, &requests[1]))
        return mmi_window_check(w, owner);
    size_t words = reserve_wait(w, owner, requests);
    mofka_status_t status = mmi_window_check(w, owner);
    return status || words > 0 ? status : MOFKA_ERR_TIMEOUT;
}
