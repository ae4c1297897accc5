/*
 * The progress thread of an owner in an rma window: one-sided operations on its memory complete
 * only while it is inside MPI. It polls hot for a while after a reservation word of its arena
 * changed, then backs off, so an idle owner costs next to nothing.
 */
#include "mpi_driver.h"

#include <sched.h>
#include <string.h>
#include <sys/prctl.h>

#define HOT_MS 20
#define HOT_US 20
#define IDLE_US_MAX 1000

/* Sum of the reservation words: a hint of activity, read with plain atomics of this process only.
 */
static uint64_t activity(const mofka_mpi_driver_t *d) {
    const char *share = d->w->base[0];
    uint64_t at = mofka_mpi_arena_start(d, d->rank), sum = 0;
    uint64_t used =
        __atomic_load_n(&((const mofka_mpi_share_t *)(const void *)share)->used, __ATOMIC_RELAXED);
    uint64_t end = at + used;
    while (at < end) {
        const mofka_mpi_control_t *control =
            (const mofka_mpi_control_t *)(const void *)(share + at);
        uint64_t bytes = __atomic_load_n(&control->bytes, __ATOMIC_RELAXED);
        sum += __atomic_load_n(&control->reservation, __ATOMIC_RELAXED);
        if (bytes == 0)
            break; /* carved, not formatted yet */
        at += bytes;
    }
    return sum + used;
}

static void *progress_main(void *argument) {
    mofka_mpi_driver_t *d = argument;
    uint64_t seen = 0;
    int64_t hot_until = 0, us = HOT_US;
    prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
    while (!atomic_load_explicit(&d->stop_progress, memory_order_relaxed)) {
        int flag;
        MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, d->comm, &flag, MPI_STATUS_IGNORE);
        uint64_t now = activity(d);
        if (now != seen) {
            seen = now;
            hot_until = mofka_mpi_now_ms() + HOT_MS;
            us = HOT_US;
        }
        mofka_mpi_back_off(&us, mofka_mpi_now_ms() < hot_until ? HOT_US : IDLE_US_MAX);
    }
    return NULL;
}

mofka_status_t mofka_mpi_progress_start(mofka_mpi_driver_t *d) {
    int error = pthread_create(&d->progress_thread, NULL, progress_main, d);
    if (error)
        return mofka_fail(MOFKA_ERR_SYSTEM, "starting the progress thread: %s", strerror(error));
    d->progress = true;
    return MOFKA_OK;
}

void mofka_mpi_progress_stop(mofka_mpi_driver_t *d) {
    if (!d->progress)
        return;
    atomic_store(&d->stop_progress, 1);
    pthread_join(d->progress_thread, NULL);
    d->progress = false;
}
