/* The serializers of the plug-ins: what goes in comes back; what was never stored is refused. Linked
 * against the shared library, as the plug-ins are. */
#include <pthread.h>
#include "check.h"

typedef struct buffer {
    char *bytes;
    size_t used, room, at;
} buffer_t;

static mofka_status_t buffer_write(void *context, const void *bytes, size_t size) {
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

static mofka_status_t to_bytes(mofka_serializer_t *serializer, const char *text, size_t bytes,
                               buffer_t *out) {
    mofka_archive_t archive = {.context = out, .write = buffer_write};
    return mofka_serializer_serialize(serializer, &archive, text, bytes);
}

static mofka_status_t from_bytes(mofka_serializer_t *serializer, const void *bytes, size_t size,
                                 mofka_metadata_t **metadata) {
    /* Of its own size, so that a sanitizer sees who reads behind it. */
    buffer_t in = {.bytes = malloc(size + !size), .used = size};
    assert_non_null(in.bytes);
    if (size > 0)
        memcpy(in.bytes, bytes, size);
    mofka_archive_t archive = {.context = &in, .read = buffer_read};
    mofka_status_t status = mofka_serializer_deserialize(serializer, &archive, size, metadata);
    free(in.bytes);
    return status;
}

/* `text` comes back as `expected` (of `expected_bytes`); gives how many bytes it took. */
static size_t comes_back(mofka_serializer_t *serializer, const char *text, size_t bytes,
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

static size_t keeps(mofka_serializer_t *serializer, const char *text) {
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

static const char *const configs[] = {
    "{\"type\":\"cbor\"}",
    "{\"type\":\"schema\",\"schema\":" SCHEMA "}",
    "{\"type\":\"schema\",\"schema\":{\"type\":\"integer\"}}",
    "{\"type\":\"schema\",\"schema\":{\"items\":{\"items\":{\"type\":\"number\"}}}}",
    "{\"type\":\"schema\",\"schema\":true}",
    "{\"type\":\"zstd\"}",
    "{\"type\":\"zstd\",\"level\":1,\"dictionary\":\"eyJpZCI6MTIsIm5hbWUiOiJhYmMifQ==\"}",
};
#define CONFIGS (sizeof configs / sizeof *configs)

static void make(const char *config, mofka_serializer_t **serializer) {
    OK(mofka_serializer_from_metadata(config, serializer));
    assert_false(mofka_serializer_is_identity(*serializer));
}

/* ---- values --------------------------------------------------------------------------------- */

static const char *const values[] = {
    "null",
    "true",
    "false",
    "\"\"",
    "[]",
    "{}",
    "0",
    "-0",
    "-1",
    "7",
    "23",
    "24",
    "255",
    "256",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "4611686018427387904",
    "4611686018427387905",
    "-4611686018427387904",
    "-4611686018427387905",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "-18446744073709551615",
    "-18446744073709551616",
    "123456789012345678901234567890",
    "1.0",
    "-1.50",
    "0.1",
    "-0.0",
    "0.000",
    "0.05",
    "1e400",
    "-1E-400",
    "1e5",
    "6.02E+23",
    "0e0",
    "3.141592653589793",
    "0.30000000000000004",
    "184467440737095516.15",
    "1844674407370955161.6",
    "0.000000000000000000000000000001",
    "0.0000000000000000000000000000001",
    "\"\\u0000\"",
    "\"\\u0001\\b\\t\\n\\f\\r\\\"\\\\/\\u001f\"",
    "\"\\ud800\"",
    "\"x\\udc00\\u0041\"",
    "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7F\"",
    "{\"a\":1,\"a\":2,\"a\":3}",
    "{\"b\":1,\"a\":2}",
    "{\"\":1,\"\\u0000\":2,\"\\ud800\":3}",
    "[[[[]]],{\"a\":{\"b\":[]}}]",
    "[1,\"a\",null,true,{}]",
    "{\"id\":1,\"name\":\"n\"}",
    "{\"name\":\"n\",\"id\":1}",
    "{\"id\":1}",
    "{\"name\":\"n\"}",
    "{\"id\":1,\"name\":\"n\",\"x\":2.5,\"on\":true,\"none\":null,\"kind\":\"cd\",\"tags\":[\"a\","
    "\"b\"],\"open\":{\"z\":[1]},\"more\":{\"more\":{\"n\":-5}},\"a/b~\\\"\":3}",
    "{\"id\":1.5,\"name\":2,\"x\":\"s\",\"on\":0,\"none\":1,\"kind\":\"ef\",\"tags\":{},\"more\":[]"
    "}",
    "{\"id\":1,\"name\":\"n\",\"kind\":7}",
    "{\"id\":1,\"name\":\"n\",\"kind\":7.0}",
    "{\"id\":1,\"name\":\"n\",\"kind\":1.5}",
    "{\"id\":1,\"name\":\"n\",\"kind\":[1]}",
    "{\"id\":1,\"name\":\"n\",\"kind\":\"\\u0007\"}",
    "{\"id\":1,\"name\":\"n\",\"kind\":null}",
    "{\"id\":1,\"name\":\"n\",\"other\":[1]}",
    "{\"id\":1,\"id\":2,\"name\":\"n\",\"name\":\"m\"}",
    "{\"name\":\"\\ud800\",\"id\":18446744073709551615}",
    "{\"id\":1,\"n\\u0000\":1}",
    "{\"id\":1,\"name\":\"n\",\"none\":null,\"x\":1}",
    "[[1,2.5,-0.25],[\"a\"],7,[1e9]]",
};

static void every_value_comes_back(void **state) {
    (void)state;
    for (size_t c = 0; c < CONFIGS; c++) {
        mofka_serializer_t *serializer;
        make(configs[c], &serializer);
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
            keeps(serializer, values[i]);
        mofka_serializer_release(serializer);
    }
}

/* Space between tokens goes, and escapes become the shortest. zstd keeps all of it. */
static void tokens_come_back_without_space(void **state) {
    (void)state;
    static const char text[] =
        " { \"\\u0041\\/\" :\t[ 1 ,\r\n 2.50 ] , \"\\ud83d\\ude00\\u00e9\":1 } ";
    static const char tokens[] = "{\"A/\":[1,2.50],\"\xF0\x9F\x98\x80\xC3\xA9\":1}";
    for (size_t c = 0; c < CONFIGS; c++) {
        mofka_serializer_t *serializer;
        make(configs[c], &serializer);
        bool is_zstd = strstr(configs[c], "zstd") != NULL;
        comes_back(serializer, text, sizeof text - 1, is_zstd ? text : tokens,
                   (is_zstd ? sizeof text : sizeof tokens) - 1);
        mofka_serializer_release(serializer);
    }
}

static void what_is_stored_is_small(void **state) {
    (void)state;
    mofka_serializer_t *cbor, *schema;
    make(configs[0], &cbor);
    make(configs[1], &schema);
    assert_int_equal(keeps(cbor, "{\"a\":[1,-2,2.5],\"b\":null}"), 14);
    /* form and bits, id, length and bytes of the name, digits and number, bit of `on`, a word */
    assert_int_equal(keeps(schema, "{\"id\":12,\"name\":\"abc\",\"x\":2.5,\"on\":true}"), 10);
    assert_int_equal(keeps(schema, "{\"id\":12,\"name\":\"abc\",\"kind\":\"cd\"}"), 8);
    mofka_serializer_release(cbor);
    mofka_serializer_release(schema);
}

/* ---- random JSON ---------------------------------------------------------------------------- */

/* The same value twice: with space and escapes, and as it should come back. */
typedef struct pair {
    buffer_t rich, plain;
    uint64_t seed;
} pair_t;

static void put(pair_t *pair, const char *rich, const char *plain) {
    buffer_write(&pair->rich, rich, strlen(rich));
    buffer_write(&pair->plain, plain, strlen(plain));
}

static void put_space(pair_t *pair) {
    static const char *const spaces[] = {"", "", "", " ", "\n", "\t \r"};
    put(pair, spaces[next_random(&pair->seed) % 6], "");
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
    put(pair, "\"", "\"");
    if (next_random(&pair->seed) % 2) {
        const char *name = names[next_random(&pair->seed) % 8];
        put(pair, name, name);
    }
    for (uint32_t n = next_random(&pair->seed) % 4; n > 0; n--) {
        const char *const *piece = pieces[next_random(&pair->seed) % 14];
        put(pair, piece[0], piece[1]);
    }
    put(pair, "\"", "\"");
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
    put(pair, text, text);
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
        put(pair, word, word);
    } else {
        bool is_object = kind > 5;
        put(pair, is_object ? "{" : "[", is_object ? "{" : "[");
        for (uint32_t n = next_random(&pair->seed) % 7, i = 0; i < n; i++) {
            if (i > 0)
                put(pair, ",", ",");
            put_space(pair);
            if (is_object) {
                put_string(pair);
                put_space(pair);
                put(pair, ":", ":");
            }
            put_value(pair, depth - 1);
        }
        put_space(pair);
        put(pair, is_object ? "}" : "]", is_object ? "}" : "]");
    }
    put_space(pair);
}

static void random_values_come_back(void **state) {
    (void)state;
    for (size_t c = 0; c < CONFIGS; c++) {
        mofka_serializer_t *serializer;
        make(configs[c], &serializer);
        bool is_zstd = strstr(configs[c], "zstd") != NULL;
        pair_t pair = {.seed = 4711 + c};
        for (int i = 0; i < 3000; i++) {
            pair.rich.used = pair.plain.used = 0;
            put_value(&pair, i % 7);
            const buffer_t *expected = is_zstd ? &pair.rich : &pair.plain;
            comes_back(serializer, pair.rich.bytes, pair.rich.used, expected->bytes,
                       expected->used);
        }
        free(pair.rich.bytes);
        free(pair.plain.bytes);
        mofka_serializer_release(serializer);
    }
}

/* ---- bad input ------------------------------------------------------------------------------ */

static void what_is_no_json_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        " ",
                                        "nul",
                                        "truee",
                                        "01",
                                        "+1",
                                        "1.",
                                        ".5",
                                        "1e",
                                        "-",
                                        "[",
                                        "[1,]",
                                        "[1 2]",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{a:1}",
                                        "{\"a\":1,}",
                                        "\"",
                                        "\"\\x\"",
                                        "\"\\u12\"",
                                        "\"\\u12g4\"",
                                        "\"\n\"",
                                        "[1]]",
                                        "{\"a\":1}}",
                                        "1 1",
                                        "\"\xFF\"",
                                        "\"\xC0\x80\"",
                                        "\"\xED\xA0\x80\"",
                                        "\"\xF4\x90\x80\x80\"",
                                        "\"\xE2\x82\"",
                                        "NaN",
                                        "'a'",
                                        "\"\\",
                                        "[\"a\":1]",
                                        "{1:2}",
                                        "\xEF\xBB\xBF{}"};
    for (size_t c = 0; c < 2; c++) {
        mofka_serializer_t *serializer;
        make(configs[c], &serializer);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            buffer_t stored = {0};
            FAILS(to_bytes(serializer, texts[i], strlen(texts[i]), &stored), MOFKA_ERR_JSON,
                  "at byte ");
            assert_int_equal(stored.used, 0);
        }
        FAILS(to_bytes(serializer, "1\0", 2, &(buffer_t){0}), MOFKA_ERR_JSON, "byte 1 of 2");
        mofka_serializer_release(serializer);
    }
}

