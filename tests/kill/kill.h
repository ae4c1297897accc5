/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rank that is killed at one of its stores, and one that goes on.
 *
 * The victim does what its scenario says, and is killed right before or right after its n-th
 * operation that stores. The survivor pushes and pulls, ends the topic, and creates and deletes
 * others. No call is late. What the victim was told to be stored is there, nothing comes twice or
 * out of order, and ids without an event are counted.
 */
#ifndef MOFKA_TESTS_KILL_H
#define MOFKA_TESTS_KILL_H

#include <stdatomic.h>
#include "support/check.h"

/* What the two processes share beside the window. */
typedef struct kill_shared {
    _Atomic bool go;       /* the topic is made */
    _Atomic int attempted; /* events that the victim began to push */
    _Atomic int stored;    /* of those, what it was told is stored */
} kill_shared_t;
extern kill_shared_t *shared;

/* The tools of a victim. */
typedef struct victim {
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    int step; /* it is killed there */
} victim_t;

typedef struct scenario {
    const char *name, *options; /* of the topic: JSON without braces; NULL: none */
    void (*act)(victim_t *);
    int before;    /* events that the survivor pushes before */
    bool reads;    /* and pulls, and acknowledges */
    bool discards; /* the topic may lose events */
    bool has_name; /* the victim may leave a consumer "victim" */
    int steps;     /* about so many */
} scenario_t;

extern const scenario_t scenarios[];
extern const size_t scenario_count;

/* Wait for the topic, and act. Returns if the victim has come to its end. A failure ends the
 * process with code 3. */
void victim_run(mofka_driver_t *driver, const char *topic, const scenario_t *scenario, int step);

/* ---- the survivor ---------------------------------------------------------------------------- */

typedef struct survivor {
    const scenario_t *scenario;
    const char *name; /* of the topic */
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    mofka_consumer_t *reader;
    int pushed;     /* its own events */
    int next[2];    /* of the survivor, and of the victim: the number of the next event */
    uint64_t id;    /* of the next event, if none is missing */
    uint64_t holes; /* ids that no event had */
    uint64_t voided;
    bool ended;
} survivor_t;

/* Make the topic, with these options beside the scenario's; `s->scenario`, `name` and `driver` are
 * set. */
void survivor_start(survivor_t *s, const char *options);
/* Go on past the victim, and judge. */
void survivor_finish(survivor_t *s);
/* Close what is open but the driver. */
void survivor_end(survivor_t *s);
/* An event was pulled: see whether it may come now, and release it. False: it is the end. */
bool survivor_take(survivor_t *s, mofka_event_t *event);

#endif
