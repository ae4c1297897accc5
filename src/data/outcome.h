/* SPDX-License-Identifier: BSD-3-Clause */
/* Futures and the outcomes that they share. */
#ifndef MOFKA_DATA_OUTCOME_H
#define MOFKA_DATA_OUTCOME_H

#include <mofka/future.h>
#include "base/object.h"

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

#endif
