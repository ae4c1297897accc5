/* SPDX-License-Identifier: BSD-3-Clause */
/* The cores that workers run on: inside the process's own binding. */
#ifndef MOFKA_SRC_POOL_AFFINITY_H
#define MOFKA_SRC_POOL_AFFINITY_H

#include <pthread.h>
#include <mofka/thread_pool.h>

/* Bind the calling thread, which is worker `index` of the pool. MOFKA_ERR_SYSTEM,
 * MOFKA_ERR_MEMORY. */
mofka_status_t mfi_affinity_bind(const mofka_thread_pool_options_t *options, size_t index);
/* The CPUs that the kernel has bound a thread to, as list text. MOFKA_ERR_SYSTEM,
 * MOFKA_ERR_MEMORY, MOFKA_ERR_RANGE. */
mofka_status_t mfi_affinity_read(pthread_t thread, char *text, size_t bytes);

#endif
