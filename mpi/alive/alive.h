/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a rank's process has ended: proof, not suspicion. A process that is stopped, or late,
 * has not ended.
 *
 * Each rank says in its share header who it is: its process, when that began, and in which boot and
 * process namespace. Another rank of the same ones opens a pidfd of that process when it has waited
 * for it, and looks whether it can be read: then the process has ended. It has ended, too, if there
 * is no such process, or one that began at another time. So no file stays open, however many ranks
 * a node has. Where nothing is known, a rank counts as living.
 */
#ifndef MOFKA_MPI_ALIVE_ALIVE_H
#define MOFKA_MPI_ALIVE_ALIVE_H

#include "mpi/window/window.h"

/* Say who this rank is, in its share header. Of a window whose ranks share a node.
 * Threads: one, before the others read it. */
void mmi_alive_announce(mmi_window_t *w);
/* Whether the rank's process is proven to have ended. Once true, always so; the first time it is
 * logged. Costs some system calls, so callers ask after they have waited.
 * Threads: any. */
bool mmi_alive_is_dead(mmi_window_t *w, int rank);
/* Describe a rank: "rank 3 (process 4711 on host n1)", or "rank 3", and that it died. */
#define MMI_ALIVE_TEXT_BYTES 160
void mmi_alive_describe(mmi_window_t *w, int rank, char text[MMI_ALIVE_TEXT_BYTES]);

#endif
