/* SPDX-License-Identifier: BSD-3-Clause */
/* This rank's line at an owner: one thread of the process at a time uses it. */
#ifndef MOFKA_MPI_STAGING_TURN_H
#define MOFKA_MPI_STAGING_TURN_H

#include "mpi/staging/staging.h"

typedef struct mmi_stage_turn {
    _Atomic bool taken;
    uint64_t serial;     /* of the last request; with the turn */
    int64_t answered_ms; /* when that was answered; the same */
} mmi_stage_turn_t;

#endif
