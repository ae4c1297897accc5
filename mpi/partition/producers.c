/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts the producers of a topic that have finished.
 *
 * Where CPUs write, each rank has a word of its own, in its row, which holds how many producers it
 * has made, and how many of them have finished, twice: a changed bit is seen. The number for the
 * topic is their sum, so nobody has to add for a rank that died: whoever looks takes all that it
 * has made for finished. A rank that dies between any two of its steps is so counted once, and a
 * rank that is only stopped is not.
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

/* What a rank's word counts. */
typedef struct producers_word {
    uint64_t made, finished;
} producers_word_t;

static mofka_status_t producers_unpack(const mmi_partition_t *p, int rank, uint64_t word,
                                       producers_word_t *out) {
    *out = (producers_word_t){word >> 48, (uint16_t)word};
    bool right = word >> 32 == (uint32_t)word && out->finished <= out->made;
    return right ? MOFKA_OK : producers_damaged(p, rank, word);
}

/* Those of a rank that count. Its word is final if it is read after the proof. */
static mofka_status_t producers_of_rank(const mmi_partition_t *p, int rank, uint64_t *count) {
    const uint64_t at = producers_place(p, rank);
    producers_word_t word;
    mofka_status_t status = producers_unpack(p, rank, mmi_near_load(p, at), &word);
    *count = word.finished;
    if (status || word.made == word.finished || !mmi_alive_is_dead(p->w, rank))
        return status;
    status = producers_unpack(p, rank, mmi_near_load(p, at), &word);
    *count = word.made;
    return status;
}

static mofka_status_t producers_add(const mmi_partition_t *p, int rank, uint64_t add) {
    const uint64_t at = producers_place(p, rank);
    uint64_t before = mmi_near_load(p, at);
    producers_word_t word;
    do {
        mofka_status_t status = producers_unpack(p, rank, before, &word);
        if (status)
            return status;
        if (add == MMI_PRODUCER_MADE && word.made == MMI_RANK_PRODUCERS_MAX)
            return mofka_fail(MOFKA_ERR_FULL,
                              "rank %d has made %d producers of topic '%s', which counts them: it "
                              "cannot make more",
                              rank, MMI_RANK_PRODUCERS_MAX, p->topic);
    } while (!mmi_near_exchange(p, at, &before, before + add));
    return MOFKA_OK;
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
        status = producers_add(p, rank, add);
    *total = 0;
    for (int i = 0; i < p->w->size && !status; i++) {
        uint64_t count = 0;
        status = producers_of_rank(p, i, &count);
        *total += count;
    }
    return status;
}
