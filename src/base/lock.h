/* SPDX-License-Identifier: BSD-3-Clause */
/* A function whose caller must hold a lock begins with mfi_assert_locked. */
#ifndef MOFKA_SRC_BASE_LOCK_H
#define MOFKA_SRC_BASE_LOCK_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

/* Whether some thread holds the mutex. With glibc, looking at a held mutex costs one load. */
static inline bool mfi_lock_is_held(const pthread_mutex_t *lock) {
#ifdef __GLIBC__
    if (lock->__data.__lock != 0)
        return true;
#endif
    return pthread_mutex_trylock((pthread_mutex_t *)lock) == EBUSY;
}

#define mfi_assert_locked(lock) assert(mfi_lock_is_held(lock))

#endif
