/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Appending a group of batches: the steps in order, and the reservation.
 * Path: push 6/7. Before: producer/lanes/batch.c of src. After: mpi/producer/commit.c.
 *
 * The batches of a group follow each other in the partition. They are reserved together, put
 * together, and published together. A caller without the agent has groups of one batch.
 *
 *   step                         written                  if the rank stops here
 *   1 room? trim if not; or the  head (under the lock)    nothing is reserved: not stored
 *     batch's turn (turn.c)
 *   2 reserve; if the topic      its row; reservation,    a hole: later batches wait behind it;
 *     has ended, give up         fetch_add; its row       behind the end: nothing
 *   3 room? trim if not          head (under the lock)    a hole
 *   4 payload, entries, flush    ring, entries            a hole
 *   5 publish                    commit flags, its row     each batch is stored once its flag is
 *   6 ring the data bell         data bell                consumers find it at their next look
 *
 * Rows are there where CPUs write. If a rank died, its hole becomes a void: rows/dead.c.
 *
 * Where readers can check a batch (put.c), its flag is put in step 4, under the same flush. Then
 * step 5 puts it again, settled, and does not wait: a later flush of the rank completes that, at
 * the latest the agent's.
 *
 *   4 payload, entries, flags,   ring, entries, flags     a hole, or stored. Not settled, so the
 *     flush                                               head does not pass it
 *   5 settle                     flags                    the same
 *
 * Step 1 is for the first batch. Of the others, as many are reserved with it as fit in the room
 * that was seen, and at most a quarter of the partition. The end of a topic is where the tail was,
 * so it is never within a group.
 *
 * Where CPUs write, small batches mostly take a shorter way (near.c).
 *
 * Steps 3 to 5 can take longer than the caller's time-out. Then append answers
 * MOFKA_ERR_POSSIBLY_STORED, and each batch's scratch words hold what the next call needs to go on.
 * The batches of a group whose room is gone are filled one by one. The reservation is wait-free;
 * the append is not.
 *
 * Step 3 needs the head as it is after the reservation. Where memory has addresses, step 1 has just
 * read it. If nobody has reserved since, the place is what step 1 saw, and so is the room: the head
 * only grows. A sender keeps the words that it read last, and decodes and checks them again when
 * they change.
 *
 * In rma, reading the head is a round trip, which two hints save:
 *
 *   - The head only grows. If the head that was seen last has room for the batch, step 3 is done.
 *     The head is then read along with the flush of step 4, for the next append.
 *   - If a quarter of the partition was seen to be free behind the batch, step 1 is left out.
 *
 * So a group costs two round trips where flags are put early, and three elsewhere: reserve, flush,
 * publish. A look at step 1 is one more. What was seen is of use for a second. In that time no log
 * advances so far that a reservation could not be completed from the head that was seen.
 */
#include "mpi/producer/producer.h"

#include <assert.h>
#include <inttypes.h>

#define HINT_NS INT64_C(1000000000)
/* Between two looks for an entry of a row. */
#define ROW_WAIT_US 1000

/* Whether what the sender saw of the partition is of use. */
static bool append_hint_is_fresh(const mmi_sender_t *sender, int64_t now_ns) {
    return sender->seen_ns != 0 && now_ns - sender->seen_ns <= HINT_NS;
}

/* Whether enough room was seen to leave step 1 out: a quarter of the partition stays free. If the
 * hint is wrong, the batch is reserved and then waits. */
static bool append_saw_much_room(const mmi_partition_t *p, const mmi_sender_t *sender,
                                 const mofka_batch_t *batch) {
    if (!append_hint_is_fresh(sender, mmi_now_ns()))
        return false;
    mmi_place_t end = mmi_batch_end(batch, sender->reached);
    end.events += p->slots / 4;
    end.units += p->ring_bytes / MMI_UNIT_BYTES / 4;
    return mmi_place_fits(p, sender->head, end);
}

static inline bool append_saw_room(const mmi_partition_t *p, const mmi_sender_t *sender,
                                   const mofka_batch_t *batch) {
    return !p->w->ops->loads_are_cheap && append_saw_much_room(p, sender, batch);
}

/* The place of a reservation. MOFKA_ERR_COMPLETE: the topic had ended. */
static mofka_status_t append_place(const mmi_partition_t *p, mmi_sender_t *sender,
                                   uint64_t reservation, mmi_place_t *place) {
    mmi_tail_t tail;
    mofka_status_t status = mmi_tail_unpack(p, reservation, sender->head, &tail);
    if (status)
        return status;
    if (tail.ended) {
        sender->seen_ns = 0; /* the next append looks first */
        return mmi_commit_refuse(p);
    }
    *place = tail.at;
    return MOFKA_OK;
}

