/* SPDX-License-Identifier: BSD-3-Clause */
/* Checking and merging the JSON of options. The scanner is that of src/json. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/limits.h>
#include "mpi/ctl/options/json.h"
#include "base/text/message.h"
#include "json/text.h"

/* ---- keys ------------------------------------------------------------------------------------ */

typedef struct ctl_json_key {
    size_t object; /* number of the object that holds the key */
    const char *text;
    size_t bytes;
    mfi_scratch_t own;       /* the key without escapes, if it has some */
    const char *value, *end; /* set by ctl_json_keys_of */
    bool used;
} ctl_json_key_t;

typedef struct ctl_json_keys {
    ctl_json_key_t *list;
    size_t count, room;
} ctl_json_keys_t;

static void ctl_json_keys_free(ctl_json_keys_t *keys) {
    assert(keys->count <= keys->room);
    for (size_t i = 0; i < keys->count; i++)
        free(keys->list[i].own.bytes);
    free(keys->list);
}

static ctl_json_key_t *ctl_json_keys_add(ctl_json_keys_t *keys, const char *string,
                                         const char *limit) {
    assert(keys->count <= keys->room && *string == '"');
    if (keys->count == keys->room) {
        size_t room = keys->room ? 2 * keys->room : 64;
        ctl_json_key_t *more = reallocarray(keys->list, room, sizeof *more);
        if (!more)
            return NULL;
        keys->list = more;
        keys->room = room;
    }
    ctl_json_key_t *key = &keys->list[keys->count];
    *key = (ctl_json_key_t){0};
    key->text = mfi_json_string(string, limit, &key->own, &key->bytes);
    if (!key->text)
        return NULL;
    keys->count++;
    return key;
}

