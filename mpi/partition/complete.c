/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Completing a partition: its end is decided once, with the lock.
 *
 *   step                     written                a rank that dies after it leaves behind
 *   1 take the lock          lock                   the lock
 *   2 mark the reservation   reservation, add 1     the lock. Producers whose reservation is before
 *                                                   the mark are stored, the others are not.
 *                                                   Consumers get all events, and wait for the end
 *   3 store the end          complete               the lock
 *   4 give the lock back     lock                   nothing
 *
 * The word that the mark was added to says where the end is. So no batch has to wait for step 3.
 *
 * Where CPUs write, whoever takes the lock from the dead has to find that word again, and others
 * may have added to it since. So step 2 is two, until the second one succeeds:
 *
 *   2a store where the end   ending                 the lock
 *      would be
 *   2b mark, if nobody has   reservation, compare-  the lock. The next holder stores `ending` as
 *      reserved since        exchange               the end
 */
#include "mpi/partition/partition.h"

#include <assert.h>

/* With the lock, where CPUs write: mark the reservation, and find the place that it stood for. */
static mofka_status_t complete_mark_named(const mmi_partition_t *p, mmi_place_t head,
                                          mmi_tail_t *tail) {
    const uint64_t at = p->base + MMI_CONTROL(reservation);
    uint64_t word = mmi_near_load(p, at);
    mofka_status_t status;
    do {
        status = mmi_tail_unpack(p, word, head, tail);
        if (!status)
            mmi_control_store(p, MMI_CONTROL(ending), mmi_seal(tail->at.events + 1));
    } while (!status && !mmi_near_exchange(p, at, &word, word + MMI_RESERVATION_ENDED));
    return status;
}

/* With the lock: mark the reservation, once, and find the place that it stood for. */
static mofka_status_t complete_mark(const mmi_partition_t *p, mmi_tail_t *tail) {
    mmi_state_t state;
    mmi_assert_locked(p);
    mofka_status_t status = mmi_tail_load(p, &state, tail);
    if (!status && tail->ended) /* and no end was stored */
        status = mmi_word_damaged(p, "reservation", mmi_control_load(p, MMI_CONTROL(reservation)));
    if (status)
        return status;
    if (p->w->ops->compare_exchange)
        return complete_mark_named(p, state.head, tail);
    uint64_t old = p->w->ops->fetch_add(p->w, p->owner, p->base + MMI_CONTROL(reservation),
                                        MMI_RESERVATION_ENDED);
    status = mmi_window_check(p->w, p->owner);
    return status ? status : mmi_tail_unpack(p, old, state.head, tail);
}

mofka_status_t mmi_partition_complete_again(const mmi_partition_t *p) {
    uint64_t complete, ending;
    mmi_assert_locked(p);
    mofka_status_t status = mmi_sealed_load(p, MMI_CONTROL(complete), "complete", &complete);
    if (!status)
        status = mmi_sealed_load(p, MMI_CONTROL(ending), "ending", &ending);
    uint64_t word = mmi_control_load(p, MMI_CONTROL(reservation));
    if (status || complete != 0 || ending == 0 || (word & MMI_RESERVATION_ENDED) == 0)
        return status;
    mmi_control_store(p, MMI_CONTROL(complete), mmi_seal(ending));
    mmi_bell_ring_data(p);
    mmi_bell_ring_room_all(p);
    return MOFKA_OK;
}

mofka_status_t mmi_partition_complete(const mmi_partition_t *p, int64_t deadline) {
    mofka_status_t status = mmi_partition_lock(p, deadline);
    if (status)
        return status;
    uint64_t complete;
    mmi_tail_t tail;
    status = mmi_sealed_load(p, MMI_CONTROL(complete), "complete", &complete);
    if (!status && complete == 0) {
        status = complete_mark(p, &tail);
        if (!status)
            mmi_control_store(p, MMI_CONTROL(complete), mmi_seal(tail.at.events + 1));
    }
    mmi_partition_unlock(p);
    if (status)
        return status;
    mmi_bell_ring_data(p);
    mmi_bell_ring_room_all(p);
    return mmi_window_check(p->w, p->owner);
}