/* ---- groups ---------------------------------------------------------------------------------- */

/* A group of one batch. */
static mmi_group_t append_group_of(mofka_batch_t *const *batch) {
    return (mmi_group_t){batch, 1, mmi_batch_size(*batch)};
}

/* The first of `count` batches that are not reserved: as many as are appended together. */
static mmi_group_t append_choose_more(const mmi_partition_t *p, const mmi_sender_t *sender,
                                      mofka_batch_t *const *batches, size_t count) {
    mmi_group_t group = append_group_of(batches);
    mmi_place_t quarter = {p->slots / 4, p->ring_bytes / MMI_UNIT_BYTES / 4};
    for (; group.count < count; group.count++) {
        mmi_place_t size = mmi_place_add(group.size, mmi_batch_size(batches[group.count]));
        if (size.events > quarter.events || size.units > quarter.units ||
            mmi_turn_is_large(p, size) ||
            !mmi_place_fits(p, sender->head, mmi_place_add(sender->reached, size)))
            break;
        group.size = size;
    }
    return group;
}

static inline mmi_group_t append_choose_group(const mmi_partition_t *p, const mmi_sender_t *sender,
                                              mofka_batch_t *const *batches, size_t count) {
    return count > 1 && append_hint_is_fresh(sender, mmi_now_ns())
               ? append_choose_more(p, sender, batches, count)
               : append_group_of(batches);
}

/* The group was reserved at `place`. */
static void append_note_places(mmi_sender_t *sender, const mmi_group_t *group, mmi_place_t place) {
    for (size_t i = 0; i < group->count; i++) {
        mmi_batch_note_place(group->batches[i], place);
        place = mmi_place_add(place, mmi_batch_size(group->batches[i]));
    }
    sender->tail = sender->reached = place;
}

/* ---- step 2 ---------------------------------------------------------------------------------- */

mofka_status_t mmi_sender_read_state(const mmi_partition_t *p, mmi_sender_t *sender) {
    mmi_state_t state;
    int64_t now_ns = p->w->ops->loads_are_cheap ? 0 : mmi_now_ns();
    mofka_status_t status = mmi_state_load(p, &state);
    sender->known = false; /* it was read without the reservation */
    if (!status)
        mmi_sender_note(sender, state.head, now_ns);
    return status;
}

/* Have an entry of this rank's row, where there are rows. They are all taken while other threads
 * of this process append to the partition. MOFKA_ERR_TIMEOUT, without a message. */
static mofka_status_t append_take_row(const mmi_partition_t *p, mmi_sender_t *sender, uint64_t add,
                                      mmi_due_t *due) {
    for (int64_t us = 10; mmi_rows_exist(p) && !mmi_row_take(p, &sender->hold, add);
         mmi_back_off(&us, ROW_WAIT_US))
        if (mmi_due_is_over(p, due, mmi_now_ms()))
            return MOFKA_ERR_TIMEOUT;
    return MOFKA_OK;
}

/* The reservation was `old` before the group was added. MOFKA_ERR_COMPLETE, MOFKA_ERR_CORRUPT:
 * nothing is stored. */
static mofka_status_t append_take(const mmi_partition_t *p, mmi_sender_t *sender,
                                  const mmi_group_t *group, uint64_t old,
                                  mmi_append_known_t *known) {
    mofka_status_t status = mmi_window_check(p->w, p->owner); /* else `old` says nothing */
    if (!status)
        status = mmi_append_take_place(p, sender, group, old, known);
    if (status)
        mmi_row_empty(p, &sender->hold);
    else
        mmi_row_place(p, &sender->hold, mmi_batch_place(group->batches[0]));
    return status;
}

/* Errors as append_take; MOFKA_ERR_TIMEOUT, without a message: nothing is reserved. */
static mofka_status_t append_reserve(const mmi_partition_t *p, mmi_sender_t *sender,
                                     const mmi_group_t *group, mmi_append_known_t *known,
                                     mmi_due_t *due) {
    const uint64_t add = mmi_reservation_of(group->size.events, group->size.units);
    mofka_status_t status = append_take_row(p, sender, add, due);
    if (status)
        return status;
    uint64_t old = p->w->ops->fetch_add(p->w, p->owner, p->base + MMI_CONTROL(reservation), add);
    return append_take(p, sender, group, old, known);
}