static int ctl_json_key_compare(const void *left, const void *right) {
    const ctl_json_key_t *a = left, *b = right;
    if (a->object != b->object)
        return a->object < b->object ? -1 : 1;
    int order = memcmp(a->text, b->text, a->bytes < b->bytes ? a->bytes : b->bytes);
    return order ? order : (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static void ctl_json_keys_sort(ctl_json_keys_t *keys) {
    if (keys->count > 0)
        qsort(keys->list, keys->count, sizeof *keys->list, ctl_json_key_compare);
}

/* List an object's keys with their values, sorted. */
static bool ctl_json_keys_of(const char *object, const char *limit, ctl_json_keys_t *keys) {
    assert(*object == '{');
    mfi_json_walk_t walk = mfi_json_walk(object, limit);
    *keys = (ctl_json_keys_t){0};
    while (mfi_json_next(&walk)) {
        ctl_json_key_t *key = ctl_json_keys_add(keys, walk.key, limit);
        if (!key)
            return false;
        key->value = walk.value;
        key->end = walk.end;
    }
    ctl_json_keys_sort(keys);
    return true;
}

static ctl_json_key_t *ctl_json_keys_find(const ctl_json_keys_t *keys, const ctl_json_key_t *key) {
    assert(key->text);
    return keys->count ? bsearch(key, keys->list, keys->count, sizeof *key, ctl_json_key_compare)
                       : NULL;
}

/* ---- checking -------------------------------------------------------------------------------- */

/* List the keys of all objects in one pass, however deeply they are nested. */
static bool ctl_json_all_keys(const char *text, const char *limit, ctl_json_keys_t *keys) {
    size_t open[MOFKA_JSON_TEXT_DEPTH_MAX], depth = 0, objects = 0;
    for (const char *at = text; at < limit;) {
        if (*at == '"') {
            const char *end = mfi_json_end(at, limit);
            if (*mfi_json_begin(end) == ':') {
                ctl_json_key_t *key = ctl_json_keys_add(keys, at, limit);
                if (!key)
                    return false;
                assert(depth > 0);
                key->object = open[depth - 1];
            }
            at = end;
            continue;
        }
        if (*at == '{' || *at == '[') {
            assert(depth < MOFKA_JSON_TEXT_DEPTH_MAX);
            open[depth++] = objects++;
        } else if (*at == '}' || *at == ']') {
            assert(depth > 0);
            depth--;
        }
        at++;
    }
    ctl_json_keys_sort(keys);
    return true;
}

mofka_status_t ctl_json_check(const char *what, const char *text, size_t bytes) {
    mofka_status_t status = mfi_json_check(what, text, bytes);
    if (status)
        return status;
    ctl_json_keys_t keys = {0};
    if (!ctl_json_all_keys(text, text + bytes, &keys))
        status = mofka_fail(MOFKA_ERR_MEMORY, "%s: no memory for its keys", what);
    for (size_t i = 1; i < keys.count && !status; i++)
        if (ctl_json_key_compare(&keys.list[i - 1], &keys.list[i]) == 0)
            status = mofka_fail(MOFKA_ERR_JSON, "%s: the key \"%.*s\" is given twice", what,
                                MFI_QUOTE(keys.list[i].text, keys.list[i].bytes, 100));
    ctl_json_keys_free(&keys);
    return status;
}

/* ---- members --------------------------------------------------------------------------------- */

bool ctl_json_is_valid(const char *text) {
    return mfi_json_check("the text", text, strlen(text)) == MOFKA_OK;
}

bool ctl_json_is_object(const char *text) {
    return *mfi_json_begin(text) == '{';
}

char *ctl_json_member(const char *object, const char *key) {
    const char *limit = object + strlen(object), *value;
    mfi_scratch_t scratch = {0};
    mofka_status_t status =
        mfi_json_member(mfi_json_begin(object), limit, key, strlen(key), &scratch, &value);
    free(scratch.bytes);
    return status || !value ? NULL : strndup(value, (size_t)(mfi_json_end(value, limit) - value));
}

char *ctl_json_string(const char *text) {
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

void ctl_json_put_string(FILE *out, const char *text, size_t bytes) {
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

/* ---- making objects -------------------------------------------------------------------------- */

/* An object that is written into memory. */
typedef struct ctl_json_writer {
    FILE *out;
    char *text;
    size_t bytes;
    bool failed; /* mofka_last_error() gives the reason */
} ctl_json_writer_t;

static bool ctl_json_writer_open(ctl_json_writer_t *m) {
    *m = (ctl_json_writer_t){0};
    m->out = open_memstream(&m->text, &m->bytes);
    return m->out;
}

static char *ctl_json_writer_close(ctl_json_writer_t *m) {
    assert(m->out || !m->text);
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

/* Write "key": before a value. `*count` is the number of members before it. */
static void ctl_json_put_key(FILE *out, size_t *count, const char *key, const char *limit) {
    assert(*key == '"');
    if ((*count)++ > 0)
        fputc(',', out);
    fwrite(key, 1, (size_t)(mfi_json_end(key, limit) - key), out);
    fputc(':', out);
}

/* Write a value without the white space between its tokens. */
static void ctl_json_put_value(FILE *out, const char *from, const char *end) {
    assert(from < end);
    while (from < end) {
        const char *next = *from == '"' ? mfi_json_end(from, end) : from + 1;
        if (!strchr(" \t\r\n", *from))
            fwrite(from, 1, (size_t)(next - from), out);
        from = next;
    }
}

char *ctl_json_without(const char *object, const char *key) {
    assert(ctl_json_is_object(object));
    const char *begin = mfi_json_begin(object), *limit = object + strlen(object), *dropped;
    mfi_scratch_t scratch = {0};
    ctl_json_writer_t maker;
    size_t count = 0;
    mofka_status_t status = mfi_json_member(begin, limit, key, strlen(key), &scratch, &dropped);
    free(scratch.bytes);
    if (status || !ctl_json_writer_open(&maker))
        return NULL;
    fputc('{', maker.out);
    for (mfi_json_walk_t walk = mfi_json_walk(begin, limit); mfi_json_next(&walk);) {
        if (walk.value == dropped)
            continue;
        ctl_json_put_key(maker.out, &count, walk.key, limit);
        ctl_json_put_value(maker.out, walk.value, walk.end);
    }
    fputc('}', maker.out);
    return ctl_json_writer_close(&maker);
}

/* ---- comparing ------------------------------------------------------------------------------- */

typedef struct ctl_json_span {
    const char *at, *end; /* a value; where `end` is that of the text, it may be behind the value */
} ctl_json_span_t;

static bool ctl_json_same_spans(ctl_json_span_t a, ctl_json_span_t b);

static bool ctl_json_same_strings(ctl_json_span_t a, ctl_json_span_t b) {
    mfi_scratch_t own_a = {0}, own_b = {0};
    size_t bytes_a, bytes_b;
    const char *text_a = mfi_json_string(a.at, a.end, &own_a, &bytes_a);
    const char *text_b = mfi_json_string(b.at, b.end, &own_b, &bytes_b);
    bool same = text_a && text_b && bytes_a == bytes_b && memcmp(text_a, text_b, bytes_a) == 0;
    free(own_a.bytes);
    free(own_b.bytes);
    return same;
}

/* Each member of `part` is also one of `whole`; if `all`, `whole` has no others. */
static bool ctl_json_same_members(ctl_json_span_t whole, ctl_json_span_t part, bool all) {
    ctl_json_keys_t those = {0}, these = {0};
    bool same = ctl_json_keys_of(whole.at, whole.end, &those) &&
                ctl_json_keys_of(part.at, part.end, &these) && (!all || those.count == these.count);
    for (size_t i = 0; same && i < these.count; i++) {
        const ctl_json_key_t *key = &these.list[i], *other = ctl_json_keys_find(&those, key);
        same = other && ctl_json_same_spans((ctl_json_span_t){other->value, other->end},
                                            (ctl_json_span_t){key->value, key->end});
    }
    ctl_json_keys_free(&those);
    ctl_json_keys_free(&these);
    return same;
}

static bool ctl_json_same_arrays(ctl_json_span_t a, ctl_json_span_t b) {
    mfi_json_walk_t walk = mfi_json_walk(a.at, a.end), other = mfi_json_walk(b.at, b.end);
    bool same = true;
    while (same && mfi_json_next(&walk))
        same =
            mfi_json_next(&other) && ctl_json_same_spans((ctl_json_span_t){walk.value, walk.end},
                                                         (ctl_json_span_t){other.value, other.end});
    return same && !mfi_json_next(&other);
}

static bool ctl_json_same_spans(ctl_json_span_t a, ctl_json_span_t b) {
    assert(a.at < a.end && b.at < b.end);
    if (*a.at == '"' && *b.at == '"')
        return ctl_json_same_strings(a, b);
    if (*a.at == '{' && *b.at == '{')
        return ctl_json_same_members(a, b, true);
    if (*a.at == '[' && *b.at == '[')
        return ctl_json_same_arrays(a, b);
    size_t bytes_a = (size_t)(mfi_json_end(a.at, a.end) - a.at);
    size_t bytes_b = (size_t)(mfi_json_end(b.at, b.end) - b.at);
    return bytes_a == bytes_b && memcmp(a.at, b.at, bytes_a) == 0;
}

static ctl_json_span_t ctl_json_span_of(const char *text) {
    return (ctl_json_span_t){mfi_json_begin(text), text + strlen(text)};
}

bool ctl_json_is_same(const char *a, const char *b) {
    return ctl_json_same_spans(ctl_json_span_of(a), ctl_json_span_of(b));
}

bool ctl_json_has_members(const char *whole, const char *part) {
    return ctl_json_is_object(whole) && ctl_json_is_object(part) &&
           ctl_json_same_members(ctl_json_span_of(whole), ctl_json_span_of(part), false);
}

/* ---- merging --------------------------------------------------------------------------------- */

static void ctl_json_merge_objects(ctl_json_writer_t *maker, ctl_json_span_t into,
                                   ctl_json_span_t from, size_t levels);

/* Write the value of a key that both objects have. */
static void ctl_json_merge_value(ctl_json_writer_t *maker, const ctl_json_key_t *into,
                                 const ctl_json_key_t *from, size_t levels) {
    assert(into->value < into->end && from->value < from->end);
    bool object = *into->value == '{' && *from->value == '{';
    if (levels > 1 && !object) {
        mofka_fail(MOFKA_ERR_OPTION, "'%.*s' already has a value without keys",
                   MFI_QUOTE(into->text, into->bytes, 100));
        maker->failed = true;
    } else if (levels != 1 && object) {
        ctl_json_merge_objects(maker, (ctl_json_span_t){into->value, into->end},
                               (ctl_json_span_t){from->value, from->end}, levels ? levels - 1 : 0);
    } else {
        ctl_json_put_value(maker->out, from->value, from->end);
    }
}

/* Write the members of `text`, merged with those of `others` that have the same key. Members that
 * were used already are left out. */
static bool ctl_json_merge_members(ctl_json_writer_t *maker, ctl_json_span_t text,
                                   ctl_json_keys_t *others, size_t *count, size_t levels) {
    ctl_json_keys_t one = {0};
    bool good = true;
    for (mfi_json_walk_t walk = mfi_json_walk(text.at, text.end); good && mfi_json_next(&walk);) {
        ctl_json_key_t *key = ctl_json_keys_add(&one, walk.key, text.end);
        ctl_json_key_t *other = key ? ctl_json_keys_find(others, key) : NULL;
        good = key;
        if (good && !(other && other->used)) {
            ctl_json_put_key(maker->out, count, walk.key, text.end);
            if (other && other->value != walk.value) {
                key->value = walk.value;
                key->end = walk.end;
                ctl_json_merge_value(maker, key, other, levels);
                other->used = true;
            } else {
                ctl_json_put_value(maker->out, walk.value, walk.end);
            }
        }
        ctl_json_keys_free(&one);
        one = (ctl_json_keys_t){0};
    }
    return good;
}

/* Write the members of `into` in their order, then the new ones of `from`. */
static void ctl_json_merge_objects(ctl_json_writer_t *maker, ctl_json_span_t into,
                                   ctl_json_span_t from, size_t levels) {
    assert(*into.at == '{' && *from.at == '{');
    ctl_json_keys_t others;
    size_t count = 0;
    fputc('{', maker->out);
    if (!ctl_json_keys_of(from.at, from.end, &others) ||
        !ctl_json_merge_members(maker, into, &others, &count, levels) ||
        !ctl_json_merge_members(maker, from, &others, &count, levels)) {
        mofka_fail(MOFKA_ERR_MEMORY, "no memory for options");
        maker->failed = true;
    }
    ctl_json_keys_free(&others);
    fputc('}', maker->out);
}

char *ctl_json_merge(const char *into, const char *from, size_t levels) {
    ctl_json_writer_t maker;
    if (ctl_json_writer_open(&maker))
        ctl_json_merge_objects(&maker, ctl_json_span_of(into), ctl_json_span_of(from), levels);
    return ctl_json_writer_close(&maker);
}
