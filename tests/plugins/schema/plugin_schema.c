/* SPDX-License-Identifier: BSD-3-Clause */
/* The validator "schema": its messages about invalid events and schemas, and its limits. The
 * official suite tests what it accepts (schema_suite.cpp). */
#include <pthread.h>
#include "support/check.h"
#include "support/clock.h"

static mofka_status_t schema_create_validator(const char *schema, mofka_validator_t **validator) {
    size_t bytes = strlen(schema) + 64;
    char *config = malloc(bytes);
    assert_non_null(config);
    snprintf(config, bytes, "{\"type\":\"schema\",\"schema\":%s}", schema);
    mofka_status_t status = mofka_validator_from_metadata(config, validator);
    free(config);
    return status;
}

static mofka_status_t ask_bytes(const char *schema, const char *metadata, size_t bytes) {
    mofka_validator_t *validator;
    OK(schema_create_validator(schema, &validator));
    mofka_status_t status = mofka_validator_validate(validator, metadata, bytes, NULL);
    mofka_validator_release(validator);
    return status;
}

static mofka_status_t schema_validate(const char *schema, const char *metadata) {
    return ask_bytes(schema, metadata, strlen(metadata));
}

static void refusals_name_place_and_keyword(void **state) {
    (void)state;
    static const struct {
        const char *schema, *metadata, *message;
    } cases[] = {
        {"false", "1", "at '': \"false\" refuses 1"},
        {"{\"type\":\"string\"}", "12", "at '': \"type\" refuses 12"},
        {"{\"properties\":{\"a\":{\"items\":{\"maximum\":5}}}}", "{\"a\":[1,9]}",
         "at '/a/1': \"maximum\" refuses 9"},
        {"{\"properties\":{\"a/b~\":{\"enum\":[1,2]}}}", "{\"a/b~\":[]}",
         "at '/a~1b~0': \"enum\" refuses an array of 0"},
        {"{\"required\":[\"a\",\"b\"]}", "{\"a\":1}",
         "at '': \"required\": the name \"b\" is missing"},
        {"{\"additionalProperties\":false}", "{\"a\":1}", "at '/a': \"additionalProperties\""},
        {"{\"properties\":{\"a\":false}}", "{\"a\":{}}", "at '/a': \"properties\""},
        {"{\"patternProperties\":{\"^x\":{\"minLength\":2}}}", "{\"ax\":\"\",\"xa\":\"\xC3\xA9\"}",
         "at '/xa': \"minLength\" refuses \"\xC3\xA9\""},
        {"{\"propertyNames\":{\"maxLength\":1}}", "{\"abc\":1}",
         "at '': \"propertyNames\" refuses the name \"abc\""},
        {"{\"anyOf\":[{\"type\":\"null\"},{\"properties\":{\"a\":{\"const\":1}}}]}", "{\"a\":2}",
         "at '': \"anyOf\" refuses an object of 1"},
        {"{\"allOf\":[{\"properties\":{\"a\":{\"const\":1}}}]}", "{\"a\":2}",
         "at '/a': \"const\" refuses 2"},
        {"{\"not\":{}}", "null", "\"not\" refuses null"},
        {"{\"oneOf\":[{},{}]}", "true", "\"oneOf\" refuses true"},
        {"{\"if\":{\"minimum\":5},\"then\":{\"maximum\":6},\"else\":{\"multipleOf\":2}}", "7",
         "\"maximum\" refuses 7"},
        {"{\"if\":{\"minimum\":5},\"then\":{\"maximum\":6},\"else\":{\"multipleOf\":2}}", "3",
         "\"multipleOf\" refuses 3"},
        {"{\"contains\":{\"const\":1}}", "[2]", "\"contains\" refuses an array of 1"},
        {"{\"uniqueItems\":true}", "[1,{\"a\":1,\"b\":2},{\"b\":2,\"a\":1.0}]", "\"uniqueItems\""},
        {"{\"dependencies\":{\"a\":[\"b\"],\"c\":{\"minProperties\":3}}}", "{\"c\":1}",
         "\"minProperties\""},
        {"{\"exclusiveMaximum\":3}", "3", "\"exclusiveMaximum\" refuses 3"},
        {"{\"pattern\":\"^.$\"}", "\"ab\"", "\"pattern\" refuses \"ab\""},
        {"{\"items\":[{},{\"type\":\"null\"}],\"additionalItems\":{\"type\":\"string\"}}",
         "[1,null,3]", "at '/2': \"type\" refuses 3"},
        {"{\"$ref\":\"#/definitions/a\",\"definitions\":{\"a\":{\"type\":\"null\"}}}", "0",
         "\"type\" refuses 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        FAILS(schema_validate(cases[i].schema, cases[i].metadata), MOFKA_ERR_REFUSED,
              cases[i].message);
}

static void characters_numbers_and_names_are_counted_right(void **state) {
    (void)state;
    OK(schema_validate("{\"maxLength\":2}", "\"\xF0\x9F\x98\x80\\u0000\""));
    OK(schema_validate("{\"pattern\":\"^.\\\\u00e9$\"}", "\"\xF0\x9F\x98\x80\xC3\xA9\""));
    OK(schema_validate("{\"type\":\"integer\"}", "1e300"));
    OK(schema_validate("{\"type\":\"integer\",\"multipleOf\":2}", "18446744073709551614"));
    OK(schema_validate("{\"type\":\"integer\",\"minimum\":0}", "9223372036854775808"));
    OK(schema_validate("{\"multipleOf\":0.01}", "19.99"));
    OK(schema_validate("{\"enum\":[1.0]}", "1"));
    OK(schema_validate("{\"format\":\"date\",\"contentEncoding\":\"base64\"}", "\"%\""));
    FAILS(schema_validate("{\"required\":[\"a\"]}", "{\"a\\u0000\":1}"), MOFKA_ERR_REFUSED,
          "is missing");
    FAILS(schema_validate("{\"multipleOf\":5}", "1.5"), MOFKA_ERR_REFUSED,
          "\"multipleOf\" refuses 1.5");
    FAILS(schema_validate("{\"multipleOf\":1}", "0.5"), MOFKA_ERR_REFUSED,
          "\"multipleOf\" refuses 0.5");
    OK(schema_validate("{\"multipleOf\":5}", "\"7\""));
}

/* ---- names with zero bytes ------------------------------------------------------------------ */

typedef struct answer {
    const char *schema, *metadata;
    const char *refusal; /* a part of the message, or NULL: it is valid */
} answer_t;

static void schema_check_answers(const answer_t *answers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (answers[i].refusal)
            FAILS(schema_validate(answers[i].schema, answers[i].metadata), MOFKA_ERR_REFUSED,
                  answers[i].refusal);
        else
            OK(schema_validate(answers[i].schema, answers[i].metadata));
    }
}
#define CHECK_ANSWERS(answers) schema_check_answers(answers, sizeof(answers) / sizeof *(answers))

