/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading clocks, and sleeping. */
#ifndef MOFKA_TESTS_CLOCK_H
#define MOFKA_TESTS_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline double clock_seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Milliseconds of the monotonic clock, rounded down as the library's are. */
static inline int64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void clock_sleep_ms(int64_t ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

#endif
