/* SPDX-License-Identifier: BSD-3-Clause */
/* Clocks, deadlines, and condition variables that wait until a deadline. */
#include "base/clock.h"
#include <assert.h>
#include <time.h>
#include "base/lock.h"

/* Milliseconds, rounded down. */
static inline int64_t clock_read_ms(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t mfi_now_ms(void) {
    return clock_read_ms(CLOCK_MONOTONIC);
}

int64_t mfi_coarse_ms(void) {
    return clock_read_ms(CLOCK_MONOTONIC_COARSE);
}

static inline uint64_t clock_read_ns(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t mfi_now_ns(void) {
    return clock_read_ns(CLOCK_MONOTONIC);
}

uint64_t mfi_wall_ns(void) {
    return clock_read_ns(CLOCK_REALTIME);
}

/* Most calls have a time-out of a second or more and do not wait. The coarse clock is exact enough
 * for them, and costs a fifth. It lags by at most a tick. */
#define LONG_MS 1000
#define TICK_MS 10

int64_t mfi_deadline_at(int64_t timeout_ms, int64_t coarse_ms) {
    if (timeout_ms < 0)
        return INT64_MAX;
    /* Clocks are rounded down. One more, or a tick more, keeps the deadline from being early. */
    int64_t now = timeout_ms < LONG_MS ? mfi_now_ms() + (timeout_ms > 0) : coarse_ms + TICK_MS;
    assert(now >= 0);
    return timeout_ms < INT64_MAX - now ? now + timeout_ms : INT64_MAX;
}

int64_t mfi_deadline(int64_t timeout_ms) {
    return mfi_deadline_at(timeout_ms, timeout_ms < LONG_MS ? 0 : mfi_coarse_ms());
}

int64_t mfi_remaining_at(int64_t deadline, int64_t coarse_ms) {
    if (deadline == INT64_MAX)
        return -1;
    assert(deadline >= 0);
    int64_t left = deadline - coarse_ms;
    if (left < LONG_MS)
        left = deadline - mfi_now_ms();
    return left > 0 ? left : 0;
}

int64_t mfi_remaining(int64_t deadline) {
    return deadline == INT64_MAX ? -1 : mfi_remaining_at(deadline, mfi_coarse_ms());
}

void mfi_cond_init(pthread_cond_t *cond) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool mfi_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline) {
    mfi_assert_locked(lock);
    if (deadline == INT64_MAX)
        return pthread_cond_wait(cond, lock) == 0;
    assert(deadline >= 0);
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
    return pthread_cond_timedwait(cond, lock, &until) == 0;
}
