/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Retention discard_oldest: producers move the head over published batches to make room. A reader copies
 * a batch, then reads the head again. Memory is sequentially consistent. The head is two words.
 *
 * Checked: a delivered event is what was pushed; no event is seen twice; every event is either delivered
 * or counted as lost; no deadlock.
 *
 * Mutants, each of which must fail:
 *   MUTANT_NO_SECOND_LOOK  the reader does not read the head again after it has copied
 *   MUTANT_UNPUBLISHED     the head moves over a batch that is not published
 */
#define SLOTS 3
#define PER 3
#define EVENTS 8

byte reserved = 0, head_events = 0, head_units = 0;
bit lock = 0;
byte flag_lap[SLOTS], flag_count[SLOTS], payload[SLOTS];
bit seen[EVENTS];
byte lost = 0, delivered = 0, producers_done = 0;
bit reader_done = 0;

#define PUBLISHED(at) (flag_lap[at % SLOTS] == at / SLOTS + 1)

inline make_room() {
    atomic { lock == 0 -> lock = 1 }
    head = head_events;
    do
#ifdef MUTANT_UNPUBLISHED
    :: first + count - head > SLOTS && head < first -> head++
#else
    :: first + count - head > SLOTS && PUBLISHED(head) -> head = head + flag_count[head % SLOTS]
#endif
    :: else -> break
    od
    if
    :: head != head_events -> head_events = head; head_units = head
    :: else
    fi
    lock = 0;
    /* Wait for a publication if nothing could be moved. */
    (first + count - head_events <= SLOTS || PUBLISHED(head_events) || lock == 1)
}

proctype producer() {
    byte left = PER, count, first, i, head;
    do
    :: left == 0 -> break
    :: else ->
        if
        :: left >= 2 -> count = 2
        :: count = 1
        fi
        atomic { first = reserved; reserved = reserved + count }
        do
        :: first + count - head_events <= SLOTS && first + count - head_units <= SLOTS -> break
        :: first + count - head_events > SLOTS -> make_room()
        od
        i = 0;
        do
        :: i < count ->
            payload[(first + i) % SLOTS] = 0;
            payload[(first + i) % SLOTS] = first + i + 1;
            i++
        :: else -> break
        od
        atomic {
            flag_count[first % SLOTS] = count;
            flag_lap[first % SLOTS] = first / SLOTS + 1
        }
        left = left - count
    od
    producers_done++
}

proctype consumer() {
    byte at = 0, count, i, head;
    byte copy[2];
    do
    :: PUBLISHED(at) ->
        count = flag_count[at % SLOTS];
        i = 0;
        do
        :: i < count -> copy[i] = payload[(at + i) % SLOTS]; i++
        :: else -> break
        od
#ifdef MUTANT_NO_SECOND_LOOK
        head = 0;
#else
        head = head_events;
#endif
        if
        :: head > at -> lost = lost + (head - at); at = head
        :: else ->
            i = 0;
            do
            :: i < count ->
                assert(copy[i] == at + i + 1);
                assert(!seen[at + i]);
                seen[at + i] = 1;
                delivered++;
                i++
            :: else -> break
            od
            at = at + count
        fi
    :: head_events > at -> head = head_events; lost = lost + (head - at); at = head
    :: producers_done == 2 && at == reserved -> break
    od
    reader_done = 1
}

init {
    atomic { run producer(); run producer(); run consumer() }
    reader_done == 1;
    assert(delivered + lost == reserved)
}
