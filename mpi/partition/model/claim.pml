/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Claims in place: a program fills what is reserved, for as long as it likes. Memory is sequentially consistent.
 *
 * One rank claims, and commits, aborts, or lets the claim expire and ends it later; it may die at any step. Another
 * rank appends. A third reads, moves its cursor, which is the head, and makes void what the dead have left. Each event
 * has one slot of SLOTS.
 *
 * Checked: nobody uses a slot that another one uses, or whose event is not behind the head; what was committed is stored, and nothing else that was claimed;
 * the reader comes to the end of what is reserved, and so does the head once no claim is open.
 *
 * Mutants, each of which must fail:
 *   MUTANT_SETTLED     the void of an expired claim is settled
 *   MUTANT_NO_ROOM     a claim is reserved without a look for room
 *   MUTANT_ADD         it is reserved by fetch_add, after a look for room
 *   MUTANT_NO_ROW      the row is written behind the reservation
 *   MUTANT_ROW_EARLY   the row is emptied when the claim expires
 *   MUTANT_NO_SETTLE   nobody settles the expired claims of the dead
 */
#ifndef SLOTS
#define SLOTS 2
#endif
#define TURNS 2
#define IDS 5

mtype = { NONE, STORED, VOID, KEPT };

mtype flag[IDS] = NONE;
byte reservation = 0, head = 0;
bit used[SLOTS];
bit intent[2], dead;
byte first[2]; /* id + 1 */
bit committed[IDS];
byte done = 0;

/* The program is gone, and with it what it does in its memory. */
#define MAY_DIE                                                                                    \
    if                                                                                             \
    :: true                                                                                        \
    :: atomic { true -> dead = 1; if :: uses -> used[id % SLOTS] = 0 :: else fi; goto over }       \
    fi

inline use(slot) {
    atomic { assert(!used[slot] && id + 1 - head <= SLOTS); used[slot] = 1; uses = 1 }
}
inline leave(slot) { atomic { used[slot] = 0; uses = 0 } }
inline clear_row(me) { first[me] = 0; intent[me] = 0 }

proctype claimer() {
    byte id, seen, turns = TURNS;
    bit uses = 0, got;
    do
    :: turns == 0 -> break
    :: else ->
        turns--;
        got = 0;
        do
        :: got -> break
        :: else ->
#ifdef MUTANT_NO_ROOM
            seen = reservation;
#else
            atomic { reservation + 1 - head <= SLOTS -> seen = reservation }
#endif
            MAY_DIE;
#ifndef MUTANT_NO_ROW
            intent[0] = 1;
            MAY_DIE;
#endif
#ifdef MUTANT_ADD
            atomic { id = reservation; reservation++; got = 1 }
#else
            atomic {
                if
                :: reservation == seen -> id = seen; reservation++; got = 1
                :: else
                fi
            }
#endif
            MAY_DIE;
#ifdef MUTANT_NO_ROW
            intent[0] = 1;
#endif
            if
            :: got -> first[0] = id + 1
            :: else -> intent[0] = 0
            fi;
            MAY_DIE
        od;
        use(id % SLOTS);
        MAY_DIE;
        if
        :: true -> /* it expires */
            atomic {
                assert(flag[id] == NONE);
#ifdef MUTANT_SETTLED
                flag[id] = VOID
#else
                flag[id] = KEPT
#endif
            };
#ifdef MUTANT_ROW_EARLY
            clear_row(0);
#endif
            MAY_DIE;
            leave(id % SLOTS);
            MAY_DIE;
            flag[id] = VOID;
            MAY_DIE
        :: true -> /* abort */
            leave(id % SLOTS);
            MAY_DIE;
            atomic { assert(flag[id] == NONE); flag[id] = VOID };
            MAY_DIE
        :: true -> /* commit */
            leave(id % SLOTS);
            MAY_DIE;
            atomic { assert(flag[id] == NONE); flag[id] = STORED; committed[id] = 1 };
            MAY_DIE
        fi;
        clear_row(0)
    od;
over:
    done++
}

proctype appender() {
    byte id, turns = TURNS;
    bit uses;
    do
    :: turns == 0 -> break
    :: else ->
        turns--;
        intent[1] = 1;
        atomic { id = reservation; reservation++ }
        first[1] = id + 1;
        id + 1 - head <= SLOTS; /* it waits for room where it is reserved */
        use(id % SLOTS);
        leave(id % SLOTS);
        atomic { assert(flag[id] == NONE); flag[id] = STORED; committed[id] = 1 };
        clear_row(1)
    od;
    done++
}

/* The dead rank's row says that the event is its own, or may be, and that of the living one does not. */
#define IS_DEAD_ONES(at)                                                                           \
    (dead && intent[0] && (first[0] == at + 1 || first[0] == 0) &&                                 \
     !(intent[1] && (first[1] == 0 || first[1] == at + 1)))

proctype reader() {
    byte next = 0;
    do
    :: next < reservation && flag[next] != NONE ->
        assert((flag[next] == STORED) == committed[next]);
        next++
    :: head < next && (flag[head] == STORED || flag[head] == VOID) -> head++
    :: next < reservation && flag[next] == NONE && IS_DEAD_ONES(next) ->
        atomic {
            if
            :: flag[next] == NONE -> flag[next] = VOID
            :: else
            fi
        }
#ifndef MUTANT_NO_SETTLE
    :: head < next && flag[head] == KEPT && dead && intent[0] && first[0] == head + 1 -> flag[head] = VOID
#endif
    :: done == 2 && next == reservation && head == next -> break
    od
}

init {
    atomic {
        run claimer();
        run appender();
        run reader()
    }
}