static void nesting_has_a_limit(void **state) {
    (void)state;
    char text[3 * MOFKA_JSON_DEPTH_MAX];
    for (size_t c = 0; c < 5; c++) {
        mofka_serializer_t *serializer;
        make(configs[c], &serializer);
        for (size_t depth = MOFKA_JSON_DEPTH_MAX; depth <= MOFKA_JSON_DEPTH_MAX + 1; depth++) {
            memset(text, '[', depth);
            memset(text + depth, ']', depth);
            buffer_t stored = {0};
            if (depth == MOFKA_JSON_DEPTH_MAX)
                comes_back(serializer, text, 2 * depth, text, 2 * depth);
            else
                FAILS(to_bytes(serializer, text, 2 * depth, &stored), MOFKA_ERR_JSON,
                      "nested deeper than 256");
        }
        mofka_serializer_release(serializer);
    }
    /* Stored bytes that nest deeper: arrays of one item in CBOR, and in a recursive schema. */
    mofka_serializer_t *cbor, *schema;
    mofka_metadata_t *metadata;
    make(configs[0], &cbor);
    OK(mofka_serializer_from_metadata(
        "{\"type\":\"schema\",\"schema\":{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}}",
        &schema));
    memset(text, 0x81, sizeof text);
    FAILS(from_bytes(cbor, text, sizeof text, &metadata), MOFKA_ERR_CORRUPT, "too deep");
    memset(text, 2, sizeof text);
    FAILS(from_bytes(schema, text, sizeof text, &metadata), MOFKA_ERR_CORRUPT, "too deep");
    mofka_serializer_release(cbor);
    mofka_serializer_release(schema);
}

