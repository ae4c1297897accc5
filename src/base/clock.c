/* SPDX-License-Identifier: BSD-3-Clause */
/* The monotonic clock, deadlines, and condition variables that wait for them. */
#include "base/clock.h"
#include <time.h>

int64_t mfi_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t mfi_coarse_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Nearly every call has a long time-out and does not wait: the coarse clock is good enough for it, and
 * costs a fifth. It lags by a tick at most. */
#define LONG_MS 1000
#define TICK_MS 10

int64_t mfi_deadline(int64_t timeout_ms) {
    if (timeout_ms < 0)
        return INT64_MAX;
    /* Both clocks are rounded down: never too early. */
    int64_t now =
        timeout_ms < LONG_MS ? mfi_now_ms() + (timeout_ms > 0) : mfi_coarse_ms() + TICK_MS;
    return timeout_ms < INT64_MAX - now ? now + timeout_ms : INT64_MAX;
}

int64_t mfi_remaining(int64_t deadline) {
    if (deadline == INT64_MAX)
        return -1;
    int64_t left = deadline - mfi_coarse_ms();
    if (left < LONG_MS)
        left = deadline - mfi_now_ms();
    return left > 0 ? left : 0;
}

void mfi_cond_init(pthread_cond_t *cond) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool mfi_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline) {
    if (deadline == INT64_MAX)
        return pthread_cond_wait(cond, lock) == 0;
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
    return pthread_cond_timedwait(cond, lock, &until) == 0;
}
