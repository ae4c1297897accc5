/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys, strings and numbers of ten megabytes, for every type that reads metadata; in events, and in
 * configurations. */
#include "plugins/readers/readers.h"

enum { MEGABYTES_10 = 10 << 20 };

/* ---- large keys and strings ----------------------------------------------------------------- */

/* `head`, ten megabytes of `piece`, `tail`. */
static char *large_text_create(const char *head, const char *piece, const char *tail,
                               size_t *bytes) {
    buffer_t text = {0};
    buffer_write(&text, head, strlen(head));
    while (text.used < MEGABYTES_10)
        buffer_write(&text, piece, strlen(piece));
    buffer_write(&text, tail, strlen(tail) + 1);
    *bytes = text.used - 1;
    return text.bytes;
}

/* Ten megabytes of `piece` come back as `plain`, because white space and escapes are not kept. */
static void check_large(const char *head, const char *piece, const char *plain, const char *tail) {
    size_t bytes, plain_bytes = 0, pieces;
    char *text = large_text_create(head, piece, tail, &bytes);
    all_answer(text, bytes, MOFKA_OK);
    pieces = (bytes - strlen(head) - strlen(tail)) / strlen(piece);
    buffer_t expected = {0};
    buffer_write(&expected, head, strlen(head));
    for (size_t i = 0; i < pieces; i++)
        buffer_write(&expected, plain, strlen(plain));
    buffer_write(&expected, tail, strlen(tail));
    plain_bytes = expected.used;
    for (int c = 0; c < CONFIGS; c++) {
        mofka_serializer_t *serializer;
        serializer_create_from(configs[c], &serializer);
        bool is_kept = keeps_bytes(configs[c]);
        comes_back(serializer, text, bytes, is_kept ? text : expected.bytes,
                   is_kept ? bytes : plain_bytes);
        mofka_serializer_release(serializer);
    }
    free(expected.bytes);
    free(text);
}

static void large_keys_and_strings_are_handled(void **state) {
    (void)state;
    check_large("{\"", "k", "k", "\":0,\"x\":1}");
    check_large("{\"x\":1,\"", "\\u0041\xC3\xA9", "A\xC3\xA9", "\":{\"\":[]}}");
    check_large("{\"x\":1,\"id\":[{\"", "\\n", "\\n", "\":null}]}");
    check_large("{\"x\":1,\"name\":\"", "\\u00e9", "\xC3\xA9", "\"}");
    size_t bytes;
    char *text = large_text_create("{\"x\":1,\"", "k", "\xFF\":1}", &bytes);
    all_answer(text, bytes, MOFKA_ERR_JSON);
    free(text);
    text = large_text_create("{\"x\":1,\"", "k", "", &bytes);
    all_answer(text, bytes, MOFKA_ERR_JSON);
    free(text);
}

/* A key of the configuration that is as large, and is found in the event. */
static void large_keys_of_configurations_are_found(void **state) {
    (void)state;
    size_t bytes, config_bytes;
    char *event = large_text_create("{\"", "k", "\":1}", &bytes), *config;
    config = large_text_create("{\"type\":\"schema\",\"schema\":{\"required\":[\"k\",\"", "k",
                               "\"]}}", &config_bytes);
    FAILS(reader_validate(config, event, bytes), MOFKA_ERR_REFUSED,
          "\"required\": the name \"k\" is missing");
    free(config);
    config = large_text_create("{\"type\":\"key\",\"pointer\":\"/", "k", "\"}", &config_bytes);
    OK(reader_select(config, event, bytes));
    free(config);
    config = large_text_create("{\"type\":\"range\",\"bounds\":[1],\"pointer\":\"/", "k", "\"}",
                               &config_bytes);
    FAILS(reader_select(config, "{\"x\":1}", 7), MOFKA_ERR_REFUSED, "needs a number at '/kkk");
    free(config);
    config = large_text_create("{\"type\":\"key\",\"pointer\":\"", "k", "\"}", &config_bytes);
    mofka_partition_selector_t *selector;
    FAILS(mofka_partition_selector_from_metadata(config, &selector), MOFKA_ERR_OPTION,
          "begin with '/', not 'kkk");
    free(config);
    config = large_text_create("{\"type\":\"schema\",\"schema\":{\"properties\":{\"", "k",
                               "\":{\"type\":\"integer\"}}}}", &config_bytes);
    mofka_serializer_t *serializer;
    OK(mofka_serializer_from_metadata(config, &serializer));
    comes_back(serializer, event, bytes, event, bytes);
    mofka_serializer_release(serializer);
    free(config);
    config = large_text_create("{\"type\":\"schema\",\"schema\":{\"properties\":{\"", "k",
                               "\":7}}}", &config_bytes);
    FAILS(mofka_serializer_from_metadata(config, &serializer), MOFKA_ERR_OPTION, "at '/properties");
    assert_true(strlen(mofka_last_error()) < 1024);
    free(config);
    config = large_text_create("{\"type\":\"", "k", "\"}", &config_bytes);
    FAILS(mofka_serializer_from_metadata(config, &serializer), MOFKA_ERR_NOT_FOUND, "kkk");
    free(config);
    free(event);
}

