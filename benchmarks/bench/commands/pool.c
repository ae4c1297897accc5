/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool: tasks per second of the thread pool, for numbers of threads, mixes of priorities and
 * lengths of tasks. It runs on rank 0; the other ranks wait for it, and learn of an interruption.
 *
 * A round pushes tasks and closes the pool, which returns when all have run. Each task counts in
 * its own byte, so threads share nothing when they count, and a task that was lost or ran twice is
 * detected.
 */
#include <assert.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "commands/commands.h"
#include "paired.h"

/* The most tasks in a round. */
#define TASKS_MAX ((size_t)1 << 20)
/* Tasks in the first round. A round shorter than SPEED_KNOWN_S does not show the speed. */
#define TASKS_FIRST 1000
#define SPEED_KNOWN_S 1e-3
#define WORK_NS 1000

typedef enum pool_mix { MIX_EQUAL, MIX_RANDOM, MIX_RISING, MIX_COUNT } pool_mix_t;

static const char *const mix_names[MIX_COUNT] = {"equal", "random8", "rising"};

/* A row of the table. */
typedef struct pool_row {
    size_t threads;
    pool_mix_t mix;
    bool works;
} pool_row_t;

static uint8_t ran[TASKS_MAX];
static uint64_t turns_of_work; /* turns of pool_work that take WORK_NS */

static void pool_empty_task(void *context) {
    ++*(uint8_t *)context;
}

/* Arithmetic in which each step needs the result of the one before. */
static uint64_t pool_work(uint64_t turns) {
    volatile uint64_t kept;
    uint64_t value = turns;
    for (uint64_t i = 0; i < turns; i++)
        value = value * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    kept = value;
    return kept;
}

static void pool_working_task(void *context) {
    assert(turns_of_work > 0);
    pool_work(turns_of_work);
    ++*(uint8_t *)context;
}

/* The fastest of several runs: the others were disturbed. */
static void pool_measure_work(void) {
    const uint64_t turns = 1000000;
    double best = INFINITY;
    for (int i = 0; i < 10; i++) {
        double start = bench_now();
        pool_work(turns);
        best = fmin(best, bench_now() - start);
    }
    turns_of_work = (uint64_t)fmax(1, (double)turns * (WORK_NS * 1e-9) / best);
}

static uint64_t pool_priority(pool_mix_t mix, size_t index, uint64_t *seed) {
    assert(mix < MIX_COUNT);
    if (mix == MIX_EQUAL)
        return MOFKA_PRIORITY_DEFAULT;
    if (mix == MIX_RISING)
        return index;
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 61;
}

/* Seconds from the first push until the last task has run. NAN: a task did not run exactly once. */
static double pool_run_tasks(const pool_row_t *row, size_t count) {
    assert(count > 0 && count <= TASKS_MAX);
    mofka_thread_pool_options_t options = {.thread_count = row->threads};
    mofka_thread_pool_t *pool;
    uint64_t seed = 1;
    memset(ran, 0, count);
    bench_must(mofka_thread_pool_create(&options, &pool), "pool");
    double start = bench_now();
    for (size_t i = 0; i < count; i++)
        bench_must(mofka_thread_pool_push_work(pool,
                                               row->works ? pool_working_task : pool_empty_task,
                                               &ran[i], pool_priority(row->mix, i, &seed)),
                   "pool");
    bench_must(mofka_thread_pool_close(pool), "pool");
    double seconds = bench_now() - start;
    mofka_thread_pool_release(pool);
    for (size_t i = 0; i < count; i++)
        if (ran[i] != 1) {
            fprintf(stderr, "mofka-bench: pool: task %zu of %zu ran %d times\n", i, count, ran[i]);
            return NAN;
        }
    return seconds;
}

/* The number of tasks that fit in a round, at the speed of the previous round. */
static size_t pool_next_count(size_t count, double seconds) {
    assert(count > 0);
    double fit = (double)count / seconds * PAIRED_ROUND_S;
    if (seconds < SPEED_KNOWN_S)
        fit = fmin(fit, (double)count * 10);
    return (size_t)fmax(1, fmin(fit, (double)TASKS_MAX));
}

/* Tasks per second: the median of rounds that take settings->seconds together. NAN: as in
 * pool_run_tasks. */
static double pool_measure(const pool_row_t *row, const bench_settings_t *settings, double *rounds,
                           size_t room) {
    assert(room > 0);
    size_t count = TASKS_FIRST, done = 0;
    double first = pool_run_tasks(row, count), seconds; /* warms up, and gives the first speed */
    if (isnan(first))
        return NAN;
    count = pool_next_count(count, first);
    for (double end = bench_now() + settings->seconds; done < room;) {
        seconds = pool_run_tasks(row, count);
        if (isnan(seconds))
            return NAN;
        rounds[done++] = (double)count / seconds;
        count = pool_next_count(count, seconds);
        if (bench_now() >= end)
            break;
    }
    return bench_median(rounds, done);
}

/* False: a task was lost or ran twice. */
static bool pool_report_row(const bench_job_t *job, const bench_settings_t *settings,
                            const pool_row_t *row, double *rounds, size_t room) {
    char what[64];
    double rate = pool_measure(row, settings, rounds, room);
    snprintf(what, sizeof what, "threads=%zu/%s/%s", row->threads, mix_names[row->mix],
             row->works ? "1us" : "empty");
    if (isnan(rate))
        return false;
    report_value(job, settings, what, 0, rate, "tasks/s");
    return true;
}

/* 0, 1, 2, 4, ..., and `most` itself. */
static size_t pool_next_threads(size_t threads, size_t most) {
    assert(threads <= most);
    size_t more = threads ? 2 * threads : 1;
    return threads < most && more > most ? most : more;
}

/* The number of threads that --num-threads gives, or twice the number of cores that this rank may
 * use. */
static size_t pool_threads_max(const bench_settings_t *settings) {
    cpu_set_t cores;
    size_t count = 1;
    if (settings->threads)
        return settings->threads;
    if (sched_getaffinity(0, sizeof cores, &cores) == 0)
        count = (size_t)CPU_COUNT(&cores);
    return 2 * count < MOFKA_THREADS_MAX ? 2 * count : MOFKA_THREADS_MAX;
}

int bench_run_pool(const bench_job_t *job, const bench_settings_t *settings) {
    /* All ranks pass through the same rows, as many as rank 0 has. */
    size_t most =
        (size_t)bench_job_max(job, job->rank == 0 ? (double)pool_threads_max(settings) : 0);
    size_t room = (size_t)fmax(1, ceil(settings->seconds / SPEED_KNOWN_S));
    double *rounds = calloc(room, sizeof *rounds);
    bool wrong = false, interrupted = false;
    if (!rounds)
        bench_must(mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu rounds", room), "pool");
    pool_measure_work();
    for (size_t threads = 0; threads <= most && !wrong && !interrupted;
         threads = pool_next_threads(threads, most))
        for (int kind = 0; kind < 2 * MIX_COUNT && !wrong && !interrupted; kind++) {
            pool_row_t row = {threads, (pool_mix_t)(kind / 2), kind % 2};
            if (job->rank == 0)
                wrong = !pool_report_row(job, settings, &row, rounds, room);
            interrupted = bench_job_interrupted(job);
            wrong = bench_job_max(job, wrong) > 0;
        }
    free(rounds);
    return wrong ? BENCH_WRONG : interrupted ? BENCH_INTERRUPTED : BENCH_OK;
}
