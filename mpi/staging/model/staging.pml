/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranks that do not see an owner's files ask it for bytes (staging.h). Each has a line at the owner: its
 * request, of which the serial is a part, and the answer, which says which buffer. The owner reads the file
 * into a buffer, word by word, then stores the answer. A reader copies the buffer, word by word, and takes
 * the bytes only if all of them are of its own request. Else it asks again, with the next serial.
 *
 * A buffer may be used again once its reader has asked again, or after a time, which may be over at any step.
 * Requests are put before they are announced, and a line that is half put is not looked at.
 *
 * One reader may stop for good, after it has asked and while it copies (STOPS). The owner may die at any step
 * (DIES); then its readers give up. Two readers, one buffer, REQUESTS requests each. A buffer is taken from a
 * reader that still needs it at most REUSES times, so that the search ends.
 *
 * Checked: what a reader takes is what it asked for; no deadlock: each reader that goes on gets all, unless
 * the owner is dead.
 *
 * Mutants, each of which must fail:
 *   MUTANT_NO_CHECK    a reader takes the bytes that the answer's buffer has
 *   MUTANT_NO_AGAIN    a reader whose bytes are another's waits for another answer to the same request
 *   MUTANT_OLD_SERIAL  it asks again with the same serial
 *   MUTANT_KEEPS       a buffer is used again only once its reader has asked again: one that stopped, or has
 *                      all, keeps it
 *   MUTANT_FIRST_WORD  it takes them if the first of them is its own
 *   MUTANT_DEAF        readers do not look whether the owner has died (with DIES)
 */
#define READERS 2
#define REQUESTS 2
#define REUSES 2
#define WORDS 2
#define NONE 255

byte asked[READERS];    /* each line's request: its serial; 0: none */
byte answered[READERS]; /* and its answer: the same */
byte cell_rank[WORDS], cell_serial[WORDS]; /* the buffer */
bit owner_dead = 0;
bit gone[READERS]; /* it has all, or has stopped: it asks no more */
byte reuses = 0;

#ifdef DIES
#define MAY_DIE if :: owner_dead = 1; goto over :: true fi
#else
#define MAY_DIE skip
#endif
#ifdef STOPS
#define MAY_STOP if :: me == 1; goto over :: true fi
#else
#define MAY_STOP skip
#endif

proctype owner() {
    byte seen[READERS];                     /* the serial that was answered last */
    byte user = NONE, user_serial = 0;      /* whose answer the buffer has */
    byte r = 0, serial;
end:
    if
    :: atomic { asked[0] != seen[0]; r = 0; serial = asked[0] }
    :: atomic { asked[1] != seen[1]; r = 1; serial = asked[1] }
#ifdef DIES
    :: owner_dead = 1; goto over
#endif
    fi;
    if
    :: user == NONE
    :: (user != NONE -> asked[user] != user_serial : 0)
#ifndef MUTANT_KEEPS
    :: atomic { user != NONE && reuses < REUSES -> reuses++ } /* the time is over */
    :: (user != NONE -> gone[user] : 0)                       /* it will be */
#endif
    fi;
    user = r;
    user_serial = serial;
    cell_rank[0] = r;
    cell_serial[0] = serial;
    MAY_DIE;
    cell_rank[1] = r;
    cell_serial[1] = serial;
    MAY_DIE;
    seen[r] = serial;
    answered[r] = serial;
    goto end;
over:
    skip
}

proctype reader(byte me) {
    byte done = 0, serial = 0, word;
    bit own, takes;
    do
    :: done == REQUESTS -> break
    :: done < REQUESTS ->
        serial++;
again:
        asked[me] = serial;
        MAY_STOP;
await:
        if
        :: answered[me] == serial
#ifndef MUTANT_DEAF
        :: owner_dead; goto over
#endif
        fi;
        own = 1;
        takes = 1;
        word = 0;
        do
        :: word == WORDS -> break
        :: word < WORDS ->
            d_step {
                own = own && cell_rank[word] == me && cell_serial[word] == serial;
#ifdef MUTANT_FIRST_WORD
                takes = (word == 0 -> own : takes)
#endif
            };
            word++
        od;
#if !defined(MUTANT_NO_CHECK) && !defined(MUTANT_FIRST_WORD)
        takes = own;
#endif
        MAY_STOP;
        assert(own || !takes);
        if
        :: takes -> done++
        :: else ->
#ifdef MUTANT_NO_AGAIN
            answered[me] = 0;
            goto await;
#endif
#ifdef MUTANT_OLD_SERIAL
            answered[me] = 0;
#else
            serial++;
#endif
            goto again
        fi
    od;
over:
    gone[me] = 1
}

init { atomic { run owner(); run reader(0); run reader(1) } }
