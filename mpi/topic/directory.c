/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads the directory: finds, lists and opens topics.
 *
 * The directory is a list of records in rank 0's share. Records are appended under the directory's
 * lock (create.c). The length of a record is stored last, so readers take no lock: the list ends at
 * a length of 0. Then only its state changes, when its partitions are made. Opening waits for that.
 * A topic that could not be made is passed over.
 *
 * A damaged record hides its own topic only, as long as its length is intact.
 */
#include "mpi/topic/directory.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How long a call without a time-out waits for rank 0. */
#define READ_MS 15000
/* Within this time, rank 0 answers unless it has stopped. */
#define ANSWER_MS 1000

uint64_t mmi_directory_arena_start(const mmi_directory_t *d, int rank) {
    assert(rank >= 0 && d->directory_bytes % MMI_PAGE_BYTES == 0);
    return MMI_DIRECTORY_START + (rank == 0 ? d->directory_bytes : 0);
}

/* ---- records -------------------------------------------------------------------------------- */

uint64_t mmi_record_check(const uint64_t *words, uint64_t length) {
    const size_t first = MMI_RECORD_NAME; /* behind the check itself */
    return mmi_bytes_check(words + first, (size_t)mmi_record_bytes(length) - 8 * first);
}

/* Take the word that holds the state. False: it is damaged. */
static bool record_take_state(const mmi_directory_t *d, uint64_t word, mmi_record_t *record) {
    uint64_t state = mmi_unseal(word), making = state & 3, maker = state >> 2;
    if (!mmi_is_sealed(word) || making == 0 || maker >= (uint64_t)d->w->size)
        return false;
    record->making = (mmi_making_t)making;
    record->maker = (int)maker;
    return true;
}

/* Whether text is JSON. cJSON answers the same for text that it refuses and for a failed
 * allocation. Metadata does not. */
static mofka_status_t record_check_json(const char *text, size_t length, bool *good) {
    mofka_metadata_t *metadata;
    const cJSON *json;
    mofka_status_t status = mofka_metadata_create(text, length, &metadata);
    if (!status) {
        status = mofka_metadata_json(metadata, &json);
        mofka_metadata_release(metadata);
    }
    *good = status != MOFKA_ERR_JSON;
    return *good ? mofka_fail(MOFKA_ERR_MEMORY, "no memory for a directory record") : MOFKA_OK;
}

/* Read the words of a record behind its length. */
static mofka_status_t record_read(const mmi_directory_t *d, uint64_t *words, uint64_t length,
                                  int64_t deadline, mmi_record_t *record) {
    size_t count = (size_t)mmi_record_bytes(length) / 8;
    mofka_status_t status =
        mmi_window_read(d->w, 0, record->at + 8, words + 1, count - 1, deadline);
    if (status)
        return status;
    record->name_check = words[MMI_RECORD_NAME];
    record->damaged = words[MMI_RECORD_CHECK] != mmi_record_check(words, length) ||
                      !record_take_state(d, words[MMI_RECORD_STATE], record);
    const char *text = (const char *)(words + MMI_RECORD_WORDS);
    /* Its numbers are whole, so they are read alike in every locale. */
    record->json = cJSON_ParseWithLength(text, length);
    if (record->json || record->damaged)
        return MOFKA_OK;
    bool good;
    status = record_check_json(text, length, &good);
    record->damaged = !good;
    return status;
}

mofka_status_t mmi_directory_next(const mmi_directory_t *d, uint64_t *at, int64_t deadline,
                                  mmi_record_t *record) {
    uint64_t end = MMI_DIRECTORY_START + d->directory_bytes, word = 0;
    assert(*at % 8 == 0 && *at >= MMI_DIRECTORY_START && *at <= end);
    *record = (mmi_record_t){.at = *at};
    if (*at + 8 > end)
        return MOFKA_OK;
    mofka_status_t status = mmi_window_read(d->w, 0, *at, &word, 1, deadline);
    uint64_t length = mmi_unseal(word);
    if (status || word == 0)
        return status;
    if (!mmi_is_sealed(word) || length > d->directory_bytes || mmi_record_bytes(length) > end - *at)
        return mofka_fail(MOFKA_ERR_CORRUPT,
                          "the directory is damaged at byte %" PRIu64 ": no length of a record "
                          "(0x%016" PRIx64 ")",
                          *at - MMI_DIRECTORY_START, word);
    uint64_t *words = malloc((size_t)mmi_record_bytes(length));
    if (!words)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a directory record");
    status = record_read(d, words, length, deadline, record);
    free(words);
    if (!status)
        *at += mmi_record_bytes(length);
    return status;
}

