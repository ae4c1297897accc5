/* SPDX-License-Identifier: BSD-3-Clause */
/* Time, and waiting for other ranks without keeping their cores. */
#ifndef MOFKA_BENCH_CLOCK_H
#define MOFKA_BENCH_CLOCK_H

#include <mpi.h>

/* Seconds of the monotonic clock. */
double bench_now(void);

/* Seconds of CPU time, user and system, of all threads of this process. */
double bench_cpu_seconds(void);

/* Say how many ranks wait on this machine. With more ranks than cores, later waits sleep at
 * once. */
void bench_expect_ranks(int ranks);

/* Wait until a request is complete. */
void bench_wait_for(MPI_Request *request);

/* A barrier in which waiting ranks soon leave their core to the others. */
void bench_barrier(MPI_Comm comm);

#endif
