/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Thread pools: workers, pinned to cores by hwloc, that run queued work by priority.
 *
 * A pool of zero threads is allowed and is the default everywhere: its work runs in the caller, at
 * once. Closing runs what is queued.
 */
#ifndef MOFKA_THREAD_POOL_H
#define MOFKA_THREAD_POOL_H

#include <stddef.h>
#include <stdint.h>
#include <mofka/limits.h>
#include <mofka/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Workers and their queue, or neither: then work runs in the caller. Counted. */
typedef struct mofka_thread_pool mofka_thread_pool_t;

/** A piece of work. Threads: worker (caller, with zero threads). */
typedef void (*mofka_work_fn)(void *context);

/** Where workers go, inside the process's own binding. */
typedef enum mofka_binding {
    MOFKA_BINDING_COMPACT, /**< neighbouring cores first */
    MOFKA_BINDING_SPREAD,  /**< as far apart as the binding allows */
    MOFKA_BINDING_NONE     /**< they inherit the process's binding */
} mofka_binding_t;

/** How to make a pool; all zero: no threads. */
typedef struct mofka_thread_pool_options {
    size_t thread_count;     /**< at most MOFKA_THREADS_MAX */
    mofka_binding_t binding; /**< of the workers */
    /** Processes of this node that share one binding and split its cores between them; 0: not
     * shared. A driver fills this and the next in for its own pools. */
    size_t node_process_count;
    size_t node_process_index; /**< this process's among them */
} mofka_thread_pool_options_t;

/** What a backend with its own pools fills in. All slots required unless marked optional. */
typedef struct mofka_thread_pool_ops {
    size_t size; /**< sizeof(mofka_thread_pool_ops_t) of the backend's build */
    /** Number of workers; 0 is allowed. */
    size_t (*thread_count)(void *self);
    /** Queue work (borrow context until it ran). Higher priority first, equal in order. */
    mofka_status_t (*push_work)(void *self, mofka_work_fn work, void *context, uint64_t priority);
    /** Queued and running pieces of work. */
    size_t (*load)(void *self);
    /** Optional: write worker `index`'s cpuset, as hwloc list text ("0,2-3"). */
    mofka_status_t (*worker_cpus)(void *self, size_t index, char *text, size_t bytes);
    /** Run what is queued, then end the workers. */
    void (*close)(void *self);
    /** Free `self`, after close. */
    void (*destroy)(void *self);
} mofka_thread_pool_ops_t;

/** Make a pool of pinned pthreads. NULL options: all zero. Give: release.
 * MOFKA_ERR_RANGE: too many threads. MOFKA_ERR_SYSTEM: a thread or its binding failed.
 * Threads: any. MPI: none. Blocks: until the workers run. */
MOFKA_API mofka_status_t mofka_thread_pool_create(const mofka_thread_pool_options_t *options,
                                                  mofka_thread_pool_t **pool);

/** Make a pool handle of a backend's own pool; `self` is taken. Give: release. MOFKA_ERR_INVALID: a
 * required slot is missing. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_thread_pool_wrap(const mofka_thread_pool_ops_t *ops, void *self,
                                                mofka_thread_pool_t **pool);

/** Count one more user; returns its argument, or NULL where that is no thread pool.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_thread_pool_t *mofka_thread_pool_retain(mofka_thread_pool_t *pool);
/** Drop one user; what is no thread pool is ignored. The last one closes the pool if nobody did.
 * Threads: any. MPI: none. Blocks: the last one, until the queue has run (in one of the pool's own
 * workers: no, a thread of its own closes it). */
MOFKA_API void mofka_thread_pool_release(mofka_thread_pool_t *pool);

/** Run what is queued, end the workers; later work is refused. Again: MOFKA_OK.
 * MOFKA_ERR_BUSY when called by one of the pool's own workers.
 * Threads: any. MPI: none. Blocks: until the queue has run. */
MOFKA_API mofka_status_t mofka_thread_pool_close(mofka_thread_pool_t *pool);

/** Number of workers; 0 for what is no thread pool. Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_thread_pool_thread_count(const mofka_thread_pool_t *pool);

/** Queue work: higher `priority` first, equal in order of submission. With zero threads (or a NULL
 * pool) it runs before the call returns. MOFKA_ERR_CLOSED after close.
 * Threads: any. MPI: none. Blocks: no (zero threads: while the work runs). */
MOFKA_API mofka_status_t mofka_thread_pool_push_work(mofka_thread_pool_t *pool, mofka_work_fn work,
                                                     void *context, uint64_t priority);

/** Pieces of work queued and running. Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_thread_pool_size(const mofka_thread_pool_t *pool);

/** The cores that worker `index` is really bound to, read back from the system, as hwloc list text
 * ("0,2-3"). MOFKA_ERR_RANGE, MOFKA_ERR_UNSUPPORTED. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_thread_pool_worker_cpus(const mofka_thread_pool_t *pool,
                                                       size_t index, char *text, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