void mmi_record_end(mmi_record_t *record) {
    cJSON_Delete(record->json);
    record->json = NULL;
}

static const char *record_text(const cJSON *json, const char *key, const char *missing) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
    return text ? text : missing;
}

static const char *record_name(const mmi_record_t *record) {
    return record_text(record->json, "name", "");
}

mofka_status_t mmi_record_damaged(const mmi_record_t *record) {
    const char *name = record_name(record);
    return mofka_fail(MOFKA_ERR_CORRUPT,
                      "a record of the directory, at byte %" PRIu64 ", is damaged%s%.*s%s",
                      record->at - MMI_DIRECTORY_START, name[0] ? "; its topic may be '" : "",
                      MOFKA_NAME_BYTES_MAX, name, name[0] ? "'" : "");
}

/* Whether the record is of the topic `name`. One that is damaged may be. */
static bool record_is(const mmi_record_t *record, const char *name) {
    return strcmp(record_name(record), name) == 0 ||
           (record->damaged && record->name_check == mmi_name_check(name));
}

/* `record->json`: give; NULL: there is no topic of that name. MOFKA_ERR_CORRUPT: a damaged record
 * is that topic's. */
static mofka_status_t record_find(const mmi_directory_t *d, const char *name, int64_t deadline,
                                  mmi_record_t *record) {
    uint64_t at = MMI_DIRECTORY_START;
    bool damaged = false;
    for (;;) {
        mofka_status_t status = mmi_directory_next(d, &at, deadline, record);
        if (status)
            return status;
        if (!record->json && !record->damaged)
            break;
        bool found = record_is(record, name);
        if (found && !record->damaged && record->making != MMI_NOT_MADE)
            return MOFKA_OK;
        damaged |= found && record->damaged;
        mmi_record_end(record);
    }
    return damaged ? mofka_fail(MOFKA_ERR_CORRUPT,
                                "the record of topic '%s' in the directory is damaged", name)
                   : MOFKA_OK;
}

mofka_status_t mmi_record_look(const mmi_directory_t *d, mmi_record_t *record, int64_t deadline) {
    uint64_t word;
    assert(record->making == MMI_MAKING);
    mofka_status_t status =
        mmi_window_read(d->w, 0, record->at + MMI_RECORD_STATE * sizeof word, &word, 1, deadline);
    if (!status && !record_take_state(d, word, record))
        status = mofka_fail(MOFKA_ERR_CORRUPT,
                            "a record of the directory, at byte %" PRIu64
                            ", is damaged (0x%016" PRIx64 ")",
                            record->at - MMI_DIRECTORY_START, word);
    return status;
}

/* Wait until the partitions of the topic are made. A look that the deadline cuts short says nothing
 * of rank 0 if that has answered lately. */
static mofka_status_t record_wait(const mmi_directory_t *d, const char *name, mmi_record_t *record,
                                  int64_t deadline) {
    int64_t seen_ms = mmi_now_ms();
    for (int64_t us = 20; record->making == MMI_MAKING; mmi_back_off(&us, 1000)) {
        mofka_status_t status = mmi_record_look(d, record, deadline);
        int64_t now = mmi_now_ms();
        if (status && (status != MOFKA_ERR_TIMEOUT || now - seen_ms > ANSWER_MS))
            return status;
        if (record->making == MMI_MAKING && now >= deadline)
            return mofka_fail(MOFKA_ERR_TIMEOUT, "rank %d has not finished creating topic '%s'",
                              record->maker, name);
        seen_ms = status ? seen_ms : now;
    }
    return record->making == MMI_MADE
               ? MOFKA_OK
               : mofka_fail(MOFKA_ERR_NOT_FOUND, "rank %d could not create topic '%s'",
                            record->maker, name);
}

