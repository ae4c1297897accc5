/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks in the window: one word each, taken and given back by exchange.
 *
 * If a rank dies with a lock, the lock stays taken. Whoever waits for it gives up at its deadline,
 * with an error that names the lock.
 */
#include "mpi/partition/partition.h"

#include <assert.h>
#include <inttypes.h>
#include <mofka/log.h>

/* Tries before the first sleep: a lock is held for about a microsecond. */
#define LOCK_TRIES 16
#define UNLOCK_TRIES 3

mofka_status_t mmi_word_lock(mmi_window_t *w, int rank, uint64_t offset, int64_t deadline,
                             const char *what) {
    int tries = 0;
    assert(offset % 8 == 0 && rank >= 0 && rank < w->size);
    for (int64_t us = 1;; tries++) {
        /* A rank whose window is at fault must not try: it could not give the lock back. */
        mofka_status_t status = mmi_window_check(w, rank);
        if (status)
            return status;
        uint64_t before = w->ops->exchange(w, rank, offset, 1);
        status = mmi_window_check(w, rank);
        if (status) { /* what is not known to be this rank's stays: it may be another one's */
            if (before == 0)
                w->ops->exchange(w, rank, offset, 0);
            return status;
        }
        if (before > 1)
            mofka_log(MOFKA_LOG_WARN,
                      "the lock of %s at rank %d was damaged (0x%016" PRIx64 "), and is set right",
                      what, rank, before);
        if ((before & 1) == 0)
            return MOFKA_OK;
        if (mmi_now_ms() >= deadline || atomic_load(&w->shut))
            return mofka_fail(MOFKA_ERR_TIMEOUT, "the lock of %s at rank %d stays taken", what,
                              rank);
        if (tries >= LOCK_TRIES)
            mmi_back_off(&us, 1000);
    }
}

/* After an error it is tried again: nobody else can give the lock back. */
void mmi_word_unlock(mmi_window_t *w, int rank, uint64_t offset) {
    int tries = 0;
    w->ops->flush(w, rank);
    while (w->ops->exchange(w, rank, offset, 0) == MMI_UNKNOWN && ++tries < UNLOCK_TRIES)
        ;
}

mofka_status_t mmi_partition_lock(const mmi_partition_t *p, int64_t deadline) {
    return mmi_word_lock(p->w, p->owner, p->base + MMI_CONTROL(lock), deadline, p->topic);
}

void mmi_partition_unlock(const mmi_partition_t *p) {
    mmi_word_unlock(p->w, p->owner, p->base + MMI_CONTROL(lock));
}
