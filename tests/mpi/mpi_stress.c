/* SPDX-License-Identifier: BSD-3-Clause */
/* The races between ranks that are processes. */
#include "support/mpi/mpi_main.h"
#include "support/stress/stress.h"

static long mpi_stress_sum(const job_t *job, long value) {
    long all;
    (void)job;
    MPI_Allreduce(&value, &all, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    return all;
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    char options[64];
    job_t job = {.rank = rank,
                 .size = size,
                 .scale = strcmp(window, "rma") == 0 ? 150 : 600,
                 .by_copy = true,
                 .sum = mpi_stress_sum};
    snprintf(options, sizeof options, "{\"window\":\"%s\"}", window);
    if (mofka_mpi_driver_create(MPI_COMM_WORLD, options, &job.driver))
        return mpi_main_end(1);
    stress_run(&job);
    mofka_status_t status = mofka_driver_close(job.driver, 60000);
    mofka_driver_release(job.driver);
    return mpi_main_end(status != MOFKA_OK);
}
