/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulating ranks: Gray-Scott on blocks of rows, published in slabs as it runs. */
#ifndef GRAY_SCOTT_SIMULATION_H
#define GRAY_SCOTT_SIMULATION_H

#include <stdint.h>
#include <mofka/mofka.h>
#include <mofka/mpi.h>
#include "checkpoint.h"
#include "options.h"

typedef struct published {
    uint64_t events, bytes;
} published_t;

/* Run the simulation on `comm`, which holds the simulating ranks only. It begins at a checkpoint;
 * only rank 0 has its fields, and room for those of later ones. */
mofka_status_t simulation_run(const demo_options_t *options, MPI_Comm comm, mofka_topic_t *topic,
                              checkpoint_t *checkpoint, published_t *published);

#endif
