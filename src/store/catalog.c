/* SPDX-License-Identifier: BSD-3-Clause */
/* A store's folder: its uuid, its topics, and where their partitions are. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "json/text.h"
#include "json/tree.h"
#include "store/record.h"

/* Folders of a store above that of a topic's parent, and the one that the store is in. */
#define STORE_FOLDERS 2

/* ---- the store ------------------------------------------------------------------------------- */

mofka_status_t mfi_store_lock(const mfi_store_t *store, int *lock) {
    char path[MFI_PATH_BYTES_MAX];
    mofka_status_t status = mfi_io_path(path, store->path, "lock");
    if (status)
        return status;
    *lock = store->io.ops->open(store->io.self, path, O_RDWR | O_CREAT);
    if (*lock < 0)
        return mfi_io_fail(*lock, "open", path);
    int error = mfi_io_lock(&store->io, *lock, 0);
    if (!error)
        return MOFKA_OK;
    store->io.ops->close(store->io.self, *lock);
    return error == -EAGAIN ? mofka_fail(MOFKA_ERR_BUSY,
                                         "the store %s is in use: another process makes a topic in "
                                         "it, or cuts one",
                                         store->path)
                            : mfi_io_fail(error, "lock", path);
}

void mfi_store_unlock(const mfi_store_t *store, int lock) {
    store->io.ops->unlock(store->io.self, lock, 0, 1);
    store->io.ops->close(store->io.self, lock);
}

static void folder_find_file(void *context, const char *name) {
    char *found = context;
    if (!*found)
        snprintf(found, 256, "%s", name);
}

/* Names of a store do not count: its making was interrupted, or is under way. */
static void folder_find_other_file(void *context, const char *name) {
    static const char *const names[] = {"lock", "topics", "store.json", "store.json.tmp"};
    bool other = true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        other = other && strcmp(name, names[i]) != 0;
    if (other)
        folder_find_file(context, name);
}

/* NULL: no memory. */
static cJSON *record_begin(const mfi_uuid_t *uuid) {
    char text[33], created[40];
    time_t now = time(NULL);
    struct tm tm;
    cJSON *tree = cJSON_CreateObject();
    mfi_uuid_print(uuid, text);
    gmtime_r(&now, &tm);
    strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (cJSON_AddNumberToObject(tree, "format", MFI_FORMAT_VERSION) &&
        cJSON_AddStringToObject(tree, "uuid", text) &&
        cJSON_AddStringToObject(tree, "created", created))
        return tree;
    cJSON_Delete(tree);
    return NULL;
}

static mofka_status_t store_check_folder(const mfi_store_t *store) {
    char found[256] = "";
    int error = store->io.ops->list(store->io.self, store->path, folder_find_other_file, found);
    if (error)
        return mfi_io_fail(error, "list the folder", store->path);
    if (*found)
        return mofka_fail(MOFKA_ERR_INVALID,
                          "%s has the file '%s', and no store.json: a store is made in an empty "
                          "folder",
                          store->path, found);
    return MOFKA_OK;
}

/* With the store's lock. */
static mofka_status_t store_make(mfi_store_t *store) {
    char found[256] = "", topics[MFI_PATH_BYTES_MAX];
    mofka_status_t status = mfi_io_path(topics, store->path, "topics");
    if (!status)
        status = mfi_io_make_folder(&store->io, topics);
    int error = status ? 0 : store->io.ops->list(store->io.self, topics, folder_find_file, found);
    if (error)
        return mfi_io_fail(error, "list the folder", topics);
    if (*found)
        return mofka_fail(MOFKA_ERR_INVALID,
                          "%s has topics, and no store.json: restore that, or name another folder",
                          store->path);
    mfi_uuid_make(&store->uuid);
    return status ? status
                  : mfi_record_store(&store->io, store->path, "store.json",
                                     record_begin(&store->uuid));
}

static mofka_status_t store_load(mfi_store_t *store) {
    cJSON *tree;
    mofka_status_t status = mfi_record_load(&store->io, store->path, "store.json", NULL, &tree);
    if (status)
        return status;
    const cJSON *uuid = cJSON_GetObjectItemCaseSensitive(tree, "uuid");
    if (!mfi_uuid_parse(cJSON_GetStringValue(uuid), &store->uuid))
        status = mofka_fail(MOFKA_ERR_CORRUPT, "%s/store.json has no uuid", store->path);
    cJSON_Delete(tree);
    return status;
}

