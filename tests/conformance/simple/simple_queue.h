/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A topic of the example backend: one growing list of events, kept until the driver is destroyed.
 *
 * One lock per queue guards all of it. Stored bytes never move or change, so a fetched run points
 * at them. Consumers keep their place by name.
 */
#ifndef MOFKA_TESTS_SIMPLE_QUEUE_H
#define MOFKA_TESTS_SIMPLE_QUEUE_H

#include <mofka/backend.h>
#include <mofka/mofka.h>
#include <pthread.h>

typedef struct stored {
    char *bytes; /* metadata, its NUL, data */
    size_t metadata_bytes, data_bytes;
} stored_t;

typedef struct place {
    struct place *next_place;
    uint64_t next; /* the first event that is not acknowledged */
    bool live;
    char name[MOFKA_NAME_BYTES_MAX + 1];
} place_t;

typedef struct queue {
    struct queue *next_queue;
    char *texts[5]; /* name, options, validator, selector, serializer */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* an event came, or the end */
    stored_t *events;
    size_t count, room;
    bool complete;
    place_t *places;
} queue_t;

enum { NAME, OPTIONS, VALIDATOR, SELECTOR, SERIALIZER, TEXTS };

/* A queue with copies of the topic's texts. NULL: no memory. Give: queue_destroy. */
queue_t *queue_create(const mofka_topic_config_t *config);
void queue_destroy(queue_t *queue);

/* With the lock: make room for so many more events. */
mofka_status_t queue_make_room(queue_t *queue, size_t more);

/* With the lock: copy a batch behind the last event. All or nothing; the count does not change. */
mofka_status_t queue_copy_events(queue_t *queue, const mofka_batch_t *batch);

/* With the lock: the place of the consumer's name, made if it is new. MOFKA_ERR_BUSY if it is
 * live. */
mofka_status_t queue_take_place(queue_t *queue, const mofka_consumer_config_t *config,
                                place_t **out);

/* The topic as JSON. Give: mofka_metadata_release. */
mofka_status_t queue_describe(const queue_t *queue, mofka_metadata_t **description);

#endif
