/* SPDX-License-Identifier: BSD-3-Clause */
/* Futures and the outcomes that they share. */
#ifndef MOFKA_SRC_DATA_OUTCOME_H
#define MOFKA_SRC_DATA_OUTCOME_H

#include <mofka/future.h>
#include "base/object.h"

/*
 * The futures of a batch's events share one outcome. So a batch is completed with one store,
 * however many futures it has, and a future costs little more than its place.
 *
 * The owner (a producer or a consumer) completes an outcome once. It lives at least as long as its
 * outcomes, by `owner_retain` and `owner_release`.
 */
typedef struct mfi_outcome mfi_outcome_t;

typedef struct mfi_future_ops {
    /* Make progress for at most `timeout_ms` (0: do not wait). MOFKA_OK: the outcome is complete or
     * the time is over. An error keeps it from completion now; the caller may try again. */
    mofka_status_t (*drive)(void *owner, mfi_outcome_t *outcome, int64_t timeout_ms);
    void (*owner_retain)(void *owner);
    void (*owner_release)(void *owner);
    /* The only future is released before the outcome is complete. True: the owner lets go, too, and
     * never completes it. Optional. */
    bool (*withdraw)(void *owner, mfi_outcome_t *outcome);
    /* No user is left: an event that no future gave away can go back. No lock is held. Optional. */
    void (*abandoned)(void *owner, mfi_outcome_t *outcome);
} mfi_future_ops_t;

struct mofka_future {
    mfi_object_t object; /* users' handles */
    mfi_outcome_t *outcome;
    uint64_t index; /* of the event in its batch */
};

/* `users` counts the futures, the places that are left for futures, and 1 for the owner until it
 * lets go. `done` is stored, with release, after all that a complete outcome holds. The result's
 * event id is that of index 0. Its event is given once, by an exchange on `taken`. */
struct mfi_outcome {
    _Atomic uint32_t users;
    _Atomic bool done;
    _Atomic int delivery; /* mofka_delivery_t */
    mofka_status_t status;
    char *message; /* owned; NULL: no message */
    mofka_result_t result;
    _Atomic bool taken;
    const mfi_future_ops_t *ops;
    void *owner;
    /* The owner's: */
    uint32_t left; /* places for futures */
    mfi_outcome_t *previous, *next;
    void *batch;     /* the batch of the events; of a pull: an event that it passes over */
    uint64_t ticket; /* a sequence number */
    mofka_future_t futures[];
};

/* Create an outcome with `room` places for futures, for an owner (kept). NULL: no memory, and the
 * message is set. */
mfi_outcome_t *mfi_outcome_create(const mfi_future_ops_t *ops, void *owner, uint32_t room);
/* Create an outcome with one future, which is its only user: the owner has let go. NULL: as
 * above. */
mfi_outcome_t *mfi_future_create(const mfi_future_ops_t *ops, void *owner, mofka_future_t **future);
/* Make a future in a place that is left. Give: mofka_future_release. */
mofka_future_t *mfi_outcome_give(mfi_outcome_t *outcome, uint64_t index);
/* Complete the outcome, exactly once. `message` is copied; it may be NULL. */
void mfi_outcome_complete(mfi_outcome_t *outcome, mofka_status_t status, const char *message,
                          mofka_delivery_t delivery, const mofka_result_t *result);
/* The owner makes no more futures of it. Call it with no lock held: it calls the owner's
 * functions. */
void mfi_outcome_let_go(mfi_outcome_t *outcome);

#endif