static void names_do_not_end_at_a_zero_byte(void **state) {
    (void)state;
    static const answer_t answers[] = {
        {"{\"required\":[\"a\\u0000b\"]}", "{\"a\\u0000b\":1}", NULL},
        {"{\"required\":[\"a\\u0000b\"]}", "{\"a\":1}", "the name \"a\\u0000b\" is missing"},
        {"{\"required\":[\"a\\u0000b\"]}", "{\"a\\u0000c\":1}", "is missing"},
        {"{\"properties\":{\"a\\u0000b\":false}}", "{\"a\":1}", NULL},
        {"{\"properties\":{\"a\\u0000b\":false}}", "{\"a\\u0000b\":1}", "at '/a\\u0000b'"},
        {"{\"properties\":{\"a\":false,\"a\\u0000\":true}}", "{\"a\\u0000\":1}", NULL},
        {"{\"properties\":{\"a\\u0000\":true},\"additionalProperties\":false}",
         "{\"a\\u0000\":1,\"a\\u0000b\":2}", "at '/a\\u0000b': \"additionalProperties\""},
        {"{\"patternProperties\":{\"^a\\u0000\":false}}", "{\"ab\":1}", NULL},
        {"{\"patternProperties\":{\"^a\\u0000\":false}}", "{\"a\\u0000b\":1}",
         "\"patternProperties\""},
        {"{\"pattern\":\"a\\u0000b\"}", "\"a\\u0000b\"", NULL},
        {"{\"pattern\":\"a\\u0000b\"}", "\"a\\u0000c\"", "\"pattern\" refuses \"a\\u0000c\""},
        {"{\"propertyNames\":{\"const\":\"a\\u0000b\"}}", "{\"a\\u0000b\":1}", NULL},
        {"{\"propertyNames\":{\"const\":\"a\\u0000b\"}}", "{\"a\\u0000c\":1}",
         "refuses the name \"a\\u0000c\""},
        {"{\"dependencies\":{\"a\\u0000\":[\"b\\u0000\"]}}", "{\"a\":1}", NULL},
        {"{\"dependencies\":{\"a\\u0000\":[\"b\\u0000\"]}}", "{\"a\\u0000\":1,\"b\\u0000\":1}",
         NULL},
        {"{\"dependencies\":{\"a\\u0000\":[\"b\\u0000\"]}}", "{\"a\\u0000\":1,\"b\":1}",
         "\"dependencies\""},
        {"{\"dependencies\":{\"a\\u0000\":false}}", "{\"a\":1}", NULL},
        {"{\"dependencies\":{\"a\\u0000\":false}}", "{\"a\\u0000\":1}", "\"dependencies\""},
        {"{\"const\":{\"a\\u0000b\":1}}", "{\"a\\u0000b\":1}", NULL},
        {"{\"const\":{\"a\\u0000b\":1}}", "{\"a\\u0000c\":1}", "\"const\""},
        {"{\"const\":\"a\\u0000b\"}", "\"a\\u0000c\"", "\"const\""},
        {"{\"enum\":[0,{\"a\\u0000b\":1}]}", "{\"a\\u0000b\":1}", NULL},
        {"{\"enum\":[0,{\"a\\u0000b\":1}]}", "{\"a\\u0000c\":1}", "\"enum\""},
        {"{\"uniqueItems\":true}", "[{\"a\\u0000b\":1},{\"a\\u0000c\":1}]", NULL},
        {"{\"uniqueItems\":true}", "[{\"a\\u0000b\":1},{\"a\\u0000b\":1}]", "\"uniqueItems\""},
        {"{\"$ref\":\"#/definitions/a\\u0000b\",\"definitions\":{\"a\":true,\"a\\u0000b\":false}}",
         "1", "\"false\" refuses 1"},
        {"{\"items\":{\"$ref\":\"http://a/b\\u0000c\"},\"definitions\":{\"x\":{\"$id\":"
         "\"http://a/b\"},\"y\":{\"$id\":\"http://a/b\\u0000c\",\"type\":\"null\"}}}",
         "[1]", "at '/0': \"type\""},
    };
    CHECK_ANSWERS(answers);
    mofka_validator_t *validator;
    OK(mofka_validator_from_metadata(
        "{\"type\":\"schema\",\"schema\":{\"$ref\":\"http://a/b\\u0000c\"},"
        "\"documents\":{\"http://a/b\":true,\"http://a/b\\u0000c\":false}}",
        &validator));
    FAILS(mofka_validator_validate(validator, "1", 1, NULL), MOFKA_ERR_REFUSED, "\"false\"");
    mofka_validator_release(validator);
}

