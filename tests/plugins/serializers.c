/* SPDX-License-Identifier: BSD-3-Clause */
/* Archives, ways there and back, random JSON. */
#include "plugins/serializers.h"

/* ---- there and back ------------------------------------------------------------------------- */

mofka_status_t buffer_write(void *context, const void *bytes, size_t size) {
    buffer_t *buffer = context;
    if (size > buffer->room - buffer->used) {
        buffer->room = 2 * buffer->room + size;
        buffer->bytes = realloc(buffer->bytes, buffer->room);
        assert_non_null(buffer->bytes);
    }
    if (size > 0)
        memcpy(buffer->bytes + buffer->used, bytes, size);
    buffer->used += size;
    return MOFKA_OK;
}

static mofka_status_t buffer_read(void *context, void *bytes, size_t size) {
    buffer_t *buffer = context;
    if (size > buffer->used - buffer->at)
        return mofka_fail(MOFKA_ERR_CORRUPT, "the archive ends");
    if (size > 0)
        memcpy(bytes, buffer->bytes + buffer->at, size);
    buffer->at += size;
    return MOFKA_OK;
}

mofka_status_t to_bytes(mofka_serializer_t *serializer, const char *text, size_t bytes,
                        buffer_t *out) {
    mofka_archive_t archive = {.context = out, .write = buffer_write};
    return mofka_serializer_serialize(serializer, &archive, text, bytes);
}

mofka_status_t from_bytes(mofka_serializer_t *serializer, const void *bytes, size_t size,
                          mofka_metadata_t **metadata) {
    /* A copy of exactly that size, so that a sanitizer sees a read behind it. */
    buffer_t in = {.bytes = malloc(size + !size), .used = size};
    assert_non_null(in.bytes);
    if (size > 0)
        memcpy(in.bytes, bytes, size);
    mofka_archive_t archive = {.context = &in, .read = buffer_read};
    mofka_status_t status = mofka_serializer_deserialize(serializer, &archive, size, metadata);
    free(in.bytes);
    return status;
}

size_t comes_back(mofka_serializer_t *serializer, const char *text, size_t bytes,
                  const char *expected, size_t expected_bytes) {
    buffer_t stored = {0};
    mofka_metadata_t *metadata;
    OK(to_bytes(serializer, text, bytes, &stored));
    OK(from_bytes(serializer, stored.bytes, stored.used, &metadata));
    size_t got_bytes;
    const char *got = mofka_metadata_text(metadata, &got_bytes);
    if (got_bytes != expected_bytes || memcmp(got, expected, got_bytes) != 0)
        fail_msg("'%.*s' came back as '%s', not '%.*s'", (int)bytes, text, got, (int)expected_bytes,
                 expected);
    mofka_metadata_release(metadata);
    size_t used = stored.used;
    free(stored.bytes);
    return used;
}

size_t serializer_keeps_text(mofka_serializer_t *serializer, const char *text) {
    return comes_back(serializer, text, strlen(text), text, strlen(text));
}

#define SCHEMA                                                                                     \
    "{\"type\":\"object\",\"required\":[\"id\",\"name\"],\"properties\":{\"id\":{\"type\":"        \
    "\"integer\"},\"name\":{\"type\":\"string\"},\"x\":{\"type\":\"number\"},\"on\":{\"type\":"    \
    "\"boolean\"},\"none\":{\"type\":\"null\"},\"kind\":{\"enum\":[\"ab\",\"cd\",7,1.5,null,[1],"  \
    "\"\\u0007\"]},\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"open\":{},"     \
    "\"more\":{\"$ref\":\"#/definitions/more\"},\"a/b~\\\"\":{\"const\":3}},\"definitions\":{"     \
    "\"more\":{\"properties\":{\"more\":{\"$ref\":\"#/definitions/more\"},\"n\":{\"type\":"        \
    "\"integer\"}}}}}"

const char *const configs[CONFIGS] = {
    "{\"type\":\"cbor\"}",
    "{\"type\":\"schema\",\"schema\":" SCHEMA "}",
    "{\"type\":\"schema\",\"schema\":{\"type\":\"integer\"}}",
    "{\"type\":\"schema\",\"schema\":{\"items\":{\"items\":{\"type\":\"number\"}}}}",
    "{\"type\":\"schema\",\"schema\":true}",
    "{\"type\":\"zstd\"}",
    "{\"type\":\"zstd\",\"level\":1,\"dictionary\":\"eyJpZCI6MTIsIm5h\\nbWUiOiJhYmMifQ==\\r\\n\"}",
};

