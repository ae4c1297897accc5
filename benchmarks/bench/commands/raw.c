/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * raw: the speed of this machine without the library, in the job's own layout of ranks. Each floor
 * is measured at each size, between the first producer and the first consumer.
 *
 * All ranks pass through the same rows. Ranks outside the pair only take part in spreading each
 * value. So rank 0 can report it, and all ranks stop together when one is interrupted.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include "commands/commands.h"
#include "paired.h"

/* The value of a row that no rank measured, and of a row that failed. bench_job_max passes them on.
 * */
#define LEFT_OUT (-2.0)
#define FAILED (-1.0)

/* Floors with the same needs. If one of a group cannot be opened, none can. */
enum { SHARED, ONE_SIDED, TWO_SIDED, GROUPS };

typedef struct raw_run {
    const bench_job_t *job;
    const bench_settings_t *settings;
    bool usable[GROUPS]; /* on the pair's ranks */
    double *rounds;      /* speeds of a measurement's rounds */
    size_t round_count;
    bool failed, interrupted; /* equal on all ranks */
} raw_run_t;

static const int group_of[FLOOR_COUNT] = {
    [FLOOR_MEMCPY] = SHARED,      [FLOOR_TWO_COPY] = SHARED,     [FLOOR_ZERO_COPY] = SHARED,
    [FLOOR_PUT] = ONE_SIDED,      [FLOOR_GET] = ONE_SIDED,       [FLOOR_ISEND] = TWO_SIDED,
    [FLOOR_SENDRECV] = TWO_SIDED, [FLOOR_FETCH_ADD] = ONE_SIDED, [FLOOR_LINE] = SHARED,
    [FLOOR_RING] = SHARED,        [FLOOR_RING_64] = SHARED,      [FLOOR_RING_TRIP] = SHARED};

/* Messages per second: the median of the rounds. `floor` NULL: this rank does not measure. */
static double raw_measure(raw_run_t *raw, floor_t *floor, floor_kind_t kind,
                          mfi_histogram_t *times) {
    assert(raw->rounds && raw->round_count > 0);
    if (!floor)
        return LEFT_OUT;
    for (size_t i = 0; i < raw->round_count; i++) {
        raw->rounds[i] = floor_round(floor, kind, PAIRED_ROUND_S, times);
        if (isnan(raw->rounds[i]))
            return FAILED;
    }
    return bench_median(raw->rounds, raw->round_count);
}

/* Give a value of the pair to all ranks. False: there is no value to report. */
static bool raw_spread(raw_run_t *raw, floor_kind_t kind, size_t bytes, double *value) {
    *value = bench_job_max(raw->job, *value);
    if (*value == FAILED) {
        raw->failed = true;
        if (raw->job->rank == 0)
            fprintf(stderr, "mofka-bench: raw: %s of %zu bytes failed\n", floor_name(kind), bytes);
    }
    raw->interrupted = raw->interrupted || bench_job_interrupted(raw->job);
    return *value >= 0;
}

static floor_t *raw_open_floor(raw_run_t *raw, int group, size_t bytes, unsigned kinds) {
    assert(group >= 0 && group < GROUPS && kinds);
    if (raw->job->pair == MPI_COMM_NULL || !raw->usable[group])
        return NULL;
    floor_t *floor = floor_open(raw->job->pair, bytes, raw->settings->partition_bytes, kinds);
    raw->usable[group] = floor != NULL; /* floor_open has printed a message, once for all sizes */
    return floor;
}

static void raw_report_rate(const raw_run_t *raw, floor_kind_t kind, size_t bytes, double rate) {
    assert(rate >= 0);
    report_value(raw->job, raw->settings, floor_name(kind), bytes, rate * (double)bytes * 1e-9,
                 "GB/s");
    report_value(raw->job, raw->settings, floor_name(kind), bytes, rate, "messages/s");
}