/* The group's place, by the state as it is now. */
static mofka_status_t append_find_place(const mmi_partition_t *p, mmi_sender_t *sender,
                                        uint64_t old, mmi_place_t *place) {
    mofka_status_t status = mmi_sender_read_state(p, sender);
    return status ? status : append_place(p, sender, old, place);
}

/* A sender's batches never go back: that would be behind what others may have reserved since. */
static mofka_status_t append_check_place(const mmi_partition_t *p, const mmi_sender_t *sender,
                                         uint64_t old, mmi_place_t place) {
    bool goes_back = place.events < sender->tail.events || place.units < sender->tail.units;
    return goes_back ? mmi_word_damaged(p, "reservation", old) : MOFKA_OK;
}

mofka_status_t mmi_append_take_place(const mmi_partition_t *p, mmi_sender_t *sender,
                                     const mmi_group_t *group, uint64_t old,
                                     mmi_append_known_t *known) {
    bool near = p->w->ops->has_addresses;
    mmi_place_t place = sender->reached; /* unless others have reserved since the look at step 1 */
    bool fresh = near ? sender->known && old == sender->reservation && !sender->ended
                      : append_hint_is_fresh(sender, mmi_now_ns());
    mofka_status_t status = fresh && !near ? append_place(p, sender, old, &place) : MOFKA_OK;
    bool room =
        !status && fresh && mmi_place_fits(p, sender->head, mmi_place_add(place, group->size));
    *known = room ? APPEND_ROOM_SEEN : APPEND_STATE_READ;
    if (!status && !room)
        status = append_find_place(p, sender, old, &place);
    if (!status)
        status = append_check_place(p, sender, old, place);
    if (status)
        return status;
    append_note_places(sender, group, place);
    sender->reservation = old + mmi_reservation_of(group->size.events, group->size.units);
    mmi_put_expect(p, place.events);
    return MOFKA_OK;
}

/* Step 2 of any group. MOFKA_ERR_TIMEOUT: it is not reserved. */
static mofka_status_t append_reserve_any(const mmi_partition_t *p, mmi_sender_t *sender,
                                         const mmi_group_t *group, mmi_append_known_t *known,
                                         mmi_due_t *due) {
    if (!mmi_turn_is_large(p, group->size))
        return append_reserve(p, sender, group, known, due);
    assert(group->count == 1);
    mofka_status_t status = mmi_turn_lock(p, group->batches[0], due);
    if (status)
        return status;
    status = append_reserve(p, sender, group, known, due);
    mmi_partition_unlock(p);
    return status;
}

/* ---- steps 3 to 6 ---------------------------------------------------------------------------- */

/* Steps 3 and 4, by the head that was read after the reservation. */
static mofka_status_t append_fill(const mmi_partition_t *p, mmi_sender_t *sender,
                                  const mmi_group_t *group, mmi_due_t *due) {
    mmi_place_t place = mmi_batch_place(group->batches[0]);
    mofka_status_t status = MOFKA_OK;
    if (!mmi_place_fits(p, sender->head, mmi_place_add(place, group->size))) {
        assert(group->count == 1);
        status = mmi_room_wait(p, sender, group->batches[0], due);
    }
    return status ? status : mmi_put_group(p, sender, group, false);
}

/* Step 4: the room is known. Where reading the state costs a round trip, it comes with the flush.
 */
static mofka_status_t append_fill_known(const mmi_partition_t *p, mmi_sender_t *sender,
                                        const mmi_group_t *group) {
    if (p->w->ops->loads_are_cheap)
        return mmi_put_group(p, sender, group, false);
    int64_t now_ns = mmi_now_ns();
    mofka_status_t status = mmi_put_group(p, sender, group, true);
    return status ? status : mmi_append_note_state(p, sender, now_ns);
}

mofka_status_t mmi_append_note_state(const mmi_partition_t *p, mmi_sender_t *sender,
                                     int64_t now_ns) {
    mmi_state_t late;
    mofka_status_t status = mmi_state_of_words(p, sender->state, &late);
    if (!status)
        mmi_sender_note(sender, late.head, now_ns);
    return status;
}

