/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics that name ranks. */
#ifndef MOFKA_MPI_TOPIC_STATS_RANKS_H
#define MOFKA_MPI_TOPIC_STATS_RANKS_H

#include <cjson/cJSON.h>
#include "mpi/topic/directory.h"

/* Add to `ranks`, a JSON array, an object for each rank that is dead or silent; see
 * mofka_driver_ops_t. MOFKA_ERR_MEMORY. */
mofka_status_t mmi_ranks_stats_read(const mmi_directory_t *d, int64_t timeout_ms, cJSON *ranks);

/* Add "rank", "host" and "dead" to an object; `rank` -1: it is not known. `w` is the job's window.
 * False: no memory. */
bool mmi_stats_add_rank(cJSON *object, mmi_window_t *w, int rank, int64_t deadline);

/* The consumer that producers without room wait for. */
typedef struct mmi_stats_slowest {
    const char *name; /* NULL: no producer waits, or for no consumer */
    int rank;         /* -1: not known */
    uint64_t cursor;
} mmi_stats_slowest_t;

/* Add "waits_for" to a partition's object. `unstored`: event p->unstored is reserved and not
 * stored; `lock`: the lock's word. False: no memory. */
bool mmi_stats_add_waits(mmi_partition_t *p, mmi_window_t *w, bool unstored, uint64_t lock,
                         const mmi_stats_slowest_t *slowest, cJSON *json, int64_t deadline);

#endif