/* Whatever is read from hostile bytes is either refused or JSON that can be stored again. */
static void check_hostile(mofka_serializer_t *serializer, const char *bytes, size_t size) {
    mofka_metadata_t *metadata;
    mofka_status_t status = from_bytes(serializer, bytes, size, &metadata);
    if (status == MOFKA_OK) {
        buffer_t again = {0};
        size_t text_bytes;
        const char *text = mofka_metadata_text(metadata, &text_bytes);
        OK(to_bytes(serializer, text, text_bytes, &again));
        free(again.bytes);
        mofka_metadata_release(metadata);
    } else if (status != MOFKA_ERR_CORRUPT && status != MOFKA_ERR_TOO_LARGE) {
        fail_msg("%s: %s", mofka_status_name(status), mofka_last_error());
    }
}

static void hostile_bytes_are_refused_or_read(void **state) {
    (void)state;
    for (size_t c = 0; c < CONFIGS; c++) {
        mofka_serializer_t *serializer;
        make(configs[c], &serializer);
        uint64_t seed = 99 + c;
        pair_t pair = {.seed = seed};
        for (int i = 0; i < 2000; i++) {
            buffer_t stored = {0};
            pair.rich.used = pair.plain.used = 0;
            put_value(&pair, 4);
            OK(to_bytes(serializer, pair.rich.bytes, pair.rich.used, &stored));
            size_t cut = next_random(&seed) % (stored.used + 1);
            check_hostile(serializer, stored.bytes, cut);
            for (uint32_t n = next_random(&seed) % 4; n > 0 && stored.used > 0; n--)
                stored.bytes[next_random(&seed) % stored.used] = (char)next_random(&seed);
            check_hostile(serializer, stored.bytes, stored.used);
            for (size_t j = 0; j < stored.used; j++)
                stored.bytes[j] = (char)next_random(&seed);
            check_hostile(serializer, stored.bytes, stored.used);
            free(stored.bytes);
        }
        free(pair.rich.bytes);
        free(pair.plain.bytes);
        mofka_serializer_release(serializer);
    }
}