static mofka_status_t store_fail_exists(const mfi_store_t *store) {
    return mofka_fail(MOFKA_ERR_EXISTS, "%s is a store already: resume it, or name another",
                      store->path);
}

/* Make a store, unless another process does it just now. */
static mofka_status_t store_make_once(mfi_store_t *store, const char *file, mfi_store_mode_t mode) {
    int lock;
    mofka_status_t status = mfi_io_make_folder(&store->io, store->path);
    if (!status)
        status = store_check_folder(store);
    if (!status)
        status = mfi_store_lock(store, &lock);
    if (status)
        return status;
    if (!mfi_io_exists(&store->io, file))
        status = store_make(store);
    else
        status = mode == MFI_STORE_NEW ? store_fail_exists(store) : store_load(store);
    mfi_store_unlock(store, lock);
    return status;
}

mofka_status_t mfi_store_open(const mfi_io_t *io, const char *path, mfi_store_mode_t mode,
                              mfi_store_t *store) {
    char file[MFI_PATH_BYTES_MAX];
    store->io = *io;
    if (snprintf(store->path, sizeof store->path, "%s", path) >= (int)sizeof store->path)
        return mofka_fail(MOFKA_ERR_TOO_LARGE, "the path of a store is too long: %.200s...", path);
    mofka_status_t status = mfi_io_path(file, store->path, "store.json");
    if (status)
        return status;
    bool there = mfi_io_exists(io, file);
    if (there && mode == MFI_STORE_NEW)
        return store_fail_exists(store);
    if (!there && mode != MFI_STORE_THERE)
        return store_make_once(store, file, mode);
    status = store_load(store);
    if (status == MOFKA_ERR_NOT_FOUND)
        return mofka_fail(status, "%s is no store: it has no store.json", store->path);
    return status;
}

/* ---- records --------------------------------------------------------------------------------- */

void mfi_topic_record_clear(mfi_topic_record_t *record) {
    for (size_t i = 0; record->hosts && i < record->partitions; i++)
        free(record->hosts[i]);
    free(record->hosts);
    free(record->name);
    free(record->options);
    free(record->validator);
    free(record->selector);
    free(record->serializer);
    *record = (mfi_topic_record_t){0};
}

/* The text of an object, as it was given: numbers keep their digits. */
static mofka_status_t record_take_object(const char *what, const char *text, size_t bytes,
                                         const char *key, char **object) {
    const char *limit = text + bytes, *value;
    mfi_scratch_t scratch = {0};
    mofka_status_t status =
        mfi_json_member(mfi_json_begin(text), limit, key, strlen(key), &scratch, &value);
    free(scratch.bytes);
    if (status)
        return status;
    if (!value || *value != '{')
        return mofka_fail(MOFKA_ERR_CORRUPT, "%s has no object \"%s\"", what, key);
    *object = strndup(value, (size_t)(mfi_json_end(value, limit) - value));
    return *object ? MOFKA_OK : mofka_fail(MOFKA_ERR_MEMORY, "no memory for %s", what);
}

static mofka_status_t record_take_hosts(const char *what, const cJSON *tree,
                                        mfi_topic_record_t *record) {
    const cJSON *hosts = cJSON_GetObjectItemCaseSensitive(tree, "hosts");
    int count = cJSON_IsArray(hosts) ? cJSON_GetArraySize(hosts) : 0;
    if (count < 1 || count > MOFKA_PARTITIONS_MAX)
        return mofka_fail(MOFKA_ERR_CORRUPT, "%s has %d partitions, not 1 to %d", what, count,
                          MOFKA_PARTITIONS_MAX);
    record->hosts = calloc((size_t)count, sizeof *record->hosts);
    if (!record->hosts)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %s", what);
    record->partitions = (size_t)count;
    size_t i = 0;
    for (const cJSON *host = hosts->child; host; host = host->next) {
        if (!cJSON_IsString(host))
            return mofka_fail(MOFKA_ERR_CORRUPT, "%s: a host is no text", what);
        if (!(record->hosts[i++] = strdup(host->valuestring)))
            return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %s", what);
    }
    return MOFKA_OK;
}

