/* SPDX-License-Identifier: BSD-3-Clause */
/* Event patterns: the cases of eventbridge_cases.json (Amazon's language) and of
 * eventbridge_dialect_cases.json (both dialects), and hostile input. */
#include "support/check.h"
#include "support/clock.h"
#include "json/text.h"

/* ---- helpers --------------------------------------------------------------------------------- */

/* Make a validator in the original dialect, or in the default one, which is Amazon's. */
static mofka_status_t make_in(bool original, const char *pattern, mofka_validator_t **validator) {
    size_t bytes = strlen(pattern) + 64;
    char *json = malloc(bytes);
    assert_non_null(json);
    snprintf(json, bytes, "{\"type\":\"eventbridge\",%s\"pattern\":%s}",
             original ? "\"dialect\":\"original\"," : "", pattern);
    mofka_status_t status = mofka_validator_from_metadata(json, validator);
    free(json);
    return status;
}

static mofka_status_t pattern_create(const char *pattern, mofka_validator_t **validator) {
    return make_in(false, pattern, validator);
}

static mofka_status_t pattern_match(const mofka_validator_t *validator, const char *event) {
    return mofka_validator_validate(validator, event, strlen(event), NULL);
}

static mofka_validator_t *pattern_created(const char *pattern) {
    mofka_validator_t *validator;
    OK(pattern_create(pattern, &validator));
    return validator;
}

/* `count` times `text`, between `head` and `tail`. */
static char *text_repeat(const char *head, const char *text, size_t count, const char *tail) {
    size_t length = strlen(text), used = strlen(head);
    char *all = malloc(used + length * count + strlen(tail) + 1);
    assert_non_null(all);
    memcpy(all, head, used);
    for (size_t i = 0; i < count; i++, used += length)
        memcpy(all + used, text, length);
    strcpy(all + used, tail);
    return all;
}

/* ---- the cases ------------------------------------------------------------------------------- */

static char *cases_read_file(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*bytes + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, *bytes, file), *bytes);
    fclose(file);
    text[*bytes] = '\0';
    return text;
}

/* A case's member as JSON text, or the characters of a string; NULL if there is no such member. */
static char *case_member_text(const char *object, const char *limit, const char *key) {
    mfi_scratch_t scratch = {0};
    const char *value;
    OK(mfi_json_member(object, limit, key, strlen(key), &scratch, &value));
    char *copy = NULL;
    if (value) {
        size_t bytes = (size_t)(mfi_json_end(value, limit) - value);
        const char *text = *value == '"' && strcmp(key, "pattern") != 0 && strcmp(key, "event") != 0
                               ? mfi_json_string(value, limit, &scratch, &bytes)
                               : value;
        copy = strndup(text, bytes);
    }
    free(scratch.bytes);
    return copy;
}

/* The message has the path, and the path ends there. */
static bool message_names_path(const char *message, const char *path) {
    const char *found = strstr(message, path);
    return found && found[strlen(path)] == ':';
}

static bool compiles_not(bool original, const char *pattern, const char *path) {
    mofka_validator_t *validator;
    mofka_status_t status = make_in(original, pattern, &validator);
    if (status == MOFKA_OK)
        mofka_validator_release(validator);
    return status == MOFKA_ERR_OPTION && strstr(mofka_last_error(), "pattern at ") &&
           message_names_path(mofka_last_error(), path);
}

/* `path`: where the event does not match; NULL: it matches. */
static bool pattern_decides(bool original, const char *pattern, const char *event,
                            const char *path) {
    mofka_validator_t *validator;
    if (make_in(original, pattern, &validator) != MOFKA_OK)
        return false;
    mofka_status_t status = pattern_match(validator, event);
    mofka_validator_release(validator);
    return path ? status == MOFKA_ERR_REFUSED && message_names_path(mofka_last_error(), path)
                : status == MOFKA_OK;
}

/* One pattern and event in one dialect: an error at a place of the pattern, or a path, or a
 * match. */
static bool case_holds(bool original, const char *one, const char *limit, const char *error,
                       const char *path) {
    char *about = case_member_text(one, limit, "about"),
         *pattern = case_member_text(one, limit, "pattern");
    char *event = case_member_text(one, limit, "event");
    mofka_fail(MOFKA_OK, "no message");
    bool right = error ? compiles_not(original, pattern, error)
                       : pattern_decides(original, pattern, event, path);
    if (!right)
        printf("WRONG (%s dialect): %s\n  pattern %s\n  event   %s\n  expected %s\n  got      %s\n",
               original ? "original" : "amazon", about, pattern, event ? event : "-",
               error  ? error
               : path ? path
                      : "a match",
               mofka_last_error());
    free(about);
    free(pattern);
    free(event);
    return right;
}

