/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shared bytes of a partition.
 *
 *   unit     64 bytes of the payload ring; a batch takes whole units
 *   slot     room for one event's flag, stamp and entry, and its sum
 *   lap      how many times the slots were used before: id / slots
 *   place    a number of events and a number of units; the head, the tail and each cursor is one
 *
 * A rank's share of the window:
 *
 *   +--------------+-------------------------+------------------+---------------------------------+
 *   | share header | directory (rank 0 only) | staging (owners, | arena (owners only)             |
 *   | one page     | whole pages             | with a store)    | partition | partition | unused  |
 *   +--------------+-------------------------+------------------+---------------------------------+
 *     window/share.h   topic/directory.c       staging/staging.h  each partition is whole pages
 *
 * A record of the directory:
 *
 *   +--------+-------+-------+-------+------------+------------------------------+
 *   | length | state | users | check | name check | JSON text, padded            |
 *   +--------+-------+-------+-------+------------+------------------------------+
 *     8 bytes each                                 to 8 bytes
 *
 *   length      that of the text: a sealed word, which never changes. The records are found by it
 *   state       a sealed word: 2 bits say how far the topic is, 24 which rank makes its partitions,
 *               30 are the incarnation: the number of topics that had this record before
 *   users       32 bits: open producers and consumers; 1 bit: the topic is being deleted, or was;
 *               31 bits: the incarnation. Changed by fetch_add only
 *   check       of all that follows it, and the incarnation. So the text of one topic does not pass
 *               for that of another
 *   name check  of the topic's name: it says whose record is damaged
 *
 * The state, with the topic's life from left to right:
 *
 *                    create.c             create.c            delete.c
 *   free memory --> MAKING, users 2i --> MADE, users 2i ... 2i+1 --> NOT MADE --+
 *                    ^                                                          | create.c
 *                    +--------------------------- MAKING, users 2(i+1) <--------+
 *
 * where "users 2i" are the upper 32 bits of that word. A record that is not made keeps its length,
 * and is used again by a topic whose text fits. Texts are padded with spaces.
 *
 * A partition, in the arena of its owner. Offsets are those of mmi_partition_t:
 *
 *   base            rows        flags             entries           sums             ring
 *   +---------------+-----------+-----------------+-----------------+----------------+----------+
 *   | control block | rows      | flag and stamp  | entry           | sum            | payload  |
 *   | whole pages   | 128 bytes | 16 bytes a slot | 40 bytes a slot | 8 bytes a slot | units of |
 *   |               | a rank    |                 |                 |                | 64 bytes |
 *   +---------------+-----------+-----------------+-----------------+----------------+----------+
 *                    only where                                      only with
 *                    CPUs write                                      checksums
 *
 * A topic with storage has one more page, the storage page, between control block and flags.
 *
 * The log is the sequence of all events ever reserved. Events and units are counted from its start
 * in 64 bits. Event `id` has slot id % slots; the byte at `position` of the payload is at position
 * % ring_bytes of the ring. Both rings hold what lies between head and tail:
 *
 *            head                                            tail
 *   ---------+------------+------------+---------+-----------+---------------> events, units
 *    trimmed | batch      | batch      | a hole  | batch     | free, as far as head + capacity
 *            | published  | published  |         | published |
 *   ---------+------------+------------+---------+-----------+--------------->
 *
 * The tail is what `reservation` holds. A hole is a batch that is reserved and not published yet:
 * readers stop there. A batch has consecutive events and consecutive units:
 *
 *   flag of its first event's slot   see below. It publishes the batch.
 *   stamp beside that flag           when the batch was stored: a sealed word, real-time clock in
 *                                    units of 64 ns; 0: it was not timed. Put before the flag, or
 *                                    with it: then a reader may find that of an earlier lap
 *   entries, one per event           where its metadata and its data are
 *   sums, one per event              with checksums: the check of its metadata in the low half,
 *                                    that of its data in the high half (sum.c)
 *   payload, from a unit's start     the metadata of all its events, then the data of all its
 *                                    events
 *
 * Flags and stamps of the other events' slots are not written.
 *
 * A flag is one word:
 *
 *   63         38 37     36       35          16 15          0
 *   +------------+------+---------+--------------+-------------+
 *   | lap + 1    | void | settled | events       | check       |    lap = id / slots, its low 26
 *   +------------+------+---------+--------------+-------------+    bits
 *
 * The check is of the other bits, the slot and the partition's place. So a reader sees at once
 * which of these a flag is:
 *
 *   stored    the check holds, and the lap is the reader's
 *   void      the same, with the bit that says so: it is never published
 *   earlier   0, or the check holds and the lap is an earlier one: the batch is not published yet
 *   later     the check holds and the lap is a later one: the events were discarded
 *   damaged   the check does not hold
 *
 * After 2^26 laps a flag that was not written again looks stored. Its batch's first entry, which
 * has the whole id, shows that it is not.
 *
 * A flag is settled once a flush has completed all puts of its batch. It is put either once, after
 * that flush, or twice: with the batch, and settled after the flush. The second way needs sums,
 * because a reader may see the flag before the batch. A sum that is not right then means "not yet".
 * Under a settled flag it means damage. A cursor, or a head that discards, passes settled flags
 * only: else a put that is still on its way could land in room that others have.
 *
 * A void stands for a range that was reserved and will never be published: its producer died, or
 * does not need it. It has a flag of its own kind, and one entry: that of its last event. The entry
 * is of no bytes, and stands where the range's units end. So what passes batches passes voids. No
 * event of theirs can be read or acknowledged. A range that does not fit the count of one flag is
 * several voids.
 *
 *   who makes a void                     when
 *   the rank that reserved the range     it does not need it (rows/void.c)
 *   any rank, with the lock              the rank that reserved it is proven dead (rows/dead.c)
 *
 *
 * The void of a claim that has expired is not settled, because the program may still write to its
 * memory: readers pass it, and neither a cursor nor the head does. The rank that claimed settles it
 * when the claim ends; if it is dead, others do (rows/dead.c).
 *
 * They put the entry, then the flag. Where CPUs write, a flag is set by compare-exchange, from what
 * it was before. So a producer that finds a void there has not stored.
 *
 * A rank's row says what the rank is about to reserve, or has reserved and not published. It has
 * four entries, one for each append or open claim; claims use the last two:
 *
 *   intent   events << 32 | units << 1: what the append adds to the reservation; 0: the entry is
 *            free. Taken by compare-exchange from 0, before the reservation
 *   first    the first id + 1; 0: not known yet. Stored after `units`
 *   units    the first unit
 *
 *   intent --> reservation --> units, first --> published, or void --> first 0 --> intent 0
 *
 * In partition 0 of a topic that expects producers, the row also counts those of the rank, by
 * compare-exchange: made << 16 | finished, in both halves of the word. One that closes without
 * being counted is taken back. All that a dead rank has made count as finished: its word does not
 * change any more (producers.c).
 *
 * Only the rank itself writes them, and nobody once it is dead. So if a range is reserved and not
 * published, some row has an intent, and once it has a place, that is known to be its own. Rows are
 * not sealed: a range is compared with head and tail before it becomes void, and a producer finds
 * out if its own did by mistake.
 *
 * A sealed word carries a check of its value, the low 56 bits, in its highest 8. 0 is sealed.
 *
 * The words of the control block. Each is 64 bits and is written by the operation that is named
 * here; everybody may load it. A word that is stored is sealed, but for the lock and the cursor.
 *
 *   offset  word           written by                        operation
 *        0  reservation    a producer, for each batch        fetch_add(events << 32 | units << 1)
 *                          a claim                           the same, by compare-exchange
 *                          mark-complete, with the lock      fetch_add(1), once: the topic ends
 *       64  head_events    a trimmer, with the lock          store, before head_units
 *       72  head_units     a trimmer, with the lock          store; bit 55: they may be too low
 *       80  complete       mark-complete, with the lock      store the end (an id) + 1; 0: no end
 *       88  ending         mark-complete, with the lock      store the end + 1 that it will mark;
 *                                                            only where CPUs write
 *      128  lock           any rank                          exchange 1, then 0. Where CPUs write:
 *                                                            compare-exchange 0, or the word of a
 *                                                            dead rank, for its rank + 1, sealed;
 *                                                            then store 0
 *      192  data_bell      a publisher                       fetch_add 1
 *      200  data_waiters   a consumer that waits             fetch_add 1, then -1
 *      256  room_bell      a rank that made room             fetch_add 1
 *      264  room_waiters   a producer that waits             fetch_add 1, then -1
 *      320  finished       a producer that closes, where     fetch_add 1 to both halves
 *                          there are no rows
 *      328  blocked        a producer, while a batch waits   fetch_add 1 to both halves, then -1;
 *                                                            for statistics
 *      336  damaged        a consumer that meets damage      fetch_add the number of events to both
 *                                                            halves; for statistics
 *      344  voided         who makes events void             fetch_add the number of events to both
 *                                                            halves; for statistics
 *      384  state[64]      a consumer that joins or leaves,  store, with the lock. Where CPUs
 *                          or who evicts one                 write, LIVE to AWAY, and to EVICTED,
 *                                                            by compare-exchange
 *      896  cursor[64]     the live consumer                 store (events << 32 | units)
 *     1408  acknowledged[64]  the live consumer              store the next unacknowledged id,
 *                                                            before the cursor
 *     1920  name[64]       a consumer that joins             put, with the lock
 *    10112  holder[64]     a consumer that joins             store its rank + 1, before the state;
 *                                                            only where CPUs write
 *
 * The words of the storage page. The threads of storage of the partition's owner store them, by the
 * processor; each word has one thread. Those that are stored are sealed, but for the cursor.
 *
 *   offset  word           written by                        operation
 *        0  life           the opening of the log            store, last: before it, nobody uses
 *                                                            the partition. 0: it is not open
 *        8  failed         the writing thread                store a status; 0: there is no error;
 *                                                            BUSY behind a life: another process
 *                                                            has the log now, for good
 *       16  lock           the opening of the log            store, before `life`: the identity of
 *                                                            its lock (store/lock.h); 0: none
 *       64  written        the writing thread                store; ids below are written
 *       72  synced         the syncing thread                store; ids below are on disk
 *      128  cursor         writing thread, with the lock     store (events << 32 | units): the head
 *                          when it goes back; "synced":      may go there. What is behind it has
 *                          the syncing thread                not the topic's durability
 *      192  bell           as data_bell                      fetch_add 1
 *      200  waiters        a rank that waits for `written`   fetch_add 1, then -1
 *                          or `synced`
 *      208  asked          a rank that wants all on disk     fetch_add 1: sync what is written
 *      512  rewound[64]    the opening of the log, then the  store: by how many events a named
 *                          named consumer                    consumer was set back; 0 once it has
 *                                                            acknowledged more
 *     1024  text           the writing thread                what failed, before the word; it may
 *                                                            be read torn
 *     2560  counts         the threads that mmi_stored_counts  store; each is sealed
 *                          names
 *
 * A crash of the owner between any two of these stores leaves a log that is at least as far as the
 * words say. With them, the head never is ahead of what was promised.
 *
 * What is read is checked before it is used: sealed words by their seal, counters by their halves,
 * a name by the check in its state, which also has the state in its lowest 8 bits. The reservation
 * is not before the head. A cursor is not behind what its consumer acknowledged, and its units fit
 * the entry that is there.
 *
 * state, cursor, acknowledged, name and holder have an element for each of the 64 consumers that a
 * partition can have. A consumer that joins stores them with the lock.
 *
 * Of data_bell, data_waiters and finished only those of partition 0 are used: a consumer reads
 * several partitions and sleeps at one bell, and a topic counts its finished producers once.
 *
 * cursor carries the low 32 bits of events and of units, and reservation 31 bits of units. They are
 * completed from the 64-bit head, of which they are less than 2^31 ahead. A cursor may also be
 * behind it; that counts as at the head. In `reservation`, carries out of the units went into the
 * events, because fetch_add adds to the whole word.
 *
 * A producer learns from its own reservation whether the topic ended before it. Then it puts
 * nothing.
 *
 * In a node window, the topic says who changes the words of its partitions, and by what:
 *
 *   "producers"   ranks of the owner's node             ranks of other nodes
 *   any           operations of MPI, all words          the same
 *   node          processors, all words                 MPI_Put, of two words; see below
 *
 * With "node", a rank of another node reads by MPI_Get: a flag, then, behind a flush, what the flag
 * stands for. While its consumer is live, cursor[i] and acknowledged[i] of that place are stored by
 * it alone. The owner stores them first, when it lets the consumer join, and a rank of its node may
 * again once the consumer has left; the consumer's puts are flushed before it asks to leave. All
 * else that such a rank wants changed is an errand (mpi/errand/errand.h). data_bell and
 * data_waiters are those of the topic's first partition of each node. Format and clear are put by
 * whichever rank creates the topic, before anybody uses it.
 *
 *   a rank of another node that stops           leaves
 *   before it asks to join, or behind a leave   nothing
 *   behind that                                 its name taken, and its cursor where it is
 *   at any step                                 no lock
 */