static void hostile_sizes_are_not_believed(void **state) {
    (void)state;
    static const struct {
        size_t config;
        const char *bytes;
        size_t size;
        mofka_status_t status;
        const char *message;
    } cases[] = {
        {0, "", 0, MOFKA_ERR_CORRUPT, "cut off"},
        {0, "\x9B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9, MOFKA_ERR_CORRUPT, "too large"},
        {0, "\x9A\xFF\xFF\xFF\xFF\x01", 6, MOFKA_ERR_CORRUPT, "cut off"},
        {0, "\xBB\x80\x00\x00\x00\x00\x00\x00\x00", 9, MOFKA_ERR_CORRUPT, "too large"},
        {0, "\x7B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x61", 10, MOFKA_ERR_CORRUPT, "cut off"},
        {0, "\x01\x02", 2, MOFKA_ERR_CORRUPT, "something after"},
        {0, "\xA1\x01\x02", 3, MOFKA_ERR_CORRUPT, "a name"},
        {0, "\x61\xFF", 2, MOFKA_ERR_CORRUPT, "UTF-8"},
        {0, "\xF9\x3C\x00", 3, MOFKA_ERR_CORRUPT, "no JSON"},
        {0, "\x9F\xFF", 2, MOFKA_ERR_CORRUPT, "no JSON"},
        {0, "\xC4\x82\x38\x1E\x01", 5, MOFKA_ERR_CORRUPT, "decimal"},
        {0, "\xD9\x01\x06\x41[", 5, MOFKA_ERR_CORRUPT, "embedded"},
        {0, "\xD9\x01\x06\x42[]", 6, MOFKA_ERR_CORRUPT, "embedded"},
        {0, "\xD9\x01\x06\x44null", 8, MOFKA_ERR_CORRUPT, "embedded"},
        {1, "\x03", 1, MOFKA_ERR_CORRUPT, "unknown form"},
        {1, "\x01", 1, MOFKA_ERR_CORRUPT, "cut off"},
        {1, "\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 11, MOFKA_ERR_CORRUPT, "64 bits"},
        {1, "\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11, MOFKA_ERR_CORRUPT, "cut off"},
        {1, "\x02\x01\x0B", 3, MOFKA_ERR_CORRUPT, "outside the properties"},
        {1, "\x02\x01\x06\x08", 4, MOFKA_ERR_CORRUPT, "outside its enum"},
        {1, "\x02\x01\x02\xFF\xFF\xFF\xFF\x0F", 8, MOFKA_ERR_CORRUPT, "a string is cut off"},
        {1, "\x02\x01\x03\x20\x01", 5, MOFKA_ERR_CORRUPT, "too many digits"},
        {5, "", 0, MOFKA_ERR_CORRUPT, "no zstd frame"},
        {5, "\x28\xB5\x2F\xFD\xA0\x00\x00\x00\x10\x01\x00\x00", 12, MOFKA_ERR_CORRUPT, "too short"},
        {5, "\x28\xB5\x2F\xFD\xE0\x01\x00\x00\x40\x00\x00\x00\x00\x01\x00\x00", 16,
         MOFKA_ERR_TOO_LARGE, "1073741825"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mofka_serializer_t *serializer;
        mofka_metadata_t *metadata;
        make(configs[cases[i].config], &serializer);
        FAILS(from_bytes(serializer, cases[i].bytes, cases[i].size, &metadata), cases[i].status,
              cases[i].message);
        mofka_serializer_release(serializer);
    }
}

static void options_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *config;
        mofka_status_t status;
        const char *message;
    } cases[] = {
        {"{\"type\":\"cbor\",\"x\":1}", MOFKA_ERR_OPTION, "\"x\""},
        {"{\"type\":\"zstd\",\"level\":0}", MOFKA_ERR_RANGE, "\"level\""},
        {"{\"type\":\"zstd\",\"level\":23}", MOFKA_ERR_RANGE, "\"level\""},
        {"{\"type\":\"zstd\",\"level\":\"3\"}", MOFKA_ERR_OPTION, "\"level\""},
        {"{\"type\":\"zstd\",\"dictionary\":\"abc\"}", MOFKA_ERR_OPTION, "multiple of 4"},
        {"{\"type\":\"zstd\",\"dictionary\":\"ab%d\"}", MOFKA_ERR_OPTION, "'%' at 2"},
        {"{\"type\":\"zstd\",\"dictionary\":\"N6Qw7AEAAAA=\"}", MOFKA_ERR_OPTION, "cannot use"},
        {"{\"type\":\"schema\"}", MOFKA_ERR_OPTION, "\"schema\" is missing"},
        {"{\"type\":\"schema\",\"schema\":1}", MOFKA_ERR_OPTION, "\"schema\" must be"},
        {"{\"type\":\"schema\",\"schema\":{\"type\":1}}", MOFKA_ERR_OPTION, "\"type\" must be"},
        {"{\"type\":\"schema\",\"schema\":{\"enum\":{}}}", MOFKA_ERR_OPTION, "\"enum\" must be"},
        {"{\"type\":\"schema\",\"schema\":{\"properties\":[]}}", MOFKA_ERR_OPTION,
         "\"properties\""},
        {"{\"type\":\"schema\",\"schema\":{\"properties\":{},\"required\":1}}", MOFKA_ERR_OPTION,
         "\"required\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mofka_serializer_t *serializer;
        FAILS(mofka_serializer_from_metadata(cases[i].config, &serializer), cases[i].status,
              cases[i].message);
    }
}

/* References that lead nowhere, elsewhere or in a circle leave open what they are for. */
static void references_are_followed_or_left_open(void **state) {
    (void)state;
    static const char *const schemas[] = {
        "{\"$ref\":\"#\"}",
        "{\"$ref\":\"#/definitions/a\",\"definitions\":{\"a\":{\"$ref\":\"#\"}}}",
        "{\"items\":{\"$ref\":\"http://a/b\"}}", "{\"items\":{\"$ref\":\"#/nowhere\"}}"};
    for (size_t i = 0; i < 4; i++) {
        char config[256];
        mofka_serializer_t *serializer;
        snprintf(config, sizeof config, "{\"type\":\"schema\",\"schema\":%s}", schemas[i]);
        make(config, &serializer);
        keeps(serializer, "[1,{\"a\":2}]");
        mofka_serializer_release(serializer);
    }
    mofka_serializer_t *serializer;
    make("{\"type\":\"schema\",\"schema\":{\"$ref\":\"#/definitions/a~1b\",\"definitions\":{\"a/"
         "b\":{"
         "\"properties\":{\"long name of a property\":{\"type\":\"integer\"}}}}}}",
         &serializer);
    assert_int_equal(keeps(serializer, "{\"long name of a property\":5}"), 2);
    mofka_serializer_release(serializer);
}

/* ---- threads -------------------------------------------------------------------------------- */

static void *work(void *serializer) {
    for (int i = 0; i < 300; i++)
        keeps(serializer, values[(size_t)i % (sizeof values / sizeof *values)]);
    return NULL;
}

static void threads_share_a_serializer(void **state) {
    (void)state;
    for (size_t c = 0; c < CONFIGS; c++) {
        mofka_serializer_t *serializer;
        pthread_t threads[4];
        make(configs[c], &serializer);
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, work, serializer), 0);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        mofka_serializer_release(serializer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_comes_back),
        cmocka_unit_test(tokens_come_back_without_space),
        cmocka_unit_test(what_is_stored_is_small),
        cmocka_unit_test(random_values_come_back),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(hostile_bytes_are_refused_or_read),
        cmocka_unit_test(hostile_sizes_are_not_believed),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(references_are_followed_or_left_open),
        cmocka_unit_test(threads_share_a_serializer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
