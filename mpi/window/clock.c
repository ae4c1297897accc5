/* SPDX-License-Identifier: BSD-3-Clause */
/* The clocks of the driver, and deadlines. */
#include "mpi/window/clock.h"

#include <time.h>

int64_t mmi_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t mmi_wall_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int64_t mmi_now_ms(void) {
    return mmi_now_ns() / 1000000;
}

int64_t mmi_deadline(int64_t timeout_ms) {
    int64_t now = mmi_now_ms();
    if (timeout_ms < 0 || timeout_ms >= INT64_MAX - now)
        return INT64_MAX;
    return now + timeout_ms + (timeout_ms > 0); /* `now` was rounded down: never too early */
}
