/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Floors: the speed of this machine without a streaming library, between one sender and one
 * receiver.
 *
 *   memcpy     the sender copies messages into a shared window and out of it again, alone
 *   two_copy   the sender copies into a shared ring, the receiver copies out, flags between
 *              them: the best that a copying stream can reach
 *   zero_copy  the sender copies into the ring, the receiver reads the stamps in place
 *   put, get   the sender calls MPI_Put or MPI_Get for one message in the receiver's window, then
 *              MPI_Win_flush
 *   isend      MPI_Isend and MPI_Irecv, with at most FLOOR_WINDOW messages under way, each in its
 *              own buffer, together no larger than the ring; then an empty message back
 *   sendrecv   MPI_Send and MPI_Recv there and back; a message is half of a round trip
 *   fetch_add  MPI_Fetch_and_op(SUM) and MPI_Win_flush by the sender
 *   line       a word of a shared window goes there and back, by stores and loads; a message is
 *              half of a round trip. It shows whether the two cores share a last-level cache (on an
 *              EPYC 9004, a round trip of 0.1 us, otherwise 0.3 to 0.5), which decides the speed of
 *              copies
 *   ring       the sender copies into a shared ring, the receiver copies out. Each has one index,
 *              which it writes after each message and reads of the other only when it must: the
 * best that a queue of one producer can reach, which keeps no events ring_64    the same, but an
 * index is written after 64 messages, or after half of the ring ring_trip  a message through the
 * ring, there and back; a message is half of a round trip
 *
 * Copies use the C library's memcpy. Messages fill a ring of `ring_bytes` again and again, like the
 * subject's partition, so both meet the same caches.
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
    FLOOR_RING,
    FLOOR_RING_64,
    FLOOR_RING_TRIP,
    FLOOR_COUNT
} floor_kind_t;

typedef struct floor floor_t;

const char *floor_name(floor_kind_t kind);

/* Whether both processes of a pair are on one node. Collective over the pair. */
bool floor_shares_node(MPI_Comm pair);
/* Open the floors in `kinds` (bits 1 << kind). Rank 0 of `pair` sends, rank 1 receives. Windows are
 * created only for the kinds that need them. Collective over the pair. NULL: no memory, or this MPI
 * cannot create a window; a message was printed. */
floor_t *floor_open(MPI_Comm pair, size_t message_bytes, size_t ring_bytes, unsigned kinds);
/* Measure messages per second in a round of about `seconds`; the last round's speed gives the
 * number of messages. Collective over the pair; both ranks get the same number. `times` (may be
 * NULL; at the sender, for sendrecv and ring_trip) collects each half round trip in nanoseconds. */
double floor_round(floor_t *floor, floor_kind_t kind, double seconds, mfi_histogram_t *times);
void floor_close(floor_t *floor);

#endif