/* ---- numbers -------------------------------------------------------------------------------- */

static void numbers_are_compared_exactly(void **state) {
    (void)state;
    static const answer_t answers[] = {
        {"{\"maximum\":9007199254740992}", "9007199254740993", "refuses 9007199254740993"},
        {"{\"maximum\":9007199254740993}", "9007199254740993.0", NULL},
        {"{\"minimum\":9007199254740993}", "9007199254740992", "\"minimum\""},
        {"{\"minimum\":-9007199254740993}", "-9007199254740993", NULL},
        {"{\"minimum\":-9007199254740992}", "-9007199254740993", "\"minimum\""},
        {"{\"exclusiveMaximum\":9007199254740993}", "9007199254740992", NULL},
        {"{\"exclusiveMinimum\":9007199254740992}", "9007199254740993", NULL},
        {"{\"exclusiveMinimum\":9007199254740993}", "9007199254740993", "\"exclusiveMinimum\""},
        {"{\"exclusiveMaximum\":0.1}", "0.09999999999999999999999", NULL},
        {"{\"exclusiveMaximum\":0.1}", "0.10", "\"exclusiveMaximum\" refuses 0.1"},
        {"{\"maximum\":0.1}", "0.1000000000000000000001", "refuses 0.1000000000000000000001"},
        {"{\"maximum\":123456789012345678901234567890}", "123456789012345678901234567891",
         "\"maximum\""},
        {"{\"minimum\":18446744073709551615}", "18446744073709551614", "\"minimum\""},
        {"{\"const\":9007199254740993}", "9007199254740992", "\"const\""},
        {"{\"const\":9007199254740993}", "9007199254740993.0", NULL},
        {"{\"const\":[{\"a\":1e2}]}", "[{\"a\":100.0}]", NULL},
        {"{\"const\":0}", "-0.0e7", NULL},
        {"{\"const\":1}", "\"1\"", "\"const\""},
        {"{\"enum\":[9007199254740992,9223372036854775807]}", "9007199254740993", "\"enum\""},
        {"{\"enum\":[9223372036854775807]}", "9223372036854775808", "\"enum\""},
        {"{\"enum\":[0.1]}", "0.1000000000000000055511151231257827", "\"enum\""},
        {"{\"uniqueItems\":true}", "[9007199254740992,9007199254740993]", NULL},
        {"{\"uniqueItems\":true}", "[1,1e0]", "\"uniqueItems\""},
        {"{\"uniqueItems\":true}", "[1,\"1\",1.5,150e-3]", NULL},
        {"{\"type\":\"integer\"}", "9007199254740993.5", "\"type\" refuses 9007199254740993.5"},
        {"{\"type\":\"integer\"}", "1.50e1", NULL},
        {"{\"type\":\"string\"}", "1", "\"type\" refuses 1"},
        {"{\"type\":\"number\"}", "\"1\"", "\"type\" refuses \"1\""},
        {"{\"maxLength\":0,\"pattern\":\"x\"}", "1", NULL},
    };
    CHECK_ANSWERS(answers);
}

