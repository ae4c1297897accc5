/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Deleting topics: see topic/delete.c, topic/create.c and mmi_topic_enter. Two users have opened the
 * topic that a record had first. They begin to use it, read and write its partition, and end. Two
 * ranks delete the topic, and create another one in the same record and the same memory. With READER,
 * a reader takes the users' place: it reads the record while it changes. Each of them may stop for ever
 * between any two steps, but for a reader. Memory is sequentially consistent.
 *
 * Checked: whoever uses the memory of a topic finds that topic's; a user is refused only if its topic
 * was deleted, or its deletion is not decided; a record that the reader accepts is one topic's, and one
 * that it calls damaged does not exist; a deletion that finds users changes nothing.
 *
 * Mutants, each of which must fail:
 *   MUTANT_LOOK_FIRST      a deletion reads the number of users, then sets the bit
 *   MUTANT_NO_RECHECK      a user does not look at what the word held
 *   MUTANT_NO_SEED         the check of a record does not depend on the incarnation
 *   MUTANT_READ_ONCE       a record whose check does not hold is damaged at once
 *   MUTANT_TEXT_LATE       the state is stored before the text
 *   MUTANT_WAIT_IS_GONE    a user that sees the bit takes the topic for deleted
 */
#define MAKING 1
#define MADE 2
#define NOT_MADE 3
#define LAST 2                   /* incarnation */

bit lock = 0;
bit stopped_with_lock = 0;
byte state = MADE, state_incarnation = 0;   /* one word */
byte text = 0;                   /* whose it is; its check holds for this incarnation */
bit text_torn = 0;               /* half of it is another one's */
byte count = 0, half = 0;        /* one word: users; twice the incarnation, 1 more once deleted */
byte owner = 0;                  /* whose partition is in the memory */
bit gone[3];                     /* the topic's deletion was decided */
byte inside[3];                  /* users of each topic that have not stopped */

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

inline take_lock() {
    if
    :: atomic { lock == 0 -> lock = 1; holds = 1 }
    :: atomic { stopped_with_lock -> goto stopped } /* it gives up in time */
    fi
}

inline give_lock() {
    atomic { lock = 0; holds = 0 }
}

/* A user of the topic of incarnation 0. */
proctype user() {
    byte old, saw;
    bit holds = 0;
again:
    atomic { old = half; count++ }
    may_stop();
#ifndef MUTANT_NO_RECHECK
    if
    :: old == 0 -> skip
    :: else ->
        count--;
        may_stop();
#ifndef MUTANT_WAIT_IS_GONE
        atomic { saw = state; old = state_incarnation }
        if
        :: saw == MADE && old == 0 -> /* not decided: it waits, or gives up */
            if
            :: goto again
            :: goto stopped
            fi
        :: else
        fi;
#endif
        assert(gone[0]);
        goto stopped
    fi;
#endif
    inside[0]++;
    assert(!gone[0] && owner == 0);
    may_stop();
    assert(!gone[0] && owner == 0);
    atomic { inside[0]--; count-- }
stopped:
    skip
}

/* Deletes what it finds, and creates another topic. */
proctype manager() {
    byte mine, users, saw;
    bit holds = 0;
    take_lock();
    may_stop();
    if
    :: state != MADE -> goto create
    :: else
    fi;
    mine = state_incarnation;
#ifdef MUTANT_LOOK_FIRST
    atomic { users = count; saw = half }
    may_stop();
    half = 2 * mine + 1;
#else
    saw = half;
    may_stop();
    if
    :: saw == 2 * mine -> atomic { users = count; half++ }
    :: else -> users = count /* an earlier deletion set the bit and stopped */
    fi;
#endif
    assert(saw / 2 == mine);
    may_stop();
    if
    :: users > 0 -> half--; goto unlock /* busy */
    :: else
    fi;
    atomic { state = NOT_MADE; gone[mine] = 1 }
    may_stop();
create:
    if
    :: state != NOT_MADE || state_incarnation == LAST -> goto unlock
    :: else
    fi;
    mine = half / 2 + 1;
#ifdef MUTANT_TEXT_LATE
    atomic { state = MAKING; state_incarnation = mine }
    may_stop();
#endif
    text_torn = 1;
    may_stop();
    atomic { text = mine; text_torn = 0 }
    may_stop();
    half = 2 * mine;
    may_stop();
#ifndef MUTANT_TEXT_LATE
    atomic { state = MAKING; state_incarnation = mine }
    may_stop();
#endif
    give_lock();
    owner = mine;
    may_stop();
    if
    :: state = MADE
    :: state = NOT_MADE /* it could not be made */
    fi;
    goto stopped;
unlock:
    give_lock();
stopped:
    skip
}

/* Reads the record, its words in any order, until it is intact or has not changed. */
proctype reader() {
    byte s, i, t, last_s, last_i, last_t;
    bit torn, last_torn, first = 1;
    do
    :: last_s = s; last_i = i; last_t = t; last_torn = torn;
        if
        :: atomic { s = state; i = state_incarnation }; atomic { t = text; torn = text_torn }
        :: atomic { t = text; torn = text_torn }; atomic { s = state; i = state_incarnation }
        fi;
        if
#ifdef MUTANT_NO_SEED
        :: s != NOT_MADE && !torn -> assert(t == i); break
        :: s == NOT_MADE -> break
        :: s != NOT_MADE && torn ->
#else
        :: s == NOT_MADE || (t == i && !torn) -> break
        :: s != NOT_MADE && (t != i || torn) ->
#endif
#ifdef MUTANT_READ_ONCE
            assert(false);
#endif
            /* Torn bytes are not those of any one topic, so they differ from both. */
            assert(first || !(s == last_s && i == last_i && t == last_t && torn == last_torn));
            first = 0
        fi
    od
}

init {
    atomic {
        run manager();
        run manager();
#ifdef READER
        run reader()
#else
        run user();
        run user()
#endif
    }
}
