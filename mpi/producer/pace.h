/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which way of putting a batch into the ring: by plain stores, or past the caches.
 *
 * Plain stores leave a batch in the caches. Where the consumer's core shares the last-level cache with
 * the producer's, it is best left there. Where it does not, each line is taken back from the other
 * cache to be written, and taken over once more to be read. On an EPYC 9004, copies of 1 MiB into and
 * out of a ring of 8 MiB make 32 to 40 GB/s with one cache and 3 to 5 with two; non-temporal stores,
 * which go to memory, make 15 to 18 and 20 to 25. Which cores share a cache changes while a job runs
 * (schedulers move ranks, hypervisors move cores), so a sender times its batches from 8 KiB on. Smaller
 * ones are put plainly.
 *
 * What a batch costs depends on where the one before it, a lap of the ring ago, has left its lines: the
 * first plain batches after others take a half to a quarter of what plain ones take. So the other way is tried for
 * two laps, of which the second counts: now and then, and when the cost of the chosen way has changed
 * so that it would not be chosen now.
 *
 * A producer does not see what its way costs the consumer, who finds the bytes in memory then, and not
 * in a shared cache. So that way has to win clearly, by a factor of three: with one cache, plain batches
 * took 0.5 to 2 times as long as others, with two caches (1 MiB) 5 to 8 times. In a ring
 * larger than the last-level cache plain stores have to fetch each line from memory, and any win counts
 * (256 MiB, GB/s end to end and those by plain stores: 1 MiB 17.8 and 15.9, 128 B 2.8 and 2.4, but 4 KiB
 * 7.1 and 7.5).
 */
#ifndef MOFKA_MPI_PACE_H
#define MOFKA_MPI_PACE_H

#include "mpi/partition/partition.h"

typedef enum mmi_way { MMI_PLAIN, MMI_PAST_CACHES } mmi_way_t;

/* Of a sender, which appends from one thread at a time. Zero: nothing is known. */
typedef struct mmi_pace {
    mmi_way_t way; /* the chosen one, or the other one in its trial */
    bool trial;
    uint64_t bytes;   /* that went this way since it was taken */
    uint64_t cost[2]; /* of each way, ns per MiB; 0: not known */
} mmi_pace_t;

/* A batch on its way. */
typedef struct mmi_timed {
    mmi_way_t way;
    int64_t start_ns; /* 0: it tells nothing of its way's cost */
} mmi_timed_t;

/* Before a batch of so many bytes is put, and after. */
mmi_timed_t mmi_pace_start(mmi_pace_t *pace, const mmi_partition_t *p, size_t bytes);
void mmi_pace_stop(mmi_pace_t *pace, mmi_timed_t timed, size_t bytes);

#endif
