/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pool of pinned pthreads.
 *
 * A pool has one lock and two heaps: queued work, and work for later, ordered by the time when it
 * is due. Workers wait on `work`. The thread that creates the pool waits on `started` until every
 * worker runs; the thread that closes it joins them. Work runs with no lock held.
 *
 * A forked child has the pools but not their workers, and a pool's lock may be locked there for
 * ever. So in the child every pool becomes of a kind that all calls refuse (as in
 * driver/open_drivers.c).
 */
#include <stdlib.h>
#include <string.h>
#include "base/at_fork.h"
#include "base/thread.h"
#include "base/clock.h"
#include "base/lock.h"
#include "pool/affinity.h"
#include "pool/heap.h"
#include "pool/pool.h"
#include <mofka/backend.h>

typedef struct pool_worker {
    struct pthread_pool *pool;
    size_t index;
    pthread_t thread;
    mofka_status_t status; /* of binding it */
} pool_worker_t;

typedef struct pthread_pool {
    mofka_thread_pool_options_t options;
    pthread_mutex_t lock; /* guards all below; a leaf */
    pthread_cond_t work, started;
    mfi_heap_t queued;
    mfi_heap_t later; /* an item's priority: pool_priority_of_due */
    size_t running;   /* pieces of work */
    size_t ready;     /* workers that have bound themselves, or failed to */
    uint64_t sequence;
    bool closed;
    size_t worker_count; /* threads that were started and are not joined */
    mofka_thread_pool_t *handle;
    struct pthread_pool *previous, *next; /* guarded by pools_lock */
    pool_worker_t workers[];
} pthread_pool_t;

/* The pool whose worker this thread is; NULL: it is not a worker. */
static _Thread_local const pthread_pool_t *pool_of_thread;

/* ---- pools of the process -------------------------------------------------------------------- */

static pthread_mutex_t pools_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the list; a leaf */
static pthread_pool_t *pools;

static void pools_add(pthread_pool_t *pool) {
    pthread_mutex_lock(&pools_lock);
    assert(pool->handle && !pool->previous);
    pool->next = pools;
    if (pools)
        pools->previous = pool;
    pools = pool;
    pthread_mutex_unlock(&pools_lock);
}

/* Does nothing to a pool that is not in the list: its creation failed. */
static void pools_remove(pthread_pool_t *pool) {
    pthread_mutex_lock(&pools_lock);
    assert(!pool->previous || pool->previous->next == pool);
    assert(!pool->next || pool->next->previous == pool);
    if (pool->previous)
        pool->previous->next = pool->next;
    else if (pools == pool)
        pools = pool->next;
    if (pool->next)
        pool->next->previous = pool->previous;
    pthread_mutex_unlock(&pools_lock);
}

static void pools_before_fork(void) {
    pthread_mutex_lock(&pools_lock);
}

static void pools_in_parent(void) {
    pthread_mutex_unlock(&pools_lock);
}

static void pools_in_child(void) {
    for (pthread_pool_t *pool = pools; pool; pool = pool->next) {
        assert(pool->handle->object.kind == MFI_THREAD_POOL ||
               pool->handle->object.kind == MFI_DEAD);
        pool->handle->object.kind = MFI_FORKED;
    }
    pools = NULL;
    pthread_mutex_unlock(&pools_lock);
}

static const mfi_fork_handlers_t pools_fork_handlers = {pools_before_fork, pools_in_parent,
                                                        pools_in_child};

__attribute__((constructor)) static void pools_watch_forks(void) {
    mfi_at_fork(MFI_FORK_POOLS, &pools_fork_handlers);
}

/* ---- the pool -------------------------------------------------------------------------------- */

/* What is due first must be on top of the heap. */
static uint64_t pool_priority_of_due(int64_t due) {
    assert(due >= 0);
    return UINT64_MAX - (uint64_t)due;
}

