/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registry of types: for each kind a table of names and functions, under one lock. Libraries
 * are loaded (plugin.c) with no lock held, since their constructors register types. They stay
 * loaded.
 */
#include "types/registry.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/register.h>
#include <mofka/driver.h>
#include "base/at_fork.h"
#include "base/log.h"
#include "base/text/message.h"
#include "json/text.h"
#include "json/tree.h"

#define TYPES_MAX 64 /* per kind: a program has a handful */
#define TYPE_BYTES_MAX 63

typedef struct registry_entry {
    char type[TYPE_BYTES_MAX + 1];
    mfi_function_t create;
} registry_entry_t;

static pthread_mutex_t registry_lock =
    PTHREAD_MUTEX_INITIALIZER; /* guards the two tables below; a leaf */
static registry_entry_t registry_entries[MFI_REGISTRY_KINDS][TYPES_MAX];
static size_t registry_count[MFI_REGISTRY_KINDS];

static void registry_hold(void) {
    pthread_mutex_lock(&registry_lock);
}

static void registry_release(void) {
    pthread_mutex_unlock(&registry_lock);
}

/* A forked child may create objects of its own. */
static const mfi_fork_handlers_t registry_fork_handlers = {registry_hold, registry_release,
                                                           registry_release};

__attribute__((constructor)) static void registry_watch_forks(void) {
    mfi_at_fork(MFI_FORK_REGISTRY, &registry_fork_handlers);
}

static const char *const registry_kind_names[] = {"driver", "validator", "serializer",
                                                  "partition selector"};

/* With the lock. NULL: it is not registered. */
static mfi_function_t registry_look_up_locked(mfi_registry_kind_t kind, const char *type,
                                              size_t length) {
    assert(kind < MFI_REGISTRY_KINDS && registry_count[kind] <= TYPES_MAX);
    for (size_t i = 0; i < registry_count[kind]; i++)
        if (strlen(registry_entries[kind][i].type) == length &&
            memcmp(registry_entries[kind][i].type, type, length) == 0)
            return registry_entries[kind][i].create;
    return NULL;
}

static mfi_function_t registry_look_up(mfi_registry_kind_t kind, const char *type, size_t length) {
    pthread_mutex_lock(&registry_lock);
    mfi_function_t found = registry_look_up_locked(kind, type, length);
    pthread_mutex_unlock(&registry_lock);
    return found;
}

mofka_status_t mfi_registry_add(mfi_registry_kind_t kind, const char *type, mfi_function_t create) {
    if (!type || !*type || strlen(type) > TYPE_BYTES_MAX || strchr(type, ':') || !create)
        return mofka_fail(
            MOFKA_ERR_INVALID,
            "%s type '%s' needs a name of 1 to %d bytes without a colon, and a function",
            registry_kind_names[kind], type ? type : "(NULL)", TYPE_BYTES_MAX);
    pthread_mutex_lock(&registry_lock);
    bool exists = registry_look_up_locked(kind, type, strlen(type)) != NULL;
    bool full = registry_count[kind] == TYPES_MAX;
    if (!exists && !full) {
        registry_entry_t *entry = &registry_entries[kind][registry_count[kind]++];
        memcpy(entry->type, type, strlen(type) + 1);
        entry->create = create;
    }
    pthread_mutex_unlock(&registry_lock);
    if (exists)
        return mofka_fail(MOFKA_ERR_EXISTS, "%s type '%s' is registered already",
                          registry_kind_names[kind], type);
    return full ? mofka_fail(MOFKA_ERR_FULL, "there are %d %s types; there is no room for '%s'",
                             TYPES_MAX, registry_kind_names[kind], type)
                : MOFKA_OK;
}

/* The registered types, for messages. */
static void registry_list(mfi_registry_kind_t kind, char *text, size_t bytes) {
    size_t used = 0;
    snprintf(text, bytes, "none");
    pthread_mutex_lock(&registry_lock);
    for (size_t i = 0; i < registry_count[kind] && used < bytes; i++)
        used = mfi_message_append(text, bytes, used, "%s%s", i ? ", " : "",
                                  registry_entries[kind][i].type);
    pthread_mutex_unlock(&registry_lock);
}

static mofka_status_t registry_load_by_name(mfi_registry_kind_t kind, const char *type,
                                            mfi_named_by_t by) {
    char why[MOFKA_MESSAGE_BYTES_MAX + 1], known[200];
    if (mfi_plugin_load_by_name(by, type, why) && registry_look_up(kind, type, strlen(type)))
        return MOFKA_OK;
    registry_list(kind, known, sizeof known);
    return mofka_fail(MOFKA_ERR_NOT_FOUND,
                      "%s type '%.*s' is neither registered (%s) nor in a library: tried "
                      "libmofka-%.*s.so; %s",
                      registry_kind_names[kind], MFI_QUOTE(type, strlen(type), 100), known,
                      MFI_QUOTE(type, strlen(type), TYPE_BYTES_MAX), why);
}

