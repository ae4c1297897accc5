/* SPDX-License-Identifier: BSD-3-Clause */
/* The serializers of the plug-ins: stored bytes that none of them wrote. */
#include "plugins/serializers.h"

/* Hostile bytes are refused, or they are read as JSON that can be stored again. */
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
        serializer_create_from(configs[c], &serializer);
        uint64_t seed = 99 + c;
        pair_t pair = {.seed = seed};
        for (int i = 0; i < 2000; i++) {
            buffer_t stored = {0};
            make_value(&pair, 4);
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
        free_pair(&pair);
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
        {CBOR, "", 0, MOFKA_ERR_CORRUPT, "cut off"},
        {CBOR, "\x9B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9, MOFKA_ERR_CORRUPT, "too large"},
        {CBOR, "\x9A\xFF\xFF\xFF\xFF\x01", 6, MOFKA_ERR_CORRUPT, "cut off"},
        {CBOR, "\xBB\x80\x00\x00\x00\x00\x00\x00\x00", 9, MOFKA_ERR_CORRUPT, "too large"},
        {CBOR, "\x7B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x61", 10, MOFKA_ERR_CORRUPT, "cut off"},
        {CBOR, "\x01\x02", 2, MOFKA_ERR_CORRUPT, "bytes after the value"},
        {CBOR, "\xA1\x01\x02", 3, MOFKA_ERR_CORRUPT, "a name"},
        {CBOR, "\x61\xFF", 2, MOFKA_ERR_CORRUPT, "UTF-8"},
        {CBOR, "\xF9\x3C\x00", 3, MOFKA_ERR_CORRUPT, "JSON does not have"},
        {CBOR, "\x9F\xFF", 2, MOFKA_ERR_CORRUPT, "JSON does not have"},
        {CBOR, "\xC4\x82\x38\x1E\x01", 5, MOFKA_ERR_CORRUPT, "decimal"},
        {CBOR, "\xD9\x01\x06\x41[", 5, MOFKA_ERR_CORRUPT, "embedded"},
        {CBOR, "\xD9\x01\x06\x42[]", 6, MOFKA_ERR_CORRUPT, "embedded"},
        {CBOR, "\xD9\x01\x06\x44null", 8, MOFKA_ERR_CORRUPT, "embedded"},
        {BY_SCHEMA, "\x03", 1, MOFKA_ERR_CORRUPT, "unknown form"},
        {BY_SCHEMA, "\x01", 1, MOFKA_ERR_CORRUPT, "cut off"},
        {BY_SCHEMA, "\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 11, MOFKA_ERR_CORRUPT,
         "64 bits"},
        {BY_SCHEMA, "\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11, MOFKA_ERR_CORRUPT,
         "cut off"},
        {BY_SCHEMA, "\x02\x01\x0B", 3, MOFKA_ERR_CORRUPT, "outside the properties"},
        {BY_SCHEMA, "\x02\x01\x06\x08", 4, MOFKA_ERR_CORRUPT, "outside its enum"},
        {BY_SCHEMA, "\x02\x01\x02\xFF\xFF\xFF\xFF\x0F", 8, MOFKA_ERR_CORRUPT,
         "a string is cut off"},
        {BY_SCHEMA, "\x02\x01\x03\x20\x01", 5, MOFKA_ERR_CORRUPT, "too many digits"},
        {ZSTD, "", 0, MOFKA_ERR_CORRUPT, "not a zstd frame"},
        {ZSTD, "\x28\xB5\x2F\xFD\xA0\x00\x00\x00\x10\x01\x00\x00", 12, MOFKA_ERR_CORRUPT,
         "too short"},
        {ZSTD, "\x28\xB5\x2F\xFD\xE0\x01\x00\x00\x40\x00\x00\x00\x00\x01\x00\x00", 16,
         MOFKA_ERR_TOO_LARGE, "1073741825"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mofka_serializer_t *serializer;
        mofka_metadata_t *metadata;
        serializer_create_from(configs[cases[i].config], &serializer);
        FAILS(from_bytes(serializer, cases[i].bytes, cases[i].size, &metadata), cases[i].status,
              cases[i].message);
        mofka_serializer_release(serializer);
    }
}

/* Arrays of one item: in CBOR, and in a schema that refers to itself. */
static void stored_nesting_has_a_limit(void **state) {
    (void)state;
    char bytes[3 * MOFKA_JSON_DEPTH_MAX];
    mofka_serializer_t *cbor, *schema;
    mofka_metadata_t *metadata;
    serializer_create_from(configs[CBOR], &cbor);
    OK(mofka_serializer_from_metadata(
        "{\"type\":\"schema\",\"schema\":{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}}",
        &schema));
    memset(bytes, 0x81, sizeof bytes);
    FAILS(from_bytes(cbor, bytes, sizeof bytes, &metadata), MOFKA_ERR_CORRUPT, "too deep");
    memset(bytes, 2, sizeof bytes);
    FAILS(from_bytes(schema, bytes, sizeof bytes, &metadata), MOFKA_ERR_CORRUPT, "too deep");
    mofka_serializer_release(cbor);
    mofka_serializer_release(schema);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_bytes_are_refused_or_read),
        cmocka_unit_test(hostile_sizes_are_not_believed),
        cmocka_unit_test(stored_nesting_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