/* MOFKA_ERR_POSSIBLY_STORED, with a message that says what the reserved batch waits for. */
static mofka_status_t append_fail_reserved(const mmi_partition_t *p, const mofka_batch_t *batch,
                                           const mmi_due_t *due) {
    char cause[MMI_HOLDER_BYTES];
    uint64_t id = mmi_batch_place(batch).events;
    mmi_room_describe_holder(p, due, cause, sizeof cause);
    return mofka_fail(MOFKA_ERR_POSSIBLY_STORED,
                      "topic '%s', partition %zu: events %" PRIu64 " to %" PRIu64
                      " are reserved, and not stored in time: %s",
                      p->topic, p->index, id, id + batch->event_count - 1, cause);
}

/* Steps 3 to 6. */
static mofka_status_t append_finish(const mmi_partition_t *p, mmi_sender_t *sender,
                                    const mmi_group_t *group, mmi_append_known_t known,
                                    mmi_due_t *due) {
    mofka_status_t status = known == APPEND_STATE_READ ? append_fill(p, sender, group, due)
                                                       : append_fill_known(p, sender, group);
    if (status == MOFKA_ERR_TIMEOUT)
        return append_fail_reserved(p, group->batches[0], due);
    return status ? status : mmi_commit_publish(p, sender, group);
}

mofka_status_t mmi_append_go_on(const mmi_partition_t *p, mmi_sender_t *sender,
                                mofka_batch_t *batch, uint64_t old, mmi_due_t *due) {
    mmi_append_known_t known;
    mmi_group_t group = append_group_of(&batch);
    mofka_status_t status = append_take(p, sender, &group, old, &known);
    return status ? status : append_finish(p, sender, &group, known, due);
}

/* Steps 3 to 6 of reserved batches, one by one. */
static mofka_status_t append_finish_each(const mmi_partition_t *p, mmi_sender_t *sender,
                                         mofka_batch_t *const *batches, size_t count,
                                         mmi_due_t *due, size_t *stored) {
    mofka_status_t status = MOFKA_OK;
    for (*stored = 0; !status && *stored < count; *stored += !status) {
        mmi_group_t one = append_group_of(batches + *stored);
        assert(batches[*stored]->reserved);
        status = mmi_put_prepare(p, sender, &one);
        if (!status)
            status = mmi_sender_read_state(p, sender);
        if (!status)
            status = append_finish(p, sender, &one, APPEND_STATE_READ, due);
    }
    return status;
}

/* ---- all steps ------------------------------------------------------------------------------- */

/* Have the memory that putting the group needs, at least that of its first batch. */
static mofka_status_t append_prepare(const mmi_partition_t *p, mmi_sender_t *sender,
                                     mmi_group_t *group) {
    mofka_status_t status = mmi_put_prepare(p, sender, group);
    if (!status || group->count == 1)
        return status;
    *group = append_group_of(group->batches);
    return mmi_put_prepare(p, sender, group);
}

/* Steps 1 to 6 of batches that are not reserved: the first, and others with it. */
static mofka_status_t append_new(const mmi_partition_t *p, mmi_sender_t *sender,
                                 mofka_batch_t *const *batches, size_t count, mmi_due_t *due,
                                 size_t *stored) {
    mofka_status_t status = MOFKA_OK;
    if (due->timeout_ms == 0 || !append_saw_room(p, sender, batches[0]))
        status = mmi_room_wait(p, sender, batches[0], due);
    mmi_append_known_t known = APPEND_STATE_READ;
    mmi_group_t group = append_choose_group(p, sender, batches, count);
    if (!status)
        status = append_prepare(p, sender, &group);
    if (!status)
        status = append_reserve_any(p, sender, &group, &known, due);
    if (status == MOFKA_ERR_TIMEOUT)
        return mmi_room_fail(p, due);
    if (!status)
        status = mmi_window_check(p->w, p->owner);
    if (status)
        return status;
    if (known == APPEND_STATE_READ && group.count > 1)
        return append_finish_each(p, sender, batches, group.count, due, stored);
    status = append_finish(p, sender, &group, known, due);
    *stored = status ? 0 : group.count;
    return status;
}

/* Steps 1 to 6; for batches that an earlier call reserved, steps 3 to 6. */
static mofka_status_t append_drive(const mmi_partition_t *p, mmi_sender_t *sender,
                                   mofka_batch_t *const *batches, size_t count, mmi_due_t *due,
                                   size_t *stored) {
    /* After an error, MPI may still read the entries of an earlier batch. */
    mofka_status_t status = mmi_window_check(p->w, p->owner);
    if (status)
        return status;
    return batches[0]->reserved ? append_finish_each(p, sender, batches, count, due, stored)
                                : append_new(p, sender, batches, count, due, stored);
}

