/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Floors beside the subject: after each round of the subject, a round of each floor, and the ratio
 * of the two. The result is the median of these ratios, because this machine's speed changes from
 * one moment to the next, for both alike.
 */
#ifndef MOFKA_BENCH_PAIRED_H
#define MOFKA_BENCH_PAIRED_H

#include "bench.h"

typedef struct paired {
    const bench_job_t *job;
    floor_t *floors[FLOOR_COUNT]; /* at the pair's ranks; put and get may have larger messages */
    size_t bytes[FLOOR_COUNT];
    unsigned kinds;
    size_t count, room;         /* rounds */
    double *speed[FLOOR_COUNT]; /* GB/s; of line: us there and back */
    double *ratio[FLOOR_COUNT]; /* subject to floor; of line: NAN */
} paired_t;

/* The floors that belong to the window, in messages of an event's size (put and get: of a batch's).
 * Collective over the job. */
void paired_open(paired_t *paired, const bench_job_t *job, const bench_settings_t *settings);
/* One round of each floor, beside a subject that moved `pushed` and `pulled` GB/s. Collective. */
void paired_round(paired_t *paired, double gb_per_s, double pushed, double pulled);
/* The medians, into the result; forgets the rounds. */
void paired_result(paired_t *paired, bench_result_t *result);
void paired_close(paired_t *paired);

double bench_median(double *values, size_t count);

#endif
