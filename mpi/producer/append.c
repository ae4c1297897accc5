/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Appending a batch: the steps in order, and the reservation.
 * Path: push 6/7. Before: producer/batch.c of src. After: mpi/producer/commit.c.
 *
 *   step                         written                  if the rank stops here
 *   1 room? trim if not; or the  head (under the lock)    nothing is reserved: not stored
 *     batch's turn (turn.c)
 *   2 reserve                    reservation, fetch_add   a hole: later batches wait behind it
 *   3 closing? wait for complete nothing                  a hole; id >= complete: the batch fails
 *   4 room? trim if not          head (under the lock)    a hole
 *   5 payload, entries, flush    ring, entries            a hole
 *   6 publish                    commit flag, one store   stored
 *   7 ring the data bell         data bell                consumers find it at their next look
 *
 * Steps 3 to 6 can take longer than the caller's time-out. Then append answers
 * MOFKA_ERR_POSSIBLY_STORED, and the batch's scratch words hold what the next call needs to go on.
 * The reservation is wait-free; the append is not.
 *
 * Steps 3 and 4 need the state (head, closing, complete) as it is after the reservation. In rma,
 * reading it is a round trip, which two hints save:
 *
 *   - The head only grows. If the head that was seen last has room for the batch, step 4 is done.
 *     The state is then read along with the flush of step 5, and step 3 is the last one before step
 *     6. A batch that is refused there has written into its own reservation, which nobody will
 *     read.
 *   - If a quarter of the partition was seen to be free behind the batch, step 1 is left out.
 *
 * So a batch costs three round trips: reserve, flush, publish. A look at step 1 is one more. What
 * was seen is of use for a second. In that time no log advances so far that a reservation could not
 * be completed from the head that was seen.
 */
#include "mpi/producer/producer.h"

#include <assert.h>
#include <inttypes.h>

#define HINT_NS INT64_C(1000000000)

/* What is known after step 2. */
typedef enum append_known {
    APPEND_ROOM_SEEN,  /* the head that was seen has room for the batch; no state was read */
    APPEND_STATE_READ, /* the state was read after the reservation */
} append_known_t;

/* Whether what the sender saw of the partition is of use. */
static bool append_hint_is_fresh(const mmi_sender_t *sender, int64_t now_ns) {
    return sender->seen_ns != 0 && now_ns - sender->seen_ns <= HINT_NS;
}

/* Whether enough room was seen to leave step 1 out: a quarter of the partition stays free. If the
 * hint is wrong, the batch is reserved and then waits. */
static bool append_saw_room(const mmi_partition_t *p, const mmi_sender_t *sender,
                            const mofka_batch_t *batch) {
    if (p->w->ops->loads_are_cheap || !append_hint_is_fresh(sender, mmi_now_ns()))
        return false;
    mmi_place_t end = mmi_batch_end(batch, sender->reached);
    end.events += p->slots / 4;
    end.units += p->ring_bytes / MMI_UNIT_BYTES / 4;
    return mmi_place_fits(p, sender->head, end);
}

/* The place of a reservation. A sender's batches never go back: that would be behind what others
 * may have reserved since. */
static mofka_status_t append_place(const mmi_partition_t *p, const mmi_sender_t *sender,
                                   uint64_t reservation, mmi_place_t head, mmi_place_t *place) {
    mofka_status_t status = mmi_tail_unpack(p, reservation, head, place);
    if (!status && (place->events < sender->tail.events || place->units < sender->tail.units))
        status = mmi_word_damaged(p, "reservation", reservation);
    return status;
}