#ifndef MOFKA_MPI_PARTITION_LAYOUT_H
#define MOFKA_MPI_PARTITION_LAYOUT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <mofka/limits.h>
#include "mpi/window/share.h"

/* Payload is reserved in units of a cache line, so that two batches never share one. */
#define MMI_UNIT_BYTES 64
/* Events and payload bytes that a partition holds, at most. Both are less than 2^31 units or
 * events, so that a reservation can be completed from the head. */
#define MMI_SLOTS_MAX (UINT64_C(1) << 30)
#define MMI_RING_BYTES_MAX (UINT64_C(1) << 36)
/* Named consumers of a partition. One small get reads all their cursors. */
#define MMI_CONSUMERS_MAX 64
/* The parts of a flag; one bit says whether it is settled, and one whether it is a void's. */
#define MMI_FLAG_LAP_BITS 26
#define MMI_FLAG_COUNT_BITS 20
#define MMI_FLAG_CHECK_BITS 16
/* Events of a batch, at most. */
#define MMI_BATCH_EVENTS_MAX ((UINT64_C(1) << MMI_FLAG_COUNT_BITS) - 1)
/* A flag and its stamp, which share a cache line: one read fetches both. */
#define MMI_FLAG_BYTES 16
#define MMI_STAMP_OFFSET 8 /* from the flag */

