/* SPDX-License-Identifier: BSD-3-Clause */
/* The statistics of a producer, and the age of what it has not stored. */
#include <cjson/cJSON.h>
#include <mofka/stats.h>
#include "base/lock.h"
#include "producer/claim.h"

/* With the lock: a copy of the counters, in which the events of open batches count as pushed. */
static void producer_copy_stats(mofka_producer_t *producer, mfi_producer_stats_t *copy) {
    mfi_assert_inside(&producer->lock);
    *copy = producer->stats;
    copy->claims_open = mfi_claims_count(producer);
    for (size_t i = 0; i < producer->topic->partition_count; i++) {
        const mfi_batch_t *open = producer->lanes[i].open;
        copy->events_pushed += open ? open->out.event_count : 0;
        copy->bytes_pushed += open ? open->out.metadata_bytes + open->out.data_bytes : 0;
    }
}

/* NULL: no memory. */
static cJSON *producer_describe_stats(mofka_producer_t *producer) {
    mfi_producer_stats_t stats;
    mfi_monitor_enter(&producer->lock);
    producer_copy_stats(producer, &stats);
    mfi_monitor_leave(&producer->lock);
    cJSON *json = cJSON_CreateObject();
    if (cJSON_AddStringToObject(json, "name", producer->name) &&
        cJSON_AddStringToObject(json, "topic", producer->topic->name) &&
        mfi_stats_describe_producer(json, &stats))
        return json;
    cJSON_Delete(json);
    return NULL;
}

static mofka_producer_t *producer_of_child(mfi_child_t *child) {
    return mfi_container_of(child, mofka_producer_t, child);
}

cJSON *mfi_producer_child_stats(mfi_child_t *child) {
    return producer_describe_stats(producer_of_child(child));
}

void mfi_producer_child_fold(mfi_child_t *child, mfi_totals_t *totals) {
    mofka_producer_t *producer = producer_of_child(child);
    mfi_monitor_enter(&producer->lock);
    mfi_stats_add_producer(totals, &producer->stats);
    mfi_monitor_leave(&producer->lock);
}

mofka_status_t mofka_producer_stats(mofka_producer_t *producer, mofka_metadata_t **stats) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(producer, MFI_PRODUCER, "producer");
    return status ? status : mfi_stats_give(producer_describe_stats(producer), stats);
}

/* With the lock: when the lane's oldest event was pushed; INT64_MAX if all are stored. */
static int64_t lane_oldest_ms(const mfi_lane_t *lane) {
    mfi_assert_inside(&lane->producer->lock);
    const mfi_batch_t *open = lane->open;
    int64_t oldest_ms = open && open->out.event_count > 0 ? open->opened_ms : INT64_MAX;
    for (const mfi_batch_t *batch = lane->first; batch; batch = batch->next)
        oldest_ms = batch->opened_ms < oldest_ms ? batch->opened_ms : oldest_ms;
    return oldest_ms;
}

int64_t mofka_producer_oldest_pending_ms(mofka_producer_t *producer) {
    if (mfi_check(producer, MFI_PRODUCER, "producer"))
        return -1;
    int64_t oldest_ms = INT64_MAX;
    mfi_monitor_enter(&producer->lock);
    for (size_t i = 0; i < producer->topic->partition_count; i++) {
        int64_t lane_ms = lane_oldest_ms(&producer->lanes[i]);
        oldest_ms = lane_ms < oldest_ms ? lane_ms : oldest_ms;
    }
    mfi_monitor_leave(&producer->lock);
    if (oldest_ms == INT64_MAX)
        return 0;
    int64_t age_ms = mfi_coarse_ms() - oldest_ms;
    return age_ms > 0 ? age_ms : 1;
}
