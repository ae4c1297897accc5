/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts how often hwloc binds a thread: the test's own sched_setaffinity stands before libc's. The
 * library binds by pthread_setaffinity_np. */
#ifndef MOFKA_TESTS_COUNT_BINDINGS_H
#define MOFKA_TESTS_COUNT_BINDINGS_H

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic int hwloc_bindings;

__attribute__((visibility("default"))) int sched_setaffinity(pid_t thread, size_t bytes,
                                                             const cpu_set_t *cpus) {
    hwloc_bindings++;
    return (int)syscall(SYS_sched_setaffinity, thread, bytes, cpus);
}

#endif