/* What one append of a rank has reserved, or is about to reserve. */
typedef struct mmi_row_entry {
    uint64_t intent;
    uint64_t first;
    uint64_t units;
    uint64_t producers; /* of the first entry */
} mmi_row_entry_t;

/* Appends of a rank to a partition that are under way at a time. */
#define MMI_ROW_ENTRIES 4

typedef struct mmi_row {
    mmi_row_entry_t entries[MMI_ROW_ENTRIES];
} mmi_row_t;
static_assert(sizeof(mmi_row_t) == 128, "as drawn: whole cache lines");

typedef struct mmi_control {
    uint64_t reservation;
    uint64_t pad0[7];
    /* mmi_state_load reads these three in one go. */
    uint64_t head_events;
    uint64_t head_units;
    uint64_t complete;
    uint64_t ending;
    uint64_t pad1[4];
    uint64_t lock;
    uint64_t pad2[7];
    uint64_t data_bell;
    uint64_t data_waiters;
    uint64_t pad3[6];
    uint64_t room_bell;
    uint64_t room_waiters;
    uint64_t pad4[6];
    uint64_t finished;
    uint64_t blocked;
    uint64_t damaged;
    uint64_t voided;
    uint64_t pad5[4];
    uint64_t state[MMI_CONSUMERS_MAX];
    uint64_t cursor[MMI_CONSUMERS_MAX];
    uint64_t acknowledged[MMI_CONSUMERS_MAX];
    char name[MMI_CONSUMERS_MAX][MOFKA_NAME_BYTES_MAX + 1];
    uint64_t holder[MMI_CONSUMERS_MAX];
} mmi_control_t;

