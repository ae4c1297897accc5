/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cuts a topic back, in all of its partitions or in none.
 *
 *   check all ends ... write `intent`, synced ... cut each partition ... remove `intent`, synced
 *
 * All of it with the store's lock, so there is one intent, and it is done by one process.
 * A crash before the intent leaves all as it was; after it, the next open does it again from the
 * start. Cutting twice at one id changes nothing.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "store/record.h"

/* The partitions of a topic, locked. */
typedef struct cut_logs {
    mfi_log_t *logs;
    mfi_lock_t **locks;
    size_t count;
} cut_logs_t;

static void cut_unlock(cut_logs_t *c) {
    for (size_t i = 0; i < c->count && c->locks; i++)
        mfi_lock_release(c->locks[i]);
    free(c->locks);
    free(c->logs);
}

static mofka_status_t cut_lock(const mfi_store_t *store, const mfi_topic_record_t *record,
                               cut_logs_t *c) {
    c->count = record->partitions;
    c->logs = calloc(c->count, sizeof *c->logs);
    c->locks = calloc(c->count, sizeof *c->locks);
    if (!c->logs || !c->locks)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to cut topic '%s'", record->name);
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < c->count && !status; i++) {
        status = mfi_store_log(store, record, i, &c->logs[i]);
        if (!status)
            status = mfi_lock_take(&c->logs[i], NULL, &c->locks[i]);
    }
    return status;
}

/* An end is on disk, and nothing before it is damaged. It stays there: after a crash the intent can
 * be done. */
static mofka_status_t cut_check_one(const mfi_log_t *log, uint64_t end) {
    mfi_scan_t scan = {0};
    mofka_status_t status = mfi_log_settle(log, &scan);
    if (!status && (end > scan.end || end < scan.oldest))
        status =
            mofka_fail(MOFKA_ERR_RANGE,
                       "%s has events %" PRIu64 " to %" PRIu64 ": it cannot be cut at %" PRIu64,
                       log->folder, scan.oldest, scan.end, end);
    if (!status && scan.damaged_events > 0 && scan.damage.id < end)
        status = mofka_fail(MOFKA_ERR_CORRUPT,
                            "%s: event %" PRIu64 " is damaged; \"mofkactl log repair\" comes first",
                            log->folder, scan.damage.id);
    return status;
}

static mofka_status_t cut_all(const cut_logs_t *c, const uint64_t *ends) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < c->count && !status; i++) {
        mfi_writer_t *writer;
        mfi_opened_t opened;
        status =
            mfi_writer_open(&c->logs[i], &(mfi_writer_options_t){.cut = ends[i]}, &opened, &writer);
        if (!status)
            status = mfi_writer_close(writer);
    }
    return status;
}

static mofka_status_t intent_write(const mfi_store_t *store, const mfi_topic_record_t *record,
                                   const uint64_t *ends) {
    cJSON *tree = cJSON_CreateObject();
    bool whole = cJSON_AddNumberToObject(tree, "format", MFI_FORMAT_VERSION) &&
                 cJSON_AddStringToObject(tree, "topic", record->name);
    cJSON *list = whole ? cJSON_AddArrayToObject(tree, "ends") : NULL;
    for (size_t i = 0; i < record->partitions && list; i++) {
        char digits[24]; /* a text: a number of JSON has fewer digits */
        snprintf(digits, sizeof digits, "%" PRIu64, ends[i]);
        cJSON_AddItemToArray(list, cJSON_CreateString(digits));
    }
    if (!list || (size_t)cJSON_GetArraySize(list) != record->partitions) {
        cJSON_Delete(tree);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to cut topic '%s'", record->name);
    }
    return mfi_record_store(&store->io, store->path, "intent", tree);
}

/* ---- after a crash --------------------------------------------------------------------------- */

