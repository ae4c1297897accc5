/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The conformance suite over the MPI driver: rank 0 runs the cases on partitions that the last rank
 * owns; the others only open the driver and close it.
 */
#include "conformance/conformance.h"
#include "support/mpi/mpi_main.h"

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    char options[128], name[32];
    mofka_driver_t *driver;
    snprintf(options, sizeof options, "{\"window\":\"%s\",\"owners\":[%d]}", window, size - 1);
    snprintf(name, sizeof name, "mpi %s", window);
    if (mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver)) {
        fprintf(stderr, "create: %s\n", mofka_last_error());
        mpi_main_abort();
    }
    int failed = 0;
    if (rank == 0)
        failed =
            conformance_run(name, driver, "{\"partition_bytes\":262144,\"partition_events\":1024}");
    if (mofka_driver_close(driver, 1000000)) {
        fprintf(stderr, "rank %d: close: %s\n", rank, mofka_last_error());
        failed = 1;
    }
    mofka_driver_release(driver);
    return mpi_main_end(failed);
}
