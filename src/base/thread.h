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
#include <signal.h>
#include <stddef.h>

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

#endif