/* Numbers that would not fit in memory if they were written out. */
static void large_exponents_are_compared(void **state) {
    (void)state;
    static const answer_t answers[] = {
        {"true", "1e400", NULL},
        {"{\"maximum\":1e1000000000}", "1e1000000000", NULL},
        {"{\"maximum\":1e1000000000}", "1.1e1000000000", "refuses 11e999999999"},
        {"{\"minimum\":1e1000000000}", "99e999999998", "\"minimum\""},
        {"{\"exclusiveMinimum\":0}", "1e-1000000000", NULL},
        {"{\"maximum\":-1e-1000000000}", "-1e-1000000001", "\"maximum\""},
        {"{\"const\":1e1000000000}", "10.0e999999999", NULL},
        {"{\"const\":1e99999999999999999999}", "1e99999999999999999998", "\"const\""},
        {"{\"maximum\":1e99999999999999999999}", "10e99999999999999999998", NULL},
        {"{\"maximum\":1e99999999999999999999}", "11e99999999999999999998", "\"maximum\""},
        {"{\"type\":\"integer\"}", "1e1000000000", NULL},
        {"{\"type\":\"integer\"}", "1e-1000000000", "\"type\" refuses 1e-1000000000"},
        {"{\"multipleOf\":3}", "1e1000000000", "\"multipleOf\""},
        {"{\"multipleOf\":3}", "3e1000000000", NULL},
        {"{\"multipleOf\":1024}", "1e1000000000", NULL},
        {"{\"multipleOf\":7e1000000000}", "21e1000000001", NULL},
        {"{\"multipleOf\":1e-1000000000}", "123456", NULL},
    };
    CHECK_ANSWERS(answers);
}

