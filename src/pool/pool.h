/* SPDX-License-Identifier: BSD-3-Clause */
/* The handle of thread pools, and what the core asks of a pool beyond its public functions. */
#ifndef MOFKA_SRC_POOL_POOL_H
#define MOFKA_SRC_POOL_POOL_H

#include <mofka/backend.h>
#include <mofka/mofka.h>
#include "base/object.h"

struct mofka_thread_pool {
    mfi_object_t object;
    const mofka_thread_pool_ops_t *ops;
    void *self;
    _Atomic bool closed; /* its close was called */
};

/* Create a pool of pinned pthreads, from options in their limits. Give: release. MOFKA_ERR_MEMORY,
 * MOFKA_ERR_SYSTEM. */
mofka_status_t mfi_pthread_pool_create(const mofka_thread_pool_options_t *options,
                                       mofka_thread_pool_t **pool);
/* Whether the calling thread is one of the pool's workers. False for a backend's own pool. */
bool mfi_thread_pool_is_own_worker(const mofka_thread_pool_t *pool);
/* Queue work that starts after `delay_ms`, or when the pool closes. Until then it occupies no
 * worker and does not count in the pool's load. False: the pool is closed, has no threads, or is a
 * backend's own. */
bool mfi_thread_pool_push_later(mofka_thread_pool_t *pool, mofka_work_fn run, void *context,
                                int64_t delay_ms);
/* Cancel work that was queued for later. False: it runs, has run, or was not queued. */
bool mfi_thread_pool_cancel_later(mofka_thread_pool_t *pool, mofka_work_fn run, void *context);

#endif
