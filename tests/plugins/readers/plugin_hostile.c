/* SPDX-License-Identifier: BSD-3-Clause */
/* Hostile events, for every validator, selector and serializer that reads metadata: those of the
 * plug-ins, and those of the core. */
#include "plugins/readers/readers.h"

/* ---- no JSON -------------------------------------------------------------------------------- */

static const char *const no_json[] = {
    "",
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
    "NaN",
    "Infinity",
    "'a'",
    "\"\\",
    "[\"a\":1]",
    "{1:2}",
    "/**/1",
    "1//",
    "[1,2]x",
    "\xEF\xBB\xBF{\"x\":1}",
    "{\"x\":1}\xEF\xBB\xBF",
    "\xFF\xFE{\0",
    "{\"x\":1,\"y\":\"\xFF\"}",
    "{\"x\":1,\"y\":\"\xC0\x80\"}",
    "{\"x\":1,\"y\":\"\xED\xA0\x80\"}",
    "{\"x\":1,\"y\":\"\xF4\x90\x80\x80\"}",
    "{\"x\":1,\"y\":\"\xE2\x82\"}",
    "{\"x\":1,\"\xFF\":0}",
    "{\"x\":1,\"y\":\"\x80\"}",
    "{\"x\":1}\xA0",
    "\f1",
    "\v1",
};

static void what_is_no_json_is_refused_by_all(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof no_json / sizeof *no_json; i++)
        all_answer(no_json[i], strlen(no_json[i]), MOFKA_ERR_JSON);
    all_answer("1\0", 2, MOFKA_ERR_JSON);
    all_answer("{\"x\":1\0}", 8, MOFKA_ERR_JSON);
    all_answer("{\"x\":1,\"y\":\"\0\"}", 15, MOFKA_ERR_JSON);
    FAILS(reader_validate(readers[SCHEMA_VALIDATOR].config, "\xEF\xBB\xBF{}", 5), MOFKA_ERR_JSON,
          "a byte order mark at byte 0 of 5");
}

/* Serializers that do not read the text keep every byte. */
static void any_bytes_come_back_from_zstd_and_default(void **state) {
    (void)state;
    static const char *const types[] = {"{\"type\":\"default\"}", "{\"type\":\"zstd\"}",
                                        "{\"type\":\"zstd\",\"level\":22,\"dictionary\":\"AAAA\"}"};
    for (size_t c = 0; c < 3; c++) {
        mofka_serializer_t *serializer;
        OK(mofka_serializer_from_metadata(types[c], &serializer));
        for (size_t i = 0; i < sizeof no_json / sizeof *no_json; i++)
            serializer_keeps_text(serializer, no_json[i]);
        comes_back(serializer, "\0\0", 2, "\0\0", 2);
        mofka_serializer_release(serializer);
    }
}

/* ---- nesting -------------------------------------------------------------------------------- */

static char *hostile_nest_brackets(size_t depth, const char *open, const char *close,
                                   size_t *bytes) {
    buffer_t text = {0};
    buffer_write(&text, "{\"x\":1,\"y\":", 11);
    for (size_t i = 1; i < depth; i++)
        buffer_write(&text, open, strlen(open));
    buffer_write(&text, "0", 1);
    for (size_t i = 1; i < depth; i++)
        buffer_write(&text, close, strlen(close));
    buffer_write(&text, "}", 1);
    *bytes = text.used;
    return text.bytes;
}

