/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The picture of the window's memory. Offsets are from the start of a rank's share; "who" names the
 * only writers of a word and the operation; words are 64-bit, each written with one operation
 * beside loads.
 *
 * Share of a rank:   [share header, one page][directory, rank 0 only][arena, owners only]
 *
 *   share header     used        arena bytes carved; under the directory's lock, store
 *                    activity    rma: who is busy with this rank's memory adds to it, now and then;
 *                                its progress thread looks at it
 *   directory (rank 0's header) lock, end (bytes of records), next (owner whose turn it is)
 *   record           length (0: end of list; stored last), JSON text of `length` bytes, padded to 8
 *
 * Partition (page-aligned in the owner's arena):
 *
 *   control block
 *     reservation             producers: fetch_add(events << 32 | units)
 *     head (events, units)    oldest retained batch; store, under the lock
 *     closing, complete       mark-complete: store, under the lock
 *     lock                    exchange 1, store 0
 *     data bell, its waiters  fetch_add; only those of partition 0 are used: a consumer reads several
 *     room bell, its waiters  fetch_add
 *     finished                producers: fetch_add; only that of partition 0 is used
 *     blocked                 producers: fetch_add, around a long wait for room; for statistics
 *     state[], name[][]       joining or leaving consumer: store and put, under the lock
 *     cursor[], acknowledged[]  the live consumer of that place: store
 *   flags     two words per event slot, of the batch that begins there:
 *               flag    (lap + 1) << 24 | events
 *               stamp   when it was stored (CLOCK_REALTIME, ns; 0: it was not timed); put before the flag
 *   entries   one mmi_entry_t per event slot
 *   ring      payload units; a batch: all metadata, then all data, from a unit's start
 *
 * Units and events are counted from the start in 64 bits; a reservation or a cursor carries the low
 * 32 bits of each, and is completed from the 64-bit head, from which it is never 2^31 away.
 */
#ifndef MOFKA_MPI_LAYOUT_H
#define MOFKA_MPI_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/limits.h>
#include "mpi/window/share.h"

/* Bytes in which payload is reserved: a cache line, so that batches do not share one. */
#define MMI_UNIT_BYTES 64
/* Named consumers of a partition: one scan of their cursors stays one small get. */
#define MMI_CONSUMERS_MAX 64
#define MMI_FLAG_COUNT_BITS 24
#define MMI_FLAG_BYTES 16 /* with the stamp: one line tells both */

typedef struct mmi_control {
    uint64_t reservation;
    uint64_t pad0[7];
    uint64_t head_events; /* the four are read as one run */
    uint64_t head_units;
    uint64_t closing;
    uint64_t complete; /* 0, or first id that is not stored, + 1 */
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
    uint64_t cursor[MMI_CONSUMERS_MAX];       /* events << 32 | units */
    uint64_t acknowledged[MMI_CONSUMERS_MAX]; /* next unacknowledged id */
    char name[MMI_CONSUMERS_MAX][MOFKA_NAME_BYTES_MAX + 1];
} mmi_control_t;
static_assert(offsetof(mmi_control_t, head_events) == 64, "own cache line");
static_assert(offsetof(mmi_control_t, complete) == 64 + 24, "one run of four words");
static_assert(offsetof(mmi_control_t, lock) == 128, "own cache line");
static_assert(offsetof(mmi_control_t, data_bell) == 192, "own cache line");
static_assert(offsetof(mmi_control_t, room_bell) == 256, "own cache line");

/* States of a named consumer. */
enum { MMI_CONSUMER_FREE, MMI_CONSUMER_AWAY, MMI_CONSUMER_LIVE };

typedef struct mmi_entry {
    uint64_t id_1;     /* id + 1 */
    uint64_t metadata; /* position, in bytes from the start of counting */
    uint64_t data;     /* position */
    uint64_t data_bytes;
    uint32_t metadata_bytes;
    uint32_t check; /* of the fields above */
} mmi_entry_t;
static_assert(sizeof(mmi_entry_t) == 40, "five words");

#define MMI_CONTROL(field) offsetof(mmi_control_t, field)

#endif
