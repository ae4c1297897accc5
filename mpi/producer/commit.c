/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Committing a batch: the flag that publishes it, and the bells.
 * Path: push 7/7. Before: mpi/producer/append.c. After: its readers, mpi/consumer/run/read_run.c.
 */
#include <inttypes.h>
#include "mpi/producer/producer.h"
#include "mpi/storage/storage.h"

/* How long a refused append waits for the partition's lock. */
#define LOCK_WAIT_MS 100

/* The reservation has an end. The partition has one, too, but for a moment, under the lock, while
 * it is decided; else the reservation is damaged. */
mofka_status_t mmi_commit_refuse(const mmi_partition_t *p) {
    mmi_state_t state = {0};
    mofka_status_t status = mmi_state_load(p, &state);
    if (!status && !state.complete && !mmi_partition_lock(p, mmi_deadline(LOCK_WAIT_MS))) {
        status = mmi_state_load(p, &state);
        mmi_partition_unlock(p);
        if (!status && !state.complete)
            return mmi_word_damaged(p, "reservation",
                                    mmi_control_load(p, MMI_CONTROL(reservation)));
    }
    return status ? status : mofka_fail(MOFKA_ERR_COMPLETE, "topic '%s' is complete", p->topic);
}

void mmi_commit_put_flag(const mmi_partition_t *p, const mofka_batch_t *batch, bool settled,
                         uint64_t *flag) {
    uint64_t id = mmi_batch_place(batch).events;
    *flag = mmi_flag_value(p, id, batch->event_count, settled);
    p->w->ops->put_word(p->w, p->owner, mmi_flag_offset(p, id), flag);
}

/* The flags of a group take one round trip together. */
static void commit_put_flags(const mmi_partition_t *p, mmi_sender_t *sender,
                             const mmi_group_t *group) {
    for (size_t i = 0; i < group->count; i++)
        mmi_commit_put_flag(p, group->batches[i], true, &sender->marks[i].flag);
    mmi_window_nudge(p->w, p->owner);
}

/* The group and its flags were flushed. Nobody waits for what settles the flags: the next flush of
 * this rank completes it. */
static void commit_settle_flags(const mmi_partition_t *p, mmi_sender_t *sender,
                                const mmi_group_t *group) {
    for (size_t i = 0; i < group->count; i++)
        mmi_commit_put_flag(p, group->batches[i], true, &sender->settled[i]);
    sender->unsettled = true;
    atomic_store(&p->w->unflushed[p->owner], true);
    atomic_store(&p->w->left_puts, true);
}

bool mmi_commit_start(const mmi_partition_t *p, mmi_sender_t *sender, const mmi_group_t *group) {
    bool early = mmi_group_is_early(p, sender, group);
    if (early)
        commit_settle_flags(p, sender, group);
    else
        commit_put_flags(p, sender, group);
    return early;
}

void mmi_commit_ring(const mmi_partition_t *p) {
    mmi_bell_ring_data(p);
    if (p->w->clerk && p->owner == p->w->rank) /* else its progress thread sees what was put */
        mmi_clerk_ring(p->w->clerk);
    if (p->retention == MMI_RETAIN_ACKNOWLEDGED)
        return;
    if (p->retention == MMI_RETAIN_STORED)
        mmi_storage_ring(p);
    else /* a producer that waits for room may discard this batch */
        mmi_bell_ring_room(p);
}

/* The batch's place is void, or its flag is damaged so that it may be. It is appended anew: nobody
 * will ever read it here. */
static mofka_status_t commit_refuse_void(const mmi_partition_t *p, mmi_sender_t *sender,
                                         mofka_batch_t *batch) {
    batch->reserved = false;
    mmi_row_empty(p, &sender->hold);
    return mofka_fail(MOFKA_ERR_TIMEOUT,
                      "topic '%s', partition %zu: event %" PRIu64
                      " was made void before it was stored",
                      p->topic, p->index, mmi_batch_place(batch).events);
}

bool mmi_commit_exchange_flag(const mmi_partition_t *p, uint64_t id, uint64_t count) {
    uint64_t at = mmi_flag_offset(p, id);
    uint64_t flag = mmi_flag_value(p, id, count, true), before = mmi_near_load(p, at);
    do
        if (mmi_flag_is_of_lap(before, flag) && mmi_flag_kind(p, id, before) == MMI_FLAG_VOID)
            return false;
    while (!mmi_near_exchange(p, at, &before, flag));
    return true;
}

mofka_status_t mmi_commit_publish_near(const mmi_partition_t *p, mmi_sender_t *sender,
                                       mofka_batch_t *batch) {
    if (!mmi_commit_exchange_flag(p, mmi_batch_place(batch).events, batch->event_count))
        return commit_refuse_void(p, sender, batch);
    mmi_row_empty(p, &sender->hold);
    mmi_commit_ring(p);
    return MOFKA_OK;
}

mofka_status_t mmi_commit_publish(const mmi_partition_t *p, mmi_sender_t *sender,
                                  const mmi_group_t *group) {
    if (p->w->ops->compare_exchange) {
        assert(group->count == 1);
        return mmi_commit_publish_near(p, sender, group->batches[0]);
    }
    if (!mmi_commit_start(p, sender, group))
        (void)p->w->ops->flush(p->w, p->owner); /* an error is the window's */
    mmi_commit_ring(p);
    return mmi_window_check(p->w, p->owner);
}
