/* SPDX-License-Identifier: BSD-3-Clause */
/* Doorbells: wake the consumers that wait for data, and the producers that wait for room. */
#include "mpi/partition/partition.h"

#include <assert.h>
#include <limits.h>

/* A bell's waiters are counted in the word behind it. */
#define WAITERS 8

/* Ring a bell if anybody waits at it. */
static void bell_wake(const mmi_partition_t *p, size_t bell, int sleepers) {
    assert(sleepers > 0);
    if (!p->w->ops->has_bells)
        return;
    /* The caller has stored what it publishes, and now reads the waiters. A waiter adds itself,
     * then reads what is published. All four are sequentially consistent, so one of the two sees
     * the other. */
    if (mmi_control_load(p, bell + WAITERS) > 0)
        p->w->ops->wake(p->w, p->owner, p->base + bell, sleepers);
}

void mmi_bell_ring_data(const mmi_partition_t *p) {
    assert(p->bells && p->bells->bells == p->bells);
    bell_wake(p->bells, MMI_CONTROL(data_bell), INT_MAX);
}

void mmi_bell_ring_room(const mmi_partition_t *p) {
    bell_wake(p, MMI_CONTROL(room_bell), 1);
}

void mmi_bell_ring_room_all(const mmi_partition_t *p) {
    bell_wake(p, MMI_CONTROL(room_bell), INT_MAX);
}

void mmi_bell_add_waiter(const mmi_partition_t *p, size_t bell, int64_t add) {
    assert(add == 1 || add == -1);
    assert(bell == MMI_CONTROL(room_bell) || (bell == MMI_CONTROL(data_bell) && p == p->bells));
    if (p->w->ops->has_bells)
        p->w->ops->fetch_add(p->w, p->owner, p->base + bell + WAITERS, (uint64_t)add);
}
