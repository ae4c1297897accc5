/* SPDX-License-Identifier: BSD-3-Clause */
/* The statistics of a producer. */
#include <cjson/cJSON.h>
#include <mofka/stats.h>
#include "producer/producer.h"

/* With the lock: what is in open batches was pushed, too. */
static mfi_producer_stats_t *with_open_batches(mofka_producer_t *producer, uint64_t *events,
                                               uint64_t *bytes) {
    for (size_t i = 0; i < producer->topic->partition_count; i++) {
        const mfi_batch_t *open = producer->lanes[i].open;
        *events += open ? open->out.event_count : 0;
        *bytes += open ? open->out.metadata_bytes + open->out.data_bytes : 0;
    }
    return &producer->stats;
}

static cJSON *describe(mofka_producer_t *producer) {
    cJSON *json = cJSON_CreateObject();
    uint64_t events = 0, bytes = 0;
    cJSON_AddStringToObject(json, "name", producer->name);
    cJSON_AddStringToObject(json, "topic", producer->topic->name);
    pthread_mutex_lock(&producer->lock);
    mfi_producer_stats_t *stats = with_open_batches(producer, &events, &bytes);
    stats->events_pushed += events;
    stats->bytes_pushed += bytes;
    mfi_stats_describe_producer(json, stats);
    stats->events_pushed -= events;
    stats->bytes_pushed -= bytes;
    pthread_mutex_unlock(&producer->lock);
    return json;
}

static mofka_producer_t *of_child(mfi_child_t *child) {
    return mfi_container_of(child, mofka_producer_t, child);
}

cJSON *mfi_producer_child_stats(mfi_child_t *child) {
    return describe(of_child(child));
}

void mfi_producer_child_fold(mfi_child_t *child, mfi_totals_t *totals) {
    mofka_producer_t *producer = of_child(child);
    pthread_mutex_lock(&producer->lock);
    mfi_stats_add_producer(totals, &producer->stats);
    pthread_mutex_unlock(&producer->lock);
}

mofka_status_t mofka_producer_stats(mofka_producer_t *producer, mofka_metadata_t **stats) {
    mofka_status_t status = mfi_check(producer, MFI_PRODUCER, "producer");
    return status ? status : mfi_stats_give(describe(producer), stats);
}
