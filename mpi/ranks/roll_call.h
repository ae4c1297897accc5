/* SPDX-License-Identifier: BSD-3-Clause */
/* Who of a user's communicator has come. */
#ifndef MOFKA_MPI_RANKS_ROLL_CALL_H
#define MOFKA_MPI_RANKS_ROLL_CALL_H

#include "mpi/ranks/ranks.h"

/* Operations of a roll call, at most. */
#define MMI_BLOCKS_MAX 32

/* MPI may write all of it until the roll call has ended. */
typedef struct mmi_roll_call {
    mmi_ranks_t ranks; /* of the user's communicator, without notes; must be first */
    int peers;         /* ranks that this one hears of: all, or those of the other group */
    int block_count, block_ranks;
    MPI_Request requests[MMI_BLOCKS_MAX];
    unsigned char byte;   /* of this rank: 2 if its group is to be high, else 1 */
    unsigned char *bytes; /* of the peers; 0: not here yet */
    unsigned char *came;  /* the peers that have come; for a message */
    int *places;          /* where they go: 0, 1, 2, ... */
    int *counts;          /* for each block, how many bytes each peer sends in its operation */
    int *sends;           /* how many bytes each peer gets in the operation of this rank's block */
    int *nothing;         /* zeros */
} mmi_roll_call_t;

/* MPI's memory, zeroed; give, MPI_Free_mem. NULL, with a message: MPI has none. */
void *mmi_ranks_allocate(size_t bytes);
/* What does not need memory. */
void mmi_ranks_init(mmi_ranks_t *r, MPI_Comm comm, int64_t timeout_ms, int64_t deadline);

/* Prepare one. `*roll_call`: give, MPI_Free_mem unless its ranks are broken. Local. */
mofka_status_t mmi_roll_call_create(MPI_Comm users, bool high, int64_t timeout_ms,
                                    mmi_roll_call_t **roll_call);
/* Call the ranks, then meet them. Collective. MOFKA_ERR_TIMEOUT, with names. */
mofka_status_t mmi_roll_call_run(mmi_roll_call_t *c);

#endif
