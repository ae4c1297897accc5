/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handles of drivers and topics, and the list of a driver's open producers and consumers.
 *
 * A child retains its parent: producer and consumer -> topic -> driver. A driver lists its open
 * producers and consumers, so that its close can return MOFKA_ERR_BUSY and name one.
 *
 * The object of a producer or consumer counts its users' handles. The library's own uses (futures,
 * runs of events, tasks) keep only the memory, and do not count as handles. So the library sees
 * when the last handle is released. `keeps` counts these uses, and 1 for all handles until the
 * child has ended.
 */
#ifndef MOFKA_SRC_DRIVER_DRIVER_H
#define MOFKA_SRC_DRIVER_DRIVER_H

#include <pthread.h>
#include <mofka/backend.h>
#include <mofka/mofka.h>
#include "base/monitor.h"
#include "base/object.h"

struct cJSON;
struct mfi_prometheus_process;
struct mfi_reporter;
struct mfi_totals;

/* An open producer or consumer, linked into its driver's list. */
typedef struct mfi_child {
    struct mfi_child *previous, *next;
    mfi_object_t *object;
    mfi_monitor_t *lock; /* the child's own; open_drivers.c holds it over a fork */
    const char *what;    /* "producer" or "consumer" */
    const char *name;
    const char *topic_name;
    /* Finish what the user left unfinished: the child was released but not closed. NULL: it has
     * users. Called by the driver's close, with no lock held. */
    mofka_status_t (*drive)(struct mfi_child *child, int64_t timeout_ms);
    /* End the child although it has users, because MPI_Finalize was called. Else like `drive`. */
    mofka_status_t (*end)(struct mfi_child *child, int64_t timeout_ms);
    bool forgotten; /* ending it for MPI_Finalize was tried */
    /* Give its statistics as JSON. NULL: no memory. Called with the driver's lock. */
    struct cJSON *(*stats)(struct mfi_child *child);
    /* Add its statistics to sums, while it is open or when it has ended. Called with the driver's
     * lock. */
    void (*fold)(struct mfi_child *child, struct mfi_totals *totals);
} mfi_child_t;

struct mofka_driver {
    mfi_object_t object;
    mofka_driver_t *previous, *next; /* in the list of open_drivers.c */
    const mofka_driver_ops_t *ops;   /* NULL once closed */
    void *self;                      /* the backend's */
    char *type;
    mofka_thread_pool_t *default_pool;
    /* One thread, for producers without workers. NULL: no producer needed it yet. With the lock. */
    mofka_thread_pool_t *background;
    /* Guards children, closed, totals. Taken before a producer's or consumer's lock. */
    pthread_mutex_t lock;
    mfi_child_t *children;
    bool closed;                          /* accepts no more children */
    struct mfi_totals *totals;            /* of the children that ended */
    struct mfi_reporter *callback, *file; /* of statistics; NULL: none; used by the owner only */
};

struct mofka_topic {
    mfi_object_t object;
    mofka_driver_t *driver; /* kept */
    char *name;
    const mofka_topic_ops_t *ops;
    void *self;
    size_t partition_count;
    mofka_validator_t *validator;
    mofka_serializer_t *serializer;
    char *selector; /* JSON as stored */
};

/* ---- name.c ---------------------------------------------------------------------------------- */

/* MOFKA_ERR_INVALID: the name of a topic or consumer is invalid. `what` names it in the message. */
mofka_status_t mfi_name_check(const char *what, const char *name);

/* ---- driver.c, topic.c ----------------------------------------------------------------------- */

/* MOFKA_ERR_INVALID: not a driver of this process. MOFKA_ERR_CLOSED: it is closed. */
mofka_status_t mfi_driver_check_open(mofka_driver_t *driver);
/* Keep the driver's background pool. NULL: its backend does not allow one, or there is no
 * thread. */
mofka_thread_pool_t *mfi_driver_keep_background(mofka_driver_t *driver);
/* The same of a topic and its driver. */
mofka_status_t mfi_topic_check(const mofka_topic_t *topic);

/* ---- open_drivers.c: the open drivers of this process ---------------------------------------- */

void mfi_drivers_add(mofka_driver_t *driver);
void mfi_drivers_remove(mofka_driver_t *driver);
/* The driver's backend goes away. From now on, each call on the driver and its open children is
 * refused. */
void mfi_drivers_lose(mofka_driver_t *driver);
/* The open driver of a backend's `self`. NULL means that no open driver has it. View: until the
 * driver is closed. */
mofka_driver_t *mfi_drivers_find(const void *self);

/* ---- stats.c --------------------------------------------------------------------------------- */

/* Give the statistics of an open driver: cJSON_Delete. NULL: no memory. */
struct cJSON *mfi_driver_stats(mofka_driver_t *driver, int64_t timeout_ms);
/* Add up the statistics of all producers and consumers, the open ones included. */
void mfi_driver_add_up(mofka_driver_t *driver, struct mfi_totals *sums,
                       struct mfi_prometheus_process *process);

/* ---- child.c: a driver's open producers and consumers ---------------------------------------- */

/* MOFKA_ERR_CLOSED: the driver is closed. */
mofka_status_t mfi_driver_add_child(mofka_driver_t *driver, mfi_child_t *child);
/* The child ended: add its statistics to the driver's totals, and unlink it. */
void mfi_driver_remove_child(mofka_driver_t *driver, mfi_child_t *child);
/* Drive all children without users to their end. MOFKA_OK: no child is left, and the driver accepts
 * no more. MOFKA_ERR_BUSY: a child has users. */
mofka_status_t mfi_driver_end_children(mofka_driver_t *driver, int64_t deadline);
/* End all children, also those with users. An error is logged, and the child is not tried again. */
void mfi_driver_end_forgotten(mofka_driver_t *driver, int64_t deadline);

#endif
