/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Floors: what this machine does without a streaming library, between one sender and one receiver.
 *
 *   memcpy     the sender copies messages into a shared window and out of it again, alone
 *   two_copy   the sender copies into a shared ring, the receiver copies out, flags between them:
 *              what a copying stream can reach at best
 *   zero_copy  the sender copies into the ring, the receiver reads the stamps where they are
 *   put, get   MPI_Put, MPI_Get of one message and MPI_Win_flush, by the sender, of the receiver's
 *              window memory
 *   isend      MPI_Isend / MPI_Irecv, at most FLOOR_WINDOW messages under way, each in a buffer of
 *              its own, together no larger than the ring; then an empty message back
 *   sendrecv   MPI_Send / MPI_Recv there and back; a message is half of it
 *   fetch_add  MPI_Fetch_and_op(SUM) and MPI_Win_flush by the sender
 *   line       a word of a shared window there and back, by stores and loads; a message is half of it.
 *              It tells whether the two cores share a last-level cache (an EPYC 9004: there and back
 *              0.1 us, else 0.3 to 0.5), on which copies between them depend
 *
 * Copies are the C library's memcpy. Messages go round a ring of `ring_bytes`, like the subject's
 * partition, so both meet the same caches.
 */
#ifndef MOFKA_BENCH_FLOOR_H
#define MOFKA_BENCH_FLOOR_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include "stats/histogram.h"

#define FLOOR_WINDOW 64
/* Bytes between two stamps of a message, and of an event's data. */
#define STAMP_STEP ((size_t)16 << 10)

typedef enum floor_kind {
    FLOOR_MEMCPY,
    FLOOR_TWO_COPY,
    FLOOR_ZERO_COPY,
    FLOOR_PUT,
    FLOOR_GET,
    FLOOR_ISEND,
    FLOOR_SENDRECV,
    FLOOR_FETCH_ADD,
    FLOOR_LINE,
    FLOOR_COUNT
} floor_kind_t;

typedef struct floor floor_t;

const char *floor_name(floor_kind_t kind);

/* Whether both processes of a pair are on one node. Collective over the pair. */
bool floor_shares_node(MPI_Comm pair);
/* `pair`: rank 0 sends, rank 1 receives. Windows are made for the kinds in `kinds` (bits 1 << kind)
 * only. Collective over the pair. NULL: no memory, or this MPI cannot make a window (told on
 * stderr). */
floor_t *floor_open(MPI_Comm pair, size_t message_bytes, size_t ring_bytes, unsigned kinds);
/* Messages per second over a round of about `seconds`, as many messages as the last round's speed
 * says. Collective over the pair; both get the same number. `times` (may be NULL; sender, sendrecv
 * only) collects each half round trip in nanoseconds. */
double floor_round(floor_t *floor, floor_kind_t kind, double seconds, mfi_histogram_t *times);
void floor_close(floor_t *floor);

#endif