static int64_t pool_due_of_priority(uint64_t priority) {
    assert(priority >= UINT64_MAX - (uint64_t)INT64_MAX);
    return (int64_t)(UINT64_MAX - priority);
}

/* With the lock, which is released while it waits: take the next piece of work. False: the pool is
 * closed, and all work has run. */
static bool pool_next_work(pthread_pool_t *pool, mfi_work_t *work) {
    mfi_assert_locked(&pool->lock);
    for (;;) {
        int64_t due = INT64_MAX;
        if (pool->later.count > 0) {
            due = pool_due_of_priority(pool->later.items[0].priority);
            if (pool->closed || mfi_remaining(due) == 0) {
                *work = mfi_heap_pop(&pool->later);
                if (pool->later.count + pool->queued.count > 0)
                    pthread_cond_signal(&pool->work); /* another worker takes what is left */
                return true;
            }
        }
        if (pool->queued.count > 0) {
            *work = mfi_heap_pop(&pool->queued);
            if (pool->later.count > 0)
                pthread_cond_signal(&pool->work);
            return true;
        }
        if (pool->closed)
            return false;
        mfi_cond_wait(&pool->work, &pool->lock, due);
    }
}

static void *pool_worker_main(void *argument) {
    pool_worker_t *worker = argument;
    pthread_pool_t *pool = worker->pool;
    pool_of_thread = pool;
    mofka_status_t status = mfi_affinity_bind(&pool->options, worker->index);
    pthread_mutex_lock(&pool->lock);
    worker->status = status;
    assert(pool->ready < pool->options.thread_count);
    pool->ready++;
    pthread_cond_signal(&pool->started);
    for (mfi_work_t work; pool_next_work(pool, &work);) {
        pool->running++;
        pthread_mutex_unlock(&pool->lock);
        work.run(work.context);
        pthread_mutex_lock(&pool->lock);
        assert(pool->running > 0);
        pool->running--;
    }
    assert(pool->closed && pool->queued.count == 0 && pool->later.count == 0);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static size_t pool_thread_count(void *self) {
    const pthread_pool_t *pool = self;
    return pool->options.thread_count;
}

static mofka_status_t pool_push(void *self, mofka_work_fn run, void *context, uint64_t priority) {
    pthread_pool_t *pool = self;
    mofka_status_t status = MOFKA_OK;
    pthread_mutex_lock(&pool->lock);
    if (pool->closed)
        status = MOFKA_ERR_CLOSED;
    else if (pool->options.thread_count > 0 &&
             !mfi_heap_push(&pool->queued, (mfi_work_t){run, context, priority, pool->sequence++}))
        status = MOFKA_ERR_MEMORY;
    bool here = !status && pool->options.thread_count == 0;
    pool->running += here;
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    if (here) {
        run(context);
        pthread_mutex_lock(&pool->lock);
        assert(pool->running > 0);
        pool->running--;
        pthread_mutex_unlock(&pool->lock);
    }
    return status ? mofka_fail(status, "work refused: the pool %s",
                               status == MOFKA_ERR_CLOSED ? "is closed" : "has no memory for it")
                  : MOFKA_OK;
}

static size_t pool_load(void *self) {
    pthread_pool_t *pool = self;
    pthread_mutex_lock(&pool->lock);
    size_t load = pool->queued.count + pool->running;
    pthread_mutex_unlock(&pool->lock);
    return load;
}

static mofka_status_t pool_worker_cpus(void *self, size_t index, char *text, size_t bytes) {
    pthread_pool_t *pool = self;
    assert(index < pool->options.thread_count);
    return mfi_affinity_read(pool->workers[index].thread, text, bytes);
}

static void pool_close(void *self) {
    pthread_pool_t *pool = self;
    pthread_mutex_lock(&pool->lock);
    pool->closed = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->worker_count; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pool->worker_count = 0;
}

static void pool_destroy(void *self) {
    pthread_pool_t *pool = self;
    assert(pool->closed && pool->worker_count == 0);
    pools_remove(pool);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->started);
    pthread_mutex_destroy(&pool->lock);
    mfi_heap_free(&pool->queued);
    mfi_heap_free(&pool->later);
    free(pool);
}

