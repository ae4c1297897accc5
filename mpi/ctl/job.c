/* SPDX-License-Identifier: BSD-3-Clause */
/* Joining the job and leaving it, and being interrupted. */
#include <errno.h>
#include <math.h>
#include <mpi.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <mofka/mpi.h>
#include "mpi/ctl/ctl.h"
#include "mpi/ctl/options/json.h"

group_t driver_group;
double close_timeout_s = INFINITY;

static volatile sig_atomic_t interrupted;
static double interrupted_at; /* written once, before the flag */

double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* A terminal and a launcher may both send the one that the user meant. */
static void on_signal(int number) {
    if (!interrupted) {
        interrupted_at = now_s();
        interrupted = 1;
    } else if (now_s() - interrupted_at > 1) {
        signal(number, SIG_DFL);
        raise(number);
    }
}

void job_watch_signals(void) {
    /* Restarted: what is being written is written whole. Waits are short. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool job_interrupted(void) {
    return interrupted;
}

double job_interrupted_for(void) {
    return interrupted ? now_s() - interrupted_at : 0;
}

void job_sleep(double seconds) {
    double until = now_s() + seconds;
    for (double left = seconds; left > 0 && !interrupted; left = until - now_s()) {
        double slice = left < SLICE_MS * 1e-3 ? left : SLICE_MS * 1e-3;
        nanosleep(&(struct timespec){.tv_nsec = (long)(slice * 1e9)}, NULL);
    }
}

int job_rank(void) {
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
}

/* `options` without "type", of that type; a type of MPI's has options of the job's communicator. */
static mofka_status_t make_driver(const char *type, const char *options, mofka_driver_t **driver) {
    bool mpi = !type || strcmp(type, "mpi") == 0;
    if (!mpi)
        return mofka_driver_create(type, options, driver);
    /* Without any: whatever the other ranks' options are. */
    bool none = strcmp(options, "{}") == 0;
    return mofka_mpi_driver_create(MPI_COMM_WORLD, none ? "{\"join\":true}" : options, driver);
}

mofka_driver_t *job_open(void) {
    const char *all = driver_group.text ? driver_group.text : "{}";
    char *member = json_member(all, "type"), *type = member ? json_string(member) : NULL;
    char *options = json_without(all, "type");
    mofka_driver_t *driver = NULL;
    mofka_status_t status;
    if (member && !type)
        status =
            mofka_fail(MOFKA_ERR_OPTION, "--driver.type cannot be %.100s: it is a string", member);
    else if (!options)
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for the driver's options");
    else
        status = make_driver(type, options, &driver);
    free(member);
    free(type);
    free(options);
    group_clear(&driver_group);
    if (status)
        complain_of(status, "making the driver");
    return driver;
}

/* Closing is begun, and not waited for: the barrier behind it is the one thing that all ranks do. An
 * error ends it, too, and job_close tells which. */
bool job_is_over(mofka_driver_t *driver, double seconds) {
    double until = now_s() + seconds, left = seconds;
    do {
        double slice = left > 0 ? fmin(left, SLICE_MS * 1e-3) : 0;
        if (mofka_driver_close(driver, (int64_t)ceil(slice * 1e3)) != MOFKA_ERR_TIMEOUT)
            return true;
        left = until - now_s();
    } while (left > 0 && !interrupted);
    return false;
}

/* Others may work on for hours: this rank's partitions are served meanwhile, and it sleeps. */
bool job_close(mofka_driver_t *driver) {
    double start = now_s();
    mofka_status_t status;
    bool told = false;
    while ((status = mofka_driver_close(driver, SLICE_MS)) == MOFKA_ERR_TIMEOUT) {
        double waited = now_s() - start;
        if (waited > close_timeout_s) {
            complain("waited %g s (--close-timeout) for the other ranks, which have not closed the "
                     "driver: %s; the job is ended",
                     close_timeout_s, mofka_last_error());
            job_abort(CTL_FAILED);
        }
        if (interrupted && waited > LAST_FLUSH_S && !told) {
            told = true;
            complain("this command is done and waits for the other ranks to close the driver; a "
                     "second signal ends the job");
        }
    }
    if (status)
        complain_of(status, "closing the driver");
    mofka_driver_release(driver);
    return !status;
}

void job_abort(int code) {
    fflush(NULL);
    nanosleep(&(struct timespec){.tv_nsec = 300000000},
              NULL); /* else launchers drop what was written */
    MPI_Abort(MPI_COMM_WORLD, code);
    exit(code);
}

mofka_topic_t *open_topic(mofka_driver_t *driver, const char *name, double timeout_s) {
    double start = now_s();
    mofka_topic_t *topic;
    for (;;) {
        double left = timeout_s - (now_s() - start);
        int64_t slice = left <= 0 ? 0 : left < SLICE_MS * 1e-3 ? (int64_t)(left * 1e3) : SLICE_MS;
        mofka_status_t status = mofka_driver_open_topic(driver, name, slice, &topic);
        if (!status)
            return topic;
        if (job_interrupted())
            return NULL;
        if (status != MOFKA_ERR_NOT_FOUND || left <= 0) {
            complain_of(status, "opening the topic");
            if (status == MOFKA_ERR_NOT_FOUND)
                complain("waited %g s (--timeout) for topic '%s'", timeout_s, name);
            return NULL;
        }
    }
}