/* Step 2. `*state` is written with APPEND_STATE_READ only. MOFKA_ERR_CORRUPT: nothing is stored. */
static mofka_status_t append_reserve(const mmi_partition_t *p, mmi_sender_t *sender,
                                     mofka_batch_t *batch, mmi_state_t *state,
                                     append_known_t *known) {
    uint64_t units = mmi_units_of(batch->metadata_bytes + batch->data_bytes);
    assert(!batch->reserved);
    uint64_t add = (uint64_t)batch->event_count << 32 | units;
    uint64_t old = p->w->ops->fetch_add(p->w, p->owner, p->base + MMI_CONTROL(reservation), add);
    int64_t now_ns = p->w->ops->loads_are_cheap ? 0 : mmi_now_ns();
    bool fresh = append_hint_is_fresh(sender, now_ns);
    mmi_place_t place;
    mofka_status_t status = fresh ? append_place(p, sender, old, sender->head, &place) : MOFKA_OK;
    bool room = !status && fresh && mmi_place_fits(p, sender->head, mmi_batch_end(batch, place));
    *known = room ? APPEND_ROOM_SEEN : APPEND_STATE_READ;
    if (!status && !room)
        status = mmi_state_load(p, state);
    if (!status && !room) {
        mmi_sender_note(sender, state->head, now_ns);
        status = append_place(p, sender, old, state->head, &place);
    }
    if (status)
        return status;
    batch->reserved = true;
    batch->scratch[MMI_SCRATCH_EVENTS] = place.events;
    batch->scratch[MMI_SCRATCH_UNITS] = place.units;
    sender->tail = sender->reached = mmi_batch_end(batch, place);
    return MOFKA_OK;
}

/* Step 2 of any batch. MOFKA_ERR_TIMEOUT: it is not reserved. */
static mofka_status_t append_reserve_any(const mmi_partition_t *p, mmi_sender_t *sender,
                                         mofka_batch_t *batch, mmi_state_t *state,
                                         append_known_t *known, mmi_due_t *due) {
    if (!mmi_turn_is_large(p, batch))
        return append_reserve(p, sender, batch, state, known);
    mofka_status_t status = mmi_turn_lock(p, batch, due);
    if (status)
        return status;
    status = append_reserve(p, sender, batch, state, known);
    mmi_partition_unlock(p);
    return status;
}

/* Steps 3 to 5 with a state that was read after the reservation. */
static mofka_status_t append_fill(const mmi_partition_t *p, mmi_sender_t *sender,
                                  mofka_batch_t *batch, const mmi_state_t *state, mmi_due_t *due) {
    mmi_place_t place = mmi_batch_place(batch);
    mofka_status_t status = mmi_commit_check(p, *state, place.events, due);
    if (!status && !mmi_place_fits(p, state->head, mmi_batch_end(batch, place)))
        status = mmi_room_wait(p, sender, batch, due);
    return status ? status : mmi_put_batch(p, sender, batch, false);
}

/* Step 5, then step 3: the room is known, and the state comes with the flush. */
static mofka_status_t append_fill_first(const mmi_partition_t *p, mmi_sender_t *sender,
                                        mofka_batch_t *batch, mmi_due_t *due) {
    int64_t now_ns = mmi_now_ns();
    mofka_status_t status = mmi_put_batch(p, sender, batch, true);
    if (status)
        return status;
    mmi_state_t late;
    status = mmi_state_of_words(p, sender->state, &late);
    if (status)
        return status;
    mmi_sender_note(sender, late.head, now_ns);
    return mmi_commit_check(p, late, mmi_batch_place(batch).events, due);
}

/* MOFKA_ERR_POSSIBLY_STORED, with a message that says what the reserved batch waits for. */
static mofka_status_t append_fail_reserved(const mmi_partition_t *p, const mofka_batch_t *batch,
                                           const mmi_due_t *due) {
    char cause[MMI_HOLDER_BYTES] = "a rank is marking the topic complete, and has not ended that";
    mmi_state_t state;
    uint64_t id = mmi_batch_place(batch).events;
    if (mmi_state_load(p, &state) || !state.closing || state.complete)
        mmi_room_describe_holder(p, due, cause, sizeof cause);
    return mofka_fail(MOFKA_ERR_POSSIBLY_STORED,
                      "topic '%s', partition %zu: events %" PRIu64 " to %" PRIu64
                      " are reserved, and not stored in time: %s",
                      p->topic, p->index, id, id + batch->event_count - 1, cause);
}

