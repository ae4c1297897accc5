/* SPDX-License-Identifier: BSD-3-Clause */
/* The serializers of the plug-ins: invalid configurations, and large schemas. */
#include "plugins/serializers.h"

static void options_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *config;
        mofka_status_t status;
        const char *message;
    } cases[] = {
        {"{\"type\":\"cbor\",\"x\":1}", MOFKA_ERR_OPTION, "\"x\"; known: \"type\""},
        {"{\"type\":\"zstd\",\"level\":0}", MOFKA_ERR_RANGE, "\"level\" is 0, outside [1, "},
        {"{\"type\":\"zstd\",\"level\":-1}", MOFKA_ERR_RANGE, "\"level\" is -1, outside [1, "},
        {"{\"type\":\"zstd\",\"level\":23}", MOFKA_ERR_RANGE, "\"level\" is 23, outside [1, "},
        {"{\"type\":\"zstd\",\"level\":\"3\"}", MOFKA_ERR_OPTION,
         "\"level\" must be a whole number in [1, "},
        {"{\"type\":\"zstd\",\"level\":2.5}", MOFKA_ERR_OPTION,
         "\"level\" must be a whole number in [1, "},
        {"{\"type\":\"zst\"}", MOFKA_ERR_NOT_FOUND,
         "serializer type 'zst' is neither registered (default"},
        {"{\"type\":\"zstd\",\"dictionary\":\"abc\"}", MOFKA_ERR_OPTION, "multiple of 4"},
        {"{\"type\":\"zstd\",\"dictionary\":\"ab%d\"}", MOFKA_ERR_OPTION, "'%' at byte 2"},
        {"{\"type\":\"zstd\",\"dictionary\":\"N6Qw7AEAAAA=\"}", MOFKA_ERR_OPTION, "cannot use"},
        {"{\"type\":\"schema\"}", MOFKA_ERR_OPTION, "\"schema\" is missing"},
        {"{\"type\":\"schema\",\"schema\":{},\"level\":1}", MOFKA_ERR_OPTION, "\"level\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mofka_serializer_t *serializer;
        FAILS(mofka_serializer_from_metadata(cases[i].config, &serializer), cases[i].status,
              cases[i].message);
    }
}

static mofka_status_t of_schema(const char *schema, mofka_serializer_t **serializer) {
    size_t bytes = strlen(schema) + 64;
    char *config = malloc(bytes);
    assert_non_null(config);
    snprintf(config, bytes, "{\"type\":\"schema\",\"schema\":%s}", schema);
    mofka_status_t status = mofka_serializer_from_metadata(config, serializer);
    free(config);
    return status;
}

static void options_expect_refused(const char *schema, const char *message) {
    mofka_serializer_t *serializer;
    FAILS(of_schema(schema, &serializer), MOFKA_ERR_OPTION, message);
}

#define A_SCHEMA "must be a schema: an object or a boolean, not "
#define SCHEMAS "must be an array of schemas, at least one, not "
#define NAMES "must be an array of strings, each once, not "
#define WHOLE "must be a whole number, 0 or more, not "
#define TYPES                                                                                      \
    "must be \"array\", \"boolean\", \"integer\", \"null\", \"number\", \"object\" or "            \
    "\"string\", or an array of some of them, each once, not "

