/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Feeding a topic: events are pushed, and settled in order as soon as their outcome is known.
 *
 *   feed_push -> [ oldest ... newest ] -> settled(tag, status)
 *
 * A push does not wait for its event to be stored. If the topic is full, the feed waits for room
 * for at most `timeout_s`; then it is stuck. The events of a stuck feed are given up, reported and
 * counted.
 */
#ifndef MOFKA_MPI_CTL_IN_FEED_H
#define MOFKA_MPI_CTL_IN_FEED_H

#include <mofka/mofka.h>

/* How the caller identifies an event. */
typedef struct feed_tag {
    void *what;
    uint64_t number;
} feed_tag_t;

/* Called for each event in order. MOFKA_OK: the event was stored, or passed over by feed_pass.
 * Otherwise mofka_last_error() gives the reason. */
typedef void (*feed_settled_fn)(void *context, feed_tag_t tag, mofka_status_t status);

typedef struct feed_entry {
    mofka_future_t *future; /* NULL: the event was passed over */
    feed_tag_t tag;
} feed_entry_t;

typedef struct feed {
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    double timeout_s; /* how long to wait for room */
    feed_settled_fn settled;
    void *context;
    feed_entry_t *ring;
    size_t first, count;
    size_t bytes; /* of data that belongs to events that are not settled */
    uint64_t pushed, stored, failed;
    bool stuck;
} feed_t;

/* Open a feed of `topic` (kept). All of `feed` is set here. */
mofka_status_t feed_open(feed_t *feed, mofka_topic_t *topic, size_t batch_size, double timeout_s,
                         feed_settled_fn settled, void *context);
/* Push an event. False: the feed is stuck; the event was neither taken nor settled. */
bool feed_push(feed_t *feed, const char *metadata, size_t bytes, mofka_data_view_t *data,
               feed_tag_t tag);
/* Settle `tag` in its turn without pushing an event. False: the feed is stuck. */
bool feed_pass(feed_t *feed, feed_tag_t tag);
/* Settle the events whose outcome is known already. */
void feed_settle(feed_t *feed);
/* Store and settle all events. False: the feed is stuck. */
bool feed_drain(feed_t *feed);
/* Drain the feed, give up the events that found no room, and close the producer. False: a message
 * was printed. */
bool feed_close(feed_t *feed);

#endif