static mofka_status_t record_take(const char *what, const char *text, size_t bytes,
                                  const cJSON *tree, mfi_topic_record_t *record) {
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(tree, "name");
    const cJSON *uuid = cJSON_GetObjectItemCaseSensitive(tree, "uuid");
    const char *chars = cJSON_GetStringValue(name);
    if (!chars || !*chars || strlen(chars) > MOFKA_NAME_BYTES_MAX ||
        !mfi_uuid_parse(cJSON_GetStringValue(uuid), &record->uuid))
        return mofka_fail(MOFKA_ERR_CORRUPT, "%s has no name, or no uuid", what);
    if (!(record->name = strdup(chars)))
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %s", what);
    mofka_status_t status = record_take_hosts(what, tree, record);
    if (!status)
        status = record_take_object(what, text, bytes, "options", &record->options);
    if (!status)
        status = record_take_object(what, text, bytes, "validator", &record->validator);
    if (!status)
        status = record_take_object(what, text, bytes, "selector", &record->selector);
    if (!status)
        status = record_take_object(what, text, bytes, "serializer", &record->serializer);
    return status;
}

mofka_status_t mfi_topic_record_parse(const char *what, const char *text, size_t bytes,
                                      mfi_topic_record_t *record) {
    cJSON *tree;
    mfi_topic_record_t made = {0};
    mofka_status_t status = mfi_record_parse(what, text, bytes, &tree);
    if (status)
        return status;
    if (!cJSON_IsObject(tree))
        status = mofka_fail(MOFKA_ERR_CORRUPT, "%s is no JSON object", what);
    if (!status)
        status = record_take(what, text, bytes, tree, &made);
    cJSON_Delete(tree);
    if (status)
        mfi_topic_record_clear(&made);
    else
        *record = made;
    return status;
}

/* ---- topics ---------------------------------------------------------------------------------- */

static mofka_status_t topic_path(const mfi_store_t *store, const char *name,
                                 char path[MFI_PATH_BYTES_MAX]) {
    char folder[256], relative[300];
    mfi_topic_folder(name, folder);
    snprintf(relative, sizeof relative, "topics/%s", folder);
    return mfi_io_path(path, store->path, relative);
}

static mofka_status_t topic_load(const mfi_store_t *store, const char *folder,
                                 mfi_topic_record_t *record) {
    char path[MFI_PATH_BYTES_MAX], *text;
    size_t bytes;
    mofka_status_t status = mfi_io_path(path, folder, "topic.json");
    if (!status)
        status = mfi_io_load(&store->io, path, MFI_STORE_JSON_BYTES_MAX, &text, &bytes);
    if (status)
        return status;
    status = mfi_topic_record_parse(path, text, bytes, record);
    free(text);
    return status;
}

mofka_status_t mfi_store_load_topic(const mfi_store_t *store, const char *name,
                                    mfi_topic_record_t *record) {
    char folder[MFI_PATH_BYTES_MAX];
    mofka_status_t status = topic_path(store, name, folder);
    if (!status)
        status = topic_load(store, folder, record);
    if (status == MOFKA_ERR_NOT_FOUND)
        return mofka_fail(status, "the store %s has no topic '%s'", store->path, name);
    if (status || strcmp(record->name, name) == 0)
        return status;
    status = mofka_fail(MOFKA_ERR_INVALID,
                        "%s/topic.json is of the topic '%s', not of '%s': the folder was renamed",
                        folder, record->name, name);
    mfi_topic_record_clear(record);
    return status;
}

static cJSON *record_make(const mofka_topic_config_t *config, const mfi_uuid_t *uuid,
                          size_t partitions, const char *const *hosts) {
    cJSON *tree = record_begin(uuid);
    cJSON_AddStringToObject(tree, "name", config->name);
    cJSON_AddRawToObject(tree, "options", config->options);
    cJSON_AddRawToObject(tree, "validator", config->validator);
    cJSON_AddRawToObject(tree, "selector", config->selector);
    cJSON_AddRawToObject(tree, "serializer", config->serializer);
    cJSON *list = cJSON_AddArrayToObject(tree, "hosts");
    for (size_t i = 0; list && i < partitions; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(hosts[i]));
    return tree;
}

