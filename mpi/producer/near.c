/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Appending a small batch where CPUs write, as it nearly always goes: there is room, nobody has
 * reserved since this sender looked, and nothing wraps. The steps are those of append.c, in their
 * order, without what groups, hints, flushes and waits need there.
 *
 * What is not so goes that way: from the start if nothing is reserved yet, else from step 3 on. The
 * sender's first append goes that way, too, and leaves the memory that this needs.
 */
#include <assert.h>
#include "mpi/producer/producer.h"

/* Whether all is as expected, before anything is reserved. */
static bool near_is_plain(const mmi_partition_t *p, const mmi_sender_t *sender,
                          const mofka_batch_t *batch, mmi_place_t size) {
    size_t bytes = batch->metadata_bytes + batch->data_bytes;
    mmi_place_t at = sender->reached;
    return !batch->reserved && !p->checksums && bytes < MMI_TIMED_BYTES_MIN &&
           size.events <= MMI_BATCH_EVENTS_MAX && size.events <= sender->entry_room &&
           !mmi_turn_is_large(p, size) && sender->full_ms == 0 && !sender->ended &&
           at.events >= sender->tail.events && at.units >= sender->tail.units &&
           mmi_place_fits(p, sender->head, mmi_place_add(at, size)) &&
           at.events % p->slots + size.events <= p->slots;
}

/* Step 4. */
static void near_put(const mmi_partition_t *p, const mofka_batch_t *batch, mmi_place_t at) {
    mmi_put_plain(p, p->w->ops->put, batch);
    mmi_put_make_entries(
        batch, (void *)mmi_window_address(p->w, p->owner, mmi_entry_offset(p, at.events)));
    uint64_t stamp = batch->timed ? mmi_stamp_value(mmi_wall_ns()) : 0;
    mmi_stamp_put(p, at.events, &stamp);
}

/* Steps 2 to 6. False: nothing is reserved. */
static bool near_drive(const mmi_partition_t *p, mmi_sender_t *sender, mofka_batch_t *batch,
                       mmi_place_t size, mmi_due_t *due, mofka_status_t *status) {
    const uint64_t add = mmi_reservation_of(size.events, size.units);
    mmi_place_t at = sender->reached;
    if (mmi_rows_exist(p) && !mmi_row_take(p, &sender->hold, add))
        return false;
    uint64_t old = p->w->ops->fetch_add(p->w, p->owner, p->base + MMI_CONTROL(reservation), add);
    if (old != sender->reservation) {
        *status = mmi_append_go_on(p, sender, batch, old, due);
        return true;
    }
    *status = mmi_put_check_place(p, sender, at);
    mmi_batch_note_place(batch, at);
    sender->tail = sender->reached = mmi_place_add(at, size);
    sender->reservation = old + add;
    mmi_row_place(p, &sender->hold, at);
    if (!*status) {
        near_put(p, batch, at);
        *status = mmi_commit_publish_near(p, sender, batch);
    }
    return true;
}

bool mmi_append_near(const mmi_partition_t *p, mmi_sender_t *sender, mofka_batch_t *batch,
                     mmi_due_t *due, mofka_status_t *status) {
    mmi_window_t *w = p->w;
    mmi_place_t size = mmi_batch_size(batch);
    if (!w->ops->has_addresses || w->one_thread || mmi_window_has_fault(w))
        return false;
    atomic_fetch_add(&w->appends, 1);
    bool done = !atomic_load(&w->shut) && !mmi_room_read_near(p, sender) &&
                near_is_plain(p, sender, batch, size) &&
                near_drive(p, sender, batch, size, due, status);
    if (done)
        mmi_append_end(p, sender, *status);
    atomic_fetch_sub(&w->appends, 1);
    return done;
}