/* What the storage of a partition has done since its log was opened, for statistics. */
typedef struct mmi_stored_counts {
    /* The writing thread: */
    uint64_t written_units; /* of the ring; those of events that are written */
    uint64_t writes, write_us, write_us_max;
    /* The syncing thread: */
    uint64_t synced_units;
    uint64_t syncs, sync_us, sync_us_max;
    uint64_t segments, log_bytes; /* of the files, as of the last look at them */
} mmi_stored_counts_t;

typedef struct mmi_stored {
    uint64_t life;
    uint64_t failed;
    uint64_t lock;
    uint64_t pad0[5];
    uint64_t written;
    uint64_t synced;
    uint64_t pad1[6];
    uint64_t cursor;
    uint64_t pad2[7];
    uint64_t bell;
    uint64_t waiters;
    uint64_t asked;
    uint64_t pad3[37];
    uint64_t rewound[MMI_CONSUMERS_MAX];
    char text[1536];
    mmi_stored_counts_t counts;
} mmi_stored_t;
/* The offset of a word of the storage page. */
#define MMI_STORED(field) offsetof(mmi_stored_t, field)

static_assert(sizeof(mmi_stored_t) <= MMI_PAGE_BYTES, "one page");
static_assert(MMI_STORED(written) == 64, "as drawn");
static_assert(MMI_STORED(cursor) == 128, "as drawn");
static_assert(MMI_STORED(bell) == 192, "as drawn");
static_assert(MMI_STORED(waiters) == MMI_STORED(bell) + 8, "as drawn");
static_assert(MMI_STORED(asked) == 208, "as drawn");
static_assert(MMI_STORED(rewound) == 512, "as drawn");
static_assert(MMI_STORED(text) == 1024, "as drawn");
static_assert(MMI_STORED(counts) == 2560, "as drawn");