static size_t is_wrong(const char *one, const char *limit) {
    char *error = case_member_text(one, limit, "error"),
         *matches = case_member_text(one, limit, "matches");
    char *path = case_member_text(one, limit, "path");
    bool misses = !error && matches[0] != 't';
    bool right = case_holds(false, one, limit, error, misses ? path ? path : "" : NULL);
    free(error);
    free(matches);
    free(path);
    return !right;
}

/* A member with the name of the dialect is `true` for a match, or the path that does not match. */
static size_t is_wrong_in_a_dialect(const char *one, const char *limit) {
    static const char *const answers[] = {"amazon", "original"};
    static const char *const errors[] = {"amazon_error", "original_error"};
    size_t wrong = 0;
    char *in_both = case_member_text(one, limit, "error");
    for (int i = 0; i < 2; i++) {
        char *error = case_member_text(one, limit, errors[i]),
             *path = case_member_text(one, limit, answers[i]);
        assert_true(in_both || error || path);
        wrong += !case_holds(i == 1, one, limit, in_both ? in_both : error,
                             path && path[0] == '$' ? path : NULL);
        free(error);
        free(path);
    }
    free(in_both);
    return wrong;
}

static void check_cases(const char *file, size_t at_least,
                        size_t (*count_wrong)(const char *one, const char *limit)) {
    size_t bytes, count = 0, wrong = 0;
    char *text = cases_read_file(file, &bytes);
    OK(mfi_json_check(file, text, bytes));
    mfi_json_walk_t walk = mfi_json_walk(mfi_json_begin(text), text + bytes);
    for (; mfi_json_next(&walk); count++)
        wrong += count_wrong(walk.value, text + bytes);
    printf("%s: %zu cases, %zu wrong answers\n", strrchr(file, '/') + 1, count, wrong);
    free(text);
    assert_int_equal(wrong, 0);
    assert_true(count >= at_least);
}

static void the_public_description_holds(void **state) {
    (void)state;
    check_cases(EVENTBRIDGE_CASES, 150, is_wrong);
}

static void the_dialects_agree_and_differ(void **state) {
    (void)state;
    check_cases(EVENTBRIDGE_DIALECT_CASES, 100, is_wrong_in_a_dialect);
}

/* ---- a field of each form that the original knows -------------------------------------------- */

