/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One partition: append, read, trim and mark-complete. Memory is sequentially consistent.
 *
 * Two producers reserve batches of one or two events, wait for room, write the payload, and set the
 * batch's flag. A consumer reads in order and acknowledges. A marker completes the topic while this goes
 * on, so every producer may lose the race with it. An event takes one slot and one unit of payload.
 *
 * With LATE, a second consumer registers later, at the head and under the lock.
 *
 * With HINT, a producer may reserve without looking for room, as it does when an earlier look has shown
 * enough. The head is two words: events, then units.
 *
 * The end is a bit of the reservation word, so a producer learns from its own reservation whether it is behind
 * the end. Then it puts nothing.
 *
 * With GROUP, two events are two batches that are reserved together. If the hint covers both, they are put
 * together, then published one after the other. Else each waits for its own room.
 *
 * Checked: no unread payload is overwritten; no event is seen twice; the stored events are the events
 * that a consumer sees before the end; no deadlock.
 *
 * Mutants, each of which must fail:
 *   MUTANT_NO_END          a producer does not obey the end that its reservation shows
 *   MUTANT_END_APART       the marker reads the reservation, then marks it
 *   MUTANT_NO_ROOM         a producer does not wait for room
 *   MUTANT_FLAG_FIRST      the flag is set before the payload is written
 *   MUTANT_TWO_READS       trimming reads a cursor twice: to compare it, then to use it   (with LATE)
 *   MUTANT_GROUP_ROOM      the second batch of a group does not wait for room   (with GROUP)
 *   MUTANT_END_EARLY       a consumer takes the end without looking at the flag once more
 */
#ifndef SLOTS
#define SLOTS 3
#endif
#ifndef PER
#define PER 2 /* events that each producer stores, at most */
#endif
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#define EVENTS 8

byte reserved = 0; /* the reservation word; events are units here, and it does not wrap */
byte head_events = 0, head_units = 0;
bit lock = 0;
bit ended = 0; /* of the reservation word */
byte complete = 0; /* the number of events at the end, plus 1; 0 means open */
byte flag_lap[SLOTS], flag_count[SLOTS];
byte payload[SLOTS]; /* event id + 1; 0 means that it is being written */
byte cursor = 0, late_cursor = 0;
bit late_registered = 0;
bit stored[EVENTS];
bit seen[16]; /* by the consumer: EVENTS; then by the late consumer: EVENTS */
byte late_start = 0;
byte readers_done = 0, producers_done = 0;

#ifdef LATE
#define READERS 2
#define FITS(last) (last - cursor <= SLOTS && (!late_registered || last - late_cursor <= SLOTS))
#else
#define READERS 1
#define FITS(last) (last - cursor <= SLOTS)
#endif

inline trim(lowest, other) {
    atomic { lock == 0 -> lock = 1 }
    lowest = cursor;
#ifdef MUTANT_TWO_READS
    if
    :: late_registered && late_cursor < lowest -> lowest = late_cursor
    :: else
    fi
#else
    other = late_cursor;
    if
    :: late_registered && other < lowest -> lowest = other
    :: else
    fi
#endif
    if
    :: lowest > head_events -> head_events = lowest; head_units = lowest
    :: else
    fi
    lock = 0
}

inline wait_for_room() {
    do
    :: first + count - head_events <= SLOTS && first + count - head_units <= SLOTS -> break
    :: else -> trim(lowest, other); FITS(first + count)
    od
}

inline put() {
    i = 0;
    do
    :: i < count ->
        assert(first + i < head_events + SLOTS);
        payload[(first + i) % SLOTS] = 0;
        payload[(first + i) % SLOTS] = first + i + 1;
        i++
    :: else -> break
    od
}

inline publish() {
    atomic {
        flag_count[first % SLOTS] = count;
        flag_lap[first % SLOTS] = first / SLOTS + 1
    }
}

inline note_stored() {
    i = 0;
    do
    :: i < count -> assert(!stored[first + i]); stored[first + i] = 1; i++
    :: else -> break
    od
}

/* The batches of a group, one by one; in front of each: what `before` says. */
#define EACH_OF_GROUP(before)                                                                      \
    end = first + count;                                                                           \
    count = 1;                                                                                     \
    do                                                                                             \
    :: first < end -> before; publish(); note_stored(); first++                                    \
    :: else -> break                                                                               \
    od

