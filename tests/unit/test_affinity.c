/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers are bound, and their binding is reported, as the kernel has it, even if the environment
 * makes hwloc describe another machine. The argument says how: synthetic, xml, or nothing.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <hwloc.h>
#include "support/check.h"
#include "support/count_bindings.h"
#include <mofka/log.h>
#include <mofka/thread_pool.h>

/* Another machine than this one. */
#define FOREIGN "package:4 core:64 pu:1"

static const char *environment;
static _Atomic int warnings;

static void count_warnings(void *context, mofka_log_level_t level, const char *message) {
    (void)context, (void)level;
    warnings += strstr(message, "hwloc does not describe this machine") != NULL;
}

typedef struct seen {
    hwloc_bitmap_t cpus;
    _Atomic bool done;
} seen_t;

/* As a worker: what the kernel says of it. */
static void look(void *context) {
    seen_t *seen = context;
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    for (unsigned i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set))
            hwloc_bitmap_set(seen->cpus, i);
    seen->done = true;
}

static void check_worker(mofka_binding_t binding, size_t index, hwloc_const_bitmap_t own) {
    mofka_thread_pool_t *pool;
    mofka_thread_pool_options_t options = {.thread_count = 1,
                                           .binding = binding,
                                           .node_process_count = 2,
                                           .node_process_index = index};
    char text[256];
    seen_t seen = {.cpus = hwloc_bitmap_alloc()};
    hwloc_bitmap_t told = hwloc_bitmap_alloc();
    OK(mofka_thread_pool_create(&options, &pool));
    OK(mofka_thread_pool_push_work(pool, look, &seen, 0));
    OK(mofka_thread_pool_worker_cpus(pool, 0, text, sizeof text));
    hwloc_bitmap_list_sscanf(told, text);
    OK(mofka_thread_pool_close(pool)); /* the worker has looked */
    assert_true(seen.done);
    assert_true(hwloc_bitmap_isequal(told, seen.cpus));
    assert_false(hwloc_bitmap_iszero(told));
    assert_true(hwloc_bitmap_isincluded(told, own));
    if (binding == MOFKA_BINDING_NONE)
        assert_true(hwloc_bitmap_isequal(told, own));
    else if (environment) /* a CPU counts as a core */
        assert_int_equal(hwloc_bitmap_weight(told), 1);
    mofka_thread_pool_release(pool);
    hwloc_bitmap_free(told);
    hwloc_bitmap_free(seen.cpus);
}

static void the_kernel_binds_and_reports(void **state) {
    (void)state;
    seen_t own = {.cpus = hwloc_bitmap_alloc()};
    look(&own);
    mofka_log_set_callback(count_warnings, NULL);
    for (mofka_binding_t b = MOFKA_BINDING_COMPACT; b <= MOFKA_BINDING_NONE; b++)
        for (size_t index = 0; index < 2; index++)
            check_worker(b, index, own.cpus);
    mofka_log_set_callback(NULL, NULL);
    assert_int_equal(warnings, environment ? 1 : 0);
    assert_int_equal(hwloc_bindings, 0);
    hwloc_bitmap_free(own.cpus);
}

/* A file that describes the other machine. */
static int write_foreign(const char *path) {
    hwloc_topology_t topology;
    return hwloc_topology_init(&topology) || hwloc_topology_set_synthetic(topology, FOREIGN) ||
           hwloc_topology_load(topology) || hwloc_topology_export_xml(topology, path, 0);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_kernel_binds_and_reports)};
    char path[] = "/tmp/mofka-affinity-XXXXXX";
    environment = argc > 1 ? argv[1] : NULL;
    unsetenv("HWLOC_COMPONENTS"); /* with it, hwloc ignores the other two */
    if (environment && strcmp(environment, "synthetic") == 0)
        setenv("HWLOC_SYNTHETIC", FOREIGN, 1);
    bool xml = environment && strcmp(environment, "xml") == 0;
    if (xml && (close(mkstemp(path)) || write_foreign(path) || setenv("HWLOC_XMLFILE", path, 1)))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (xml)
        unlink(path);
    return failed;
}