static mofka_status_t registry_load_by_path(mfi_registry_kind_t kind, const char *type,
                                            const char *path, mfi_named_by_t by) {
    char why[MOFKA_MESSAGE_BYTES_MAX + 1], known[200];
    if (mfi_plugin_load_by_path(by, path, why))
        return MOFKA_OK;
    registry_list(kind, known, sizeof known);
    return mofka_fail(MOFKA_ERR_NOT_FOUND, "%s type '%.*s' is not registered (%s): %s",
                      registry_kind_names[kind], MFI_QUOTE(type, strlen(type), 200), known, why);
}

mofka_status_t mfi_registry_find(mfi_registry_kind_t kind, const char *type, mfi_named_by_t by,
                                 mfi_function_t *create) {
    char known[200];
    if (!type || !*type) {
        registry_list(kind, known, sizeof known);
        return mofka_fail(MOFKA_ERR_INVALID, "%s type is empty; registered are %s",
                          registry_kind_names[kind], known);
    }
    const char *colon = strchr(type, ':');
    size_t length = colon ? (size_t)(colon - type) : strlen(type);
    mofka_status_t status = MOFKA_OK;
    if (colon && !registry_look_up(kind, type, length))
        status = registry_load_by_path(kind, type, colon + 1, by);
    else if (!colon && !registry_look_up(kind, type, length))
        status = registry_load_by_name(kind, type, by);
    if (status)
        return status;
    mfi_function_t found = registry_look_up(kind, type, length);
    if (!found) {
        registry_list(kind, known, sizeof known);
        return mofka_fail(MOFKA_ERR_NOT_FOUND,
                          "%s type '%.*s' is not registered (%s), not even by its library",
                          registry_kind_names[kind], MFI_QUOTE(type, length, 100), known);
    }
    *create = found;
    return MOFKA_OK;
}

static mofka_status_t registry_refuse_type(mfi_registry_kind_t kind, const cJSON *type) {
    char known[200], *found = mfi_json_print(type, false);
    const char *text = found ? found : "?";
    registry_list(kind, known, sizeof known);
    mofka_fail(MOFKA_ERR_OPTION,
               "%s: option \"type\" must be a string, not %.*s; registered are %s",
               registry_kind_names[kind], MFI_QUOTE(text, strlen(text), 100), known);
    cJSON_free(found);
    return MOFKA_ERR_OPTION;
}

/* Check that the option "type" has no zero byte, which would cut off its name. */
static mofka_status_t registry_check_type(mfi_registry_kind_t kind, const char *json) {
    assert(json);
    const char *limit = json + strlen(json), *type = NULL;
    mfi_scratch_t scratch = {0};
    mofka_status_t status = mfi_json_check(registry_kind_names[kind], json, strlen(json));
    if (!status)
        status = mfi_json_member(mfi_json_begin(json), limit, "type", 4, &scratch, &type);
    if (!status && type && mfi_json_has_zero(type, limit))
        status =
            mofka_fail(MOFKA_ERR_OPTION, "%s: option \"type\" has a zero byte: %.*s",
                       registry_kind_names[kind], MFI_QUOTE(type, (size_t)(limit - type), 100));
    free(scratch.bytes);
    return status;
}

mofka_status_t mfi_registry_from_json(mfi_registry_kind_t kind, const char *json, mfi_named_by_t by,
                                      mofka_metadata_t **out, mfi_function_t *create) {
    cJSON *tree = NULL;
    const char *text = json ? json : "{}";
    const char *type = "default";
    bool as_given = false; /* keep the user's text: a print of the tree would lose digits */
    mofka_status_t status = mfi_json_parse(registry_kind_names[kind], text, strlen(text), &tree);
    if (status == MOFKA_ERR_MEMORY)
        return status;
    if (!*text)
        return mofka_fail(
            MOFKA_ERR_JSON,
            "%s: empty text instead of a JSON object; one that was wrapped has no JSON",
            registry_kind_names[kind]);
    if (!cJSON_IsObject(tree)) {
        status = mofka_fail(MOFKA_ERR_JSON, "%s: not a JSON object: '%.*s'",
                            registry_kind_names[kind], MFI_QUOTE(text, strlen(text), 200));
    } else if (cJSON_GetObjectItemCaseSensitive(tree, "type")) {
        type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "type"));
        if (!type)
            status = registry_refuse_type(kind, cJSON_GetObjectItemCaseSensitive(tree, "type"));
        else
            status = registry_check_type(kind, json);
        as_given = true;
    } else if (!cJSON_AddStringToObject(tree, "type", type)) {
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for a %s", registry_kind_names[kind]);
    }
    if (!status)
        status = mfi_registry_find(kind, type, by, create);
    if (!status)
        status = as_given ? mofka_metadata_create(json, strlen(json), out)
                          : mofka_metadata_create_json(tree, out);
    if (status || as_given)
        cJSON_Delete(tree);
    return status;
}

void mofka_registered(const char *kind, const char *type, mofka_status_t status) {
    if (status)
        mfi_log(MOFKA_LOG_ERROR, "registering %s '%s': %s", kind, type, mofka_last_error());
}