static const struct form {
    const char *field;
    const char *good, *bad; /* members of an event; NULL: none */
    const char *path;
} forms[] = {
    {"'v1':'on'", "'v1':'on'", "'v1':'off'", "$.v1"},
    {"'v2':['on','idle']", "'v2':'idle'", "'v2':'off'", "$.v2"},
    {"'n1':[{'anything-but':'off'}]", "'n1':'on'", "'n1':'off'", "$.n1"},
    {"'n2':[{'anything-but':['off','idle']}]", "'n2':'on'", "'n2':'idle'", "$.n2"},
    {"'n3':[{'anything-but':{'prefix':'tmp-'}}]", "'n3':'a'", "'n3':'tmp-a'", "$.n3"},
    {"'n4':[{'anything-but':{'prefix':['t-','u-']}}]", "'n4':'a'", "'n4':'u-a'", "$.n4"},
    {"'n5':[{'anything-but':{'prefix':{'equals-ignore-case':'Tmp'}}}]", "'n5':'t'", "'n5':'tMPx'",
     "$.n5"},
    {"'n6':[{'anything-but':{'prefix':{'equals-ignore-case':['T-','u-']}}}]", "'n6':'a'",
     "'n6':'U-a'", "$.n6"},
    {"'n7':[{'anything-but':{'suffix':'.tmp'}}]", "'n7':'.tmpx'", "'n7':'x.tmp'", "$.n7"},
    {"'n8':[{'anything-but':{'suffix':['.t','.u']}}]", "'n8':'x'", "'n8':'x.u'", "$.n8"},
    {"'n9':[{'anything-but':{'suffix':{'equals-ignore-case':'.Tmp'}}}]", "'n9':'x'", "'n9':'x.TMP'",
     "$.n9"},
    {"'n0':[{'anything-but':{'suffix':{'equals-ignore-case':['.T','.u']}}}]", "'n0':'x'",
     "'n0':'x.t'", "$.n0"},
    {"'p1':[{'prefix':'run-'}]", "'p1':'run-7'", "'p1':'Run-7'", "$.p1"},
    {"'p2':[{'prefix':['run-','test-']}]", "'p2':'test-7'", "'p2':'a-test-7'", "$.p2"},
    {"'p3':[{'prefix':{'equals-ignore-case':'run-'}}]", "'p3':'RUN-7'", "'p3':'RUN'", "$.p3"},
    {"'p4':[{'prefix':{'equals-ignore-case':['run-','Test-']}}]", "'p4':'tEST-7'", "'p4':'x'",
     "$.p4"},
    {"'s1':[{'suffix':'.h5'}]", "'s1':'a.h5'", "'s1':'a.H5'", "$.s1"},
    {"'s2':[{'suffix':['.h5','.nc']}]", "'s2':'a.nc'", "'s2':'a.nc.gz'", "$.s2"},
    {"'s3':[{'suffix':{'equals-ignore-case':'.h5'}}]", "'s3':'a.H5'", "'s3':'H5'", "$.s3"},
    {"'s4':[{'suffix':{'equals-ignore-case':['.h5','.NC']}}]", "'s4':'a.nC'", "'s4':'a.x'", "$.s4"},
    {"'r1':[{'numeric':['<',80,'>=',4]}]", "'r1':4", "'r1':80", "$.r1"},
    {"'r2':[{'numeric':['<=',80,'>',4]}]", "'r2':80", "'r2':4", "$.r2"},
    {"'x1':[{'exists':true}]", "'x1':0", NULL, "$.x1"},
    {"'x2':[{'exists':false}]", NULL, "'x2':0", "$.x2"},
    {"'i1':[{'equals-ignore-case':'Ready'}]", "'i1':'rEADY'", "'i1':'read'", "$.i1"},
    {"'i2':[{'equals-ignore-case':['Ready','Steady']}]", "'i2':'STEADY'", "'i2':'go'", "$.i2"},
    {"'w1':[{'wildcard':'run*scan*.h5'}]", "'w1':'run-7-scan.h5'", "'w1':'scan-run.h5'", "$.w1"},
    {"'o1':{'mode':'scan'}", "'o1':{'mode':'scan'}", "'o1':{'mode':'x'}", "$.o1.mode"},
    {"'o2.mode':'scan'", "'o2':{'mode':'scan'}", "'o2':{'mode':'x'}", "$.o2.mode"},
    {"'c1':[{'$or':[{'hot':[{'exists':true}]},{'cold':[{'exists':true}]}]}]", "'c1':{'cold':4}",
     "'c1':{'warm':4}", "$.c1.hot"},
};

enum { FORMS = sizeof forms / sizeof forms[0] };

/* An object of the members that `choose` gives, with " for each '. */
static char *object_of(const char *(*choose)(size_t form, size_t chosen), size_t chosen) {
    char *text = malloc(8192), *to = text;
    assert_non_null(text);
    *to++ = '{';
    for (size_t i = 0; i < FORMS; i++) {
        const char *from = choose(i, chosen);
        if (from && to > text + 1)
            *to++ = ',';
        for (; from && *from; from++)
            *to++ = *from == '\'' ? '"' : *from;
    }
    strcpy(to, "}");
    return text;
}

static const char *choose_field(size_t form, size_t chosen) {
    (void)chosen;
    return forms[form].field;
}

static const char *choose_only_field(size_t form, size_t chosen) {
    return form == chosen ? forms[form].field : NULL;
}

static const char *choose_value(size_t form, size_t chosen) {
    return form == chosen ? forms[form].bad : forms[form].good;
}

static void fields_are_known_in(bool original) {
    size_t refused = 0;
    for (size_t i = 0; i < FORMS; i++) {
        mofka_validator_t *v;
        char *pattern = object_of(choose_only_field, i);
        if (make_in(original, pattern, &v) == MOFKA_OK)
            mofka_validator_release(v);
        else
            printf("refused %zu: %s: %s\n", ++refused, pattern, mofka_last_error());
        free(pattern);
    }
    assert_int_equal(refused, 0);
}