static void multiples_are_exact(void **state) {
    (void)state;
    static const answer_t answers[] = {
        {"{\"multipleOf\":1e-8}", "12391239123", NULL},
        {"{\"multipleOf\":1e-8}", "12391239123.000000001", "\"multipleOf\""},
        {"{\"multipleOf\":3}", "9007199254740993", NULL},
        {"{\"multipleOf\":3}", "9007199254740994", "\"multipleOf\""},
        {"{\"multipleOf\":0.3}", "9007199254740993.0", NULL},
        {"{\"multipleOf\":9007199254740993}", "9007199254740992", "\"multipleOf\""},
        {"{\"multipleOf\":123456789012345678901234567890}", "-246913578024691357802469135780",
         NULL},
        {"{\"multipleOf\":123456789012345678901234567890}", "246913578024691357802469135781",
         "\"multipleOf\""},
        {"{\"multipleOf\":0.01}", "4.35", NULL},
        {"{\"multipleOf\":0.01}", "4.3500000000000000000001", "\"multipleOf\""},
        {"{\"multipleOf\":16}", "1000", "\"multipleOf\""},
        {"{\"multipleOf\":16}", "10000", NULL},
        {"{\"multipleOf\":1.00000000000000000000000000000000000003}",
         "7.00000000000000000000000000000000000021", NULL},
        {"{\"multipleOf\":18446744073709551616}", "36893488147419103232e30", NULL},
        {"{\"multipleOf\":18446744073709551616}", "1e64", NULL},
        {"{\"multipleOf\":18446744073709551616}", "1e63", "\"multipleOf\""},
        {"{\"multipleOf\":7}", "0e5", NULL},
        {"{\"multipleOf\":7}", "\"x\"", NULL},
    };
    CHECK_ANSWERS(answers);
}

static void counts_may_have_a_point_and_any_size(void **state) {
    (void)state;
    static const answer_t answers[] = {
        {"{\"minLength\":2.0,\"maxLength\":3.0}", "\"ab\"", NULL},
        {"{\"minLength\":2.0}", "\"a\"", "\"minLength\""},
        {"{\"maxLength\":2.0}", "\"abc\"", "\"maxLength\""},
        {"{\"minItems\":20e-1}", "[1]", "\"minItems\""},
        {"{\"maxItems\":2.0}", "[1,2,3]", "\"maxItems\""},
        {"{\"minProperties\":2.0}", "{\"a\":1}", "\"minProperties\""},
        {"{\"maxProperties\":0.0}", "{\"a\":1}", "\"maxProperties\""},
        {"{\"maxLength\":18446744073709551617}", "\"a\"", NULL},
        {"{\"maxLength\":18446744073709551616}", "\"a\"", NULL},
        {"{\"minLength\":18446744073709551616}", "\"a\"", "\"minLength\""},
        {"{\"minItems\":1e1000000000}", "[]", "\"minItems\""},
        {"{\"maxProperties\":1e1000000000}", "{}", NULL},
    };
    CHECK_ANSWERS(answers);
    mofka_validator_t *validator;
    FAILS(schema_create_validator("{\"minLength\":2.5}", &validator), MOFKA_ERR_OPTION,
          "at '/minLength': \"type\" refuses 2.5");
    FAILS(schema_create_validator("{\"maxItems\":-1e-1000000000}", &validator), MOFKA_ERR_OPTION,
          "at '/maxItems'");
    FAILS(schema_create_validator("{\"multipleOf\":0e9}", &validator), MOFKA_ERR_OPTION,
          "\"exclusiveMinimum\" refuses 0");
}

