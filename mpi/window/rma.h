/* SPDX-License-Identifier: BSD-3-Clause */
/* What rma.c and late_reads.c share. */
#ifndef MOFKA_MPI_WINDOW_RMA_H
#define MOFKA_MPI_WINDOW_RMA_H

#include <assert.h>
#include "mpi/window/window.h"

/* Call MPI, and keep its error in the window. */
#define MMI_TRY(w, call, ...)                                                                      \
    do {                                                                                           \
        int error_ = call(__VA_ARGS__);                                                            \
        if (error_)                                                                                \
            mmi_window_fault(w, #call, error_);                                                    \
    } while (0)

/* Where MPI finds a place of a rank's share. */
static inline MPI_Aint mmi_rma_place(const mmi_window_t *w, int rank, uint64_t offset) {
    assert(rank >= 0 && rank < w->size && w->win != MPI_WIN_NULL);
    return w->skip[rank] + (MPI_Aint)offset;
}

/* The origin of an MPI_Rget_accumulate with NO_OP. MPI ignores it, but MPICH 3.4.1 (CH3) reads
 * nothing and completes the request at once if its count is 0. */
extern const uint64_t mmi_rma_no_origin[MMI_RUN_WORDS_MAX];

/* Wait for one operation: spin as long as it usually takes, then yield, then sleep. False: the
 * deadline (in nanoseconds of the monotonic clock) passed. */
bool mmi_rma_wait(mmi_window_t *w, MPI_Request *request, int64_t deadline_ns);

/* The operation read_within of the window. */
mofka_status_t mmi_late_read(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                             size_t count, int64_t deadline);
/* After the window's epoch has ended, and so every read is complete: free them. */
void mmi_late_free(mmi_window_t *w);

#endif
