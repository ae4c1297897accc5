/* SPDX-License-Identifier: BSD-3-Clause */
/* A topic as this process sees it: made from its record, which is checked first. */
#include "mpi/topic/topic.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/topic/directory.h"

mofka_status_t mmi_topic_partition_info(void *self, size_t index, mofka_metadata_t **info) {
    const mmi_topic_t *topic = self;
    assert(index < topic->partition_count);
    const mmi_partition_t *p = &topic->partitions[index];
    cJSON *json = cJSON_CreateObject();
    bool good = cJSON_AddNumberToObject(json, "partition", (double)index) &&
                cJSON_AddNumberToObject(json, "owner", p->owner) &&
                cJSON_AddNumberToObject(json, "bytes", (double)p->ring_bytes) &&
                cJSON_AddNumberToObject(json, "events", (double)p->slots) &&
                cJSON_AddStringToObject(json, "window", p->w->ops->name);
    mofka_status_t status =
        good ? mofka_metadata_create_json(json, info)
             : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a partition's description");
    if (status)
        cJSON_Delete(json);
    return status;
}

mofka_status_t mmi_topic_complete(mmi_topic_t *topic, int64_t deadline) {
    mofka_status_t status = MOFKA_OK;
    assert(topic->partition_count >= 1);
    for (size_t i = 0; i < topic->partition_count && !status; i++)
        status = mmi_partition_complete(&topic->partitions[i], deadline);
    return status;
}

mofka_status_t mmi_topic_mark_complete(void *self, int64_t timeout_ms) {
    return mmi_topic_complete(self, mmi_deadline(timeout_ms));
}

void mmi_topic_retain(mmi_topic_t *topic) {
    atomic_fetch_add(&topic->users, 1);
}

void mmi_topic_destroy(void *self) {
    mmi_topic_t *topic = self;
    if (atomic_fetch_sub(&topic->users, 1) > 1)
        return;
    free(topic->name);
    free(topic);
}

/* ---- from a record -------------------------------------------------------------------------- */

/* -1: it is missing or not a number. */
static double record_number(const cJSON *record, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(record, key);
    return cJSON_IsNumber(item) ? item->valuedouble : -1;
}

static mofka_status_t record_damaged(const char *what) {
    return mofka_fail(MOFKA_ERR_CORRUPT, "a directory record has no valid %s", what);
}

/* What a record says is checked against the window before it is used. */
static mofka_status_t mmi_topic_place_partitions(const mmi_directory_t *d, const cJSON *record,
                                                 mmi_topic_t *topic) {
    double slots = record_number(record, "slots"), ring = record_number(record, "ring");
    double retention = record_number(record, "retention");
    if (slots < 1 || ring < MMI_UNIT_BYTES || retention < 0 || retention > MMI_DISCARD_OLDEST)
        return record_damaged("geometry");
    assert(topic->partition_count >= 1);
    const cJSON *place = cJSON_GetObjectItemCaseSensitive(record, "partitions")->child;
    for (size_t i = 0; i < topic->partition_count; i++, place = place->next) {
        double owner = cJSON_GetNumberValue(cJSON_GetArrayItem(place, 0));
        double base = cJSON_GetNumberValue(cJSON_GetArrayItem(place, 1));
        if (!(owner >= 0 && owner < d->w->size) || !(base >= MMI_PAGE_BYTES))
            return record_damaged("partition");
        mmi_partition_t *p = &topic->partitions[i];
        *p = (mmi_partition_t){.w = d->w,
                               .topic = topic->name,
                               .index = i,
                               .owner = (int)owner,
                               .base = (uint64_t)base,
                               .slots = (uint64_t)slots,
                               .ring_bytes = (uint64_t)ring,
                               .retention = (mmi_retention_t)(int)retention,
                               .bells = &topic->partitions[0]};
        mmi_partition_place(p);
        if (p->base + mmi_partition_bytes(p->slots, p->ring_bytes) >
            mmi_directory_arena_start(d, p->owner) + d->arena_bytes)
            return record_damaged("partition");
    }
    return MOFKA_OK;
}

mofka_status_t mmi_topic_create(const mmi_directory_t *d, const cJSON *record, mmi_topic_t **out) {
    const cJSON *places = cJSON_GetObjectItemCaseSensitive(record, "partitions");
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(record, "name");
    int count = cJSON_GetArraySize(places);
    if (!cJSON_IsString(name) || count < 1)
        return record_damaged("name or partitions");
    mmi_topic_t *topic = calloc(1, sizeof *topic + (size_t)count * sizeof topic->partitions[0]);
    if (!topic || !(topic->name = strdup(name->valuestring))) {
        free(topic);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a topic");
    }
    atomic_init(&topic->users, 1);
    topic->w = d->w;
    topic->partition_count = (size_t)count;
    double expected = record_number(record, "expected_producers");
    topic->expected_producers = expected > 0 ? (uint64_t)expected : 0;
    mofka_status_t status = mmi_topic_place_partitions(d, record, topic);
    if (status)
        mmi_topic_destroy(topic);
    else
        *out = topic;
    return status;
}
