/* SPDX-License-Identifier: BSD-3-Clause */
/* A function that needs its caller to hold a lock begins with mfi_assert_locked. */
#ifndef MOFKA_BASE_LOCK_H
#define MOFKA_BASE_LOCK_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>

/* The mutex is held, by this thread or another. It costs an atomic operation: once per batch or call,
 * not once per event. */
#define mfi_assert_locked(lock) assert(pthread_mutex_trylock(lock) == EBUSY)

#endif