static void fields_match_in(bool original) {
    mofka_validator_t *v;
    char *pattern = object_of(choose_field, 0);
    OK(make_in(original, pattern, &v));
    free(pattern);
    for (size_t bad = 0; bad <= FORMS; bad++) {
        char *event = object_of(choose_value, bad);
        if (bad == FORMS)
            OK(pattern_match(v, event));
        else
            FAILS(pattern_match(v, event), MOFKA_ERR_REFUSED, forms[bad].path);
        free(event);
    }
    mofka_validator_release(v);
}

static void every_form_of_the_original_is_known(void **state) {
    (void)state;
    assert_int_equal(FORMS, 30);
    fields_are_known_in(false);
    fields_are_known_in(true);
    fields_match_in(false);
    fields_match_in(true);
}

/* ---- configurations -------------------------------------------------------------------------- */

static void configurations_are_checked(void **state) {
    (void)state;
    mofka_validator_t *v;
    FAILS(mofka_validator_from_metadata("{\"type\":\"eventbridge\"}", &v), MOFKA_ERR_OPTION,
          "\"pattern\" is missing");
    FAILS(mofka_validator_from_metadata(
              "{\"type\":\"eventbridge\",\"pattern\":{\"a\":[1]},\"json\":true}", &v),
          MOFKA_ERR_OPTION, "unknown option \"json\"");
    FAILS(mofka_validator_from_metadata(
              "{\"type\":\"eventbridge\",\"pattern\":{\"a\":[1]},\"pattern\":{\"a\":[2]}}", &v),
          MOFKA_ERR_OPTION, "twice");
    FAILS(pattern_create("7", &v), MOFKA_ERR_OPTION, "pattern at $: must be an object, not 7");
    FAILS(pattern_create("{\"a\":[{\"exists\":1}]}", &v), MOFKA_ERR_OPTION,
          "pattern at $.a[0].exists: must be true or false, not 1");
    FAILS(pattern_create("{\"a\":[{\"prefix\":null}]}", &v), MOFKA_ERR_OPTION,
          "pattern at $.a[0].prefix: a string or an array of strings is needed, not null");
    FAILS(pattern_create("{\"a\":[{\"contains\":\"x\"}]}", &v), MOFKA_ERR_OPTION,
          "pattern at $.a[0]: unknown operator 'contains'; known: prefix, suffix");
    FAILS(make_in(true, "{\"a\":[{\"anything-but\":{\"$or\":[{\"x\":1}]}}]}", &v), MOFKA_ERR_OPTION,
          "unknown operator '$or'; known here: prefix, suffix");
    FAILS(mofka_validator_from_metadata(
              "{\"type\":\"eventbridge\",\"pattern\":{\"a\":1},\"dialect\":\"diaspora\"}", &v),
          MOFKA_ERR_OPTION, "\"dialect\"");
    OK(mofka_validator_from_metadata(
        "{\"type\":\"eventbridge\",\"pattern\":{\"a\":1},\"dialect\":\"amazon\"}", &v));
    OK(pattern_match(v, "{\"a\":[1]}"));
    mofka_validator_release(v);
    FAILS(pattern_create("{\"a\":[{\"numeric\":[\"<\",5,\">\",5]}]}", &v), MOFKA_ERR_OPTION,
          "pattern at $.a[0].numeric: no number meets all comparisons");
    /* The text stays as the user wrote it, so that another rank makes the same validator of it. */
    const char *const text =
        "{ \"type\":\"eventbridge\", \"pattern\":{\"a\":[12345678901234567890]}}";
    OK(mofka_validator_from_metadata(text, &v));
    assert_string_equal(mofka_metadata_text(mofka_validator_metadata(v), NULL), text);
    OK(pattern_match(v, "{\"a\":12345678901234567890}"));
    FAILS(pattern_match(v, "{\"a\":12345678901234567891}"), MOFKA_ERR_REFUSED,
          "$.a: 12345678901234567891");
    mofka_validator_release(v);
}

static void refusals_say_what_was_found(void **state) {
    (void)state;
    mofka_validator_t *v = pattern_created("{\"d\":{\"s\":[\"on\"]}}");
    FAILS(pattern_match(v, "{\"d\":{\"s\":\"off\"}}"), MOFKA_ERR_REFUSED, "at $.d.s: \"off\"");
    FAILS(pattern_match(v, "{\"d\":{}}"), MOFKA_ERR_REFUSED, "at $.d.s: no value is there");
    mofka_validator_release(v);
    v = pattern_created("{\"e\":{\"a\":[1],\"b\":[2]}}");
    FAILS(pattern_match(v, "{\"e\":[{\"a\":1,\"b\":3},{\"a\":3,\"b\":2}]}"), MOFKA_ERR_REFUSED,
          "at $.e.b: ");
    mofka_validator_release(v);
}

