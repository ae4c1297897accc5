/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Committing a batch: the flag that publishes it, and the bells.
 * Path: push 7/7. Before: mpi/producer/append.c. After: its readers, mpi/consumer/read_run.c.
 */
#include "mpi/producer/producer.h"

mofka_status_t mmi_commit_refuse(const mmi_partition_t *p) {
    return mofka_fail(MOFKA_ERR_COMPLETE, "topic '%s' is complete", p->topic);
}

/* The flags of a group take one round trip together. */
static void commit_put_flags(const mmi_partition_t *p, mmi_sender_t *sender,
                             const mmi_group_t *group) {
    for (size_t i = 0; i < group->count; i++) {
        uint64_t id = mmi_batch_place(group->batches[i]).events, *flag = &sender->marks[i].flag;
        *flag = mmi_flag_value(p, id, group->batches[i]->event_count);
        p->w->ops->put_word(p->w, p->owner, mmi_flag_offset(p, id), flag);
    }
    (void)p->w->ops->flush(p->w, p->owner); /* an error is the window's */
}

mofka_status_t mmi_commit_publish(const mmi_partition_t *p, mmi_sender_t *sender,
                                  const mmi_group_t *group) {
    commit_put_flags(p, sender, group);
    mmi_bell_ring_data(p);
    if (p->retention ==
        MMI_DISCARD_OLDEST) /* a producer that waits for room may discard this batch */
        mmi_bell_ring_room(p);
    return mmi_window_check(p->w, p->owner);
}
