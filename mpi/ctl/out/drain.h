/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Draining a topic: events are pulled; what was done with them is acknowledged, so that retention
 * goes on.
 */
#ifndef MOFKA_MPI_CTL_DRAIN_H
#define MOFKA_MPI_CTL_DRAIN_H

#include <mofka/mofka.h>

typedef struct drain_options {
    const char *name; /* NULL: one of this rank's own, which is forgotten at the end */
    mofka_start_t start;
    bool data;             /* all of it, or what is selected: */
    size_t offset, length; /* length SIZE_MAX: to the end */
    size_t batch_size;     /* 0: adaptive */
} drain_options_t;

typedef struct drain {
    drain_options_t options;
    mofka_consumer_t *consumer;
    mofka_event_t **newest; /* done, not acknowledged; of each partition */
    size_t partition_count;
    uint64_t failed, lost;
    unsigned failed_in_a_row;
} drain_t;

typedef enum drain_kind { DRAIN_EVENT, DRAIN_NONE, DRAIN_COMPLETE, DRAIN_FAILED } drain_kind_t;

/* `topic` is kept. False: told. */
bool drain_open(drain_t *drain, mofka_topic_t *topic, const drain_options_t *options);
/* The next event, within `wait_ms`. Give: drain_done takes it, or release. An event that cannot be
 * had is told, counted and passed over. DRAIN_FAILED: told; it would go on so. */
drain_kind_t drain_next(drain_t *drain, int wait_ms, mofka_event_t **event);
/* Nothing more is to be done with the event (taken). */
void drain_done(drain_t *drain, mofka_event_t *event);
/* Acknowledge all that are done. */
void drain_acknowledge(drain_t *drain);
/* What is done but not acknowledged stays so. False: told. */
bool drain_close(drain_t *drain);

#endif
