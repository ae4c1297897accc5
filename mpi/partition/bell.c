/* SPDX-License-Identifier: BSD-3-Clause */
/* Doorbells: wake the consumers that wait for data, and the producers that wait for room. */
#include "mpi/partition/partition.h"

#include <limits.h>

static void bell_wake(const mmi_partition_t *p, size_t bell, int sleepers) {
    if (!p->w->ops->has_bells)
        return;
    /* The caller has stored what it publishes, and now reads the waiters. A waiter adds itself, then
     * reads what is published. All four are sequentially consistent, so one of the two sees the
     * other. */
    if (mmi_load(p, bell + 8) > 0)
        p->w->ops->ring(p->w, p->owner, p->base + bell, sleepers);
}

void mmi_ring_data(const mmi_partition_t *p) {
    bell_wake(p->bells, MMI_CONTROL(data_bell), INT_MAX);
}

void mmi_ring_room(const mmi_partition_t *p) {
    bell_wake(p, MMI_CONTROL(room_bell), 1);
}

void mmi_ring_room_all(const mmi_partition_t *p) {
    bell_wake(p, MMI_CONTROL(room_bell), INT_MAX);
}

void mmi_bell_waiters(const mmi_partition_t *p, size_t bell, int64_t add) {
    if (p->w->ops->has_bells)
        p->w->ops->fetch_add(p->w, p->owner, p->base + bell + 8, (uint64_t)add);
}
