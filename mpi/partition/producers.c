/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts the producers of a topic that have finished.
 *
 * Where CPUs write, each rank has a word of its own, in its row, which holds how many producers it
 * has made, and how many of them have finished. The number for the topic is their sum, so nobody
 * has to add for a rank that died: whoever looks takes all that it has made for finished. A rank
 * that dies between any two of its steps is so counted once, and a rank that is only stopped is
 * not.
 *
 * Elsewhere nobody can prove a death, and there is one counter for all.
 */
#include "mpi/alive/alive.h"
#include "mpi/partition/partition.h"

#include <inttypes.h>

static uint64_t producers_place(const mmi_partition_t *p, int rank) {
    return p->rows + (uint64_t)rank * sizeof(mmi_row_t) + offsetof(mmi_row_entry_t, producers);
}

static mofka_status_t producers_damaged(const mmi_partition_t *p, int rank, uint64_t word) {
    return mofka_fail(MOFKA_ERR_CORRUPT,
                      "topic '%s': the count of the producers of rank %d is damaged "
                      "(0x%016" PRIx64 ")",
                      p->topic, rank, word);
}

/* Those of a rank that count. Its word is final if it is read after the proof. */
static mofka_status_t producers_of_rank(const mmi_partition_t *p, int rank, uint64_t *count) {
    uint64_t word = mmi_near_load(p, producers_place(p, rank));
    uint64_t made = word >> 32, finished = (uint32_t)word;
    if (made > finished && mmi_alive_is_dead(p->w, rank))
        finished = made = mmi_near_load(p, producers_place(p, rank)) >> 32;
    *count = finished;
    return finished > made ? producers_damaged(p, rank, word) : MOFKA_OK;
}

/* Add to the counter of all. */
static mofka_status_t producers_count_all(const mmi_partition_t *p, uint64_t add, uint64_t *total) {
    const uint64_t at = p->base + MMI_CONTROL(finished);
    bool counts = add == MMI_PRODUCER_FINISHED;
    uint64_t word = counts ? p->w->ops->fetch_add(p->w, p->owner, at, MMI_COUNT_ONE) : 0;
    mofka_status_t status = mmi_window_check(p->w, p->owner);
    if (!status && word >> 32 != (uint32_t)word)
        status = mmi_word_damaged(p, "finished", word);
    *total = counts ? (uint32_t)word + UINT64_C(1) : 0;
    return status;
}

mofka_status_t mmi_producers_count(const mmi_partition_t *p, int rank, uint64_t add,
                                   uint64_t *total) {
    assert(!mmi_partition_is_far(p) && rank >= 0 && rank < p->w->size);
    if (p->rows == 0 || !p->w->ops->has_addresses)
        return producers_count_all(p, add, total);
    uint64_t finished = mmi_control_load(p, MMI_CONTROL(finished));
    mofka_status_t status = finished ? mmi_word_damaged(p, "finished", finished) : MOFKA_OK;
    if (add != 0 && !status)
        p->w->ops->fetch_add(p->w, p->owner, producers_place(p, rank), add);
    *total = 0;
    for (int i = 0; i < p->w->size && !status; i++) {
        uint64_t count = 0;
        status = producers_of_rank(p, i, &count);
        *total += count;
    }
    return status;
}
