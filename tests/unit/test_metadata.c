/* SPDX-License-Identifier: BSD-3-Clause */
/* Metadata: exact bytes, parsed when asked; and options, read against a table. */
#include <cjson/cJSON.h>
#include "support/check.h"

static mofka_metadata_t *metadata_created(const char *text) {
    mofka_metadata_t *metadata;
    OK(mofka_metadata_create(text, text ? strlen(text) : 0, &metadata));
    return metadata;
}

static void bytes_are_kept_exactly(void **state) {
    (void)state;
    const char text[] = " {\"a\" : 1}\0 tail";
    mofka_metadata_t *m;
    size_t bytes;
    OK(mofka_metadata_create(text, sizeof text, &m));
    assert_memory_equal(mofka_metadata_text(m, &bytes), text, sizeof text);
    assert_int_equal(bytes, sizeof text);
    mofka_metadata_release(m);
    m = metadata_created(NULL);
    assert_string_equal(mofka_metadata_text(m, NULL), "{}");
    mofka_metadata_release(m);
    FAILS(mofka_metadata_create("x", MOFKA_METADATA_BYTES_MAX + 1, &m), MOFKA_ERR_TOO_LARGE,
          "at most");
    assert_string_equal(mofka_metadata_text(NULL, NULL), "");
}

static void json_is_parsed_when_asked(void **state) {
    (void)state;
    mofka_metadata_t *m = metadata_created("{\"a\":[1,2]}"), *copy;
    const cJSON *json, *again;
    OK(mofka_metadata_json(m, &json));
    OK(mofka_metadata_json(m, &again));
    assert_ptr_equal(json, again);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "a")), 2);
    OK(mofka_metadata_copy(m, &copy));
    OK(mofka_metadata_json(copy, &again));
    assert_ptr_not_equal(json, again); /* a deep copy */
    char *text;
    OK(mofka_metadata_dump(copy, false, &text));
    assert_string_equal(text, "{\"a\":[1,2]}");
    free(text);
    OK(mofka_metadata_dump(copy, true, &text));
    assert_non_null(strchr(text, '\n'));
    free(text);
    mofka_metadata_release(copy);
    mofka_metadata_release(m);
    const char *const bad[] = {"", "{", "{}x", "nul", "{\"a\":1}{"};
    for (int i = 0; i < 5; i++) {
        m = metadata_created(bad[i]);
        FAILS(mofka_metadata_json(m, &json), MOFKA_ERR_JSON, "not JSON");
        mofka_metadata_release(m);
    }
}

static void strings_need_not_be_json(void **state) {
    (void)state;
    mofka_metadata_t *m;
    const char *string;
    const cJSON *json;
    OK(mofka_metadata_create_string("just \"text\"", 11, &m));
    assert_true(mofka_metadata_is_string(m));
    OK(mofka_metadata_string(m, &string));
    assert_string_equal(string, "just \"text\"");
    OK(mofka_metadata_json(m, &json));
    assert_string_equal(cJSON_GetStringValue(json), "just \"text\"");
    mofka_metadata_release(m);
    m = metadata_created("\"quoted\"");
    OK(mofka_metadata_string(m, &string));
    assert_string_equal(string, "quoted");
    mofka_metadata_release(m);
    m = metadata_created("[1]");
    FAILS(mofka_metadata_string(m, &string), MOFKA_ERR_JSON, "not a string");
    mofka_metadata_release(m);
    cJSON *tree = cJSON_CreateObject();
    cJSON_AddNumberToObject(tree, "x", 1);
    OK(mofka_metadata_create_json(tree, &m));
    assert_string_equal(mofka_metadata_text(m, NULL), "{\"x\":1}");
    mofka_metadata_release(m);
    FAILS(mofka_metadata_create_json(NULL, &m), MOFKA_ERR_INVALID, "NULL");
}

/* ---- options --------------------------------------------------------------------------------- */

typedef struct values {
    bool flag;
    uint64_t count;
    int64_t timeout;
    int colour;
    char *text, *json;
} values_t;

static mofka_status_t read_options(const char *json, values_t *v) {
    static const char *const colours[] = {"red", "green", NULL};
    *v = (values_t){.count = 7, .timeout = 9};
    const mofka_option_t table[] = {
        {.key = "flag", .kind = MOFKA_OPTION_BOOL, .value = &v->flag},
        {.key = "count", .kind = MOFKA_OPTION_UINT, .value = &v->count, .min = 1, .max = 100},
        {.key = "timeout_ms", .kind = MOFKA_OPTION_TIMEOUT, .value = &v->timeout},
        {.key = "colour", .kind = MOFKA_OPTION_CHOICE, .value = &v->colour, .choices = colours},
        {.key = "text", .kind = MOFKA_OPTION_STRING, .value = &v->text},
        {.key = "json", .kind = MOFKA_OPTION_JSON, .value = &v->json}};
    return mofka_options_read("thing", json, table, 6);
}