/* Steps 3 to 7. */
static mofka_status_t append_finish(const mmi_partition_t *p, mmi_sender_t *sender,
                                    mofka_batch_t *batch, append_known_t known,
                                    const mmi_state_t *state, mmi_due_t *due) {
    mofka_status_t status = known == APPEND_STATE_READ ? append_fill(p, sender, batch, state, due)
                                                       : append_fill_first(p, sender, batch, due);
    if (status == MOFKA_ERR_TIMEOUT)
        return append_fail_reserved(p, batch, due);
    return status ? status : mmi_commit_publish(p, batch);
}

/* Steps 1 to 7; for a batch that an earlier call reserved, steps 3 to 7. */
static mofka_status_t append_drive(const mmi_partition_t *p, mmi_sender_t *sender,
                                   mofka_batch_t *batch, mmi_due_t *due, uint64_t *first_id) {
    bool again = batch->reserved;
    /* After an error, MPI may still read the entries of an earlier batch. */
    mofka_status_t status = mmi_window_check(p->w, p->owner);
    if (!status)
        status = mmi_put_prepare(sender, batch->event_count);
    /* Where one thread only may call, nobody drives on what a poll reserved. */
    bool must_look = due->timeout_ms == 0 && p->w->one_thread;
    if (!status && !again && (must_look || !append_saw_room(p, sender, batch)))
        status = mmi_room_wait(p, sender, batch, due);
    if (status == MOFKA_ERR_TIMEOUT)
        return mmi_room_fail(p, due);
    if (status)
        return status;
    mmi_state_t state;
    append_known_t known = APPEND_STATE_READ;
    status = again ? mmi_state_load(p, &state)
                   : append_reserve_any(p, sender, batch, &state, &known, due);
    if (status == MOFKA_ERR_TIMEOUT)
        return mmi_room_fail(p, due);
    if (!status)
        status = mmi_window_check(p->w, p->owner);
    if (!status)
        status = append_finish(p, sender, batch, known, &state, due);
    if (!status)
        *first_id = mmi_batch_place(batch).events;
    return status;
}

/* Appends are counted while they use the window; see mmi_window_shut. */
static mofka_status_t append_if_open(const mmi_partition_t *p, mmi_sender_t *sender,
                                     mofka_batch_t *batch, mmi_due_t *due, uint64_t *first_id) {
    mmi_window_t *w = p->w;
    mofka_status_t status = mmi_window_may_call(w);
    atomic_fetch_add(&w->appends, 1);
    if (!status && atomic_load(&w->shut))
        status = mofka_fail(MOFKA_ERR_TIMEOUT, "MPI_Finalize was called");
    bool driven = !status; /* else the window must not be used */
    if (driven)
        status = append_drive(p, sender, batch, due, first_id);
    else if (batch->reserved)
        status = MOFKA_ERR_POSSIBLY_STORED;
    if (driven && status != MOFKA_ERR_TIMEOUT && status != MOFKA_ERR_POSSIBLY_STORED)
        mmi_room_end_wait(p, sender);
    int inside = atomic_fetch_sub(&w->appends, 1);
    assert(inside > 0);
    (void)inside;
    return status;
}

mofka_status_t mmi_append_batch(void *self, size_t partition, mofka_batch_t *batch,
                                int64_t timeout_ms, uint64_t *first_id) {
    mmi_producer_t *producer = self;
    assert(partition < producer->topic->partition_count && batch->event_count > 0);
    const mmi_partition_t *p = &producer->topic->partitions[partition];
    size_t bytes = batch->metadata_bytes + batch->data_bytes;
    mmi_due_t due = {.timeout_ms = timeout_ms};
    if (bytes > p->ring_bytes || batch->event_count > p->slots ||
        batch->event_count > MMI_BATCH_EVENTS_MAX)
        return mofka_fail(MOFKA_ERR_TOO_LARGE,
                          "a batch of %zu events, %zu bytes does not fit %" PRIu64
                          " bytes of topic '%s'",
                          batch->event_count, bytes, p->ring_bytes, p->topic);
    return append_if_open(p, &producer->senders[partition], batch, &due, first_id);
}
