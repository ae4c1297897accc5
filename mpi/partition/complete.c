/* SPDX-License-Identifier: BSD-3-Clause */
/* Completing a partition: its end is decided once, with the lock. */
#include "mpi/partition/partition.h"

#include <assert.h>

mofka_status_t mmi_partition_complete(const mmi_partition_t *p, int64_t deadline) {
    mofka_status_t status = mmi_partition_lock(p, deadline);
    if (status)
        return status;
    mmi_state_t state;
    mmi_place_t tail;
    status = mmi_state_load(p, &state);
    if (!status && state.complete == 0) {
        mmi_assert_locked(p);
        /* First `closing`, then the tail: a producer that reserves later sees `closing`. */
        mmi_control_store(p, MMI_CONTROL(closing), mmi_seal(1));
        status = mmi_tail_load(p, &state, &tail);
        if (!status)
            mmi_control_store(p, MMI_CONTROL(complete), mmi_seal(tail.events + 1));
    }
    mmi_partition_unlock(p);
    if (status)
        return status;
    mmi_bell_ring_data(p);
    mmi_bell_ring_room_all(p);
    return mmi_window_check(p->w, p->owner);
}