static void wrong_schemas_are_refused_with_their_place(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"1", "schema serializer: option \"schema\": at '': " A_SCHEMA "1"},
        {"[]", "at '': " A_SCHEMA "[]"},
        {"{\"type\":\"strin\"}", "at '/type': " TYPES "\"strin\""},
        {"{\"type\":1}", "at '/type': " TYPES "1"},
        {"{\"type\":[]}", "at '/type': " TYPES "[]"},
        {"{\"type\":[\"null\",\"strin\"]}", "at '/type/1': " TYPES "\"strin\""},
        {"{\"type\":[\"null\",\"null\"]}", "at '/type/1': " TYPES "\"null\""},
        {"{\"properties\":[]}", "at '/properties': must be an object of schemas, not []"},
        {"{\"properties\":{\"a/b~\":{\"items\":1}}}",
         "at '/properties/a~1b~0/items': must be a schema (an object or a boolean) or an array of "
         "schemas, at least one, not 1"},
        {"{\"properties\":{\"a\":{},\"b\":null}}", "at '/properties/b': " A_SCHEMA "null"},
        {"{\"items\":[]}", "at '/items': must be a schema (an object or a boolean) or"},
        {"{\"items\":[{},7]}", "at '/items/1': " A_SCHEMA "7"},
        {"{\"required\":1}", "at '/required': " NAMES "1"},
        {"{\"required\":[\"a\",2]}", "at '/required/1': " NAMES "2"},
        {"{\"required\":[\"a\",\"b\",\"a\"]}", NAMES "\"a\""},
        {"{\"enum\":{}}", "at '/enum': must be an array, not {}"},
        {"{\"$ref\":1}", "at '/$ref': must be a string, not 1"},
        {"{\"$schema\":\"http://json-schema.org/draft-03/schema#\"}",
         "at '/$schema': must be \"http://json-schema.org/draft-07/schema#\", not "
         "\"http://json-schema.org/draft-03/schema#\""},
        {"{\"allOf\":[]}", "at '/allOf': " SCHEMAS "[]"},
        {"{\"anyOf\":{}}", "at '/anyOf': " SCHEMAS "{}"},
        {"{\"oneOf\":[{\"not\":\"x\"}]}", "at '/oneOf/0/not': " A_SCHEMA "\"x\""},
        {"{\"if\":0}", "at '/if': " A_SCHEMA "0"},
        {"{\"additionalProperties\":{\"maxItems\":1.5}}",
         "at '/additionalProperties/maxItems': " WHOLE "1.5"},
        {"{\"minLength\":-1}", "at '/minLength': " WHOLE "-1"},
        {"{\"minLength\":1e-1}", "at '/minLength': " WHOLE "1e-1"},
        {"{\"maxLength\":\"1\"}", "at '/maxLength': " WHOLE "\"1\""},
        {"{\"maximum\":\"1\"}", "at '/maximum': must be a number, not \"1\""},
        {"{\"exclusiveMinimum\":true}", "at '/exclusiveMinimum': must be a number, not true"},
        {"{\"multipleOf\":0.00}", "at '/multipleOf': must be a number above 0, not 0.00"},
        {"{\"multipleOf\":-5}", "at '/multipleOf': must be a number above 0, not -5"},
        {"{\"uniqueItems\":1}", "at '/uniqueItems': must be true or false, not 1"},
        {"{\"pattern\":[]}", "at '/pattern': must be a string, not []"},
        {"{\"dependencies\":{\"a\":[\"b\",\"b\"]}}", "at '/dependencies/a/1': " NAMES "\"b\""},
        {"{\"dependencies\":{\"a\":\"b\"}}", "at '/dependencies/a': " A_SCHEMA "\"b\""},
        {"{\"definitions\":{\"a\":{\"definitions\":{\"b\":{\"title\":{}}}}}}",
         "at '/definitions/a/definitions/b/title': must be a string, not {}"},
        {"{\"properties\":{\"a\":true,\"b\":true,\"\\u0061\":false}}",
         "at '/properties/a': must be the only value of its name"},
        {"{\"const\":{\"a\":1,\"a\":2}}", "at '/const/a': must be the only value of its name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        options_expect_refused(cases[i][0], cases[i][1]);
}

/* Schemas that look invalid, but are valid. */
static void right_schemas_are_taken(void **state) {
    (void)state;
    static const char *const schemas[] = {
        "{\"$schema\":\"http://json-schema.org/draft-07/schema\"}",
        "{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"exclusiveMinimum\":1}",
        "{\"$schema\":\"https://json-schema.org/draft-06/schema\"}",
        "{\"maxLength\":2.0,\"minLength\":10e-1,\"minItems\":-0,\"maxItems\":1e400}",
        "{\"multipleOf\":1e-999,\"type\":[\"integer\",\"null\"],\"enum\":[]}",
        "{\"properties\":{\"type\":{},\"properties\":false,\"$ref\":{},\"$id\":{},\"enum\":{}}}",
        "{\"properties\":{\"a\":{},\"a\\u0000\":{},\"a\\u0000b\":{}},\"required\":[\"a\","
        "\"a\\u0000\"]}",
        "{\"default\":{\"type\":1},\"const\":{\"required\":1},\"examples\":[{\"items\":0}],"
        "\"unknown\":[{\"type\":7}]}",
        "{\"dependencies\":{\"a\":[],\"b\":{},\"c\":false},\"items\":[true,{}]}"};
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        mofka_serializer_t *serializer;
        OK(of_schema(schemas[i], &serializer));
        serializer_keeps_text(serializer,
                              "{\"a\":1,\"a\\u0000\":[{\"required\":1},null,\"x\"],\"c\":{}}");
        mofka_serializer_release(serializer);
    }
}

/* ---- references ----------------------------------------------------------------------------- */

static size_t bytes_by(const char *schema, const char *event) {
    mofka_serializer_t *serializer;
    OK(of_schema(schema, &serializer));
    size_t bytes = serializer_keeps_text(serializer, event);
    mofka_serializer_release(serializer);
    return bytes;
}

