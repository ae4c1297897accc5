/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulating ranks: Gray-Scott on a slab of rows, published as it runs. */
#ifndef GRAY_SCOTT_SIMULATION_H
#define GRAY_SCOTT_SIMULATION_H

#include <stddef.h>
#include <stdint.h>
#include <mofka/mofka.h>
#include <mofka/mpi.h>
#include "options.h"

/* The checksum of `count` doubles at every `stride`-th place, continued from `sum`. */
uint64_t field_checksum(uint64_t sum, const double *values, size_t count, size_t stride);
#define CHECKSUM_START UINT64_C(0x9e3779b97f4a7c15)

typedef struct published {
    uint64_t events, bytes;
} published_t;

/* Run the simulation on `comm`, which holds the simulating ranks only. */
mofka_status_t simulation_run(const demo_options_t *options, MPI_Comm comm, mofka_topic_t *topic,
                              published_t *published);

#endif
