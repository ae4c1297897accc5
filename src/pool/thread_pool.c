/* SPDX-License-Identifier: BSD-3-Clause */
/* The public functions of thread pools: a handle over any pool's table of functions. */
#include <pthread.h>
#include <stdlib.h>
#include "pool/pool.h"
#include <mofka/backend.h>

mofka_status_t mofka_thread_pool_create(const mofka_thread_pool_options_t *options,
                                        mofka_thread_pool_t **pool) {
    MFI_KEEP_ERRNO;
    static const mofka_thread_pool_options_t none;
    if (!options)
        options = &none;
    if (options->thread_count > MOFKA_THREADS_MAX)
        return mofka_fail(MOFKA_ERR_RANGE, "thread pool: thread_count is %zu, outside [0, %d]",
                          options->thread_count, MOFKA_THREADS_MAX);
    return mfi_pthread_pool_create(options, pool);
}

mofka_status_t mofka_thread_pool_wrap(const mofka_thread_pool_ops_t *ops, void *self,
                                      mofka_thread_pool_t **out) {
    if (!ops || ops->size < sizeof *ops || !ops->thread_count || !ops->push_work || !ops->load ||
        !ops->close || !ops->destroy)
        return mofka_fail(MOFKA_ERR_INVALID, "a thread pool's table lacks a required slot");
    mofka_thread_pool_t *pool = calloc(1, sizeof *pool);
    if (!pool)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a thread pool");
    mfi_object_init(&pool->object, MFI_THREAD_POOL);
    pool->ops = ops;
    pool->self = self;
    *out = pool;
    return MOFKA_OK;
}

static bool thread_pool_is_valid(const mofka_thread_pool_t *handle) {
    return mfi_object_is(handle, MFI_THREAD_POOL);
}

mofka_thread_pool_t *mofka_thread_pool_retain(mofka_thread_pool_t *pool) {
    if (!thread_pool_is_valid(pool))
        return NULL;
    mfi_object_retain(&pool->object);
    return pool;
}

static void thread_pool_close_once(mofka_thread_pool_t *pool) {
    assert(!mfi_thread_pool_is_own_worker(pool)); /* a worker cannot join itself */
    if (!atomic_exchange(&pool->closed, true))
        pool->ops->close(pool->self);
}

/* A thread's main function. No handle is left. */
static void *thread_pool_destroy(void *argument) {
    mofka_thread_pool_t *pool = argument;
    assert(pool->object.kind == MFI_DEAD);
    thread_pool_close_once(pool);
    pool->ops->destroy(pool->self);
    free(pool);
    return NULL;
}

void mofka_thread_pool_release(mofka_thread_pool_t *pool) {
    MFI_KEEP_ERRNO;
    if (!thread_pool_is_valid(pool) || !mfi_object_release(&pool->object))
        return;
    pthread_t thread;
    /* A worker cannot join itself, so another thread closes the pool. */
    if (mfi_thread_pool_is_own_worker(pool)) {
        if (pthread_create(&thread, NULL, thread_pool_destroy, pool) == 0)
            pthread_detach(thread);
        return;
    }
    thread_pool_destroy(pool);
}

mofka_status_t mofka_thread_pool_close(mofka_thread_pool_t *pool) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(pool, MFI_THREAD_POOL, "thread pool");
    if (status || !pool) /* gcc does not see that NULL is refused */
        return status;
    if (mfi_thread_pool_is_own_worker(pool))
        return mofka_fail(MOFKA_ERR_BUSY, "a thread pool cannot be closed by its own worker");
    thread_pool_close_once(pool);
    return MOFKA_OK;
}

size_t mofka_thread_pool_thread_count(const mofka_thread_pool_t *pool) {
    return thread_pool_is_valid(pool) ? pool->ops->thread_count(pool->self) : 0;
}

mofka_status_t mofka_thread_pool_push_work(mofka_thread_pool_t *pool, mofka_work_fn work,
                                           void *context, uint64_t priority) {
    MFI_KEEP_ERRNO;
    if (!work)
        return mofka_fail(MOFKA_ERR_INVALID, "NULL work");
    if (!pool) {
        work(context);
        return MOFKA_OK;
    }
    mofka_status_t status = mfi_check(pool, MFI_THREAD_POOL, "thread pool");
    return status ? status : pool->ops->push_work(pool->self, work, context, priority);
}

size_t mofka_thread_pool_size(const mofka_thread_pool_t *pool) {
    return thread_pool_is_valid(pool) ? pool->ops->load(pool->self) : 0;
}

mofka_status_t mofka_thread_pool_worker_cpus(const mofka_thread_pool_t *pool, size_t index,
                                             char *text, size_t bytes) {
    mofka_status_t status = mfi_check(pool, MFI_THREAD_POOL, "thread pool");
    if (status)
        return status;
    size_t count = mofka_thread_pool_thread_count(pool);
    if (index >= count || atomic_load(&((mofka_thread_pool_t *)pool)->closed))
        return mofka_fail(MOFKA_ERR_RANGE, "worker %zu of %zu", index, count);
    if (!pool->ops->worker_cpus)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "this pool cannot report where its workers are bound");
    return pool->ops->worker_cpus(pool->self, index, text, bytes);
}
