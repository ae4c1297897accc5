/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The job: which rank produces and which consumes, sums over ranks, interruption.
 *
 * Roles: with `stream`, `latency` and `raw` the first --producers ranks produce and the last
 * --consumers ranks consume. Ranks that were launched as `produce` or `consume` have that role.
 */
#include <assert.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"

/* How long an interrupted run may take until its round has ended. */
#define LAST_ROUND_S 3

static volatile sig_atomic_t interrupted;

static void bench_job_on_signal(int number) {
    (void)number;
    if (!interrupted)
        alarm(LAST_ROUND_S);
    interrupted = 1;
}

/* The round is long. The launcher ends the other ranks. */
static void bench_job_on_alarm(int number) {
    (void)number;
    _exit(BENCH_INTERRUPTED);
}

double bench_peak_rss_mb(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static double bench_job_reduce(const bench_job_t *job, double value, MPI_Op op) {
    assert(job->comm != MPI_COMM_NULL);
    double all;
    MPI_Request request;
    MPI_Iallreduce(&value, &all, 1, MPI_DOUBLE, op, job->comm, &request);
    bench_wait_for(&request);
    return all;
}

double bench_job_max(const bench_job_t *job, double value) {
    return bench_job_reduce(job, value, MPI_MAX);
}

double bench_job_sum(const bench_job_t *job, double value) {
    return bench_job_reduce(job, value, MPI_SUM);
}

void bench_job_merge(const bench_job_t *job, mfi_histogram_t *h) {
    assert(job->comm != MPI_COMM_NULL);
    bool root = job->rank == 0;
    MPI_Reduce(root ? MPI_IN_PLACE : &h->max, &h->max, 1, MPI_UINT64_T, MPI_MAX, 0, job->comm);
    MPI_Reduce(root ? MPI_IN_PLACE : &h->total, &h->total, 1, MPI_UINT64_T, MPI_SUM, 0, job->comm);
    MPI_Reduce(root ? MPI_IN_PLACE : h->counts, h->counts, MFI_HISTOGRAM_BUCKETS, MPI_UINT64_T,
               MPI_SUM, 0, job->comm);
}

bool bench_job_interrupted(const bench_job_t *job) {
    return bench_job_max(job, interrupted) > 0;
}

_Noreturn void bench_abort(int code) {
    MPI_Abort(MPI_COMM_WORLD, code);
    exit(code);
}

_Noreturn void bench_fail(mofka_status_t status, const char *what) {
    assert(status != MOFKA_OK && what && *what);
    fprintf(stderr, "mofka-bench: %s: %s: %s\n", what, mofka_status_name(status),
            mofka_last_error());
    bench_abort(1);
}

void bench_show_progress(const bench_job_t *job, double done) {
    assert(done >= 0);
    static int shown = -1;
    int percent = (int)(100 * (done < 1 ? done : 1));
    if (job->rank != 0 || percent == shown || !isatty(STDERR_FILENO))
        return;
    shown = percent;
    fprintf(stderr, "\r[%-50.*s] %3d %%%s", percent / 2,
            "##################################################", percent,
            percent == 100 ? "\r\033[K" : "");
}

/* ---- roles ----------------------------------------------------------------------------------- */

static bool bench_job_produces(const bench_settings_t *s, int rank) {
    assert(rank >= 0);
    return s->command == COMMAND_PRODUCE || (s->command != COMMAND_CONSUME && rank < s->producers);
}

static bool bench_job_consumes(const bench_settings_t *s, int rank, int size) {
    assert(rank >= 0 && rank < size);
    return s->command == COMMAND_CONSUME ||
           (s->command != COMMAND_PRODUCE && rank >= size - s->consumers);
}

/* Settings of consumers come from the first consumer, all others from the first producer. */
static void bench_job_share_settings(const bench_job_t *job, bench_settings_t *settings) {
    assert(job->first_producer < job->size && job->first_consumer < job->size);
    bench_settings_t consumer = *settings;
    bench_command_t own = settings->command;
    MPI_Bcast(&consumer, sizeof consumer, MPI_BYTE, job->first_consumer, job->comm);
    MPI_Bcast(settings, sizeof *settings, MPI_BYTE, job->first_producer, job->comm);
    settings->interest = consumer.interest;
    settings->selectivity = consumer.selectivity;
    settings->zero_copy = consumer.zero_copy;
    settings->runs = consumer.runs;
    settings->command = own;
}

static void bench_job_find_roles(bench_job_t *job, bench_settings_t *settings) {
    assert(job->size > 0 && job->rank < job->size);
    int own[2] = {bench_job_produces(settings, job->rank),
                  bench_job_consumes(settings, job->rank, job->size)};
    int(*all)[2] = calloc((size_t)job->size, sizeof *all);
    MPI_Allgather(own, 2, MPI_INT, all, 2, MPI_INT, job->comm);
    int producers = 0, consumers = 0;
    for (int i = 0; i < job->size; i++) {
        if (i == job->rank) {
            job->producer = own[0] ? producers : -1;
            job->consumer = own[1] ? consumers : -1;
        }
        if (all[i][0] && producers++ == 0)
            job->first_producer = i;
        if (all[i][1] && consumers++ == 0)
            job->first_consumer = i;
    }
    free(all);
    settings->producers = producers;
    settings->consumers = consumers;
}

/* Watchers take no part in this: they only call what creates the driver. */
bool bench_job_join(bench_job_t *job, int watchers) {
    assert(watchers >= 0);
    *job =
        (bench_job_t){.producer = -1, .consumer = -1, .pair = MPI_COMM_NULL, .comm = MPI_COMM_NULL};
    int rank, size;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (rank >= size - watchers) {
        fprintf(
            stderr,
            "mofka-bench: --watchers %d leaves the last %d of %d ranks to other programs, but rank "
            "%d is mofka-bench\n",
            watchers, watchers, size, rank);
        return false;
    }
    MPI_Group world, own;
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    MPI_Group_range_incl(world, 1, (int[][3]){{0, size - watchers - 1, 1}}, &own);
    MPI_Comm_create_group(MPI_COMM_WORLD, own, 0, &job->comm);
    MPI_Group_free(&own);
    MPI_Group_free(&world);
    MPI_Comm_rank(job->comm, &job->rank);
    MPI_Comm_size(job->comm, &job->size);
    return true;
}

bool bench_job_start(bench_job_t *job, bench_settings_t *settings) {
    assert(job->comm != MPI_COMM_NULL && job->pair == MPI_COMM_NULL);
    bench_expect_ranks(job->size);
    struct sigaction action = {.sa_handler = bench_job_on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = bench_job_on_alarm}, NULL);
    if (settings->command == COMMAND_POOL || settings->command == COMMAND_WAIT ||
        settings->command == COMMAND_PUSH)
        return true;
    /* By default, half of the ranks produce. */
    if (settings->producers == 0)
        settings->producers =
            settings->consumers ? job->size - settings->consumers : (job->size + 1) / 2;
    if (settings->consumers == 0)
        settings->consumers = job->size - settings->producers;
    bool halves = settings->command == COMMAND_PRODUCE || settings->command == COMMAND_CONSUME;
    int mixed, own = halves;
    MPI_Allreduce(&own, &mixed, 1, MPI_INT, MPI_SUM, job->comm);
    int wrong = mixed != 0 && mixed != job->size;
    if (wrong && job->rank == 0)
        fprintf(stderr, "mofka-bench: produce and consume can only be combined with each other\n");
    if (!wrong && !halves && settings->producers + settings->consumers != job->size) {
        wrong = 1;
        if (job->rank == 0)
            fprintf(stderr, "mofka-bench: %d producers and %d consumers are not %d ranks\n",
                    settings->producers, settings->consumers, job->size);
    }
    if (wrong)
        return false;
    bench_job_find_roles(job, settings);
    if (settings->producers < 1 || settings->consumers < 1) {
        if (job->rank == 0)
            fprintf(stderr,
                    "mofka-bench: at least one rank must produce and one consume; there "
                    "are %d and %d\n",
                    settings->producers, settings->consumers);
        return false;
    }
    bench_job_share_settings(job, settings);
    if (settings->partitions == 0)
        settings->partitions = settings->consumers;
    bool in_pair = job->rank == job->first_producer || job->rank == job->first_consumer;
    MPI_Comm_split(job->comm, in_pair ? 0 : MPI_UNDEFINED, job->rank == job->first_consumer,
                   &job->pair);
    return true;
}

void bench_job_end(bench_job_t *job) {
    assert(job->comm != MPI_COMM_NULL);
    if (job->pair != MPI_COMM_NULL)
        MPI_Comm_free(&job->pair);
    MPI_Comm_free(&job->comm);
}
