/* SPDX-License-Identifier: BSD-3-Clause */
/* The analysing ranks: pull, select, check, draw. */
#ifndef GRAY_SCOTT_ANALYSIS_H
#define GRAY_SCOTT_ANALYSIS_H

#include <stdint.h>
#include <mofka/mofka.h>
#include "options.h"

typedef struct analysed {
    uint64_t events, bytes, frames, wrong;
    double *latencies; /* seconds, `events` of them. Give: free() */
} analysed_t;

/* Analysis rank `index` of the job reads the partitions whose number is `index` modulo their ranks.
 */
mofka_status_t analysis_run(const demo_options_t *options, int index, mofka_topic_t *topic,
                            analysed_t *analysed);

#endif
