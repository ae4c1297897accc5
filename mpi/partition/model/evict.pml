/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A consumer's name is evicted while its rank, which is only stopped, goes on. Memory is sequentially consistent.
 *
 * Consumer A has the name in place 0. At any time a user evicts the name, and consumer B takes it. A reads on, stores
 * its cursor, and leaves, in whatever order the steps come: a stop is a long time between two of them. A producer moves
 * the head to the smallest cursor of the places that count, with the lock, and writes into the room behind it.
 *
 * Checked: who delivers an event has read that event, not what was written over it; only the consumer that a place was
 * given to stores there while the place counts; a name is in one place that counts, at most; once A and B have left,
 * the name is away in one place or gone, and no place stays evicted.
 *
 * Mutants, each of which must fail:
 *   MUTANT_FREE        an evicted place is free at once
 *   MUTANT_NO_LOOK     a consumer delivers without a look at its state
 *   MUTANT_LOOK_FIRST  it looks before it reads
 *   MUTANT_STORE       who leaves stores AWAY, whatever the state is
 *   MUTANT_RETAKE      an evicted place is given to the next consumer of the name
 */
#define FREE 0
#define AWAY 1
#define LIVE 2
#define EVICTED 3
#define PLACES 2
#define SLOTS 2
#define EVENTS 5
#define NOBODY 0
#define A 1
#define B 2

byte state[PLACES], cursor[PLACES], owner[PLACES]; /* the owner is a ghost: whom the place was given to */
byte slot[SLOTS], tail = 2, head = 0;
bit lock = 0, evicted = 0;
byte left = 0;

#define counts(i) (state[i] == AWAY || state[i] == LIVE)
#define TAKE atomic { lock == 0 -> lock = 1 }
#define GIVE lock = 0

inline read(me, place) {
    if
    :: next < tail ->
#ifdef MUTANT_LOOK_FIRST
        good = (state[place] != EVICTED);
        seen = slot[next % SLOTS];
#else
        seen = slot[next % SLOTS];
        good = (state[place] != EVICTED);
#endif
#ifdef MUTANT_NO_LOOK
        good = 1;
#endif
        if
        :: good ->
            assert(seen == next);
            next++;
            atomic {
                assert(owner[place] == me);
                cursor[place] = next
            }
        :: else
        fi
    :: else
    fi
}

inline leave(place) {
#ifdef MUTANT_STORE
    state[place] = AWAY;
#else
    atomic {
        good = (state[place] == LIVE);
        if
        :: good -> state[place] = AWAY
        :: else
        fi
    }
    if
    :: !good -> assert(state[place] == EVICTED); state[place] = FREE
    :: else
    fi;
#endif
    left++
}

proctype stopped() {
    byte next = 0, seen, turns = 3;
    bit good;
    do
    :: turns > 0 -> turns--; read(A, 0)
    :: break
    od;
    leave(0)
}

proctype user() {
    byte i = 0;
    TAKE;
    do
    :: i == PLACES -> break
    :: else ->
        atomic { /* compare-exchange, from LIVE */
            if
#if defined(MUTANT_FREE)
            :: state[i] == LIVE -> state[i] = FREE
#else
            :: state[i] == LIVE -> state[i] = EVICTED
#endif
            :: state[i] == AWAY -> state[i] = FREE
            :: else
            fi
        }
        i++
    od;
    evicted = 1;
    GIVE
}

proctype successor() {
    byte next, seen, place = PLACES, turns = 2, i;
    bit good;
    evicted;
    TAKE;
    i = PLACES;
    do
    :: i == 0 -> break
    :: else ->
        i--;
        if
        :: counts(i) -> assert(false) /* the name was evicted: nobody has it */
#ifdef MUTANT_RETAKE
        :: state[i] == EVICTED -> place = i; break
#endif
        :: state[i] == FREE -> place = i
        :: else
        fi
    od;
    if
    :: place == PLACES -> GIVE; goto no_room
    :: else
    fi;
    next = head;
    atomic {
        owner[place] = B;
        cursor[place] = head
    }
    state[place] = LIVE;
    GIVE;
    do
    :: turns > 0 -> turns--; read(B, place)
    :: turns == 0 -> break
    od;
    leave(place);
    goto done;
no_room:
    left++;
done:
    skip
}

proctype producer() {
    byte i, least;
    do
    :: tail == EVENTS -> break
    :: left == 2 && tail < EVENTS -> break
    :: tail < head + SLOTS && tail < EVENTS -> slot[tail % SLOTS] = tail; tail++
    :: tail == head + SLOTS && tail < EVENTS ->
        TAKE;
        i = 0;
        least = 255;
        do
        :: i == PLACES -> break
        :: else ->
            if
            :: counts(i) && cursor[i] < least -> least = cursor[i]
            :: else
            fi;
            i++
        od;
        if
        :: least != 255 && least > head -> head = least
        :: else
        fi;
        GIVE
    od
}

init {
    atomic {
        slot[0] = 0;
        slot[1] = 1;
        state[0] = LIVE;
        owner[0] = A;
        run stopped();
        run user();
        run successor();
        run producer()
    }
    left == 2;
    assert(state[0] != EVICTED && state[1] != EVICTED);
    assert(!(counts(0) && counts(1)))
}
