/* SPDX-License-Identifier: BSD-3-Clause */
/* The races between ranks that are processes. "message": an rma window where ranks reserve by
 * messages. */
#include <stdatomic.h>
#include "mpi/clerk/clerk.h"
#include "support/mpi/mpi_main.h"
#include "support/stress/stress.h"

static _Atomic long asked;

int MPI_Isend(const void *from, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
              MPI_Request *request) {
    uint64_t kind = MMI_ASK_WATCH;
    if (tag == MMI_ASK_TAG && type == MPI_UINT64_T && count > 2)
        memcpy(&kind, from, sizeof kind);
    atomic_fetch_add(&asked, kind == MMI_ASK_ADD);
    return PMPI_Isend(from, count, type, to, tag, comm, request);
}

static long mpi_stress_sum(const job_t *job, long value) {
    long all;
    (void)job;
    MPI_Allreduce(&value, &all, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    return all;
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    bool by_message = strcmp(window, "message") == 0;
    char options[96] = "{\"window\":\"rma\",\"progress\":\"thread\",\"reserve\":\"message\"}";
    job_t job = {.rank = rank,
                 .size = size,
                 .scale = strcmp(window, "shm") == 0 ? 600 : 150,
                 .by_copy = true,
                 .sum = mpi_stress_sum};
    if (!by_message)
        snprintf(options, sizeof options, "{\"window\":\"%s\"}", window);
    if (mofka_mpi_driver_create(MPI_COMM_WORLD, options, &job.driver))
        return mpi_main_end(1);
    stress_run(&job);
    mofka_status_t status = mofka_driver_close(job.driver, 60000);
    mofka_driver_release(job.driver);
    if (mpi_stress_sum(&job, asked) == 0 && by_message) /* "auto" may ask, too */
        status = MOFKA_ERR_INVALID;
    return mpi_main_end(status != MOFKA_OK);
}
