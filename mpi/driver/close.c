/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Closing the driver; and that a forked child has none.
 *
 *   OPEN -Ibarrier-> ARRIVING -all came; Iallreduce-> AGREEING -all said-> AGREED: stop
 *
 * Both steps are polled, so a rank that does not come makes the others answer MOFKA_ERR_TIMEOUT, and
 * they may call again. A rank in MPI_Finalize (mpi_finalize.c) cannot be called again: with an shm
 * window, when its time is over, it says in the second step that it does not free the window, which is
 * collective, and leaves; then nobody does, and the memory stays as long as MPI keeps it. Once all have
 * agreed, all free it together: a rank whose close timed out in AGREEING holds the others there until it
 * calls again.
 */
#include <mofka/log.h>
#include "mpi/driver/driver.h"

void mmi_driver_stop(mmi_driver_t *d) {
    mmi_finalize_unwatch(d);
    mmi_progress_stop(d);
    d->directory.w->ops->destroy(d->directory.w);
    d->directory.w = NULL;
}

/* ---- close ----------------------------------------------------------------------------------- */

static mofka_status_t arrive(mmi_driver_t *d) {
    int error = MPI_Ibarrier(d->comm, &d->close_request);
    if (error)
        return mmi_mpi_fail("MPI_Ibarrier", error);
    d->closing = MMI_ARRIVING;
    return MOFKA_OK;
}

static mofka_status_t say(mmi_driver_t *d, int frees) {
    d->frees_own = frees;
    int error =
        MPI_Iallreduce(&d->frees_own, &d->frees, 1, MPI_INT, MPI_MIN, d->comm, &d->close_request);
    if (error)
        return mmi_mpi_fail("MPI_Iallreduce", error);
    d->closing = MMI_AGREEING;
    return MOFKA_OK;
}

static mofka_status_t await(mmi_driver_t *d, int64_t deadline) {
    int64_t us = 10;
    for (int here = 0;;) {
        int error = MPI_Test(&d->close_request, &here, MPI_STATUS_IGNORE);
        if (error)
            return mmi_mpi_fail("MPI_Test", error);
        if (here)
            return MOFKA_OK;
        if (mmi_now_ms() >= deadline)
            return mofka_fail(MOFKA_ERR_TIMEOUT, "not all %d ranks closed the driver in time",
                              d->size);
        mmi_back_off(&us, 1000);
    }
}

static void leave(mmi_driver_t *d) {
    if (!d->frees) {
        mofka_log(
            MOFKA_LOG_WARN,
            "rank %d: another rank ended without closing the driver; the window's memory stays "
            "until the processes end",
            d->rank);
        d->directory.w->win = MPI_WIN_NULL; /* forgotten, with its epoch */
    }
    mmi_driver_stop(d);
    if (d->frees)
        MPI_Comm_free(&d->comm);
    d->comm = MPI_COMM_NULL;
}

void mmi_leave_behind(mmi_driver_t *d) {
    mofka_status_t status = d->closing == MMI_OPEN ? arrive(d) : MOFKA_OK;
    if (!status && d->closing == MMI_ARRIVING)
        say(d, 0);
}

static mofka_status_t close_within(mmi_driver_t *d, int64_t deadline) {
    mofka_status_t status = d->closing == MMI_OPEN ? arrive(d) : MOFKA_OK;
    if (!status && d->closing == MMI_ARRIVING) {
        status = await(d, deadline);
        if (!status)
            status = say(d, 1);
    }
    if (!status && d->closing == MMI_AGREEING) {
        status = await(d, deadline);
        if (!status)
            d->closing = MMI_AGREED;
    }
    if (!status)
        leave(d);
    return status;
}

mofka_status_t mmi_close_driver(void *self, int64_t timeout_ms) {
    mmi_driver_t *d = self;
    int64_t deadline = mmi_deadline(timeout_ms);
    int finalized;
    MPI_Finalized(&finalized);
    if (finalized)
        return mofka_fail(MOFKA_ERR_MPI, "MPI was finalised before the driver was closed");
    bool taken = mmi_finalize_take(d); /* not for MPI_Finalize meanwhile */
    mofka_status_t status = close_within(d, deadline);
    if (status && taken)
        mmi_finalize_put_back(d);
    return status;
}

/* ---- fork ------------------------------------------------------------------------------------ */

static bool forked;

bool mmi_is_forked(void) {
    return forked;
}

static void in_child(void) {
    int initialized = 0, finalized = 0;
    MPI_Initialized(&initialized);
    MPI_Finalized(&finalized);
    forked = initialized && !finalized;
}

__attribute__((constructor)) static void watch_forks(void) {
    pthread_atfork(NULL, NULL, in_child);
}
