/* SPDX-License-Identifier: BSD-3-Clause */
/* Topics of the MPI driver, as this process sees them. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/driver/driver.h"
#include <mofka/backend.h>

static mofka_status_t partition_info(void *self, size_t index, mofka_metadata_t **info) {
    const mmi_topic_t *topic = self;
    const mmi_partition_t *p = &topic->partitions[index];
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "partition", (double)index);
    cJSON_AddNumberToObject(json, "owner", p->owner);
    cJSON_AddNumberToObject(json, "bytes", (double)p->ring_bytes);
    cJSON_AddNumberToObject(json, "events", (double)p->slots);
    cJSON_AddStringToObject(json, "window", p->w->ops->name);
    mofka_status_t status = mofka_metadata_create_json(json, info);
    if (status)
        cJSON_Delete(json);
    return status;
}

mofka_status_t mmi_topic_complete(mmi_topic_t *topic, int64_t deadline) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < topic->partition_count && !status; i++)
        status = mmi_partition_complete(&topic->partitions[i], deadline);
    return status;
}

static mofka_status_t mark_complete(void *self, int64_t timeout_ms) {
    return mmi_topic_complete(self, mmi_deadline(timeout_ms));
}

static void destroy(void *self) {
    mmi_topic_t *topic = self;
    free(topic->name);
    free(topic);
}

static const mofka_topic_ops_t topic_ops = {
    .size = sizeof topic_ops,
    .partition_info = partition_info,
    .mark_complete = mark_complete,
    .make_producer = mmi_make_producer,
    .make_consumer = mmi_make_consumer,
    .destroy = destroy,
};

static double number(const cJSON *record, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(record, key);
    return cJSON_IsNumber(item) ? item->valuedouble : -1;
}

static mofka_status_t damaged(const char *what) {
    return mofka_fail(MOFKA_ERR_CORRUPT, "a directory record has no good %s", what);
}

/* Everything read from the directory is checked against the window before it is used. */
static mofka_status_t place_partitions(mmi_driver_t *d, const cJSON *record, mmi_topic_t *topic) {
    double slots = number(record, "slots"), ring = number(record, "ring");
    double retention = number(record, "retention");
    if (slots < 1 || ring < MMI_UNIT_BYTES || retention < 0 || retention > MMI_DISCARD_OLDEST)
        return damaged("geometry");
    const cJSON *place = cJSON_GetObjectItemCaseSensitive(record, "partitions")->child;
    for (size_t i = 0; i < topic->partition_count; i++, place = place->next) {
        double owner = cJSON_GetNumberValue(cJSON_GetArrayItem(place, 0));
        double base = cJSON_GetNumberValue(cJSON_GetArrayItem(place, 1));
        if (!(owner >= 0 && owner < d->size) || !(base >= MMI_PAGE_BYTES))
            return damaged("partition");
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
            mmi_arena_start(d, p->owner) + d->arena_bytes)
            return damaged("partition");
    }
    return MOFKA_OK;
}

static char *copy_text(const cJSON *record, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, key));
    return text ? strdup(text) : NULL;
}

mofka_status_t mmi_topic_from_record(mmi_driver_t *d, const cJSON *record,
                                     mofka_topic_made_t *made) {
    const cJSON *places = cJSON_GetObjectItemCaseSensitive(record, "partitions");
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(record, "name");
    int count = cJSON_GetArraySize(places);
    if (!cJSON_IsString(name) || count < 1)
        return damaged("name or partitions");
    mmi_topic_t *topic = calloc(1, sizeof *topic + (size_t)count * sizeof topic->partitions[0]);
    if (!topic || !(topic->name = strdup(name->valuestring))) {
        free(topic);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a topic");
    }
    topic->w = d->w;
    topic->partition_count = (size_t)count;
    double expected = number(record, "expected_producers");
    topic->expected_producers = expected > 0 ? (uint64_t)expected : 0;
    mofka_status_t status = place_partitions(d, record, topic);
    if (status) {
        destroy(topic);
        return status;
    }
    mofka_topic_made_t all = {.ops = &topic_ops,
                              .self = topic,
                              .partition_count = topic->partition_count,
                              .validator = copy_text(record, "validator"),
                              .selector = copy_text(record, "selector"),
                              .serializer = copy_text(record, "serializer")};
    if (!all.validator || !all.selector || !all.serializer) {
        free(all.validator);
        free(all.selector);
        free(all.serializer);
        destroy(topic);
        return mofka_fail(MOFKA_ERR_MEMORY,
                          "no memory for a topic's validator, selector, serializer");
    }
    *made = all;
    return MOFKA_OK;
}
