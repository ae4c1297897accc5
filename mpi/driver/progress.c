/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The progress thread of a rank with an rma window.
 *
 * One-sided operations on a rank's memory complete only while that rank is inside MPI. A rank that
 * puts or gets adds to the owner's activity word. While that word changes, the thread polls MPI and
 * yields; then, for a while, it polls with short sleeps. Idle, it backs off until it costs next to
 * nothing.
 *
 * Consumers of the rank's own partitions sleep on that word (consumer/wait.c): the thread wakes
 * them. What they then wait for may come a moment later; so they also look again by themselves.
 *
 * The word is MPI's: the thread only loads it. A stale or torn value costs a poll at the wrong
 * pace, no more.
 *
 * MPICH has one lock, which a thread that polls takes again before one that waits for it. So while
 * another thread of this process is inside MPICH, which drives MPI too, the thread polls with
 * sleeps.
 */
#include "base/thread.h"
#include "mpi/clerk/clerk.h"
#include "mpi/driver/driver.h"

#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>

/* Yield for so long after the last activity: as long as answering it takes. */
#define YIELD_NS 200000
/* Polls before each yield: a large put comes in many pieces. */
#define YIELD_POLLS 8
/* After the last activity, short sleeps until then. */
#define HOT_NS 20000000
#define HOT_US 20
#define IDLE_US_MAX 1000

static uint64_t progress_activity(const mmi_driver_t *d) {
    const mmi_share_t *share = (const mmi_share_t *)(const void *)d->directory.w->base[0];
    return __atomic_load_n(&share->activity, __ATOMIC_RELAXED);
}

/* Another thread is inside MPI, and drives it. In Open MPI it drives what is its own. */
static bool progress_is_shared(const mmi_driver_t *d) {
#ifdef OPEN_MPI
    (void)d;
    return false;
#else
    return atomic_load_explicit(&d->directory.w->inside, memory_order_relaxed) > 0;
#endif
}

/* Testing a request that is not complete drives all of MPI. MPI_Iprobe does not: Open MPI 4.1.4
 * over UCX drives one-sided operations in one call of it in 100. True: a rank asked something. */
static bool progress_poll(mmi_driver_t *d, int times) {
    bool served = false;
    do
        served |= mmi_clerk_serve(d->directory.w->clerk);
    while (--times > 0 && !progress_is_shared(d));
    return served;
}

static void *progress_main(void *argument) {
    mmi_driver_t *d = argument;
    mmi_window_t *w = d->directory.w;
    uint64_t seen = 0, rings_seen = 0;
    int64_t last_ns = 0, us = HOT_US;
    bool hot = false;
    prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
    mfi_thread_take_short_turns();
    while (!atomic_load_explicit(&d->stop_progress, memory_order_relaxed)) {
        bool served = progress_poll(d, hot ? YIELD_POLLS : 1);
        mmi_clerk_ring(w->clerk);
        uint64_t activity = progress_activity(d), rings = atomic_load(&w->clerk->rings);
        int64_t now_ns = mmi_now_ns();
        if (activity != seen)
            w->ops->wake(w, w->rank, offsetof(mmi_share_t, activity), INT_MAX);
        if (served || activity != seen || rings != rings_seen) {
            seen = activity;
            rings_seen = rings;
            last_ns = now_ns;
            us = HOT_US;
        }
        hot = now_ns - last_ns < HOT_NS;
        if (now_ns - last_ns < YIELD_NS && !progress_is_shared(d))
            sched_yield();
        else
            mmi_back_off(&us, hot ? HOT_US : IDLE_US_MAX);
    }
    return NULL;
}

/* Of all drivers of this process. */
static _Atomic int progress_threads;

bool mmi_progress_runs(void) {
    return atomic_load(&progress_threads) > 0;
}

mofka_status_t mmi_progress_start(mmi_driver_t *d) {
    assert(!d->has_progress && !d->stop_progress);
    mofka_status_t status = mmi_clerk_open(d->directory.w->clerk);
    if (status)
        return status;
    int error = mfi_thread_start(&d->progress_thread, progress_main, d);
    if (error)
        return mofka_fail(MOFKA_ERR_SYSTEM, "starting the progress thread: %s", strerror(error));
    d->has_progress = true;
    atomic_fetch_add(&progress_threads, 1);
    return MOFKA_OK;
}

void mmi_progress_stop(mmi_driver_t *d) {
    if (!d->has_progress)
        return;
    atomic_store(&d->stop_progress, true);
    pthread_join(d->progress_thread, NULL);
    d->has_progress = false;
    atomic_fetch_sub(&progress_threads, 1);
}
