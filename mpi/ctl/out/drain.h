/* SPDX-License-Identifier: BSD-3-Clause */
/* Draining a topic: events are pulled, and acknowledged when the caller is done with them. */
#ifndef MOFKA_MPI_CTL_OUT_DRAIN_H
#define MOFKA_MPI_CTL_OUT_DRAIN_H

#include <mofka/mofka.h>

typedef struct drain_options {
    const char *name; /* NULL: a name of this rank, forgotten at the end */
    mofka_start_t start;
    bool data;             /* fetch the data: `length` bytes from `offset` on */
    size_t offset, length; /* a length of SIZE_MAX means to the end */
    size_t batch_size;     /* 0: adaptive */
    bool skip_damaged;     /* pass damaged events, which then count as lost */
    bool observe;          /* read without a place, where the driver can */
} drain_options_t;

typedef struct drain {
    drain_options_t options;
    mofka_consumer_t *consumer;
    /* the newest event of each partition that is done but not acknowledged */
    mofka_event_t **newest;
    size_t partition_count;
    uint64_t failed, lost;
    unsigned failed_in_a_row;
    char failure[MOFKA_MESSAGE_BYTES_MAX + 1]; /* the last one */
} drain_t;

typedef enum drain_kind { DRAIN_EVENT, DRAIN_NONE, DRAIN_COMPLETE, DRAIN_FAILED } drain_kind_t;

/* Open a drain of `topic` (kept). False: a message was printed. */
bool drain_open(drain_t *drain, mofka_topic_t *topic, const drain_options_t *options);
/* Pull the next event. Waits at most `wait_ms`. Give: release, or pass it to drain_done. An event
 * that cannot be fetched is reported, counted and passed over. DRAIN_FAILED: fetching fails again
 * and again, or in the same way; a message was printed. */
drain_kind_t drain_next(drain_t *drain, int wait_ms, mofka_event_t **event);
/* Take an event that is done. */
void drain_done(drain_t *drain, mofka_event_t *event);
/* Acknowledge all events that are done. */
void drain_acknowledge(drain_t *drain);
/* Close the drain. Events that are done but not acknowledged stay unacknowledged. False: a message
 * was printed. */
bool drain_close(drain_t *drain);

#endif
