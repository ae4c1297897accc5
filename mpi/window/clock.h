/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clocks of the driver, and deadlines.
 *
 * The core has such a clock as well. It is not exported from libmofka, and this library links only
 * to what libmofka exports, so it has its own.
 */
#ifndef MOFKA_MPI_WINDOW_CLOCK_H
#define MOFKA_MPI_WINDOW_CLOCK_H

#include <stdint.h>

/* The monotonic clock. */
int64_t mmi_now_ns(void);
int64_t mmi_now_ms(void);
/* The real-time clock, in nanoseconds since 1970: comparable between nodes. */
uint64_t mmi_wall_ns(void);
/* The end of a time-out, in milliseconds of the monotonic clock. INT64_MAX: never, for a negative
 * time-out. */
int64_t mmi_deadline(int64_t timeout_ms);

#endif
