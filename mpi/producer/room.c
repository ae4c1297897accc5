/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting until a partition has room for a batch: look, spin, then sleep at the room bell. */
#include "mpi/producer/producer.h"
#include "mpi/storage/storage.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <mofka/log.h>

#define WARN_AFTER_MS 1000
/* How long one look waits for the partition's lock. */
#define LOCK_WAIT_MS 100
/* How often a waiting producer looks for what the dead have left. */
#define DEAD_LOOK_MS 100
/* The first nap: at a bell, which wakes the sleeper; and polling, which costs round trips. */
#define BELL_NAP_US 1000
#define POLL_NAP_US 20
#define NAP_US_MAX 20000
/* The same in a node window: consumers of other nodes make room, too, and do not ring. */
#define NODE_NAP_US_MAX 2000

int64_t mmi_due_deadline(mmi_due_t *due) {
    if (due->deadline == 0)
        due->deadline = mmi_deadline(due->timeout_ms);
    assert(due->deadline != 0);
    return due->deadline;
}

bool mmi_due_is_over(const mmi_partition_t *p, mmi_due_t *due, int64_t now_ms) {
    return now_ms >= mmi_due_deadline(due) ||
           atomic_load_explicit(&p->w->shut, memory_order_relaxed);
}

/* What holds the first event up that is held: *known, or retention does. */
static mofka_status_t room_describe_event(const mmi_partition_t *p, mmi_state_t *state, char *text,
                                          size_t bytes, bool *known) {
    mmi_tail_t tail;
    mofka_status_t status = mmi_tail_load(p, state, &tail);
    if (status)
        return status;
    /* The head has moved as far as it could. */
    uint64_t head = state->head.events;
    mmi_flag_kind_t kind = mmi_flag_kind(p, head, mmi_flag_load(p, head));
    *known = tail.at.events > head && kind != MMI_FLAG_STORED && kind != MMI_FLAG_VOID;
    if (*known && kind != MMI_FLAG_EARLIER) {
        /* The head may have moved since it was read: its old slot is used again. */
        status = mmi_state_load(p, state);
        *known = !status && state->head.events == head;
    }
    if (status || !*known)
        return status;
    char holder[MMI_HOLDER_TEXT_BYTES];
    if (kind == MMI_FLAG_EARLIER) {
        mmi_holder_describe(p, head, holder);
        snprintf(text, bytes, "event %" PRIu64 " was reserved and is not stored; %s", head, holder);
    } else
        snprintf(text, bytes,
                 "the flag of event %" PRIu64
                 " is damaged; consumers wait there until they skip it",
                 head);
    return MOFKA_OK;
}

/* Whether the batch, or void, at `id` has a flag that is not settled: no cursor, and no head,
 * passes it. */
static bool room_is_unsettled(const mmi_partition_t *p, uint64_t id) {
    uint64_t flag = mmi_flag_load(p, id);
    return mmi_flag_extent(p, id, flag) > 0 && !mmi_flag_is_settled(flag);
}

static void room_describe_unsettled(const mmi_partition_t *p, uint64_t id, char *text,
                                    size_t bytes) {
    char holder[MMI_HOLDER_TEXT_BYTES];
    if (mmi_flag_kind(p, id, mmi_flag_load(p, id)) != MMI_FLAG_VOID) {
        snprintf(text, bytes,
                 "event %" PRIu64 " was stored, and its producer has not confirmed that; it is "
                 "slow or has stopped",
                 id);
        return;
    }
    mmi_holder_describe(p, id, holder);
    snprintf(text, bytes,
             "the claim of event %" PRIu64 " has expired, and was neither committed nor aborted; "
             "%s",
             id, holder);
}

