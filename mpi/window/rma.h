/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of rma windows share. */
#ifndef MOFKA_MPI_WINDOW_RMA_H
#define MOFKA_MPI_WINDOW_RMA_H

#include <assert.h>
#include "mpi/window/window.h"

/* Where MPI finds a place of a rank's share. */
static inline MPI_Aint mmi_rma_place(const mmi_window_t *w, int rank, uint64_t offset) {
    assert(rank >= 0 && rank < w->size && w->win != MPI_WIN_NULL);
    mmi_window_wait_for(rank);
    return w->skip[rank] + (MPI_Aint)offset;
}

/* A number that stands for a rank's memory in this window. Not 0. */
static inline uint64_t mmi_rma_identity(const mmi_window_t *w, int rank) {
    uint64_t x = (w->rma.nonce ^ (uint64_t)rank) * UINT64_C(0x9e3779b97f4a7c15);
    return (x ^ x >> 29) | 1;
}

/* What to do if a window cannot be made, or fails its trial. Static. */
const char *mmi_rma_remedy(void);
/* The operations open and destroy of the window. */
mofka_status_t mmi_rma_open(mmi_window_t *w, MPI_Comm comm, uint64_t bytes);
void mmi_rma_destroy(mmi_window_t *w);
/* The operations load_run and read_within by MPI: see reads.c. */
void mmi_read_words(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words, size_t count);
mofka_status_t mmi_read_within(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                               size_t count, int64_t deadline);
/* Read a word of the rank behind all that this process began there, and wait for the answer. This
 * thread leaves its core and MPI's lock meanwhile. MPI promises no order, so a flush must follow.
 * In Open MPI, which may lose the answer: nothing. */
void mmi_read_behind(mmi_window_t *w, int rank);
/* Memory for the words of an operation that completes before the call returns; without memory, the
 * caller's `own`. */
uint64_t *mmi_words_take(mmi_window_t *w, uint64_t *own);
/* The operation, on `rank`, is over. After an error of MPI, which may use them yet, the words are
 * kept. */
void mmi_words_give(mmi_window_t *w, int rank, uint64_t *words, const uint64_t *own);
/* Allocate what the first reads need. Give: mmi_reads_destroy. False: no memory. */
bool mmi_reads_create(mmi_window_t *w);
/* Free them. `ended`: the window's epoch has ended, and so every read is complete. Else MPI may
 * still write what is late, and it is left. */
void mmi_reads_destroy(mmi_window_t *w, bool ended);

#endif