/* The offset of a word of the control block. */
#define MMI_CONTROL(field) offsetof(mmi_control_t, field)

/* Words that different ranks write at high rates have cache lines of their own. */
static_assert(MMI_CONTROL(reservation) == 0, "own cache line");
static_assert(MMI_CONTROL(head_events) == 64, "own cache line");
static_assert(MMI_CONTROL(head_units) == MMI_CONTROL(head_events) + 8, "one run of three words");
static_assert(MMI_CONTROL(complete) == MMI_CONTROL(head_events) + 16, "one run of three words");
static_assert(MMI_CONTROL(lock) == 128, "own cache line");
static_assert(MMI_CONTROL(data_bell) == 192, "own cache line");
static_assert(MMI_CONTROL(data_waiters) == MMI_CONTROL(data_bell) + 8, "bell.c finds it there");
static_assert(MMI_CONTROL(room_bell) == 256, "own cache line");
static_assert(MMI_CONTROL(room_waiters) == MMI_CONTROL(room_bell) + 8, "bell.c finds it there");
static_assert(MMI_CONTROL(finished) == 320, "own cache line");
static_assert(MMI_CONTROL(state) == 384, "as drawn");
static_assert(MMI_CONTROL(cursor) == 896, "as drawn");
static_assert(MMI_CONTROL(acknowledged) == 1408, "as drawn");
static_assert(MMI_CONTROL(name) == 1920, "as drawn");
static_assert(MMI_CONTROL(holder) == 10112, "as drawn");
static_assert(MMI_CONTROL(ending) == 88, "as drawn");

