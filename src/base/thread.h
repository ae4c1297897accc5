/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads of the library.
 *
 * They block the signals that are sent to the process: those are the program's. They do not block
 * the signals of a thread's own faults: these must reach the program's handlers, and if blocked
 * they end the process. In the header, because the MPI driver uses it, too.
 */
#ifndef MOFKA_SRC_BASE_THREAD_H
#define MOFKA_SRC_BASE_THREAD_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The shortest turn that Linux gives. */
#define MFI_SHORT_TURN_NS 100000

/* Block all signals but those of faults, which stay as they are. */
static inline void mfi_signals_block(sigset_t *before) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigset_t others;
    sigfillset(&others);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&others, faults[i]);
    pthread_sigmask(SIG_BLOCK, &others, before);
}

/* As pthread_create; the thread blocks those signals. */
static inline int mfi_thread_start(pthread_t *thread, void *(*run)(void *), void *argument) {
    sigset_t before;
    mfi_signals_block(&before);
    int error = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

/* This thread waits for other threads by yielding its core, and others wait for its answers. Ask
 * the scheduler for short turns: so whoever takes turns with it at a core gets there 20 times
 * sooner. Its share of the core stays the same. Linux 6.12; an older one ignores it. */
static inline void mfi_thread_take_short_turns(void) {
    struct { /* struct sched_attr, in its first version */
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes = {.size = sizeof attributes};
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 ||
        attributes.policy != SCHED_OTHER)
        return;
    attributes.runtime = MFI_SHORT_TURN_NS;
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

#endif