static const mofka_thread_pool_ops_t pthread_ops = {.size = sizeof pthread_ops,
                                                    .thread_count = pool_thread_count,
                                                    .push_work = pool_push,
                                                    .load = pool_load,
                                                    .worker_cpus = pool_worker_cpus,
                                                    .close = pool_close,
                                                    .destroy = pool_destroy};

static pthread_pool_t *pool_of_handle(const mofka_thread_pool_t *pool) {
    return pool && pool->ops == &pthread_ops ? pool->self : NULL;
}

bool mfi_thread_pool_is_own_worker(const mofka_thread_pool_t *pool) {
    return pool_of_thread && pool_of_thread == pool->self;
}

bool mfi_thread_pool_push_later(mofka_thread_pool_t *handle, mofka_work_fn run, void *context,
                                int64_t delay_ms) {
    pthread_pool_t *pool = pool_of_handle(handle);
    if (!pool || pool->options.thread_count == 0)
        return false;
    uint64_t priority = pool_priority_of_due(mfi_deadline(delay_ms));
    pthread_mutex_lock(&pool->lock);
    bool pushed = !pool->closed && mfi_heap_push(&pool->later, (mfi_work_t){run, context, priority,
                                                                            pool->sequence++});
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    return pushed;
}

bool mfi_thread_pool_cancel_later(mofka_thread_pool_t *handle, mofka_work_fn run, void *context) {
    pthread_pool_t *pool = pool_of_handle(handle);
    bool found = false;
    if (!pool)
        return false;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->later.count && !found; i++) {
        found = pool->later.items[i].run == run && pool->later.items[i].context == context;
        if (found)
            mfi_heap_remove(&pool->later, i);
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}

/* Start the workers, and wait until each is bound. */
static mofka_status_t pool_start(pthread_pool_t *pool) {
    int error = 0;
    for (size_t i = 0; i < pool->options.thread_count && !error; i++) {
        pool->workers[i] = (pool_worker_t){.pool = pool, .index = i};
        error = mfi_thread_start(&pool->workers[i].thread, pool_worker_main, &pool->workers[i]);
        pool->worker_count += !error;
    }
    pthread_mutex_lock(&pool->lock);
    while (pool->ready < pool->worker_count)
        pthread_cond_wait(&pool->started, &pool->lock);
    assert(pool->ready == pool->worker_count);
    pthread_mutex_unlock(&pool->lock);
    if (error)
        return mofka_fail(MOFKA_ERR_SYSTEM, "starting worker %zu of %zu: %s", pool->worker_count,
                          pool->options.thread_count, strerror(error));
    for (size_t i = 0; i < pool->worker_count; i++)
        if (pool->workers[i].status)
            return mofka_fail(MOFKA_ERR_SYSTEM, "worker %zu could not be bound to a core", i);
    return MOFKA_OK;
}

mofka_status_t mfi_pthread_pool_create(const mofka_thread_pool_options_t *options,
                                       mofka_thread_pool_t **out) {
    assert(options->thread_count <= MOFKA_THREADS_MAX);
    pthread_pool_t *pool =
        calloc(1, sizeof *pool + options->thread_count * sizeof pool->workers[0]);
    if (!pool)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a thread pool");
    pool->options = *options;
    pthread_mutex_init(&pool->lock, NULL);
    mfi_cond_init(&pool->work);
    pthread_cond_init(&pool->started, NULL);
    mofka_status_t status = pool_start(pool);
    if (!status)
        status = mofka_thread_pool_wrap(&pthread_ops, pool, &pool->handle);
    if (status) {
        pool_close(pool);
        pool_destroy(pool);
        return status;
    }
    pools_add(pool);
    *out = pool->handle;
    return MOFKA_OK;
}
