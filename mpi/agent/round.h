/* SPDX-License-Identifier: BSD-3-Clause */
/* Rounds: the appends to one owner that are queued at the same time go together. */
#ifndef MOFKA_MPI_AGENT_ROUND_H
#define MOFKA_MPI_AGENT_ROUND_H

#include "mpi/agent/agent.h"
#include "mpi/producer/producer.h"

/* How far an append is. */
typedef enum mmi_round_step {
    MMI_ROUND_QUEUED,
    MMI_ROUND_UNDER_WAY,
    MMI_ROUND_ALONE,   /* in a job of its own */
    MMI_ROUND_RESERVED /* the same, and its batches are reserved */
} mmi_round_step_t;

/* An append on its way through the agent. */
typedef struct mmi_round_append {
    mmi_append_t append;
    mofka_append_t *core; /* borrow, until its `done` is called */
    mmi_round_t *round;   /* of its owner */
    struct mmi_round_append *next;
    _Atomic int step; /* mmi_round_step_t */
    mmi_job_t job;    /* if it goes alone */
    size_t stored;    /* by that job */
} mmi_round_append_t;

/* Make a round for each rank. Give: mmi_rounds_destroy. MOFKA_ERR_MEMORY. */
mofka_status_t mmi_rounds_create(mmi_agent_t *agent, int size, mmi_round_t **rounds);
/* When no round is under way. NULL: nothing. */
void mmi_rounds_destroy(mmi_round_t *rounds);
/* The round of an owner's appends. */
mmi_round_t *mmi_rounds_find(mmi_round_t *rounds, int owner);
/* Take an append, of which `append`, `core` and `round` are set: see the slot append_start of
 * mofka_producer_ops_t. */
mofka_status_t mmi_round_add(mmi_round_append_t *a);
/* The append is late: see the slot append_late. */
mofka_status_t mmi_round_late(const mmi_round_append_t *a);

#endif
