/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pins workers inside the binding that the process inherited. (Open MPI binds each rank to one core
 * if there are at most two ranks.)
 *
 * hwloc says which CPUs are one core. The kernel binds, and says what is bound. hwloc may describe
 * another machine: HWLOC_XMLFILE and HWLOC_SYNTHETIC make it do so. Then there is a warning, and
 * each CPU of the kernel's binding counts as a core.
 *
 * The cores of a binding are cut into one share for each process of the node that has that binding.
 * Workers take the cores of their process's share in turn. With fewer cores than processes,
 * processes share cores.
 */
#include "pool/affinity.h"

#include <assert.h>
#include <errno.h>
#include <hwloc.h>
#include <hwloc/glibc-sched.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"

/* The most CPUs that Linux can be built for. The kernel refuses to write a set that is too
 * small. */
#define CPUS_MAX 8192

typedef union affinity_cpus {
    cpu_set_t set; /* what the kernel reads and writes; longer than its type */
    unsigned long words[CPUS_MAX / 8 / sizeof(unsigned long)];
} affinity_cpus_t;

static pthread_once_t once = PTHREAD_ONCE_INIT;
/* Written once, then only read. */
static hwloc_topology_t topology; /* of this machine; NULL: hwloc has none */
static hwloc_cpuset_t own; /* the process's binding when it was first read; NULL: see own_error */
static int own_error;      /* why it could not be read; 0: no memory */

static void affinity_drop_topology(void) {
    if (topology)
        hwloc_topology_destroy(topology);
    topology = NULL;
}

static void affinity_load_topology(void) {
    if (hwloc_topology_init(&topology)) {
        topology = NULL;
        return;
    }
    /* The x86 component would bind this thread to each CPU in turn; Linux knows the cores. */
    hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
    if (hwloc_topology_load(topology) || !hwloc_topology_is_thissystem(topology))
        affinity_drop_topology();
}

/* `error` is that of the call that wrote `cpus`. */
static mofka_status_t affinity_cpus_to_set(const affinity_cpus_t *cpus, int error,
                                           hwloc_cpuset_t set) {
    if (!error && hwloc_cpuset_from_glibc_sched_affinity(NULL, set, &cpus->set, sizeof *cpus))
        error = ENOMEM;
    return error ? mofka_fail(MOFKA_ERR_SYSTEM, "reading a binding: %s", strerror(error))
                 : MOFKA_OK;
}

static void affinity_load(void) {
    affinity_cpus_t cpus = {.words = {0}};
    own = hwloc_bitmap_alloc();
    if (!own)
        return;
    int error = sched_getaffinity(getpid(), sizeof cpus, &cpus.set) ? errno : 0;
    if (affinity_cpus_to_set(&cpus, error, own)) {
        own_error = error;
        hwloc_bitmap_free(own);
        own = NULL;
        return;
    }
    affinity_load_topology();
    if (!topology)
        mfi_log(MOFKA_LOG_WARN,
                "hwloc does not describe this machine (HWLOC_XMLFILE or HWLOC_SYNTHETIC in the "
                "environment?): workers are bound to CPUs, not to whole cores");
}

__attribute__((destructor)) static void affinity_unload(void) {
    affinity_drop_topology();
    hwloc_bitmap_free(own);
}

/* The cores that the binding holds whole; without a topology, its CPUs. */
static unsigned affinity_core_count(void) {
    int count = topology ? hwloc_get_nbobjs_inside_cpuset_by_type(topology, own, HWLOC_OBJ_CORE)
                         : hwloc_bitmap_weight(own);
    return count > 0 ? (unsigned)count : 0;
}

/* The CPUs of core `index` of the binding. */
static mofka_status_t affinity_core(unsigned index, hwloc_cpuset_t cpus) {
    assert(index < affinity_core_count());
    if (!topology) {
        int cpu = hwloc_bitmap_first(own);
        while (index-- > 0)
            cpu = hwloc_bitmap_next(own, cpu);
        hwloc_bitmap_only(cpus, (unsigned)cpu);
        return MOFKA_OK;
    }
    hwloc_obj_t core = hwloc_get_obj_inside_cpuset_by_type(topology, own, HWLOC_OBJ_CORE, index);
    if (!core)
        return mofka_fail(MOFKA_ERR_SYSTEM, "no core %u in the binding", index);
    hwloc_bitmap_and(cpus, core->cpuset, own);
    return MOFKA_OK;
}

/* The share of this process: `*count` cores of the binding, from number `*first`. */
static void affinity_share(const mofka_thread_pool_options_t *options, unsigned *first,
                           unsigned *count) {
    unsigned cores = affinity_core_count();
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
    return affinity_core(first + turn, chosen);
}

static mofka_status_t affinity_get(pthread_t thread, hwloc_cpuset_t set) {
    affinity_cpus_t cpus = {.words = {0}};
    return affinity_cpus_to_set(&cpus, pthread_getaffinity_np(thread, sizeof cpus, &cpus.set), set);
}

/* Bind the calling thread, and read back where it is. The kernel leaves out CPUs that the process
 * may not use, and reports no error if any are left. */
static mofka_status_t affinity_set(hwloc_const_cpuset_t chosen) {
    affinity_cpus_t cpus = {.words = {0}};
    hwloc_cpuset_t real = hwloc_bitmap_alloc();
    if (!real)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a set of CPUs");
    hwloc_cpuset_to_glibc_sched_affinity(NULL, chosen, &cpus.set, sizeof cpus);
    int error = pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus.set);
    mofka_status_t status = error ? mofka_fail(MOFKA_ERR_SYSTEM, "%s", strerror(error))
                                  : affinity_get(pthread_self(), real);
    if (!status && !hwloc_bitmap_isincluded(real, chosen))
        status = mofka_fail(MOFKA_ERR_SYSTEM, "the kernel bound it to other CPUs");
    hwloc_bitmap_free(real);
    return status;
}

mofka_status_t mfi_affinity_bind(const mofka_thread_pool_options_t *options, size_t index) {
    assert(index < options->thread_count);
    if (options->binding == MOFKA_BINDING_NONE)
        return MOFKA_OK;
    pthread_once(&once, affinity_load);
    if (own_error)
        return mofka_fail(MOFKA_ERR_SYSTEM,
                          "binding worker %zu: the process's binding cannot be "
                          "read: %s",
                          index, strerror(own_error));
    hwloc_cpuset_t chosen = own ? hwloc_bitmap_alloc() : NULL;
    if (!chosen)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a set of CPUs");
    mofka_status_t status = affinity_choose(options, index, chosen);
    if (!status)
        status = affinity_set(chosen);
    hwloc_bitmap_free(chosen);
    return status ? mofka_fail(status, "binding worker %zu: %s", index, mofka_last_error())
                  : MOFKA_OK;
}

mofka_status_t mfi_affinity_read(pthread_t thread, char *text, size_t bytes) {
    int saved = errno;
    hwloc_cpuset_t set = hwloc_bitmap_alloc();
    if (!set)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a set of CPUs");
    mofka_status_t status = affinity_get(thread, set);
    if (!status && hwloc_bitmap_list_snprintf(text, bytes, set) >= (int)bytes)
        status = mofka_fail(MOFKA_ERR_RANGE, "%zu bytes do not hold the binding", bytes);
    hwloc_bitmap_free(set);
    errno = saved;
    return status;
}