void serializer_create_from(const char *config, mofka_serializer_t **serializer) {
    OK(mofka_serializer_from_metadata(config, serializer));
    assert_false(mofka_serializer_is_identity(*serializer));
}

bool keeps_bytes(const char *config) {
    return strstr(config, "zstd") != NULL;
}

/* ---- random JSON ---------------------------------------------------------------------------- */

static void pair_append(pair_t *pair, const char *rich, const char *plain) {
    buffer_write(&pair->rich, rich, strlen(rich));
    buffer_write(&pair->plain, plain, strlen(plain));
}

static void put_space(pair_t *pair) {
    static const char *const spaces[] = {"", "", "", " ", "\n", "\t \r"};
    pair_append(pair, spaces[next_random(&pair->seed) % 6], "");
}

static void put_string(pair_t *pair) {
    static const char *const names[] = {"id", "name", "x", "on", "kind", "tags", "more", "n"};
    static const char *const pieces[][2] = {{"a", "a"},
                                            {"\\u0061", "a"},
                                            {"\\/", "/"},
                                            {"\xC3\xA9", "\xC3\xA9"},
                                            {"\\u00e9", "\xC3\xA9"},
                                            {"\\n", "\\n"},
                                            {"\\u000A", "\\n"},
                                            {"\\u0000", "\\u0000"},
                                            {"\\\\", "\\\\"},
                                            {"\\\"", "\\\""},
                                            {"\\u20AC", "\xE2\x82\xAC"},
                                            {"\\uD83D\\uDE00", "\xF0\x9F\x98\x80"},
                                            {"\\u001F", "\\u001f"},
                                            {"\\b\\f\\r\\t", "\\b\\f\\r\\t"}};
    pair_append(pair, "\"", "\"");
    if (next_random(&pair->seed) % 2) {
        const char *name = names[next_random(&pair->seed) % 8];
        pair_append(pair, name, name);
    }
    for (uint32_t n = next_random(&pair->seed) % 4; n > 0; n--) {
        const char *const *piece = pieces[next_random(&pair->seed) % 14];
        pair_append(pair, piece[0], piece[1]);
    }
    pair_append(pair, "\"", "\"");
}

static void put_number(pair_t *pair) {
    char text[80];
    uint32_t a = next_random(&pair->seed), b = next_random(&pair->seed);
    uint64_t big = (uint64_t)a << 33 ^ (uint64_t)b << 2;
    const char *sign = next_random(&pair->seed) % 2 ? "-" : "";
    switch (next_random(&pair->seed) % 6) {
    case 0:
        snprintf(text, sizeof text, "%s%u", sign, a % 300);
        break;
    case 1:
        snprintf(text, sizeof text, "%s%llu", sign, (unsigned long long)(big >> b % 64));
        break;
    case 2:
        snprintf(text, sizeof text, "%.17g", ((double)a - 1e9) / (b + 1.0));
        break;
    case 3:
        snprintf(text, sizeof text, "%s%u.%0*u", sign, a % 100, (int)(b % 35 + 1), b % 1000);
        break;
    case 4:
        snprintf(text, sizeof text, "%s%u.%uE%s%u", sign, a % 10, b, b % 2 ? "+" : "-", a % 500);
        break;
    default:
        snprintf(text, sizeof text, "%s%llu%llu", sign, (unsigned long long)big | 1,
                 (unsigned long long)big);
    }
    pair_append(pair, text, text);
}

static void put_value(pair_t *pair, int depth) {
    uint32_t kind = next_random(&pair->seed) % (depth > 0 ? 8 : 5);
    put_space(pair);
    if (kind < 2) {
        put_number(pair);
    } else if (kind < 4) {
        put_string(pair);
    } else if (kind == 4) {
        static const char *const words[] = {"null", "true", "false"};
        const char *word = words[next_random(&pair->seed) % 3];
        pair_append(pair, word, word);
    } else {
        bool is_object = kind > 5;
        pair_append(pair, is_object ? "{" : "[", is_object ? "{" : "[");
        for (uint32_t n = next_random(&pair->seed) % 7, i = 0; i < n; i++) {
            if (i > 0)
                pair_append(pair, ",", ",");
            put_space(pair);
            if (is_object) {
                put_string(pair);
                put_space(pair);
                pair_append(pair, ":", ":");
            }
            put_value(pair, depth - 1);
        }
        put_space(pair);
        pair_append(pair, is_object ? "}" : "]", is_object ? "}" : "]");
    }
    put_space(pair);
}

void make_value(pair_t *pair, int depth) {
    pair->rich.used = pair->plain.used = 0;
    put_value(pair, depth);
}

void free_pair(pair_t *pair) {
    free(pair->rich.bytes);
    free(pair->plain.bytes);
}