static mofka_status_t room_describe(const mmi_partition_t *p, const mmi_due_t *due, char *text,
                                    size_t bytes) {
    mmi_state_t state;
    mmi_slowest_t slowest;
    bool known;
    mofka_status_t status = room_describe_event(p, &state, text, bytes, &known);
    if (status || known)
        return status;
    if (due->lock_taken) {
        char holder[MMI_LOCK_TEXT_BYTES];
        mmi_partition_describe_lock(p, holder);
        snprintf(text, bytes, "its lock stays taken; %s is slow or has stopped", holder);
        return MOFKA_OK;
    }
    status = mmi_consumers_find_slowest(p, state.head, false, &slowest);
    if (status)
        return status;
    uint64_t first = p->retention == MMI_DISCARD_OLDEST ? state.head.events : slowest.at.events;
    if (room_is_unsettled(p, first)) {
        room_describe_unsettled(p, first, text, bytes);
        return MOFKA_OK;
    }
    if (slowest.place == MMI_CONSUMERS_MAX) {
        snprintf(text, bytes, "no consumer is registered");
        return MOFKA_OK;
    }
    if (slowest.place == MMI_STORAGE_PLACE) {
        mmi_storage_describe(p, slowest.at.events, text, bytes);
        return MOFKA_OK;
    }
    char name[MOFKA_NAME_BYTES_MAX + 1];
    mmi_consumer_name(p, slowest.place, name, INT64_MAX);
    snprintf(text, bytes, "consumer '%s' holds it up since event %" PRIu64, name,
             slowest.at.events);
    return MOFKA_OK;
}

void mmi_room_describe_holder(const mmi_partition_t *p, const mmi_due_t *due, char *text,
                              size_t bytes) {
    if (room_describe(p, due, text, bytes))
        snprintf(text, bytes, "%s", mofka_last_error());
}

static void room_warn(const mmi_partition_t *p, const mmi_due_t *due) {
    char holder[MMI_HOLDER_BYTES];
    mmi_room_describe_holder(p, due, holder, sizeof holder);
    mofka_log(MOFKA_LOG_WARN, "topic '%s', partition %zu has been full for %d ms: %s", p->topic,
              p->index, WARN_AFTER_MS, holder);
}

mofka_status_t mmi_room_fail(const mmi_partition_t *p, const mmi_due_t *due) {
    char holder[MMI_HOLDER_BYTES];
    mmi_room_describe_holder(p, due, holder, sizeof holder);
    return mofka_fail(MOFKA_ERR_TIMEOUT, "topic '%s', partition %zu had no room in time: %s",
                      p->topic, p->index, holder);
}

/* Trim, but wait for the lock only so long that the caller can warn of it. */
static mofka_status_t room_trim(const mmi_partition_t *p, mmi_place_t start, mmi_place_t end,
                                mmi_due_t *due) {
    mofka_status_t status = mmi_trim_head(p, start, end, mmi_due_deadline(due), LOCK_WAIT_MS);
    due->lock_taken = status == MOFKA_ERR_TIMEOUT;
    return due->lock_taken ? MOFKA_OK : status;
}

/* Read where the log begins and ends. */
static mofka_status_t room_read(const mmi_partition_t *p, mmi_sender_t *sender) {
    mmi_state_t state;
    mmi_tail_t tail;
    int64_t now_ns = mmi_now_ns();
    mofka_status_t status = mmi_tail_load(p, &state, &tail);
    if (status)
        return status;
    mmi_sender_note(sender, state.head, now_ns);
    sender->reached = tail.at;
    sender->ended = tail.ended;
    return MOFKA_OK;
}

/* Some of these words have changed since the last look. */
static mofka_status_t room_decode(const mmi_partition_t *p, mmi_sender_t *sender,
                                  const uint64_t *words, uint64_t reservation) {
    mmi_state_t state;
    mmi_tail_t tail;
    mofka_status_t status = mmi_state_of_words(p, words, &state);
    if (!status)
        status = mmi_tail_unpack(p, reservation, state.head, &tail);
    if (status)
        return status;
    mmi_sender_note(sender, state.head, 0);
    memcpy(sender->state, words, sizeof sender->state);
    sender->reservation = reservation;
    sender->reached = tail.at;
    sender->ended = tail.ended;
    sender->known = true;
    return MOFKA_OK;
}

