/* SPDX-License-Identifier: BSD-3-Clause */
/* The statistics of a producer. */
#include <cjson/cJSON.h>
#include <mofka/stats.h>
#include "base/lock.h"
#include "producer/producer.h"

/* With the lock: a copy of the counters, in which the events of open batches count as pushed. */
static void producer_copy_stats(mofka_producer_t *producer, mfi_producer_stats_t *copy) {
    mfi_assert_locked(&producer->lock);
    *copy = producer->stats;
    for (size_t i = 0; i < producer->topic->partition_count; i++) {
        const mfi_batch_t *open = producer->lanes[i].open;
        copy->events_pushed += open ? open->out.event_count : 0;
        copy->bytes_pushed += open ? open->out.metadata_bytes + open->out.data_bytes : 0;
    }
}

/* NULL: no memory. */
static cJSON *producer_describe_stats(mofka_producer_t *producer) {
    mfi_producer_stats_t stats;
    pthread_mutex_lock(&producer->lock);
    producer_copy_stats(producer, &stats);
    pthread_mutex_unlock(&producer->lock);
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
    pthread_mutex_lock(&producer->lock);
    mfi_stats_add_producer(totals, &producer->stats);
    pthread_mutex_unlock(&producer->lock);
}

mofka_status_t mofka_producer_stats(mofka_producer_t *producer, mofka_metadata_t **stats) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(producer, MFI_PRODUCER, "producer");
    return status ? status : mfi_stats_give(producer_describe_stats(producer), stats);
}
