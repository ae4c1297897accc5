/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Closes the drivers that are still open when MPI_Finalize is called.
 *
 * This library defines MPI_Finalize. It closes the open drivers while all of MPI still works,
 * threads too, and then calls the next MPI_Finalize. A program may find MPI's own first: it loaded
 * this library later, or calls PMPI_Finalize. Then an attribute of MPI_COMM_SELF is left, which MPI
 * deletes before anything else. That way is worse. MPICH 4.0.2 stops locking before it deletes
 * attributes, so from there on only this thread may call MPI; a thread inside MPI (the progress
 * thread, or a pool's worker that waits for room) makes it crash.
 *
 * A program of sessions calls no MPI_Finalize, and MPI_Session_finalize does not say which
 * communicators were the session's. Its drivers are not watched: it has to close them.
 *
 * A driver is in the list from its creation until a thread claims it to close it. If that close
 * times out, the driver goes back into the list. A rank gives up if it cannot end its producers in
 * time, or if other ranks do not come. It logs that, shuts the window, and waits until its workers
 * have left. Then:
 *   shm   it leaves the meeting (close.c) and goes; the window's memory may end with MPI
 *   rma   it waits for the other ranks, as MPI_Finalize would: the window must be freed, and until
 *         then they need this rank's progress
 */
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>
#include <mofka/backend.h>
#include <mofka/log.h>
#include "mpi/agent/agent.h"
#include "mpi/clerk/clerk.h"
#include "mpi/driver/driver.h"

/* For flushing the producers, and again for the other ranks. */
#define FINALIZE_MS 5000

/* Guards the list. A leaf: no other lock is taken while it is held. */
static pthread_mutex_t watched_lock = PTHREAD_MUTEX_INITIALIZER;
static mmi_driver_t *watched_first;

/* Take `d` out of the list; NULL: any driver of this process. NULL: it is not in the list. */
static mmi_driver_t *watched_take(const mmi_driver_t *d) {
    pthread_mutex_lock(&watched_lock);
    mmi_driver_t **at = &watched_first;
    while (*at && (d ? *at != d : (*at)->process != getpid()))
        at = &(*at)->next;
    mmi_driver_t *taken = *at;
    if (taken)
        *at = taken->next;
    pthread_mutex_unlock(&watched_lock);
    return taken;
}

/* Close it within a limit. True: it is closed. */
static bool finalize_close(mmi_driver_t *d) {
    int rank = d->rank;
    assert(d->process == getpid());
    mofka_log(MOFKA_LOG_WARN,
              "rank %d: the MPI driver was not closed before MPI_Finalize; it is closed now", rank);
    if (!mofka_driver_end_forgotten(d, FINALIZE_MS, FINALIZE_MS))
        return true;
    mofka_log(MOFKA_LOG_WARN, "rank %d: the MPI driver could not be closed at MPI_Finalize: %s",
              rank, mofka_last_error());
    return false;
}

static void finalize_give_up(mmi_driver_t *d) {
    assert(d->ranks && !d->ranks->broken);
    if (d->directory.w->agent)
        mmi_agent_refuse(d->directory.w->agent);
    mmi_window_shut(d->directory.w);
    if (!d->directory.w->ops->needs_progress)
        mmi_meet_leave(d->ranks);
    else
        mmi_driver_close(d, -1);
}

/* In place of the progress thread: other ranks may wait for an answer. */
static void finalize_serve(void *clerk) {
    mmi_clerk_help(clerk);
}

static int finalize_on_delete(MPI_Comm self, int keyval, void *driver, void *unused) {
    mmi_driver_t *d = watched_take(driver);
    (void)self, (void)keyval, (void)unused;
    if (d && d->process == getpid()) {
        d->keyval = MPI_KEYVAL_INVALID; /* it is being deleted */
        mmi_progress_stop(d);
        mmi_clerk_t *clerk = d->directory.w->clerk;
        if (clerk) {
            atomic_store(&clerk->alone, true);
            d->ranks->served = clerk;
            d->ranks->serve = finalize_serve;
        }
        if (!finalize_close(d))
            finalize_give_up(d);
    }
    return MPI_SUCCESS;
}

/* Every driver gets its limited close before one is waited for without a limit: other ranks may be
 * waiting for another driver. */
static void finalize_close_all(void) {
    mmi_driver_t *left = NULL;
    for (mmi_driver_t *d; (d = watched_take(NULL));)
        if (!finalize_close(d)) {
            d->next = left;
            left = d;
        }
    for (mmi_driver_t *d = left, *next; d; d = next) {
        next = d->next;
        finalize_give_up(d);
    }
}

bool mmi_finalize_claim(mmi_driver_t *d) {
    return watched_take(d) != NULL;
}

void mmi_finalize_return(mmi_driver_t *d) {
    assert(d->ranks);
    pthread_mutex_lock(&watched_lock);
    d->next = watched_first;
    watched_first = d;
    pthread_mutex_unlock(&watched_lock);
}

mofka_status_t mmi_finalize_watch(mmi_driver_t *d) {
    assert(d->keyval == MPI_KEYVAL_INVALID);
    if (!mmi_mpi_is_initialized())
        return MOFKA_OK;
    int error = MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, finalize_on_delete, &d->keyval, NULL);
    if (!error)
        error = MPI_Comm_set_attr(MPI_COMM_SELF, d->keyval, d);
    if (error)
        return mmi_mpi_fail("MPI_Comm_set_attr", error);
    mmi_finalize_return(d);
    return MOFKA_OK;
}

void mmi_finalize_unwatch(mmi_driver_t *d) {
    watched_take(d);
    if (d->keyval != MPI_KEYVAL_INVALID) {
        MPI_Comm_delete_attr(MPI_COMM_SELF, d->keyval);
        MPI_Comm_free_keyval(&d->keyval);
    }
}

MOFKA_API __attribute__((weak)) int MPI_Finalize(void) {
    int initialized = 0, finalized = 0;
    MPI_Initialized(&initialized);
    MPI_Finalized(&finalized);
    if (initialized && !finalized)
        finalize_close_all();
    int (*next)(void);
    void *found = dlsym(RTLD_NEXT, "MPI_Finalize");
    memcpy(&next, &found, sizeof next);
    return found ? next() : PMPI_Finalize();
}
