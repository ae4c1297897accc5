/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the dead have reserved becomes void, against ranks that publish, and ranks that are only stopped: see
 * rows/dead.c. Memory is sequentially consistent. Each reservation is of one event.
 *
 * Three ranks reserve an event each, and publish it. Two of them may die between any two steps, and each may stop for as
 * long as it likes. A reader stops at the first event that is not stored, looks at the rows as dead.c does, and makes void
 * what it finds.
 *
 * Checked: what becomes void was reserved by a rank that is dead, and is not stored; a rank that lives finds no void in
 * its place; once all ranks are over, the reader passes everything.
 *
 * Mutants, each of which must fail:
 *   MUTANT_STOPPED      a rank that has not answered counts as dead
 *   MUTANT_TAIL_LAST    the tail is read after the rows
 *   MUTANT_NO_INTENT    the row is written behind the reservation
 *   MUTANT_NO_LIVING    a living rank without a place does not matter
 *   MUTANT_NO_FLAGS     the range does not end in front of what is stored
 *   MUTANT_EMPTY_EARLY  the row is emptied before the event is published
 */
#define RANKS 3

mtype = { NONE, STORED, VOID };

mtype flag[RANKS] = NONE;
byte reservation = 0;
bit intent[RANKS];
byte first[RANKS]; /* id + 1; 0: not known yet */
bit dead[RANKS];
byte owner[RANKS]; /* the truth: of each event, the rank + 1 */
byte over = 0;

#define MAY_DIE                                                                                    \
    if                                                                                             \
    :: true                                                                                        \
    :: atomic { me != 2 -> dead[me] = 1; over++; goto killed }                                          \
    fi

#ifdef MUTANT_STOPPED
#define PROVEN(rank) true
#else
#define PROVEN(rank) dead[rank]
#endif

inline empty_row() {
    first[me] = 0;
    MAY_DIE;
    intent[me] = 0
}

proctype rank(byte me) {
    byte id;
#ifndef MUTANT_NO_INTENT
    intent[me] = 1;
    MAY_DIE;
#endif
    atomic { id = reservation; reservation++; owner[id] = me + 1 };
    MAY_DIE;
#ifdef MUTANT_NO_INTENT
    intent[me] = 1;
    MAY_DIE;
#endif
    first[me] = id + 1;
    MAY_DIE;
#ifdef MUTANT_EMPTY_EARLY
    empty_row();
    MAY_DIE;
#endif
    atomic { assert(flag[id] == NONE); flag[id] = STORED };
#ifndef MUTANT_EMPTY_EARLY
    MAY_DIE;
    empty_row();
#endif
    over++;
killed:
    skip
}

inline look() {
#ifndef MUTANT_TAIL_LAST
    end = reservation;
#else
    end = RANKS;
#endif
    do
    :: r < RANKS ->
        i = intent[r];
        atomic {
            f = first[r];
            if
            :: (i || f) && PROVEN(r) -> d = 1; i = intent[r]; f = first[r] /* it is final */
            :: (i || f) && !dead[r]
            :: !(i || f)
            fi;
            if
            :: i && f == 0 && d -> died = 1
            :: i && f == 0 && !d -> living = 1
            :: i && f > id + 1 -> if :: f - 1 < end -> end = f - 1 :: else fi
            :: i && f == id + 1 -> covers = 1; alive = !d
            :: else
            fi;
            i = 0; f = 0; d = 0; r++
        }
    :: else -> break
    od;
#ifdef MUTANT_TAIL_LAST
    if :: reservation < end -> end = reservation :: else fi;
#endif
#ifdef MUTANT_NO_LIVING
    living = 0;
#endif
    if
    :: covers && end > id + 1 -> end = id + 1
    :: else
    fi;
#ifndef MUTANT_NO_FLAGS
    r = id + 1;
    do
    :: r < end && flag[r] == NONE -> r++
    :: r < end && flag[r] != NONE -> end = r; break
    :: else -> break
    od;
#endif
    if
    :: id < end && flag[id] == NONE && (covers -> !alive : (!living && died)) ->
        atomic {
            r = id;
            do
            :: r < end -> assert(owner[r] != 0 && dead[owner[r] - 1] && flag[r] == NONE); flag[r] = VOID; r++
            :: else -> break
            od
        }
    :: else
    fi;
    atomic { covers = 0; alive = 0; living = 0; died = 0; r = 0; end = 0 }
}

active proctype reader() {
    byte id = 0, end, r, f;
    bit i, d, covers, alive, living, died;
    do
    :: id < reservation && flag[id] != NONE -> id++
    :: id < reservation && flag[id] == NONE && over < RANKS -> look()
    :: over == RANKS -> break
    od;
    do
    :: id < reservation && flag[id] != NONE -> id++
    :: id < reservation && flag[id] == NONE -> look(); assert(flag[id] != NONE)
    :: id == reservation -> break
    od
}

init {
    atomic { run rank(0); run rank(1); run rank(2) }
}
