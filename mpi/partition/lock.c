/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks in the window: one word each, taken and given back by exchange.
 *
 * Where CPUs write, the word names its holder, and is taken by compare-exchange: from 0, or from a
 * rank that is proven dead. By exchange, two ranks that try at the same time could both put their
 * names there, and one of them would not hold it. What is done with a lock can be done again from
 * each of its stores on; who takes a lock from the dead is told, and sets right what they left.
 *
 * Elsewhere nobody can prove a death. If a rank dies with a lock, the lock stays taken. Whoever
 * waits for it gives up at its deadline, with an error that names the lock.
 */
#include "mpi/alive/alive.h"
#include "mpi/partition/partition.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <mofka/log.h>

/* Tries before the first sleep: a lock is held for about a microsecond. */
#define LOCK_TRIES 16
#define UNLOCK_TRIES 3

static void lock_warn(const char *what, int rank, uint64_t word) {
    mofka_log(MOFKA_LOG_WARN,
              "the lock of %s at rank %d was damaged (0x%016" PRIx64 "), and is set right", what,
              rank, word);
}

int mmi_lock_holder(const mmi_window_t *w, uint64_t word) {
    uint64_t rank_1 = mmi_is_sealed(word) ? mmi_unseal(word) : 0;
    return rank_1 >= 1 && rank_1 <= (uint64_t)w->size ? (int)(rank_1 - 1) : -1;
}

/* Whether the lock is free, apart from one bit. No word of a holder has one bit only. */
static bool lock_is_free(uint64_t word) {
    return (word & (word - 1)) == 0;
}

/* Try once to take a lock that names its holder. `waited`: long enough to ask whether the holder is
 * dead. */
static bool lock_try(mmi_window_t *w, int rank, uint64_t offset, int taker, bool waited,
                     const char *what, uint64_t *word, bool *from_dead) {
    const uint64_t me = mmi_seal((uint64_t)taker + 1);
    *word = 0;
    if (w->ops->compare_exchange(w, rank, offset, word, me))
        return true;
    int holder = mmi_lock_holder(w, *word);
    bool dead = waited && holder >= 0 && mmi_alive_is_dead(w, holder);
    if ((!dead && !lock_is_free(*word)) || !w->ops->compare_exchange(w, rank, offset, word, me))
        return false;
    if (!dead)
        lock_warn(what, rank, *word);
    *from_dead |= dead;
    return true;
}

static mofka_status_t lock_fail(mmi_window_t *w, int rank, const char *what, uint64_t word) {
    char text[MMI_ALIVE_TEXT_BYTES];
    int holder = mmi_lock_holder(w, word);
    if (holder < 0)
        return mofka_fail(MOFKA_ERR_TIMEOUT, "the lock of %s at rank %d stays taken", what, rank);
    mmi_alive_describe(w, holder, text);
    return mofka_fail(MOFKA_ERR_TIMEOUT, "the lock of %s at rank %d stays taken, by %s", what, rank,
                      text);
}

mofka_status_t mmi_word_lock_for(mmi_window_t *w, int rank, uint64_t offset, int taker,
                                 int64_t deadline, const char *what, bool *from_dead) {
    uint64_t word;
    int tries = 0;
    assert(w->ops->compare_exchange && taker >= 0 && taker < w->size);
    *from_dead = false;
    for (int64_t us = 1;
         !lock_try(w, rank, offset, taker, tries > LOCK_TRIES, what, &word, from_dead); tries++) {
        if (mmi_now_ms() >= deadline || atomic_load(&w->shut))
            /* Who may not wait asks, too: an owner tries again and again for others. */
            return lock_try(w, rank, offset, taker, true, what, &word, from_dead)
                       ? MOFKA_OK
                       : lock_fail(w, rank, what, word);
        if (tries >= LOCK_TRIES)
            mmi_back_off(&us, 1000);
    }
    return MOFKA_OK;
}

mofka_status_t mmi_word_lock(mmi_window_t *w, int rank, uint64_t offset, int64_t deadline,
                             const char *what, bool *from_dead) {
    int tries = 0;
    assert(offset % 8 == 0 && rank >= 0 && rank < w->size);
    *from_dead = false;
    if (w->ops->compare_exchange)
        return mmi_word_lock_for(w, rank, offset, w->rank, deadline, what, from_dead);
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
            lock_warn(what, rank, before);
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
    if (w->ops->compare_exchange) {
        w->ops->store(w, rank, offset, 0);
        return;
    }
    while (w->ops->exchange(w, rank, offset, 0) == MMI_UNKNOWN && ++tries < UNLOCK_TRIES)
        ;
}

/* With the lock, which a rank died with. It may have stored the head's events, and not its units:
 * these count as too low until the next batch shows them. Or it was deciding the end. */
static mofka_status_t partition_repair(const mmi_partition_t *p) {
    uint64_t units;
    mofka_status_t status = mmi_sealed_load(p, MMI_CONTROL(head_units), "head_units", &units);
    if (!status)
        mmi_control_store(p, MMI_CONTROL(head_units), mmi_seal(units | MMI_HEAD_ROUGH));
    return status ? status : mmi_partition_complete_again(p);
}

mofka_status_t mmi_partition_lock(const mmi_partition_t *p, int64_t deadline) {
    bool from_dead;
    mofka_status_t status =
        mmi_word_lock(p->w, p->owner, p->base + MMI_CONTROL(lock), deadline, p->topic, &from_dead);
    if (status || !from_dead)
        return status;
    status = partition_repair(p);
    if (status)
        mmi_partition_unlock(p);
    return status;
}

void mmi_partition_describe_lock(const mmi_partition_t *p, char text[MMI_LOCK_TEXT_BYTES]) {
    uint64_t word = p->w->ops->compare_exchange ? mmi_control_load(p, MMI_CONTROL(lock)) : 0;
    int holder = mmi_lock_holder(p->w, word);
    if (holder >= 0)
        mmi_alive_describe(p->w, holder, text);
    else
        snprintf(text, MMI_LOCK_TEXT_BYTES, "the rank that took it");
}

void mmi_partition_unlock(const mmi_partition_t *p) {
    mmi_word_unlock(p->w, p->owner, p->base + MMI_CONTROL(lock));
}
