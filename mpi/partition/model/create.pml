/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Creating topics in the directory: see topic/create.c. Two ranks create topics, of the same name or of
 * other names, one of them up to three, one after the other; a third rank opens whatever it finds. A
 * creator may stop for ever between any two steps, and making its partition, which takes two steps, may
 * fail. Records are not used again here; directory.pml has that. Memory is sequentially consistent, and
 * the memory behind the list's end holds anything.
 *
 * Checked: whoever opens a topic finds its partition made, and nobody makes it afterwards; no two topics
 * have one name, or one place; a creator that does not stop ends, unless the other one stopped with the
 * lock.
 *
 * Mutants, each of which must fail:
 *   MUTANT_MADE_FIRST      a topic is called made before it is
 *   MUTANT_END_FIRST       the end of the list is stored before the record
 *   MUTANT_NO_LOCK         two creators look for their names at once
 *   MUTANT_OLD_RECORDS     places are found from the records that were there before the lock was taken
 */
#define MAKING 1
#define MADE 2
#define NOT_MADE 3

bit lock = 0;
bit stopped_with_lock = 0;
byte end = 0;                    /* records in the list */
byte state[4] = MADE;            /* of each record; anything at first */
byte name[4];
byte place[4];
byte done[4];                    /* of each place: 2 is a partition */
bit opened[4];                   /* of each place */

inline may_stop() {
    if
    :: true -> skip
    :: true ->
        if
        :: holds -> stopped_with_lock = 1
        :: else
        fi;
        goto stopped
    fi
}

/* No topic but `record` has this name. */
inline is_free(wanted) {
    i = 0; free = 1;
    do
    :: i < end ->
        if
        :: name[i] == wanted && state[i] != NOT_MADE -> free = 0
        :: else
        fi;
        i++
    :: else -> break
    od
}

/* The first place that no topic has, of the first `known` records. */
inline find_place(known) {
    mine = 0; i = 0;
    do
    :: i < known ->
        if
        :: place[i] == mine && state[i] != NOT_MADE -> mine++; i = 0
        :: else -> i++
        fi
    :: else -> break
    od
}

proctype creator(byte wanted; byte tries) {
    byte i, at, mine, before;
    bit free, failed, holds = 0;
again:
    failed = 0;
    before = end;
#ifndef MUTANT_NO_LOCK
    if
    :: atomic { lock == 0 -> lock = 1 }; holds = 1
    :: atomic { stopped_with_lock -> goto stopped } /* it gives up in time */
    fi;
#endif
    may_stop();
    is_free(wanted);
    if
    :: !free -> goto unlock
    :: else
    fi;
    at = end;
#ifdef MUTANT_OLD_RECORDS
    find_place(before);
#else
    find_place(end);
#endif
    may_stop();
#ifdef MUTANT_END_FIRST
    end = at + 1;
    may_stop();
#endif
    atomic { state[at] = MAKING; name[at] = wanted; place[at] = mine }
    may_stop();
#ifndef MUTANT_END_FIRST
    end = at + 1;
#endif
    may_stop();
unlock:
#ifndef MUTANT_NO_LOCK
    lock = 0; holds = 0;
#endif
    if
    :: !free -> goto stopped
    :: else
    fi;
    may_stop();
#ifdef MUTANT_MADE_FIRST
    state[at] = MADE;
#endif
    assert(!opened[mine]);
    done[mine] = 1;
    may_stop();
    if
    :: assert(!opened[mine]); done[mine] = 2
    :: failed = 1
    fi;
    may_stop();
    if
    :: !failed -> state[at] = MADE; goto next
    :: else -> atomic { done[mine] = 0; state[at] = NOT_MADE }
    fi;
next:
    tries--;
    if
    :: tries > 0 -> wanted = wanted + 2; goto again
    :: else
    fi;
stopped:
    skip
}

/* It gives up at any time. */
proctype opener() {
    byte i = 0;
    do
    :: i < end ->
        if
        :: state[i] == MADE ->
            assert(done[place[i]] == 2);
            opened[place[i]] = 1
        :: state[i] == NOT_MADE -> skip
        :: state[i] == MAKING -> skip /* it waits, and gives up or looks again */
        fi;
        if
        :: i++
        :: skip
        fi
    :: break
    od
}

/* At any time. */
proctype watcher() {
    byte i, j;
    atomic {
        for (i : 0 .. 2) {
            for (j : i + 1 .. 3) {
                assert(!(j < end && state[i] != NOT_MADE && state[j] != NOT_MADE &&
                         (name[i] == name[j] || place[i] == place[j])))
            }
        }
    }
}

init {
    atomic {
        run creator(1, 3);
        if
        :: run creator(1, 1)
        :: run creator(2, 1)
        fi;
        run opener();
        run watcher()
    }
}
