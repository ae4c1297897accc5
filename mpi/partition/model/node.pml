/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A partition that processors of its owner's node append to, and a consumer of another node.
 *
 * The publisher writes the payload, then the flag. Where no room is left it trims, under the lock, to the
 * cursor of the name. The consumer elsewhere reads the flag by one epoch of MPI and the payload by the next,
 * and puts its cursor; a put is on its way until a flush. It asks the owner to let it join and leave: the
 * owner takes the lock for that. It may stop for ever behind any step. Then another consumer comes, of the
 * owner's node: under the same name, or, if the place was freed, under another one in the same place.
 *
 * The payload of event e is e + 1. A byte that is being written is TORN.
 *
 * Checked: what is read is the event's payload; the consumer that comes next misses nothing that was not
 * acknowledged, and of a new name nothing behind the head; and if nobody stops, all events are read. Whoever
 * waits for the lock gets it, also if the consumer elsewhere stops: no other end is valid.
 *
 * Mutants, each of which must fail:
 *   MUTANT_ONE_EPOCH     flag and payload are read in one epoch, in any order
 *   MUTANT_FLAG_FIRST    the publisher stores the flag before the payload
 *   MUTANT_NO_FLUSH      the consumer asks to leave while its cursor is on its way
 *   MUTANT_CURSOR_EARLY  the cursor is put before the payload is there
 *   MUTANT_OWN_LOCK      the consumer elsewhere takes the lock itself, to leave
 */
#define EVENTS 4
#define SLOTS 2
#define TORN 255

mtype = { JOIN, AWAY, FREE };
mtype state = FREE; /* of the place: FREE, AWAY (a name, nobody reads), JOIN (live) */
byte payload[SLOTS], flag[SLOTS];
byte head, cursor, acknowledged;
bit locked, left, freed;
chan ask = [0] of { mtype };
chan answer = [0] of { byte };
chan wire = [1] of { byte }; /* a cursor that is being put */

inline take() { atomic { !locked -> locked = 1 } }

proctype publisher() {
    byte e = 0;
    do
    :: e == EVENTS -> break
    :: e < EVENTS && e - head < SLOTS ->
#ifdef MUTANT_FLAG_FIRST
        flag[e % SLOTS] = e + 1;
#endif
        payload[e % SLOTS] = TORN;
        payload[e % SLOTS] = e + 1;
        flag[e % SLOTS] = e + 1;
        e++
    :: e < EVENTS && e - head >= SLOTS ->
        take();
        if
        :: state != FREE && cursor > head -> head = cursor
        :: else
        fi;
        locked = 0;
end_full: /* nobody reads any more, or reads on */
        (e - head < SLOTS || (state != FREE && cursor > head))
    od
}

/* Puts arrive whenever they do. */
proctype network() {
    byte c;
end:
    do
    :: atomic { wire?<c> -> cursor = c; wire?c }
    od
}

/* Its progress thread, which does what is asked. */
proctype owner() {
end:
    do
    :: ask?JOIN ->
        take();
        cursor = head;
        acknowledged = head;
        state = JOIN;
        locked = 0;
        answer!head
    :: ask?AWAY ->
        state = AWAY;
        answer!0
    :: ask?FREE ->
        take();
        state = FREE;
        locked = 0;
        answer!0
    od
}

#define MAY_STOP if :: goto end_stopped :: skip fi

proctype elsewhere() {
    byte next, got, seen;
    ask!JOIN;
    answer?next;
    do
    :: next < EVENTS && flag[next % SLOTS] == next + 1 ->
#ifdef MUTANT_ONE_EPOCH
        skip
#endif
        MAY_STOP;
#ifdef MUTANT_CURSOR_EARLY
        acknowledged = next + 1;
        wire!acknowledged;
#endif
        got = payload[next % SLOTS];
        assert(got == next + 1);
        next++;
#ifndef MUTANT_CURSOR_EARLY
        acknowledged = next;
        wire!next;
#endif
        MAY_STOP
#ifdef MUTANT_ONE_EPOCH
    :: next < EVENTS ->
        got = payload[next % SLOTS];
        if
        :: flag[next % SLOTS] == next + 1 -> assert(got == next + 1)
        :: else
        fi
#endif
    :: break
    od;
#ifndef MUTANT_NO_FLUSH
    empty(wire);
#endif
    MAY_STOP;
    if
    :: ask!AWAY
    :: freed = 1;
#ifdef MUTANT_OWN_LOCK
        take();
        MAY_STOP;
        state = FREE;
        locked = 0;
        goto gone
#else
        ask!FREE
#endif
    fi;
    answer?_;
gone:
    left = 1;
end_stopped:
    skip
}

proctype here() {
    byte next;
end_waits: /* the name stays taken */
    left;
    take();
    if
    :: freed ->
        cursor = head;
        next = head
    :: else ->
        next = cursor;
        assert(next == acknowledged && next >= head)
    fi;
    state = JOIN;
    locked = 0;
    do
    :: next == EVENTS -> break
    :: next < EVENTS && flag[next % SLOTS] == next + 1 ->
        assert(payload[next % SLOTS] == next + 1);
        next++;
        cursor = next
    :: next < EVENTS && flag[next % SLOTS] > next + 1 ->
        assert(false) /* it was overwritten */
    od
}

init {
    atomic {
        run publisher();
        run network();
        run owner();
        run elsewhere();
        run here()
    }
}
