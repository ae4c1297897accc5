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
#include "floors/floor.h"
#include "stats/histogram.h"

/* Bytes between two stamps of an event's data. */
#define STAMP_STEP ((size_t)16 << 10)
/* Rounds in which floor and subject alternate, in seconds; and rounds without a floor, between
 * which an interruption is looked at. */
#define PAIRED_ROUND_S 0.05
#define LONE_ROUND_S 0.25

typedef enum command {
    COMMAND_STREAM,
    COMMAND_PRODUCE,
    COMMAND_CONSUME,
    COMMAND_LATENCY,
    COMMAND_POOL,
    COMMAND_WAIT,
    COMMAND_RAW,
    COMMAND_COUNT
} command_t;

typedef enum bench_owners { OWNERS_CONSUMERS, OWNERS_PRODUCERS, OWNERS_ALL } bench_owners_t;

/* The command line. No pointers: rank 0's (or the first producer's) is broadcast as it is. */
typedef struct settings {
    command_t command;
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
} settings_t;

/* Read the command line; false: told on stderr by the rank that may speak. `watchers` is what was
 * given, even so: before anything is told, the ranks that it leaves must find each other. */
bool settings_read(int argc, char **argv, bool speak, settings_t *settings);
/* What cannot be measured is refused with the rule that it breaks. */
bool settings_check(const settings_t *settings, int ranks, bool speak);
void settings_usage(FILE *out);
const char *command_name(command_t command);

/* ---- job ------------------------------------------------------------------------------------- */

typedef struct job {
    MPI_Comm comm;
    int rank, size;
    int producer;       /* index among the producers, -1: none */
    int consumer;       /* index among the consumers, -1: none */
    int first_consumer; /* its rank; the first producer is the lowest rank that produces */
    int first_producer;
    MPI_Comm pair; /* first producer and first consumer; MPI_COMM_NULL elsewhere */
} job_t;

/* The benchmark's ranks: all but the last `watchers` of the job. Collective over them. False: there are
 * not so many (told). */
bool job_join(job_t *job, int watchers);
/* Roles from the command of each rank. Collective. False: they do not add up (told). */
bool job_start(job_t *job, settings_t *settings);
void job_end(job_t *job);
/* A barrier that does not spin for long: waiting ranks leave their core to the others. */
void bench_barrier(MPI_Comm comm);
double bench_now(void);         /* seconds, monotonic */
double bench_cpu_seconds(void); /* user and system, of this process, all threads */
double bench_peak_rss_mb(void);
double job_max(const job_t *job, double value);
double job_sum(const job_t *job, double value);
/* The sum of all ranks' histograms, at rank 0. Collective. */
void job_merge(const job_t *job, mfi_histogram_t *histogram);
/* Whether some rank was interrupted (SIGINT, SIGTERM). Collective. */
bool job_interrupted(const job_t *job);
/* Ends the job with a message when `status` is an error: others wait for this rank. */
void must(mofka_status_t status, const char *what);
/* A bar on stderr when it is a terminal; `done` from 0 to 1. */
void bench_progress(const job_t *job, double done);

/* ---- results --------------------------------------------------------------------------------- */

/* What one repeat of a command found. NAN: not measured. */
typedef struct result {
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
} result_t;

void result_clear(result_t *result);
/* Open the files, before the run. Rank 0 only. False: told. */
bool report_open(const settings_t *settings);
/* One line of JSON and CSV where asked for, and one for people. Rank 0 only. */
void report_result(const job_t *job, const settings_t *settings, int repeat,
                   const result_t *result);
/* A row of raw, pool or wait: what was measured, in which unit. Rank 0 only. */
void report_value(const job_t *job, const settings_t *settings, const char *what, size_t bytes,
                  double value, const char *unit);
/* False: not all that was reported could be written (told). */
bool report_close(const settings_t *settings);

/* ---- commands: each returns the exit code ---------------------------------------------------- */

int run_stream(const job_t *job, const settings_t *settings);
int run_latency(const job_t *job, const settings_t *settings);
int run_pool(const job_t *job, const settings_t *settings);
int run_wait(const job_t *job, const settings_t *settings);
int run_raw(const job_t *job, const settings_t *settings);

#endif
