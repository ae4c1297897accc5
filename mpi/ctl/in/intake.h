/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines of files and pipes into a topic: each is checked and pushed; what is wrong with one is told
 * with its place, and counted.
 *
 *   lines.c -> check -> data -> pace -> feed.c
 *
 * An interruption ends reading. Lines that were read whole by then are pushed, too, in bounded time.
 */
#ifndef MOFKA_MPI_CTL_INTAKE_H
#define MOFKA_MPI_CTL_INTAKE_H

#include "mpi/ctl/in/data_source.h"
#include "mpi/ctl/in/feed.h"

typedef struct intake_options {
    size_t batch_size;   /* 0: adaptive */
    double timeout_s;    /* without room */
    double rate;         /* events a second; 0: as fast as it goes */
    bool json;           /* lines are JSON; blank ones are passed over. Else, empty ones are. */
    bool strict;         /* the first failure ends it */
    data_source_t *data; /* borrowed; NULL: events have no data */
} intake_options_t;

typedef struct intake {
    intake_options_t options;
    mofka_topic_t *topic;
    feed_t feed;
    const char *source; /* borrowed: what messages call it */
    uint64_t line;      /* of the source, the last one taken */
    uint64_t malformed; /* lines */
    uint64_t told;
    bool failed;  /* something else than a line or an event, told */
    double start; /* of the first event, and */
    uint64_t due; /* events since, for the rate */
} intake_t;

/* `topic` is kept. False: told. */
bool intake_open(intake_t *intake, mofka_topic_t *topic, const intake_options_t *options);
/* Lines come from `source` (borrowed) now, and are counted from 1. */
void intake_from(intake_t *intake, const char *source);
/* All lines of `fd`. False: stop. */
bool intake_take(intake_t *intake, int fd);
/* Stores what is not stored yet, and tells what became of all, as `what`. Whether nothing failed. */
bool intake_close(intake_t *intake, const char *what);

#endif