void mmi_append_end(const mmi_partition_t *p, mmi_sender_t *sender, mofka_status_t status) {
    if (status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED)
        return;
    mmi_room_end_wait(p, sender);
    mmi_row_empty(p, &sender->hold); /* after an error, it is not driven on */
}

/* Appends are counted while they use the window; see mmi_window_shut. */
static mofka_status_t append_if_open(const mmi_partition_t *p, mmi_sender_t *sender,
                                     mofka_batch_t *const *batches, size_t count, mmi_due_t *due,
                                     size_t *stored) {
    mmi_window_t *w = p->w;
    mofka_status_t status = mmi_window_may_call(w);
    atomic_fetch_add(&w->appends, 1);
    if (!status && atomic_load(&w->shut))
        status = mofka_fail(MOFKA_ERR_TIMEOUT, "MPI_Finalize was called");
    bool driven = !status; /* else the window must not be used */
    if (driven)
        status = append_drive(p, sender, batches, count, due, stored);
    else if (batches[0]->reserved)
        status = MOFKA_ERR_POSSIBLY_STORED;
    if (driven)
        mmi_append_end(p, sender, status);
    int inside = atomic_fetch_sub(&w->appends, 1);
    assert(inside > 0);
    (void)inside;
    return status;
}

static mofka_status_t append_check_size(const mmi_partition_t *p, const mofka_batch_t *batch) {
    size_t bytes = batch->metadata_bytes + batch->data_bytes;
    assert(batch->event_count > 0);
    if (bytes <= p->ring_bytes && batch->event_count <= p->slots &&
        batch->event_count <= MMI_BATCH_EVENTS_MAX)
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_TOO_LARGE,
                      "a batch of %zu events, %zu bytes does not fit %" PRIu64
                      " bytes of topic '%s'",
                      batch->event_count, bytes, p->ring_bytes, p->topic);
}

/* How many batches from the first on are not too large, and reserved if it is; the first counts in
 * any case. */
static size_t append_count_fitting(const mmi_partition_t *p, mofka_batch_t *const *batches,
                                   size_t count) {
    size_t fit = 1;
    while (fit < count && batches[fit]->reserved == batches[0]->reserved &&
           !append_check_size(p, batches[fit]))
        fit++;
    return fit;
}

bool mmi_append_prepare(const mmi_partition_t *p, mmi_sender_t *sender,
                        mofka_batch_t *const *batches, size_t count, mmi_group_t *group) {
    if (batches[0]->reserved || mmi_window_check(p->w, p->owner) ||
        !append_saw_room(p, sender, batches[0]))
        return false;
    *group = append_choose_group(p, sender, batches, append_count_fitting(p, batches, count));
    return !append_check_size(p, batches[0]) && !mmi_turn_is_large(p, group->size) &&
           !append_prepare(p, sender, group);
}

mofka_status_t mmi_append_group(void *self, size_t partition, mofka_batch_t *const *batches,
                                size_t count, int64_t timeout_ms, size_t *stored) {
    mmi_producer_t *producer = self;
    assert(partition < producer->topic->partition_count && count > 0);
    const mmi_partition_t *p = &producer->topic->partitions[partition];
    mmi_due_t due = {.timeout_ms = timeout_ms};
    mofka_status_t status = mmi_partition_is_far(p) ? mmi_producer_refuse(self, partition)
                                                    : append_check_size(p, batches[0]);
    size_t fit = append_count_fitting(p, batches, count);
    *stored = 0;
    return status ? status
                  : append_if_open(p, &producer->senders[partition], batches, fit, &due, stored);
}

mofka_status_t mmi_append_batch(void *self, size_t partition, mofka_batch_t *batch,
                                int64_t timeout_ms, uint64_t *first_id) {
    mmi_producer_t *producer = self;
    const mmi_partition_t *p = &producer->topic->partitions[partition];
    mmi_due_t due = {.timeout_ms = timeout_ms};
    mofka_status_t status;
    size_t stored;
    assert(partition < producer->topic->partition_count);
    if (!mmi_append_near(p, &producer->senders[partition], batch, &due, &status))
        status = mmi_append_group(self, partition, &batch, 1, timeout_ms, &stored);
    if (!status)
        *first_id = mmi_batch_place(batch).events;
    return status;
}
