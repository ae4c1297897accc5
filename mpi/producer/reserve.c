/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reserving for a round of appends: by words, or by a message.
 *
 * By words, each append starts a fetch_add, and one flush completes them: one round trip, where the
 * network has atomics. Where an MPI emulates them with a lock of its own, it takes several: three
 * in Open MPI 4.1.4 over UCX, and more when ranks meet at the lock. There, the round asks the
 * owner's progress thread by one message, which adds to the words itself (driver/clerk.c).
 *
 * Both change the words by the same operation of MPI. So ranks may differ, and each finds out by
 * itself: it begins with words, and goes over to messages when reserving has mostly taken more than
 * twice as long as the flush of the batches behind it.
 */
#include <sched.h>
#include <stdlib.h>
#include "mpi/producer/producer.h"

/* How many more rounds than others were slow, when messages begin. */
#define SLOW_ROUNDS 4
/* Waiting for an answer: the time before the first sleep, and the longest sleep. */
#define YIELD_NS 50000
#define SLEEP_US_MAX 200

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

static bool reserve_is_answered(mmi_window_t *w, int owner, MPI_Request requests[2]) {
    MPI_Status statuses[2];
    int done = 0;
    MMI_TRY(w, owner, MPI_Testall, 2, requests, &done, statuses);
    return done;
}

/* As a flush, this ends when the owner answers, or when MPI reports an error. */
static void reserve_wait(mmi_window_t *w, int owner, MPI_Request requests[2]) {
    int64_t us = 10, yield_until = mmi_now_ns() + YIELD_NS;
    while (!reserve_is_answered(w, owner, requests) && !mmi_window_check(w, owner)) {
        if (mmi_now_ns() < yield_until)
            sched_yield();
        else
            mmi_back_off(&us, SLEEP_US_MAX);
    }
}

mofka_status_t mmi_reserve_ask(mmi_window_t *w, int owner, mmi_asks_t *asks) {
    MPI_Request requests[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    assert(asks->count >= 1 && asks->count <= MMI_ASKS_MAX && owner != w->rank);
    mmi_window_wait_for(owner);
    MMI_TRY(w, owner, MPI_Irecv, asks->old, (int)asks->count, MPI_UINT64_T, owner, MMI_ANSWER_TAG,
            w->comm, &requests[0]);
    if (!mmi_window_check(w, owner))
        MMI_TRY(w, owner, MPI_Isend, asks->asked, 2 * (int)asks->count, MPI_UINT64_T, owner,
                MMI_ASK_TAG, w->comm, &requests[1]);
    if (!mmi_window_check(w, owner))
        reserve_wait(w, owner, requests);
    return mmi_window_check(w, owner);
}
