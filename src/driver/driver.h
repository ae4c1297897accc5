/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handles of drivers and topics, and the list of a driver's open producers and consumers.
 *
 * A child retains its parent: producer and consumer -> topic -> driver. A driver counts its open
 * producers and consumers, so that its close can answer MOFKA_ERR_BUSY and name one.
 *
 * A producer's or consumer's object counts its users' handles. What the library itself holds
 * (futures, runs of events, tasks) keeps the memory only, so that it cannot hide that the last
 * handle is gone. `keeps` counts those, and 1 for the handles until it has ended.
 */
#ifndef MOFKA_DRIVER_DRIVER_H
#define MOFKA_DRIVER_DRIVER_H

#include <pthread.h>
#include <mofka/backend.h>
#include <mofka/mofka.h>
#include "base/object.h"

struct cJSON;
struct mfi_reporter;
struct mfi_totals;

/* An open producer or consumer, linked into its driver's list. */
typedef struct mfi_child {
    struct mfi_child *previous, *next;
    mfi_object_t *object;
    pthread_mutex_t *lock; /* the producer's or consumer's: fork.c holds it over a fork */
    const char *what;      /* "producer" or "consumer" */
    const char *name;
    const char *topic_name;
    /* Drive on what the child's user left unfinished (a producer released without close), within
     * `timeout_ms`; NULL: it has users. Called by the driver's close, with no lock held. */
    mofka_status_t (*drive)(struct mfi_child *child, int64_t timeout_ms);
    /* End it although it has users: MPI_Finalize comes. Else as `drive`. */
    mofka_status_t (*end)(struct mfi_child *child, int64_t timeout_ms);
    bool forgotten; /* that was tried */
    /* Its statistics as JSON; NULL: no memory. Called with the driver's lock. */
    struct cJSON *(*stats)(struct mfi_child *child);
    /* Add its statistics to those of the driver's ended children. Called with the driver's lock. */
    void (*fold)(struct mfi_child *child, struct mfi_totals *totals);
} mfi_child_t;

struct mofka_driver {
    mfi_object_t object;
    mofka_driver_t *previous, *next; /* open drivers of the process: fork.c */
    const mofka_driver_ops_t *ops;   /* NULL once closed */
    void *self;
    char *type;
    mofka_thread_pool_t *default_pool;
    pthread_mutex_t lock; /* guards children, closed, totals; before a producer's or consumer's */
    mfi_child_t *children;
    bool closed;
    struct mfi_totals *totals;            /* of the children that ended */
    struct mfi_reporter *callback, *file; /* of statistics; NULL: none. The owner's */
};

/* name.c: MOFKA_ERR_INVALID, with a message that calls it a `what` name, unless the name is valid. */
mofka_status_t mfi_name_check(const char *what, const char *name);

/* The handle is a driver's, of this process, and the driver is open. */
mofka_status_t mfi_driver_check_open(mofka_driver_t *driver);

/* The handle is one, of this process, and its driver is open. */
mofka_status_t mfi_topic_check(const mofka_topic_t *topic);

/* fork.c: the list of open drivers. */
void mfi_drivers_add(mofka_driver_t *driver);
void mfi_drivers_remove(mofka_driver_t *driver);
/* Its backend goes away: from now on each call on it and its open children is refused. */
void mfi_drivers_lose(mofka_driver_t *driver);
/* NULL: none. View: a driver leaves the list when it closes. */
mofka_driver_t *mfi_drivers_find(const void *self);

/* stats.c: the statistics of an open driver. NULL: no memory. Give: cJSON_Delete. */
struct cJSON *mfi_driver_stats(mofka_driver_t *driver, int64_t timeout_ms);

/* MOFKA_ERR_CLOSED once the driver is closed. */
mofka_status_t mfi_driver_add_child(mofka_driver_t *driver, mfi_child_t *child);
void mfi_driver_remove_child(mofka_driver_t *driver, mfi_child_t *child);
/* Drive the children without users to their end. MOFKA_ERR_BUSY: one has users. MOFKA_OK: none is left,
 * and the driver takes no more. */
mofka_status_t mfi_driver_end_children(mofka_driver_t *driver, int64_t deadline);
/* End all children, also those with users. What fails is logged, and not tried again. */
void mfi_driver_end_forgotten(mofka_driver_t *driver, int64_t deadline);

struct mofka_topic {
    mfi_object_t object;
    mofka_driver_t *driver; /* kept */
    char *name;
    const mofka_topic_ops_t *ops;
    void *self;
    size_t partition_count;
    mofka_validator_t *validator;
    mofka_serializer_t *serializer;
    char *selector;
};

#endif
