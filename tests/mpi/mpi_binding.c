/* SPDX-License-Identifier: BSD-3-Clause */
/* On which cores the workers of a node's ranks run. */
#include <hwloc.h>
#include "support/mpi/mpi_main.h"

/* Each worker runs within this process's binding. Ranks with the same binding do not share a core
 * if there are enough cores. */
static void workers_are_bound(void **state) {
    (void)state;
    hwloc_topology_t topology;
    hwloc_topology_init(&topology);
    hwloc_topology_load(topology);
    hwloc_bitmap_t own = hwloc_bitmap_alloc(), set = hwloc_bitmap_alloc(),
                   all = hwloc_bitmap_alloc();
    hwloc_get_cpubind(topology, own, HWLOC_CPUBIND_PROCESS);
    int cores = hwloc_get_nbobjs_inside_cpuset_by_type(topology, own, HWLOC_OBJ_CORE);
    mofka_driver_t *driver;
    OK(mofka_mpi_driver_create(MPI_COMM_WORLD, NULL, &driver));
    const mofka_binding_t bindings[] = {MOFKA_BINDING_COMPACT, MOFKA_BINDING_SPREAD};
    for (int b = 0; b < 2; b++) {
        mofka_thread_pool_t *pool;
        char text[256], binding[256];
        OK(mofka_driver_make_thread_pool(driver, 3, bindings[b], &pool));
        hwloc_bitmap_zero(all);
        for (size_t i = 0; i < 3; i++) {
            OK(mofka_thread_pool_worker_cpus(pool, i, text, sizeof text));
            hwloc_bitmap_list_sscanf(set, text);
            assert_false(hwloc_bitmap_iszero(set));
            assert_true(hwloc_bitmap_isincluded(set, own));
            hwloc_bitmap_or(all, all, set);
        }
        char cpus[4][256] = {{0}}, owns[4][256] = {{0}};
        hwloc_bitmap_list_snprintf(text, sizeof text, all);
        hwloc_bitmap_list_snprintf(binding, sizeof binding, own);
        MPI_Allgather(text, sizeof text, MPI_CHAR, cpus, sizeof text, MPI_CHAR, MPI_COMM_WORLD);
        MPI_Allgather(binding, sizeof binding, MPI_CHAR, owns, sizeof binding, MPI_CHAR,
                      MPI_COMM_WORLD);
        int alike = 0;
        for (int i = 0; i < size; i++)
            alike += strcmp(owns[i], binding) == 0;
        for (int i = 0; i < size && alike <= cores; i++) {
            if (i == rank)
                continue;
            hwloc_bitmap_list_sscanf(set, cpus[i]);
            if (hwloc_bitmap_intersects(set, all))
                fail_msg("rank %d on %s, rank %d on %s", rank, text, i, cpus[i]);
        }
        mofka_thread_pool_release(pool);
    }
    OK(mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
    hwloc_bitmap_free(own);
    hwloc_bitmap_free(set);
    hwloc_bitmap_free(all);
    hwloc_topology_destroy(topology);
}

int main(int argc, char **argv) {
    mpi_main_start(&argc, &argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(workers_are_bound)};
    return mpi_main_end(RUN_MPI_TESTS(tests));
}
