/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The conformance suite over the MPI driver: rank 0 runs the cases on partitions that the last rank
 * owns; the others only open the driver and close it.
 */
#include "conformance/conformance.h"
#include "support/mpi/mpi_main.h"

/* What the argument can be beside the name of a window. */
typedef struct variant {
    const char *name, *window;
    const char *driver, *topic; /* more options */
    bool stores;                /* the driver has a store */
} variant_t;

static const variant_t variants[] = {
    /* Callers do all operations of MPI. */
    {.name = "callers", .window = "rma", .driver = ",\"agent\":false,\"progress\":\"thread\""},
    /* Topics of the one node; and each rank on a node of its own, and topics for all ranks. */
    {.name = "node", .window = "node", .topic = ",\"producers\":\"node\""},
    {.name = "parts", .window = "node", .driver = ",\"node_ranks\":1"},
    /* Topics with storage. */
    {.name = "stored", .window = "shm", .topic = ",\"storage\":{}", .stores = true},
    {.name = "stored_rma", .window = "rma", .topic = ",\"storage\":{}", .stores = true},
    {.name = "stored_node",
     .window = "node",
     .topic = ",\"storage\":{},\"producers\":\"node\"",
     .stores = true},
    {.name = "stored_parts",
     .window = "node",
     .driver = ",\"node_ranks\":1",
     .topic = ",\"storage\":{}",
     .stores = true},
};

static variant_t variant_find(void) {
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
        if (strcmp(window, variants[i].name) == 0)
            return variants[i];
    return (variant_t){.name = window, .window = window};
}

/* A folder that rank 0 makes. */
static void folder_make(char folder[64]) {
    strcpy(folder, "/tmp/mofka-conformance-XXXXXX");
    if (rank == 0 && !mkdtemp(folder))
        mpi_main_abort();
    MPI_Bcast(folder, 64, MPI_CHAR, 0, MPI_COMM_WORLD);
}

static void folder_remove(const char *folder) {
    char command[128];
    MPI_Barrier(MPI_COMM_WORLD);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (rank == 0 && system(command) != 0)
        mpi_main_abort();
}

/* Where processors append, and only there, claims are in place. */
static int claims_check(const variant_t *v) {
    bool near = strcmp(v->window, "shm") == 0 || strcmp(v->name, "node") == 0;
    int count = conformance_claims_in_place();
    if (near && !v->stores ? count >= 400 : count == 0)
        return 0;
    fprintf(stderr, "%s: %d claims were in place\n", v->name, count);
    return 1;
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    char options[256], name[32], topic[128], folder[64] = "", store[96] = "";
    mofka_driver_t *driver;
    variant_t v = variant_find();
    if (v.stores) {
        folder_make(folder);
        snprintf(store, sizeof store, ",\"store\":\"%s/store\"", folder);
    }
    snprintf(options, sizeof options, "{\"window\":\"%s\",\"owners\":[%d]%s%s}", v.window, size - 1,
             v.driver ? v.driver : "", store);
    snprintf(topic, sizeof topic, "{\"partition_bytes\":262144,\"partition_events\":1024%s}",
             v.topic ? v.topic : "");
    snprintf(name, sizeof name, "mpi %s", v.name);
    if (mofka_mpi_driver_create(MPI_COMM_WORLD, options, &driver)) {
        fprintf(stderr, "create: %s\n", mofka_last_error());
        mpi_main_abort();
    }
    int failed = 0;
    if (rank == 0)
        failed = conformance_run(name, driver, topic) + claims_check(&v);
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
    if (v.stores)
        folder_remove(folder);
    return mpi_main_end(failed);
}