#define LONG_NAME "\"long name of a property\""
#define FAR(reference, place)                                                                      \
    "{\"$ref\":" reference "," place ":{\"properties\":{" LONG_NAME ":{\"type\":\"integer\"}}}}"

static void local_references_are_followed(void **state) {
    (void)state;
    static const char *const schemas[] = {
        FAR("\"#/definitions/a~1b\"", "\"definitions\":{\"a/b\"") "}",
        FAR("\"#/definitions/a~01\"", "\"definitions\":{\"a~1\"") "}",
        FAR("\"#/definitions/%c3%A9%25\"", "\"definitions\":{\"\\u00e9%\"") "}",
        FAR("\"#/definitions/\\\"%22\"", "\"definitions\":{\"\\\"\\\"\"") "}",
        FAR("\"#/definitions/a\\u0000b\"",
            "\"definitions\":{\"a\":{\"type\":\"null\"},\"a\\u0000b\"") "}",
        FAR("\"#/elsewhere\"", "\"elsewhere\""),
        "{\"$ref\":\"#/allOf/1\",\"allOf\":[{},{\"properties\":{" LONG_NAME
        ":{\"type\":\"integer\"}}}]}",
        "{\"$ref\":\"#/definitions/0\",\"definitions\":{\"0\":{\"$ref\":\"#/definitions/1\"},\"1\":"
        "{\"$ref\":\"#/definitions/2\"},\"2\":{\"properties\":{" LONG_NAME
        ":{\"type\":\"integer\"}}}}}",
        "{\"properties\":{" LONG_NAME ":{\"$id\":\"http://a/b\",\"$ref\":\"#/definitions/n\"}},"
        "\"definitions\":{\"n\":{\"type\":\"integer\"}}}",
        "{\"properties\":{" LONG_NAME ":{\"$id\":\"http://a/b\",\"items\":{\"$ref\":\"#/"
        "definitions/n\"},\"type\":\"integer\",\"definitions\":{\"n\":{}}}}}"};
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++)
        assert_int_equal(bytes_by(schemas[i], "{" LONG_NAME ":5}"), 2);
    /* Others are left open. */
    IN_RANGE(bytes_by("{\"$ref\":\"http://a/b\",\"type\":\"null\"}", "5"), 1, 1);
    bytes_by("{\"items\":{\"$ref\":\"#name\"}}", "[1,{\"a\":2}]");
    bytes_by("{\"items\":{\"$ref\":\"\"}}", "[1,{\"a\":2}]");
}

static void references_to_nowhere_are_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{\"items\":{\"$ref\":\"#/nowhere\"}}",
         "at '/items/$ref': must be a place in the schema, not \"#/nowhere\""},
        {"{\"items\":[{},{\"$ref\":\"#/items/2\"}]}", "not \"#/items/2\""},
        {"{\"items\":[{},{\"$ref\":\"#/items/00\"}]}", "not \"#/items/00\""},
        {"{\"items\":[{},{\"$ref\":\"#/items/0x\"}]}", "not \"#/items/0x\""},
        {"{\"items\":[{},{\"$ref\":\"#/items/-\"}]}", "not \"#/items/-\""},
        {"{\"items\":[{},{\"$ref\":\"#/items/4294967296\"}]}", "not \"#/items/4294967296\""},
        {"{\"title\":\"x\",\"not\":{\"$ref\":\"#/title/0\"}}", "not \"#/title/0\""},
        {"{\"title\":\"x\",\"not\":{\"$ref\":\"#/title\"}}", "at '/title': " A_SCHEMA "\"x\""},
        {"{\"not\":{\"$ref\":\"#/x\"},\"x\":{\"type\":7}}", "at '/x/type': " TYPES "7"},
        {"{\"properties\":{\"a\":{\"$id\":\"http://a/b\",\"not\":{\"$ref\":\"#/properties\"}}}}",
         "at '/properties/a/not/$ref': must be a place in the schema"},
        {"{\"$ref\":\"#\"}", "at '/$ref': must be a place that does not lead back here, not \"#\""},
        {"{\"$ref\":\"#/definitions/a\",\"definitions\":{\"a\":{\"$ref\":\"#\"}}}",
         "must be a place that does not lead back here"},
    };
    mofka_serializer_t *serializer;
    /* Half a surrogate pair is refused before the schema is read. */
    FAILS(of_schema("{\"items\":{\"$ref\":\"#/\\ud800\"}}", &serializer), MOFKA_ERR_JSON, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        options_expect_refused(cases[i][0], cases[i][1]);
}

