/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Thread pools: workers, pinned to cores by hwloc, that run queued work by priority.
 *
 * A pool may have no threads, which is the default everywhere: its work runs in the caller, at
 * once. Closing a pool runs what is queued.
 */
#ifndef MOFKA_THREAD_POOL_H
#define MOFKA_THREAD_POOL_H

#include <stddef.h>
#include <stdint.h>
#include <mofka/limits.h>
#include <mofka/status.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A piece of work.
 * Threads: worker; without threads, the caller. */
typedef void (*mofka_work_fn)(void *context);

/** To which cores workers are bound, inside the binding of the process. */
typedef enum mofka_binding {
    MOFKA_BINDING_COMPACT, /**< neighbouring cores first */
    MOFKA_BINDING_SPREAD,  /**< as far apart as possible */
    MOFKA_BINDING_NONE     /**< not bound: workers inherit the binding of the process */
} mofka_binding_t;

/** How to make a pool. All zero means no threads. */
typedef struct mofka_thread_pool_options {
    size_t thread_count;     /**< at most MOFKA_THREADS_MAX */
    mofka_binding_t binding; /**< of the workers */
    /** The number of processes of this node that have the same binding and share its cores; 0 means
     * that it is not shared. A driver sets this member and the next for its own pools. */
    size_t node_process_count;
    size_t node_process_index; /**< the index of this process among them */
} mofka_thread_pool_options_t;

/** Make a pool of pinned pthreads. NULL options mean all zero. Give: mofka_thread_pool_release.
 * MOFKA_ERR_RANGE: too many threads. MOFKA_ERR_SYSTEM: a thread could not be made or bound.
 * Threads: any. MPI: none. Blocks: until the workers run. */
MOFKA_API mofka_status_t mofka_thread_pool_create(const mofka_thread_pool_options_t *options,
                                                  mofka_thread_pool_t **pool);

/** Count one more user. Returns its argument, or NULL if that is not a thread pool.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_thread_pool_t *mofka_thread_pool_retain(mofka_thread_pool_t *pool);
/** Drop one user. An argument that is not a thread pool is ignored. The last release closes the
 * pool if it is still open.
 * Threads: any. MPI: none. Blocks: the last release, until the queue has run. Called by one of the
 * pool's own workers it does not block: another thread closes the pool. */
MOFKA_API void mofka_thread_pool_release(mofka_thread_pool_t *pool);

/** Run what is queued, then end the workers. Later work is refused. Calling again returns MOFKA_OK.
 * MOFKA_ERR_BUSY: one of the pool's own workers called this.
 * Threads: any. MPI: none. Blocks: until the queue has run. */
MOFKA_API mofka_status_t mofka_thread_pool_close(mofka_thread_pool_t *pool);

/** The number of workers; 0 if `pool` is not a thread pool.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_thread_pool_thread_count(const mofka_thread_pool_t *pool);

/** Queue work. Higher `priority` runs first; work of equal priority runs in order. If the pool is
 * NULL or has no threads, the work runs before this call returns. `context` is borrowed until the
 * work has run. MOFKA_ERR_CLOSED: the pool is closed.
 * Threads: any. MPI: none. Blocks: no; without threads, while the work runs. */
MOFKA_API mofka_status_t mofka_thread_pool_push_work(mofka_thread_pool_t *pool, mofka_work_fn work,
                                                     void *context, uint64_t priority);

/** The number of pieces of work that are queued or running: each counts from push_work until its
 * function has returned, so inside of work the size is at least 1. The library's own work in the
 * pool counts as well; a batch that lingers is not yet work. 0 if `pool` is not a thread pool.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_thread_pool_size(const mofka_thread_pool_t *pool);

/** The cores that worker `index` is really bound to, read back from the system, as hwloc list text
 * ("0,2-3"). MOFKA_ERR_RANGE: there are fewer workers. MOFKA_ERR_UNSUPPORTED: the pool does not
 * report it.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_thread_pool_worker_cpus(const mofka_thread_pool_t *pool,
                                                       size_t index, char *text, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
