/* SPDX-License-Identifier: BSD-3-Clause */
/* What a rank shares with the other ranks of its node: cores and memory. */
#ifndef MOFKA_MPI_DRIVER_NODE_H
#define MOFKA_MPI_DRIVER_NODE_H

#include <stddef.h>
#include "mpi/ranks/ranks.h"

typedef struct mmi_node {
    int leader;           /* the lowest rank of this node */
    int rank_count;       /* ranks of the communicator on this node */
    size_t binding_count; /* those of them that are bound to the same cores as this one */
    size_t binding_index; /* this rank's index among those */
    /* A part of a node counts as one, if the option "node_ranks" says so: */
    MPI_Comm comm; /* the ranks of this part, in order; until mmi_node_leave */
    int *of;       /* of each rank, the lowest rank of its part; owned */
} mmi_node_t;

/* Find out. `part`: ranks of a part of a node; 0: all. `node` must be ended by mmi_node_leave and
 * mmi_node_destroy, on failure, too. Collective. */
mofka_status_t mmi_node_find(mmi_ranks_t *r, int part, mmi_node_t *node);
/* Free the communicator. Collective, unless the ranks are broken. */
void mmi_node_leave(const mmi_ranks_t *r, mmi_node_t *node);
void mmi_node_destroy(mmi_node_t *node);

/* Whether the ranks that share this rank's binding have a core each. */
bool mmi_node_has_core_each(const mmi_node_t *node);

/* Whether this node can hold the windows of `rank_count` of its ranks, `bytes` together.
 * MOFKA_ERR_FULL: its shared memory has less left; for the only rank of a node, its memory is less.
 * MOFKA_ERR_MEMORY: the address space of this process has less left. `arena_bytes`: for the
 * message. */
mofka_status_t mmi_node_check_memory(int rank_count, uint64_t bytes, uint64_t arena_bytes);

#endif
