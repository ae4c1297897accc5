/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines of files and pipes are checked and pushed into a topic. A line that fails is reported with
 * its place, and counted.
 *
 *   lines.c -> check -> data -> pace -> feed.c
 *
 * An interruption ends reading. Lines that were read whole before it are still pushed, in bounded
 * time.
 */
#ifndef MOFKA_MPI_CTL_IN_INTAKE_H
#define MOFKA_MPI_CTL_IN_INTAKE_H

#include "mpi/ctl/in/data_source.h"
#include "mpi/ctl/in/feed.h"

typedef struct intake_options {
    size_t batch_size; /* 0: adaptive */
    double timeout_s;  /* how long to wait for room */
    double rate;       /* events per second; 0 means no limit */
    /* lines must be JSON, and blank lines are passed over; otherwise empty lines are passed over */
    bool json;
    bool strict;         /* the first failure ends the intake */
    data_source_t *data; /* borrowed; NULL: events have no data */
} intake_options_t;

typedef struct intake {
    intake_options_t options;
    mofka_topic_t *topic;
    feed_t feed;
    const char *source; /* borrowed; the name of the source in messages */
    uint64_t line;      /* number of the last line taken from the source */
    uint64_t malformed; /* number of malformed lines */
    uint64_t reported;  /* number of reported failures */
    bool failed;        /* a failure other than that of a line or an event; a message was printed */
    double start;       /* time of the first event */
    uint64_t due;       /* events since then, to keep the rate */
} intake_t;

/* Open an intake into `topic` (kept). False: a message was printed. */
bool intake_open(intake_t *intake, mofka_topic_t *topic, const intake_options_t *options);
/* Name the source (borrowed) of the lines that follow. They are counted from 1. */
void intake_from(intake_t *intake, const char *source);
/* Take all lines of `fd`. False: end the intake. */
bool intake_take(intake_t *intake, int fd);
/* Store what is left, and print a summary that begins with `what`. True: nothing failed. */
bool intake_close(intake_t *intake, const char *what);

#endif
