/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks that name their holder, and ranks that die with them. Memory is sequentially consistent.
 *
 * Three ranks take the lock. One decides the end of the topic; one moves the head, which is two words; one joins as a
 * consumer, in the place of a consumer that may be dead, and stores its cursor there. The first two may die at any step.
 * A fourth rank reserves meanwhile. Whoever takes the lock from the dead sets right what they left.
 *
 * Checked: at most one rank that lives is in the critical section; the end is what the reservation was when it was
 * marked, and is stored as long as a rank lives that takes the lock; the head's units are never more than its events
 * need, and are right, or known to be too low, once the lock is free; a living consumer's place is its own.
 *
 * Mutants, each of which must fail:
 *   MUTANT_EXCHANGE      the lock is taken by exchange
 *   MUTANT_STOPPED       a rank that has not answered counts as dead
 *   MUTANT_NO_REPAIR     who takes the lock from the dead goes on at once
 *   MUTANT_NO_ENDING     the end is taken from the reservation as it is after the mark
 *   MUTANT_UNITS_FIRST   the head's units are stored before its events
 */
#define RANKS 3
#define FREE 0

byte lock = FREE; /* the holder + 1 */
bit dead[RANKS];
byte inside = 0, deaths = 0, done = 0;
byte reserved = 0;
bit marked = 0;
byte ending = 0, complete = 0, truth = 0; /* an end + 1; the last is what it should be */
byte head_events = 0, head_units = 0;     /* an event has one unit */
bit rough = 0;
byte live = 0;  /* of the place of a consumer: its rank + 1, if it is live */
byte cursor = 0;

#define MAY_DIE                                                                                    \
    if                                                                                             \
    :: true                                                                                        \
    :: atomic { me != 2 && deaths < 2 -> deaths++; dead[me] = 1; inside--; done++; goto died }     \
    fi

inline take() {
    from_dead = 0;
#ifdef MUTANT_EXCHANGE
    do
    :: atomic { old = lock; lock = me + 1 };
       if
       :: old == FREE -> break
       :: old != FREE && dead[old - 1] -> from_dead = 1; break
       :: else
       fi
    od;
#else
#ifdef MUTANT_STOPPED
    atomic { true -> from_dead = (lock != FREE); lock = me + 1 }
#else
    atomic {
        (lock == FREE || dead[lock - 1]) -> from_dead = (lock != FREE);
        lock = me + 1
    }
#endif
#endif
    atomic { inside++; assert(inside == 1) }
#ifndef MUTANT_NO_REPAIR
    if
    :: from_dead ->
        rough = 1;
        MAY_DIE;
        if
        :: marked && complete == 0 && ending != 0 -> complete = ending
        :: else
        fi;
        MAY_DIE
    :: else
    fi
#endif
}

/* In the free state, the head is what it says. */
inline give() {
    MAY_DIE;
    atomic {
        assert(rough || head_units == head_events);
        assert(!marked || complete == truth);
        inside--;
        lock = FREE
    }
}

inline decide_end() {
    if
    :: complete != 0
    :: else ->
#ifdef MUTANT_NO_ENDING
        atomic { !marked -> truth = reserved + 1; marked = 1 };
        MAY_DIE;
        complete = reserved + 1
#else
        do
        :: old = reserved;
           ending = old + 1;
           MAY_DIE;
           atomic {
               if
               :: reserved == old && !marked -> truth = reserved + 1; marked = 1; break
               :: else
               fi
           }
        od;
        MAY_DIE;
        complete = ending
#endif
    fi
}

inline move_head() {
    if
    :: head_events < cursor || rough ->
        old = cursor;
#ifdef MUTANT_UNITS_FIRST
        head_units = old;
        assert(head_units <= head_events);
        MAY_DIE;
        head_events = old;
#else
        head_events = old;
        MAY_DIE;
        assert(old <= head_events);
        atomic { head_units = old; rough = 0 }
#endif
    :: else
    fi
}

/* A consumer of the same name that is live, and not dead, keeps its place. */
inline join() {
    if
    :: live == 0 || dead[live - 1] ->
        atomic { assert(live == 0 || dead[live - 1]); live = me + 1 }
    :: else
    fi
}

proctype rank(byte me) {
    byte old, turns = 2;
    bit from_dead;
    do
    :: turns == 0 -> break
    :: else ->
        turns--;
        take();
        MAY_DIE;
        if
        :: me == 0 -> decide_end()
        :: me == 1 -> move_head()
        :: me == 2 -> join(); move_head()
        fi;
        give();
        /* Outside the lock: a consumer stores its cursor, in its own place. */
        if
        :: me == 2 && live == me + 1 && cursor < 2 -> cursor++
        :: else
        fi
    od;
    done++;
died:
    skip
}

proctype reserver() {
    byte left = 2;
    do
    :: left == 0 -> break
    :: else -> left--; reserved++ /* refused behind the end, but added */
    od
}

init {
    atomic {
        live = 2; /* rank 1 had it */
        run rank(0);
        run rank(1);
        run rank(2);
        run reserver()
    }
    done == RANKS;
    /* The last of them may have died: whoever takes the lock next, who lives, has all that is needed. */
    assert(!marked || complete == truth || ending == truth)
}
