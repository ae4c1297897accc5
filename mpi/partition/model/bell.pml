/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bell of a partition in shared memory: a futex word that a publisher changes if a reader waits. A
 * reader that sleeps without a time-out must not miss a flag. Two readers, two publishers; memory is
 * sequentially consistent.
 *
 * Checked: no deadlock, so every reader sees all four publications.
 *
 * Mutants, each of which must fail:
 *   MUTANT_NO_RECHECK  a reader sleeps without a look at the flag after it has registered
 *   MUTANT_ASK_FIRST   a publisher looks for waiting readers before it publishes
 */
byte flag = 0, bell = 0, waiting = 0;

proctype publisher() {
    byte published = 0;
    bit ring;
    do
    :: published < 2 ->
#ifdef MUTANT_ASK_FIRST
        ring = waiting > 0;
        atomic { flag++ }
#else
        atomic { flag++ }
        ring = waiting > 0;
#endif
        if
        :: ring -> atomic { bell++ }
        :: else
        fi
        published++
    :: else -> break
    od
}

proctype reader() {
    byte wanted = 1, heard;
    do
    :: wanted > 4 -> break
    :: else ->
        if
        :: flag >= wanted -> wanted = flag + 1
        :: else ->
            heard = bell;
            atomic { waiting++ }
#ifdef MUTANT_NO_RECHECK
            bell != heard;
#else
            if
            :: flag >= wanted
            :: else -> bell != heard /* the futex call compares and sleeps in one step */
            fi
#endif
            atomic { waiting-- }
        fi
    od
}

init { atomic { run publisher(); run publisher(); run reader(); run reader() } }
