/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Retention "acknowledged" behind damage. A batch is one event of one or two units. If its entry is
 * damaged, the consumer skips it, and does not know where its payload ends: the cursor's units are those
 * that it knows, at most the true ones. A trimmer takes the true ones from the next batch's entry, or
 * from the place of the batch that it has reserved itself. Memory is sequentially consistent.
 *
 * The head is two words, events before units. Its units carry a mark, `rough`, if they may be too low;
 * then a producer tries again when a batch at the head was published.
 *
 * Checked: no unread unit is overwritten; no producer waits for room for ever.
 *
 * Mutants, each of which must fail:
 *   MUTANT_NO_PLACE   a trimmer does not use the place of its own batch
 *   MUTANT_TAIL       a trimmer uses the units of the tail, not those of its own place
 */
#define SLOTS 2
#define UNITS 2
#define PER 2
#define BATCHES 4

byte reserved_events = 0, reserved_units = 0;
byte head_events = 0, head_units = 0;
bit rough = 0;
bit lock = 0;
bit published[BATCHES], damaged[BATCHES];
byte start[BATCHES], end[BATCHES]; /* units; known to others once the batch is published, if it is good */
byte cursor_events = 0, cursor_units = 0;
byte read = 0; /* the next event of the consumer */
byte done = 0;

#define FITS (first + 1 - head_events <= SLOTS && last - head_units <= UNITS)
#ifdef MUTANT_NO_PLACE
#define OWN_PLACE(events) 0
#else
#define OWN_PLACE(events) (events == first)
#endif
#define CORRECTABLE \
    (rough && (OWN_PLACE(head_events) || (head_events < BATCHES && published[head_events])))

inline trim() {
    atomic { lock == 0 -> lock = 1 }
    atomic { next_events = cursor_events; next_units = cursor_units } /* one word */
    still = 1;
    if
    :: OWN_PLACE(next_events) ->
#ifdef MUTANT_TAIL
        next_units = reserved_units;
#else
        next_units = unit;
#endif
        still = 0
    :: else ->
        if
        :: next_events < BATCHES && published[next_events] && !damaged[next_events] ->
            next_units = start[next_events];
            still = 0
        :: else
        fi
    fi;
    if
    :: next_units < head_units -> next_units = head_units
    :: else
    fi;
    head_events = next_events;
    atomic { head_units = next_units; rough = still };
    lock = 0
}

proctype producer() {
    byte left = PER, first, unit, last, next_events, next_units;
    bit still;
    do
    :: left == 0 -> break
    :: else ->
        atomic {
            first = reserved_events;
            unit = reserved_units;
            if
            :: last = unit + 1
            :: last = unit + 2
            fi;
            start[first] = unit;
            end[first] = last;
            reserved_events = first + 1;
            reserved_units = last
        }
        do
        :: FITS -> break
        :: else ->
            trim();
            (FITS || cursor_events > head_events || CORRECTABLE)
        od
        /* It is put. What the consumer has not read begins with the batch `read`. */
        assert(read >= first || last - start[read] <= UNITS);
        atomic {
            if
            :: damaged[first] = 1
            :: damaged[first] = 0
            fi;
            published[first] = 1
        }
        left--
    od;
    done++
}

proctype consumer() {
    byte units = 0; /* what it knows of the log's units */
    do
    :: read == BATCHES -> break
    :: read < BATCHES && published[read] ->
        atomic {
            if
            :: !damaged[read] -> units = end[read]
            :: else
            fi;
            read++
        }
        if
        :: atomic { cursor_events = read; cursor_units = units }
        :: skip /* it acknowledges later, but before it waits */
        fi
    :: cursor_events < read && read < BATCHES && !published[read] ->
        atomic { cursor_events = read; cursor_units = units }
    od
}

init {
    atomic { run producer(); run producer(); run consumer() }
    (done == 2 && read == BATCHES)
}