/* The combination with most matches is at fault, and not one that was tried before it. */
static void refusals_are_about_one_combination(void **state) {
    (void)state;
    mofka_validator_t *v = pattern_created("{\"$or\":[{\"a\":[1]},{\"b\":[1],\"c\":[1]}]}");
    FAILS(pattern_match(v, "{\"a\":2,\"b\":1,\"c\":3}"), MOFKA_ERR_REFUSED, "at $.c: 3");
    mofka_validator_release(v);
}

static void the_pattern_is_called_schema_too(void **state) {
    (void)state;
    mofka_validator_t *v;
    const char *const text = "{\"schema\":{\"a\":[1]},\"type\":\"eventbridge\"}";
    OK(mofka_validator_from_metadata(text, &v));
    assert_string_equal(mofka_metadata_text(mofka_validator_metadata(v), NULL), text);
    OK(pattern_match(v, "{\"a\":[1]}")); /* Amazon's meaning */
    FAILS(pattern_match(v, "{\"a\":2}"), MOFKA_ERR_REFUSED, "at $.a: 2");
    mofka_validator_release(v);
    OK(mofka_validator_from_metadata(
        "{\"type\":\"eventbridge\",\"schema\":{\"a\":1},\"dialect\":\"original\"}", &v));
    FAILS(pattern_match(v, "{\"a\":[1]}"), MOFKA_ERR_REFUSED, "at $.a: [1]");
    mofka_validator_release(v);
    FAILS(mofka_validator_from_metadata(
              "{\"type\":\"eventbridge\",\"schema\":{\"a\":1},\"pattern\":{\"a\":1}}", &v),
          MOFKA_ERR_OPTION, "give one of them");
    FAILS(mofka_validator_from_metadata("{\"type\":\"eventbridge\",\"schema\":7}", &v),
          MOFKA_ERR_OPTION, "pattern at $: must be an object, not 7");
}

/* ---- harm ------------------------------------------------------------------------------------ */

