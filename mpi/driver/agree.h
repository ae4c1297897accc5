/* SPDX-License-Identifier: BSD-3-Clause */
/* An error of one rank becomes an error of all. */
#ifndef MOFKA_MPI_DRIVER_AGREE_H
#define MOFKA_MPI_DRIVER_AGREE_H

#include <mpi.h>
#include <mofka/status.h>

/* All ranks of `comm` get the lowest code of all, from the lowest rank that has it; a rank that
 * failed keeps its own. `step` completes "rank 1 failed while ". Collective. */
mofka_status_t mmi_agree(MPI_Comm comm, mofka_status_t status, const char *step);

#endif
