/* SPDX-License-Identifier: BSD-3-Clause */
/* A rank asks an owner to add to words of its share, and waits for their old values. */
#include "mpi/clerk/clerk.h"
#include "mpi/window/share.h"

#include <assert.h>
#include <sched.h>

/* Waiting for an answer: the time before the first sleep, and the longest sleep. */
#define YIELD_NS 50000
#define SLEEP_US_MAX 200
/* How often an owner that does not answer is looked at. */
#define DEAF_NS INT64_C(1000000000)

/* *words: of the answer. */
static bool ask_is_answered(mmi_window_t *w, int owner, MPI_Request requests[2], int *words) {
    MPI_Status statuses[2];
    int done = 0;
    MMI_TRY(w, owner, MPI_Testall, 2, requests, &done, statuses);
    if (done)
        MPI_Get_count(&statuses[0], MPI_UINT64_T, words);
    return done;
}

/* Whether the owner has met an error of MPI, and may not answer. */
static bool ask_is_unheard(mmi_window_t *w, int owner, int64_t *next_ns) {
    int64_t now = mmi_now_ns();
    if (now < *next_ns)
        return false;
    *next_ns = now + DEAF_NS;
    return w->ops->load(w, owner, offsetof(mmi_share_t, deaf)) != 0;
}

/* As a flush, this ends when the owner answers, or when MPI reports an error. */
size_t mmi_ask_wait(mmi_clerk_t *c, int owner, MPI_Request requests[2]) {
    mmi_window_t *w = c->w;
    int64_t us = 10, now = mmi_now_ns(), yield_until = now + YIELD_NS, next_ns = now + DEAF_NS;
    int words = 0;
    while (!ask_is_answered(w, owner, requests, &words) && !mmi_window_check(w, owner)) {
        mmi_clerk_help(c); /* the owner may wait for this rank's answer */
        if (ask_is_unheard(w, owner, &next_ns))
            mmi_window_fault(w, owner, "asking the owner", MPI_ERR_OTHER);
        else if (mmi_now_ns() < yield_until)
            sched_yield();
        else
            mmi_back_off(&us, SLEEP_US_MAX);
    }
    return (size_t)words;
}

mofka_status_t mmi_clerk_ask(mmi_clerk_t *c, int owner, mmi_asks_t *asks) {
    mmi_window_t *w = c->w;
    MPI_Request requests[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    assert(asks->count >= 1 && asks->count <= MMI_ASKS_MAX && owner != w->rank);
    mmi_window_wait_for(owner);
    asks->message[0] = MMI_ASK_ADD;
    if (MMI_TRY(w, owner, MPI_Irecv, asks->old, (int)asks->count, MPI_UINT64_T, owner,
                MMI_ANSWER_TAG, w->comm, &requests[0]) ||
        MMI_TRY(w, owner, MPI_Isend, asks->message, 1 + 2 * (int)asks->count, MPI_UINT64_T, owner,
                MMI_ASK_TAG, w->comm, &requests[1]))
        return mmi_window_check(w, owner);
    size_t words = mmi_ask_wait(c, owner, requests);
    mofka_status_t status = mmi_window_check(w, owner);
    return status || words > 0 ? status : MOFKA_ERR_TIMEOUT;
}
