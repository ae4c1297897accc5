/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts the one-sided calls of MPI that a process makes, and the round trips that it waits for.
 *
 * Link count_mpi.c into a program, or preload libcount_mpi.so:
 *
 *   COUNT_MPI=1                          print the counts to stderr when the process ends
 *   COUNT_MPI_DELAY=fetch_and_op=50,...  each such call sleeps so many microseconds first
 *
 * A round trip is a wait, by a flush or by the completion of a request, for operations at another
 * rank. Operations that are under way together are one: an operation that began when `n` round
 * trips were over ends in round trip `n + 1`, whatever completes it. An MPI may need several
 * messages each way for one. All threads of the process count together, so the counts of threads
 * that wait at the same time are too low.
 */
#ifndef MOFKA_TESTS_TRIPS_COUNT_MPI_H
#define MOFKA_TESTS_TRIPS_COUNT_MPI_H

#include <stdint.h>
#include <stdio.h>

/* The calls, by their names in COUNT_MPI_DELAY. `wait` is the completion of a one-sided request,
 * and `test` is a call that did not complete one. */
#define COUNT_CALLS(X)                                                                             \
    X(PUT, put)                                                                                    \
    X(GET, get)                                                                                    \
    X(RPUT, rput)                                                                                  \
    X(RGET, rget)                                                                                  \
    X(ACCUMULATE, accumulate)                                                                      \
    X(RACCUMULATE, raccumulate)                                                                    \
    X(GET_ACCUMULATE, get_accumulate)                                                              \
    X(RGET_ACCUMULATE, rget_accumulate)                                                            \
    X(FETCH_AND_OP, fetch_and_op)                                                                  \
    X(COMPARE_AND_SWAP, compare_and_swap)                                                          \
    X(FLUSH, flush)                                                                                \
    X(FLUSH_ALL, flush_all)                                                                        \
    X(FLUSH_LOCAL, flush_local)                                                                    \
    X(FLUSH_LOCAL_ALL, flush_local_all)                                                            \
    X(WAIT, wait)                                                                                  \
    X(TEST, test)                                                                                  \
    X(SYNC, sync)                                                                                  \
    X(LOCK, lock)                                                                                  \
    X(LOCK_ALL, lock_all)                                                                          \
    X(UNLOCK, unlock)                                                                              \
    X(UNLOCK_ALL, unlock_all)

typedef enum count_call {
#define COUNT_ENUM(NAME, name) COUNT_##NAME,
    COUNT_CALLS(COUNT_ENUM)
#undef COUNT_ENUM
        COUNT_CALL_COUNT
} count_call_t;

/* Targets are counted one by one up to this rank; later ones count as this one. */
#define COUNT_RANK_MAX 255

typedef struct count {
    uint64_t calls[COUNT_CALL_COUNT];
    uint64_t bytes; /* of puts and gets */
    uint64_t trips;
    uint64_t flush_trips; /* of them, those that a flush waited for, and no request */
} count_t;

/* What was done so far at a rank of its windows: `rank`, or COUNT_SELF, or COUNT_OTHERS. A call for
 * all ranks counts for others. Threads: any. */
enum { COUNT_SELF = -1, COUNT_OTHERS = -2 };
count_t count_read(int rank);
/* What was done between two reads. */
count_t count_minus(const count_t *now, const count_t *before);
/* Let each call of that kind sleep first; 0: no more. Threads: any. */
void count_delay(count_call_t call, unsigned microseconds);
/* Let each `every`-th operation or MPI_Win_flush from now on, at most `most` of them, return
 * MPI_ERR_OTHER; 0: no more. Such an operation is not done. Such a flush is: else MPI would write
 * later into memory that its caller does not keep. Threads: one at a time. */
void count_fail(uint64_t every, unsigned most);
/* How many have failed since the last count_fail that was not 0. Threads: any. */
unsigned count_failed(void);
/* Print what is not 0. */
void count_print(FILE *out, const count_t *count);

#endif
