/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A partition with storage: ring, files, a reader that changes between them, and failures.
 *
 * A producer publishes batches of two events. A batch's flag is in the slot of its first event; each event has a value.
 * The producer waits for room, then for the durability of each batch, which is then promised. The writing thread
 * appends published batches to the file, then stores `written`, then the cursor; with SYNCED, the syncing thread stores
 * `synced` and the cursor. The head goes where the cursor is. A sync may fail once: what it should have synced is lost
 * for the disk, and the writing thread goes back as far as the ring allows, and writes that again.
 *
 * The reader begins in the file, in front of a batch or within one. In the file it reads event by event. Where a batch
 * begins, and the head is not beyond, it goes on in the ring. There it reads the flag, the values, then the head; if
 * that has passed it, it goes back to the file.
 *
 * A failure of the process leaves what was appended, one of the node what was synced. Both only grow, so a failure at
 * any time is looked at when something is promised.
 *
 * Checked: each event is delivered once, in order, with its value; the writing thread finds each batch in the ring; what
 * is promised is in the file then (with SYNCED, on its disk); all ends.
 *
 * Mutants, each of which must fail:
 *   MUTANT_FREE_HEAD      the head goes as far as is published
 *   MUTANT_NO_SECOND_HEAD with START=0: the reader does not read the head after the values
 *   MUTANT_ANYWHERE       with START=3: the reader enters the ring within a batch
 *   MUTANT_WRITTEN_CURSOR with SYNCED: the writing thread stores the cursor
 *   MUTANT_PLACE_LATE     the syncing thread looks how far the file is after the sync
 *   MUTANT_NO_HOLD        after a failed sync, the cursor does not go back to the head before that is read
 */
#define SLOTS 4
#define EVENTS 6 /* a multiple of 2 */
#ifndef START
#define START 1 /* where the reader begins */
#endif

byte flag[SLOTS], value[SLOTS]; /* id + 1; a flag in the slot of a batch's first event only */
byte published = 0, head = 0, cursor = 0, written = 0, synced = 0, promised = 0;
byte file = 0, disk = 0; /* events that the file has, and that its disk has */
byte at = 0;             /* of the writing thread */
byte lost_to = 0;        /* ids from `disk` up to this one will not come to the disk, unless written again */
bit sync_failed = 0, failed = 0, head_lock = 0;

#ifdef SYNCED
#define DURABLE synced
#define KEPT disk
#else
#define DURABLE written
#define KEPT file
#endif

inline promise() {
    atomic { promised = DURABLE; assert(promised <= KEPT) }
}

proctype producer() {
    byte id = 0;
    do
    :: id == EVENTS -> break
    :: id < EVENTS && id + 2 <= head + SLOTS ->
        d_step { value[id % SLOTS] = id + 1; value[(id + 1) % SLOTS] = id + 2 };
        atomic { flag[id % SLOTS] = id + 1; published = id + 2; id = id + 2 }
    :: promised < DURABLE -> promise()
    od;
    do
    :: promised == EVENTS -> break
    :: promised < DURABLE -> promise()
    od
}

proctype trimmer() {
    byte to;
    do
    :: head + SLOTS >= EVENTS -> break /* nobody needs more room */
    :: head == EVENTS -> break
    :: atomic { !head_lock && (cursor > head || published > head) -> head_lock = 1 };
#ifdef MUTANT_FREE_HEAD
        to = published;
#else
        to = cursor;
#endif
        if
        :: to > head -> head = to
        :: else
        fi;
        head_lock = 0
    od
}

proctype writer() {
    byte from;
    do
    :: sync_failed ->
#ifdef SYNCED
        from = synced;
#else
#ifdef MUTANT_NO_HOLD
        from = head;
#else
        atomic { !head_lock -> head_lock = 1 };
        from = head;
        cursor = from;
        head_lock = 0;
#endif
        if
        :: synced > from -> from = synced
        :: else
        fi;
#endif
        atomic { at = from; sync_failed = 0; lost_to = (from >= lost_to -> 0 : lost_to) }
    :: !sync_failed && at < published ->
        assert(flag[at % SLOTS] == at + 1 && value[at % SLOTS] == at + 1 && value[(at + 1) % SLOTS] == at + 2);
        d_step {
            file = (at + 2 > file -> at + 2 : file);
            lost_to = (at + 2 >= lost_to -> 0 : lost_to);
            at = at + 2
        };
        if
        :: at > written -> written = at
        :: else
        fi;
#ifdef SYNCED
#ifdef MUTANT_WRITTEN_CURSOR
        cursor = at;
#endif
#else
        cursor = at;
#endif
    :: !sync_failed && at == EVENTS && synced == EVENTS -> break
    od
}

proctype syncer() {
    byte place;
    do
    :: synced == EVENTS -> break
    :: !sync_failed && at > synced && lost_to == 0 ->
        place = at;
        if
        :: !failed -> atomic { failed = 1; lost_to = file; sync_failed = 1 }
        :: disk = place;
#ifdef MUTANT_PLACE_LATE
            place = at;
#endif
            synced = place;
#ifdef SYNCED
            cursor = place;
#endif
        fi
    od
}

#ifdef MUTANT_ANYWHERE
#define ENTERS 1
#else
#define ENTERS (boundary || next == head || next == written)
#endif

proctype reader() {
    byte next = START, got, more;
    bit ring = 0, boundary = 0;
    do
    :: next == EVENTS -> break
    :: !ring && next < EVENTS && next < file ->
        next++;
        boundary = (next % 2 == 0)
    :: !ring && next < EVENTS && head <= next && ENTERS -> ring = 1
    :: ring && head > next -> ring = 0
    :: ring && next < EVENTS && flag[next % SLOTS] == next + 1 ->
        d_step { got = value[next % SLOTS]; more = value[(next + 1) % SLOTS] };
#ifndef MUTANT_NO_SECOND_HEAD
        if
        :: head > next -> ring = 0
        :: else ->
#endif
            assert(got == next + 1 && more == next + 2);
            next = next + 2
#ifndef MUTANT_NO_SECOND_HEAD
        fi
#endif
    od
}

init {
    atomic { run producer(); run trimmer(); run writer(); run syncer(); run reader() }
}
