/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clerk of a rank, and its side as an owner.
 *
 * The progress thread tests a receive that is always posted, which drives all of MPI. When a
 * message came that asks to add, it adds to the words that are named there, by the operation that
 * other ranks use, and sends their old values back. A rank has one such message under way at a
 * time, so one tag will do.
 */
#include "mpi/clerk/clerk.h"
#include "mpi/window/share.h"

#include <stdlib.h>

mmi_message_t *mmi_message_create(size_t count) {
    mmi_message_t *message = malloc(sizeof *message + count * sizeof message->words[0]);
    if (message)
        message->count = count;
    return message;
}

/* With sent_lock: free the messages that were sent. */
static void clerk_free_sent(mmi_clerk_t *c) {
    for (mmi_message_t **at = &c->sent; *at;) {
        mmi_message_t *message = *at;
        int done = 0;
        if (!MPI_Test(&message->request, &done, MPI_STATUS_IGNORE) && done) {
            *at = message->next;
            free(message);
        } else {
            at = &message->next;
        }
    }
}

int mmi_clerk_send(mmi_clerk_t *c, mmi_message_t *message, int rank, int tag) {
    pthread_mutex_lock(&c->sent_lock);
    clerk_free_sent(c);
    int error = MPI_Isend(message->words, (int)message->count, MPI_UINT64_T, rank, tag, c->w->comm,
                          &message->request);
    if (!error) { /* else MPI may still use the memory */
        message->next = c->sent;
        c->sent = message;
    }
    pthread_mutex_unlock(&c->sent_lock);
    return error;
}

/* ---- the owner ------------------------------------------------------------------------------- */

static int clerk_receive(mmi_clerk_t *c) {
    return MPI_Irecv(c->asked, MMI_MESSAGE_WORDS, MPI_UINT64_T, MPI_ANY_SOURCE, MMI_ASK_TAG,
                     c->w->comm, &c->asked_request);
}

mofka_status_t mmi_clerk_open(mmi_clerk_t *c) {
    int error = clerk_receive(c);
    return error ? mmi_mpi_fail("MPI_Irecv", error) : MOFKA_OK;
}

void mmi_clerk_fail(mmi_clerk_t *c, const char *call, int error) {
    mmi_window_t *w = c->w;
    mmi_window_fault(w, w->rank, call, error);
    w->ops->exchange(w, w->rank, offsetof(mmi_share_t, deaf), 1); /* no word is stored any more */
}

/* An answer without words: nothing was added, and the rank adds by itself. */
static void clerk_refuse(mmi_clerk_t *c, int rank) {
    MPI_Request request;
    int error = MPI_Isend(NULL, 0, MPI_UINT64_T, rank, MMI_ANSWER_TAG, c->w->comm, &request);
    if (error)
        mmi_clerk_fail(c, "MPI_Isend", error);
    else
        MPI_Request_free(&request);
}

/* Add, and send the old values. After an error the rank learns from the word `deaf` that it must
 * not wait. */
static void clerk_add(mmi_clerk_t *c, int rank, const uint64_t *asked, size_t count) {
    mmi_window_t *w = c->w;
    mmi_message_t *answer = mmi_window_check(w, w->rank) ? NULL : mmi_message_create(count);
    if (!answer) {
        clerk_refuse(c, rank);
        return;
    }
    for (size_t i = 0; i < count && !mmi_window_check(w, w->rank); i++)
        answer->words[i] = w->ops->fetch_add(w, w->rank, asked[2 * i], asked[2 * i + 1]);
    if (mmi_window_check(w, w->rank)) {
        free(answer);
        mmi_clerk_fail(c, "adding for a rank", MPI_ERR_OTHER);
        return;
    }
    int error = mmi_clerk_send(c, answer, rank, MMI_ANSWER_TAG);
    if (error)
        mmi_clerk_fail(c, "MPI_Isend", error);
}

static void clerk_do(mmi_clerk_t *c, int rank, size_t words) {
    const uint64_t *asked = c->asked;
    if (words > 2 && asked[0] == MMI_ASK_ADD)
        clerk_add(c, rank, asked + 1, (words - 1) / 2);
    else if (words == MMI_WATCH_MESSAGE && asked[0] == MMI_ASK_WATCH)
        mmi_watch_take(c, rank, asked);
    else if (words == 3 && asked[0] == MMI_ASK_FORGET)
        mmi_watch_forget(c, rank, asked[1], asked[2]);
    else if (words > 3 && asked[0] == MMI_ASK_REQUEST && c->serve)
        mmi_request_take(c, rank, asked, words);
}

/* Drives MPI where no receive is posted. */
static bool clerk_is_deaf(mmi_clerk_t *c) {
    int found;
    if (c->asked_request != MPI_REQUEST_NULL)
        return false;
    MPI_Iprobe(MPI_ANY_SOURCE, MMI_ASK_TAG, c->w->comm, &found, MPI_STATUS_IGNORE);
    return true;
}

/* With the lock. */
static bool clerk_serve(mmi_clerk_t *c) {
    MPI_Status status;
    int done = 0, words = 0;
    if (clerk_is_deaf(c))
        return false;
    int error = MPI_Test(&c->asked_request, &done, &status);
    if (!error && !done)
        return false;
    if (!error) {
        MPI_Get_count(&status, MPI_UINT64_T, &words);
        clerk_do(c, status.MPI_SOURCE, (size_t)words);
        error = clerk_receive(c);
    }
    if (error) {
        c->asked_request = MPI_REQUEST_NULL;
        mmi_clerk_fail(c, "receiving what a rank asks", error);
    }
    return true;
}

bool mmi_clerk_serve(mmi_clerk_t *c) {
    if (pthread_mutex_trylock(&c->lock)) /* another thread does it */
        return false;
    bool served = clerk_serve(c);
    served |= c->requests && mmi_request_serve(c);
    pthread_mutex_unlock(&c->lock);
    return served;
}

/* ---- the clerk ------------------------------------------------------------------------------- */

mofka_status_t mmi_clerk_create(mmi_window_t *w, uint64_t share_bytes) {
    mmi_clerk_t *c = calloc(1, sizeof *c);
    if (!c)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for messages between ranks");
    c->w = w;
    c->share_bytes = share_bytes;
    pthread_mutex_init(&c->lock, NULL);
    pthread_mutex_init(&c->sent_lock, NULL);
    pthread_mutex_init(&c->ring_lock, NULL);
    c->asked_request = MPI_REQUEST_NULL;
    int error = mmi_waiter_receive(c);
    if (error) {
        mmi_clerk_destroy(c);
        return mmi_mpi_fail("MPI_Irecv", error);
    }
    w->clerk = c;
    return MOFKA_OK;
}

static void clerk_cancel(MPI_Request *request) {
    if (*request == MPI_REQUEST_NULL)
        return;
    MPI_Cancel(request);
    MPI_Wait(request, MPI_STATUS_IGNORE);
}

/* What a rank has not taken is MPI's until the process ends. Waiters that are left are of consumers
 * that nobody closed. */
void mmi_clerk_destroy(mmi_clerk_t *c) {
    if (!c)
        return;
    clerk_cancel(&c->asked_request);
    clerk_cancel(&c->ring_request);
    clerk_free_sent(c);
    mmi_watch_free_all(c);
    mmi_request_free_all(c);
    while (c->waiters)
        mmi_waiter_end(c, c->waiters);
    pthread_mutex_destroy(&c->lock);
    pthread_mutex_destroy(&c->sent_lock);
    pthread_mutex_destroy(&c->ring_lock);
    free(c);
}