static_assert(MMI_FLAG_LAP_BITS + 2 + MMI_FLAG_COUNT_BITS + MMI_FLAG_CHECK_BITS == 64, "one word");

/* The factor of checks. A changed bit changes the product by this, shifted. It has no eight equal
 * bits in a row but at its start, so the change reaches the highest byte wherever the bit is. So a
 * check of the highest 8 bits, or more, finds each single changed bit. */
#define MMI_CHECK_FACTOR UINT64_C(0x9e3779b97f4a7c15)

#define MMI_SEAL_BITS 56
#define MMI_SEAL_MAX ((UINT64_C(1) << MMI_SEAL_BITS) - 1)

/* The sealed word of a value. */
static inline uint64_t mmi_seal(uint64_t value) {
    assert(value <= MMI_SEAL_MAX);
    return value | value * MMI_CHECK_FACTOR >> MMI_SEAL_BITS << MMI_SEAL_BITS;
}

/* The value of a sealed word, if it is one. */
static inline uint64_t mmi_unseal(uint64_t word) {
    return word & MMI_SEAL_MAX;
}

static inline bool mmi_is_sealed(uint64_t word) {
    return (word ^ mmi_unseal(word) * MMI_CHECK_FACTOR) >> MMI_SEAL_BITS == 0;
}

/* The head's units are at most the true ones: the end of a batch was damaged. */
#define MMI_HEAD_ROUGH (UINT64_C(1) << (MMI_SEAL_BITS - 1))

/* A counter whose halves count alike. */
#define MMI_COUNT_ONE ((UINT64_C(1) << 32) + 1)
/* Producers that a topic can expect. */
#define MMI_EXPECTED_MAX UINT32_MAX

/* A check of whole words. Every step is a bijection, so it finds each change of one word. */
static inline uint64_t mmi_bytes_check(const void *bytes, size_t length) {
    uint64_t check = length, word;
    assert(length % sizeof word == 0);
    for (size_t i = 0; i < length; i += sizeof word) {
        memcpy(&word, (const char *)bytes + i, sizeof word);
        check = (check ^ word) * MMI_CHECK_FACTOR;
        check ^= check >> 32;
    }
    return check;
}

/* The lowest bit of the reservation: the topic has ended. */
#define MMI_RESERVATION_ENDED UINT64_C(1)

/* What events and units add to the reservation. */
static inline uint64_t mmi_reservation_of(uint64_t events, uint64_t units) {
    return (events << 32) + (units << 1);
}

/* States of a place in the table of named consumers. The log is kept for AWAY and LIVE alike, and
 * for no other. */
#define MMI_STATE_BITS 8
#define MMI_STATE_MAX ((UINT64_C(1) << MMI_STATE_BITS) - 1)
enum {
    MMI_CONSUMER_FREE, /* the place has no name */
    MMI_CONSUMER_AWAY, /* the consumer left, and may come back under its name */
    MMI_CONSUMER_LIVE, /* a consumer reads */
    /* The name was evicted while a consumer had the place, which may still store there. The place
     * is free once that consumer leaves, or its rank is proven dead. */
    MMI_CONSUMER_EVICTED
};

/* Where an event's bytes are. Positions are bytes counted from the start of the log. */
typedef struct mmi_entry {
    uint64_t id_1;     /* id + 1, so that zeroed memory is no entry */
    uint64_t metadata; /* position */
    uint64_t data;     /* position */
    uint64_t data_bytes;
    uint32_t metadata_bytes;
    uint32_t check; /* mmi_entry_check of the other fields */
} mmi_entry_t;
static_assert(sizeof(mmi_entry_t) == 40, "as drawn");

#endif
