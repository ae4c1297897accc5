/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moving the head, under the partition's lock, as far as retention allows.
 *
 * acknowledged: the new head is the smallest cursor of the registered consumers. If there are none,
 * the head stays. A cursor is one word, so its events and units belong together.
 * discard_oldest: the head passes published batches until the new batch fits. A batch ends where
 * the data of its last event ends.
 *
 * The head's events are stored before its units: a producer that sees new units has room indeed.
 */
#include "mpi/partition/partition.h"

#include <assert.h>

/* The smallest cursor of the named consumers; `head` if there are none. */
static mmi_place_t trim_slowest_cursor(const mmi_partition_t *p, mmi_place_t head) {
    uint64_t state[MMI_CONSUMERS_MAX], cursor[MMI_CONSUMERS_MAX];
    p->w->ops->load_run(p->w, p->owner, p->base + MMI_CONTROL(state), state, MMI_CONSUMERS_MAX);
    p->w->ops->load_run(p->w, p->owner, p->base + MMI_CONTROL(cursor), cursor, MMI_CONSUMERS_MAX);
    mmi_place_t least = head;
    bool any = false;
    for (size_t i = 0; i < MMI_CONSUMERS_MAX; i++) {
        if (state[i] == MMI_CONSUMER_FREE)
            continue;
        mmi_place_t place = mmi_place_unpack(cursor[i], head, false);
        if (!any || place.events < least.events)
            least = place;
        any = true;
    }
    return least;
}

/* With the lock: pass published batches until a log up to `end` fits. */
static mofka_status_t trim_discard(const mmi_partition_t *p, mmi_place_t end, mmi_place_t *head) {
    mmi_assert_locked(p);
    while (!mmi_place_fits(p, *head, end)) {
        uint64_t count = mmi_flag_load(p, head->events);
        if (count == 0)
            break; /* not published yet; its producer is not overtaken */
        mmi_entry_t last;
        mmi_entries_get(p, head->events + count - 1, &last, 1);
        mofka_status_t status = p->w->ops->flush(p->w, p->owner);
        if (!status && (last.id_1 != head->events + count || last.check != mmi_entry_check(&last) ||
                        mmi_units_of(last.data + last.data_bytes) < head->units))
            status = mmi_entry_damaged(p, head->events + count - 1);
        if (status)
            return status;
        head->events += count;
        head->units = mmi_units_of(last.data + last.data_bytes);
    }
    return MOFKA_OK;
}

/* Without the lock: whether trimming is worth taking it. */
static bool trim_would_move(const mmi_partition_t *p) {
    mmi_place_t head = mmi_state_load(p).head;
    return p->retention == MMI_DISCARD_OLDEST || trim_slowest_cursor(p, head).events != head.events;
}

mofka_status_t mmi_trim_head(const mmi_partition_t *p, mmi_place_t end, int64_t deadline,
                             int64_t lock_ms) {
    if (!trim_would_move(p))
        return mmi_window_check(p->w);
    int64_t soon = mmi_deadline(lock_ms);
    mofka_status_t status = mmi_partition_lock(p, deadline < soon ? deadline : soon);
    if (status)
        return status;
    mmi_place_t head = mmi_state_load(p).head, next = head;
    if (p->retention == MMI_DISCARD_OLDEST)
        status = trim_discard(p, end, &next);
    else
        next = trim_slowest_cursor(p, head);
    if (!status)
        status = mmi_window_check(p->w);
    if (!status && next.events != head.events) {
        assert(next.events > head.events && next.units >= head.units);
        mmi_control_store(p, MMI_CONTROL(head_events), next.events);
        mmi_control_store(p, MMI_CONTROL(head_units), next.units);
    }
    mmi_partition_unlock(p);
    return status ? status : mmi_window_check(p->w);
}
