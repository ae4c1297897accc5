/* SPDX-License-Identifier: BSD-3-Clause */
/* The monotonic clock, deadlines, and condition variables that wait for them. */
#ifndef MOFKA_BASE_CLOCK_H
#define MOFKA_BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Milliseconds of the monotonic clock, and of its coarse form, which is cheap and lags a tick; a
 * deadline for a time-out (negative: INT64_MAX), and what is left of it (never negative; INT64_MAX
 * stays -1, for ever). */
int64_t mfi_now_ms(void);
int64_t mfi_coarse_ms(void);
int64_t mfi_deadline(int64_t timeout_ms);
int64_t mfi_remaining(int64_t deadline);

/* A condition variable for such deadlines. Waiting answers false when the deadline passed. */
void mfi_cond_init(pthread_cond_t *cond);
bool mfi_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline);

#endif
