/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mofka-bench: what its commands share.
 *
 * main.c reads the command line (settings.c), makes the job (job.c: ranks, roles, polite barriers,
 * interruption), runs one command and prints its results (report.c). floor.c measures what this
 * machine can do at best in the same layout of ranks; stream.c and latency.c measure the library,
 * alternating with the floors in short rounds when --baseline asks for it.
 */
#ifndef MOFKA_BENCH_H
#define MOFKA_BENCH_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <mofka/mofka.h>
#include <mofka/mpi.h>
#include "floors/clock.h"
#include "floors/floor.h"
#include "stats/histogram.h"

/* Rounds in which floor and subject alternate, in seconds; and rounds without a floor, between
 * which an interruption is looked at. */
#define PAIRED_ROUND_S 0.05
#define LONE_ROUND_S 0.25

/* Exit codes. */
enum { BENCH_OK = 0, BENCH_WRONG = 1, BENCH_USAGE = 2, BENCH_INTERRUPTED = 130 };

typedef enum bench_command {
    COMMAND_STREAM,
    COMMAND_PRODUCE,
    COMMAND_CONSUME,
    COMMAND_LATENCY,
    COMMAND_POOL,
    COMMAND_WAIT,
    COMMAND_RAW,
    COMMAND_COUNT
} bench_command_t;

typedef enum bench_owners { OWNERS_CONSUMERS, OWNERS_PRODUCERS, OWNERS_ALL } bench_owners_t;

/* The command line. No pointers: rank 0's (or the first producer's) is broadcast as it is. */
typedef struct bench_settings {
    bench_command_t command;
    uint64_t events; /* of each producer, in each repeat */
    size_t metadata_size, data_size;
    size_t batch_size; /* MOFKA_BATCH_ADAPTIVE or events */
    size_t max_batches;
    size_t threads;          /* of each producer's and consumer's pool */
    uint64_t flush_interval; /* events between flushes; 0: at the end */
    double interest;         /* share of the events whose data is wanted */
    double selectivity;      /* share of a wanted event's data that is wanted */
    int producers, consumers, partitions;
    size_t partition_bytes;
    char window[8];
    bench_owners_t owners;
    bool zero_copy, verify, baseline, futures, phased;
    double rate; /* events/s of each producer, open loop; 0: as fast as it goes */
    uint64_t warmup;
    int repeat;
    double seconds; /* wait, raw, pool: how long each measurement takes */
    int watchers;   /* ranks behind the benchmark's, of other programs that join its driver */
    char json[256], csv[256];
} bench_settings_t;

/* Read the command line; false: told on stderr by the rank that may speak. `watchers` is what was
 * given, even so: before anything is told, the ranks that it leaves must find each other. */
bool settings_read(int argc, char **argv, bool speak, bench_settings_t *settings);
/* What cannot be measured is refused with the rule that it breaks. */
bool settings_check(const bench_settings_t *settings, int ranks, bool speak);
void settings_print_usage(FILE *out);
const char *bench_command_name(bench_command_t command);

/* ---- job ------------------------------------------------------------------------------------- */

typedef struct bench_job {
    MPI_Comm comm;
    int rank, size;
    int producer;       /* index among the producers, -1: none */
    int consumer;       /* index among the consumers, -1: none */
    int first_consumer; /* its rank; the first producer is the lowest rank that produces */
    int first_producer;
    MPI_Comm pair; /* first producer and first consumer; MPI_COMM_NULL elsewhere */
} bench_job_t;

/* The benchmark's ranks: all but the last `watchers` of the job. Collective over them. False: there are
 * not so many (told). */
bool bench_job_join(bench_job_t *job, int watchers);
/* Roles from the command of each rank. Collective. False: they do not add up (told). */
bool bench_job_start(bench_job_t *job, bench_settings_t *settings);
void bench_job_end(bench_job_t *job);
/* The largest resident set of this process so far, in MiB. */
double bench_peak_rss_mb(void);
double bench_job_max(const bench_job_t *job, double value);
double bench_job_sum(const bench_job_t *job, double value);
/* The sum of all ranks' histograms, at rank 0. Collective. */
void bench_job_merge(const bench_job_t *job, mfi_histogram_t *histogram);
/* Whether some rank was interrupted (SIGINT, SIGTERM). Collective. */
bool bench_job_interrupted(const bench_job_t *job);
/* Ends the job with a message when `status` is an error: others wait for this rank. */
void bench_must(mofka_status_t status, const char *what);
/* A bar on stderr when it is a terminal; `done` from 0 to 1. */
void bench_show_progress(const bench_job_t *job, double done);

/* ---- results --------------------------------------------------------------------------------- */

/* What one repeat of a command found. NAN: not measured. */
typedef struct bench_result {
    uint64_t events;
    double seconds, events_per_s, gb_per_s;
    double push_seconds, pull_seconds; /* until the last producer, the last consumer was done */
    double bytes_fetched;
    double cpu_seconds, peak_rss_mb;
    const mfi_histogram_t *latency; /* NULL: none */
    double baseline[FLOOR_COUNT], ratio[FLOOR_COUNT];
    double sendrecv_p50, sendrecv_p99; /* latency: microseconds, and the ratios to them */
    double latency_ratio_p50, latency_ratio_p99;
    double rss_two_laps_mb; /* after two laps of the ring; NAN: there were fewer */
    bool verified;
} bench_result_t;

void bench_result_clear(bench_result_t *result);
/* Open the files, before the run. Rank 0 only. False: told. */
bool report_open(const bench_settings_t *settings);
/* One line of JSON and CSV where asked for, and one for people. Rank 0 only. */
void report_result(const bench_job_t *job, const bench_settings_t *settings, int repeat,
                   const bench_result_t *result);
/* A row of raw, pool or wait: what was measured, in which unit. Rank 0 only. */
void report_value(const bench_job_t *job, const bench_settings_t *settings, const char *what,
                  size_t bytes, double value, const char *unit);
/* False: not all that was reported could be written (told). */
bool report_close(const bench_settings_t *settings);

#endif