mofka_status_t mmi_room_read_near(const mmi_partition_t *p, mmi_sender_t *sender) {
    const char *control = mmi_window_address(p->w, p->owner, p->base);
    const _Atomic uint64_t *head = (const void *)(control + MMI_CONTROL(head_events));
    uint64_t words[MMI_STATE_WORDS];
    for (size_t i = 0; i < MMI_STATE_WORDS; i++)
        words[i] = atomic_load(head + i);
    uint64_t reservation =
        atomic_load((const _Atomic uint64_t *)(const void *)(control + MMI_CONTROL(reservation)));
    return mmi_sender_knows(sender, words, reservation)
               ? MOFKA_OK
               : room_decode(p, sender, words, reservation);
}

/* `*room`: whether the batch fits, perhaps after trimming. */
static mofka_status_t room_look(const mmi_partition_t *p, mmi_sender_t *sender,
                                const mofka_batch_t *batch, mmi_due_t *due, bool *room) {
    mofka_status_t status =
        p->w->ops->has_addresses ? mmi_room_read_near(p, sender) : room_read(p, sender);
    if (status)
        return status;
    if (sender->ended && !batch->reserved)
        return mmi_commit_refuse(p);
    mmi_place_t end = mmi_batch_end(batch, sender->reached);
    assert(end.events > sender->head.events);
    *room = mmi_place_fits(p, sender->head, end);
    if (*room)
        return mmi_window_check(p->w, p->owner);
    status = room_trim(p, batch->reserved ? mmi_batch_place(batch) : sender->reached, end, due);
    if (!status)
        status = mmi_sender_read_state(p, sender);
    *room = !status && mmi_place_fits(p, sender->head, end);
    return status;
}

/* The length of the next nap, which ends at the deadline. `*step` doubles: naps grow with the time
 * waited. */
static int64_t room_nap_us(const mmi_partition_t *p, int64_t deadline, int64_t *step) {
    int64_t most = p->w->sync_win == MPI_WIN_NULL ? NAP_US_MAX : NODE_NAP_US_MAX;
    assert(*step > 0 && *step <= most);
    int64_t left_ms = deadline - mmi_now_ms();
    int64_t us = *step;
    *step = *step * 2 < most ? *step * 2 : most;
    return left_ms < 1 ? 1 : left_ms < us / 1000 ? left_ms * 1000 : us;
}

/* Sleep once at the room bell, unless there is room now. */
static mofka_status_t room_sleep(const mmi_partition_t *p, mmi_sender_t *sender,
                                 const mofka_batch_t *batch, mmi_due_t *due, int64_t *step,
                                 bool *room) {
    const size_t bell = MMI_CONTROL(room_bell);
    uint64_t seen = p->w->ops->has_bells ? mmi_control_load(p, bell) : 0;
    mmi_bell_add_waiter(p, bell, 1);
    mofka_status_t status = room_look(p, sender, batch, due, room);
    if (!status && !*room)
        p->w->ops->sleep_on(p->w, p->owner, p->base + bell, seen,
                            room_nap_us(p, mmi_due_deadline(due), step));
    mmi_bell_add_waiter(p, bell, -1);
    return status;
}

/* A batch waits, perhaps through many appends: count it among those that wait, and warn once. */
static void room_note_wait(const mmi_partition_t *p, mmi_sender_t *sender, const mmi_due_t *due,
                           int64_t now_ms) {
    if (sender->full_ms == 0) {
        p->w->ops->fetch_add(p->w, p->owner, p->base + MMI_CONTROL(blocked), MMI_COUNT_ONE);
        sender->full_ms = now_ms;
    }
    if (sender->warned_full || now_ms - sender->full_ms < WARN_AFTER_MS)
        return;
    sender->warned_full = true;
    room_warn(p, due);
}

