/* SPDX-License-Identifier: BSD-3-Clause */
/* The statistics of a consumer. */
#include <cjson/cJSON.h>
#include <mofka/stats.h>
#include "base/lock.h"
#include "consumer/consumer.h"
#include "json/tree.h"

/* Ids acknowledged since the consumer was created, in all its partitions. The backend's part lives
 * as long as the consumer. */
static uint64_t consumer_count_acknowledged(const mofka_consumer_t *consumer) {
    uint64_t sum = 0, next;
    for (size_t i = 0; consumer->ops->acknowledged && i < consumer->topic->partition_count; i++)
        if (consumer->ops->acknowledged(consumer->self, i, &next) == MOFKA_OK)
            sum += next - consumer->partitions[i].start;
    return sum;
}

void mfi_consumer_stats_begin(mofka_consumer_t *consumer) {
    for (size_t i = 0; consumer->ops->acknowledged && i < consumer->topic->partition_count; i++)
        consumer->ops->acknowledged(consumer->self, i, &consumer->partitions[i].start);
}

/* With the lock: a copy of the counters, with those that others keep filled in. Events that are
 * ready do not count as pulled in it; their number is the result. */
static uint64_t consumer_copy_stats(mofka_consumer_t *consumer, mfi_consumer_stats_t *copy) {
    mfi_assert_inside(&consumer->lock);
    uint64_t ready = 0;
    *copy = consumer->stats;
    copy->events_acknowledged = consumer_count_acknowledged(consumer);
    copy->events_lost = atomic_load(&consumer->lost);
    copy->events_void = mfi_consumer_voided(consumer);
    copy->metadata_damaged =
        consumer->ops->metadata_damaged ? consumer->ops->metadata_damaged(consumer->self) : 0;
    copy->fetches = atomic_load_explicit(&consumer->fetches, memory_order_relaxed);
    copy->waits = atomic_load_explicit(&consumer->waits, memory_order_relaxed);
    for (const mofka_event_t *event = consumer->first; event; event = event->next)
        for (size_t i = 0; i <= mfi_event_unmade(event); i++, ready++)
            mfi_stats_not_pulled(copy, mfi_event_from(event) + i);
    return ready;
}

/* NULL: no memory. */
static cJSON *consumer_describe_stats(mofka_consumer_t *consumer) {
    mfi_consumer_stats_t stats;
    mfi_monitor_enter(&consumer->lock);
    uint64_t ready = consumer_copy_stats(consumer, &stats);
    mfi_monitor_leave(&consumer->lock);
    cJSON *json = cJSON_CreateObject();
    if (cJSON_AddStringToObject(json, "name", consumer->name) &&
        cJSON_AddStringToObject(json, "topic", consumer->topic->name) &&
        mfi_stats_describe_consumer(json, &stats) &&
        mfi_json_add_count(json, "events_ready", ready))
        return json;
    cJSON_Delete(json);
    return NULL;
}

static mofka_consumer_t *consumer_of_child(mfi_child_t *child) {
    return mfi_container_of(child, mofka_consumer_t, child);
}

cJSON *mfi_consumer_child_stats(mfi_child_t *child) {
    return consumer_describe_stats(consumer_of_child(child));
}

void mfi_consumer_child_fold(mfi_child_t *child, mfi_totals_t *totals) {
    mofka_consumer_t *consumer = consumer_of_child(child);
    mfi_consumer_stats_t stats;
    mfi_monitor_enter(&consumer->lock);
    consumer_copy_stats(consumer, &stats);
    mfi_monitor_leave(&consumer->lock);
    mfi_stats_add_consumer(totals, &stats);
}

mofka_status_t mofka_consumer_stats(mofka_consumer_t *consumer, mofka_metadata_t **stats) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    return status ? status : mfi_stats_give(consumer_describe_stats(consumer), stats);
}
