/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mofka-bench: what its commands share.
 *
 * main.c reads the command line (settings.c), starts the job (job.c: ranks, roles, interruption),
 * runs one command and prints its results (report.c). The rooms, the lowest first:
 *
 *   floors/    the best that this machine can do, in the same layout of ranks; clocks and barriers
 *   .          settings, job, report; payload.c (events), paired.c (floors beside the subject)
 *   commands/  one file for each command
 *   main.c
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

/* Seconds of a round in which floor and subject alternate, and of a round without a floor.
 * Interruptions are looked for between rounds. */
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
    COMMAND_PUSH,
    COMMAND_RAW,
    COMMAND_COUNT
} bench_command_t;

typedef enum bench_owners { OWNERS_CONSUMERS, OWNERS_PRODUCERS, OWNERS_ALL } bench_owners_t;

/* The command line. It has no pointers, because rank 0 or the first producer broadcasts it. */
typedef struct bench_settings {
    bench_command_t command;
    uint64_t events; /* of each producer, in each repeat */
    size_t metadata_size, data_size;
    size_t batch_size; /* events, or MOFKA_BATCH_ADAPTIVE */
    size_t max_batches;
    size_t threads;          /* of each producer's and consumer's pool */
    uint64_t flush_interval; /* events between flushes; 0: at the end */
    double interest;         /* share of the events whose data is fetched */
    double selectivity;      /* share of the data that is fetched of such an event */
    int producers, consumers, partitions;
    size_t partition_bytes;
    char window[8];
    bench_owners_t owners;
    bool zero_copy, runs, claim, verify, baseline, futures, phased;
    double rate; /* events per second of each producer, open loop; 0 means no limit */
    uint64_t warmup;
    int repeat;
    double seconds; /* wait, raw, pool, push: seconds of each measurement */
    int watchers;   /* number of the last ranks, of other programs that join the driver */
    char json[256], csv[256];
} bench_settings_t;

/* Read the command line. False: it is invalid; a message was printed if `speak`. `watchers` is set
 * even then: the remaining ranks must find each other before one of them prints the message. */
bool settings_read(int argc, char **argv, bool speak, bench_settings_t *settings);
/* Check the settings. False: they cannot be measured; the message names the rule that they break.
 * */
bool settings_check(const bench_settings_t *settings, int ranks, bool speak);
void settings_print_usage(FILE *out);
const char *bench_command_name(bench_command_t command);

/* ---- job ------------------------------------------------------------------------------------- */

typedef struct bench_job {
    MPI_Comm comm;
    int rank, size;
    int producer;       /* index among the producers; -1: does not produce */
    int consumer;       /* index among the consumers; -1: does not consume */
    int first_consumer; /* rank of the first consumer */
    int first_producer;
    MPI_Comm pair; /* first producer and first consumer; MPI_COMM_NULL elsewhere */
} bench_job_t;

/* Join the benchmark's ranks: all but the last `watchers` ranks of the job. Collective over them.
 * False: there are too few ranks; a message was printed. */
bool bench_job_join(bench_job_t *job, int watchers);
/* Choose the roles from the commands of all ranks. Collective. False: the roles do not match; a
 * message was printed. */
bool bench_job_start(bench_job_t *job, bench_settings_t *settings);
void bench_job_end(bench_job_t *job);
/* The largest resident set of this process so far, in MiB. */
double bench_peak_rss_mb(void);
double bench_job_max(const bench_job_t *job, double value);
double bench_job_sum(const bench_job_t *job, double value);
/* Sum the histograms of all ranks at rank 0. Collective. */
void bench_job_merge(const bench_job_t *job, mfi_histogram_t *histogram);
/* Whether a rank was interrupted (SIGINT, SIGTERM). Collective. Call it after each round: a rank
 * that was interrupted ends itself, and so the job, if its round takes longer than LAST_ROUND_S. */
bool bench_job_interrupted(const bench_job_t *job);
/* End the whole job with an exit code. MPI_Abort may return; this does not. */
_Noreturn void bench_abort(int code);
/* Print a message for an error, and end the job, because other ranks wait for this one. */
_Noreturn void bench_fail(mofka_status_t status, const char *what);
/* Do so if `status` is an error. */
static inline void bench_must(mofka_status_t status, const char *what) {
    if (status)
        bench_fail(status, what);
}
/* Show a progress bar if stderr is a terminal. `done` is from 0 to 1. */
void bench_show_progress(const bench_job_t *job, double done);

/* ---- results --------------------------------------------------------------------------------- */

/* Half round trips of a floor, in microseconds, and the latency's ratio to them. */
typedef struct bench_trip {
    double p50, p99, ratio_p50, ratio_p99;
} bench_trip_t;

/* The result of one repeat of a command. NAN: not measured. */
typedef struct bench_result {
    uint64_t events;
    double seconds, events_per_s, gb_per_s;
    /* seconds until the last producer, and the last consumer, was done */
    double push_seconds, pull_seconds;
    double bytes_fetched;
    double cpu_seconds, peak_rss_mb;
    const mfi_histogram_t *latency; /* NULL: none */
    double baseline[FLOOR_COUNT], ratio[FLOOR_COUNT];
    bench_trip_t sendrecv, ring; /* latency */
    double rss_two_laps_mb;      /* after two laps of the ring; NAN: there were fewer laps */
    bool verified;
} bench_result_t;

void bench_result_clear(bench_result_t *result);
/* Open the output files before the run. Rank 0 only. False: a message was printed. */
bool report_open(const bench_settings_t *settings);
/* Write one line of JSON and of CSV, if these were asked for, and one for people. Rank 0 only. */
void report_result(const bench_job_t *job, const bench_settings_t *settings, int repeat,
                   const bench_result_t *result);
/* Write a row of raw, pool or wait: `what` was measured, in `unit`. Rank 0 only. */
void report_value(const bench_job_t *job, const bench_settings_t *settings, const char *what,
                  size_t bytes, double value, const char *unit);
/* Close the files. False: output could not be written; a message was printed. */
bool report_close(const bench_settings_t *settings);

#endif