static mofka_status_t intent_read_ends(const mfi_store_t *store, const cJSON *tree,
                                       const mfi_topic_record_t *record, uint64_t *ends) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(tree, "ends");
    size_t i = 0;
    if (!cJSON_IsArray(list) || (size_t)cJSON_GetArraySize(list) != record->partitions)
        return mofka_fail(MOFKA_ERR_CORRUPT, "%s/intent does not fit topic '%s'", store->path,
                          record->name);
    for (const cJSON *end = list->child; end; end = end->next, i++) {
        const char *text = cJSON_GetStringValue(end);
        char *rest = NULL;
        ends[i] = text ? strtoull(text, &rest, 10) : 0;
        if (!text || *rest || ends[i] > MFI_ID_MAX)
            return mofka_fail(MOFKA_ERR_CORRUPT, "%s/intent: an end is no number", store->path);
    }
    return MOFKA_OK;
}

static mofka_status_t intent_finish(const mfi_store_t *store, const cJSON *tree,
                                    const mfi_topic_record_t *record) {
    cut_logs_t c = {0};
    uint64_t *ends = calloc(record->partitions, sizeof *ends);
    mofka_status_t status =
        ends ? intent_read_ends(store, tree, record, ends)
             : mofka_fail(MOFKA_ERR_MEMORY, "no memory to cut topic '%s'", record->name);
    if (!status)
        status = cut_lock(store, record, &c);
    if (!status)
        status = cut_all(&c, ends);
    cut_unlock(&c);
    free(ends);
    return status;
}

static bool intent_is_there(const mfi_store_t *store) {
    char path[MFI_PATH_BYTES_MAX];
    return mfi_io_path(path, store->path, "intent") == MOFKA_OK && mfi_io_exists(&store->io, path);
}

/* With the store's lock. */
static mofka_status_t store_finish_cut(const mfi_store_t *store) {
    mfi_topic_record_t record = {0};
    cJSON *tree;
    if (!intent_is_there(store))
        return MOFKA_OK;
    mofka_status_t status = mfi_record_load(&store->io, store->path, "intent", NULL, &tree);
    if (status)
        return status;
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "topic"));
    status = name ? mfi_store_load_topic(store, name, &record)
                  : mofka_fail(MOFKA_ERR_CORRUPT, "%s/intent names no topic", store->path);
    if (!status)
        status = intent_finish(store, tree, &record);
    cJSON_Delete(tree);
    mfi_topic_record_clear(&record);
    return status ? status : mfi_io_remove(&store->io, store->path, "intent");
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Lock the partitions, and check all ends. */
static mofka_status_t cut_begin(const mfi_store_t *store, const mfi_topic_record_t *record,
                                const uint64_t *ends, cut_logs_t *c) {
    mofka_status_t status = cut_lock(store, record, c);
    for (size_t i = 0; i < c->count && !status; i++)
        status = cut_check_one(&c->logs[i], ends[i]);
    return status;
}

static mofka_status_t store_cut(const mfi_store_t *store, const mfi_topic_record_t *record,
                                const uint64_t *ends) {
    cut_logs_t c = {0};
    mofka_status_t status = cut_begin(store, record, ends, &c);
    if (!status)
        status = intent_write(store, record, ends);
    if (!status)
        status = cut_all(&c, ends);
    if (!status)
        status = mfi_io_remove(&store->io, store->path, "intent");
    cut_unlock(&c);
    return status;
}

mofka_status_t mfi_store_cut(const mfi_store_t *store, const mfi_topic_record_t *record,
                             const uint64_t *ends) {
    int lock;
    mofka_status_t status = mfi_store_lock(store, &lock);
    if (status)
        return status;
    status = store_finish_cut(store);
    if (!status)
        status = store_cut(store, record, ends);
    mfi_store_unlock(store, lock);
    return status;
}

mofka_status_t mfi_store_check_cut(const mfi_store_t *store, const mfi_topic_record_t *record,
                                   const uint64_t *ends) {
    cut_logs_t c = {0};
    mofka_status_t status = cut_begin(store, record, ends, &c);
    cut_unlock(&c);
    return status;
}

mofka_status_t mfi_store_finish_cut(const mfi_store_t *store) {
    int lock;
    if (!intent_is_there(store))
        return MOFKA_OK;
    mofka_status_t status = mfi_store_lock(store, &lock);
    if (status)
        return status;
    status = store_finish_cut(store);
    mfi_store_unlock(store, lock);
    return status;
}