static void options_are_read(void **state) {
    (void)state;
    values_t v;
    OK(read_options(NULL, &v));
    OK(read_options("", &v));
    OK(read_options("{}", &v));
    assert_true(v.count == 7 && v.timeout == 9 && !v.text && !v.json);
    /* A path stays a string, whatever it begins with. */
    OK(read_options("{\"flag\":true,\"count\":100,\"timeout_ms\":-1,\"colour\":\"green\","
                    "\"text\":\"1/2\",\"json\":[ 1, 12345678901234567890 ]}",
                    &v));
    assert_true(v.flag && v.count == 100 && v.timeout == -1 && v.colour == 1);
    assert_string_equal(v.text, "1/2");
    assert_string_equal(v.json, "[ 1, 12345678901234567890 ]"); /* as it was written */
    free(v.text);
    free(v.json);
}

static void bad_options_are_named(void **state) {
    (void)state;
    const struct {
        const char *json;
        mofka_status_t status;
        const char *text;
    } bad[] = {
        {"{", MOFKA_ERR_JSON, "thing: options are not a JSON object"},
        {"[]", MOFKA_ERR_JSON, "not a JSON object"},
        {"{} x", MOFKA_ERR_JSON, "not a JSON object"},
        {"{\"size\":1}", MOFKA_ERR_OPTION, "unknown option \"size\"; known: \"flag\", \"count\""},
        {"{\"flag\":1}", MOFKA_ERR_OPTION, "\"flag\" must be true or false, not 1"},
        {"{\"count\":\"5\"}", MOFKA_ERR_OPTION,
         "\"count\" must be a whole number in [1, 100], not \"5\""},
        {"{\"count\":1.5}", MOFKA_ERR_OPTION, "whole number in [1, 100], not 1.5"},
        {"{\"count\":0}", MOFKA_ERR_RANGE, "\"count\" is 0, outside [1, 100]"},
        {"{\"count\":-1}", MOFKA_ERR_RANGE, "outside [1, 100]"},
        {"{\"count\":101}", MOFKA_ERR_RANGE, "outside [1, 100]"},
        {"{\"count\":1e300}", MOFKA_ERR_OPTION, "whole number"},
        {"{\"colour\":\"blue\"}", MOFKA_ERR_OPTION, "\"red\" \"green\", not \"blue\""},
        {"{\"text\":null}", MOFKA_ERR_OPTION, "\"text\" must be a string"},
        {"{\"flag\":true,\"flag\":true}", MOFKA_ERR_OPTION, "twice"},
        {"{\"text\":\"a\\u0000b\"}", MOFKA_ERR_OPTION, "\"text\":\"a\\u0000b\" has a zero byte"},
        {"{\"colour\":\"red\\u0000\"}", MOFKA_ERR_OPTION, "zero byte"},
        {"{\"flag\\u0000\":true}", MOFKA_ERR_OPTION, "zero byte"},
        {"{\"text\":\"kept\",\"size\":1}", MOFKA_ERR_OPTION, "\"size\""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        values_t v;
        FAILS(read_options(bad[i].json, &v), bad[i].status, bad[i].text);
        assert_true(!v.flag && v.count == 7 && !v.text); /* nothing was changed */
    }
}

static void metadata_count_free(void *user) {
    ++*(int *)user;
}

static void a_user_pointer_is_set_once_and_freed_once(void **state) {
    (void)state;
    int freed = 0, other = 0;
    mofka_metadata_t *m = metadata_created("{}"), *copy;
    assert_null(mofka_metadata_user(m));
    FAILS(mofka_metadata_set_user(m, NULL, metadata_count_free), MOFKA_ERR_INVALID, "NULL user");
    FAILS(mofka_metadata_set_user(NULL, &freed, NULL), MOFKA_ERR_INVALID, "NULL");
    OK(mofka_metadata_set_user(m, &freed, metadata_count_free));
    FAILS(mofka_metadata_set_user(m, &other, metadata_count_free), MOFKA_ERR_EXISTS, "already");
    assert_ptr_equal(mofka_metadata_user(m), &freed);
    OK(mofka_metadata_copy(m, &copy));
    assert_null(mofka_metadata_user(copy));
    OK(mofka_metadata_set_user(copy, &other, NULL));
    mofka_metadata_release(copy);
    mofka_metadata_retain(m);
    mofka_metadata_release(m);
    assert_int_equal(freed, 0);
    mofka_metadata_release(m);
    assert_true(freed == 1 && other == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_kept_exactly),
        cmocka_unit_test(json_is_parsed_when_asked),
        cmocka_unit_test(strings_need_not_be_json),
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(a_user_pointer_is_set_once_and_freed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
