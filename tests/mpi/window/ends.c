/* SPDX-License-Identifier: BSD-3-Clause */
/* mofka_topic_ends while rank 0, the owner, cannot write what another rank has pushed. */
#include <stdatomic.h>
#include <sys/uio.h>
#include "support/mpi/mpi_main.h"

#define ENDS_MS 60000

static atomic_bool held; /* writes of this process wait */

ssize_t __real_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    while (atomic_load(&held))
        usleep(1000);
    return __real_pwritev(fd, parts, count, offset);
}

static void ends_push(mofka_topic_t *topic, int count) {
    mofka_producer_t *producer;
    OK(mofka_producer_create(topic, NULL, &producer));
    for (int i = 0; i < count; i++)
        OK(mofka_producer_push(producer, "{}", 2, NULL, 0, NULL));
    OK(mofka_producer_close(producer, ENDS_MS)); /* with "memory", it does not wait for files */
    mofka_producer_release(producer);
}

static void ends_are_refused_while_events_wait_for_files(void **state) {
    (void)state;
    char folder[64] = "/tmp/mofka-ends-XXXXXX", options[256];
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_metadata_t *ends = NULL;
    if (rank == 0)
        NEEDS(mkdtemp(folder));
    MPI_Bcast(folder, sizeof folder, MPI_CHAR, 0, MPI_COMM_WORLD);
    snprintf(options, sizeof options, "{\"window\":\"%s\",\"store\":\"%s/store\",\"owners\":[0]}",
             window, folder);
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver));
    if (rank == 0)
        OK(mofka_driver_create_topic(
            driver, "t",
            &(mofka_topic_options_t){.options = "{\"storage\":{\"durability\":\"memory\"}}"}));
    OK(mofka_driver_open_topic(driver, "t", ENDS_MS, &topic));
    if (rank == 1)
        ends_push(topic, 3);
    MPI_Barrier(MPI_COMM_WORLD);
    OK(mofka_topic_ends(topic, ENDS_MS, &ends));
    assert_string_equal(mofka_metadata_text(ends, NULL), "[3]");
    mofka_metadata_release(ends);
    MPI_Barrier(MPI_COMM_WORLD);
    atomic_store(&held, rank == 0);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 1)
        ends_push(topic, 4);
    MPI_Barrier(MPI_COMM_WORLD);
    mofka_status_t status = mofka_topic_ends(topic, 300, &ends);
    NEEDS(status == MOFKA_ERR_BUSY); /* else rank 0 would wait for its writes for ever */
    NEEDS(strstr(mofka_last_error(), "events 3 to 6 are pushed and not on disk"));
    NEEDS(strstr(mofka_last_error(), "rank 0 writes them"));
    MPI_Barrier(MPI_COMM_WORLD);
    atomic_store(&held, false);
    OK(mofka_topic_ends(topic, ENDS_MS, &ends));
    assert_string_equal(mofka_metadata_text(ends, NULL), "[7]");
    mofka_metadata_release(ends);
    MPI_Barrier(MPI_COMM_WORLD);
    mofka_topic_release(topic);
    OK(mofka_driver_close(driver, ENDS_MS));
    mofka_driver_release(driver);
    snprintf(options, sizeof options, "rm -rf '%s'", folder);
    assert_int_equal(rank == 0 ? system(options) : 0, 0);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_refused_while_events_wait_for_files),
    };
    mpi_main_start(&argc, &argv);
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
