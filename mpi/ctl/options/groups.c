/* SPDX-License-Identifier: BSD-3-Clause */
/* Options that are JSON objects, built up from files, texts and single values. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/ctl/ctl.h"
#include "mpi/ctl/options/json.h"

/* Keys in a path: what a person types. */
#define PATH_KEYS_MAX 64
/* Options of one group: far above what a schema has, and a few times that fits everywhere. */
#define GROUP_BYTES_MAX ((size_t)16 << 20)

/* More room for what comes, twice as much each time. */
static bool grow(char **text, size_t *room) {
    size_t more_room = *room ? 2 * *room : 8192;
    char *more = realloc(*text, more_room);
    if (!more)
        return false;
    *text = more;
    *room = more_room;
    return true;
}

/* errno tells what failed. */
static bool read_all(FILE *file, size_t bytes_max, char **text, size_t *bytes) {
    size_t room = 0, size = 0;
    while (!feof(file)) {
        if (room - size < 2 && !grow(text, &room)) {
            errno = ENOMEM;
            return false;
        }
        size += fread(*text + size, 1, room - size - 1, file);
        if (ferror(file))
            return false;
        if (size > bytes_max) {
            errno = EFBIG;
            return false;
        }
    }
    (*text)[size] = '\0';
    *bytes = size;
    return true;
}

char *read_whole_file(const char *path, size_t bytes_max, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    if (!file || !read_all(file, bytes_max, &text, bytes)) {
        if (errno == EFBIG)
            complain("'%s' has more than %zu bytes", path, bytes_max);
        else
            complain("cannot read '%s': %s", path, strerror(errno));
        free(text);
        text = NULL;
    }
    if (file)
        fclose(file);
    return text;
}

/* `json` is merged into the group. */
static bool add(group_t *group, const char *name, const char *json, size_t levels) {
    char *merged = json_merge(group->text ? group->text : "{}", json, levels);
    if (!merged)
        return complain("--%s: %s", name, mofka_last_error());
    free(group->text);
    group->text = merged;
    return true;
}

static bool set_all(group_t *group, const char *name, const char *value) {
    char what[300];
    bool is_text = value[strspn(value, " \t\r\n")] == '{';
    size_t bytes = strlen(value);
    char *file = is_text ? NULL : read_whole_file(value, GROUP_BYTES_MAX, &bytes);
    if (!is_text && !file)
        return complain("--%s cannot be '%.200s': it is a JSON object or the file that holds one",
                        name, value);
    const char *text = file ? file : value;
    snprintf(what, sizeof what, "--%s '%.200s'", name, value);
    bool good;
    if (json_check(what, text, bytes))
        good = complain("%s", mofka_last_error());
    else if (!json_is_object(text))
        good = complain("%s is no JSON object, but '%.100s'", what, text);
    else
        good = add(group, name, text, 0);
    free(file);
    return good;
}

/* How many keys KEY.KEY has; 0: told. */
static size_t count_keys(const char *name, const char *path) {
    size_t keys = 0, bytes;
    for (const char *key = path;; key += bytes + 1) {
        bytes = strcspn(key, ".");
        if (bytes == 0 || ++keys > PATH_KEYS_MAX) {
            complain("--%s: keys are 1 to %d names with dots between them", name, PATH_KEYS_MAX);
            return 0;
        }
        if (!key[bytes])
            return keys;
    }
}

/* {"KEY":{"KEY":VALUE}} of KEY.KEY; a VALUE is JSON where it is JSON, else a string. Give: free().
 * NULL: no memory. */
static char *object_of(const char *path, size_t keys, const char *value) {
    char *text = NULL;
    size_t size, bytes;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (const char *key = path; key; key = key[bytes] ? key + bytes + 1 : NULL) {
        bytes = strcspn(key, ".");
        fputc('{', out);
        json_put_string(out, key, bytes);
        fputc(':', out);
    }
    if (json_is_valid(value))
        fputs(value, out);
    else
        json_put_string(out, value, strlen(value));
    while (keys-- > 0)
        fputc('}', out);
    bool good = !ferror(out);
    if (fclose(out) == 0 && good)
        return text;
    free(text);
    return NULL;
}

static bool set_one(group_t *group, const char *name, const char *path, const char *value) {
    char what[300];
    size_t keys = count_keys(name, path);
    if (keys == 0)
        return false;
    char *text = object_of(path, keys, value);
    if (!text)
        return complain("--%s: no memory for '%.100s'", name, value);
    snprintf(what, sizeof what, "--%s '%.200s'", name, value);
    bool good = json_check(what, text, strlen(text)) ? complain("%s", mofka_last_error())
                                                     : add(group, name, text, keys);
    free(text);
    return good;
}

bool group_set(group_t *group, const char *name, const char *path, const char *value) {
    return path ? set_one(group, name, path, value) : set_all(group, name, value);
}

void group_clear(group_t *group) {
    free(group->text);
    group->text = NULL;
}