/* ---- numbers -------------------------------------------------------------------------------- */

static void huge_numbers_come_back(void **state) {
    (void)state;
    char digits[401], text[1000];
    memset(digits, '7', 400);
    digits[400] = '\0';
    const char *const numbers[] = {"1e999999", "-1e999999", "1E-999999",
                                   "1e99999999999999999999999999", digits};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        for (int c = 0; c < CONFIGS; c++) {
            mofka_serializer_t *serializer;
            serializer_create_from(configs[c], &serializer);
            serializer_keeps_text(serializer, numbers[i]);
            snprintf(text, sizeof text, "{\"id\":%s,\"x\":%s}", numbers[i], numbers[i]);
            serializer_keeps_text(serializer, text);
            snprintf(text, sizeof text, "{\"id\":-%s.5,\"kind\":[0.%s]}", digits, digits);
            serializer_keeps_text(serializer, text);
            mofka_serializer_release(serializer);
        }
    size_t bytes;
    char *number = large_text_create("{\"id\":1", "0", ",\"name\":\"\"}", &bytes);
    for (int c = 0; c < CONFIGS; c++) {
        mofka_serializer_t *serializer;
        serializer_create_from(configs[c], &serializer);
        comes_back(serializer, number, bytes, number, bytes);
        mofka_serializer_release(serializer);
    }
    free(number);
}

static void huge_numbers_have_a_place(void **state) {
    (void)state;
    const char *key = readers[KEY].config, *range = readers[RANGE].config;
    static const char *const events[] = {"{\"x\":1e999999}", "{\"x\":-1e-999999}",
                                         "{\"x\":1e99999999999999999999999999}"};
    for (size_t i = 0; i < 3; i++) {
        OK(reader_select(key, events[i], strlen(events[i])));
        OK(reader_select(range, events[i], strlen(events[i])));
    }
    size_t bytes;
    char *text = large_text_create("{\"x\":1", "0", "}", &bytes);
    OK(reader_select(key, text, bytes));
    OK(reader_select(range, text, bytes));
    OK(reader_validate(readers[SCHEMA_VALIDATOR].config, text, bytes));
    FAILS(reader_validate(
              "{\"type\":\"schema\",\"schema\":{\"additionalProperties\":{\"multipleOf\":3}}}",
              text, bytes),
          MOFKA_ERR_REFUSED, "\"multipleOf\"");
    char divisor[1100], digits[1001];
    memset(digits, '7', 1000);
    digits[1000] = '\0';
    snprintf(divisor, sizeof divisor,
             "{\"type\":\"schema\",\"schema\":{\"additionalProperties\":{\"multipleOf\":%s}}}",
             digits);
    FAILS(reader_validate(divisor, text, bytes), MOFKA_ERR_REFUSED, "\"multipleOf\"");
    free(text);
    text = large_text_create("-1.5e1", "2", "", &bytes); /* the exponent has ten megabytes */
    OK(reader_validate(
        "{\"type\":\"schema\",\"schema\":{\"type\":\"integer\",\"maximum\":-1e999999999999999999}}",
        text, bytes));
    free(text);
    text = large_text_create("1e-1", "2", "", &bytes);
    OK(reader_validate("{\"type\":\"schema\",\"schema\":{\"exclusiveMinimum\":0}}", text, bytes));
    FAILS(reader_validate("{\"type\":\"schema\",\"schema\":{\"multipleOf\":7}}", text, bytes),
          MOFKA_ERR_REFUSED, "\"multipleOf\"");
    free(text);
    FAILS(reader_validate("{\"type\":\"schema\",\"schema\":{\"maximum\":1e999998}}", "1e999999", 8),
          MOFKA_ERR_REFUSED, "\"maximum\"");
    FAILS(reader_validate("{\"type\":\"schema\",\"schema\":{\"const\":0}}", "1e-999999", 9),
          MOFKA_ERR_REFUSED, "\"const\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_keys_and_strings_are_handled),
        cmocka_unit_test(large_keys_of_configurations_are_found),
        cmocka_unit_test(huge_numbers_come_back),
        cmocka_unit_test(huge_numbers_have_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
