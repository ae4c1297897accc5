/* SPDX-License-Identifier: BSD-3-Clause */
/* The reader of JSON text: its depth limit, characters, escapes and walks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cjson/cJSON.h>
#include <cmocka.h>
#include <mofka/limits.h>
#include <mofka/validator.h>
#include "json/text.h"
#include "json/tree.h"
#include "base/text/utf8.h"
#include "support/check.h"

/* `depth` nested containers: arrays, or objects. Free it. */
static char *json_nest_containers(size_t depth, bool objects) {
    const char *open = objects ? "{\"k\":" : "[";
    char *text = calloc(1, depth * (strlen(open) + 1) + 2);
    assert_non_null(text);
    for (size_t i = 0; i < depth; i++)
        strcat(text, open);
    strcat(text, "1");
    for (size_t i = 0; i < depth; i++)
        strcat(text, objects ? "}" : "]");
    return text;
}

static void the_depth_has_one_limit(void **state) {
    (void)state;
    mofka_validator_t *json;
    OK(mofka_validator_from_metadata("{\"type\":\"default\",\"json\":true}", &json));
    for (int objects = 0; objects < 2; objects++) {
        char *most = json_nest_containers(MOFKA_JSON_TEXT_DEPTH_MAX, objects);
        char *more = json_nest_containers(MOFKA_JSON_TEXT_DEPTH_MAX + 1, objects);
        OK(mfi_json_check("it", most, strlen(most)));
        FAILS(mfi_json_check("it", more, strlen(more)), MOFKA_ERR_JSON, "nested too deeply");
        OK(mofka_validator_validate(json, most, strlen(most), NULL));
        FAILS(mofka_validator_validate(json, more, strlen(more), NULL), MOFKA_ERR_JSON,
              "nested too deeply");
        free(most);
        free(more);
    }
    mofka_validator_release(json);
}

static void bad_escapes_are_named(void **state) {
    (void)state;
    static const char *const bad[][2] = {
        {"\"\\ud800\"", "half a surrogate pair"},
        {"\"\\udc00\\ud800\"", "half a surrogate pair"},
        {"\"\\ud800\\u0041\"", "half a surrogate pair"},
        {"\"\\ud800\\n\"", "half a surrogate pair"},
        {"\"\\ud800\\u12x4\"", "without four hexadecimal digits"},
        {"\"\\ud800\\u", "without four hexadecimal digits"},
        {"\"\\u00\"", "without four hexadecimal digits"},
        {"\"\\x\"", "an unknown escape"},
        {"\"\\", "an unknown escape"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        FAILS(mfi_json_check("it", bad[i][0], strlen(bad[i][0])), MOFKA_ERR_JSON, bad[i][1]);
    OK(mfi_json_check("it", "\"\\ud83d\\ude00\"", 14));
}

static void all_codes_are_read_as_written(void **state) {
    (void)state;
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        char text[4];
        const char *at = text, *end = mfi_utf8_write(text, code);
        bool surrogate = code >= 0xd800 && code <= 0xdfff;
        assert_true(mfi_utf8_next(text, end) == (surrogate ? NULL : end));
        if (surrogate)
            continue;
        assert_true(mfi_utf8_read(&at) == code && at == end);
        if (end > text + 1)
            assert_null(mfi_utf8_next(text, end - 1));
    }
}

static void bad_characters_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc3",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_null(mfi_utf8_next(bad[i], bad[i] + strlen(bad[i])));
}

static void escapes_mean_characters(void **state) {
    (void)state;
    static const char text[] = "\"a\\n\\u00e9\\ud83d\\ude00\\\\\\u0000\"";
    static const char meaning[] = "a\n\xc3\xa9\xf0\x9f\x98\x80\\"; /* and a zero byte */
    mfi_scratch_t scratch = {0};
    size_t bytes;
    OK(mfi_json_check("it", text, strlen(text)));
    const char *found = mfi_json_string(text, text + strlen(text), &scratch, &bytes);
    assert_int_equal(bytes, sizeof meaning);
    assert_memory_equal(found, meaning, sizeof meaning);
    free(scratch.bytes);
}

static void zero_bytes_are_found(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool zero;
    } cases[] = {{"\"\\u0000\"", true},    {"\"a\\\\\\u0000b\"", true},
                 {"\"\\\\u0000\"", false}, {"\"\\u0001\\n\"", false},
                 {"\"\"", false},          {"[\"\\u0000\"]", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = cases[i].text;
        OK(mfi_json_check("it", text, strlen(text)));
        assert_int_equal(mfi_json_has_zero(text, text + strlen(text)), cases[i].zero);
    }
}

/* Some versions of cJSON refuse long numbers. */
static void text_that_is_refused_is_not_want_of_memory(void **state) {
    (void)state;
    static const char *const texts[] = {"%s", "[true,%s]", "{\"1\":%s,\"2\":-0.5e+1}"};
    char text[200], number[100];
    cJSON *tree;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] * 40; i++) {
        snprintf(number, sizeof number, "%0*d", (int)(40 + i / 3), 0);
        number[0] = '1';
        snprintf(text, sizeof text, texts[i % 3], number);
        mofka_status_t status = mfi_json_parse("it", text, strlen(text), &tree);
        if (status)
            FAILS(status, MOFKA_ERR_JSON, "it has a number of too many characters");
        else
            cJSON_Delete(tree);
    }
    FAILS(mfi_json_parse("it", "[1,]", 4, &tree), MOFKA_ERR_JSON, "it is not JSON");
}

static void a_walk_meets_all_members(void **state) {
    (void)state;
    static const char text[] = " { \"a\" : [1, {}] ,\"b\":\"}\",\"c\":-1e5 } ";
    static const char *const values[] = {"[1, {}]", "\"}\"", "-1e5"};
    size_t count = 0;
    OK(mfi_json_check("it", text, strlen(text)));
    mfi_json_walk_t walk = mfi_json_walk(mfi_json_begin(text), text + strlen(text));
    for (; mfi_json_next(&walk); count++) {
        assert_true(walk.key[1] == (char)('a' + count));
        assert_int_equal(walk.end - walk.value, strlen(values[count]));
        assert_memory_equal(walk.value, values[count], strlen(values[count]));
    }
    assert_int_equal(count, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_depth_has_one_limit),
        cmocka_unit_test(bad_escapes_are_named),
        cmocka_unit_test(all_codes_are_read_as_written),
        cmocka_unit_test(bad_characters_are_refused),
        cmocka_unit_test(escapes_mean_characters),
        cmocka_unit_test(zero_bytes_are_found),
        cmocka_unit_test(text_that_is_refused_is_not_want_of_memory),
        cmocka_unit_test(a_walk_meets_all_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
