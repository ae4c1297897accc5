/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which way to put a batch into the ring: by plain stores, or past the caches.
 *
 * Plain stores leave a batch in the producer's caches. If the consumer's core shares the last-level
 * cache with the producer's, that is the best place. If it does not, each line has to come back
 * from the other cache to be written, and once more to be read. Measured on an EPYC 9004 with
 * copies of 1 MiB into and out of a ring of 8 MiB, in GB/s:
 *
 *                                        one cache   two caches
 *   plain stores                         32 to 40    3 to 5
 *   non-temporal stores, to memory       15 to 18    20 to 25
 *
 * Which cores share a cache changes while a job runs: schedulers move ranks, and hypervisors move
 * cores. So a sender times its batches of 8 KiB and more. Smaller ones are put plainly.
 *
 * The cost of a batch depends on where the batch before it left the same lines, a lap of the ring
 * ago. The first plain batches after others take a half to a quarter of the usual time. So a trial
 * of the other way lasts two laps, of which the second counts. There is a trial now and then, and
 * another one when the cost of the chosen way has changed so that it would not be chosen now.
 *
 * A producer does not see what its way costs the consumer, which then finds the bytes in memory
 * instead of in a shared cache. So going past the caches has to win clearly, by a factor of three.
 * With one cache, plain batches took 0.5 to 2 times as long as others; with two caches (1 MiB), 5
 * to 8 times.
 *
 * In a ring that is larger than the last-level cache, plain stores have to fetch each line from
 * memory. There any win counts. In a ring of 256 MiB, end to end, in GB/s:
 *
 *   event                                128 B   4 KiB   1 MiB
 *   the way chosen here                  2.8     7.1     17.8
 *   plain stores only                    2.4     7.5     15.9
 */
#ifndef MOFKA_MPI_PRODUCER_PACE_H
#define MOFKA_MPI_PRODUCER_PACE_H

#include "mpi/partition/partition.h"

typedef enum mmi_way { MMI_PLAIN, MMI_PAST_CACHES } mmi_way_t;

/* What a sender knows of the two ways. Zero: nothing. One thread at a time. */
typedef struct mmi_pace {
    mmi_way_t way; /* the chosen one; during a trial, the other one */
    bool trial;
    uint64_t bytes;   /* put this way since it was chosen, or since its trial began */
    uint64_t cost[2]; /* of each way, in ns per MiB; 0: not known */
} mmi_pace_t;

/* A batch that is being put. */
typedef struct mmi_timed {
    mmi_way_t way;
    int64_t start_ns; /* 0: the batch is not timed */
} mmi_timed_t;

/* Smaller batches are not timed. */
#define MMI_TIMED_BYTES_MIN ((size_t)8 << 10)

/* For the next function: the batch is large. */
mmi_timed_t mmi_pace_choose(mmi_pace_t *pace, const mmi_partition_t *p, size_t bytes);
/* Choose the way of a batch of `bytes` bytes, before it is put. */
static inline mmi_timed_t mmi_pace_start(mmi_pace_t *pace, const mmi_partition_t *p, size_t bytes) {
    return bytes < MMI_TIMED_BYTES_MIN || !p->w->ops->put_past_caches
               ? (mmi_timed_t){MMI_PLAIN, 0}
               : mmi_pace_choose(pace, p, bytes);
}
/* For the next function: the batch is timed. */
void mmi_pace_learn(mmi_pace_t *pace, mmi_timed_t timed, size_t bytes);
/* Learn the cost of the batch, after it was put. */
static inline void mmi_pace_stop(mmi_pace_t *pace, mmi_timed_t timed, size_t bytes) {
    if (timed.start_ns != 0)
        mmi_pace_learn(pace, timed, bytes);
}

#endif
