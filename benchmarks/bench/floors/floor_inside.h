/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of floors: what floor.c and floor_window.c share.
 *
 * There are two windows, each with its memory at the receiver:
 *
 *   shared   the flags, one cache line for each slot, then one for `line` and one for each index of
 *            `ring`; on the next page, the ring of slots
 *   remote   from its first page on, the ring of slots; then one counter in its own line, which
 *            only fetch_add uses
 *
 * A slot's flag is its turn: 2 * lap while it is empty, 2 * lap + 1 while it is full. So a flag of
 * an earlier lap is never taken for a new one, and one word serves both directions. The indices of
 * `ring` count the messages that its sender has sent, and that its receiver has taken.
 */
#ifndef MOFKA_BENCH_FLOOR_INSIDE_H
#define MOFKA_BENCH_FLOOR_INSIDE_H

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "floors/clock.h"
#include "floors/floor.h"

#define REMOTE_KINDS (1U << FLOOR_PUT | 1U << FLOOR_GET | 1U << FLOOR_FETCH_ADD)

enum { SENDER, RECEIVER };

/* The flags behind those of the slots. */
enum { LINE_FLAG, SENT_FLAG, TAKEN_FLAG, MORE_FLAGS };

typedef struct floor_flag {
    _Alignas(64) _Atomic uint64_t turn;
} floor_flag_t;

/* A position in the ring. It continues where the last round left it. */
typedef struct floor_walk {
    size_t slot;
    uint64_t turn; /* 2 * lap */
} floor_walk_t;

struct floor {
    MPI_Comm comm;
    int rank;
    size_t bytes, stride, slots;
    MPI_Win shared, remote;
    uint64_t skipped; /* bytes before the first page of the receiver's remote window */
    floor_flag_t *flags;
    char *ring;
    char *message; /* the sender's source; the receiver's private target */
    char *buffers; /* isend: `width` of them, a stride apart */
    size_t width;  /* isend: messages under way */
    /* MPI_STATUSES_IGNORE. It is kept here because gcc takes MPICH's for an array without room. */
    MPI_Status *no_statuses;
    floor_walk_t passed;  /* slots that went from the sender to the receiver: equal on both */
    floor_walk_t alone;   /* slots that the sender used by itself */
    floor_walk_t ringed;  /* slots that went through `ring`: equal on both */
    uint64_t indexed;     /* both indices of `ring` between rounds */
    uint64_t number;      /* the number of the next stamp; for `line`, its value */
    bool damaged, failed; /* a stamp was wrong; an MPI call failed, and a message was printed */
    double deadline;      /* end of the round */
    double speed[FLOOR_COUNT];
};

/* Whether the call succeeded. False: a message was printed. */
bool floor_succeeded(const char *call, int error);
/* Make progress inside MPI while others work on this rank's memory. Ends when the sender does. */
void floor_drive_progress(floor_t *f);

#endif
