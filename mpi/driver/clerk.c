/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The owner's side of reservations by message: see producer/reserve.c.
 *
 * The progress thread tests a receive that is always posted, which drives all of MPI. When a
 * message came, it adds to the words that are named there, by the operation that other ranks use,
 * and sends their old values back. A rank has one message under way at a time, so one tag will do.
 */
#include <stdlib.h>
#include "mpi/driver/driver.h"
#include "mpi/window/share.h"

struct mmi_answer {
    struct mmi_answer *next;
    MPI_Request request;
    uint64_t old[MMI_ASKS_MAX];
};

static int clerk_receive(mmi_driver_t *d) {
    return MPI_Irecv(d->asked, 2 * MMI_ASKS_MAX, MPI_UINT64_T, MPI_ANY_SOURCE, MMI_ASK_TAG, d->comm,
                     &d->progress_request);
}

mofka_status_t mmi_clerk_start(mmi_driver_t *d) {
    int error = clerk_receive(d);
    return error ? mmi_mpi_fail("MPI_Irecv", error) : MOFKA_OK;
}

/* Free the answers that were sent. */
static void clerk_free_sent(mmi_driver_t *d) {
    for (mmi_answer_t **at = &d->answers; *at;) {
        mmi_answer_t *answer = *at;
        int done = 0;
        if (!MPI_Test(&answer->request, &done, MPI_STATUS_IGNORE) && done) {
            *at = answer->next;
            free(answer);
        } else {
            at = &answer->next;
        }
    }
}

/* MPI has failed: what ranks ask may be lost, so they must not wait for answers. */
static void clerk_fail(mmi_driver_t *d, const char *call, int error) {
    mmi_window_t *w = d->directory.w;
    mmi_window_fault(w, d->rank, call, error);
    w->ops->store(w, d->rank, offsetof(mmi_share_t, deaf), 1);
}

/* An answer without words: nothing was added, and the rank adds by itself. */
static void clerk_refuse(mmi_driver_t *d, int rank) {
    MPI_Request request;
    int error = MPI_Isend(NULL, 0, MPI_UINT64_T, rank, MMI_ANSWER_TAG, d->comm, &request);
    if (error)
        clerk_fail(d, "MPI_Isend", error);
    else
        MPI_Request_free(&request);
}

/* Add, and send the old values. After an error the rank learns from the word `deaf` that it must
 * not wait. */
static void clerk_answer(mmi_driver_t *d, int rank, int count) {
    mmi_window_t *w = d->directory.w;
    mmi_answer_t *answer = mmi_window_check(w, d->rank) ? NULL : malloc(sizeof *answer);
    if (!answer) {
        clerk_refuse(d, rank);
        return;
    }
    for (int i = 0; i < count && !mmi_window_check(w, d->rank); i++)
        answer->old[i] = w->ops->fetch_add(w, d->rank, d->asked[2 * i], d->asked[2 * i + 1]);
    if (mmi_window_check(w, d->rank)) {
        free(answer);
        clerk_fail(d, "adding for a rank", MPI_ERR_OTHER);
        return;
    }
    int error = MPI_Isend(answer->old, count, MPI_UINT64_T, rank, MMI_ANSWER_TAG, d->comm,
                          &answer->request);
    if (error) { /* MPI may still use the memory */
        clerk_fail(d, "MPI_Isend", error);
        return;
    }
    answer->next = d->answers;
    d->answers = answer;
}

/* Drives MPI where no receive is posted. */
static bool clerk_is_deaf(mmi_driver_t *d) {
    int found;
    if (d->progress_request != MPI_REQUEST_NULL)
        return false;
    MPI_Iprobe(MPI_ANY_SOURCE, MMI_ASK_TAG, d->comm, &found, MPI_STATUS_IGNORE);
    return true;
}

/* With the lock. */
static bool clerk_serve(mmi_driver_t *d) {
    MPI_Status status;
    int done = 0, words = 0;
    if (clerk_is_deaf(d))
        return false;
    int error = MPI_Test(&d->progress_request, &done, &status);
    if (!error && !done)
        return false;
    if (!error) {
        MPI_Get_count(&status, MPI_UINT64_T, &words);
        clerk_free_sent(d);
        clerk_answer(d, status.MPI_SOURCE, words / 2);
        error = clerk_receive(d);
    }
    if (error) {
        d->progress_request = MPI_REQUEST_NULL;
        clerk_fail(d, "receiving what a rank asks", error);
    }
    return true;
}

bool mmi_clerk_serve(mmi_driver_t *d) {
    if (pthread_mutex_trylock(&d->clerk_lock)) /* another thread does it */
        return false;
    bool served = clerk_serve(d);
    pthread_mutex_unlock(&d->clerk_lock);
    return served;
}

void mmi_clerk_stop(mmi_driver_t *d) {
    if (d->progress_request != MPI_REQUEST_NULL) {
        MPI_Cancel(&d->progress_request);
        MPI_Wait(&d->progress_request, MPI_STATUS_IGNORE);
    }
    clerk_free_sent(d);
    d->answers = NULL; /* what a rank has not taken is MPI's until the process ends */
}
