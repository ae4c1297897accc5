/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics that name ranks: those that are dead or silent, and what is waited for in a partition,
 * of whom, and since when.
 *
 * Dead is what is proven (alive/alive.h). Silent is a rank of another process whose memory has not
 * answered this process for a second: it may be stopped, or a link may be down.
 */
#include "mpi/topic/stats_ranks.h"

#include <inttypes.h>
#include <stdio.h>
#include "mpi/alive/alive.h"
#include "mpi/rows/rows.h"

#define SILENT_MS 1000
/* How long a name of a host is read for. */
#define HOST_MS 100

/* ---- ranks ----------------------------------------------------------------------------------- */

/* The window whose ranks can be proven dead. */
static mmi_window_t *ranks_near(mmi_window_t *w) {
    return w->near ? w->near : w;
}

/* Since when the rank is dead; 0: that is not proven. */
static int64_t rank_died_ms(mmi_window_t *w, int rank) {
    mmi_window_t *near = ranks_near(w);
    return mmi_alive_is_dead(near, rank) ? atomic_load(&near->died_ms[rank]) : 0;
}

/* Add the host of a rank that answers, or whose memory is here; else null. */
static bool rank_add_host(cJSON *object, mmi_window_t *w, int rank, int64_t deadline) {
    uint64_t words[MMI_HOST_WORDS];
    int64_t soon = mmi_deadline(HOST_MS);
    mmi_window_t *from = mmi_window_by_node(w, rank);
    if (rank < 0 || mmi_window_read(from, rank, offsetof(mmi_share_t, host), words, MMI_HOST_WORDS,
                                    soon < deadline ? soon : deadline))
        return cJSON_AddNullToObject(object, "host") != NULL;
    words[MMI_HOST_WORDS - 1] &= UINT64_MAX >> 8; /* a NUL at the end */
    return cJSON_AddStringToObject(object, "host", (const char *)words) != NULL;
}

bool mmi_stats_add_rank(cJSON *object, mmi_window_t *w, int rank, int64_t deadline) {
    bool good = rank >= 0 ? cJSON_AddNumberToObject(object, "rank", rank) != NULL
                          : cJSON_AddNullToObject(object, "rank") != NULL;
    return good && rank_add_host(object, w, rank, deadline) &&
           cJSON_AddBoolToObject(object, "dead", rank >= 0 && rank_died_ms(w, rank) != 0);
}

static bool ranks_add(cJSON *ranks, mmi_window_t *w, int rank, const char *state, int64_t since_ms,
                      int64_t deadline) {
    cJSON *object = cJSON_CreateObject();
    return cJSON_AddItemToArray(ranks, object) && cJSON_AddNumberToObject(object, "rank", rank) &&
           rank_add_host(object, w, rank, deadline) &&
           cJSON_AddStringToObject(object, "state", state) &&
           mmi_record_add_number(object, "ms", (uint64_t)(mmi_now_ms() - since_ms));
}

mofka_status_t mmi_ranks_stats_read(const mmi_directory_t *d, int64_t timeout_ms, cJSON *ranks) {
    mmi_window_t *w = d->w;
    int64_t deadline = mmi_deadline(timeout_ms);
    mofka_status_t status = mmi_window_may_call(w);
    bool good = true;
    for (int rank = 0; rank < w->size && good && !status; rank++) {
        int64_t died_ms = rank_died_ms(w, rank), silent_ms = mmi_rank_silent_ms(w, rank);
        if (died_ms)
            good = ranks_add(ranks, w, rank, "dead", died_ms, deadline);
        else if (silent_ms && mmi_now_ms() - silent_ms >= SILENT_MS)
            good = ranks_add(ranks, w, rank, "silent", silent_ms, deadline);
    }
    return good ? status : mofka_fail(MOFKA_ERR_MEMORY, "no memory for statistics");
}

/* ---- what is waited for ---------------------------------------------------------------------- */

/* Add something that is waited for, of a rank, since a time of this process. */
static bool waits_add(cJSON *list, mmi_window_t *w, const char *what, int rank, int64_t since_ms,
                      int64_t deadline) {
    cJSON *object = cJSON_CreateObject();
    return cJSON_AddItemToArray(list, object) && cJSON_AddStringToObject(object, "what", what) &&
           mmi_stats_add_rank(object, w, rank, deadline) &&
           mmi_record_add_number(object, "ms", (uint64_t)(mmi_now_ms() - since_ms));
}

/* Consumers wait for the first event that was reserved and is not stored. */
static bool waits_add_event(const mmi_partition_t *p, mmi_window_t *w, cJSON *list,
                            int64_t deadline) {
    mmi_holder_t holder = {.rank = -1};
    char what[40];
    if (mmi_holder_find(p, p->unstored, &holder))
        holder.rank = -1; /* what is damaged is reported by who needs it */
    snprintf(what, sizeof what, "event %" PRIu64, p->unstored);
    return waits_add(list, w, what, holder.rank, p->unstored_ms, deadline);
}

/* The holder of a lock that is free has no rank. */
static bool waits_add_lock(mmi_partition_t *p, mmi_window_t *w, uint64_t word, cJSON *list,
                           int64_t deadline) {
    if (word != p->lock_word || p->lock_ms == 0)
        p->lock_ms = mmi_now_ms();
    p->lock_word = word;
    return word == 0 ||
           waits_add(list, w, "lock", mmi_lock_holder(p->w, word), p->lock_ms, deadline);
}

/* Producers that found no room wait for the slowest consumer. */
static bool waits_add_consumer(mmi_partition_t *p, mmi_window_t *w, const mmi_stats_slowest_t *slow,
                               cJSON *list, int64_t deadline) {
    char what[MOFKA_NAME_BYTES_MAX + 16];
    if (!slow->name)
        return true;
    if (slow->cursor != p->slow_cursor || p->slow_ms == 0)
        p->slow_ms = mmi_now_ms();
    p->slow_cursor = slow->cursor;
    snprintf(what, sizeof what, "consumer %s", slow->name);
    return waits_add(list, w, what, slow->rank, p->slow_ms, deadline);
}

bool mmi_stats_add_waits(mmi_partition_t *p, mmi_window_t *w, bool unstored, uint64_t lock,
                         const mmi_stats_slowest_t *slowest, cJSON *json, int64_t deadline) {
    cJSON *list = cJSON_AddArrayToObject(json, "waits_for");
    return list && (!unstored || waits_add_event(p, w, list, deadline)) &&
           waits_add_lock(p, w, lock, list, deadline) &&
           waits_add_consumer(p, w, slowest, list, deadline);
}
