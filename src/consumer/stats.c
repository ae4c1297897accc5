/* SPDX-License-Identifier: BSD-3-Clause */
/* The statistics of a consumer. */
#include <cjson/cJSON.h>
#include <mofka/stats.h>
#include "consumer/consumer.h"

/* Ids passed since the consumer was made, in all its partitions. */
static uint64_t acknowledged(const mofka_consumer_t *consumer) {
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

/* With the lock: what is not counted where it happens. The backend's part lives as long as the
 * consumer. */
static void complete(mofka_consumer_t *consumer) {
    mfi_consumer_stats_t *stats = &consumer->stats;
    stats->events_acknowledged = acknowledged(consumer);
    stats->events_lost = atomic_load(&consumer->lost);
    stats->fetches = atomic_load_explicit(&consumer->fetches, memory_order_relaxed);
    stats->waits = atomic_load_explicit(&consumer->waits, memory_order_relaxed);
}

static cJSON *describe(mofka_consumer_t *consumer) {
    cJSON *json = cJSON_CreateObject();
    uint64_t events = 0, bytes = 0; /* ready, and not pulled yet */
    cJSON_AddStringToObject(json, "name", consumer->name);
    cJSON_AddStringToObject(json, "topic", consumer->topic->name);
    pthread_mutex_lock(&consumer->lock);
    mfi_consumer_stats_t *stats = &consumer->stats;
    complete(consumer);
    for (const mofka_event_t *event = consumer->first; event; event = event->next) {
        events++;
        bytes += mfi_event_from(event)->metadata_bytes + mfi_event_from(event)->data_bytes;
    }
    stats->events_fetched -= events;
    stats->bytes_fetched -= bytes;
    mfi_stats_describe_consumer(json, stats);
    stats->events_fetched += events;
    stats->bytes_fetched += bytes;
    pthread_mutex_unlock(&consumer->lock);
    cJSON_AddNumberToObject(json, "events_ready", (double)events);
    return json;
}

static mofka_consumer_t *of_child(mfi_child_t *child) {
    return mfi_container_of(child, mofka_consumer_t, child);
}

cJSON *mfi_consumer_child_stats(mfi_child_t *child) {
    return describe(of_child(child));
}

void mfi_consumer_child_fold(mfi_child_t *child, mfi_totals_t *totals) {
    mofka_consumer_t *consumer = of_child(child);
    pthread_mutex_lock(&consumer->lock);
    complete(consumer);
    mfi_stats_add_consumer(totals, &consumer->stats);
    pthread_mutex_unlock(&consumer->lock);
}

mofka_status_t mofka_consumer_stats(mofka_consumer_t *consumer, mofka_metadata_t **stats) {
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    return status ? status : mfi_stats_give(describe(consumer), stats);
}