void mmi_room_leave(const mmi_partition_t *p, mmi_sender_t *sender) {
    assert(sender->full_ms != 0);
    p->w->ops->fetch_add(p->w, p->owner, p->base + MMI_CONTROL(blocked), -MMI_COUNT_ONE);
    sender->full_ms = 0;
    sender->warned_full = false;
}

/* If there is no room because of what a dead rank has reserved, make that void. */
static void room_pass_dead(const mmi_partition_t *p, int64_t now_ms, int64_t *look_ms) {
    mmi_state_t state;
    mmi_tail_t tail;
    bool stuck = false, passed;
    if (!mmi_rows_exist(p) || now_ms < *look_ms || mmi_tail_load(p, &state, &tail))
        return;
    *look_ms = now_ms + DEAD_LOOK_MS;
    uint64_t at = state.head.events;
    while (!stuck && at < tail.at.events &&
           !mmi_flags_pass(p, tail.at.events, true, INT64_MAX, &at, &stuck))
        ;
    if (stuck) /* an error is found again by who needs the words */
        (void)mmi_dead_pass(p, at, now_ms + LOCK_WAIT_MS, &passed);
}

/* The long wait: sleep until there is room or the time is over. */
static mofka_status_t room_sleep_until(const mmi_partition_t *p, mmi_sender_t *sender,
                                       mofka_batch_t *batch, mmi_due_t *due) {
    mofka_status_t status = MOFKA_OK;
    bool room = false;
    assert(due->timeout_ms != 0);
    int64_t step = p->w->ops->has_bells ? BELL_NAP_US : POLL_NAP_US;
    int64_t dead_look_ms = mmi_now_ms() + DEAD_LOOK_MS;
    while (!status && !room) {
        int64_t now_ms = mmi_now_ms();
        room_pass_dead(p, now_ms, &dead_look_ms);
        if (mmi_due_is_over(p, due, now_ms))
            return MOFKA_ERR_TIMEOUT;
        room_note_wait(p, sender, due, now_ms);
        mmi_turn_note_wait(p, batch, now_ms);
        if (mmi_turn_has_come(p, batch))
            return MOFKA_OK;
        status = room_sleep(p, sender, batch, due, &step, &room);
        if (!status && !room)
            status = room_look(p, sender, batch, due, &room);
        if (room)
            mmi_bell_ring_room(p); /* there may be room for the next waiter as well */
    }
    return status;
}

/* The first look found no room. */
static mofka_status_t room_wait_on(const mmi_partition_t *p, mmi_sender_t *sender,
                                   mofka_batch_t *batch, mmi_due_t *due) {
    bool room = false;
    mofka_status_t status = MOFKA_OK;
    int64_t start_ns = mmi_now_ns();
    if (sender->unsettled) /* the head may wait for this sender's own flags */
        status = mmi_sender_settle(p, sender);
    mmi_spin_t spin = mmi_spin_start(p->w);
    while (!status && !room && mmi_spin_again(&spin))
        status = room_look(p, sender, batch, due, &room);
    if (!status && !room) {
        room_note_wait(p, sender, due, start_ns / 1000000);
        mmi_turn_note_wait(p, batch, start_ns / 1000000);
        if (mmi_turn_has_come(p, batch))
            return MOFKA_OK;
        if (due->timeout_ms == 0) /* the caller does not wait */
            return MOFKA_ERR_TIMEOUT;
        status = room_sleep_until(p, sender, batch, due);
    }
    batch->blocked_ns += (uint64_t)(mmi_now_ns() - start_ns);
    return status;
}

/* Nearly always there is room, and no clock is read. */
mofka_status_t mmi_room_wait(const mmi_partition_t *p, mmi_sender_t *sender, mofka_batch_t *batch,
                             mmi_due_t *due) {
    bool room = false;
    mofka_status_t status = room_look(p, sender, batch, due, &room);
    return status || room ? status : room_wait_on(p, sender, batch, due);
}
