/*
 * Thread pools: the handle over any pool's table, and the pool of pinned pthreads.
 *
 * The pthread pool: one lock, a binary heap ordered by priority, then by order of submission.
 * Workers wait on `work`; nobody else waits but the joiner. Work runs with no lock held.
 */
#include <mofka/thread_pool.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "affinity.h"
#include "object.h"

struct mofka_thread_pool {
    mfi_object_t object;
    const mofka_thread_pool_ops_t *ops;
    void *self;
    _Atomic int closed;
};

typedef struct work {
    mofka_work_fn run;
    void *context;
    uint64_t priority, sequence;
} work_t;

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
    work_t *heap;
    size_t count, room, running, ready;
    uint64_t sequence;
    bool closed;
    size_t worker_count; /* threads that exist */
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

static bool heap_push(pthread_pool_t *pool, work_t work) {
    if (pool->count == pool->room) {
        size_t room = pool->room ? 2 * pool->room : 64;
        work_t *more = reallocarray(pool->heap, room, sizeof *more);
        if (!more)
            return false;
        pool->heap = more;
        pool->room = room;
    }
    size_t at = pool->count++;
    pool->heap[at] = work;
    for (; at > 0 && before(&pool->heap[at], &pool->heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&pool->heap[at], &pool->heap[(at - 1) / 2]);
    return true;
}

static work_t heap_pop(pthread_pool_t *pool) {
    work_t top = pool->heap[0];
    pool->heap[0] = pool->heap[--pool->count];
    for (size_t at = 0;;) {
        size_t least = at, left = 2 * at + 1;
        for (size_t child = left; child < pool->count && child <= left + 1; child++)
            if (before(&pool->heap[child], &pool->heap[least]))
                least = child;
        if (least == at)
            return top;
        swap(&pool->heap[at], &pool->heap[least]);
        at = least;
    }
}

/* ---- the pthread pool ----------------------------------------------------------------------- */

static void *worker_main(void *argument) {
    worker_t *worker = argument;
    pthread_pool_t *pool = worker->pool;
    current = pool;
    mofka_status_t status = mfi_affinity_bind(&pool->options, worker->index);
    pthread_mutex_lock(&pool->lock);
    worker->status = status;
    pool->ready++;
    pthread_cond_signal(&pool->started);
    for (;;) {
        while (pool->count == 0 && !pool->closed)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->count == 0)
            break;
        work_t work = heap_pop(pool);
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
             !heap_push(pool, (work_t){run, context, priority, pool->sequence++}))
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
    size_t load = pool->count + pool->running;
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
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->started);
    pthread_mutex_destroy(&pool->lock);
    free(pool->heap);
    free(pool);
}

static const mofka_thread_pool_ops_t pthread_ops = {.size = sizeof pthread_ops,
                                                    .thread_count = pool_thread_count,
                                                    .push_work = pool_push,
                                                    .load = pool_load,
                                                    .worker_cpus = pool_cpus,
                                                    .close = pool_close,
                                                    .destroy = pool_destroy};

/* Workers get no signals: those are the program's. */
static mofka_status_t start(pthread_pool_t *pool) {
    sigset_t all, old;
    int error = 0;
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
        return mofka_fail(MOFKA_ERR_RANGE, "%zu threads, at most %d", options->thread_count,
                          MOFKA_THREADS_MAX);
    pthread_pool_t *pool =
        calloc(1, sizeof *pool + options->thread_count * sizeof pool->workers[0]);
    if (!pool)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a thread pool");
    pool->options = *options;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->started, NULL);
    mofka_status_t status = start(pool);
    if (!status)
        status = mofka_thread_pool_wrap(&pthread_ops, pool, out);
    if (status) {
        pool_close(pool);
        pool_destroy(pool);
    }
    return status;
}

/* ---- the handle ----------------------------------------------------------------------------- */

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

mofka_thread_pool_t *mofka_thread_pool_retain(mofka_thread_pool_t *pool) {
    if (pool)
        mfi_object_retain(&pool->object);
    return pool;
}

static void *close_and_free(void *argument) {
    mofka_thread_pool_t *pool = argument;
    if (!atomic_exchange(&pool->closed, 1))
        pool->ops->close(pool->self);
    pool->ops->destroy(pool->self);
    free(pool);
    return NULL;
}

void mofka_thread_pool_release(mofka_thread_pool_t *pool) {
    if (!pool || !mfi_object_release(&pool->object))
        return;
    pthread_t thread;
    /* A worker cannot join itself: a thread of its own closes the pool. */
    if (current && current == pool->self) {
        if (pthread_create(&thread, NULL, close_and_free, pool) == 0)
            pthread_detach(thread);
        return;
    }
    close_and_free(pool);
}

mofka_status_t mofka_thread_pool_close(mofka_thread_pool_t *pool) {
    mofka_status_t status = mfi_check(pool, MFI_THREAD_POOL, "thread pool");
    if (status)
        return status;
    if (current && current == pool->self)
        return mofka_fail(MOFKA_ERR_BUSY, "a thread pool cannot be closed by its own worker");
    if (!atomic_exchange(&pool->closed, 1))
        pool->ops->close(pool->self);
    return MOFKA_OK;
}

size_t mofka_thread_pool_thread_count(const mofka_thread_pool_t *pool) {
    return pool ? pool->ops->thread_count(pool->self) : 0;
}

mofka_status_t mofka_thread_pool_push_work(mofka_thread_pool_t *pool, mofka_work_fn work,
                                           void *context, uint64_t priority) {
    if (!work)
        return mofka_fail(MOFKA_ERR_INVALID, "NULL work");
    if (!pool) {
        work(context);
        return MOFKA_OK;
    }
    return pool->ops->push_work(pool->self, work, context, priority);
}

size_t mofka_thread_pool_size(const mofka_thread_pool_t *pool) {
    return pool ? pool->ops->load(pool->self) : 0;
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
                          "this pool cannot tell where its workers are bound");
    return pool->ops->worker_cpus(pool->self, index, text, bytes);
}
