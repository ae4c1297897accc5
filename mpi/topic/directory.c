/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads the directory: finds, lists and opens topics.
 *
 * The directory is a list of records in rank 0's share. Records are appended under the directory's
 * lock (create.c) and never changed. The length of a record is stored last, so readers take no
 * lock: the list ends at a length of 0.
 */
#include "mpi/topic/directory.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

uint64_t mmi_directory_arena_start(const mmi_directory_t *d, int rank) {
    assert(rank >= 0 && d->directory_bytes % MMI_PAGE_BYTES == 0);
    return MMI_DIRECTORY_START + (rank == 0 ? d->directory_bytes : 0);
}

/* ---- records -------------------------------------------------------------------------------- */

/* cJSON answers the same for text that it refuses and for a failed allocation. Metadata does not. */
static mofka_status_t record_refuse(const char *text, size_t length) {
    mofka_metadata_t *metadata;
    const cJSON *json;
    mofka_status_t status = mofka_metadata_create(text, length, &metadata);
    if (!status) {
        status = mofka_metadata_json(metadata, &json);
        mofka_metadata_release(metadata);
    }
    return status == MOFKA_ERR_JSON
               ? mofka_fail(MOFKA_ERR_CORRUPT, "a directory record is not JSON")
               : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a directory record");
}

static mofka_status_t record_read(const mmi_directory_t *d, uint64_t at, uint64_t length,
                                  int64_t deadline, cJSON **record) {
    size_t words = (size_t)(mmi_round_up(length, 8) / 8);
    assert(words >= 1);
    uint64_t *text = malloc(8 * words);
    if (!text)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a directory record");
    mofka_status_t status = mmi_window_read(d->w, 0, at + 8, text, words, deadline);
    /* Its numbers are whole, so they are read alike in every locale. */
    *record = status ? NULL : cJSON_ParseWithLength((const char *)text, length);
    if (!status && !*record)
        status = record_refuse((const char *)text, length);
    free(text);
    return status;
}

mofka_status_t mmi_directory_next(const mmi_directory_t *d, uint64_t *at, int64_t deadline,
                                  cJSON **record) {
    uint64_t end = MMI_DIRECTORY_START + d->directory_bytes, length = 0;
    assert(*at % 8 == 0 && *at >= MMI_DIRECTORY_START && *at <= end);
    *record = NULL;
    if (*at + 8 > end)
        return MOFKA_OK;
    mofka_status_t status = mmi_window_read(d->w, 0, *at, &length, 1, deadline);
    if (status || length == 0)
        return status;
    if (length > end - *at - 8)
        return mofka_fail(MOFKA_ERR_CORRUPT,
                          "a directory record of %" PRIu64 " bytes does not fit the directory",
                          length);
    status = record_read(d, *at, length, deadline, record);
    if (!status)
        *at += 8 + mmi_round_up(length, 8);
    return status;
}

static const char *record_text(const cJSON *record, const char *key, const char *missing) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, key));
    return text ? text : missing;
}

static const char *record_name(const cJSON *record) {
    return record_text(record, "name", "");
}

/* `*record`: give; NULL: there is no topic of that name. */
static mofka_status_t record_find(const mmi_directory_t *d, const char *name, cJSON **record) {
    uint64_t at = MMI_DIRECTORY_START;
    for (;;) {
        mofka_status_t status = mmi_directory_next(d, &at, INT64_MAX, record);
        if (status || !*record || strcmp(record_name(*record), name) == 0)
            return status;
        cJSON_Delete(*record);
    }
}

/* ---- topics --------------------------------------------------------------------------------- */

static char *record_copy(const cJSON *record, const char *key) {
    const char *text = record_text(record, key, NULL);
    return text ? strdup(text) : NULL;
}

static mofka_status_t record_open(const mmi_directory_t *d, const cJSON *record,
                                  mofka_topic_made_t *made) {
    mmi_topic_t *topic;
    assert(d->topic_ops);
    mofka_status_t status = mmi_topic_create(d, record, &topic);
    if (status)
        return status;
    mofka_topic_made_t all = {.ops = d->topic_ops,
                              .self = topic,
                              .partition_count = topic->partition_count,
                              .validator = record_copy(record, "validator"),
                              .selector = record_copy(record, "selector"),
                              .serializer = record_copy(record, "serializer")};
    if (!all.validator || !all.selector || !all.serializer) {
        free(all.validator);
        free(all.selector);
        free(all.serializer);
        mmi_topic_destroy(topic);
        return mofka_fail(MOFKA_ERR_MEMORY,
                          "no memory for a topic's validator, selector, serializer");
    }
    *made = all;
    return MOFKA_OK;
}

mofka_status_t mmi_directory_open_topic(const mmi_directory_t *d, const char *name,
                                        mofka_topic_made_t *made) {
    cJSON *record;
    mofka_status_t status = record_find(d, name, &record);
    if (!status && !record)
        status = mofka_fail(MOFKA_ERR_NOT_FOUND, "there is no topic '%s'", name);
    if (!status)
        status = record_open(d, record, made);
    cJSON_Delete(record);
    return status;
}

mofka_status_t mmi_directory_has_topic(const mmi_directory_t *d, const char *name, bool *exists) {
    cJSON *record;
    mofka_status_t status = record_find(d, name, &record);
    if (!status)
        *exists = record != NULL;
    cJSON_Delete(record);
    return status;
}

/* What users see of a record: not where its partitions are. */
static mofka_status_t record_describe(const cJSON *record, mofka_metadata_t **description) {
    static const char *const keys[] = {"options", "validator", "selector", "serializer"};
    int partitions = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(record, "partitions"));
    cJSON *json = cJSON_CreateObject();
    bool good = cJSON_AddStringToObject(json, "name", record_name(record)) &&
                cJSON_AddNumberToObject(json, "partitions", partitions);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        good = good && cJSON_AddRawToObject(json, keys[i], record_text(record, keys[i], "null"));
    char *text = good ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    mofka_status_t status =
        text ? mofka_metadata_create(text, strlen(text), description)
             : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a topic's description");
    cJSON_free(text);
    return status;
}

mofka_status_t mmi_directory_list_topics(const mmi_directory_t *d, mofka_topic_visit_fn visit,
                                         void *context) {
    uint64_t at = MMI_DIRECTORY_START;
    for (;;) {
        cJSON *record;
        mofka_metadata_t *description;
        mofka_status_t status = mmi_directory_next(d, &at, INT64_MAX, &record);
        if (status || !record)
            return status;
        status = record_describe(record, &description);
        if (!status) {
            status = visit(context, record_name(record), description);
            mofka_metadata_release(description);
        }
        cJSON_Delete(record);
        if (status)
            return status;
    }
}
