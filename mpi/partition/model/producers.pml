/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Producers that count as finished: see partition/producers.c. Memory is sequentially consistent.
 *
 * Two ranks make producers, and close them. A close may drop a producer, which does not count then. Each rank may die,
 * or stop for ever, between any two steps. Two others look whether the topic has ended, at any time, and one of them
 * once more after the ranks are over.
 *
 * Checked: the topic ends only if as many producers have finished as it expects, where all that a dead rank has made
 * have finished; and it ends then, at the latest when somebody looks.
 *
 * Mutants, each of which must fail:
 *   MUTANT_ADD_FIRST    finished producers are added to one counter, and then taken back from those that were made
 *   MUTANT_ADD_LAST     the same in the other order
 *   MUTANT_OLD_WORD     the word that was read before the proof of death counts
 *   MUTANT_STOPPED      a rank that has not answered counts as dead
 */
#define EXPECTED 3
#define RANKS 2

byte made[RANKS], finished[RANKS]; /* of a rank: one word */
byte all = 0;                      /* of the mutants */
byte was_made[RANKS], has_finished[RANKS]; /* the truth */
bit dead[RANKS], over[RANKS];
bit complete = 0;

#define TRUE_OF(rank) (dead[rank] -> was_made[rank] : has_finished[rank])
#define TRUTH (TRUE_OF(0) + TRUE_OF(1))

#define MAY_DIE                                                                                    \
    if                                                                                             \
    :: true                                                                                        \
    :: atomic { dead[me] = 1; over[me] = 1; goto died }                                            \
    fi

#ifdef MUTANT_STOPPED
#define PROVEN(rank) true
#else
#define PROVEN(rank) dead[rank]
#endif

inline finish() {
#ifdef MUTANT_ADD_FIRST
    atomic { all++; has_finished[me]++ };
    MAY_DIE;
    made[me]--
#else
#ifdef MUTANT_ADD_LAST
    made[me]--;
    MAY_DIE;
    atomic { all++; has_finished[me]++ }
#else
    atomic { finished[me]++; has_finished[me]++ }
#endif
#endif
}

inline look() {
    sum = all;
    j = 0;
    do
    :: j < RANKS ->
        atomic { f = finished[j]; m = made[j] };
        if
        :: m > f && PROVEN(j) ->
#ifdef MUTANT_OLD_WORD
            f = m
#else
            f = made[j]
#endif
        :: else
        fi;
        sum = sum + f;
        j++
    :: else -> break
    od;
    if
    :: sum >= EXPECTED -> atomic { assert(TRUTH >= EXPECTED); complete = 1 }
    :: else
    fi
}

proctype rank(byte me; byte count) {
    byte i = 0;
    do
    :: i < count ->
        MAY_DIE;
        atomic { made[me]++; was_made[me]++ };
        MAY_DIE;
        if
        :: finish()
        :: atomic { made[me]--; was_made[me]-- } /* it is dropped */
        fi;
        i++
    :: else -> break
    od;
    over[me] = 1;
died:
    skip
}

proctype looker(bit last) {
    byte sum, f, m, j;
    look();
    if
    :: last ->
        (over[0] && over[1]);
        look();
        assert(complete || TRUTH < EXPECTED)
    :: else
    fi
}

init {
    atomic {
        run rank(0, 2);
        run rank(1, 2);
        run looker(0);
        run looker(1)
    }
}
