/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pool of pinned pthreads.
 *
 * One lock; a binary heap ordered by priority, then by order of submission; and one of work for
 * later, ordered by when it is due. Workers wait on `work`; nobody else waits but the joiner. Work
 * runs with no lock held.
 *
 * A forked child has the pools, but not their workers, and perhaps a taken lock: there they become of a
 * kind that every call refuses, as what fork.c marks.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "base/at_fork.h"
#include "base/clock.h"
#include "pool/affinity.h"
#include "pool/pool.h"
#include <mofka/backend.h>

typedef struct work {
    mofka_work_fn run;
    void *context;
    uint64_t priority, sequence;
} work_t;

typedef struct heap {
    work_t *items;
    size_t count, room;
} heap_t;

typedef struct worker {
    struct pthread_pool *pool;
    size_t index;
    pthread_t thread;
    mofka_status_t status; /* of starting */
} worker_t;

typedef struct pthread_pool {
    mofka_thread_pool_options_t options;
    pthread_mutex_t lock; /* guards all below; a leaf */
    pthread_cond_t work, started;
    heap_t queued;
    heap_t later; /* the priority: UINT64_MAX less the time when it is due */
    size_t running, ready;
    uint64_t sequence;
    bool closed;
    size_t worker_count; /* threads that exist */
    mofka_thread_pool_t *handle;
    struct pthread_pool *previous, *next; /* under the list's lock */
    worker_t workers[];
} pthread_pool_t;

static _Thread_local const pthread_pool_t *current; /* the pool whose worker this thread is */

/* ---- heap ----------------------------------------------------------------------------------- */

static bool before(const work_t *a, const work_t *b) {
    return a->priority != b->priority ? a->priority > b->priority : a->sequence < b->sequence;
}

static void swap(work_t *a, work_t *b) {
    work_t kept = *a;
    *a = *b;
    *b = kept;
}

