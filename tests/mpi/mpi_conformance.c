/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The conformance suite over the MPI driver: rank 0 runs the cases on partitions that the last rank
 * owns; the others only open the driver and close it.
 * "callers" is the window rma, in which callers do all operations of MPI. "node" is the window
 * node, and the topics are of its one node. "parts" is the same with each rank on a node of its
 * own, and topics that all ranks may append to.
 */
#include "conformance/conformance.h"
#include "support/mpi/mpi_main.h"

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    char options[128], name[32], topic[128];
    mofka_driver_t *driver;
    bool callers = strcmp(window, "callers") == 0, parts = strcmp(window, "parts") == 0;
    snprintf(options, sizeof options, "{\"window\":\"%s\",\"owners\":[%d]%s}",
             callers ? "rma"
             : parts ? "node"
                     : window,
             size - 1,
             callers ? ",\"agent\":false,\"progress\":\"thread\""
             : parts ? ",\"node_ranks\":1"
                     : "");
    snprintf(topic, sizeof topic, "{\"partition_bytes\":262144,\"partition_events\":1024%s}",
             strcmp(window, "node") == 0 ? ",\"producers\":\"node\"" : "");
    snprintf(name, sizeof name, "mpi %s", window);
    if (mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver)) {
        fprintf(stderr, "create: %s\n", mofka_last_error());
        mpi_main_abort();
    }
    int failed = 0;
    if (rank == 0)
        failed = conformance_run(name, driver, topic);
#ifdef ERRNO_CHECKS_CALLS
    const struct CMUnitTest cases[] = {cmocka_unit_test(errno_call_others),
                                       cmocka_unit_test(errno_check_called)};
    if (rank == 0)
        failed += cmocka_run_group_tests(cases, NULL, NULL);
#endif
    if (mofka_driver_close(driver, 1000000)) {
        fprintf(stderr, "rank %d: close: %s\n", rank, mofka_last_error());
        failed = 1;
    }
    mofka_driver_release(driver);
    return mpi_main_end(failed);
}