/* ---- large schemas -------------------------------------------------------------------------- */

enum { SUBSCHEMAS_MAX = 16384, MANY = 200000 };

/* The middle `count` times, numbered where it has a %d, with commas between. */
static void put_many(buffer_t *out, const char *head, const char *item, int count,
                     const char *tail) {
    char text[128];
    buffer_write(out, head, strlen(head));
    for (int i = 0; i < count; i++) {
        int bytes = snprintf(text, sizeof text, "%s", i ? "," : "");
        for (const char *at = item; *at; at++)
            if (*at == '@')
                bytes += snprintf(text + bytes, sizeof text - (size_t)bytes, "%d", i);
            else
                text[bytes++] = *at;
        buffer_write(out, text, (size_t)bytes);
    }
    buffer_write(out, tail, strlen(tail));
}

static void subschemas_have_a_limit(void **state) {
    (void)state;
    static const char *const kinds[][3] = {
        {"{\"properties\":{", "\"@\":{}", "}}"},
        {"{\"allOf\":[", "true", "]}"},
        {"{\"definitions\":{", "\"@\":{\"type\":\"null\"}", "}}"}};
    for (size_t i = 0; i < 3; i++)
        for (int count = SUBSCHEMAS_MAX - 1; count <= SUBSCHEMAS_MAX; count++) {
            buffer_t schema = {0};
            mofka_serializer_t *serializer;
            put_many(&schema, kinds[i][0], kinds[i][1], count, kinds[i][2]);
            buffer_write(&schema, "", 1);
            if (count < SUBSCHEMAS_MAX) {
                OK(of_schema(schema.bytes, &serializer));
                serializer_keeps_text(serializer, "{\"16382\":null,\"5\":1}");
                mofka_serializer_release(serializer);
            } else {
                options_expect_refused(schema.bytes, "more than 16384 subschemas");
            }
            free(schema.bytes);
        }
}

/* Comparing all pairs would take minutes, which is more than the test's time limit: names and
 * properties, references and definitions, choices and values, members and properties. */
static void large_schemas_take_no_ages(void **state) {
    (void)state;
    buffer_t schema = {0}, event = {0};
    mofka_serializer_t *serializer;
    put_many(&schema, "{\"properties\":{", "\"k@\":{\"$ref\":\"#/definitions/d@\"}", 8000, "},");
    put_many(&schema, "\"definitions\":{", "\"d@\":{\"type\":\"integer\"}", 8000, "},");
    put_many(&schema, "\"required\":[", "\"k@\"", MANY, "]}");
    buffer_write(&schema, "", 1);
    OK(of_schema(schema.bytes, &serializer));
    put_many(&event, "{", "\"k@\":@", 8000, ",");
    put_many(&event, "", "\"j@\":@", MANY, "}");
    comes_back(serializer, event.bytes, event.used, event.bytes, event.used);
    mofka_serializer_release(serializer);
    schema.used = event.used = 0;
    put_many(&schema, "{\"items\":{\"enum\":[", "\"v@\"", MANY, "]}}");
    buffer_write(&schema, "", 1);
    OK(of_schema(schema.bytes, &serializer));
    put_many(&event, "[", "\"v@\"", MANY, "]");
    comes_back(serializer, event.bytes, event.used, event.bytes, event.used);
    mofka_serializer_release(serializer);
    free(schema.bytes);
    free(event.bytes);
}

/* Many small objects, and a schema with many properties: an object does not pay for all of them. */
static void small_objects_stay_small(void **state) {
    (void)state;
    buffer_t schema = {0}, event = {0};
    mofka_serializer_t *serializer;
    put_many(&schema, "{\"items\":{\"properties\":{", "\"k@\":{\"type\":\"integer\"}", 16000,
             "}}}");
    buffer_write(&schema, "", 1);
    OK(of_schema(schema.bytes, &serializer));
    put_many(&event, "[", "{\"k15999\":@}", MANY, "]");
    IN_RANGE(comes_back(serializer, event.bytes, event.used, event.bytes, event.used), 1, 8 * MANY);
    mofka_serializer_release(serializer);
    free(schema.bytes);
    free(event.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(wrong_schemas_are_refused_with_their_place),
        cmocka_unit_test(right_schemas_are_taken),
        cmocka_unit_test(local_references_are_followed),
        cmocka_unit_test(references_to_nowhere_are_refused),
        cmocka_unit_test(subschemas_have_a_limit),
        cmocka_unit_test(large_schemas_take_no_ages),
        cmocka_unit_test(small_objects_stay_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
