/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds, lists and opens topics, from the records that this rank knows and those that are new. */
#include "mpi/topic/directory.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/alive/alive.h"
#include "mpi/errand/errand.h"

/* Within this time, rank 0 answers unless it has stopped. */
#define ANSWER_MS 1000

uint64_t mmi_directory_stage_start(const mmi_directory_t *d, int rank) {
    assert(rank >= 0 && d->directory_bytes % MMI_PAGE_BYTES == 0);
    return MMI_DIRECTORY_START + (rank == 0 ? d->directory_bytes : 0);
}

uint64_t mmi_directory_arena_start(const mmi_directory_t *d, int rank) {
    assert(d->stage_bytes % MMI_PAGE_BYTES == 0);
    return mmi_directory_stage_start(d, rank) + d->stage_bytes;
}

/* A rank that died with the lock may have changed a record, and not said so yet. */
static mofka_status_t directory_repair(const mmi_directory_t *d) {
    const uint64_t at = offsetof(mmi_share_t, directory_changes);
    mmi_window_t *w = mmi_directory_window(d);
    uint64_t word = w->ops->load(w, 0, at);
    if (mmi_is_sealed(word)) /* else who reads it reports that */
        w->ops->store(w, 0, at, mmi_seal(mmi_unseal(word) + 1));
    return mmi_window_check(w, 0);
}

mofka_status_t mmi_directory_lock(const mmi_directory_t *d) {
    bool from_dead;
    mofka_status_t status =
        mmi_errand_lock(d->w, 0, offsetof(mmi_share_t, directory_lock),
                        mmi_deadline(MMI_LOCK_TIMEOUT_MS), "the directory", &from_dead);
    return status || !from_dead ? status : directory_repair(d);
}

void mmi_directory_unlock(const mmi_directory_t *d) {
    mmi_errand_unlock(d->w, 0, offsetof(mmi_share_t, directory_lock));
}

static const char *record_text(const cJSON *json, const char *key, const char *missing) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
    return text ? text : missing;
}

/* Look at the directory, and find a topic. Where the directory is damaged, what is known can be
 * found. */
static mofka_status_t directory_find(mmi_directory_t *d, const char *name, int64_t deadline,
                                     mmi_record_t **record) {
    mofka_status_t looked = mmi_records_refresh(d, deadline, NULL);
    if (looked && looked != MOFKA_ERR_CORRUPT)
        return looked;
    mofka_status_t status = mmi_records_find(d, name, deadline, record);
    return status || *record ? status : looked;
}

/* The maker may have stored the last state just before it died: so that is read after the proof. */
bool mmi_record_is_abandoned(const mmi_directory_t *d, mmi_record_t *record) {
    return mmi_record_making(record) == MMI_MAKING &&
           mmi_alive_is_dead(mmi_directory_window(d),
                             mmi_state_maker(atomic_load(&record->state))) &&
           mmi_record_look(d, record, mmi_deadline(MMI_DIRECTORY_READ_MS)) == MOFKA_OK &&
           mmi_record_making(record) == MMI_MAKING;
}

static mofka_status_t record_fail_making(const mmi_directory_t *d, const char *name,
                                         const mmi_record_t *record) {
    char text[MMI_ALIVE_TEXT_BYTES];
    mmi_alive_describe(mmi_directory_window(d), mmi_state_maker(atomic_load(&record->state)), text);
    return mofka_fail(MOFKA_ERR_TIMEOUT, "%s has not finished creating topic '%s'", text, name);
}

/* Wait until the partitions of the topic are made. A look that the deadline cuts short says nothing
 * of rank 0 if that has answered lately. */
static mofka_status_t record_wait(const mmi_directory_t *d, const char *name, mmi_record_t *record,
                                  int64_t deadline) {
    int64_t seen_ms = mmi_now_ms();
    for (int64_t us = 20; mmi_record_making(record) == MMI_MAKING; mmi_back_off(&us, 1000)) {
        mofka_status_t status = mmi_record_look(d, record, deadline);
        int64_t now = mmi_now_ms();
        if (status && (status != MOFKA_ERR_TIMEOUT || now - seen_ms > ANSWER_MS))
            return status;
        if (mmi_record_making(record) == MMI_MAKING && now >= deadline)
            return record_fail_making(d, name, record);
        seen_ms = status ? seen_ms : now;
    }
    return mmi_record_making(record) == MMI_MADE
               ? MOFKA_OK
               : mofka_fail(MOFKA_ERR_NOT_FOUND, "topic '%s' could not be created, or was deleted",
                            name);
}

