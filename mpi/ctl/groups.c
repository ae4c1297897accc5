/* Options that are JSON objects, built up from files, texts and single values. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "ctl.h"

/* Keys in a path: what a person types, far below what printing the tree can nest. */
#define PATH_KEYS_MAX 64

char *read_whole_file(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t size = 0, room = 0;
    while (file && !ferror(file) && !feof(file)) {
        if (room - size < 4096) {
            room = room ? 2 * room : 8192;
            char *more = realloc(text, room);
            if (!more) {
                errno = ENOMEM;
                break;
            }
            text = more;
        }
        size += fread(text + size, 1, room - size - 1, file);
    }
    bool whole = file && !ferror(file) && feof(file);
    if (!whole) {
        complain("cannot read '%s': %s", path, strerror(errno));
        free(text);
        text = NULL;
    } else {
        text[size] = '\0';
        *bytes = size;
    }
    if (file)
        fclose(file);
    return text;
}

/* `from` is taken. Objects are merged key by key; anything else replaces what was there. */
static void merge(cJSON *into, cJSON *from) {
    for (cJSON *item = from->child; item;) {
        cJSON *next = item->next;
        cJSON *old = cJSON_GetObjectItemCaseSensitive(into, item->string);
        cJSON_DetachItemViaPointer(from, item);
        if (old && cJSON_IsObject(old) && cJSON_IsObject(item)) {
            merge(old, item);
        } else {
            if (old)
                cJSON_Delete(cJSON_DetachItemViaPointer(into, old));
            cJSON_AddItemToObject(into, item->string, item);
        }
        item = next;
    }
    cJSON_Delete(from);
}

static bool set_all(group_t *group, const char *name, const char *value) {
    bool is_text = value[strspn(value, " \t\r\n")] == '{';
    size_t bytes = strlen(value);
    char *file = is_text ? NULL : read_whole_file(value, &bytes);
    if (!is_text && !file)
        return complain("--%s takes a JSON object or the file that holds one", name);
    const char *text = file ? file : value, *end = NULL;
    cJSON *json = cJSON_ParseWithLengthOpts(text, bytes + 1, &end, true);
    if (!cJSON_IsObject(json)) {
        if (json || !end)
            complain("--%s: '%.100s' is no JSON object", name, file ? value : text);
        else
            complain("--%s: no JSON at byte %zu of '%.100s'", name, (size_t)(end - text), value);
        cJSON_Delete(json);
        free(file);
        return false;
    }
    free(file);
    merge(group->json, json);
    return true;
}

/* JSON where it is JSON, else a string. */
static cJSON *value_of(const char *text) {
    cJSON *json = cJSON_ParseWithOpts(text, NULL, true);
    return json ? json : cJSON_CreateString(text);
}

/* The object at all but the last key of the path; missing ones are made. `*last`: that key. */
static cJSON *descend(cJSON *json, const char *name, char *path, char **last) {
    int keys = 0;
    char *rest = path;
    for (char *key = strsep(&rest, "."); key; key = strsep(&rest, ".")) {
        if (!*key || ++keys > PATH_KEYS_MAX) {
            complain("--%s: keys are 1 to %d names with dots between them", name, PATH_KEYS_MAX);
            return NULL;
        }
        *last = key;
        if (!rest)
            return json;
        cJSON *next = cJSON_GetObjectItemCaseSensitive(json, key);
        if (!next)
            next = cJSON_AddObjectToObject(json, key);
        if (!cJSON_IsObject(next)) {
            complain("--%s: '%s' is a value already, it has no keys", name, key);
            return NULL;
        }
        json = next;
    }
    return NULL;
}

bool group_set(group_t *group, const char *name, const char *path, const char *value) {
    if (!group->json)
        group->json = cJSON_CreateObject();
    if (!path)
        return set_all(group, name, value);
    char *copy = strdup(path), *key = NULL;
    cJSON *object = copy ? descend(group->json, name, copy, &key) : NULL;
    if (object) {
        cJSON_DeleteItemFromObjectCaseSensitive(object, key);
        cJSON_AddItemToObject(object, key, value_of(value));
    }
    free(copy);
    return object;
}

bool group_has(const group_t *group, const char *key) {
    return group->json && cJSON_GetObjectItemCaseSensitive(group->json, key);
}

char *group_text(const group_t *group) {
    return group->json ? cJSON_PrintUnformatted(group->json) : NULL;
}

void group_clear(group_t *group) {
    cJSON_Delete(group->json);
    group->json = NULL;
}
