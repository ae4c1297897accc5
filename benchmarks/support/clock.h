/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock of all programs of this folder. */
#ifndef MOFKA_BENCHMARKS_CLOCK_H
#define MOFKA_BENCHMARKS_CLOCK_H

#include <time.h>

/* Seconds of CLOCK_MONOTONIC, for intervals, or of CLOCK_REALTIME, for stamps that another process
 * reads. */
static inline double clock_seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

#endif
