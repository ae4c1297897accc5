/* SPDX-License-Identifier: BSD-3-Clause */
/* The loops of the floors: one for each kind and side, and rounds of them. floor.h describes the
 * floors. */
#include <assert.h>
#include <math.h>
#include <sched.h>
#include "floors/floor_inside.h"

/* How often a flag is read, with some thousands of pauses, before the core is offered to others. */
#define LOOKS 64
/* The shortest round from which the speed of the next one is known. */
#define SPEED_KNOWN_S 1e-3
/* A round that takes this many times longer than planned is ended, where that is possible. */
#define LATE_FACTOR 4
/* ring_64: messages between two writes of an index, if the ring has twice as many slots. */
#define RING_STEP 64

enum { TAG_MESSAGE, TAG_BACK };

const char *floor_name(floor_kind_t kind) {
    assert((int)kind >= 0 && kind < FLOOR_COUNT);
    static const char *const names[FLOOR_COUNT] = {"memcpy", "two_copy", "zero_copy", "put",
                                                   "get",    "isend",    "sendrecv",  "fetch_add",
                                                   "line",   "ring",     "ring_64",   "ring_trip"};
    return names[kind];
}

bool floor_succeeded(const char *call, int error) {
    assert(call);
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;
    if (error == MPI_SUCCESS)
        return true;
    MPI_Error_string(error, text, &length);
    fprintf(stderr, "mofka-bench: floors: %s: %s\n", call, text);
    return false;
}

/* ---- the message ----------------------------------------------------------------------------- */

/* The offset of the next stamp: every STAMP_STEP bytes while it ends before the last stamp, then
 * the last one. */
static size_t floor_next_stamp(size_t at, size_t last) {
    assert(at < last);
    return at + STAMP_STEP + 8 <= last ? at + STAMP_STEP : last;
}

static void floor_stamp(char *message, size_t bytes, uint64_t number) {
    assert(message);
    if (bytes < 8)
        return;
    size_t last = bytes - 8, at = last < 8 ? last : 0;
    for (;; at = floor_next_stamp(at, last)) {
        uint64_t value = number + at;
        memcpy(message + at, &value, sizeof value);
        if (at == last)
            return;
    }
}

static bool floor_is_stamped(const char *message, size_t bytes, uint64_t number) {
    assert(message);
    if (bytes < 8)
        return true;
    size_t last = bytes - 8, at = last < 8 ? last : 0;
    for (;; at = floor_next_stamp(at, last)) {
        uint64_t value;
        memcpy(&value, message + at, sizeof value);
        if (value != number + at)
            return false;
        if (at == last)
            return true;
    }
}

/* ---- shared memory --------------------------------------------------------------------------- */

static void floor_walk_advance(const floor_t *f, floor_walk_t *walk) {
    assert(walk->slot < f->slots && walk->turn % 2 == 0);
    if (++walk->slot == f->slots) {
        walk->slot = 0;
        walk->turn += 2;
    }
}

