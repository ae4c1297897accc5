/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the core's handles hold, for the files of the core that meet at them.
 *
 * A child retains its parent: producer and consumer -> topic -> driver. A driver counts its open
 * producers and consumers, so that its close can answer MOFKA_ERR_BUSY and name one.
 *
 * A producer's or consumer's object counts its users' handles. What the library itself holds
 * (futures, runs of events, tasks) keeps the memory only, so that it cannot hide that the last
 * handle is gone. `keeps` counts those, and 1 for the handles until it has ended.
 */
#ifndef MOFKA_SRC_HANDLES_H
#define MOFKA_SRC_HANDLES_H

#include <pthread.h>
#include <mofka/mofka.h>
#include "base/object.h"

struct cJSON;
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

struct mofka_thread_pool {
    mfi_object_t object;
    const mofka_thread_pool_ops_t *ops;
    void *self;
    _Atomic int closed;
};

/* Whether the calling thread is one of the pool's workers (of a pool of pthreads). */
bool mfi_thread_pool_is_own_worker(const mofka_thread_pool_t *pool);
/* Work that starts after `delay_ms`, or when the pool closes; until then it occupies no worker and
 * is no part of the pool's load. False: the pool is closed, or it is not one of pthreads, or
 * without them. Cancelling answers whether it was there; it will not run, then. */
bool mfi_thread_pool_push_later(mofka_thread_pool_t *pool, mofka_work_fn run, void *context,
                                int64_t delay_ms);
bool mfi_thread_pool_cancel_later(mofka_thread_pool_t *pool, mofka_work_fn run, void *context);

/* Open a topic that is there. MOFKA_ERR_NOT_FOUND. */
mofka_status_t mfi_topic_open(mofka_driver_t *driver, const char *name, mofka_topic_t **topic);

/* The handle is one, of this process, and its driver is open. */
mofka_status_t mfi_topic_check(const mofka_topic_t *topic);

/* fork.c: the list of open drivers. */
void mfi_drivers_add(mofka_driver_t *driver);
void mfi_drivers_remove(mofka_driver_t *driver);
/* Its backend goes away: from now on each call on it and its open children is refused. */
void mfi_drivers_lose(mofka_driver_t *driver);
/* NULL: none. View: a driver leaves the list when it closes. */
mofka_driver_t *mfi_drivers_find(const void *self);

/* MOFKA_ERR_CLOSED once the driver is closed. */
mofka_status_t mfi_driver_add_child(mofka_driver_t *driver, mfi_child_t *child);
void mfi_driver_remove_child(mofka_driver_t *driver, mfi_child_t *child);

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

/* Whether a validator has nothing to say, and whether a selector is the default one: its choice among
 * one partition need not be asked for. */
bool mfi_validator_accepts_all(const mofka_validator_t *validator);
bool mfi_partition_selector_takes_turns(const mofka_partition_selector_t *selector);
/* Whether a selector wants to know of batches that leave, and telling it: any thread, any locks. */
bool mfi_partition_selector_follows_batches(const mofka_partition_selector_t *selector);
void mfi_partition_selector_batch_left(mofka_partition_selector_t *selector, size_t partition);

/* Describe other data with a descriptor that nobody else uses any more. False: make another. */
bool mfi_data_descriptor_reuse(mofka_data_descriptor_t *descriptor, const void *location,
                               size_t location_bytes, size_t size);

/*
 * Futures. What they tell is in an outcome, which the futures of a batch's events share: a batch is
 * told at once, however many ask, and a future costs little more than its place.
 *
 * The owner (producer, consumer) completes an outcome once; waiting and polling go through the
 * owner's `drive`, which makes progress for at most `timeout_ms` (0: without waiting) and returns
 * when the outcome is complete or the time is over (MOFKA_OK), or with an error that keeps it from
 * getting there; trying again is allowed. An outcome keeps its owner by `owner_retain/release`.
 */
typedef struct mfi_outcome mfi_outcome_t;

typedef struct mfi_future_ops {
    mofka_status_t (*drive)(void *owner, mfi_outcome_t *outcome, int64_t timeout_ms);
    void (*owner_retain)(void *owner);
    void (*owner_release)(void *owner);
    /* Nobody has it any more (no lock held): an event that nobody took can go back. Optional. */
    void (*abandoned)(void *owner, mfi_outcome_t *outcome);
} mfi_future_ops_t;

struct mofka_future {
    mfi_object_t object; /* users' handles */
    mfi_outcome_t *outcome;
    uint64_t index; /* of the event in its batch */
};

/* `users` counts the futures, with those that have a place yet, and 1 for the owner until it lets go.
 * `done` is a release store, after what a completed outcome holds. The result's event id is that of
 * index 0; its event is given once, by exchange on `taken`. */
struct mfi_outcome {
    _Atomic uint32_t users;
    _Atomic int done;
    _Atomic int delivery; /* mofka_delivery_t */
    mofka_status_t status;
    char *message; /* owned; NULL: none */
    mofka_result_t result;
    _Atomic int taken;
    const mfi_future_ops_t *ops;
    void *owner;
    /* The owner's: */
    uint32_t left; /* places for futures */
    mfi_outcome_t *next;
    void *batch;     /* that holds the events; of a pull: an event to pass over */
    uint64_t ticket; /* a sequence number */
    mofka_future_t futures[];
};

/* With places for so many futures; the caller is the owner. NULL: no memory (told). */
mfi_outcome_t *mfi_outcome_create(const mfi_future_ops_t *ops, void *owner, uint32_t room);
/* One with a single future, which alone has it: the owner has let go. */
mfi_outcome_t *mfi_future_create(const mfi_future_ops_t *ops, void *owner, mofka_future_t **future);
/* A future, in a place that is left. */
mofka_future_t *mfi_outcome_give(mfi_outcome_t *outcome, uint64_t index);
/* Store the outcome (copying `message`, may be NULL) and set done. Exactly once. */
void mfi_outcome_complete(mfi_outcome_t *outcome, mofka_status_t status, const char *message,
                          mofka_delivery_t delivery, const mofka_result_t *result);
/* As the owner: there will be no more futures of it. Not under a lock: it calls back. */
void mfi_outcome_let_go(mfi_outcome_t *outcome);

/* Milliseconds of the monotonic clock, and of its coarse form, which is cheap and lags a tick; a
 * deadline for a time-out (negative: INT64_MAX), and what is left of it (never negative; INT64_MAX
 * stays -1, for ever). */
int64_t mfi_now_ms(void);
int64_t mfi_coarse_ms(void);
int64_t mfi_deadline(int64_t timeout_ms);
int64_t mfi_remaining(int64_t deadline);

/* A condition variable for such deadlines. Waiting answers false when the deadline passed. */
void mfi_cond_init(pthread_cond_t *cond);
bool mfi_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline);

#endif
