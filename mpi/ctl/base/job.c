/* SPDX-License-Identifier: BSD-3-Clause */
/* Joining the job, opening its topics, and leaving it. */
#include "mpi/ctl/base/job.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <mofka/mpi.h>
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/base/messages.h"

/* Time between two looks for a topic. */
#define LOOK_S 0.002
/* MPICH with UCX takes about this much of /dev/shm for a rank. */
#define START_BYTES ((uint64_t)4 << 20)

void ctl_job_warn_of_memory(void) {
    struct statvfs fs;
    if (statvfs("/dev/shm", &fs))
        return;
    uint64_t left = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (left < START_BYTES)
        ctl_complain("the node's shared memory, /dev/shm, has only %" PRIu64
                     " bytes left; MPI may need more to start",
                     left);
}

int ctl_job_rank(void) {
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
}

mofka_status_t ctl_job_open(const char *type, const char *options, mofka_driver_t **driver) {
    assert(options);
    if (type && strcmp(type, "mpi") != 0)
        return mofka_driver_create(type, options, driver);
    /* The application beside this rank may create its driver late. */
    if (strcmp(options, "{}") == 0)
        options = "{\"join\":true,\"create_timeout_ms\":-1}";
    return mofka_mpi_driver_create(MPI_COMM_WORLD, options, driver);
}

/* The driver's close is begun and not waited for: it is the one call that all ranks make. A close
 * that waits looks a thousand times in a second, so this one does not wait. An error ends the wait,
 * too; ctl_job_close then reports it. */
bool ctl_job_is_over(mofka_driver_t *driver, double seconds) {
    assert(driver);
    double until = ctl_now_s() + seconds;
    for (;;) {
        if (mofka_driver_close(driver, 0) != MOFKA_ERR_TIMEOUT)
            return true;
        double left = until - ctl_now_s();
        if (left <= 0 || interrupt_came())
            return false;
        interrupt_sleep(fmin(left, SLICE_MS * 1e-3));
    }
}

/* Other ranks may continue for hours. Meanwhile this rank sleeps, and its partitions are served. */
bool ctl_job_close(mofka_driver_t *driver, double timeout_s) {
    assert(driver && timeout_s >= 0);
    double start = ctl_now_s();
    mofka_status_t status;
    bool reported = false;
    while ((status = mofka_driver_close(driver, SLICE_MS)) == MOFKA_ERR_TIMEOUT) {
        double waited = ctl_now_s() - start;
        if (waited > timeout_s) {
            ctl_complain(
                "waited %g s (--close-timeout) for the other ranks, which have not closed the "
                "driver: %s; the job is ended",
                timeout_s, mofka_last_error());
            ctl_job_abort(CTL_FAILED);
        }
        if (interrupt_came() && waited > LAST_FLUSH_S && !reported) {
            reported = true;
            ctl_complain(
                "this command is done and waits for the other ranks to close the driver; a "
                "second signal ends the job");
        }
    }
    if (status)
        ctl_complain_of(status, "closing the driver");
    mofka_driver_release(driver);
    return !status;
}

void ctl_job_abort(int code) {
    assert(code >= CTL_OK && code <= CTL_USAGE);
    fflush(NULL);
    nanosleep(&(struct timespec){.tv_nsec = 300000000},
              NULL); /* Launchers may drop output that is written just before MPI_Abort. */
    MPI_Abort(MPI_COMM_WORLD, code);
    exit(code);
}

static mofka_status_t job_see_partition(void *context, size_t index, const mofka_metadata_t *info) {
    (void)context, (void)index, (void)info;
    return MOFKA_STOP;
}

int ctl_job_code_without_topic(void) {
    return interrupt_came() ? CTL_OK : CTL_FAILED;
}

bool ctl_job_await_topic(mofka_driver_t *driver, const char *name, double timeout_s) {
    assert(driver && name && timeout_s >= 0);
    double start = ctl_now_s();
    while (!interrupt_came()) {
        double left = timeout_s - (ctl_now_s() - start);
        mofka_status_t status = mofka_driver_list_partitions(driver, name, job_see_partition, NULL);
        if (!status)
            return true;
        if (status != MOFKA_ERR_NOT_FOUND || left <= 0) {
            ctl_complain_of(status, "looking for the topic");
            if (status == MOFKA_ERR_NOT_FOUND && timeout_s > 0)
                ctl_complain("waited %g s (--timeout) for topic '%s'", timeout_s, name);
            return false;
        }
        interrupt_sleep(fmin(left, LOOK_S));
    }
    return false;
}

mofka_topic_t *ctl_job_open_topic(mofka_driver_t *driver, const char *name, double timeout_s) {
    mofka_topic_t *topic;
    if (!ctl_job_await_topic(driver, name, timeout_s))
        return NULL;
    mofka_status_t status = mofka_driver_open_topic(driver, name, 0, &topic);
    if (!status)
        return topic;
    ctl_complain_of(status, "opening the topic");
    return NULL;
}
