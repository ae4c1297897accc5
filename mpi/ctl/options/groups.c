/* SPDX-License-Identifier: BSD-3-Clause */
/* Options that are JSON objects, built up from files, texts and single values. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/base/read_file.h"
#include "mpi/ctl/options/groups.h"
#include "mpi/ctl/options/json.h"
#include "base/text/message.h"

/* The most keys in a path that a person types. */
#define PATH_KEYS_MAX 64
/* The most bytes of a file of options: far more than a schema has, and a size that fits in memory
 * several times. */
#define GROUP_BYTES_MAX ((size_t)16 << 20)

/* Merge `json` into the group. False: a message was printed. */
static bool option_group_merge(option_group_t *group, const char *name, const char *json,
                               size_t levels) {
    assert(ctl_json_is_object(json));
    char *merged = ctl_json_merge(group->text ? group->text : "{}", json, levels);
    if (!merged) {
        ctl_complain("--%s: %s", name, mofka_last_error());
        return false;
    }
    free(group->text);
    group->text = merged;
    return true;
}

static bool option_group_set_all(option_group_t *group, const char *name, const char *value) {
    assert(name && value);
    char what[300];
    bool is_text = value[strspn(value, " \t\r\n")] == '{';
    size_t bytes = strlen(value);
    char *file = is_text ? NULL : ctl_read_file(value, GROUP_BYTES_MAX, &bytes);
    if (!is_text && !file) {
        ctl_complain("--%s cannot be '%.*s': it must be a JSON object, or a file that holds one",
                     name, MFI_QUOTE(value, strlen(value), 200));
        return false;
    }
    const char *text = file ? file : value;
    snprintf(what, sizeof what, "--%s '%.*s'", name, MFI_QUOTE(value, strlen(value), 200));
    bool good = false;
    if (ctl_json_check(what, text, bytes))
        ctl_complain("%s", mofka_last_error());
    else if (!ctl_json_is_object(text))
        ctl_complain("%s must be a JSON object, not '%.*s'", what, MFI_QUOTE(text, bytes, 100));
    else
        good = option_group_merge(group, name, text, 0);
    free(file);
    return good;
}

/* Count the keys of KEY.KEY. 0: the path is invalid, and a message was printed. */
static size_t option_group_count_keys(const char *name, const char *path) {
    assert(path);
    size_t keys = 0, bytes;
    for (const char *key = path;; key += bytes + 1) {
        bytes = strcspn(key, ".");
        if (bytes == 0 || ++keys > PATH_KEYS_MAX) {
            ctl_complain("--%s: a path has 1 to %d keys with dots between them", name,
                         PATH_KEYS_MAX);
            return 0;
        }
        if (!key[bytes])
            return keys;
    }
}

/* Make {"KEY":{"KEY":VALUE}} of KEY.KEY. A VALUE that is not JSON becomes a string. Give: free().
 * NULL: no memory. */
static char *option_group_object(const char *path, size_t keys, const char *value) {
    assert(keys > 0 && keys <= PATH_KEYS_MAX);
    char *text = NULL;
    size_t size, bytes;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (const char *key = path; key; key = key[bytes] ? key + bytes + 1 : NULL) {
        bytes = strcspn(key, ".");
        fputc('{', out);
        ctl_json_put_string(out, key, bytes);
        fputc(':', out);
    }
    if (ctl_json_is_valid(value))
        fputs(value, out);
    else
        ctl_json_put_string(out, value, strlen(value));
    while (keys-- > 0)
        fputc('}', out);
    bool good = !ferror(out);
    if (fclose(out) == 0 && good)
        return text;
    free(text);
    return NULL;
}

/* Whether the path's last key is "schema". A schema is never a string. */
static bool option_group_is_schema(const char *path) {
    const char *dot = strrchr(path, '.');
    return strcmp(dot ? dot + 1 : path, "schema") == 0;
}

/* The value of "schema" may be the name of a file. Give `*file`: free(); NULL: it is no such name.
 * False: a message was printed. */
static bool option_group_read_schema(const char *name, const char *path, const char *value,
                                     char **file) {
    char what[300];
    size_t bytes;
    *file = NULL;
    if (!option_group_is_schema(path) || ctl_json_is_valid(value))
        return true;
    *file = ctl_read_file(value, GROUP_BYTES_MAX, &bytes);
    snprintf(what, sizeof what, "--%s '%.*s'", name, MFI_QUOTE(value, strlen(value), 200));
    if (*file && ctl_json_check(what, *file, bytes) == MOFKA_OK)
        return true;
    ctl_complain("--%s cannot be '%.*s': it must be a JSON Schema, or a file that holds one%s%s",
                 name, MFI_QUOTE(value, strlen(value), 200), *file ? "; " : "",
                 *file ? mofka_last_error() : "");
    free(*file);
    return false;
}

static bool option_group_set_one(option_group_t *group, const char *name, const char *path,
                                 const char *value) {
    char what[300], *file;
    size_t keys = option_group_count_keys(name, path);
    if (keys == 0 || !option_group_read_schema(name, path, value, &file))
        return false;
    char *text = option_group_object(path, keys, file ? file : value);
    free(file);
    if (!text) {
        ctl_complain("--%s: no memory for '%.*s'", name, MFI_QUOTE(value, strlen(value), 100));
        return false;
    }
    snprintf(what, sizeof what, "--%s '%.*s'", name, MFI_QUOTE(value, strlen(value), 200));
    bool good = ctl_json_check(what, text, strlen(text)) == MOFKA_OK;
    if (good)
        good = option_group_merge(group, name, text, keys);
    else
        ctl_complain("%s", mofka_last_error());
    free(text);
    return good;
}

bool option_group_set(option_group_t *group, const char *name, const char *path,
                      const char *value) {
    assert(group && value);
    return path ? option_group_set_one(group, name, path, value)
                : option_group_set_all(group, name, value);
}

void option_group_clear(option_group_t *group) {
    assert(group);
    free(group->text);
    group->text = NULL;
}
