/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds out which ranks share this rank's node, its cores, and its shared memory. */
#include "mpi/driver/node.h"

#include <assert.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "mpi/window/window.h"

typedef struct binding {
    int rank;
    cpu_set_t cores;
} binding_t;

/* Of a node's ranks. */
typedef struct bindings {
    binding_t own;
    binding_t all[]; /* of each */
} bindings_t;

static void node_count_bindings(const bindings_t *b, int node_rank, mmi_node_t *node) {
    for (int i = 0; i < node->rank_count; i++) {
        bool same = CPU_EQUAL(&b->all[i].cores, &b->own.cores);
        node->binding_count += same;
        node->binding_index += same && i < node_rank;
    }
    node->leader = b->all[0].rank;
    assert(node->binding_index < node->binding_count);
}

/* Collective; `here`: the ranks of this node. `*b`: given up if MPI may still write it. */
static mofka_status_t node_compare_bindings(mmi_ranks_t *r, MPI_Comm here, int node_rank,
                                            bindings_t **b, mmi_node_t *node) {
    const int bytes = sizeof(binding_t);
    assert(*b);
    (*b)->own.rank = r->rank;
    CPU_ZERO(&(*b)->own.cores);
    sched_getaffinity(getpid(), sizeof(cpu_set_t), &(*b)->own.cores);
    assert(!r->broken && node_rank < node->rank_count);
    int error =
        MPI_Iallgather(&(*b)->own, bytes, MPI_BYTE, (*b)->all, bytes, MPI_BYTE, here, &r->request);
    if (error)
        return mmi_mpi_fail("MPI_Iallgather", error);
    mofka_status_t status = mmi_ranks_wait(r, "comparing its binding");
    if (status)
        *b = NULL;
    else
        node_count_bindings(*b, node_rank, node);
    return status;
}

/* Collective: node->of[] of this rank is set. After a failure MPI may still write the list. */
static mofka_status_t node_compare_parts(mmi_ranks_t *r, mmi_node_t *node) {
    int error =
        MPI_Iallgather(MPI_IN_PLACE, 1, MPI_INT, node->of, 1, MPI_INT, r->comm, &r->request);
    if (error)
        return mmi_mpi_fail("MPI_Iallgather", error);
    mofka_status_t status = mmi_ranks_wait(r, "comparing its node");
    if (status)
        node->of = NULL;
    return status;
}

/* `*here`: the ranks of this node. */
static mofka_status_t node_split(const mmi_ranks_t *r, int part, MPI_Comm *here, int *node_rank,
                                 mmi_node_t *node) {
    int error = MPI_Comm_split_type(r->comm, MPI_COMM_TYPE_SHARED, r->rank, MPI_INFO_NULL, here);
    if (error) {
        *here = MPI_COMM_NULL;
        return mmi_mpi_fail("MPI_Comm_split_type", error);
    }
    MPI_Comm_rank(*here, node_rank);
    MPI_Comm_size(*here, &node->rank_count);
    error = MPI_Comm_split(*here, part ? *node_rank / part : 0, *node_rank, &node->comm);
    if (error) {
        node->comm = MPI_COMM_NULL;
        return mmi_mpi_fail("MPI_Comm_split", error);
    }
    return MOFKA_OK;
}

mofka_status_t mmi_node_find(mmi_ranks_t *r, int part, mmi_node_t *node) {
    MPI_Comm here = MPI_COMM_NULL;
    int node_rank = 0;
    bindings_t *b = NULL;
    *node = (mmi_node_t){.comm = MPI_COMM_NULL};
    mofka_status_t status = mmi_agree_and_meet(r, MOFKA_OK, "looking at its node");
    if (status)
        return status;
    status = node_split(r, part, &here, &node_rank, node);
    if (!status) {
        b = malloc(sizeof *b + (size_t)node->rank_count * sizeof b->all[0]);
        node->of = calloc((size_t)r->size, sizeof *node->of);
        if (!b || !node->of)
            status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for the node's bindings");
    }
    status = mmi_agree(r, status, "looking at its node");
    if (!status)
        status = node_compare_bindings(r, here, node_rank, &b, node);
    if (!status) {
        node->of[r->rank] = b->all[part ? node_rank / part * part : 0].rank;
        status = node_compare_parts(r, node);
    }
    if (here != MPI_COMM_NULL && !r->broken)
        MPI_Comm_free(&here);
    free(b);
    return status;
}

void mmi_node_leave(const mmi_ranks_t *r, mmi_node_t *node) {
    if (node->comm != MPI_COMM_NULL && !r->broken)
        MPI_Comm_free(&node->comm);
    node->comm = MPI_COMM_NULL;
}

void mmi_node_destroy(mmi_node_t *node) {
    assert(node->comm == MPI_COMM_NULL);
    free(node->of);
    node->of = NULL;
}

bool mmi_node_has_core_each(const mmi_node_t *node) {
    cpu_set_t own;
    CPU_ZERO(&own);
    sched_getaffinity(0, sizeof own, &own);
    assert(node->binding_count >= 1);
    return node->binding_count <= (size_t)CPU_COUNT(&own);
}

/* The address space that this process may still take. UINT64_MAX: no limit is known. */
static uint64_t node_address_space_left(void) {
    struct rlimit limit;
    char pages[32] = ""; /* the first number of the file */
    if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && !fgets(pages, sizeof pages, file))
        pages[0] = '\0';
    if (file)
        fclose(file);
    uint64_t used = strtoull(pages, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
    return limit.rlim_cur > used ? limit.rlim_cur - used : 0;
}

/* The only rank of a node has its window in memory of its own, not in /dev/shm. */
mofka_status_t mmi_node_check_memory(int rank_count, uint64_t bytes, uint64_t arena_bytes) {
    assert(rank_count >= 1);
    uint64_t space = node_address_space_left();
    if (bytes > space)
        return mofka_fail(MOFKA_ERR_MEMORY,
                          "the windows of %d ranks need %" PRIu64 " bytes, but the limit of this "
                          "process's address space (ulimit -v) leaves %" PRIu64
                          "; raise it, or lower \"arena_bytes\" (%" PRIu64 ")",
                          rank_count, bytes, space, arena_bytes);
    bool shared = rank_count > 1;
    struct statvfs fs = {0};
    if (shared && statvfs("/dev/shm", &fs))
        return MOFKA_OK;
    uint64_t most = shared ? (uint64_t)fs.f_bavail * fs.f_frsize
                           : (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (bytes <= most)
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_FULL,
                      "the windows of %d ranks need %" PRIu64
                      " bytes, but the node's %s has %" PRIu64 "%s; lower \"arena_bytes\" (%" PRIu64
                      ") or name fewer \"owners\"",
                      rank_count, bytes, shared ? "shared memory, /dev/shm," : "memory", most,
                      shared ? " left" : "", arena_bytes);
}
