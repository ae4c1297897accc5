/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON of options: checks, members, merging. */
#include <stdlib.h>
#include <string.h>
#include "mpi/ctl/options/json.h"
#include "json/text.h"

/* ---- keys --------------------------------------------------------------------------------------- */

typedef struct key {
    size_t object; /* which of the text's objects it is in */
    const char *text;
    size_t bytes;
    mfi_scratch_t own;       /* where it has escapes: what they mean */
    const char *value, *end; /* of keys_of */
    bool used;
} json_key_t;

typedef struct keys {
    json_key_t *list;
    size_t count, room;
} keys_t;

static void keys_free(keys_t *keys) {
    for (size_t i = 0; i < keys->count; i++)
        free(keys->list[i].own.bytes);
    free(keys->list);
}

static json_key_t *keys_add(keys_t *keys, const char *string, const char *limit) {
    if (keys->count == keys->room) {
        size_t room = keys->room ? 2 * keys->room : 64;
        json_key_t *more = reallocarray(keys->list, room, sizeof *more);
        if (!more)
            return NULL;
        keys->list = more;
        keys->room = room;
    }
    json_key_t *key = &keys->list[keys->count];
    *key = (json_key_t){0};
    key->text = mfi_json_string(string, limit, &key->own, &key->bytes);
    if (!key->text)
        return NULL;
    keys->count++;
    return key;
}

