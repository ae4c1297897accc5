/* SPDX-License-Identifier: BSD-3-Clause */
/* Clocks, and polite waits for other ranks. */
#include "floors/clock.h"

#include <assert.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "support/clock.h"

static bool crowded; /* more ranks than cores: a waiting rank must leave its core at once */

double bench_now(void) {
    return clock_seconds(CLOCK_MONOTONIC);
}

static double bench_seconds_of(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

double bench_cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return bench_seconds_of(usage.ru_utime) + bench_seconds_of(usage.ru_stime);
}

void bench_expect_ranks(int ranks) {
    assert(ranks > 0);
    crowded = ranks > sysconf(_SC_NPROCESSORS_ONLN);
}

/* Ranks that have a core each wait with a yield, so that they start together; others sleep. */
void bench_wait_for(MPI_Request *request) {
    assert(request);
    int done = 0;
    for (int tries = 0; !done; tries++) {
        MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (done || (!crowded && tries < 2000))
            continue;
        if (!crowded && tries < 20000)
            sched_yield();
        else
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
}

void bench_barrier(MPI_Comm comm) {
    MPI_Request request;
    MPI_Ibarrier(comm, &request);
    bench_wait_for(&request);
}
