/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of mofka-bench. Each is collective over the job, and returns the exit code. */
#ifndef MOFKA_BENCH_COMMANDS_H
#define MOFKA_BENCH_COMMANDS_H

#include "bench.h"

/* stream, produce, consume: end to end, from producers to consumers. */
int bench_run_stream(const bench_job_t *job, const bench_settings_t *settings);

/* latency: one event at a time, between two ranks. */
int bench_run_latency(const bench_job_t *job, const bench_settings_t *settings);

/* pool: tasks per second of the thread pool. */
int bench_run_pool(const bench_job_t *job, const bench_settings_t *settings);

/* wait: the CPU time of an idle consumer and an idle owner. */
int bench_run_wait(const bench_job_t *job, const bench_settings_t *settings);

/* push: what a push costs a program that computes. */
int bench_run_push(const bench_job_t *job, const bench_settings_t *settings);

/* raw: the floors alone. */
int bench_run_raw(const bench_job_t *job, const bench_settings_t *settings);

#endif
