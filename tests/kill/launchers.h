/* SPDX-License-Identifier: BSD-3-Clause */
/* A launcher ends its job when a rank dies, so it is stopped before. */
#ifndef MOFKA_TESTS_KILL_LAUNCHERS_H
#define MOFKA_TESTS_KILL_LAUNCHERS_H

#include <sys/types.h>

/* Send a signal to the processes that started the ranks: their parents, of `count` ranks. */
void launchers_signal(const pid_t *launchers, int count, int number);

#endif
