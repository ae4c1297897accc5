/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of floors: what floor.c and floor_window.c share.
 *
 * Two windows, each with its memory at the receiver:
 *
 *   shared   flags (one cache line per slot, and the one that `line` passes), then on the next page the
 *            ring of slots
 *   remote   from its first page on: the ring of slots, then one counter in a line of its own (a word
 *            that fetch_add uses is used by nothing else)
 *
 * A slot's flag is its turn: 2 * lap while it is empty, 2 * lap + 1 while it is full. So a flag of
 * an earlier lap is never taken for a new one, and one word serves both directions.
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

typedef struct floor_flag {
    _Alignas(64) _Atomic uint64_t turn;
} floor_flag_t;

/* A walk round the ring: it goes on where the last round left it. */
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
    /* MPI_STATUSES_IGNORE, here because gcc takes MPICH's for an array without room. */
    MPI_Status *no_statuses;
    floor_walk_t passed;  /* slots that went from the sender to the receiver: equal on both */
    floor_walk_t alone;   /* slots that the sender used by itself */
    uint64_t number;      /* stamped next; of `line`: its value */
    bool damaged, failed; /* a stamp was wrong; an MPI call failed (told) */
    double deadline;      /* of the round */
    double speed[FLOOR_COUNT];
};

/* False: the error is told on stderr. */
bool floor_succeeded(const char *call, int error);
/* What an owner inside MPI does while others work on its memory. It ends when the sender does. */
void floor_drive_progress(floor_t *f);

#endif