static void raw_measure_bandwidth(raw_run_t *raw, size_t bytes) {
    static const floor_kind_t kinds[] = {FLOOR_MEMCPY, FLOOR_TWO_COPY, FLOOR_ZERO_COPY,
                                         FLOOR_RING,   FLOOR_RING_64,  FLOOR_PUT,
                                         FLOOR_GET,    FLOOR_ISEND};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !raw->interrupted; i++) {
        /* Open one floor at a time: the shared memory of a node need not hold the windows of all.
         * */
        floor_t *floor = raw_open_floor(raw, group_of[kinds[i]], bytes, 1U << kinds[i]);
        double rate = raw_measure(raw, floor, kinds[i], NULL);
        if (raw_spread(raw, kinds[i], bytes, &rate))
            raw_report_rate(raw, kinds[i], bytes, rate);
        floor_close(floor);
    }
}

static void raw_measure_half_round_trip(raw_run_t *raw, floor_kind_t kind, size_t bytes) {
    if (raw->interrupted)
        return;
    static mfi_histogram_t times;
    mfi_histogram_clear(&times);
    floor_t *floor = raw_open_floor(raw, group_of[kind], bytes, 1U << kind);
    double p50 = raw_measure(raw, floor, kind, &times), p99 = p50;
    if (p50 >= 0) { /* only the sender measures times */
        p50 = times.total ? (double)mfi_histogram_quantile(&times, 0.5) * 1e-3 : LEFT_OUT;
        p99 = times.total ? (double)mfi_histogram_quantile(&times, 0.99) * 1e-3 : LEFT_OUT;
    }
    char what[32];
    if (raw_spread(raw, kind, bytes, &p50) && raw_spread(raw, kind, bytes, &p99)) {
        snprintf(what, sizeof what, "%s_p50", floor_name(kind));
        report_value(raw->job, raw->settings, what, bytes, p50, "us");
        snprintf(what, sizeof what, "%s_p99", floor_name(kind));
        report_value(raw->job, raw->settings, what, bytes, p99, "us");
    }
    floor_close(floor);
}

/* Measure the rate of a floor whose message is one word. False: there is no value to report. */
static bool raw_measure_word(raw_run_t *raw, floor_kind_t kind, double *rate) {
    if (raw->interrupted)
        return false;
    floor_t *floor = raw_open_floor(raw, group_of[kind], 8, 1U << kind);
    *rate = raw_measure(raw, floor, kind, NULL);
    floor_close(floor);
    return raw_spread(raw, kind, 8, rate);
}

int bench_run_raw(const bench_job_t *job, const bench_settings_t *settings) {
    static const size_t sizes[] = {8, 128, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 4 << 20};
    raw_run_t raw = {.job = job, .settings = settings, .usable = {true, true, true}};
    raw.round_count = (size_t)fmax(1, ceil(settings->seconds / PAIRED_ROUND_S));
    raw.rounds = calloc(raw.round_count, sizeof *raw.rounds);
    if (!raw.rounds)
        bench_must(mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu rounds", raw.round_count),
                   "raw");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] <= settings->partition_bytes / 2)
            raw_measure_bandwidth(&raw, sizes[i]);
    for (size_t bytes = 8; bytes <= 64; bytes += 56) {
        raw_measure_half_round_trip(&raw, FLOOR_SENDRECV, bytes);
        raw_measure_half_round_trip(&raw, FLOOR_RING_TRIP, bytes);
    }
    double rate;
    if (raw_measure_word(&raw, FLOOR_FETCH_ADD, &rate))
        report_value(job, settings, floor_name(FLOOR_FETCH_ADD), 8, rate, "operations/s");
    if (raw_measure_word(&raw, FLOOR_LINE, &rate))
        report_value(job, settings, "line_round_trip", 8, 2e6 / rate, "us");
    free(raw.rounds);
    return raw.failed ? BENCH_WRONG : raw.interrupted ? BENCH_INTERRUPTED : BENCH_OK;
}
