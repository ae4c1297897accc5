/* SPDX-License-Identifier: BSD-3-Clause */
/* A function whose caller must hold a lock begins with mfi_assert_locked. */
#ifndef MOFKA_SRC_BASE_LOCK_H
#define MOFKA_SRC_BASE_LOCK_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>

/* Asserts that some thread holds the mutex. It costs an atomic operation: use it once per batch or
 * per call, not once per event. */
#define mfi_assert_locked(lock) assert(pthread_mutex_trylock(lock) == EBUSY)

#endif
