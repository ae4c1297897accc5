/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of the demo. */
#ifndef GRAY_SCOTT_OPTIONS_H
#define GRAY_SCOTT_OPTIONS_H

#include <stdbool.h>

/* Every SAMPLE-th row and column make the down-sampled selection; SIZE is a multiple of it. */
#define SAMPLE 4

typedef struct demo_options {
    const char *window;
    const char *output;
    long size;           /* cells per side */
    long steps;          /* time steps */
    long every;          /* steps between publications */
    long full_every;     /* publications between full fetches */
    long analysis_ranks; /* the last ranks of the demo */
    long watchers;       /* the last ranks of the job run other programs, such as watch.py */
    long slabs;          /* events of a publication, partitions; by default the simulating ranks */
    const char *store;   /* folder that keeps the events; NULL: none */
    const char *checkpoint; /* file of rank 0, to begin at and to write; NULL: none */
    long checkpoint_every;  /* publications between checkpoints */
    long die_at;            /* step after which the simulating ranks kill themselves; 0: never */
} demo_options_t;

/* Read the command line of a job of `ranks` ranks. False: an argument is invalid; a message was
 * printed if `speak`. */
bool demo_options_read(int argc, char **argv, int ranks, bool speak, demo_options_t *options);

#endif
