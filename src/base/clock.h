/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clocks, deadlines, and condition variables that wait until a deadline.
 *
 * A deadline is a time of the monotonic clock in milliseconds; INT64_MAX means for ever.
 */
#ifndef MOFKA_SRC_BASE_CLOCK_H
#define MOFKA_SRC_BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* The monotonic clock, in milliseconds. */
int64_t mfi_now_ms(void);
/* The same clock, cheaper: it lags by at most one tick of the system. */
int64_t mfi_coarse_ms(void);
/* The monotonic clock, in nanoseconds: for intervals within this process. */
uint64_t mfi_now_ns(void);
/* Nanoseconds of CLOCK_REALTIME, the clock that ranks of several nodes share, as far as their
 * clocks agree. It may be set: only for stamps that another process reads. */
uint64_t mfi_wall_ns(void);

/* The deadline of a time-out that begins now. A negative time-out means for ever. */
int64_t mfi_deadline(int64_t timeout_ms);
/* The same, for a caller that has just read the coarse clock. */
int64_t mfi_deadline_at(int64_t timeout_ms, int64_t coarse_ms);
/* Milliseconds left until a deadline, at least 0; -1 if it is for ever. */
int64_t mfi_remaining(int64_t deadline);
/* The same, for a caller that has just read the coarse clock. */
int64_t mfi_remaining_at(int64_t deadline, int64_t coarse_ms);

/* A condition variable of the monotonic clock. */
void mfi_cond_init(pthread_cond_t *cond);
/* Wait with `lock` held. False: the deadline has passed. */
bool mfi_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline);

#endif
