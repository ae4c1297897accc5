/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the driver answers a limited MPI, or a program's mistake. One mode a run:
 *   level      MPI_Init only: too low a thread level for the progress thread
 *   no-window  this MPI cannot make an rma window (the caller switches off what it needs)
 *   small      the node's shared memory is smaller than the windows (small_shm.sh)
 *   forgotten  the driver is not closed before MPI_Finalize, its producer not even released
 */
#include "support/mpi/mpi_main.h"

static int limited_expect(mofka_status_t status, mofka_status_t wanted, const char *text) {
    if (status == wanted && strstr(mofka_last_error(), text)) {
        printf("message: %s\n", mofka_last_error());
        return 0;
    }
    fprintf(stderr, "%s: '%s', wanted '%s'\n", mofka_status_name(status), mofka_last_error(), text);
    return 1;
}

/* "auto" refuses the thread level only if operations wait for their target. In MPICH 4 over
 * messages they do; in Open MPI on one node they do not. */
static int limited_by_trial(void) {
    mofka_driver_t *driver = NULL;
    mofka_status_t status =
        mofka_mpi_driver_create(MPI_COMM_WORLD, "{\"window\":\"rma\"}", &driver);
#ifndef OPEN_MPI
    if (status)
        return limited_expect(status, MOFKA_ERR_UNSUPPORTED, "MPI_THREAD_MULTIPLE");
#endif
    if (!status)
        status = mofka_driver_close(driver, 30000);
    mofka_driver_release(driver);
    return limited_expect(status, MOFKA_OK, "");
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    mofka_driver_t *driver = NULL;
    int failed = 0;
    if (strcmp(mode, "level") == 0) {
        MPI_Init(&argc, &argv);
        failed = limited_expect(
            mofka_mpi_driver_create(MPI_COMM_WORLD, "{\"window\":\"rma\",\"progress\":\"thread\"}",
                                    &driver),
            MOFKA_ERR_UNSUPPORTED, "MPI_THREAD_MULTIPLE");
        failed |= limited_by_trial();
        if (mofka_mpi_driver_create(MPI_COMM_WORLD, "{\"window\":\"shm\"}", &driver) ||
            mofka_driver_close(driver, 30000))
            failed = 1; /* shm works at any level */
        mofka_driver_release(driver);
        MPI_Finalize();
        return failed;
    }
    mpi_main_start(&argc, &argv);
    if (strcmp(mode, "no-window") == 0)
        return mpi_main_end(
            limited_expect(mofka_mpi_driver_create(MPI_COMM_WORLD, "{\"window\":\"rma\"}", &driver),
                           MOFKA_ERR_UNSUPPORTED, "cannot create a window \"rma\""));
    if (strcmp(mode, "small") == 0)
        return mpi_main_end(limited_expect(
            mofka_mpi_driver_create(MPI_COMM_WORLD, argv[2], &driver), MOFKA_ERR_FULL, ""));
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    mofka_status_t status = mofka_mpi_driver_create(
        MPI_COMM_WORLD, argc > 2 ? "{\"window\":\"rma\"}" : "{\"window\":\"shm\"}", &driver);
    if (!status && rank == 0)
        status = mofka_driver_create_topic(driver, "topic", NULL);
    if (!status)
        status = mofka_driver_open_topic(driver, "topic", 30000, &topic);
    if (!status)
        status = mofka_producer_create(topic, NULL, &producer);
    if (!status)
        status = mofka_producer_push(producer, "{}", 2, NULL, 0, NULL);
    return mpi_main_end(status != MOFKA_OK);
}
