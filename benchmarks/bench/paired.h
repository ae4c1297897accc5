/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Floors beside the subject: each round of the subject is followed by a round of each floor, and
 * the ratio of the two is kept. The result is the median of these ratios, because the speed of a
 * machine varies over time, for both alike.
 */
#ifndef MOFKA_BENCH_PAIRED_H
#define MOFKA_BENCH_PAIRED_H

#include "bench.h"

typedef struct paired {
    const bench_job_t *job;
    floor_t *floors[FLOOR_COUNT]; /* at the pair's ranks; messages of put and get may be larger */
    size_t bytes[FLOOR_COUNT];
    unsigned kinds;
    size_t count, room;         /* number of rounds; room for rounds */
    double *speed[FLOOR_COUNT]; /* GB/s; for line: microseconds there and back */
    double *ratio[FLOOR_COUNT]; /* ratio of subject to floor; for line: NAN */
} paired_t;

/* Open the floors that belong to the window. Messages have an event's size; those of put and get, a
 * batch's. Collective over the job. */
void paired_open(paired_t *paired, const bench_job_t *job, const bench_settings_t *settings);
/* Run a round of each floor, beside a subject that moved `pushed` and `pulled` GB/s. Collective. */
void paired_round(paired_t *paired, double gb_per_s, double pushed, double pulled);
/* Put the medians into the result, and forget the rounds. */
void paired_result(paired_t *paired, bench_result_t *result);
void paired_close(paired_t *paired);

double bench_median(double *values, size_t count);

#endif