static void floor_pause_core(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* Wait until the flag has reached a turn. Returns the flag.
 *
 * Reading the flag less often lets the other rank get ahead by some slots, so the lines of the
 * flags change hands less often. At 4 KiB, up to 128 pauses between two reads were 2 to 4 times as
 * fast as none. */
static uint64_t floor_await_turn(floor_flag_t *flag, uint64_t turn) {
    uint64_t found;
    for (int looks = 0; (found = atomic_load_explicit(&flag->turn, memory_order_acquire)) < turn;
         looks++) {
        if (looks >= LOOKS)
            sched_yield();
        else
            for (int pauses = 1 << (looks < 7 ? looks : 7); pauses > 0; pauses--)
                floor_pause_core();
    }
    return found;
}

static void floor_publish(floor_flag_t *flag, uint64_t turn) {
    /* A release store does not order the non-temporal stores that a large memcpy may use. */
    atomic_thread_fence(memory_order_seq_cst);
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#endif
    atomic_store_explicit(&flag->turn, turn, memory_order_release);
}

static void floor_copy_alone(floor_t *f, uint64_t count) {
    assert(f->rank == SENDER && f->ring && f->message);
    for (uint64_t i = 0; i < count; i++) {
        char *slot = f->ring + f->alone.slot * f->stride;
        floor_stamp(f->message, f->bytes, f->number);
        memcpy(slot, f->message, f->bytes);
        memcpy(f->message, slot, f->bytes);
        f->damaged |= !floor_is_stamped(f->message, f->bytes, f->number++);
        floor_walk_advance(f, &f->alone);
    }
}

static void floor_copy_in(floor_t *f, uint64_t count) {
    assert(f->rank == SENDER && f->passed.slot < f->slots);
    for (uint64_t i = 0; i < count; i++) {
        floor_flag_t *flag = &f->flags[f->passed.slot];
        floor_stamp(f->message, f->bytes, f->number++);
        floor_await_turn(flag, f->passed.turn);
        memcpy(f->ring + f->passed.slot * f->stride, f->message, f->bytes);
        floor_publish(flag, f->passed.turn + 1);
        floor_walk_advance(f, &f->passed);
    }
}

/* The slot is free as soon as its bytes are copied. Nothing was stored in it, so no fence is
 * needed. */
static void floor_copy_out(floor_t *f, uint64_t count) {
    assert(f->rank == RECEIVER && f->passed.slot < f->slots);
    for (uint64_t i = 0; i < count; i++) {
        floor_flag_t *flag = &f->flags[f->passed.slot];
        floor_await_turn(flag, f->passed.turn + 1);
        memcpy(f->message, f->ring + f->passed.slot * f->stride, f->bytes);
        atomic_store_explicit(&flag->turn, f->passed.turn + 2, memory_order_release);
        f->damaged |= !floor_is_stamped(f->message, f->bytes, f->number++);
        floor_walk_advance(f, &f->passed);
    }
}

static void floor_read_in_place(floor_t *f, uint64_t count) {
    assert(f->rank == RECEIVER && f->passed.slot < f->slots);
    for (uint64_t i = 0; i < count; i++) {
        floor_flag_t *flag = &f->flags[f->passed.slot];
        floor_await_turn(flag, f->passed.turn + 1);
        f->damaged |=
            !floor_is_stamped(f->ring + f->passed.slot * f->stride, f->bytes, f->number++);
        atomic_store_explicit(&flag->turn, f->passed.turn + 2, memory_order_release);
        floor_walk_advance(f, &f->passed);
    }
}

static void floor_pass_line(floor_t *f, uint64_t trips) {
    assert(f->flags);
    floor_flag_t *line = &f->flags[f->slots + LINE_FLAG];
    for (uint64_t i = 0; i < trips; i++, f->number += 2) {
        if (f->rank == RECEIVER)
            floor_await_turn(line, f->number + 1);
        atomic_store_explicit(&line->turn, f->number + 1 + (f->rank == RECEIVER),
                              memory_order_release);
        if (f->rank == SENDER)
            floor_await_turn(line, f->number + 2);
    }
}

/* Write an index of `ring`. The C library orders the non-temporal stores of its memcpy itself. */
static void floor_set_index(floor_flag_t *index, uint64_t value) {
    atomic_store_explicit(&index->turn, value, memory_order_release);
}

static void floor_ring_in(floor_t *f, uint64_t count, uint64_t step) {
    assert(f->rank == SENDER && f->ringed.slot < f->slots && step > 0);
    floor_flag_t *sent = &f->flags[f->slots + SENT_FLAG], *taken = sent + 1;
    uint64_t at = f->indexed, free_until = at + f->slots;
    for (uint64_t i = 0; i < count; i++) {
        floor_stamp(f->message, f->bytes, f->number++);
        if (at == free_until)
            free_until = floor_await_turn(taken, at + 1 - f->slots) + f->slots;
        memcpy(f->ring + f->ringed.slot * f->stride, f->message, f->bytes);
        floor_walk_advance(f, &f->ringed);
        at++;
        if ((i + 1) % step == 0 || i + 1 == count)
            floor_set_index(sent, at);
    }
    f->indexed = at;
}

static void floor_ring_out(floor_t *f, uint64_t count, uint64_t step) {
    assert(f->rank == RECEIVER && f->ringed.slot < f->slots && step > 0);
    floor_flag_t *sent = &f->flags[f->slots + SENT_FLAG], *taken = sent + 1;
    uint64_t at = f->indexed, full_until = at;
    for (uint64_t i = 0; i < count; i++) {
        if (at == full_until)
            full_until = floor_await_turn(sent, at + 1);
        memcpy(f->message, f->ring + f->ringed.slot * f->stride, f->bytes);
        floor_walk_advance(f, &f->ringed);
        at++;
        if ((i + 1) % step == 0 || i + 1 == count)
            floor_set_index(taken, at);
        f->damaged |= !floor_is_stamped(f->message, f->bytes, f->number++);
    }
    f->indexed = at;
}

/* The same index counts the messages of one direction, and the other one those that come back. */
static void floor_ring_trip(floor_t *f, uint64_t trips, mfi_histogram_t *times) {
    assert(f->flags && f->ringed.slot < f->slots);
    bool sends = f->rank == SENDER;
    floor_flag_t *own = &f->flags[f->slots + (sends ? SENT_FLAG : TAKEN_FLAG)];
    floor_flag_t *other = &f->flags[f->slots + (sends ? TAKEN_FLAG : SENT_FLAG)];
    double before = bench_now();
    for (uint64_t i = 0; i < 2 * trips; i++) {
        char *slot = f->ring + f->ringed.slot * f->stride;
        bool writes = (i % 2 == 0) == sends;
        if (writes) {
            floor_stamp(f->message, f->bytes, f->number++);
            memcpy(slot, f->message, f->bytes);
            floor_set_index(own, f->indexed + i / 2 + 1);
        } else {
            floor_await_turn(other, f->indexed + i / 2 + 1);
            memcpy(f->message, slot, f->bytes);
            f->damaged |= !floor_is_stamped(f->message, f->bytes, f->number++);
        }
        floor_walk_advance(f, &f->ringed);
        if (writes || !sends || !times)
            continue;
        double now = bench_now();
        mfi_histogram_record(times, (uint64_t)((now - before) * 0.5e9));
        before = now;
    }
    f->indexed += trips;
}

/* ---- MPI ------------------------------------------------------------------------------------- */

/* Whether the round takes far longer than planned. A target that other processes keep from its core
 * can make each operation a thousand times slower. Only the sender counts operations, so it may end
 * the round. */
static bool floor_is_late(const floor_t *f, uint64_t done) {
    return done % 16 == 15 && bench_now() > f->deadline;
}

static uint64_t floor_put_or_get(floor_t *f, floor_kind_t kind, uint64_t count) {
    assert(f->rank == SENDER && f->remote != MPI_WIN_NULL &&
           (kind == FLOOR_PUT || kind == FLOOR_GET));
    int bytes = (int)f->bytes;
    uint64_t done = 0;
    for (; done < count && !f->failed && !floor_is_late(f, done); done++) {
        MPI_Aint place = (MPI_Aint)(f->skipped + f->alone.slot * f->stride);
        if (kind == FLOOR_PUT) {
            floor_stamp(f->message, f->bytes, f->number++);
            f->failed |= !floor_succeeded("MPI_Put", MPI_Put(f->message, bytes, MPI_BYTE, RECEIVER,
                                                             place, bytes, MPI_BYTE, f->remote));
        } else {
            f->failed |= !floor_succeeded("MPI_Get", MPI_Get(f->message, bytes, MPI_BYTE, RECEIVER,
                                                             place, bytes, MPI_BYTE, f->remote));
        }
        f->failed |= !floor_succeeded("MPI_Win_flush", MPI_Win_flush(RECEIVER, f->remote));
        floor_walk_advance(f, &f->alone);
    }
    return done;
}

static uint64_t floor_fetch_add(floor_t *f, uint64_t count) {
    assert(f->rank == SENDER && f->remote != MPI_WIN_NULL);
    uint64_t one = 1, old, done = 0;
    MPI_Aint place = (MPI_Aint)(f->skipped + f->slots * f->stride);
    for (; done < count && !f->failed && !floor_is_late(f, done); done++) {
        f->failed |= !floor_succeeded(
            "MPI_Fetch_and_op",
            MPI_Fetch_and_op(&one, &old, MPI_UINT64_T, RECEIVER, place, MPI_SUM, f->remote));
        f->failed |= !floor_succeeded("MPI_Win_flush", MPI_Win_flush(RECEIVER, f->remote));
    }
    return done;
}

/* Make progress inside MPI while others work on this rank's memory. Ends when the sender does. */
void floor_drive_progress(floor_t *f) {
    MPI_Request request;
    int done = 0;
    MPI_Ibarrier(f->comm, &request);
    for (int tries = 1; !done; tries++) {
        MPI_Test(&request, &done, MPI_STATUS_IGNORE);
        if (!done && tries % 64 == 0)
            sched_yield();
    }
}

/* Each message under way has its own buffer on either side. MPI demands this of receives, and
 * messages that differ need it when they are sent. */
static void floor_isend_windows(floor_t *f, uint64_t count) {
    assert(f->buffers && f->width > 0 && f->width <= FLOOR_WINDOW);
    MPI_Request requests[FLOOR_WINDOW];
    for (uint64_t done = 0; done < count; done += f->width) {
        size_t width = count - done < f->width ? (size_t)(count - done) : f->width;
        for (size_t i = 0; i < width; i++) {
            char *buffer = f->buffers + i * f->stride;
            if (f->rank == SENDER) {
                floor_stamp(buffer, f->bytes, f->number++);
                MPI_Isend(buffer, (int)f->bytes, MPI_BYTE, RECEIVER, TAG_MESSAGE, f->comm,
                          &requests[i]);
            } else {
                MPI_Irecv(buffer, (int)f->bytes, MPI_BYTE, SENDER, TAG_MESSAGE, f->comm,
                          &requests[i]);
            }
        }
        MPI_Waitall((int)width, requests, f->no_statuses);
        if (f->rank == SENDER) {
            MPI_Recv(NULL, 0, MPI_BYTE, RECEIVER, TAG_BACK, f->comm, MPI_STATUS_IGNORE);
            continue;
        }
        MPI_Send(NULL, 0, MPI_BYTE, SENDER, TAG_BACK, f->comm);
        for (size_t i = 0; i < width; i++)
            f->damaged |= !floor_is_stamped(f->buffers + i * f->stride, f->bytes, f->number++);
    }
}

static void floor_send_and_receive(floor_t *f, uint64_t trips, mfi_histogram_t *times) {
    assert(f->message);
    int bytes = (int)f->bytes;
    for (uint64_t i = 0; i < trips; i++) {
        if (f->rank == RECEIVER) {
            MPI_Recv(f->message, bytes, MPI_BYTE, SENDER, TAG_MESSAGE, f->comm, MPI_STATUS_IGNORE);
            MPI_Send(f->message, bytes, MPI_BYTE, SENDER, TAG_BACK, f->comm);
            continue;
        }
        floor_stamp(f->message, f->bytes, f->number++);
        double start = bench_now();
        MPI_Send(f->message, bytes, MPI_BYTE, RECEIVER, TAG_MESSAGE, f->comm);
        MPI_Recv(f->message, bytes, MPI_BYTE, RECEIVER, TAG_BACK, f->comm, MPI_STATUS_IGNORE);
        if (times)
            mfi_histogram_record(times, (uint64_t)((bench_now() - start) * 1e9 / 2));
    }
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/* Run this rank's part of a round. The answer is how many messages it moved; 0: it only waited, and
 * its time has no meaning. */
static uint64_t floor_play(floor_t *f, floor_kind_t kind, uint64_t count, mfi_histogram_t *times) {
    assert(count % 2 == 0);
    bool sends = f->rank == SENDER;
    uint64_t step = kind == FLOOR_RING ? 1 : f->slots / 2 < RING_STEP ? f->slots / 2 : RING_STEP;
    switch (kind) {
    case FLOOR_ISEND:
        floor_isend_windows(f, count);
        return count;
    case FLOOR_SENDRECV:
        floor_send_and_receive(f, count / 2, times);
        return count;
    case FLOOR_TWO_COPY:
        (sends ? floor_copy_in : floor_copy_out)(f, count);
        return count;
    case FLOOR_ZERO_COPY:
        (sends ? floor_copy_in : floor_read_in_place)(f, count);
        return count;
    case FLOOR_LINE:
        floor_pass_line(f, count / 2);
        return count;
    case FLOOR_RING:
    case FLOOR_RING_64:
        (sends ? floor_ring_in : floor_ring_out)(f, count, step);
        return count;
    case FLOOR_RING_TRIP:
        floor_ring_trip(f, count / 2, times);
        return count;
    default:
        break;
    }
    if (!sends)
        return 0;
    if (kind == FLOOR_FETCH_ADD)
        return floor_fetch_add(f, count);
    if (kind != FLOOR_MEMCPY)
        return floor_put_or_get(f, kind, count);
    floor_copy_alone(f, count);
    return count;
}

typedef struct floor_outcome {
    double seconds, count;
} floor_outcome_t;

/* Run a round of at most `count` messages, which should take `seconds`. Both ranks get the same
 * answer. NAN: a message was damaged, or MPI failed. */
static floor_outcome_t floor_run(floor_t *f, floor_kind_t kind, uint64_t count, double seconds,
                                 mfi_histogram_t *times) {
    assert(count >= 2 && !f->damaged);
    enum { SECONDS, COUNT, BAD, ALL };
    /* Both ranks must use the same numbers for stamps. */
    uint64_t agreed[2] = {count, f->number};
    bench_barrier(f->comm);
    MPI_Bcast(agreed, 2, MPI_UINT64_T, SENDER, f->comm);
    f->number = agreed[1];
    bench_barrier(f->comm);
    double start = bench_now(), own[ALL], all[ALL];
    f->deadline = start + LATE_FACTOR * fmax(seconds, SPEED_KNOWN_S);
    uint64_t moved = floor_play(f, kind, agreed[0], times);
    own[SECONDS] = moved ? bench_now() - start : 0;
    own[COUNT] = (double)moved;
    own[BAD] = f->damaged || f->failed;
    if (1U << kind & REMOTE_KINDS)
        floor_drive_progress(f);
    else if (kind == FLOOR_MEMCPY)
        bench_barrier(f->comm); /* the receiver leaves its core to others */
    MPI_Allreduce(own, all, ALL, MPI_DOUBLE, MPI_MAX, f->comm);
    if (f->damaged)
        fprintf(stderr, "mofka-bench: floors: %s: a message arrived damaged\n", floor_name(kind));
    f->damaged = false;
    return (floor_outcome_t){all[BAD] > 0 ? NAN : fmax(all[SECONDS], 1e-9), all[COUNT]};
}

double floor_round(floor_t *f, floor_kind_t kind, double seconds, mfi_histogram_t *times) {
    assert(seconds > 0 && kind < FLOOR_COUNT);
    uint64_t count = 2;
    for (;;) {
        bool known = f->speed[kind] > 0;
        if (known) /* an even number, because sendrecv moves two messages at a time */
            count = (uint64_t)fmax(2, f->speed[kind] * seconds) & ~UINT64_C(1);
        floor_outcome_t round = floor_run(f, kind, count, seconds, known ? times : NULL);
        if (isnan(round.seconds))
            return NAN;
        if (known || round.seconds >= SPEED_KNOWN_S)
            f->speed[kind] = round.count / round.seconds;
        else
            count *= 4;
        /* If the previous round was disturbed, this one may be far too short, and is repeated. */
        if (known && round.seconds >= seconds / 2)
            return f->speed[kind];
    }
}
