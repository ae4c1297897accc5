/* See mpi_pace.h. */
#include "mpi_pace.h"

#define TIMED_BYTES_MIN ((size_t)8 << 10)
#define OTHER_WAY_EVERY 251 /* batches: prime, so that it keeps no step with a pattern of theirs */
#define CLEAR_WIN 4

mofka_mpi_timed_t mofka_mpi_pace_start(mofka_mpi_pace_t *pace, const mofka_mpi_partition_t *p,
                                       size_t bytes) {
    if (!p->w->ops->put_past_caches || bytes < TIMED_BYTES_MIN)
        return (mofka_mpi_timed_t){MOFKA_MPI_PLAIN, 0};
    uint64_t win = p->ring_bytes > p->w->cache_bytes ? 1 : CLEAR_WIN;
    bool past = win * pace->cost[MOFKA_MPI_PAST_CACHES] < pace->cost[MOFKA_MPI_PLAIN];
    bool other = ++pace->turn % OTHER_WAY_EVERY == 0;
    return (mofka_mpi_timed_t){past != other ? MOFKA_MPI_PAST_CACHES : MOFKA_MPI_PLAIN,
                               mofka_mpi_now_ns()};
}

/* The least that it took lately: an interruption makes a batch slower for once, and counts little. */
void mofka_mpi_pace_stop(mofka_mpi_pace_t *pace, mofka_mpi_timed_t timed, size_t bytes) {
    if (timed.start_ns == 0)
        return;
    uint64_t *cost = &pace->cost[timed.way];
    uint64_t now = ((uint64_t)(mofka_mpi_now_ns() - timed.start_ns) << 20) / bytes + 1;
    if (*cost == 0 || now < *cost)
        *cost = now;
    else
        *cost = (7 * *cost + (now < 2 * *cost ? now : 2 * *cost) + 7) / 8;
}
