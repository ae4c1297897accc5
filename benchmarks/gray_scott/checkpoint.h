/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A checkpoint: the simulation after a step, and where its topic ended then. As a file:
 *
 *   {"n":384,"step":3200,"ends":[40,40,40],"checksum":"…"} newline, u, v: n x n doubles each
 */
#ifndef GRAY_SCOTT_CHECKPOINT_H
#define GRAY_SCOTT_CHECKPOINT_H

#include <stddef.h>
#include <mofka/mofka.h>

typedef struct checkpoint {
    long step;     /* steps that are done; 0: the beginning */
    size_t n;      /* cells per side */
    char *ends;    /* what mofka_topic_ends gave, JSON; NULL: it is not from a file */
    double *u, *v; /* n x n each, in one piece of memory; NULL: in ranks other than rank 0 */
} checkpoint_t;

/* Room for fields of n x n cells. Give: checkpoint_clear. MOFKA_ERR_MEMORY. */
mofka_status_t checkpoint_make(size_t n, checkpoint_t *checkpoint);
void checkpoint_clear(checkpoint_t *checkpoint);

/* Replace the file `path`: it is the old checkpoint or the new one, whole. `ends`: borrow.
 * MOFKA_ERR_SYSTEM: it cannot be written. */
mofka_status_t checkpoint_write(const checkpoint_t *checkpoint, const char *path, const char *ends);

/* Read the file `path`. Without a file the checkpoint stays as it is. MOFKA_ERR_SYSTEM: it cannot
 * be read. MOFKA_ERR_CORRUPT: it is not a whole checkpoint. MOFKA_ERR_RANGE: it has another n. */
mofka_status_t checkpoint_read(checkpoint_t *checkpoint, const char *path);

#endif
