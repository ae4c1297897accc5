/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MPI_Finalize with a driver that was forgotten: it is closed first.
 *
 * This library has an MPI_Finalize of its own, which closes the open drivers while all of MPI still
 * works, threads too, and then calls the next one. Where the program finds MPI's first (it loaded this
 * library later, or calls PMPI_Finalize) the attribute of MPI_COMM_SELF is left, which MPI deletes
 * before anything else. It is the lesser way: MPICH 4.0.2 stops locking before it deletes attributes, so
 * from there on this thread alone may call MPI; a thread that is inside then (the progress thread, a
 * pool's worker that waits for room) makes it crash.
 *
 * A driver is in the list from its creation until someone takes it out to close it; whose close timed out
 * puts it back. A rank that cannot end its producers in time, or that others keep waiting, logs it, lets
 * nobody into the window any more, waits until its workers have left it, and then
 *   shm   says that it frees nothing (mpi_close.c), and leaves; the memory may be gone with MPI;
 *   rma   waits for the other ranks, as MPI_Finalize would: the window must be freed, and until then they
 *         need its progress.
 */
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>
#include <mofka/backend.h>
#include <mofka/log.h>
#include "mpi/driver/driver.h"

/* For flushing the producers, and for the other ranks. */
#define FINALIZE_MS 5000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the list; a leaf */
static mmi_driver_t *drivers;

/* One of this process, or with `d` that one, taken out. NULL: it is not there (any more). */
static mmi_driver_t *take(const mmi_driver_t *d) {
    pthread_mutex_lock(&lock);
    mmi_driver_t **at = &drivers;
    while (*at && (d ? *at != d : (*at)->process != getpid()))
        at = &(*at)->next;
    mmi_driver_t *taken = *at;
    if (taken)
        *at = taken->next;
    pthread_mutex_unlock(&lock);
    return taken;
}

/* Give up after a while. True: it is closed. */
static bool end(mmi_driver_t *d) {
    int rank = d->rank;
    mofka_log(MOFKA_LOG_WARN,
              "rank %d: the MPI driver was not closed before MPI_Finalize; it is closed now", rank);
    if (!mofka_driver_end_forgotten(d, FINALIZE_MS, FINALIZE_MS))
        return true;
    mofka_log(MOFKA_LOG_WARN, "rank %d: the MPI driver could not be closed at MPI_Finalize: %s",
              rank, mofka_last_error());
    return false;
}

/* Who said that it frees the window (AGREEING) must. */
static void give_up(mmi_driver_t *d) {
    mmi_window_shut(d->directory.w);
    if (!d->directory.w->ops->needs_progress && d->closing < MMI_AGREEING)
        mmi_leave_behind(d);
    else
        mmi_close_driver(d, -1);
}

static int at_finalize(MPI_Comm self, int keyval, void *driver, void *unused) {
    mmi_driver_t *d = take(driver);
    (void)self, (void)keyval, (void)unused;
    if (d && d->process == getpid()) {
        d->keyval = MPI_KEYVAL_INVALID; /* it is being deleted */
        mmi_progress_stop(d);
        if (!end(d))
            give_up(d);
    }
    return MPI_SUCCESS;
}

/* All are ended before one waits without a limit: other ranks may wait for another one. */
static void end_all(void) {
    mmi_driver_t *left = NULL;
    for (mmi_driver_t *d; (d = take(NULL));)
        if (!end(d)) {
            d->next = left;
            left = d;
        }
    for (mmi_driver_t *d = left, *next; d; d = next) {
        next = d->next;
        give_up(d);
    }
}

bool mmi_finalize_take(mmi_driver_t *d) {
    return take(d) != NULL;
}

void mmi_finalize_put_back(mmi_driver_t *d) {
    pthread_mutex_lock(&lock);
    d->next = drivers;
    drivers = d;
    pthread_mutex_unlock(&lock);
}

mofka_status_t mmi_finalize_watch(mmi_driver_t *d) {
    int error = MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, at_finalize, &d->keyval, NULL);
    if (!error)
        error = MPI_Comm_set_attr(MPI_COMM_SELF, d->keyval, d);
    if (error)
        return mmi_mpi_fail("MPI_Comm_set_attr", error);
    mmi_finalize_put_back(d);
    return MOFKA_OK;
}

void mmi_finalize_unwatch(mmi_driver_t *d) {
    take(d);
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
        end_all();
    int (*next)(void);
    void *found = dlsym(RTLD_NEXT, "MPI_Finalize");
    memcpy(&next, &found, sizeof next);
    return found ? next() : PMPI_Finalize();
}