/* Make the record's tree, and look whether all of it is there. */
static mofka_status_t record_make_whole(const mofka_topic_config_t *config, const mfi_uuid_t *uuid,
                                        size_t partitions, const char *const *hosts, cJSON **tree) {
    static const char *const keys[] = {"format",    "uuid",     "created",    "name", "options",
                                       "validator", "selector", "serializer", "hosts"};
    cJSON *made = record_make(config, uuid, partitions, hosts);
    bool whole = made != NULL;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && whole; i++)
        whole = cJSON_GetObjectItemCaseSensitive(made, keys[i]) != NULL;
    whole = whole && (size_t)cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(made, "hosts")) ==
                         partitions;
    if (whole) {
        *tree = made;
        return MOFKA_OK;
    }
    cJSON_Delete(made);
    return mofka_fail(MOFKA_ERR_MEMORY, "no memory for the record of topic '%s'", config->name);
}

static mofka_status_t log_fill(const mfi_store_t *store, const mfi_topic_record_t *record,
                               size_t partition, mfi_log_t *log);

static void partition_find_event_file(void *context, const char *name) {
    size_t length = strlen(name);
    if (length > 4 && strcmp(name + length - 4, ".log") == 0)
        folder_find_file(context, name);
}

/* A folder of a topic that has no record holds no events: its making was interrupted. */
static mofka_status_t partition_check_unused(const mfi_store_t *store,
                                             const mfi_topic_record_t *record, size_t partition) {
    mfi_log_t log;
    char found[256] = "";
    mofka_status_t status = log_fill(store, record, partition, &log);
    if (status || !mfi_io_exists(&store->io, log.folder))
        return status;
    int error = store->io.ops->list(store->io.self, log.folder, partition_find_event_file, found);
    if (error)
        return mfi_io_fail(error, "list the folder", log.folder);
    if (*found)
        return mofka_fail(MOFKA_ERR_INVALID,
                          "%s has the file '%s', and its topic has no topic.json: restore that, or "
                          "move the folder away",
                          log.folder, found);
    return mfi_io_remove(&store->io, log.folder, "places");
}

static mofka_status_t topic_make(const mfi_store_t *store, const mofka_topic_config_t *config,
                                 size_t partitions, const char *const *hosts, bool make_all) {
    char folder[MFI_PATH_BYTES_MAX];
    mfi_topic_record_t record = {.name = (char *)(uintptr_t)config->name, .partitions = partitions};
    cJSON *tree = NULL;
    mfi_uuid_make(&record.uuid);
    mofka_status_t status = record_make_whole(config, &record.uuid, partitions, hosts, &tree);
    if (status)
        return status;
    status = topic_path(store, config->name, folder);
    /* What made the store may have ended before store.json was on disk. */
    if (!status)
        status = mfi_io_sync_parents(&store->io, folder, STORE_FOLDERS);
    if (!status)
        status = mfi_io_make_folder(&store->io, folder);
    for (size_t i = 0; i < partitions && !status; i++)
        status = partition_check_unused(store, &record, i);
    for (size_t i = 0; i < partitions && make_all && !status; i++)
        status = mfi_store_make_partition(store, &record, i);
    if (!status)
        return mfi_record_store(&store->io, folder, "topic.json", tree);
    cJSON_Delete(tree);
    return status;
}

mofka_status_t mfi_store_create_topic(const mfi_store_t *store, const mofka_topic_config_t *config,
                                      size_t partitions, const char *const *hosts, bool make_all) {
    char folder[MFI_PATH_BYTES_MAX], path[MFI_PATH_BYTES_MAX];
    if (partitions < 1 || partitions > MOFKA_PARTITIONS_MAX)
        return mofka_fail(MOFKA_ERR_RANGE, "topic '%s': %zu partitions, not 1 to %d", config->name,
                          partitions, MOFKA_PARTITIONS_MAX);
    mofka_status_t status = topic_path(store, config->name, folder);
    if (!status)
        status = mfi_io_path(path, folder, "topic.json");
    if (status)
        return status;
    int lock;
    status = mfi_store_lock(store, &lock);
    if (status)
        return status;
    status = mfi_io_exists(&store->io, path)
                 ? mofka_fail(MOFKA_ERR_EXISTS, "the store %s has a topic '%s' already",
                              store->path, config->name)
                 : topic_make(store, config, partitions, hosts, make_all);
    mfi_store_unlock(store, lock);
    return status;
}

