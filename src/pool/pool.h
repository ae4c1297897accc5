/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread pool's handle, and what the core asks of a pool beyond its public functions. */
#ifndef MOFKA_POOL_POOL_H
#define MOFKA_POOL_POOL_H

#include <mofka/backend.h>
#include <mofka/mofka.h>
#include "base/object.h"

struct mofka_thread_pool {
    mfi_object_t object;
    const mofka_thread_pool_ops_t *ops;
    void *self;
    _Atomic int closed;
};

/* Whether the calling thread is one of the pool's workers (of a pool of pthreads). */
bool mfi_thread_pool_is_own_worker(const mofka_thread_pool_t *pool);
/* Work that starts after `delay_ms`, or when the pool closes; until then it occupies no worker and
 * is no part of the pool's load. False: the pool is closed, or it is not one of pthreads, or
 * without them. Cancelling answers whether it was there; it will not run, then. */
bool mfi_thread_pool_push_later(mofka_thread_pool_t *pool, mofka_work_fn run, void *context,
                                int64_t delay_ms);
bool mfi_thread_pool_cancel_later(mofka_thread_pool_t *pool, mofka_work_fn run, void *context);

#endif
