/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A reader that follows a writer through a file, without a lock, and a power failure.
 *
 * The writer writes batches of one event. A batch has two pieces, which become visible in any order. A sync copies
 * what is visible to the disk, piece by piece; what is written meanwhile may be copied, too. When it has ended, the
 * writer writes a mark: all ids below were on disk. A write may fail with any of its pieces visible; then the writer
 * goes on in the next segment, from the same id on.
 *
 * The reader looks at the pieces of the next batch, one after the other. If both are there, it delivers the event.
 * If not, it looks for a mark of a higher id behind them; if there is one, it looks at the pieces again. Pieces that
 * are missing then are damage, of which there is none here. Without a mark the batch is "not yet", and the reader
 * looks whether the next segment goes on with this id.
 *
 * A power failure ends both. Each piece that is not on disk is there afterwards or not. Then a recovery reads as a
 * reader does, up to the first batch that is not whole.
 *
 * Checked: no batch is delivered whose pieces are not both there; nothing is taken for damage; all that was promised
 * as synced is there after the failure; the reader reaches the end of what was written.
 *
 * Mutants, each of which must fail:
 *   MUTANT_FIRST_PIECE    the reader delivers when the first piece is there
 *   MUTANT_NO_SECOND_LOOK the reader does not look at the pieces again after it found a mark
 *   MUTANT_ANY_BEHIND     any whole batch behind the pieces counts as a mark does
 *   MUTANT_MARK_EARLY     the mark is written before the sync has ended
 */
#define SEGMENTS 2
#define CELLS 5 /* frames of a segment */
#define PLACES (SEGMENTS * CELLS)
#define EVENTS 2

mtype = { none, batch, mark };

mtype kind[PLACES];      /* what is written, or under way */
byte id_of[PLACES];      /* of a batch its id; of a mark the first id that it does not cover */
bit a[PLACES], b[PLACES];           /* the pieces, as the system has them */
bit disk_a[PLACES], disk_b[PLACES]; /* and as the disk has them; a mark has one piece */
bit begun[SEGMENTS];     /* the segment is there */
byte first[SEGMENTS];    /* its first id */
byte written = 0, promised = 0;
bit writer_done = 0, power_off = 0;

#define WHOLE(p) (a[p] && (kind[p] == mark || b[p]))

inline copy_to_disk() {
    place = 0;
    do
    :: place < PLACES ->
        d_step {
            disk_a[place] = disk_a[place] | a[place];
            disk_b[place] = disk_b[place] | b[place];
            place++
        }
    :: else -> break
    od
}

proctype writer() {
    byte segment = 0, cell = 0, place, end, syncs = 0;
    do
    :: power_off -> break
    :: !power_off && written < EVENTS && cell < CELLS - 1 ->
        atomic { kind[segment * CELLS + cell] = batch; id_of[segment * CELLS + cell] = written }
        if
        :: a[segment * CELLS + cell] = 1; b[segment * CELLS + cell] = 1; cell++; written++
        :: b[segment * CELLS + cell] = 1; a[segment * CELLS + cell] = 1; cell++; written++
        :: segment == 0 -> /* the write fails with some of its pieces */
            if
            :: a[segment * CELLS + cell] = 1
            :: b[segment * CELLS + cell] = 1
            :: skip
            fi;
            segment = 1; cell = 0;
            atomic { first[1] = written; begun[1] = 1 }
        fi
    :: !power_off && syncs < 1 && written > promised ->
        syncs++;
        end = written;
#ifdef MUTANT_MARK_EARLY
        atomic { kind[segment * CELLS + cell] = mark; id_of[segment * CELLS + cell] = end; a[segment * CELLS + cell] = 1 }
        cell++;
#endif
        copy_to_disk();
        if
        :: power_off -> break
        :: else
        fi;
        promised = end;
#ifndef MUTANT_MARK_EARLY
        atomic { kind[segment * CELLS + cell] = mark; id_of[segment * CELLS + cell] = end; a[segment * CELLS + cell] = 1 }
        cell++
#endif
    :: !power_off && written == EVENTS -> break
    od;
    writer_done = 1
}

/* Read from the start. `live`: the writer may go on. */
inline read_log(live) {
    segment = 0; cell = 0; id = 0; stop = 0;
    do
    :: stop -> break
    :: !stop && live && power_off -> break
    :: !stop && !(live && power_off) ->
        here = segment * CELLS + cell;
        see_a = a[here];
        is_mark = (kind[here] == mark);
#ifdef MUTANT_FIRST_PIECE
        see_b = see_a;
#else
        see_b = b[here];
#endif
        if
        :: see_a && is_mark -> cell++
        :: see_a && see_b && !is_mark ->
            /* what is delivered is whole, and is the next event */
            assert(power_off || (WHOLE(here) && id_of[here] == id));
            id++; cell++
        :: else ->
            atomic { /* marks only ever come */
            found = 0; look = here + 1;
            do
            :: look < (segment + 1) * CELLS ->
#ifdef MUTANT_ANY_BEHIND
                if
                :: WHOLE(look) -> found = 1
                :: else
                fi;
#endif
                if
                :: a[look] && kind[look] == mark && id_of[look] > id -> found = 1
                :: else
                fi;
                look++
            :: else -> break
            od;
            /* a mark in the next segment says the same of this one */
            look = CELLS;
            do
            :: segment == 0 && look < PLACES ->
                if
                :: a[look] && kind[look] == mark && id_of[look] > id && first[1] > id -> found = 1
                :: else
                fi;
                look++
            :: else -> break
            od }
            if
            :: found ->
#ifdef MUTANT_NO_SECOND_LOOK
                assert(power_off && live)
#else
                if
                :: live && power_off
                :: else -> assert(WHOLE(here))
                fi
#endif
            :: !found && segment == 0 && begun[1] && first[1] == id -> segment = 1; cell = 0
            :: !found && !(segment == 0 && begun[1] && first[1] == id) ->
                if
                :: !live -> stop = 1
                :: live ->
                    if
                    :: id == EVENTS -> stop = 1
                    :: power_off
                    :: else -> (WHOLE(here) || begun[1] || power_off) /* wait for a change */
                    fi
                fi
            fi
        fi
    od
}

proctype reader() {
    byte segment, cell, id, here, look;
    bit see_a, see_b, found, stop, is_mark;
    read_log(true)
}

/* The machine ends, and the log is read again: by a recovery. */
proctype power() {
    byte segment, cell, id, here, look, place = 0;
    bit see_a, see_b, found, stop, is_mark;
    atomic {
        power_off = 1;
        do
        :: place < PLACES ->
            if
            :: a[place] && !disk_a[place] -> a[place] = 0
            :: skip
            fi;
            if
            :: b[place] && !disk_b[place] -> b[place] = 0
            :: skip
            fi;
            place++
        :: else -> break
        od
    }
    (writer_done);
    d_step { skip }
    read_log(false);
    assert(id >= promised)
}

init {
    atomic {
        begun[0] = 1;
        run writer();
        run reader();
        if
        :: run power()
        :: skip /* no failure */
        fi
    }
}
