/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trouble that a run must survive: a rank that is stopped for a while and goes on, and one-sided
 * operations that are late, or that fail.
 */
#ifndef MOFKA_TESTS_HISTORY_TROUBLE_H
#define MOFKA_TESTS_HISTORY_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

/* Fork the process that stops this one and continues it. Call it before MPI is initialised. */
void trouble_prepare(void);
/* Make trouble until trouble_end, which waits until it is over. `seed` chooses what happens when.
 * `spreads`: operations fail at some rank, which other ranks may ask to do theirs. */
void trouble_begin(uint64_t seed, bool stops, bool delays, bool fails, bool spreads);
void trouble_end(void);
/* Whether operations of this process have failed since trouble_begin, or may have failed at a rank
 * that it asked. */
bool trouble_has_failed(void);
/* Whether this program can delay operations and let them fail: it has trips/count_mpi.c. */
bool trouble_has_calls(void);

#endif