/* ---- topics --------------------------------------------------------------------------------- */

static char *record_copy(const cJSON *json, const char *key) {
    const char *text = record_text(json, key, NULL);
    return text ? strdup(text) : NULL;
}

static mofka_status_t record_open(const mmi_directory_t *d, const cJSON *json,
                                  mofka_topic_made_t *made) {
    mmi_topic_t *topic;
    assert(d->topic_ops);
    mofka_status_t status = mmi_topic_create(d, json, &topic);
    if (status)
        return status;
    mofka_topic_made_t all = {.ops = d->topic_ops,
                              .self = topic,
                              .partition_count = topic->partition_count,
                              .validator = record_copy(json, "validator"),
                              .selector = record_copy(json, "selector"),
                              .serializer = record_copy(json, "serializer")};
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
                                        int64_t deadline, mofka_topic_made_t *made) {
    mmi_record_t record;
    mofka_status_t status = record_find(d, name, deadline, &record);
    if (!status && !record.json)
        status = mofka_fail(MOFKA_ERR_NOT_FOUND, "there is no topic '%s'", name);
    if (!status)
        status = record_wait(d, name, &record, deadline);
    if (!status)
        status = record_open(d, record.json, made);
    mmi_record_end(&record);
    return status;
}

mofka_status_t mmi_directory_has_topic(const mmi_directory_t *d, const char *name, bool *exists) {
    mmi_record_t record;
    mofka_status_t status = record_find(d, name, mmi_deadline(READ_MS), &record);
    if (!status)
        *exists = record.json != NULL;
    mmi_record_end(&record);
    return status;
}

/* What users see of a record: not where its partitions are. */
static mofka_status_t record_describe(const mmi_record_t *record, mofka_metadata_t **description) {
    static const char *const keys[] = {"options", "validator", "selector", "serializer"};
    int partitions =
        cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(record->json, "partitions"));
    cJSON *json = cJSON_CreateObject();
    bool good = cJSON_AddStringToObject(json, "name", record_name(record)) &&
                cJSON_AddNumberToObject(json, "partitions", partitions);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        good =
            good && cJSON_AddRawToObject(json, keys[i], record_text(record->json, keys[i], "null"));
    char *text = good ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    mofka_status_t status =
        text ? mofka_metadata_create(text, strlen(text), description)
             : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a topic's description");
    cJSON_free(text);
    return status;
}

static mofka_status_t record_visit(const mmi_record_t *record, mofka_topic_visit_fn visit,
                                   void *context) {
    mofka_metadata_t *description;
    mofka_status_t status = record_describe(record, &description);
    if (status)
        return status;
    status = visit(context, record_name(record), description);
    mofka_metadata_release(description);
    return status;
}

/* Damaged records are reported after the others were visited. */
mofka_status_t mmi_directory_list_topics(const mmi_directory_t *d, mofka_topic_visit_fn visit,
                                         void *context) {
    uint64_t at = MMI_DIRECTORY_START, damaged_at = 0;
    for (;;) {
        mmi_record_t record;
        mofka_status_t status = mmi_directory_next(d, &at, mmi_deadline(READ_MS), &record);
        if (status)
            return status;
        if (!record.json && !record.damaged)
            break;
        if (record.damaged && damaged_at == 0)
            damaged_at = record.at;
        if (!record.damaged && record.making != MMI_NOT_MADE)
            status = record_visit(&record, visit, context);
        mmi_record_end(&record);
        if (status)
            return status;
    }
    if (damaged_at == 0)
        return MOFKA_OK;
    mmi_record_t damaged;
    mofka_status_t status = mmi_directory_next(d, &damaged_at, INT64_MAX, &damaged);
    if (status)
        return status;
    status = mmi_record_damaged(&damaged);
    mmi_record_end(&damaged);
    return status;
}