/* ---- topics --------------------------------------------------------------------------------- */

static char *record_copy(const cJSON *json, const char *key) {
    const char *text = record_text(json, key, NULL);
    return text ? strdup(text) : NULL;
}

static mofka_status_t record_open(const mmi_directory_t *d, const mmi_record_t *record,
                                  mofka_topic_made_t *made) {
    mmi_topic_t *topic = record->topic;
    assert(d->topic_ops);
    if (!topic) { /* what is wrong with it? */
        mofka_status_t status = mmi_topic_create(d, record->json, &topic);
        if (!status)
            mmi_topic_destroy(topic);
        return status ? status : mmi_record_damaged(record);
    }
    mofka_topic_made_t all = {.ops = d->topic_ops,
                              .self = topic,
                              .partition_count = topic->partition_count,
                              .validator = record_copy(record->json, "validator"),
                              .selector = record_copy(record->json, "selector"),
                              .serializer = record_copy(record->json, "serializer")};
    if (!all.validator || !all.selector || !all.serializer) {
        free(all.validator);
        free(all.selector);
        free(all.serializer);
        return mofka_fail(MOFKA_ERR_MEMORY,
                          "no memory for a topic's validator, selector, serializer");
    }
    mmi_topic_retain(topic);
    *made = all;
    return MOFKA_OK;
}

mofka_status_t mmi_directory_open_topic(mmi_directory_t *d, const char *name, int64_t deadline,
                                        mofka_topic_made_t *made) {
    mmi_record_t *record = NULL;
    mofka_status_t status = directory_find(d, name, deadline, &record);
    if (status)
        return status;
    if (!record)
        return mofka_fail(MOFKA_ERR_NOT_FOUND, "there is no topic '%s'", name);
    status = record_wait(d, name, record, deadline);
    if (!status)
        status = record_open(d, record, made);
    mmi_record_release(record);
    return status;
}

mofka_status_t mmi_directory_has_topic(mmi_directory_t *d, const char *name, bool *exists) {
    mmi_record_t *record = NULL;
    mofka_status_t status = directory_find(d, name, mmi_deadline(MMI_DIRECTORY_READ_MS), &record);
    if (!status)
        *exists = record && !mmi_record_is_abandoned(d, record);
    mmi_record_release(record);
    return status;
}

/* What users see of a record: not where its partitions are. */
static mofka_status_t record_describe(const mmi_record_t *record, mofka_metadata_t **description) {
    static const char *const keys[] = {"options", "validator", "selector", "serializer"};
    int partitions =
        cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(record->json, "partitions"));
    cJSON *json = cJSON_CreateObject();
    bool good = cJSON_AddStringToObject(json, "name", record->name) &&
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
    status = visit(context, record->name, description);
    mofka_metadata_release(description);
    return status;
}

/* A topic that is being made is listed. */
static mofka_status_t record_list(const mmi_directory_t *d, mmi_record_t *record,
                                  mofka_topic_visit_fn visit, void *context) {
    mofka_status_t status = MOFKA_OK;
    if (mmi_record_making(record) == MMI_MAKING)
        status = mmi_record_look(d, record, mmi_deadline(MMI_DIRECTORY_READ_MS));
    if (status || mmi_record_making(record) == MMI_NOT_MADE)
        return status;
    return record_visit(record, visit, context);
}

/* Damaged records are reported after the others were visited. */
mofka_status_t mmi_directory_list_topics(mmi_directory_t *d, mofka_topic_visit_fn visit,
                                         void *context) {
    mofka_status_t looked = mmi_records_refresh(d, mmi_deadline(MMI_DIRECTORY_READ_MS), NULL);
    if (looked && looked != MOFKA_ERR_CORRUPT)
        return looked;
    mmi_record_t *record, *damaged = NULL;
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; !status && (record = mmi_records_get(d, i)); i++) {
        if (!record->damaged)
            status = record_list(d, record, visit, context);
        if (record->damaged && !damaged)
            damaged = record;
        else
            mmi_record_release(record);
    }
    if (!status && damaged)
        status = mmi_record_damaged(damaged);
    if (!status && looked) /* its message may be gone */
        status = mmi_records_refresh(d, mmi_deadline(MMI_DIRECTORY_READ_MS), NULL);
    mmi_record_release(damaged);
    return status;
}