static void nesting_has_a_limit(void **state) {
    (void)state;
    static const struct {
        const char *open, *close;
    } kinds[] = {{"[", "]"}, {"{\"x\":", "}"}, {"[{\"\":", "}]"}};
    for (size_t i = 0; i < 3; i++) {
        size_t bytes, levels = i == 2 ? 2 : 1;
        char *text = hostile_nest_brackets(MOFKA_JSON_DEPTH_MAX / levels, kinds[i].open,
                                           kinds[i].close, &bytes);
        all_answer(text, bytes, MOFKA_OK);
        for (int c = 0; c < CONFIGS; c++) {
            mofka_serializer_t *serializer;
            serializer_create_from(configs[c], &serializer);
            comes_back(serializer, text, bytes, text, bytes);
            mofka_serializer_release(serializer);
        }
        free(text);
        text = hostile_nest_brackets(1000000 / levels, kinds[i].open, kinds[i].close, &bytes);
        all_answer(text, bytes, MOFKA_ERR_JSON);
        free(text);
        text = hostile_nest_brackets(1000000, kinds[i].open, "", &bytes);
        all_answer(text, bytes, MOFKA_ERR_JSON);
        free(text);
    }
    size_t bytes;
    char *text = hostile_nest_brackets(MOFKA_JSON_DEPTH_MAX + 1, "[", "]", &bytes);
    for (size_t i = 0; i < READERS; i++)
        if (i == SCHEMA_VALIDATOR || readers[i].read == reader_serialize)
            FAILS(readers[i].read(readers[i].config, text, bytes), MOFKA_ERR_JSON,
                  "nested deeper than 256 at byte ");
    free(text);
}

/* ---- names given twice ---------------------------------------------------------------------- */

/* Serializers keep them all, selectors take the first, the validator "schema" refuses them. */
static void names_given_twice(void **state) {
    (void)state;
    buffer_t text = {0};
    buffer_write(&text, "{\"x\":1", 6);
    for (int i = 0; i < 100000; i++)
        buffer_write(&text, i % 2 ? ",\"x\":\"a\"" : ",\"id\":2", i % 2 ? 8 : 7);
    buffer_write(&text, "}", 1);
    for (int c = 0; c < CONFIGS; c++) {
        mofka_serializer_t *serializer;
        serializer_create_from(configs[c], &serializer);
        serializer_keeps_text(serializer,
                              "{\"id\":1,\"\\u0001\":2,\"id\":\"a\",\"id\":3,\"\\u0001\":{}}");
        comes_back(serializer, text.bytes, text.used, text.bytes, text.used);
        mofka_serializer_release(serializer);
    }
    OK(reader_select(readers[RANGE].config, text.bytes, text.used)); /* the first is a number */
    FAILS(reader_select(readers[RANGE].config, "{\"x\":\"a\",\"x\":1}", 15), MOFKA_ERR_REFUSED,
          "but has \"a\"");
    FAILS(reader_select(readers[KEY].config, "{\"\\u0078\":[],\"x\":1}", 19), MOFKA_ERR_REFUSED,
          "an array");
    FAILS(reader_validate(readers[SCHEMA_VALIDATOR].config, text.bytes, text.used), MOFKA_ERR_JSON,
          "twice");
    FAILS(reader_validate(readers[SCHEMA_VALIDATOR].config, "{\"a\":1,\"\\u0061\":2}", 18),
          MOFKA_ERR_JSON, "has the name \"a\" twice");
    FAILS(reader_validate(readers[PATTERN].config, "{\"x\":1,\"x\":1}", 13), MOFKA_ERR_REFUSED, "");
    free(text.bytes);
}

/* Halves of surrogate pairs, which UTF-8 cannot encode: types that only store text keep them. */
static void halves_of_pairs(void **state) {
    (void)state;
    static const char *const texts[] = {"{\"x\":1,\"y\":\"\\ud800\"}", "{\"x\":1,\"\\udc00\":0}",
                                        "{\"x\":1,\"y\":\"\\ud800\\u0041\"}",
                                        "{\"x\":1,\"y\":\"\\udc00\\ud800\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (size_t r = 0; r < READERS; r++)
            if (readers[r].read != reader_serialize)
                FAILS(readers[r].read(readers[r].config, texts[i], strlen(texts[i])),
                      MOFKA_ERR_JSON, "");
        for (int c = 0; c < CONFIGS; c++) {
            mofka_serializer_t *serializer;
            serializer_create_from(configs[c], &serializer);
            serializer_keeps_text(serializer, texts[i]);
            mofka_serializer_release(serializer);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_json_is_refused_by_all),
        cmocka_unit_test(any_bytes_come_back_from_zstd_and_default),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(names_given_twice),
        cmocka_unit_test(halves_of_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
