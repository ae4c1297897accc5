/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shared bytes of a partition.
 *
 *   unit     64 bytes of the payload ring; a batch takes whole units
 *   slot     room for one event's flag, stamp and entry
 *   lap      how many times the slots were used before: id / slots
 *   place    a number of events and a number of units; the head, the tail and each cursor is one
 *
 * A rank's share of the window:
 *
 *   +--------------+-------------------------+--------------------------------------+
 *   | share header | directory (rank 0 only) | arena (owners only)                  |
 *   | one page     | whole pages             | partition | partition | ... | unused |
 *   +--------------+-------------------------+--------------------------------------+
 *     window/share.h   topic/directory.c         each partition is whole pages
 *
 * A record of the directory is its length (one word, stored last; 0 ends the list), then its JSON
 * text, padded to 8 bytes.
 *
 * A partition, in the arena of its owner. Offsets are those of mmi_partition_t:
 *
 *   base            flags              entries             ring
 *   +---------------+------------------+-------------------+------------------------+
 *   | control block | flag and stamp   | entry             | payload                |
 *   | whole pages   | 16 bytes a slot  | 40 bytes a slot   | units of 64 bytes      |
 *   +---------------+------------------+-------------------+------------------------+
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
 *   flag of its first event's slot   (lap + 1) << 24 | number of events; lap = id / slots. It is
 *                                    stored last, and publishes the batch. A flag of another lap
 *                                    means: not yet.
 *   stamp beside that flag           real-time clock in ns when the batch was stored; 0: it was not
 *                                    timed. Put before the flag.
 *   entries, one per event           where its metadata and its data are
 *   payload, from a unit's start     the metadata of all its events, then the data of all its
 *                                    events
 *
 * Flags and stamps of the other events' slots are not written.
 *
 * The words of the control block. Each is 64 bits and is written by the operation that is named
 * here; everybody may load it.
 *
 *   offset  word           written by                        operation
 *        0  reservation    a producer, for each batch        fetch_add(events << 32 | units)
 *       64  head_events    a trimmer, with the lock          store, before head_units
 *       72  head_units     a trimmer, with the lock          store
 *       80  closing        mark-complete, with the lock      store 1, before it reads the tail
 *       88  complete       mark-complete, with the lock      store the end (an id) + 1; 0: no end
 *      128  lock           any rank                          exchange 1, then 0
 *      192  data_bell      a publisher                       fetch_add 1
 *      200  data_waiters   a consumer that waits             fetch_add 1, then -1
 *      256  room_bell      a rank that made room             fetch_add 1
 *      264  room_waiters   a producer that waits             fetch_add 1, then -1
 *      320  finished       a producer that closes            fetch_add 1
 *      328  blocked        a producer, while a batch waits   fetch_add 1, then -1; for statistics
 *      384  state[64]      a consumer that joins or leaves   store; with the lock, except LIVE to
 *                                                            AWAY
 *      896  cursor[64]     the live consumer                 store (events << 32 | units)
 *     1408  acknowledged[64]  the live consumer              store the next unacknowledged id
 *     1920  name[64]       a consumer that joins             put, with the lock
 *
 * state, cursor, acknowledged and name have an element for each of the 64 consumers that a
 * partition can have. A consumer that joins stores them with the lock.
 *
 * Of data_bell, data_waiters and finished only those of partition 0 are used: a consumer reads
 * several partitions and sleeps at one bell, and a topic counts its finished producers once.
 *
 * reservation and cursor carry the low 32 bits of events and of units. mmi_place_unpack completes
 * them from the 64-bit head, of which they are less than 2^31 ahead. In `reservation`, carries out
 * of the units went into the events, because fetch_add adds to the whole word.
 */
#ifndef MOFKA_MPI_PARTITION_LAYOUT_H
#define MOFKA_MPI_PARTITION_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/limits.h>
#include "mpi/window/share.h"

/* Payload is reserved in units of a cache line, so that two batches never share one. */
#define MMI_UNIT_BYTES 64
/* Named consumers of a partition. One small get reads all their cursors. */
#define MMI_CONSUMERS_MAX 64
/* Bits of a flag that hold the number of events; the lap has the other 40. */
#define MMI_FLAG_COUNT_BITS 24
/* A flag and its stamp, which share a cache line: one read fetches both. */
#define MMI_FLAG_BYTES 16

typedef struct mmi_control {
    uint64_t reservation;
    uint64_t pad0[7];
    /* mmi_state_load reads these four in one go. */
    uint64_t head_events;
    uint64_t head_units;
    uint64_t closing;
    uint64_t complete;
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
    uint64_t pad5[6];
    uint64_t state[MMI_CONSUMERS_MAX];
    uint64_t cursor[MMI_CONSUMERS_MAX];
    uint64_t acknowledged[MMI_CONSUMERS_MAX];
    char name[MMI_CONSUMERS_MAX][MOFKA_NAME_BYTES_MAX + 1];
} mmi_control_t;

/* The offset of a word of the control block. */
#define MMI_CONTROL(field) offsetof(mmi_control_t, field)

/* Words that different ranks write at high rates have cache lines of their own. */
static_assert(MMI_CONTROL(reservation) == 0, "own cache line");
static_assert(MMI_CONTROL(head_events) == 64, "own cache line");
static_assert(MMI_CONTROL(head_units) == MMI_CONTROL(head_events) + 8, "one run of four words");
static_assert(MMI_CONTROL(closing) == MMI_CONTROL(head_events) + 16, "one run of four words");
static_assert(MMI_CONTROL(complete) == MMI_CONTROL(head_events) + 24, "one run of four words");
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

/* States of a place in the table of named consumers. The log is kept for AWAY and LIVE alike. */
enum {
    MMI_CONSUMER_FREE, /* the place has no name */
    MMI_CONSUMER_AWAY, /* the consumer left, and may come back under its name */
    MMI_CONSUMER_LIVE  /* a consumer reads */
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
