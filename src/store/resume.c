/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver option "resume_at": topics are cut back to what a checkpoint says.
 *
 *   read the option ... load each topic, read its ends ... check all cuts ... cut each topic
 *
 * A topic is cut in all of its partitions or in none (cut.c). A crash between two topics leaves the
 * first one cut. A program that restarts from the same checkpoint says the same again, which
 * changes nothing in a topic that is cut there, and cuts the others.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "store/store.h"

/* Numbers of JSON are doubles: up to here each whole number is one. */
#define EXACT_MAX 9007199254740992.0

/* A topic that is to be cut. */
typedef struct resume_topic {
    mfi_topic_record_t record;
    uint64_t *ends;
} resume_topic_t;

static bool resume_has_name_before(const cJSON *list, const cJSON *item) {
    for (const cJSON *before = list->child; before != item; before = before->next)
        if (strcmp(before->string, item->string) == 0)
            return true;
    return false;
}

/* The ids of one topic. */
static mofka_status_t resume_read_ends(const char *what, const cJSON *list,
                                       const mfi_topic_record_t *record, uint64_t *ends) {
    size_t count = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0, i = 0;
    if (!cJSON_IsArray(list) || count != record->partitions)
        return mofka_fail(MOFKA_ERR_OPTION,
                          "%s: option \"resume_at\": topic '%s' needs an array of %zu ids, one for "
                          "each partition, as mofka_topic_ends gives it",
                          what, record->name, record->partitions);
    for (const cJSON *end = list->child; end; end = end->next, i++) {
        double value = cJSON_IsNumber(end) ? end->valuedouble : -1;
        if (!(value >= 0 && value < EXACT_MAX) || (double)(uint64_t)value != value)
            return mofka_fail(MOFKA_ERR_OPTION,
                              "%s: option \"resume_at\": the end of partition %zu of topic '%s' is "
                              "not an id",
                              what, i, record->name);
        ends[i] = (uint64_t)value;
    }
    return MOFKA_OK;
}

static mofka_status_t resume_load(const mfi_store_t *store, const char *what, const cJSON *list,
                                  const cJSON *item, resume_topic_t *topic) {
    if (resume_has_name_before(list, item))
        return mofka_fail(MOFKA_ERR_OPTION, "%s: option \"resume_at\" names topic '%s' twice", what,
                          item->string);
    mofka_status_t status = mfi_store_load_topic(store, item->string, &topic->record);
    if (status == MOFKA_ERR_NOT_FOUND)
        return mofka_fail(
            status,
            "%s: option \"resume_at\": the store %s has no topic '%s'; only topics with "
            "storage are there",
            what, store->path, item->string);
    if (status)
        return status;
    topic->ends = calloc(topic->record.partitions, sizeof *topic->ends);
    if (!topic->ends)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to cut topic '%s'", item->string);
    return resume_read_ends(what, item, &topic->record, topic->ends);
}

/* Check all, then cut all. */
static mofka_status_t resume_cut(const mfi_store_t *store, const resume_topic_t *topics,
                                 size_t count) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = mfi_store_check_cut(store, &topics[i].record, topics[i].ends);
    for (size_t i = 0; i < count && !status; i++)
        status = mfi_store_cut(store, &topics[i].record, topics[i].ends);
    return status;
}

static mofka_status_t resume_all(const mfi_store_t *store, const char *what, const cJSON *list) {
    size_t count = (size_t)cJSON_GetArraySize(list), loaded = 0;
    resume_topic_t *topics = calloc(count + 1, sizeof *topics);
    if (!topics)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to cut %zu topics", count);
    mofka_status_t status = MOFKA_OK;
    for (const cJSON *item = list->child; item && !status; item = item->next)
        status = resume_load(store, what, list, item, &topics[loaded++]);
    if (!status)
        status = resume_cut(store, topics, count);
    for (size_t i = 0; i < loaded; i++) {
        mfi_topic_record_clear(&topics[i].record);
        free(topics[i].ends);
    }
    free(topics);
    return status;
}

mofka_status_t mfi_store_resume_at(const mfi_store_t *store, const char *what, const char *json) {
    cJSON *list = cJSON_Parse(json);
    mofka_status_t status =
        cJSON_IsObject(list)
            ? resume_all(store, what, list)
            : mofka_fail(MOFKA_ERR_OPTION,
                         "%s: option \"resume_at\" must be an object: {\"TOPIC\": [IDS]}", what);
    cJSON_Delete(list);
    return status;
}