static void heap_rise(heap_t *heap, size_t at) {
    for (; at > 0 && before(&heap->items[at], &heap->items[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&heap->items[at], &heap->items[(at - 1) / 2]);
}

static bool heap_push(heap_t *heap, work_t work) {
    if (heap->count == heap->room) {
        size_t room = heap->room ? 2 * heap->room : 64;
        work_t *more = reallocarray(heap->items, room, sizeof *more);
        if (!more)
            return false;
        heap->items = more;
        heap->room = room;
    }
    heap->items[heap->count] = work;
    heap_rise(heap, heap->count++);
    return true;
}

static work_t heap_pop(heap_t *heap) {
    work_t top = heap->items[0];
    heap->items[0] = heap->items[--heap->count];
    for (size_t at = 0;;) {
        size_t least = at, left = 2 * at + 1;
        for (size_t child = left; child < heap->count && child <= left + 1; child++)
            if (before(&heap->items[child], &heap->items[least]))
                least = child;
        if (least == at)
            return top;
        swap(&heap->items[at], &heap->items[least]);
        at = least;
    }
}

static void heap_remove(heap_t *heap, size_t at) {
    heap->items[at].priority = UINT64_MAX;
    heap->items[at].sequence = 0;
    heap_rise(heap, at);
    heap_pop(heap);
}

/* ---- pools of the process ---------------------------------------------------------------------- */

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the list; a leaf */
static pthread_pool_t *pools;

static void list_add(pthread_pool_t *pool) {
    pthread_mutex_lock(&list_lock);
    pool->next = pools;
    if (pools)
        pools->previous = pool;
    pools = pool;
    pthread_mutex_unlock(&list_lock);
}

/* Nothing where it never got there. */
static void list_remove(pthread_pool_t *pool) {
    pthread_mutex_lock(&list_lock);
    if (pool->previous)
        pool->previous->next = pool->next;
    else if (pools == pool)
        pools = pool->next;
    if (pool->next)
        pool->next->previous = pool->previous;
    pthread_mutex_unlock(&list_lock);
}

static void pools_before_fork(void) {
    pthread_mutex_lock(&list_lock);
}

static void pools_in_parent(void) {
    pthread_mutex_unlock(&list_lock);
}

static void pools_in_child(void) {
    for (pthread_pool_t *pool = pools; pool; pool = pool->next)
        pool->handle->object.kind = MFI_FORKED;
    pools = NULL;
    pthread_mutex_unlock(&list_lock);
}

static const mfi_fork_handlers_t pools_fork_handlers = {pools_before_fork, pools_in_parent,
                                                        pools_in_child};

__attribute__((constructor)) static void pools_watch_forks(void) {
    mfi_at_fork(MFI_FORK_POOLS, &pools_fork_handlers);
}

/* ---- the pool -------------------------------------------------------------------------------- */

/* With the lock: wait for the next piece of work. False: the pool is closed, and all has run. */
static bool next_work(pthread_pool_t *pool, work_t *work) {
    for (;;) {
        int64_t due = INT64_MAX;
        if (pool->later.count > 0) {
            due = (int64_t)(UINT64_MAX - pool->later.items[0].priority);
            if (pool->closed || mfi_remaining(due) == 0) {
                *work = heap_pop(&pool->later);
                if (pool->later.count + pool->queued.count > 0)
                    pthread_cond_signal(&pool->work); /* somebody else must see to what is left */
                return true;
            }
        }
        if (pool->queued.count > 0) {
            *work = heap_pop(&pool->queued);
            if (pool->later.count > 0)
                pthread_cond_signal(&pool->work);
            return true;
        }
        if (pool->closed)
            return false;
        mfi_cond_wait(&pool->work, &pool->lock, due);
    }
}

static void *worker_main(void *argument) {
    worker_t *worker = argument;
    pthread_pool_t *pool = worker->pool;
    current = pool;
    mofka_status_t status = mfi_affinity_bind(&pool->options, worker->index);
    pthread_mutex_lock(&pool->lock);
    worker->status = status;
    pool->ready++;
    pthread_cond_signal(&pool->started);
    for (work_t work; next_work(pool, &work);) {
        pool->running++;
        pthread_mutex_unlock(&pool->lock);
        work.run(work.context);
        pthread_mutex_lock(&pool->lock);
        pool->running--;
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static size_t pool_thread_count(void *self) {
    return ((pthread_pool_t *)self)->options.thread_count;
}

static mofka_status_t pool_push(void *self, mofka_work_fn run, void *context, uint64_t priority) {
    pthread_pool_t *pool = self;
    mofka_status_t status = MOFKA_OK;
    pthread_mutex_lock(&pool->lock);
    if (pool->closed)
        status = MOFKA_ERR_CLOSED;
    else if (pool->options.thread_count > 0 &&
             !heap_push(&pool->queued, (work_t){run, context, priority, pool->sequence++}))
        status = MOFKA_ERR_MEMORY;
    bool here = !status && pool->options.thread_count == 0;
    pool->running += here;
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    if (here) {
        run(context);
        pthread_mutex_lock(&pool->lock);
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

static mofka_status_t pool_cpus(void *self, size_t index, char *text, size_t bytes) {
    return mfi_affinity_read(((pthread_pool_t *)self)->workers[index].thread, text, bytes);
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
    list_remove(pool);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->started);
    pthread_mutex_destroy(&pool->lock);
    free(pool->queued.items);
    free(pool->later.items);
    free(pool);
}

static const mofka_thread_pool_ops_t pthread_ops = {.size = sizeof pthread_ops,
                                                    .thread_count = pool_thread_count,
                                                    .push_work = pool_push,
                                                    .load = pool_load,
                                                    .worker_cpus = pool_cpus,
                                                    .close = pool_close,
                                                    .destroy = pool_destroy};

static pthread_pool_t *pthreads_of(const mofka_thread_pool_t *pool) {
    return pool && pool->ops == &pthread_ops ? pool->self : NULL;
}

bool mfi_thread_pool_is_own_worker(const mofka_thread_pool_t *pool) {
    return current && current == pool->self;
}

bool mfi_thread_pool_push_later(mofka_thread_pool_t *handle, mofka_work_fn run, void *context,
                                int64_t delay_ms) {
    pthread_pool_t *pool = pthreads_of(handle);
    if (!pool || pool->options.thread_count == 0)
        return false;
    uint64_t due = (uint64_t)mfi_deadline(delay_ms);
    pthread_mutex_lock(&pool->lock);
    bool pushed = !pool->closed && heap_push(&pool->later, (work_t){run, context, UINT64_MAX - due,
                                                                    pool->sequence++});
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    return pushed;
}

bool mfi_thread_pool_cancel_later(mofka_thread_pool_t *handle, mofka_work_fn run, void *context) {
    pthread_pool_t *pool = pthreads_of(handle);
    bool found = false;
    if (!pool)
        return false;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->later.count && !found; i++) {
        found = pool->later.items[i].run == run && pool->later.items[i].context == context;
        if (found)
            heap_remove(&pool->later, i);
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}

/* Workers get no signals: those are the program's. */
static mofka_status_t start(pthread_pool_t *pool) {
    sigset_t all, old;
    int error = 0, saved = errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (size_t i = 0; i < pool->options.thread_count && !error; i++) {
        pool->workers[i] = (worker_t){.pool = pool, .index = i};
        error = pthread_create(&pool->workers[i].thread, NULL, worker_main, &pool->workers[i]);
        pool->worker_count += !error;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_mutex_lock(&pool->lock);
    while (pool->ready < pool->worker_count)
        pthread_cond_wait(&pool->started, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    errno = saved;
    if (error)
        return mofka_fail(MOFKA_ERR_SYSTEM, "starting worker %zu of %zu: %s", pool->worker_count,
                          pool->options.thread_count, strerror(error));
    for (size_t i = 0; i < pool->worker_count; i++)
        if (pool->workers[i].status)
            return mofka_fail(MOFKA_ERR_SYSTEM, "worker %zu could not be bound to a core", i);
    return MOFKA_OK;
}

mofka_status_t mofka_thread_pool_create(const mofka_thread_pool_options_t *options,
                                        mofka_thread_pool_t **out) {
    static const mofka_thread_pool_options_t none;
    if (!options)
        options = &none;
    if (options->thread_count > MOFKA_THREADS_MAX)
        return mofka_fail(MOFKA_ERR_RANGE, "thread pool: thread_count is %zu, outside [0, %d]",
                          options->thread_count, MOFKA_THREADS_MAX);
    pthread_pool_t *pool =
        calloc(1, sizeof *pool + options->thread_count * sizeof pool->workers[0]);
    if (!pool)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a thread pool");
    pool->options = *options;
    pthread_mutex_init(&pool->lock, NULL);
    mfi_cond_init(&pool->work);
    pthread_cond_init(&pool->started, NULL);
    mofka_status_t status = start(pool);
    if (!status)
        status = mofka_thread_pool_wrap(&pthread_ops, pool, &pool->handle);
    if (status) {
        pool_close(pool);
        pool_destroy(pool);
        return status;
    }
    list_add(pool);
    *out = pool->handle;
    return MOFKA_OK;
}
