/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Words of a rank's share that many ranks change: who they are changed by, in each window.
 *
 *   window               ranks of the word's node     other ranks
 *   shm, heap            by processor
 *   rma                  by MPI                       by MPI
 *   node                 by processor                 ask the rank, whose progress thread does it
 */
#include "mpi/errand/errand.h"

#include <string.h>

/* What a far rank's lock is called in messages: it cannot send a text. */
#define LOCK_TEXT "the directory"

static bool words_are_far(const mmi_window_t *w, int rank) {
    assert(!w->near ||
           w->clerk); /* in a node window all owners, and rank 0, run progress threads */
    return w->near && !w->near->base[rank];
}

static mofka_status_t words_send(mmi_window_t *w, int rank, mmi_word_errand_t errand,
                                 int64_t deadline, uint64_t results[MMI_RESULT_WORDS]) {
    uint64_t words[sizeof errand / 8];
    memcpy(words, &errand, sizeof words);
    return mmi_clerk_request(w->clerk, rank, words, sizeof words / sizeof words[0], deadline,
                             results);
}

mofka_status_t mmi_errand_add(mmi_window_t *w, int rank, uint64_t offset, uint64_t add,
                              uint64_t *old) {
    uint64_t results[MMI_RESULT_WORDS] = {0};
    if (words_are_far(w, rank)) {
        const mmi_word_errand_t errand = {MMI_ERRAND_ADD, offset, add};
        mofka_status_t status =
            words_send(w, rank, errand, mmi_deadline(MMI_LOCK_TIMEOUT_MS), results);
        *old = results[0];
        return status;
    }
    w = mmi_window_by_node(w, rank);
    *old = w->ops->fetch_add(w, rank, offset, add);
    return mmi_window_check(w, rank);
}

mofka_status_t mmi_errand_lock(mmi_window_t *w, int rank, uint64_t offset, int64_t deadline,
                               const char *what, bool *from_dead) {
    uint64_t results[MMI_RESULT_WORDS] = {0};
    if (!words_are_far(w, rank))
        return mmi_word_lock(mmi_window_by_node(w, rank), rank, offset, deadline, what, from_dead);
    const mmi_word_errand_t errand = {MMI_ERRAND_LOCK, offset, (uint64_t)w->rank};
    mofka_status_t status = words_send(w, rank, errand, deadline, results);
    *from_dead = !status && results[0] != 0;
    return status;
}

/* What was put with the lock is complete before the rank is asked. */
void mmi_errand_unlock(mmi_window_t *w, int rank, uint64_t offset) {
    uint64_t none[MMI_RESULT_WORDS];
    const mmi_word_errand_t errand = {MMI_ERRAND_UNLOCK, offset, 0};
    if (!words_are_far(w, rank)) {
        mmi_word_unlock(mmi_window_by_node(w, rank), rank, offset);
        return;
    }
    w->ops->flush(w, rank);
    (void)words_send(w, rank, errand, mmi_deadline(MMI_LOCK_TIMEOUT_MS), none);
}

/* ---- the owner ------------------------------------------------------------------------------- */

bool mmi_errand_is_of_words(const uint64_t *words, size_t count) {
    return count == sizeof(mmi_word_errand_t) / 8 && words[0] >= MMI_ERRAND_ADD &&
           words[0] <= MMI_ERRAND_UNLOCK;
}

mofka_status_t mmi_errand_serve_words(mmi_window_t *w, uint64_t share_bytes, const uint64_t *words,
                                      uint64_t results[MMI_RESULT_WORDS]) {
    mmi_window_t *near = w->near;
    mmi_word_errand_t errand;
    mofka_status_t status = MOFKA_OK;
    bool from_dead = false;
    memcpy(&errand, words, sizeof errand);
    if (errand.offset % 8 != 0 || errand.offset > share_bytes - 8 ||
        (errand.kind == MMI_ERRAND_LOCK && errand.number >= (uint64_t)w->size))
        return mofka_fail(MOFKA_ERR_CORRUPT, "a request of another rank is damaged");
    mmi_window_sync(near);
    if (errand.kind == MMI_ERRAND_ADD)
        results[0] = near->ops->fetch_add(near, w->rank, errand.offset, errand.number);
    else if (errand.kind == MMI_ERRAND_LOCK)
        status = mmi_word_lock_for(near, w->rank, errand.offset, (int)errand.number, mmi_now_ms(),
                                   LOCK_TEXT, &from_dead);
    else
        mmi_word_unlock(near, w->rank, errand.offset);
    if (errand.kind == MMI_ERRAND_LOCK)
        results[0] = from_dead;
    return status;
}
