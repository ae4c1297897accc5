/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a topic ends on disk, for a checkpoint.
 *
 *   this rank                                    the owner's threads
 *   1 reads the tail of each partition
 *   2 adds to `asked`, rings                     the writing one passes that on
 *   3 waits until `synced` has reached the tail  the syncing one syncs what is written, rings
 *   4 reads the tails again: none has moved
 *
 * Step 2 is repeated while it waits: what was not written yet may be by then. What is reserved and
 * not published is never written, so it ends in MOFKA_ERR_BUSY, as does a tail that has moved.
 */
#include "mpi/storage/storage.h"

#include <inttypes.h>

static mofka_status_t ends_load_tail(const mmi_partition_t *p, uint64_t *end) {
    mmi_state_t state;
    mmi_tail_t tail;
    mofka_status_t status = mmi_tail_load(p, &state, &tail);
    if (!status)
        *end = tail.at.events;
    return status ? status : mmi_window_check(p->w, p->owner);
}

/* In a node window all ranks do it by MPI, also those of the owner's node. */
static void ends_ask(const mmi_topic_t *topic, const mmi_partition_t *p) {
    mmi_window_t *w = topic->w;
    w->ops->fetch_add(w, p->owner, p->stored + MMI_STORED(asked), 1);
    mmi_storage_ring(p);
}

/* It has waited long enough. */
static mofka_status_t ends_late(const mmi_partition_t *p, uint64_t synced, uint64_t end) {
    uint64_t failed;
    mofka_status_t status = mmi_storage_load(p, MMI_STORED(failed), "failed", &failed);
    if (status || failed != 0)
        return status ? status : mmi_storage_fail(p, failed);
    return mofka_fail(MOFKA_ERR_BUSY,
                      "topic '%s', partition %zu: events %" PRIu64 " to %" PRIu64
                      " are pushed and not on disk; all ranks that push flush first, and rank %d "
                      "writes them",
                      p->topic, p->index, synced, end - 1, p->owner);
}

/* Whether its owner writes nothing more, for good. */
static bool ends_is_over(const mmi_partition_t *p) {
    uint64_t failed;
    return mmi_storage_load(p, MMI_STORED(failed), "failed", &failed) ||
           failed == (uint64_t)-MOFKA_ERR_BUSY;
}

static mofka_status_t ends_await(const mmi_topic_t *topic, const mmi_partition_t *p, uint64_t end,
                                 int64_t deadline) {
    int64_t nap_us = MMI_STORAGE_NAP_US;
    for (;;) {
        uint64_t synced;
        mofka_status_t status = mmi_storage_load(p, MMI_STORED(synced), "synced", &synced);
        if (status || synced >= end)
            return status;
        int64_t left_ms = deadline == INT64_MAX ? 1000 : deadline - mmi_now_ms();
        if (left_ms <= 0 || ends_is_over(p))
            return ends_late(p, synced, end);
        ends_ask(topic, p);
        mmi_storage_sleep(p, MMI_STORED(synced), end, left_ms, &nap_us);
    }
}

/* Nothing has been pushed meanwhile. */
static mofka_status_t ends_check(const mmi_partition_t *p, uint64_t end) {
    uint64_t now;
    mofka_status_t status = ends_load_tail(p, &now);
    if (!status && now != end)
        status = mofka_fail(MOFKA_ERR_BUSY,
                            "topic '%s', partition %zu: events from %" PRIu64
                            " on were pushed meanwhile; ask between two barriers of all ranks that "
                            "push",
                            p->topic, p->index, end);
    return status;
}

mofka_status_t mmi_storage_ends(void *self, int64_t timeout_ms, uint64_t *ends) {
    const mmi_topic_t *topic = self;
    int64_t deadline = mmi_deadline(timeout_ms);
    mofka_status_t status = MOFKA_OK;
    bool damaged;
    if (!topic->store)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "topic '%s' has no \"storage\": its events are not on disk", topic->name);
    for (size_t i = 0; i < topic->partition_count && !status; i++)
        status = mmi_storage_await(topic, i, false, deadline, &damaged);
    for (size_t i = 0; i < topic->partition_count && !status; i++)
        status = ends_load_tail(&topic->partitions[i], &ends[i]);
    for (size_t i = 0; i < topic->partition_count && !status; i++)
        ends_ask(topic, &topic->partitions[i]);
    for (size_t i = 0; i < topic->partition_count && !status; i++)
        status = ends_await(topic, &topic->partitions[i], ends[i], deadline);
    for (size_t i = 0; i < topic->partition_count && !status; i++)
        status = ends_check(&topic->partitions[i], ends[i]);
    return status;
}
