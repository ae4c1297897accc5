/* SPDX-License-Identifier: BSD-3-Clause */
/* mofka-bench: the speed of the library, beside what this machine can do. */
#include <assert.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include "commands/commands.h"

static int bench_run_command(const bench_job_t *job, const bench_settings_t *settings) {
    assert((int)settings->command >= 0 && settings->command < COMMAND_COUNT);
    switch (settings->command) {
    case COMMAND_STREAM:
    case COMMAND_PRODUCE:
    case COMMAND_CONSUME:
        return bench_run_stream(job, settings);
    case COMMAND_LATENCY:
        return bench_run_latency(job, settings);
    case COMMAND_POOL:
        return bench_run_pool(job, settings);
    case COMMAND_WAIT:
        return bench_run_wait(job, settings);
    case COMMAND_PUSH:
        return bench_run_push(job, settings);
    case COMMAND_RAW:
        return bench_run_raw(job, settings);
    case COMMAND_COUNT:
        break;
    }
    return BENCH_USAGE;
}

static bool bench_is_help(const char *text) {
    return strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0 || strcmp(text, "help") == 0;
}

/* Watchers wait for the driver. A run that was refused does not create it, so the job must be
 * ended. */
static int bench_leave(const bench_settings_t *settings, int result) {
    assert(result >= 0);
    if (settings->watchers > 0 && result == BENCH_USAGE) {
        fflush(NULL);
        nanosleep(&(struct timespec){.tv_nsec = 300000000},
                  NULL); /* Launchers may drop output that is written just before MPI_Abort. */
        bench_abort(result);
    }
    MPI_Finalize();
    return result;
}

int main(int argc, char **argv) {
    int level, rank, good;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    setvbuf(stdout, NULL, _IOLBF, 0); /* an interrupted run keeps what it has printed */
    if (argc > 1 && bench_is_help(argv[1])) {
        if (rank == 0)
            settings_print_usage(stdout);
        MPI_Finalize();
        return 0;
    }
    bench_settings_t settings;
    bench_job_t job;
    int wrong = settings_read(argc, argv, false, &settings) ? INT_MAX : rank, first;
    if (!bench_job_join(&job, settings.watchers))
        return bench_leave(&settings, BENCH_USAGE);
    /* Only the first rank whose command line is wrong prints a message. */
    MPI_Allreduce(&wrong, &first, 1, MPI_INT, MPI_MIN, job.comm);
    if (first == rank)
        settings_read(argc, argv, true, &settings);
    good = first == INT_MAX;
    int result = BENCH_USAGE;
    if (good && bench_job_start(&job, &settings)) {
        good = settings_check(&settings, job.size, job.rank == 0) &&
               (job.rank != 0 || report_open(&settings));
        MPI_Bcast(&good, 1, MPI_INT, 0, job.comm);
        if (good)
            result = bench_run_command(&job, &settings);
        if (good && job.rank == 0 && !report_close(&settings) && result == BENCH_OK)
            result = BENCH_WRONG;
    }
    bench_job_end(&job);
    return bench_leave(&settings, result);
}
