/* SPDX-License-Identifier: BSD-3-Clause */
/* Logging in the core: the arguments of a message are evaluated only if its level is on. */
#ifndef MOFKA_SRC_BASE_LOG_H
#define MOFKA_SRC_BASE_LOG_H

#include <stdatomic.h>
#include <mofka/log.h>

extern _Atomic int mfi_log_level; /* a mofka_log_level_t */

#define mfi_log(level, ...)                                                                        \
    ((int)(level) <= atomic_load_explicit(&mfi_log_level, memory_order_relaxed)                    \
         ? mofka_log(level, __VA_ARGS__)                                                           \
         : (void)0)

/* The level of that name. False: not a level. */
bool mfi_log_level_of(const char *name, mofka_log_level_t *level);

#endif
