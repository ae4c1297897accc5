/* SPDX-License-Identifier: BSD-3-Clause */
/* Choosing between the two ways of putting a batch; see pace.h. */
#include "mpi/producer/pace.h"

#include <assert.h>

/* How many times cheaper going past the caches has to be in a ring that fits the last-level
 * cache. */
#define CLEAR_WIN 3
#define LAPS_BETWEEN_TRIALS 256
#define TRIAL_LAPS 2

static mmi_way_t pace_better_way(const mmi_pace_t *pace, const mmi_partition_t *p) {
    uint64_t win = p->ring_bytes > p->w->cache_bytes ? 1 : CLEAR_WIN;
    return win * pace->cost[MMI_PAST_CACHES] < pace->cost[MMI_PLAIN] ? MMI_PAST_CACHES : MMI_PLAIN;
}

static void pace_change(mmi_pace_t *pace) {
    pace->way = pace->way == MMI_PLAIN ? MMI_PAST_CACHES : MMI_PLAIN;
    pace->bytes = 0;
}

static void pace_begin_trial(mmi_pace_t *pace) {
    assert(!pace->trial);
    pace_change(pace);
    pace->cost[pace->way] = 0;
    pace->trial = true;
}

static void pace_end_trial(mmi_pace_t *pace, const mmi_partition_t *p) {
    assert(pace->trial && pace->cost[MMI_PLAIN] > 0 && pace->cost[MMI_PAST_CACHES] > 0);
    pace->trial = false;
    if (pace_better_way(pace, p) != pace->way)
        pace_change(pace);
}

mmi_timed_t mmi_pace_choose(mmi_pace_t *pace, const mmi_partition_t *p, size_t bytes) {
    assert(bytes >= MMI_TIMED_BYTES_MIN);
    uint64_t lap = p->ring_bytes < p->w->cache_bytes ? p->ring_bytes : p->w->cache_bytes;
    bool known = pace->cost[pace->way] > 0; /* one batch may be many laps: not known yet */
    bool both_known = pace->cost[MMI_PLAIN] > 0 && pace->cost[MMI_PAST_CACHES] > 0;
    uint64_t due = (both_known ? LAPS_BETWEEN_TRIALS : TRIAL_LAPS) * lap;
    bool doubted = both_known && pace->bytes >= lap && pace_better_way(pace, p) != pace->way;
    if (known && pace->trial && pace->bytes >= TRIAL_LAPS * lap)
        pace_end_trial(pace, p);
    else if (known && !pace->trial && (doubted || pace->bytes >= due))
        pace_begin_trial(pace);
    bool counts = pace->bytes >= lap;
    pace->bytes += bytes;
    return (mmi_timed_t){pace->way, counts ? mmi_now_ns() : 0};
}

/* An interruption makes one batch much slower. It counts as at most twice the cost so far. */
void mmi_pace_learn(mmi_pace_t *pace, mmi_timed_t timed, size_t bytes) {
    assert(timed.start_ns != 0 && bytes >= MMI_TIMED_BYTES_MIN && timed.way <= MMI_PAST_CACHES);
    uint64_t *cost = &pace->cost[timed.way];
    uint64_t now = ((uint64_t)(mmi_now_ns() - timed.start_ns) << 20) / bytes + 1;
    *cost = *cost == 0 ? now : (7 * *cost + (now < 2 * *cost ? now : 2 * *cost) + 7) / 8;
}
