/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Closes the driver, collectively.
 *
 *   OPEN --vote--> VOTING --all came--> STAYING --all are here--> MPI_Win_free: CLOSED
 *                    |                     |
 *                    +---------------------+--a rank left--> the window is left to MPI: CLOSED
 *
 * VOTING and STAYING are the phases of a meeting (ranks/meet.c). All its operations are polled: if
 * a rank does not come, the others answer MOFKA_ERR_TIMEOUT with its name, and may call again.
 *
 * MPI_Win_free waits for all ranks, without a limit. So each rank votes that it frees the window,
 * and then that it is still here. A rank that voted and stopped is late for the second vote: no
 * rank frees then. They vote once more when it is back. The wait that remains is for a rank that
 * stops within the microseconds between the meeting and MPI_Win_free.
 *
 * A rank leaves the meeting in MPI_Finalize, which cannot be called again: with an shm window, once
 * its time is over (finalize.c). Ranks whose calls never overlap leave it after eight rounds. Then
 * no rank frees the window: its memory stays as long as MPI keeps it.
 */
#include <mofka/log.h>
#include "mpi/agent/agent.h"
#include "mpi/clerk/clerk.h"
#include "mpi/driver/driver.h"

/* How much longer a close takes than its time-out, once all ranks have come. */
#define MORE_MS 100

void mmi_driver_stop(mmi_driver_t *d, bool frees) {
    assert(d->directory.w);
    mmi_storage_stop(d->storage);
    d->storage = NULL;
    mmi_finalize_unwatch(d);
    mmi_progress_stop(d);
    mmi_clerk_destroy(d->directory.w->clerk);
    d->directory.w->clerk = NULL;
    mmi_agent_destroy(d->directory.w->agent, atomic_load(&d->directory.w->shut));
    d->directory.w->agent = NULL;
    if (!frees) /* with its epoch */
        d->directory.w->win = d->directory.w->shared_win = MPI_WIN_NULL;
    d->directory.w->ops->destroy(d->directory.w);
    d->directory.w = NULL;
}

static mofka_status_t closing_late(const mmi_driver_t *d) {
    char names[MMI_NAMES_BYTES];
    mmi_notes_name_missing(d->ranks, names);
    return mofka_fail(MOFKA_ERR_TIMEOUT, "not all %d ranks closed the driver in time: %s did not",
                      d->size, names);
}

static void closing_finish(mmi_driver_t *d, bool frees) {
    if (!frees) {
        mofka_log(
            MOFKA_LOG_WARN,
            "rank %d: another rank ended without closing the driver; the window's memory stays "
            "until the processes end",
            d->rank);
        d->ranks->broken = true; /* that rank does not free the communicator either */
    }
    mmi_driver_stop(d, frees);
    mmi_ranks_free(d->ranks);
    d->ranks = NULL;
    d->comm = MPI_COMM_NULL;
}

/* From where an earlier call stopped. If all ranks have come, but one of them a while ago, they
 * need a few more rounds. All that still call take part in those at once, also those whose time is
 * over: a rank that looks now and then, without waiting, would else hold the others up in each
 * round. */
static mofka_status_t closing_meet(mmi_driver_t *d, int64_t deadline, mmi_vote_t *least) {
    unsigned step = d->ranks->step;
    mofka_status_t status = mmi_meet(d->ranks, 0, deadline, least);
    if (status == MOFKA_ERR_TIMEOUT && d->ranks->step != step)
        status = mmi_meet(d->ranks, 0, mmi_deadline(MORE_MS), least);
    return status;
}

static mofka_status_t closing_run(mmi_driver_t *d, int64_t deadline) {
    mmi_vote_t least = {MMI_LEFT, d->rank};
    mofka_status_t status = MOFKA_OK;
    assert(d->ranks);
    if (d->directory.w->agent)
        status = mmi_agent_drain(d->directory.w->agent, deadline);
    if (status)
        return status;
    if (!d->ranks->broken)
        status = closing_meet(d, deadline, &least);
    if (status)
        return status == MOFKA_ERR_TIMEOUT ? closing_late(d) : status;
    closing_finish(d, least.value == 0);
    return MOFKA_OK;
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
