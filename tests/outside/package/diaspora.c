/* SPDX-License-Identifier: BSD-3-Clause */
/* A program over the C interface of the Diaspora Streaming API: its driver is made and ended. */
#include <diaspora/diaspora_c.h>
#include <mpi.h>
#include <stdio.h>

int main(int argc, char **argv) {
    int level;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
    diaspora_driver_t *driver = diaspora_driver_create("mofka", "{\"group_file\":\"mofka.json\"}");
    if (!driver)
        fprintf(stderr, "%s\n", diaspora_c_last_error());
    diaspora_driver_destroy(driver);
    MPI_Finalize();
    return driver ? 0 : 1;
}
