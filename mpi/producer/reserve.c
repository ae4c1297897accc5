/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reserving for a round of appends: by words, or by a message.
 *
 * By words, each append starts a fetch_add, and one flush completes them: one round trip, where the
 * network has atomics. Where an MPI emulates them with a lock of its own, it takes several: three
 * in Open MPI 4.1.4 over UCX, and more when ranks meet at the lock. There, the round asks the
 * owner's progress thread by one message, which adds to the words itself (clerk/ask.c).
 *
 * A rank that stops after it asked leaves what one leaves that stops after it reserved: a hole. So
 * the models of append hold for both.
 *
 * Both change the words by the same operation of MPI. So ranks may differ, and each finds out by
 * itself: it begins with words, and goes over to messages when reserving has mostly taken more than
 * twice as long as the flush of the batches behind it.
 */
#include "mpi/producer/producer.h"

/* How many more rounds than others were slow, when messages begin. */
#define SLOW_ROUNDS 4

void mmi_reserve_note(mmi_window_t *w, int owner, int64_t reserve_ns, int64_t flush_ns) {
    _Atomic int *slow = &w->slow_words[owner];
    int now = atomic_load(slow);
    if (w->reserve != MMI_RESERVE_AUTO || now >= SLOW_ROUNDS)
        return;
    atomic_store(slow, reserve_ns > 2 * flush_ns ? now + 1 : now > 0 ? now - 1 : 0);
}

bool mmi_reserve_asks(const mmi_window_t *w, int owner) {
    if (!w->clerk || owner == w->rank || w->reserve == MMI_RESERVE_ATOMIC)
        return false;
    return w->reserve == MMI_RESERVE_MESSAGE || atomic_load(&w->slow_words[owner]) >= SLOW_ROUNDS;
}
