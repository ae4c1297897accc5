/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Batches whose payload and flag are put under one flush, and flags with a settled bit. append.pml has the
 * batches whose flag is put after that flush.
 *
 * Each of two producers reserves batches of one event, waits for room, and puts payload and flag. Puts land in
 * any order. A flush waits until all puts of its producer have landed. Then the producer puts the flag again,
 * with the settled bit. The flush of its next reservation completes that put, too.
 *
 * The consumer reads flag and payload at once, and compares a check. If the bytes of the last lap were the same,
 * the check holds before the payload has landed. A check that does not hold under an unsettled flag means "not
 * yet"; under a settled one it is damage, of which there is none here.
 *
 * A marker ends the topic while this goes on: it sets a bit of the reservation word, and so learns the end. A
 * producer that finds the bit when it reserves puts nothing. So no flag has to be taken back.
 *
 * The consumer's cursor passes a batch that it has read, and whose flag it has seen settled, then or later. The
 * head follows the cursor. Else a put that is still on its way could land in the room when others have it.
 *
 * Checked: no put lands on a later lap; no damage is seen; the stored events are those that are read, in order;
 * no deadlock.
 *
 * Mutants, each of which must fail:
 *   MUTANT_NO_SETTLED   the cursor passes what was read
 *   MUTANT_SETTLE_EARLY the settled bit is put without a flush before it
 *   MUTANT_END_LATER    a producer looks for the end after its puts
 */
#define SLOTS 2
#define PER 3
#define PRODUCERS 2
#define EVENTS (PRODUCERS * PER)

byte reserved = 0, head = 0, cursor = 0, next = 0;
bit ended = 0;     /* of the reservation word */
byte complete = 0; /* the end + 1; 0: open */
bit stored[EVENTS];
byte payload[SLOTS];      /* event id + 1 */
byte flag_lap[SLOTS];     /* id / SLOTS + 1 */
bit settled[SLOTS];
byte done = 0;

/* Puts on their way, of each producer: the id + 1; 0: none. */
byte put_payload[PRODUCERS], put_flag[PRODUCERS], put_settled[PRODUCERS];

#define SLOT(id_1) (((id_1) - 1) % SLOTS)
#define LAP(id_1) (((id_1) - 1) / SLOTS + 1)
#define FLUSHED(me) (put_payload[me] == 0 && put_flag[me] == 0 && put_settled[me] == 0)

#ifdef MUTANT_NO_SETTLED
#define IS_SETTLED(id) true
#else
#define IS_SETTLED(id) settled[(id) % SLOTS]
#endif

proctype network(byte me) {
end:
    do
    :: atomic { put_payload[me] != 0 ->
        assert(payload[SLOT(put_payload[me])] < put_payload[me]);
        payload[SLOT(put_payload[me])] = put_payload[me];
        put_payload[me] = 0 }
    :: atomic { put_flag[me] != 0 ->
        assert(flag_lap[SLOT(put_flag[me])] < LAP(put_flag[me]));
        flag_lap[SLOT(put_flag[me])] = LAP(put_flag[me]);
        settled[SLOT(put_flag[me])] = 0;
        put_flag[me] = 0 }
    :: atomic { put_settled[me] != 0 ->
        assert(flag_lap[SLOT(put_settled[me])] == LAP(put_settled[me]));
        settled[SLOT(put_settled[me])] = 1;
        put_settled[me] = 0 }
    od
}

proctype producer(byte me) {
    byte left = PER, id_1;
    bit refused;
    do
    :: left == 0 -> break
    :: else ->
        left--;
        FLUSHED(me); /* with the reservation */
        atomic { id_1 = reserved + 1; refused = ended; reserved++ }
#ifndef MUTANT_END_LATER
        if
        :: refused -> break
        :: else
        fi;
#endif
        do
        :: id_1 <= head + SLOTS -> break
        :: else ->
            atomic {
                if
                :: head < cursor -> head++
                :: id_1 <= head + SLOTS -> skip
#ifdef MUTANT_END_LATER
                :: complete != 0 && id_1 > complete - 1 -> break
#endif
                fi
            }
        od;
        atomic { put_payload[me] = id_1; put_flag[me] = id_1 }
#ifdef MUTANT_SETTLE_EARLY
        put_flag[me] == 0;
#else
        FLUSHED(me);
#endif
#ifdef MUTANT_END_LATER
        if
        :: ended -> complete != 0
        :: else
        fi;
        if
        :: complete != 0 && id_1 > complete - 1 -> break
        :: else
        fi;
#endif
        stored[id_1 - 1] = 1;
        put_settled[me] = id_1
    od;
    done++
}

proctype marker() {
    byte end;
    atomic { end = reserved; ended = 1 }
    complete = end + 1
}

proctype consumer() {
    byte seen;
    bit was_settled;
    do
    :: complete != 0 && next == complete - 1 -> break
    :: cursor < next && IS_SETTLED(cursor) -> cursor++
    :: flag_lap[next % SLOTS] == next / SLOTS + 1 ->
        /* The payload may be read before it has landed, and the flag after that. */
        seen = payload[next % SLOTS];
        was_settled = settled[next % SLOTS];
        if
        :: seen == next + 1 -> next++
        :: seen != next + 1 && !was_settled ->
            if
            :: next++ /* the bytes were the same in the last lap */
            :: skip   /* not yet: read again */
            fi
        :: seen != next + 1 && was_settled ->
            /* Read again: now the payload must be there. */
            assert(payload[next % SLOTS] == next + 1)
        fi
    od
}

init {
    byte id = 0;
    atomic {
        run network(0); run network(1);
        run producer(0); run producer(1);
        run marker();
        run consumer()
    }
    (done == PRODUCERS && complete != 0 && next == complete - 1);
    do
    :: id < EVENTS -> assert(stored[id] == (id < next)); id++
    :: else -> break
    od
}
