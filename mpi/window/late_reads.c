/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads of rma windows that can be given up, and what becomes of their memory. */
#include "mpi/window/rma.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* An operation of MPI cannot be cancelled. If a read is given up, its memory is kept until the
 * operation completes. Until then, no other such read of that rank begins. */
typedef struct mmi_late {
    struct mmi_late *next;
    MPI_Request request;
    int rank;
    uint64_t words[MMI_RUN_WORDS_MAX];
} mmi_late_t;

/* Free the reads that have completed. True: one of this rank is still under way. */
static bool late_collect(mmi_window_t *w, int rank) {
    bool waits = false;
    pthread_mutex_lock(&w->late_lock);
    for (mmi_late_t **at = &w->late; *at;) {
        mmi_late_t *late = *at;
        int done = 0;
        MMI_TRY(w, late->rank, MPI_Test, &late->request, &done, MPI_STATUS_IGNORE);
        waits |= !done && late->rank == rank;
        if (done) {
            *at = late->next;
            free(late);
        } else {
            at = &late->next;
        }
    }
    pthread_mutex_unlock(&w->late_lock);
    return waits;
}

mofka_status_t mmi_late_read(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                             size_t count, int64_t deadline) {
    assert(count <= MMI_RUN_WORDS_MAX);
    for (int64_t us = 10; late_collect(w, rank);) {
        if (mmi_now_ms() >= deadline)
            return mofka_fail(MOFKA_ERR_TIMEOUT, "rank %d has not answered an earlier read", rank);
        mmi_back_off(&us, 1000);
    }
    mmi_late_t *read = malloc(sizeof *read);
    if (!read)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to read of rank %d", rank);
    *read = (mmi_late_t){.request = MPI_REQUEST_NULL, .rank = rank};
    MMI_TRY(w, rank, MPI_Rget, read->words, (int)count, MPI_UINT64_T, rank,
            mmi_rma_place(w, rank, offset), (int)count, MPI_UINT64_T, w->win, &read->request);
    int64_t deadline_ns = deadline < INT64_MAX / 1000000 ? deadline * 1000000 : INT64_MAX;
    if (read->request != MPI_REQUEST_NULL && !mmi_rma_wait(w, rank, &read->request, deadline_ns)) {
        pthread_mutex_lock(&w->late_lock);
        read->next = w->late;
        w->late = read;
        pthread_mutex_unlock(&w->late_lock);
        return mofka_fail(MOFKA_ERR_TIMEOUT, "rank %d did not answer a read in time", rank);
    }
    mofka_status_t status = mmi_window_check(w, rank);
    if (!status)
        memcpy(words, read->words, count * sizeof *words);
    free(read);
    return status;
}

void mmi_late_free(mmi_window_t *w) {
    assert(w->win != MPI_WIN_NULL);
    while (w->late) {
        mmi_late_t *late = w->late;
        w->late = late->next;
        MPI_Wait(&late->request, MPI_STATUS_IGNORE);
        free(late);
    }
}
