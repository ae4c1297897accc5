/* SPDX-License-Identifier: BSD-3-Clause */
#include <mofka/mofka.h>
#include <mofka/mpi.h>

int main(int argc, char **argv) {
    mofka_driver_t *driver;
    MPI_Init(&argc, &argv);
    if (mofka_mpi_driver_create(MPI_COMM_WORLD, "{\"window\":\"shm\"}", &driver) ||
        mofka_driver_close(driver, 10000))
        return 1;
    mofka_driver_release(driver);
    return MPI_Finalize();
}
