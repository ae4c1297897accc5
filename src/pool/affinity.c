/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pins workers with hwloc, inside the binding that the process inherited. (Open MPI binds each rank
 * to one core if there are at most two ranks.)
 *
 * The cores of a binding are cut into one share for each process of the node that has that binding.
 * Workers take the cores of their process's share in turn. With fewer cores than processes,
 * processes share cores.
 */
#include "pool/affinity.h"

#include <assert.h>
#include <errno.h>
#include <hwloc.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static hwloc_topology_t topology; /* written once, then only read */
static hwloc_cpuset_t own;        /* the process's binding when it was first read */

static void affinity_load(void) {
    if (hwloc_topology_init(&topology))
        return;
    if (hwloc_topology_load(topology) || !(own = hwloc_bitmap_alloc())) {
        hwloc_topology_destroy(topology);
        topology = NULL;
        return;
    }
    if (hwloc_get_cpubind(topology, own, HWLOC_CPUBIND_PROCESS))
        hwloc_bitmap_copy(own, hwloc_topology_get_allowed_cpuset(topology));
    hwloc_bitmap_and(own, own, hwloc_topology_get_allowed_cpuset(topology));
}

__attribute__((destructor)) static void affinity_unload(void) {
    if (!topology)
        return;
    hwloc_bitmap_free(own);
    hwloc_topology_destroy(topology);
}

/* The share of this process: `*count` cores of the binding, from number `*first`. */
static void affinity_share(const mofka_thread_pool_options_t *options, unsigned *first,
                           unsigned *count) {
    unsigned cores =
        (unsigned)hwloc_get_nbobjs_inside_cpuset_by_type(topology, own, HWLOC_OBJ_CORE);
    size_t processes = options->node_process_count ? options->node_process_count : 1;
    size_t index = options->node_process_index % processes;
    if (cores >= processes) {
        *first = (unsigned)(cores * index / processes);
        *count = (unsigned)(cores * (index + 1) / processes) - *first;
    } else {
        *first = cores ? (unsigned)(index % cores) : 0;
        *count = cores ? 1 : 0;
    }
    assert(*first + *count <= cores);
}

/* The cores of worker `index`. */
static mofka_status_t affinity_choose(const mofka_thread_pool_options_t *options, size_t index,
                                      hwloc_cpuset_t chosen) {
    unsigned first, count;
    affinity_share(options, &first, &count);
    if (count == 0) { /* the binding is a part of a core, or hwloc knows no cores: all of it */
        hwloc_bitmap_copy(chosen, own);
        return MOFKA_OK;
    }
    unsigned turn = (unsigned)(index % count);
    if (options->binding == MOFKA_BINDING_SPREAD && options->thread_count < count)
        turn = (unsigned)(index * count / options->thread_count);
    assert(turn < count);
    hwloc_obj_t core =
        hwloc_get_obj_inside_cpuset_by_type(topology, own, HWLOC_OBJ_CORE, first + turn);
    if (!core)
        return mofka_fail(MOFKA_ERR_SYSTEM, "no core %u in the binding", first + turn);
    hwloc_bitmap_and(chosen, core->cpuset, own);
    return MOFKA_OK;
}

mofka_status_t mfi_affinity_bind(const mofka_thread_pool_options_t *options, size_t index) {
    assert(index < options->thread_count);
    if (options->binding == MOFKA_BINDING_NONE)
        return MOFKA_OK;
    pthread_once(&once, affinity_load);
    hwloc_cpuset_t chosen = topology ? hwloc_bitmap_alloc() : NULL;
    if (!chosen)
        return mofka_fail(MOFKA_ERR_SYSTEM, "hwloc could not read this machine's topology");
    mofka_status_t status = affinity_choose(options, index, chosen);
    if (!status && hwloc_set_cpubind(topology, chosen, HWLOC_CPUBIND_THREAD))
        status = mofka_fail(MOFKA_ERR_SYSTEM, "binding worker %zu: %s", index, strerror(errno));
    hwloc_bitmap_free(chosen);
    return status;
}

mofka_status_t mfi_affinity_read(pthread_t thread, char *text, size_t bytes) {
    int saved = errno;
    pthread_once(&once, affinity_load);
    hwloc_cpuset_t set = topology ? hwloc_bitmap_alloc() : NULL;
    if (!set)
        return mofka_fail(MOFKA_ERR_SYSTEM, "hwloc could not read this machine's topology");
    mofka_status_t status = MOFKA_OK;
    if (hwloc_get_thread_cpubind(topology, thread, set, 0))
        status = mofka_fail(MOFKA_ERR_SYSTEM, "reading a worker's binding: %s", strerror(errno));
    else if (hwloc_bitmap_list_snprintf(text, bytes, set) >= (int)bytes)
        status = mofka_fail(MOFKA_ERR_RANGE, "%zu bytes do not hold the binding", bytes);
    hwloc_bitmap_free(set);
    errno = saved;
    return status;
}
