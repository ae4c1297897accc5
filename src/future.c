/* Futures: an outcome that its owner (a producer or a consumer) stores once, and that others wait
 * for. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "handles.h"

int64_t mfi_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t mfi_coarse_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Nearly every call has a long time-out and does not wait: the coarse clock is good enough for it, and
 * costs a fifth. It lags by a tick at most. */
#define LONG_MS 1000
#define TICK_MS 10

int64_t mfi_deadline(int64_t timeout_ms) {
    if (timeout_ms < 0)
        return INT64_MAX;
    /* Both clocks are rounded down: never too early. */
    int64_t now =
        timeout_ms < LONG_MS ? mfi_now_ms() + (timeout_ms > 0) : mfi_coarse_ms() + TICK_MS;
    return timeout_ms < INT64_MAX - now ? now + timeout_ms : INT64_MAX;
}

int64_t mfi_remaining(int64_t deadline) {
    if (deadline == INT64_MAX)
        return -1;
    int64_t left = deadline - mfi_coarse_ms();
    if (left < LONG_MS)
        left = deadline - mfi_now_ms();
    return left > 0 ? left : 0;
}

void mfi_cond_init(pthread_cond_t *cond) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool mfi_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline) {
    if (deadline == INT64_MAX)
        return pthread_cond_wait(cond, lock) == 0;
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
    return pthread_cond_timedwait(cond, lock, &until) == 0;
}

mofka_status_t mfi_future_create(const mfi_future_ops_t *ops, void *owner, mofka_future_t **out) {
    mofka_future_t *future = calloc(1, sizeof *future);
    if (!future)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a future");
    mfi_object_init(&future->object, MFI_FUTURE);
    future->ops = ops;
    future->owner = owner;
    ops->owner_retain(owner);
    *out = future;
    return MOFKA_OK;
}

void mfi_future_complete(mofka_future_t *future, mofka_status_t status, const char *message,
                         mofka_delivery_t delivery, const mofka_result_t *result) {
    assert(!atomic_load(&future->done));
    future->status = status;
    future->message = status && message ? strdup(message) : NULL;
    if (result)
        future->result = *result;
    atomic_store(&future->delivery, (int)delivery);
    atomic_store_explicit(&future->done, 1, memory_order_release);
}

mofka_future_t *mofka_future_retain(mofka_future_t *future) {
    if (future)
        mfi_object_retain(&future->object);
    return future;
}

void mofka_future_release(mofka_future_t *future) {
    if (!future || !mfi_object_release(&future->object))
        return;
    /* An event that nobody took goes back to its consumer; so does a request without an answer. */
    if (future->ops->abandoned)
        future->ops->abandoned(future->owner, future);
    void *owner = future->owner;
    const mfi_future_ops_t *ops = future->ops;
    free(future->message);
    free(future);
    ops->owner_release(owner);
}

static bool is_done(const mofka_future_t *future) {
    return atomic_load_explicit(&future->done, memory_order_acquire);
}

/* Both kinds of owner begin with their object. */
static bool is_orphan(const mofka_future_t *future) {
    return mfi_is_marked(future->owner);
}

static mofka_status_t take(mofka_future_t *future, mofka_result_t *result) {
    if (future->status)
        return mofka_fail(future->status, "%s",
                          future->message ? future->message : mofka_status_text(future->status));
    if (!result)
        return MOFKA_OK;
    if (future->result.event && atomic_exchange(&future->taken, 1))
        return mofka_fail(MOFKA_ERR_CLOSED, "the event of this future was given already");
    *result = future->result;
    return MOFKA_OK;
}

mofka_status_t mofka_future_wait(mofka_future_t *future, int64_t timeout_ms,
                                 mofka_result_t *result) {
    mofka_status_t status = mfi_check(future, MFI_FUTURE, "future");
    if (status)
        return status;
    if (!is_done(future) && is_orphan(future))
        return mfi_check(future->owner, MFI_FUTURE, "future's owner");
    if (!is_done(future))
        status = future->ops->drive(future->owner, future, timeout_ms);
    if (is_done(future))
        return take(future, result);
    if (status)
        return status;
    return mofka_fail(MOFKA_ERR_TIMEOUT, "the result is not there after %lld ms",
                      (long long)timeout_ms);
}

bool mofka_future_completed(mofka_future_t *future) {
    if (!mfi_object_is(future, MFI_FUTURE))
        return false;
    if (!is_done(future) && !is_orphan(future))
        future->ops->drive(future->owner, future, 0);
    return is_done(future);
}

mofka_delivery_t mofka_future_delivery(const mofka_future_t *future) {
    if (!mfi_object_is(future, MFI_FUTURE))
        return MOFKA_NOT_STORED;
    return (mofka_delivery_t)atomic_load(&((mofka_future_t *)future)->delivery);
}