typedef struct topic_list {
    char **names;
    size_t count;
    bool no_memory;
} topic_list_t;

static void topic_list_add(void *context, const char *name) {
    topic_list_t *list = context;
    char **names = reallocarray(list->names, list->count + 1, sizeof *names);
    list->names = names ? names : list->names;
    if (names && (names[list->count] = strdup(name)))
        list->count++;
    else
        list->no_memory = true;
}

/* The folder `name` is that of the topic. */
static mofka_status_t topic_check_folder(const char *folder, const char *name,
                                         const mfi_topic_record_t *record) {
    char right[256];
    mfi_topic_folder(record->name, right);
    return strcmp(right, name) == 0
               ? MOFKA_OK
               : mofka_fail(
                     MOFKA_ERR_INVALID,
                     "%s/topic.json is of the topic '%s': the folder was renamed, or copied; "
                     "its name was %s",
                     folder, record->name, right);
}

static mofka_status_t topic_visit(const mfi_store_t *store, const char *topics, const char *name,
                                  mofka_status_t (*visit)(void *, const mfi_topic_record_t *),
                                  void *context) {
    char folder[MFI_PATH_BYTES_MAX];
    mfi_topic_record_t record;
    if (name[strlen(name) - 1] != '%')
        return mofka_fail(MOFKA_ERR_INVALID,
                          "%s/%s is not the folder of a topic: move it out of the store", topics,
                          name);
    mofka_status_t status = mfi_io_path(folder, topics, name);
    if (!status)
        status = topic_load(store, folder, &record);
    if (status == MOFKA_ERR_NOT_FOUND)
        return MOFKA_OK; /* it is being made, or its making was interrupted */
    if (status)
        return status;
    status = topic_check_folder(folder, name, &record);
    if (!status)
        status = visit(context, &record);
    mfi_topic_record_clear(&record);
    return status;
}

mofka_status_t mfi_store_list_topics(const mfi_store_t *store,
                                     mofka_status_t (*visit)(void *context,
                                                             const mfi_topic_record_t *record),
                                     void *context) {
    char topics[MFI_PATH_BYTES_MAX];
    topic_list_t list = {0};
    mofka_status_t status = mfi_io_path(topics, store->path, "topics");
    int error = status ? 0 : store->io.ops->list(store->io.self, topics, topic_list_add, &list);
    if (error)
        status = mfi_io_fail(error, "list the folder", topics);
    else if (list.no_memory)
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory to list %s", topics);
    for (size_t i = 0; i < list.count; i++) {
        if (!status)
            status = topic_visit(store, topics, list.names[i], visit, context);
        free(list.names[i]);
    }
    free(list.names);
    return status;
}

/* ---- partitions ------------------------------------------------------------------------------ */

static mofka_status_t log_fill(const mfi_store_t *store, const mfi_topic_record_t *record,
                               size_t partition, mfi_log_t *log) {
    char folder[MFI_PATH_BYTES_MAX], name[24];
    if (partition >= record->partitions)
        return mofka_fail(MOFKA_ERR_RANGE, "topic '%s' has no partition %zu, but %zu", record->name,
                          partition, record->partitions);
    *log = (mfi_log_t){.io = store->io,
                       .store = store->uuid,
                       .topic = record->uuid,
                       .partition = (uint32_t)partition};
    snprintf(name, sizeof name, "%04zu", partition);
    mofka_status_t status = topic_path(store, record->name, folder);
    return status ? status : mfi_io_path(log->folder, folder, name);
}

mofka_status_t mfi_store_make_partition(const mfi_store_t *store, const mfi_topic_record_t *record,
                                        size_t partition) {
    mfi_log_t log;
    mofka_status_t status = log_fill(store, record, partition, &log);
    if (!status)
        status = mfi_io_make_folder(&store->io, log.folder);
    return status ? status : mfi_places_make(&log);
}

mofka_status_t mfi_store_log(const mfi_store_t *store, const mfi_topic_record_t *record,
                             size_t partition, mfi_log_t *log) {
    mofka_status_t status = log_fill(store, record, partition, log);
    if (status)
        return status;
    if (mfi_io_exists(&store->io, log->folder))
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_NOT_FOUND,
                      "partition %zu of topic '%s' is not here: %s is missing; its files were made "
                      "on host '%s'",
                      partition, record->name, log->folder, record->hosts[partition]);
}