static int compare(const void *left, const void *right) {
    const json_key_t *a = left, *b = right;
    if (a->object != b->object)
        return a->object < b->object ? -1 : 1;
    int order = memcmp(a->text, b->text, a->bytes < b->bytes ? a->bytes : b->bytes);
    return order ? order : (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static void keys_sort(keys_t *keys) {
    if (keys->count > 0)
        qsort(keys->list, keys->count, sizeof *keys->list, compare);
}

/* An object's keys with their values, in order. */
static bool keys_of(const char *object, const char *limit, keys_t *keys) {
    mfi_json_walk_t walk = mfi_json_walk(object, limit);
    *keys = (keys_t){0};
    while (mfi_json_next(&walk)) {
        json_key_t *key = keys_add(keys, walk.key, limit);
        if (!key)
            return false;
        key->value = walk.value;
        key->end = walk.end;
    }
    keys_sort(keys);
    return true;
}

static json_key_t *keys_find(const keys_t *keys, const json_key_t *key) {
    return keys->count ? bsearch(key, keys->list, keys->count, sizeof *key, compare) : NULL;
}

/* ---- checking ----------------------------------------------------------------------------------- */

/* All keys of all objects, in one pass: however deep they are. */
static bool all_keys(const char *text, const char *limit, keys_t *keys) {
    size_t open[MFI_JSON_DEPTH_MAX], depth = 0, objects = 0;
    for (const char *at = text; at < limit;) {
        if (*at == '"') {
            const char *end = mfi_json_end(at, limit);
            if (*mfi_json_begin(end) == ':') {
                json_key_t *key = keys_add(keys, at, limit);
                if (!key)
                    return false;
                key->object = open[depth - 1];
            }
            at = end;
            continue;
        }
        if (*at == '{' || *at == '[')
            open[depth++] = objects++;
        else if (*at == '}' || *at == ']')
            depth--;
        at++;
    }
    keys_sort(keys);
    return true;
}

mofka_status_t json_check(const char *what, const char *text, size_t bytes) {
    mofka_status_t status = mfi_json_check(what, text, bytes);
    if (status)
        return status;
    keys_t keys = {0};
    if (!all_keys(text, text + bytes, &keys))
        status = mofka_fail(MOFKA_ERR_MEMORY, "%s: no memory for its keys", what);
    for (size_t i = 1; i < keys.count && !status; i++)
        if (compare(&keys.list[i - 1], &keys.list[i]) == 0)
            status = mofka_fail(MOFKA_ERR_JSON, "%s: the key \"%.*s\" is given twice", what,
                                (int)(keys.list[i].bytes < 100 ? keys.list[i].bytes : 100),
                                keys.list[i].text);
    keys_free(&keys);
    return status;
}

/* ---- members ------------------------------------------------------------------------------------ */

bool json_is_valid(const char *text) {
    return mfi_json_check("the text", text, strlen(text)) == MOFKA_OK;
}

bool json_is_object(const char *text) {
    return *mfi_json_begin(text) == '{';
}

char *json_member(const char *object, const char *key) {
    const char *limit = object + strlen(object), *value;
    mfi_scratch_t scratch = {0};
    mofka_status_t status =
        mfi_json_member(mfi_json_begin(object), limit, key, strlen(key), &scratch, &value);
    free(scratch.bytes);
    return status || !value ? NULL : strndup(value, (size_t)(mfi_json_end(value, limit) - value));
}

char *json_string(const char *text) {
    const char *string = mfi_json_begin(text);
    mfi_scratch_t scratch = {0};
    size_t bytes;
    if (*string != '"')
        return NULL;
    const char *said = mfi_json_string(string, text + strlen(text), &scratch, &bytes);
    char *copy = said ? strndup(said, bytes) : NULL;
    free(scratch.bytes);
    return copy;
}

void json_put_string(FILE *out, const char *text, size_t bytes) {
    fputc('"', out);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fprintf(out, c == '"' || c == '\\' ? "\\%c" : "%c", c);
    }
    fputc('"', out);
}

/* ---- making objects ------------------------------------------------------------------------------ */

/* An object on its way into memory. */
typedef struct maker {
    FILE *out;
    char *text;
    size_t bytes;
    bool failed; /* and a message is there */
} maker_t;

static bool maker_open(maker_t *m) {
    *m = (maker_t){0};
    m->out = open_memstream(&m->text, &m->bytes);
    return m->out;
}

static char *maker_close(maker_t *m) {
    bool good = m->out && !ferror(m->out);
    if (m->out && fclose(m->out) != 0)
        good = false;
    if (!good && !m->failed)
        mofka_fail(MOFKA_ERR_MEMORY, "no memory for options");
    if (good && !m->failed)
        return m->text;
    free(m->text);
    return NULL;
}

/* "key": before a value that follows; `*count`: of members before. */
static void put_key(FILE *out, size_t *count, const char *key, const char *limit) {
    if ((*count)++ > 0)
        fputc(',', out);
    fwrite(key, 1, (size_t)(mfi_json_end(key, limit) - key), out);
    fputc(':', out);
}

/* A value, without space between its tokens. */
static void put(FILE *out, const char *from, const char *end) {
    while (from < end) {
        const char *next = *from == '"' ? mfi_json_end(from, end) : from + 1;
        if (!strchr(" \t\r\n", *from))
            fwrite(from, 1, (size_t)(next - from), out);
        from = next;
    }
}

char *json_without(const char *object, const char *key) {
    const char *begin = mfi_json_begin(object), *limit = object + strlen(object), *dropped;
    mfi_scratch_t scratch = {0};
    maker_t maker;
    size_t count = 0;
    mofka_status_t status = mfi_json_member(begin, limit, key, strlen(key), &scratch, &dropped);
    free(scratch.bytes);
    if (status || !maker_open(&maker))
        return NULL;
    fputc('{', maker.out);
    for (mfi_json_walk_t walk = mfi_json_walk(begin, limit); mfi_json_next(&walk);) {
        if (walk.value == dropped)
            continue;
        put_key(maker.out, &count, walk.key, limit);
        put(maker.out, walk.value, walk.end);
    }
    fputc('}', maker.out);
    return maker_close(&maker);
}

/* ---- merging ------------------------------------------------------------------------------------- */

typedef struct text {
    const char *at, *end; /* an object */
} text_t;

static void merge(maker_t *maker, text_t into, text_t from, size_t levels);

/* The value of a key that both have. */
static void merge_value(maker_t *maker, const json_key_t *into, const json_key_t *from,
                        size_t levels) {
    bool object = *into->value == '{' && *from->value == '{';
    if (levels > 1 && !object) {
        mofka_fail(MOFKA_ERR_OPTION, "'%.*s' is a value already, it has no keys",
                   (int)(into->bytes < 100 ? into->bytes : 100), into->text);
        maker->failed = true;
    } else if (levels != 1 && object) {
        merge(maker, (text_t){into->value, into->end}, (text_t){from->value, from->end},
              levels ? levels - 1 : 0);
    } else {
        put(maker->out, from->value, from->end);
    }
}

/* The members of `text`, with those of `others` where they have them; without what is used already. */
static bool merge_members(maker_t *maker, text_t text, keys_t *others, size_t *count,
                          size_t levels) {
    keys_t one = {0};
    bool good = true;
    for (mfi_json_walk_t walk = mfi_json_walk(text.at, text.end); good && mfi_json_next(&walk);) {
        json_key_t *key = keys_add(&one, walk.key, text.end);
        json_key_t *other = key ? keys_find(others, key) : NULL;
        good = key;
        if (good && !(other && other->used)) {
            put_key(maker->out, count, walk.key, text.end);
            if (other && other->value != walk.value) {
                key->value = walk.value;
                key->end = walk.end;
                merge_value(maker, key, other, levels);
                other->used = true;
            } else {
                put(maker->out, walk.value, walk.end);
            }
        }
        keys_free(&one);
        one = (keys_t){0};
    }
    return good;
}

/* First what was there, in its order, then what is new. */
static void merge(maker_t *maker, text_t into, text_t from, size_t levels) {
    keys_t others;
    size_t count = 0;
    fputc('{', maker->out);
    if (!keys_of(from.at, from.end, &others) ||
        !merge_members(maker, into, &others, &count, levels) ||
        !merge_members(maker, from, &others, &count, levels)) {
        mofka_fail(MOFKA_ERR_MEMORY, "no memory for options");
        maker->failed = true;
    }
    keys_free(&others);
    fputc('}', maker->out);
}

char *json_merge(const char *into, const char *from, size_t levels) {
    maker_t maker;
    text_t a = {mfi_json_begin(into), into + strlen(into)};
    text_t b = {mfi_json_begin(from), from + strlen(from)};
    if (maker_open(&maker))
        merge(&maker, a, b, levels);
    return maker_close(&maker);
}
