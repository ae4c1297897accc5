/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A consumer of another rank's partition waits in rma, where the owner runs a progress thread. It sends the
 * owner the place of the next flag and the value that it saw there. The owner compares whenever it is
 * awake; when the word differs, it rings once by a message, and forgets the watch. A new watch of the same
 * reader replaces the one before. The reader may stop waiting, look, and wait again, twice; the other waits
 * have no time-out. So no ring may be missed.
 *
 * One reader, two publishers that store their flags in any order, one owner. Messages between two ranks
 * arrive in order.
 *
 * Checked: no deadlock, so the reader gets all events.
 *
 * Mutants, each of which must fail:
 *   MUTANT_OWN_VALUE    the owner rings when the word changes after the watch has arrived, whatever the reader
 *                       saw
 *   MUTANT_STAYS_ARMED  a reader that was rung believes that its last watch is still there
 */
#define EVENTS 4
#define ODD 1    /* another value, under which nothing is stored */
#define STORED 2

byte flag[EVENTS];
chan watches = [3] of { byte, byte }; /* the place of a flag, and what it was */
chan rings = [3] of { bit };

proctype publisher(byte first) {
    flag[first] = ODD;
    flag[first] = STORED;
    flag[first + 2] = STORED
}

proctype owner() {
    byte at, new_at;
    byte seen, new_seen;
    bit armed = 0;
end:
    do
    :: watches?new_at, new_seen ->
        d_step {
            at = new_at;
            seen = new_seen;
#ifdef MUTANT_OWN_VALUE
            seen = flag[at];
#endif
            armed = 1
        }
    :: armed && flag[at] != seen ->
        armed = 0;
        rings!1
    od
}

/* A fetch reads one flag. What it saw at `next` is in `seen`. After two waits that ended too early, it waits
 * until it is rung. */
proctype reader() {
    byte next = 0, seen, watched = EVENTS, early = 0;
    do
    :: next == EVENTS -> break
    :: else ->
        seen = flag[next];
        if
        :: seen == STORED -> next++
        :: else ->
            if
            :: watched != next ->
                watches!next, seen;
                watched = next
            :: else
            fi;
            if
            :: rings?_ ->
#ifndef MUTANT_STAYS_ARMED
                watched = EVENTS
#else
                skip
#endif
            :: early < 2 -> early++
            fi
        fi
    od
}

init { atomic { run publisher(0); run publisher(1); run owner(); run reader() } }