proctype producer() {
    byte end;
    byte left = PER, count, first, i, lowest, other, seen_events = 0, seen_units = 0;
    bit hinted = 0, refused;
    do
    :: left == 0 -> break
    :: else ->
        if
        :: left >= 2 -> count = 2
        :: count = 1
        fi
        /* Look for room, unless a hint lets it skip that. */
        if
#ifdef HINT
        :: skip
#endif
        :: do
           :: seen_events = head_events;
              seen_units = head_units;
              if
              :: reserved + count - seen_events <= SLOTS && reserved + count - seen_units <= SLOTS ->
                  break
              :: else ->
                  trim(lowest, other);
                  (FITS(reserved + count) || ended);
                  if
                  :: ended -> goto quit
                  :: else
                  fi
              fi
           od
        fi
        atomic { first = reserved; refused = ended; reserved = reserved + count }
#ifndef MUTANT_NO_END
        if
        :: refused -> goto quit
        :: else
        fi;
#endif
#ifdef HINT
        hinted = first + count - seen_events <= SLOTS && first + count - seen_units <= SLOTS;
#endif
        left = left - count;
#ifdef GROUP
        if
        :: hinted ->
            put();
            seen_events = head_events; seen_units = head_units;
            EACH_OF_GROUP(skip)
        :: !hinted ->
#ifdef MUTANT_GROUP_ROOM
            i = count; count = 1; wait_for_room(); count = i;
            EACH_OF_GROUP(put())
#else
            EACH_OF_GROUP(wait_for_room(); put())
#endif
        fi
#else
        if
        :: hinted
        :: !hinted ->
#ifdef MUTANT_NO_ROOM
            skip
#else
            wait_for_room()
#endif
        fi
#ifdef MUTANT_FLAG_FIRST
        publish();
#endif
        put();
        seen_events = head_events; seen_units = head_units;
        publish();
        note_stored()
#endif
    od
quit:
    producers_done++
}

inline read(from, reader) {
    count = flag_count[from % SLOTS];
    i = 0;
    do
    :: i < count ->
        assert(payload[(from + i) % SLOTS] == from + i + 1);
        assert(!seen[reader * EVENTS + from + i]);
        seen[reader * EVENTS + from + i] = 1;
        i++
    :: else -> break
    od
    from = from + count
}

#ifdef MUTANT_END_EARLY
#define AT_END(at) (ended && flag_lap[at % SLOTS] != at / SLOTS + 1)
#else
#define AT_END(at) (complete > 0 && at >= complete - 1 && flag_lap[at % SLOTS] != at / SLOTS + 1)
#endif

proctype consumer() {
    byte at = 0, count, i;
    do
    :: flag_lap[at % SLOTS] == at / SLOTS + 1 -> read(at, 0); cursor = at
    :: AT_END(at) -> break
    od
    readers_done++
}

proctype late_consumer() {
    byte at, count, i;
    atomic { lock == 0 -> lock = 1 }
    at = head_events;
    late_cursor = at;
    late_start = at;
    late_registered = 1;
    lock = 0;
    do
    :: flag_lap[at % SLOTS] == at / SLOTS + 1 -> read(at, 1); late_cursor = at
    :: AT_END(at) -> break
    od
    readers_done++
}

proctype marker() {
    byte end;
    atomic { lock == 0 -> lock = 1 }
#ifdef MUTANT_END_APART
    end = reserved;
    ended = 1;
#else
    atomic { end = reserved; ended = 1 }
#endif
    complete = end + 1;
    lock = 0
}

init {
    byte id = 0;
    atomic {
        run producer();
#if PRODUCERS == 2
        run producer();
#endif
        run consumer();
#ifdef LATE
        run late_consumer();
#endif
        run marker()
    }
    (readers_done == READERS && producers_done == PRODUCERS);
    do
    :: id < EVENTS ->
        assert(stored[id] == seen[id]);
#ifdef LATE
        assert(id < late_start || stored[id] == seen[EVENTS + id]);
#endif
        id++
    :: else -> break
    od
}
