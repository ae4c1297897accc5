/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Committing a batch: the check against the topic's end, the flag that publishes it, the bells.
 * Path: push 7/7. Before: mpi/producer/append.c. After: its readers, mpi/consumer/read_run.c.
 */
#include "mpi/producer/producer.h"

mofka_status_t mmi_commit_refuse(const mmi_partition_t *p) {
    return mofka_fail(MOFKA_ERR_COMPLETE, "topic '%s' is complete", p->topic);
}

mofka_status_t mmi_commit_check(const mmi_partition_t *p, mmi_state_t state, uint64_t first_id,
                                mmi_due_t *due) {
    mofka_status_t status = mmi_window_check(p->w, p->owner);
    for (int64_t us = 10; !status && state.closing; status = mmi_state_load(p, &state)) {
        status = mmi_window_check(p->w, p->owner);
        if (status)
            return status;
        if (state.complete)
            return first_id >= state.complete - 1 ? mmi_commit_refuse(p) : MOFKA_OK;
        if (mmi_due_is_over(p, due, mmi_now_ms()))
            return MOFKA_ERR_TIMEOUT;
        mmi_back_off(&us, 1000);
    }
    return status ? status : mmi_window_check(p->w, p->owner);
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
