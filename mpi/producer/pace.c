/* SPDX-License-Identifier: BSD-3-Clause */
/* See mpi_pace.h. */
#include "mpi/producer/pace.h"

#define TIMED_BYTES_MIN ((size_t)8 << 10)
#define CLEAR_WIN 3
#define LAPS_BETWEEN_TRIALS 256
#define TRIAL_LAPS 2

static mofka_mpi_way_t better(const mofka_mpi_pace_t *pace, const mofka_mpi_partition_t *p) {
    uint64_t win = p->ring_bytes > p->w->cache_bytes ? 1 : CLEAR_WIN;
    return win * pace->cost[MOFKA_MPI_PAST_CACHES] < pace->cost[MOFKA_MPI_PLAIN]
               ? MOFKA_MPI_PAST_CACHES
               : MOFKA_MPI_PLAIN;
}

static void change(mofka_mpi_pace_t *pace) {
    pace->way = pace->way == MOFKA_MPI_PLAIN ? MOFKA_MPI_PAST_CACHES : MOFKA_MPI_PLAIN;
    pace->bytes = 0;
}

static void begin_trial(mofka_mpi_pace_t *pace) {
    change(pace);
    pace->cost[pace->way] = 0;
    pace->trial = true;
}

static void end_trial(mofka_mpi_pace_t *pace, const mofka_mpi_partition_t *p) {
    pace->trial = false;
    if (better(pace, p) != pace->way)
        change(pace);
}

mofka_mpi_timed_t mofka_mpi_pace_start(mofka_mpi_pace_t *pace, const mofka_mpi_partition_t *p,
                                       size_t bytes) {
    if (!p->w->ops->put_past_caches || bytes < TIMED_BYTES_MIN)
        return (mofka_mpi_timed_t){MOFKA_MPI_PLAIN, 0};
    uint64_t lap = p->ring_bytes < p->w->cache_bytes ? p->ring_bytes : p->w->cache_bytes;
    bool known = pace->cost[pace->way] > 0; /* a batch may be of many laps */
    bool both_known = pace->cost[MOFKA_MPI_PLAIN] > 0 && pace->cost[MOFKA_MPI_PAST_CACHES] > 0;
    uint64_t due = (both_known ? LAPS_BETWEEN_TRIALS : TRIAL_LAPS) * lap;
    bool doubted = both_known && pace->bytes >= lap && better(pace, p) != pace->way;
    if (known && pace->trial && pace->bytes >= TRIAL_LAPS * lap)
        end_trial(pace, p);
    else if (known && !pace->trial && (doubted || pace->bytes >= due))
        begin_trial(pace);
    bool counts = pace->bytes >= lap;
    pace->bytes += bytes;
    return (mofka_mpi_timed_t){pace->way, counts ? mofka_mpi_now_ns() : 0};
}

/* An interruption makes a batch slower for once, and counts little. */
void mofka_mpi_pace_stop(mofka_mpi_pace_t *pace, mofka_mpi_timed_t timed, size_t bytes) {
    if (timed.start_ns == 0)
        return;
    uint64_t *cost = &pace->cost[timed.way];
    uint64_t now = ((uint64_t)(mofka_mpi_now_ns() - timed.start_ns) << 20) / bytes + 1;
    *cost = *cost == 0 ? now : (7 * *cost + (now < 2 * *cost ? now : 2 * *cost) + 7) / 8;
}
