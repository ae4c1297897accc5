/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Closes the driver, collectively.
 *
 *   OPEN --Ibarrier--> ARRIVING --all arrived; Iallreduce--> AGREEING --all voted--> AGREED: stop
 *
 * Both operations are polled: if a rank does not come, the others answer MOFKA_ERR_TIMEOUT, and may
 * call again. In the Iallreduce each rank votes whether it frees the window, which is collective.
 *
 * A rank in MPI_Finalize (finalize.c) cannot be called again. With an shm window, when its time is
 * over, it votes that it does not free the window, and leaves. Then no rank frees it: the memory
 * stays as long as MPI keeps it. Once all have voted to free, all free together: a rank whose close
 * timed out in AGREEING makes the others wait there until it calls again.
 */
#include <mofka/backend.h>
#include <mofka/log.h>
#include "mpi/agent/agent.h"
#include "mpi/driver/driver.h"

void mmi_driver_stop(mmi_driver_t *d) {
    assert(d->directory.w);
    mmi_finalize_unwatch(d);
    mmi_progress_stop(d);
    mmi_agent_destroy(d->directory.w->agent);
    d->directory.w->agent = NULL;
    d->directory.w->ops->destroy(d->directory.w);
    d->directory.w = NULL;
}

/* ---- close ----------------------------------------------------------------------------------- */

static mofka_status_t closing_arrive(mmi_driver_t *d) {
    assert(d->closing == MMI_OPEN);
    int error = MPI_Ibarrier(d->comm, &d->close_request);
    if (error)
        return mmi_mpi_fail("MPI_Ibarrier", error);
    d->closing = MMI_ARRIVING;
    return MOFKA_OK;
}

static mofka_status_t closing_vote(mmi_driver_t *d, bool frees) {
    assert(d->closing == MMI_ARRIVING);
    d->frees_own = frees;
    int error =
        MPI_Iallreduce(&d->frees_own, &d->frees, 1, MPI_INT, MPI_MIN, d->comm, &d->close_request);
    if (error)
        return mmi_mpi_fail("MPI_Iallreduce", error);
    d->closing = MMI_AGREEING;
    return MOFKA_OK;
}

/* Wait for the operation under way. */
static mofka_status_t closing_wait(mmi_driver_t *d, int64_t deadline) {
    int64_t us = 10;
    assert(d->closing == MMI_ARRIVING || d->closing == MMI_AGREEING);
    for (int done = 0;;) {
        int error = MPI_Test(&d->close_request, &done, MPI_STATUS_IGNORE);
        if (error)
            return mmi_mpi_fail("MPI_Test", error);
        if (done)
            return MOFKA_OK;
        if (mmi_now_ms() >= deadline)
            return mofka_fail(MOFKA_ERR_TIMEOUT, "not all %d ranks closed the driver in time",
                              d->size);
        mmi_back_off(&us, 1000);
    }
}

static void closing_finish(mmi_driver_t *d) {
    assert(d->closing == MMI_AGREED);
    if (!d->frees) {
        mofka_log(
            MOFKA_LOG_WARN,
            "rank %d: another rank ended without closing the driver; the window's memory stays "
            "until the processes end",
            d->rank);
        /* Leave it to MPI, with its epoch. */
        d->directory.w->win = MPI_WIN_NULL;
    }
    mmi_driver_stop(d);
    if (d->frees)
        MPI_Comm_free(&d->comm);
    d->comm = MPI_COMM_NULL;
}

void mmi_driver_abandon(mmi_driver_t *d) {
    assert(d->closing < MMI_AGREEING);
    mofka_status_t status = d->closing == MMI_OPEN ? closing_arrive(d) : MOFKA_OK;
    if (!status && d->closing == MMI_ARRIVING)
        closing_vote(d, false);
}

/* From where an earlier call stopped. */
static mofka_status_t closing_run(mmi_driver_t *d, int64_t deadline) {
    mofka_status_t status = MOFKA_OK;
    if (d->closing == MMI_OPEN && d->directory.w->agent)
        status = mmi_agent_drain(d->directory.w->agent, deadline);
    if (!status && d->closing == MMI_OPEN)
        status = closing_arrive(d);
    if (!status && d->closing == MMI_ARRIVING) {
        status = closing_wait(d, deadline);
        if (!status)
            status = closing_vote(d, true);
    }
    if (!status && d->closing == MMI_AGREEING) {
        status = closing_wait(d, deadline);
        if (!status)
            d->closing = MMI_AGREED;
    }
    if (!status)
        closing_finish(d);
    return status;
}

mofka_status_t mmi_driver_close(void *self, int64_t timeout_ms) {
    mmi_driver_t *d = self;
    int64_t deadline = mmi_deadline(timeout_ms);
    int finalized;
    MPI_Finalized(&finalized);
    if (finalized)
        return mofka_fail(MOFKA_ERR_MPI, "MPI was finalised before the driver was closed");
    bool claimed = mmi_finalize_claim(d);
    mofka_status_t status = closing_run(d, deadline);
    if (status && claimed)
        mmi_finalize_return(d);
    return status;
}

/* ---- fork ------------------------------------------------------------------------------------ */

static bool process_forked;

bool mmi_process_is_forked(void) {
    return process_forked;
}

static void process_after_fork(void) {
    int initialized = 0, finalized = 0;
    MPI_Initialized(&initialized);
    MPI_Finalized(&finalized);
    process_forked = initialized && !finalized;
}

__attribute__((constructor)) static void process_watch_forks(void) {
    if (mofka_backend_at_fork(process_after_fork))
        mofka_log(MOFKA_LOG_ERROR, "watching forks: %s", mofka_last_error());
}
