/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reporters: threads that hand out a driver's statistics now and then.
 *
 *   start -> [wait interval_ms -> statistics -> report]* -> stop: the thread is joined, then who stops
 *   it may report once more
 *
 * A driver has at most two: the user's callback, and the file that the environment asks for.
 */
#ifndef MOFKA_SRC_REPORTER_H
#define MOFKA_SRC_REPORTER_H

#include <mofka/stats.h>

typedef struct mfi_reporter mfi_reporter_t;

/* Start one. `release` (optional) is called with the context when it is freed. */
mofka_status_t mfi_reporter_start(mofka_driver_t *driver, uint64_t interval_ms,
                                  mofka_stats_fn report, void *context,
                                  void (*release)(void *context), mfi_reporter_t **reporter);
/* End the thread: no more reports but a last one. NULL is ignored; so for the next. */
void mfi_reporter_join(mfi_reporter_t *reporter);
/* Join, then free it. `last`: report once more, from this thread. */
void mfi_reporter_stop(mfi_reporter_t *reporter, bool last);

/* stats_file.c: start one where MOFKA_STATS_FILE asks for it. What goes wrong is logged; NULL, then. */
mfi_reporter_t *mfi_stats_file_start(mofka_driver_t *driver);

#endif
