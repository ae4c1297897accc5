/* SPDX-License-Identifier: BSD-3-Clause */
/* Futures: handles of an outcome, which its owner (a producer or a consumer) stores once. */
#include <stdlib.h>
#include <string.h>
#include "data/outcome.h"

mfi_outcome_t *mfi_outcome_create(const mfi_future_ops_t *ops, void *owner, uint32_t room) {
    assert(ops->drive && ops->owner_retain && ops->owner_release);
    mfi_outcome_t *outcome = malloc(sizeof *outcome + room * sizeof outcome->futures[0]);
    if (!outcome) {
        mofka_fail(MOFKA_ERR_MEMORY, "no memory for a future");
        return NULL;
    }
    *outcome = (mfi_outcome_t){.users = room + 1, .left = room, .ops = ops, .owner = owner};
    ops->owner_retain(owner);
    return outcome;
}

mofka_future_t *mfi_outcome_give(mfi_outcome_t *outcome, uint64_t index) {
    assert(outcome->left > 0);
    mofka_future_t *future = &outcome->futures[--outcome->left];
    mfi_object_init(&future->object, MFI_FUTURE);
    future->outcome = outcome;
    future->index = index;
    return future;
}

void mfi_outcome_complete(mfi_outcome_t *outcome, mofka_status_t status, const char *message,
                          mofka_delivery_t delivery, const mofka_result_t *result) {
    assert(!atomic_load(&outcome->done));
    outcome->status = status;
    outcome->message = status && message ? strdup(message) : NULL;
    if (result)
        outcome->result = *result;
    atomic_store_explicit(&outcome->delivery, (int)delivery, memory_order_release);
    atomic_store_explicit(&outcome->done, 1, memory_order_release);
}

static bool outcome_is_done(const mfi_outcome_t *outcome) {
    return atomic_load_explicit(&outcome->done, memory_order_acquire);
}

/* Take `users` off its count; the last one frees it. */
static void outcome_drop(mfi_outcome_t *outcome, uint32_t users) {
    uint32_t before = atomic_fetch_sub_explicit(&outcome->users, users, memory_order_acq_rel);
    assert(before >= users);
    if (before != users)
        return;
    if (outcome->ops->abandoned)
        outcome->ops->abandoned(outcome->owner, outcome);
    void *owner = outcome->owner;
    const mfi_future_ops_t *ops = outcome->ops;
    free(outcome->message);
    free(outcome);
    ops->owner_release(owner);
}

void mfi_outcome_let_go(mfi_outcome_t *outcome) {
    assert(outcome->left < atomic_load(&outcome->users));
    outcome_drop(outcome, outcome->left + 1);
}

mfi_outcome_t *mfi_future_create(const mfi_future_ops_t *ops, void *owner,
                                 mofka_future_t **future) {
    mfi_outcome_t *outcome = mfi_outcome_create(ops, owner, 1);
    if (outcome) {
        *future = mfi_outcome_give(outcome, 0);
        mfi_outcome_let_go(outcome);
    }
    return outcome;
}

mofka_future_t *mofka_future_retain(mofka_future_t *future) {
    if (future)
        mfi_object_retain(&future->object);
    return future;
}

void mofka_future_release(mofka_future_t *future) {
    MFI_KEEP_ERRNO;
    if (!future)
        return;
    /* Releasing twice would corrupt a neighbouring future: futures of a batch share one
     * allocation. */
    assert(mfi_object_is(future, MFI_FUTURE));
    if (!mfi_object_release(&future->object))
        return;
    mfi_outcome_t *outcome = future->outcome;
    bool withdrawn = !outcome_is_done(outcome) && outcome->ops->withdraw &&
                     outcome->ops->withdraw(outcome->owner, outcome);
    outcome_drop(outcome, withdrawn ? 2 : 1);
}

/* Whether the owner cannot complete it any more. Both kinds of owner begin with their object. */
static bool outcome_is_orphan(const mfi_outcome_t *outcome) {
    return mfi_is_marked(outcome->owner);
}

static mofka_status_t future_take(mofka_future_t *future, mofka_result_t *result) {
    mfi_outcome_t *outcome = future->outcome;
    assert(outcome_is_done(outcome));
    if (outcome->status)
        return mofka_fail(outcome->status, "%s",
                          outcome->message ? outcome->message : mofka_status_text(outcome->status));
    if (!result)
        return MOFKA_OK;
    if (outcome->result.event && atomic_exchange(&outcome->taken, 1))
        return mofka_fail(MOFKA_ERR_CLOSED, "the event of this future was given already");
    *result = outcome->result;
    result->event_id += future->index;
    return MOFKA_OK;
}

mofka_status_t mofka_future_wait(mofka_future_t *future, int64_t timeout_ms,
                                 mofka_result_t *result) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(future, MFI_FUTURE, "future");
    if (status)
        return status;
    mfi_outcome_t *outcome = future->outcome;
    if (!outcome_is_done(outcome) && outcome_is_orphan(outcome))
        return mfi_check(outcome->owner, MFI_FUTURE, "future's owner");
    if (!outcome_is_done(outcome))
        status = outcome->ops->drive(outcome->owner, outcome, timeout_ms);
    if (outcome_is_done(outcome))
        return future_take(future, result);
    if (status)
        return status;
    return mofka_fail(MOFKA_ERR_TIMEOUT, "the result is not there after %lld ms",
                      (long long)timeout_ms);
}

bool mofka_future_completed(mofka_future_t *future) {
    MFI_KEEP_ERRNO;
    if (!mfi_object_is(future, MFI_FUTURE))
        return false;
    mfi_outcome_t *outcome = future->outcome;
    if (!outcome_is_done(outcome) && !outcome_is_orphan(outcome))
        outcome->ops->drive(outcome->owner, outcome, 0);
    return outcome_is_done(outcome);
}

mofka_delivery_t mofka_future_delivery(const mofka_future_t *future) {
    if (!mfi_object_is(future, MFI_FUTURE))
        return MOFKA_NOT_STORED;
    return (mofka_delivery_t)atomic_load(&future->outcome->delivery);
}
