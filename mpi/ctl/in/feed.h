/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Feeding a topic: events are pushed, and each is settled, in order, when it is known what became of
 * it.
 *
 *   feed_push -> [ oldest ... newest ] -> settled(tag, status)
 *
 * Pushes do not wait for their events to be stored. Where a topic is full, feeding waits as long as
 * the time-out says, then it is stuck: what is left is given up, told, and counted.
 */
#ifndef MOFKA_MPI_CTL_FEED_H
#define MOFKA_MPI_CTL_FEED_H

#include <mofka/mofka.h>

/* What the caller knows an event by. */
typedef struct feed_tag {
    void *what;
    uint64_t number;
} feed_tag_t;

/* MOFKA_OK: stored, or passed over by feed_pass. Else mofka_last_error() says why not. */
typedef void (*feed_settled_fn)(void *context, feed_tag_t tag, mofka_status_t status);

typedef struct feed_entry {
    mofka_future_t *future; /* NULL: passed over */
    feed_tag_t tag;
} feed_entry_t;

typedef struct feed {
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    double timeout_s; /* without room */
    feed_settled_fn settled;
    void *context;
    feed_entry_t *ring;
    size_t first, count;
    size_t bytes; /* of data, held by what is not settled */
    uint64_t pushed, stored, failed;
    bool stuck;
} feed_t;

/* `topic` is kept. The rest of `feed` is set here. */
mofka_status_t feed_open(feed_t *feed, mofka_topic_t *topic, size_t batch_size, double timeout_s,
                         feed_settled_fn settled, void *context);
/* False: it is stuck, and the event was not taken (nor settled). */
bool feed_push(feed_t *feed, const char *metadata, size_t bytes, mofka_data_view_t *data,
               feed_tag_t tag);
/* Settle `tag`, in its turn, without pushing anything. */
bool feed_pass(feed_t *feed, feed_tag_t tag);
/* Settle what is known already. */
void feed_settle(feed_t *feed);
/* Store and settle everything. False: it is stuck. */
bool feed_drain(feed_t *feed);
/* Drain, give up what is stuck, end the producer. False: told. */
bool feed_close(feed_t *feed);

#endif
