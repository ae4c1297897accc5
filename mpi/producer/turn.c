/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When a batch may be reserved without room, and how far reservations may go beyond the head.
 *
 * A batch that needs much room may never see it: small batches of others take what becomes free. So
 * a batch that has waited for TURN_MS, while room became free for others (the head has moved), is
 * reserved without room. From then on it has its turn: what is reserved later waits behind it. If
 * no room becomes free, reserving would help nobody: the batch stays unreserved, so that it can
 * still be discarded.
 *
 * A reservation carries the low 31 bits of its units. So the tail must stay less than 2^31 units
 * ahead of a head that was read up to a second ago, however many ranks reserve at the same time:
 *
 *   at most 2^30 units   from the head to the tail, when a batch is reserved without room, or when
 *                        a large one is reserved; the partition itself has at most that many, too
 *   at most 2^29 units   small batches that ranks reserve at the same time: each has at most its
 *                        rank's share of them (small_max of the partition)
 *
 * Large batches, of more than that share, are reserved under the partition's lock, one at a time.
 * Events are bounded in the same way.
 */
#include <assert.h>
#include "mpi/producer/producer.h"

#define TURN_MS 200
#define OUTSTANDING_MAX (UINT64_C(1) << 30)
/* How long reserving a large batch waits for the partition's lock. */
#define LOCK_WAIT_MS 100

/* Whether a log that ends at `end` stays within what reservations can say. */
static bool turn_is_in_reach(mmi_place_t head, mmi_place_t end) {
    assert(end.events >= head.events && end.units >= head.units);
    return end.events - head.events <= OUTSTANDING_MAX && end.units - head.units <= OUTSTANDING_MAX;
}

void mmi_turn_note_wait(const mmi_partition_t *p, mofka_batch_t *batch, int64_t now_ms) {
    mmi_state_t state;
    assert(now_ms > 0);
    if (batch->scratch[MMI_SCRATCH_FULL_MS] != 0 || mmi_state_load(p, &state))
        return;
    batch->scratch[MMI_SCRATCH_FULL_MS] = (uint64_t)now_ms;
    batch->scratch[MMI_SCRATCH_FULL_HEAD] = state.head.events;
}

bool mmi_turn_has_come(const mmi_partition_t *p, const mofka_batch_t *batch) {
    mmi_state_t state;
    mmi_tail_t tail;
    uint64_t since = batch->scratch[MMI_SCRATCH_FULL_MS];
    /* Where one thread only may call, nobody drives it on before the caller's next call. */
    if (batch->reserved || p->w->one_thread || since == 0 ||
        mmi_now_ms() - (int64_t)since < TURN_MS || mmi_tail_load(p, &state, &tail))
        return false;
    return state.head.events > batch->scratch[MMI_SCRATCH_FULL_HEAD] &&
           turn_is_in_reach(state.head, mmi_batch_end(batch, tail.at));
}

mofka_status_t mmi_turn_lock(const mmi_partition_t *p, const mofka_batch_t *batch, mmi_due_t *due) {
    mmi_state_t state;
    mmi_tail_t tail;
    int64_t most = mmi_now_ms() + LOCK_WAIT_MS, deadline = mmi_due_deadline(due);
    mofka_status_t status = mmi_partition_lock(p, deadline < most ? deadline : most);
    due->lock_taken = status == MOFKA_ERR_TIMEOUT;
    if (status)
        return status;
    status = mmi_tail_load(p, &state, &tail);
    if (!status && !turn_is_in_reach(state.head, mmi_batch_end(batch, tail.at)))
        status = MOFKA_ERR_TIMEOUT;
    if (status)
        mmi_partition_unlock(p);
    return status;
}
