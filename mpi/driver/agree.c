/* SPDX-License-Identifier: BSD-3-Clause */
/* Lets all ranks know whether one has failed. */
#include "mpi/driver/agree.h"

#include <assert.h>
#include "mpi/window/window.h"

mofka_status_t mmi_agree(MPI_Comm comm, mofka_status_t status, const char *step) {
    struct {
        int status, rank;
    } own = {.status = (int)status}, worst;
    assert(status <= MOFKA_OK);
    MPI_Comm_rank(comm, &own.rank);
    int error = MPI_Allreduce(&own, &worst, 1, MPI_2INT, MPI_MINLOC, comm);
    if (error)
        return mmi_mpi_fail("MPI_Allreduce", error);
    if (worst.status == MOFKA_OK || status)
        return status;
    return mofka_fail((mofka_status_t)worst.status, "MPI driver: rank %d failed while %s: %s",
                      worst.rank, step, mofka_status_text((mofka_status_t)worst.status));
}
