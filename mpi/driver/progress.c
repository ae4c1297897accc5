/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The progress thread of an owner in an rma window: one-sided operations on its memory complete
 * only while it is inside MPI. Whoever puts or gets adds to the rank's activity word. While that
 * moves, the thread polls a few times and yields, then for a while with short sleeps; idle, it backs
 * off until it costs next to nothing.
 *
 * The word is MPI's; the thread only looks at it with a load of its own, and a stale or torn value
 * costs a poll at the wrong pace, no more.
 */
#include "mpi/driver/driver.h"

#include <sched.h>
#include <string.h>
#include <sys/prctl.h>

#define YIELD_NS 200000 /* since the last activity: as long as it takes to answer it */
#define YIELD_POLLS 8   /* before each yield: a large put comes in many pieces */
#define HOT_NS 20000000 /* short sleeps until then */
#define HOT_US 20
#define IDLE_US_MAX 1000

static uint64_t activity(const mmi_driver_t *d) {
    const mmi_share_t *share = (const mmi_share_t *)(const void *)d->directory.w->base[0];
    return __atomic_load_n(&share->activity, __ATOMIC_RELAXED);
}

static void poll_mpi(const mmi_driver_t *d, int times) {
    int flag;
    for (int i = 0; i < times; i++)
        MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, d->comm, &flag, MPI_STATUS_IGNORE);
}

static void *progress_main(void *argument) {
    mmi_driver_t *d = argument;
    uint64_t seen = 0;
    int64_t last = 0, us = HOT_US;
    bool busy = false;
    prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
    while (!atomic_load_explicit(&d->stop_progress, memory_order_relaxed)) {
        poll_mpi(d, busy ? YIELD_POLLS : 1);
        uint64_t word = activity(d);
        int64_t now = mmi_now_ns();
        if (word != seen) {
            seen = word;
            last = now;
            us = HOT_US;
        }
        busy = now - last < YIELD_NS;
        if (busy)
            sched_yield();
        else
            mmi_back_off(&us, now - last < HOT_NS ? HOT_US : IDLE_US_MAX);
    }
    return NULL;
}

mofka_status_t mmi_progress_start(mmi_driver_t *d) {
    int error = pthread_create(&d->progress_thread, NULL, progress_main, d);
    if (error)
        return mofka_fail(MOFKA_ERR_SYSTEM, "starting the progress thread: %s", strerror(error));
    d->progress = true;
    return MOFKA_OK;
}

void mmi_progress_stop(mmi_driver_t *d) {
    if (!d->progress)
        return;
    atomic_store(&d->stop_progress, 1);
    pthread_join(d->progress_thread, NULL);
    d->progress = false;
}
