/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl: time, and being interrupted by the user. */
#ifndef MOFKA_MPI_CTL_BASE_INTERRUPT_H
#define MOFKA_MPI_CTL_BASE_INTERRUPT_H

#include <stdbool.h>

/* No wait is longer than this between two looks at the flag. */
#define SLICE_MS 200
/* How long an interrupted command continues, to store what it has read. */
#define LAST_FLUSH_S 5.0

/* The monotonic clock, in seconds. */
double ctl_now_s(void);

/* Let SIGINT and SIGTERM set a flag only. A second signal, at least 1 s later, ends the process. */
void interrupt_watch(void);

/* Whether a signal came. */
bool interrupt_came(void);

/* Seconds since the first signal; 0 before it. */
double interrupt_age_s(void);

/* Sleep for `seconds`, or until interrupted. */
void interrupt_sleep(double seconds);

#endif
