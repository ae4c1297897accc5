/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A monitor (base/monitor.h): its favourite enters by plain stores, another thread takes the favour back.
 *
 * The favourite's stores to `inside` go through a store buffer. What is in it becomes visible at any time, in order;
 * the favourite itself sees it at once. A membarrier makes all of it visible. It falls between any two steps of the
 * favourite. The stores of a thread that has the word are visible at once: they are followed by one.
 *
 * The favourite enters and leaves a few times. When it has lost the favour, it takes the word, and gets the favour
 * again as it gives the word back. The other thread enters twice.
 *
 * Checked: one thread at a time is inside; no deadlock, so both come to their ends.
 *
 * Mutants, each of which must fail:
 *   MUTANT_NO_BARRIER     the other thread makes no membarrier
 *   MUTANT_ONE_LOOK       the favourite does not look again after its store
 *   MUTANT_NO_WAIT        the other thread does not wait until the favourite is outside
 */
#define ENTRIES 4
#define VISITS 2

bit favourite = 1; /* the first thread is one */
bit word = 0;
byte inside = 0;   /* as all other threads see it */
byte own = 0;      /* as the favourite sees it */
chan buffer = [2] of { byte };
byte in = 0;       /* threads that are inside */
bit over = 0;

inline enter_and_leave() {
    in++;
    assert(in == 1);
    in--
}

/* A plain store of the favourite. */
inline store(value) {
    atomic { nfull(buffer); own = value; buffer!own }
}

active proctype becomes_visible() {
end:
    do
    :: atomic { buffer?inside }
    od
}

active proctype first() {
    byte i;
    bit in_favour;
    for (i : 1 .. ENTRIES) {
        in_favour = favourite;
        if
        :: in_favour ->
            store(own + 1);
#ifndef MUTANT_ONE_LOOK
            in_favour = favourite;
#endif
            if
            :: in_favour -> enter_and_leave()
            :: else
            fi;
            store(own + 1)
        :: else
        fi;
        if
        :: in_favour
        :: else ->
            atomic { word == 0; word = 1 };
            enter_and_leave();
            favourite = 1;
            word = 0
        fi
    }
}

active proctype other() {
    byte i;
    for (i : 1 .. VISITS) {
        atomic { word == 0; word = 1 };
        if
        :: favourite ->
            favourite = 0;
#ifndef MUTANT_NO_BARRIER
            atomic {
                do
                :: nempty(buffer) -> buffer?inside
                :: empty(buffer) -> break
                od
            };
#endif
#ifndef MUTANT_NO_WAIT
            inside % 2 == 0
#endif
        :: else
        fi;
        enter_and_leave();
        word = 0
    }
}
