/* SPDX-License-Identifier: BSD-3-Clause */
/* Completes puts that nobody waits for. */
#ifndef MOFKA_MPI_AGENT_SETTLE_H
#define MOFKA_MPI_AGENT_SETTLE_H

#include "mpi/agent/agent.h"

typedef struct mmi_settle mmi_settle_t;

/* Borrows the agent, whose threads do the flushes. Give: mmi_settle_destroy. MOFKA_ERR_MEMORY,
 * MOFKA_ERR_SYSTEM. */
mofka_status_t mmi_settle_create(mmi_agent_t *agent, mmi_window_t *window, mmi_settle_t **settle);
/* A job has run: if it left puts, have them flushed soon. */
void mmi_settle_look(mmi_settle_t *settle);
/* From now on no flush begins. */
void mmi_settle_stop(mmi_settle_t *settle);
/* When no flush is under way. */
void mmi_settle_destroy(mmi_settle_t *settle);

#endif