static void divisors_have_a_limit(void **state) {
    (void)state;
    mofka_validator_t *validator;
    char schema[1100], digits[1002];
    memset(digits, '7', 1001);
    digits[1001] = '\0';
    snprintf(schema, sizeof schema, "{\"multipleOf\":%s0e-999}", digits + 1);
    OK(schema_validate(schema, digits + 1));
    snprintf(schema, sizeof schema, "{\"items\":{\"multipleOf\":%s}}", digits);
    FAILS(schema_create_validator(schema, &validator), MOFKA_ERR_OPTION,
          "/items/multipleOf: 0, or a number of more than 1000 digits");
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void metadata_that_is_no_json(void **state) {
    (void)state;
    char deep[2 * MOFKA_JSON_DEPTH_MAX + 4] = "";
    FAILS(schema_validate("true", ""), MOFKA_ERR_JSON, "byte 0 of 0");
    FAILS(schema_validate("true", "{\"a\":}"), MOFKA_ERR_JSON, "byte 5 of 6");
    FAILS(schema_validate("true", "\"\xFF\""), MOFKA_ERR_JSON, "invalid UTF-8 at byte 1");
    FAILS(ask_bytes("true", "{}\0junk", 7), MOFKA_ERR_JSON, "at byte 2 of 7");
    FAILS(schema_validate("true", "\xEF\xBB\xBF{}"), MOFKA_ERR_JSON,
          "a byte order mark at byte 0 of 5");
    FAILS(schema_validate("true", "[\"\\uDC00\"]"), MOFKA_ERR_JSON, "half a surrogate pair");
    FAILS(schema_validate("true", "{\"\\uD800\":1}"), MOFKA_ERR_JSON, "half a surrogate pair");
    FAILS(schema_validate("true", "01"), MOFKA_ERR_JSON, "an invalid number");
    FAILS(schema_validate("true", "[{\"b\":{\"a/\":1,\"a/\":1}}]"), MOFKA_ERR_JSON,
          "at '/0/b' has the name \"a/\" twice");
    FAILS(schema_validate("true", "{\"a\\u0000\":1,\"a\\u0000\":1}"), MOFKA_ERR_JSON,
          "has the name \"a\\u0000\" twice");
    memset(deep, '[', MOFKA_JSON_DEPTH_MAX);
    memset(deep + MOFKA_JSON_DEPTH_MAX, ']', MOFKA_JSON_DEPTH_MAX);
    OK(schema_validate("true", deep));
    memset(deep, '[', MOFKA_JSON_DEPTH_MAX + 1);
    memset(deep + MOFKA_JSON_DEPTH_MAX + 1, ']', MOFKA_JSON_DEPTH_MAX + 1);
    FAILS(schema_validate("true", deep), MOFKA_ERR_JSON, "nested deeper than 256");
}

static void schemas_that_are_wrong(void **state) {
    (void)state;
    static const struct {
        const char *schema, *message;
    } cases[] = {
        {"1", "at '': \"type\" refuses 1"},
        {"{\"type\":\"strin\"}", "at '/type': \"enum\" refuses \"strin\""},
        {"{\"items\":{\"properties\":{\"a\":{\"minLength\":-1}}}}",
         "at '/items/properties/a/minLength': \"minimum\" refuses -1"},
        {"{\"allOf\":[]}", "at '/allOf': \"minItems\""},
        {"{\"required\":[\"a\",\"a\"]}", "at '/required': \"uniqueItems\""},
        {"{\"items\":{\"pattern\":\"a(\"}}", "#/items/pattern: missing closing parenthesis"},
        {"{\"patternProperties\":{\"[\":{}}}", "#/patternProperties: missing terminating ]"},
        {"{\"items\":{\"$ref\":\"#/definitions/x\"}}",
         "#/items: \"$ref\": \"#/definitions/x\" is not in the schema"},
        {"{\"not\":{\"$ref\":\"http://example.org/x.json\"}}", "which is missing"},
        {"{\"$ref\":\"#\"}", "leads back to itself"},
        {"{\"$ref\":\"#/definitions/a\",\"definitions\":{\"a\":{\"$ref\":\"#/definitions/"
         "b\"},\"b\":{"
         "\"$ref\":\"#/definitions/a\"}}}",
         "leads back to itself"},
        {"{\"not\":{\"$ref\":\"#/x\"},\"x\":{\"minimum\":\"1\"}}", "at '/minimum': \"type\""},
        {"{\"$schema\":\"https://json-schema.org/draft/2019-09/schema\"}", "draft/2019-09"},
        {"{\"$schema\":7}", "at '/$schema': \"type\" refuses 7"},
        {"{\"properties\":{\"a\":{},\"a\":{}}}", "has the name \"a\" twice"},
    };
    mofka_validator_t *validator;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        FAILS(schema_create_validator(cases[i].schema, &validator), MOFKA_ERR_OPTION,
              cases[i].message);
    FAILS(mofka_validator_from_metadata("{\"type\":\"schema\"}", &validator), MOFKA_ERR_OPTION,
          "\"schema\" is missing");
    FAILS(
        mofka_validator_from_metadata("{\"type\":\"schema\",\"schema\":true,\"x\":1}", &validator),
        MOFKA_ERR_OPTION, "\"x\"");
    FAILS(mofka_validator_from_metadata("{\"type\":\"schema\",\"schema\":true,\"documents\":1}",
                                        &validator),
          MOFKA_ERR_OPTION, "\"documents\"");
}

static void schema_note_line(void *context, mofka_log_level_t level, const char *message) {
    assert_int_equal(level, MOFKA_LOG_WARN);
    snprintf(context, 200, "%s", message);
}

static void older_drafts_are_draft_7_with_a_warning(void **state) {
    (void)state;
    char line[200] = "";
    mofka_validator_t *validator;
    mofka_log_set_callback(schema_note_line, line);
    OK(schema_validate("{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}", "1"));
    assert_string_equal(line, "");
    FAILS(schema_validate("{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"const\":1}",
                          "2"),
          MOFKA_ERR_REFUSED, "\"const\"");
    assert_non_null(strstr(line, "names draft 4, but the rules of draft 7 apply"));
    OK(schema_validate(
        "{\"$schema\":\"http://json-schema.org/draft-06/schema\",\"exclusiveMinimum\":1}", "2"));
    assert_non_null(strstr(line, "names draft 6"));
    FAILS(schema_create_validator(
              "{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"minimum\":1,"
              "\"exclusiveMinimum\":true}",
              &validator),
          MOFKA_ERR_OPTION, "draft 7: at '/exclusiveMinimum': \"type\" refuses true");
    mofka_log_set_callback(NULL, NULL);
}

static void references_find_their_documents(void **state) {
    (void)state;
    mofka_validator_t *validator;
    OK(mofka_validator_from_metadata(
        "{\"type\":\"schema\",\"schema\":{\"$id\":\"http://a.org/b/c.json\",\"items\":{\"$ref\":"
        "\"../d.json#/definitions/n\"}},\"documents\":{\"http://a.org/"
        "d.json\":{\"definitions\":{\"n\":"
        "{\"$ref\":\"#/definitions/m\"},\"m\":{\"type\":\"number\"}}}}}",
        &validator));
    OK(mofka_validator_validate(validator, "[1,2]", 5, NULL));
    FAILS(mofka_validator_validate(validator, "[1,\"\"]", 6, NULL), MOFKA_ERR_REFUSED, "at '/1'");
    mofka_validator_release(validator);
    OK(schema_validate("{\"$ref\":\"http://json-schema.org/draft-07/schema#\"}",
                       "{\"type\":\"array\"}"));
    FAILS(schema_validate("{\"$ref\":\"http://json-schema.org/draft-07/schema#\"}", "{\"type\":1}"),
          MOFKA_ERR_REFUSED, "at '/type'");
}

/* ---- without bound -------------------------------------------------------------------------- */

static void circles_and_patterns_come_to_an_end(void **state) {
    (void)state;
    FAILS(schema_validate("{\"allOf\":[{\"$ref\":\"#\"}]}", "1"), MOFKA_ERR_REFUSED,
          "refers to itself in a circle");
    FAILS(schema_validate("{\"not\":{\"allOf\":[{\"$ref\":\"#\"}]}}", "1"), MOFKA_ERR_REFUSED,
          "circle");
    FAILS(schema_validate("{\"pattern\":\"^(a|a|aa)+$\"}",
                          "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\""),
          MOFKA_ERR_REFUSED, "takes too long");
    size_t bytes = 10 << 20;
    char *text = malloc(bytes + 3);
    assert_non_null(text);
    memset(text, 'a', bytes + 2);
    text[0] = text[bytes + 1] = '"';
    text[bytes + 2] = '\0';
    OK(schema_validate("{\"pattern\":\"^a*$\",\"minLength\":10485760,\"maxLength\":10485760}",
                       text));
    free(text);
}

/* A chain of subschemas, each of which refers to the next. valijson recurses for each link, and the
 * main thread's stack is too small for that. */
static void long_chains_of_references(void **state) {
    (void)state;
    enum { LINKS = 8000 };
    char *schema = malloc((size_t)LINKS * 80 + 100);
    assert_non_null(schema);
    size_t used = (size_t)sprintf(schema, "{\"items\":{\"$ref\":\"#0\"},\"definitions\":{");
    for (int i = 0; i < LINKS; i++)
        used += (size_t)sprintf(
            schema + used, "\"%d\":{\"$id\":\"#%d\",\"items\":{\"$ref\":\"#%d\"}},", i, i, i + 1);
    sprintf(schema + used, "\"end\":{\"$id\":\"#%d\",\"type\":\"null\"}}}", LINKS);
    OK(schema_validate(schema, "[[[[1]]]]"));
    free(schema);
}

static void many_members_and_items_take_no_ages(void **state) {
    (void)state;
    enum { COUNT = 50000 };
    char *text = malloc((size_t)COUNT * 20 + 10);
    assert_non_null(text);
    double begin = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    size_t used = 1;
    text[0] = '{';
    for (int i = 0; i < COUNT; i++)
        used += (size_t)sprintf(text + used, "\"k%d\":%d,", i, i);
    text[used - 1] = '}';
    text[used] = '\0';
    OK(schema_validate(
        "{\"properties\":{\"k5\":true,\"k49999\":{\"const\":49999}},\"minProperties\":50000}",
        text));
    used = 1;
    text[0] = '[';
    for (int i = 0; i < COUNT; i++)
        used += (size_t)sprintf(text + used, "[%d],", i);
    text[used - 1] = ']';
    text[used] = '\0';
    OK(schema_validate("{\"uniqueItems\":true}", text));
    assert_true(clock_seconds(CLOCK_THREAD_CPUTIME_ID) - begin <
                20); /* comparing all pairs would take minutes */
    free(text);
}

static void *schema_validate_in_thread(void *validator) {
    for (int i = 0; i < 500; i++) {
        OK(mofka_validator_validate(validator, "{\"a\":\"xyz\"}", 11, NULL));
        FAILS(mofka_validator_validate(validator, "{\"a\":\"abc\"}", 11, NULL), MOFKA_ERR_REFUSED,
              "at '/a': \"pattern\"");
    }
    return NULL;
}

static void threads_share_a_validator(void **state) {
    (void)state;
    mofka_validator_t *validator;
    pthread_t threads[4];
    OK(schema_create_validator("{\"properties\":{\"a\":{\"pattern\":\"^x\"}}}", &validator));
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, schema_validate_in_thread, validator),
                         0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    mofka_validator_release(validator);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_name_place_and_keyword),
        cmocka_unit_test(characters_numbers_and_names_are_counted_right),
        cmocka_unit_test(names_do_not_end_at_a_zero_byte),
        cmocka_unit_test(numbers_are_compared_exactly),
        cmocka_unit_test(large_exponents_are_compared),
        cmocka_unit_test(multiples_are_exact),
        cmocka_unit_test(counts_may_have_a_point_and_any_size),
        cmocka_unit_test(divisors_have_a_limit),
        cmocka_unit_test(metadata_that_is_no_json),
        cmocka_unit_test(schemas_that_are_wrong),
        cmocka_unit_test(older_drafts_are_draft_7_with_a_warning),
        cmocka_unit_test(references_find_their_documents),
        cmocka_unit_test(circles_and_patterns_come_to_an_end),
        cmocka_unit_test(long_chains_of_references),
        cmocka_unit_test(many_members_and_items_take_no_ages),
        cmocka_unit_test(threads_share_a_validator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