static void events_must_be_json(void **state) {
    (void)state;
    mofka_validator_t *v = pattern_created("{\"a\":[{\"exists\":true}]}");
    const char *const bad[] = {"",
                               "{",
                               "{\"a\":1}x",
                               "{\"a\":1,}",
                               "{\"a\" 1}",
                               "{a:1}",
                               "{\"a\":01}",
                               "{\"a\":1.}",
                               "{\"a\":+1}",
                               "{\"a\":.5}",
                               "{\"a\":1e}",
                               "{\"a\":NaN}",
                               "{\"a\":tru}",
                               "{\"a\":[1,2}",
                               "{\"a\":\"x}",
                               "{\"a\":\"\t\"}",
                               "{\"a\":\"\\x\"}",
                               "{\"a\":\"\\u12g4\"}",
                               "{\"a\":\"\\ud800\"}",
                               "{\"a\":\"\\ud800\\u0041\"}",
                               "{\"a\":\"\\udc00\"}",
                               "{\"a\":\"\xff\"}",
                               "{\"a\":\"\xc0\xaf\"}",
                               "{\"a\":\"\xed\xa0\x80\"}",
                               "{\"a\":\"\xf4\x90\x80\x80\"}",
                               "{\"a\":\"\xe2\x82\"}",
                               "{\"\x80\":1}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        FAILS(pattern_match(v, bad[i]), MOFKA_ERR_JSON, "the event is not JSON");
    FAILS(mofka_validator_validate(v, "{\"a\":\"\0\"}", 9, NULL), MOFKA_ERR_JSON, "control");
    OK(pattern_match(v, " {\"a\" : \"\xe2\x82\xac \xf0\x9f\x98\x80 \\ud83d\\ude00\" } \n"));
    mofka_validator_release(v);
}

/* As many keys as fit a pattern's text: each is compared with few others. */
static void patterns_of_many_keys_are_refused(void **state) {
    (void)state;
    const size_t count = 100000, member = 10;
    const char *const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    char *pattern = malloc(count * member + 2);
    assert_non_null(pattern);
    for (size_t i = 0; i < count; i++) {
        memcpy(pattern + 1 + i * member, "\"...\":[1],", member);
        for (size_t digit = 0, rest = i; digit < 3; digit++, rest /= 62)
            pattern[i * member + 2 + digit] = digits[rest % 62];
    }
    pattern[0] = '{';
    strcpy(pattern + count * member, "}");
    mofka_validator_t *v;
    FAILS(pattern_create(pattern, &v), MOFKA_ERR_TOO_LARGE, "more than 512 fields");
    memcpy(pattern + 1 + (count - 1) * member, pattern + 1, member - 1);
    FAILS(pattern_create(pattern, &v), MOFKA_ERR_OPTION, "pattern at $.000: duplicate key");
    free(pattern);
}

static void keys_given_twice_are_refused(void **state) {
    (void)state;
    mofka_validator_t *v = pattern_created("{\"a\":{\"b\":[1]}}");
    FAILS(pattern_match(v, "{\"a\":{\"b\":1,\"b\":2}}"), MOFKA_ERR_REFUSED, "the key 'b' twice");
    FAILS(pattern_match(v, "{\"a\":{\"b\":1},\"\\u0061\":{\"b\":1}}"), MOFKA_ERR_REFUSED,
          "the key 'a' twice");
    OK(pattern_match(v, "{\"a\":{\"b\":1,\"x\":1,\"x\":2}}")); /* the pattern does not use x */
    mofka_validator_release(v);
}

/* The validator answers `expected` for `text` within a limited CPU time of this thread. A busy
 * machine does not count. */
static void judged_soon(const mofka_validator_t *v, char *text, mofka_status_t expected) {
    double from = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    mofka_status_t status = pattern_match(v, text);
    double took = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - from;
    free(text);
    if (status != expected)
        fail_msg("%s: %s", mofka_status_name(status), mofka_last_error());
    if (took > 20) /* it takes 1 s without sanitizers */
        fail_msg("took %.1f s", took);
}

static void deep_nesting_is_bounded(void **state) {
    (void)state;
    mofka_validator_t *v = pattern_created("{\"a\":[1],\"a.a\":[{\"exists\":false}]}");
    judged_soon(v, text_repeat("{\"a\":", "[", 1000000, ""), MOFKA_ERR_JSON);
    judged_soon(v, text_repeat("", "{\"a\":", 1000000, ""), MOFKA_ERR_JSON);
    char *head = text_repeat("{\"a\":", "[", 999, "1"), *text = text_repeat(head, "]", 999, "}");
    free(head);
    judged_soon(v, text, MOFKA_OK);
    mofka_validator_release(v);
    char *pattern = text_repeat("", "{\"a\":", 2000, "[1]");
    char *whole = text_repeat(pattern, "}", 2000, "");
    FAILS(pattern_create(whole, &v), MOFKA_ERR_JSON, "");
    free(pattern);
    free(whole);
}

static void large_input_is_bounded(void **state) {
    (void)state;
    mofka_validator_t *v =
        pattern_created("{\"a\":[{\"wildcard\":\"*a*a*a*a*a*a*a*a*b\"}],\"b\":[1]}");
    judged_soon(v, text_repeat("{\"", "k", 10000000, "\":1,\"a\":\"aaaaaaaab\",\"b\":1}"),
                MOFKA_OK);
    judged_soon(v, text_repeat("{\"b\":1,\"a\":\"", "a", 10000000, "\"}"), MOFKA_ERR_REFUSED);
    judged_soon(v, text_repeat("{\"b\":1,\"a\":\"", "\\u0061", 2000000, "b\"}"), MOFKA_OK);
    judged_soon(v, text_repeat("{\"a\":\"aaaaaaaab\",\"b\":", "9", 10000000, "}"),
                MOFKA_ERR_REFUSED);
    judged_soon(v, text_repeat("{\"a\":[", "{},", 3000000, "\"aaaaaaaab\"],\"b\":2}"),
                MOFKA_ERR_REFUSED);
    mofka_validator_release(v);
}

/* Many elements match some fields, and none matches all: no element is matched twice. */
static void arrays_do_not_multiply(void **state) {
    (void)state;
    mofka_validator_t *v = pattern_created("{\"l\":{\"a\":[1],\"b\":[1],\"c\":[1],\"d\":[1]}}");
    judged_soon(v,
                text_repeat("{\"l\":[", "{\"a\":1,\"b\":1,\"c\":1},{\"b\":1,\"c\":1,\"d\":1},",
                            100000, "{}]}"),
                MOFKA_ERR_REFUSED);
    mofka_validator_release(v);
}

static void choices_do_not_multiply(void **state) {
    (void)state;
    mofka_validator_t *v;
    char *deep =
        text_repeat("{\"x\":{", "\"$or\":[{\"a\":[1]},{\"b\":[1],\"y\":{", 10,
                    "\"$or\":[{\"a\":[1]},{\"b\":[1]}]"); /* 12 combinations: branches add */
    char *pattern = text_repeat(deep, "}}]", 10, "}}");
    OK(pattern_create(pattern, &v));
    mofka_validator_release(v);
    free(deep);
    free(pattern);
    char *wide = strdup("{\"z\":[1]");
    for (int i = 0; i < 64; i++) { /* 2^64 of them: objects beside each other multiply */
        char one[96];
        snprintf(one, sizeof one, ",\"k%d\":{\"$or\":[{\"a\":[1]},{\"b\":[1]}]}", i);
        char *more = text_repeat(wide, one, 1, "");
        free(wide);
        wide = more;
    }
    pattern = text_repeat(wide, "}", 1, "");
    FAILS(pattern_create(pattern, &v), MOFKA_ERR_TOO_LARGE,
          "$.k9.$or: the branches of $or have more than 1000");
    free(wide);
    free(pattern);
}

/* A pattern and an event that are within their limits, but too much work together. */
static void work_is_bounded(void **state) {
    (void)state;
    char *values = text_repeat("{\"l\":{\"$or\":[{\"a\":[", "1,", 100000, "2]},{\"b\":[1]}]}}");
    mofka_validator_t *v = pattern_created(values);
    free(values);
    judged_soon(v, text_repeat("{\"l\":[", "{\"a\":3},", 100000, "{}]}"), MOFKA_ERR_TOO_LARGE);
    assert_non_null(strstr(mofka_last_error(), "steps"));
    mofka_validator_release(v);
}

static void large_patterns_are_refused(void **state) {
    (void)state;
    mofka_validator_t *v;
    char *fields = strdup("{\"f\":[1]"), *pattern;
    for (int i = 0; i < 600; i++) {
        char one[32];
        snprintf(one, sizeof one, ",\"f%d\":[1]", i);
        char *more = text_repeat(fields, one, 1, "");
        free(fields);
        fields = more;
    }
    pattern = text_repeat(fields, "}", 1, "");
    FAILS(pattern_create(pattern, &v), MOFKA_ERR_TOO_LARGE, "more than 512 fields");
    free(fields);
    free(pattern);
    pattern = text_repeat("{\"a", ".a", 2000, "\":[1]}");
    FAILS(pattern_create(pattern, &v), MOFKA_ERR_TOO_LARGE, "more than 1024 steps");
    free(pattern);
    pattern = text_repeat("{\"a\":[\"", "a", 2 << 20, "\"]}");
    FAILS(pattern_create(pattern, &v), MOFKA_ERR_TOO_LARGE, "at most 1048576");
    free(pattern);
    pattern = text_repeat("{\"", "k", 10000, "\":{}}"); /* the path in the message is cut */
    FAILS(pattern_create(pattern, &v), MOFKA_ERR_OPTION, "an empty object");
    free(pattern);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_public_description_holds),
        cmocka_unit_test(the_dialects_agree_and_differ),
        cmocka_unit_test(every_form_of_the_original_is_known),
        cmocka_unit_test(configurations_are_checked),
        cmocka_unit_test(the_pattern_is_called_schema_too),
        cmocka_unit_test(refusals_say_what_was_found),
        cmocka_unit_test(refusals_are_about_one_combination),
        cmocka_unit_test(events_must_be_json),
        cmocka_unit_test(patterns_of_many_keys_are_refused),
        cmocka_unit_test(keys_given_twice_are_refused),
        cmocka_unit_test(deep_nesting_is_bounded),
        cmocka_unit_test(large_input_is_bounded),
        cmocka_unit_test(arrays_do_not_multiply),
        cmocka_unit_test(choices_do_not_multiply),
        cmocka_unit_test(work_is_bounded),
        cmocka_unit_test(large_patterns_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
