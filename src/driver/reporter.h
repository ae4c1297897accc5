/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reporters: threads that report a driver's statistics at an interval.
 *
 *   start -> [wait interval_ms -> read statistics -> report]* -> stop: join the thread, then
 *   perhaps report once more from the thread that stops it
 *
 * A driver has at most two: the user's callback, and the file that the environment asks for.
 */
#ifndef MOFKA_SRC_DRIVER_REPORTER_H
#define MOFKA_SRC_DRIVER_REPORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <mofka/stats.h>

typedef struct mfi_reporter mfi_reporter_t;

/* Start a reporter. `release` (optional) is called with the context when the reporter is freed. */
mofka_status_t mfi_reporter_start(mofka_driver_t *driver, uint64_t interval_ms,
                                  mofka_stats_fn report, void *context,
                                  void (*release)(void *context), mfi_reporter_t **reporter);
/* End the thread. NULL is ignored. */
void mfi_reporter_join(mfi_reporter_t *reporter);
/* Join, then free the reporter. `last`: report once more, from this thread. NULL is ignored. */
void mfi_reporter_stop(mfi_reporter_t *reporter, bool last);

/* stats_file.c: write a pattern to `name`, with the rank for each "%r". False: it is too long. */
bool mfi_stats_file_expand_name(const char *pattern, size_t rank, char *name, size_t room);
/* The mode of a new file. */
unsigned mfi_stats_file_mode(void);
/* stats_file.c: start a reporter if MOFKA_STATS_FILE asks for one. NULL: it does not, or that
 * failed, which is logged. */
mfi_reporter_t *mfi_stats_file_start(mofka_driver_t *driver);
/* stats_prometheus.c: the same for a file in the format of Prometheus, whose name is `pattern`. */
mfi_reporter_t *mfi_stats_prometheus_start(mofka_driver_t *driver, const char *pattern,
                                           uint64_t interval_ms);

#endif
