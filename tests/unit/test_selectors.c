/* SPDX-License-Identifier: BSD-3-Clause */
/* Partition selectors by key and by range. */
#include "support/check.h"

/* ---- helpers --------------------------------------------------------------------------------- */

static mofka_partition_selector_t *selector_created(const char *json, size_t count) {
    mofka_partition_selector_t *selector;
    const mofka_metadata_t *none[16] = {NULL};
    OK(mofka_partition_selector_from_metadata(json, &selector));
    OK(mofka_partition_selector_set_partitions(selector, none, count));
    return selector;
}

static mofka_status_t selector_select(mofka_partition_selector_t *s, const char *event,
                                      size_t *partition) {
    /* A copy of exactly that size, so that a sanitizer sees a read behind it. */
    size_t bytes = strlen(event);
    char *text = malloc(bytes ? bytes : 1);
    assert_non_null(text);
    memcpy(text, event, bytes);
    mofka_status_t status =
        mofka_partition_selector_select(s, text, bytes, MOFKA_ANY_PARTITION, partition);
    free(text);
    return status;
}

static size_t selector_selected(mofka_partition_selector_t *s, const char *event) {
    size_t partition = SIZE_MAX;
    OK(selector_select(s, event, &partition));
    return partition;
}

static void selector_expect_refused(const char *json, mofka_status_t status, const char *text) {
    mofka_partition_selector_t *selector;
    FAILS(mofka_partition_selector_from_metadata(json, &selector), status, text);
}

/* ---- local ----------------------------------------------------------------------------------- */

#define LOCAL "{\"type\":\"local\"}"

static mofka_partition_selector_t *local_created(const char *const *descriptions, size_t count) {
    mofka_partition_selector_t *selector;
    mofka_metadata_t *made[4];
    const mofka_metadata_t *partitions[4];
    for (size_t i = 0; i < count; i++) {
        OK(mofka_metadata_create(descriptions[i], strlen(descriptions[i]), &made[i]));
        partitions[i] = made[i];
    }
    OK(mofka_partition_selector_from_metadata(LOCAL, &selector));
    OK(mofka_partition_selector_set_partitions(selector, partitions, count));
    for (size_t i = 0; i < count; i++)
        mofka_metadata_release(made[i]);
    return selector;
}

static void local_partitions_take_turns(void **state) {
    (void)state;
    static const char *const descriptions[] = {"{\"local\":false}", "{\"local\":true}",
                                               "{\"local\":false}", "{\"partition\":3}"};
    size_t partition = 0;
    mofka_partition_selector_t *s = local_created(descriptions, 4);
    assert_int_equal(selector_selected(s, "{}"), 1);
    assert_int_equal(selector_selected(s, "{}"), 3);
    assert_int_equal(selector_selected(s, "{}"), 1);
    OK(mofka_partition_selector_select(s, "{}", 2, 6, &partition)); /* a requested one counts */
    assert_int_equal(partition, 2);
    mofka_partition_selector_release(s);
}

static void no_partition_is_local(void **state) {
    (void)state;
    static const char *const descriptions[] = {"{\"local\":false}", "{\"local\":false}"};
    size_t partition;
    mofka_partition_selector_t *s = local_created(descriptions, 2);
    FAILS(selector_select(s, "{}", &partition), MOFKA_ERR_UNSUPPORTED, "none of 2 partitions");
    mofka_partition_selector_release(s);
    selector_expect_refused("{\"type\":\"local\",\"node\":1}", MOFKA_ERR_OPTION, "node");
}

/* ---- key ------------------------------------------------------------------------------------- */

#define BY_KEY "{\"type\":\"key\",\"pointer\":\"/k\"}"

/* The expected partitions are XXH3_64bits_withSeed of the xxHash library, modulo 1000. */
static void a_key_has_its_partition_for_ever(void **state) {
    (void)state;
    const struct {
        const char *event;
        size_t partition;
    } cases[] = {
        {"{\"k\":null}", 899},
        {"{}", 899},
        {"{\"K\":1}", 899},
        {"[1]", 899},
        {"5", 899},
        {"{\"k\":true}", 274},
        {"{\"k\":false}", 676},
        {"{\"k\":\"detector-1\"}", 267},
        {"{\"k\":\"detector-2\"}", 934},
        {"{\"k\":\"\\u0064etector-2\"}", 934},
        {"{\"k\":\"\"}", 229},
        {"{\"k\":\"\xc3\xa9\"}", 602},
        {"{\"k\":\"\\u00e9\"}", 602},
        {"{\"k\":1}", 747},
        {"{\"k\":1.0}", 747},
        {"{\"k\":10e-1}", 747},
        {"{\"k\":0.1E+1}", 747},
        {"{\"k\":0.001e3}", 747},
        {"{\"k\":-2.5}", 234},
        {"{\"k\":-250e-2}", 234},
        {"{\"k\":1e300}", 724},
        {"{\"k\":0}", 797},
        {"{\"k\":-0.000}", 797},
        {"{\"k\":0e99}", 797},
        {" {\"x\":{\"k\":2}, \"k\" : 1 } ", 747},
    };
    mofka_partition_selector_t *s = selector_created(BY_KEY, 1000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (selector_selected(s, cases[i].event) != cases[i].partition)
            fail_msg("%s: %zu, not %zu", cases[i].event, selector_selected(s, cases[i].event),
                     cases[i].partition);
    mofka_partition_selector_release(s);
}

static void types_and_digits_differ(void **state) {
    (void)state;
    const char *const events[] = {"{\"k\":1}",
                                  "{\"k\":\"1\"}",
                                  "{\"k\":\"1e0\"}",
                                  "{\"k\":-1}",
                                  "{\"k\":10}",
                                  "{\"k\":null}",
                                  "{\"k\":\"null\"}",
                                  "{\"k\":true}",
                                  "{\"k\":\"true\"}",
                                  "{\"k\":9007199254740993}",
                                  "{\"k\":9007199254740992}"};
    mofka_partition_selector_t *s = selector_created(BY_KEY, 1000000007);
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(selector_selected(s, events[i]), selector_selected(s, events[j]));
    mofka_partition_selector_release(s);
}

/* The table in section 5 of RFC 6901; "-" and missing values count as null. */
static void pointers_are_those_of_the_rfc(void **state) {
    (void)state;
    static const char document[] =
        "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,"
        "\"k\\\"l\":6,\" \":7,\"m~n\":8,\"~1\":9,\"deep\":{\"0\":{\"x\":[[10]]}}}";
    const struct {
        const char *pointer, *value;
    } cases[] = {{"/foo/0", "\"bar\""},
                 {"/foo/1", "\"baz\""},
                 {"/", "0"},
                 {"/a~1b", "1"},
                 {"/c%d", "2"},
                 {"/e^f", "3"},
                 {"/g|h", "4"},
                 {"/i\\\\j", "5"},
                 {"/k\\\"l", "6"},
                 {"/ ", "7"},
                 {"/m~0n", "8"},
                 {"/~01", "9"},
                 {"/deep/0/x/0/0", "10"},
                 {"/foo/2", "null"},
                 {"/foo/-", "null"},
                 {"/foo/00", "null"},
                 {"/foo/x", "null"},
                 {"/a~1b/c", "null"},
                 {"/deep/1/x", "null"},
                 {"/foo/99999999999999999999", "null"}};
    mofka_partition_selector_t *whole =
        selector_created("{\"type\":\"key\",\"pointer\":\"\"}", 1000000007);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[128];
        snprintf(json, sizeof json, "{\"type\":\"key\",\"pointer\":\"%s\"}", cases[i].pointer);
        mofka_partition_selector_t *s = selector_created(json, 1000000007);
        if (selector_selected(s, document) != selector_selected(whole, cases[i].value))
            fail_msg("%s is not %s", cases[i].pointer, cases[i].value);
        mofka_partition_selector_release(s);
    }
    mofka_partition_selector_release(whole);
}

static void keys_spread(void **state) {
    (void)state;
    mofka_partition_selector_t *s = selector_created(BY_KEY, 8);
    size_t counts[8] = {0};
    for (int i = 0; i < 80000; i++) {
        char event[32];
        snprintf(event, sizeof event, i % 2 ? "{\"k\":%d}" : "{\"k\":\"id-%d\"}", i);
        counts[selector_selected(s, event)]++;
    }
    for (int i = 0; i < 8; i++)
        if (counts[i] < 9500 || counts[i] > 10500)
            fail_msg("partition %d got %zu of 80000", i, counts[i]);
    mofka_partition_selector_release(s);
}

static void what_is_no_key_is_refused(void **state) {
    (void)state;
    size_t partition;
    mofka_partition_selector_t *s = selector_created(BY_KEY, 3);
    FAILS(selector_select(s, "{\"k\":{}}", &partition), MOFKA_ERR_REFUSED, "an object at '/k'");
    FAILS(selector_select(s, "{\"k\":[1]}", &partition), MOFKA_ERR_REFUSED, "an array at '/k'");
    FAILS(selector_select(s, "", &partition), MOFKA_ERR_JSON, "the event is not JSON");
    FAILS(selector_select(s, "{\"k\":1", &partition), MOFKA_ERR_JSON, "the event is not JSON");
    FAILS(selector_select(s, "{\"k\":1}}", &partition), MOFKA_ERR_JSON, "the event is not JSON");
    /* A partition that push names is honoured, and the metadata is not read. */
    OK(mofka_partition_selector_select(s, "none", 4, 4, &partition));
    assert_int_equal(partition, 1);
    mofka_partition_selector_release(s);
    selector_expect_refused("{\"type\":\"key\"}", MOFKA_ERR_OPTION, "\"pointer\" is missing");
    selector_expect_refused("{\"type\":\"key\",\"pointer\":\"k\"}", MOFKA_ERR_OPTION,
                            "begin with '/', not 'k'");
    selector_expect_refused("{\"type\":\"key\",\"pointer\":\"/a~2\"}", MOFKA_ERR_OPTION, "'/a~2'");
    selector_expect_refused("{\"type\":\"key\",\"pointer\":\"/a~\"}", MOFKA_ERR_OPTION,
                            "neither ~0 nor ~1");
    selector_expect_refused("{\"type\":\"key\",\"pointer\":1}", MOFKA_ERR_OPTION, "a string");
    selector_expect_refused("{\"type\":\"key\",\"pointer\":\"/a\",\"hash\":1}", MOFKA_ERR_OPTION,
                            "\"hash\"");
}

/* ---- range ----------------------------------------------------------------------------------- */

#define BY_RANGE "{\"type\":\"range\",\"pointer\":\"/x\",\"bounds\":[-1.5,0,1e3]}"

static void numbers_fall_into_their_intervals(void **state) {
    (void)state;
    const struct {
        const char *number;
        size_t partition;
    } cases[] = {{"-1e300", 0},  {"-1e999", 0}, {"-1.500001", 0}, {"-1.5", 1},
                 {"-15E-1", 1},  {"-1e-9", 1},  {"0", 2},         {"-0", 2},
                 {"999.999", 2}, {"1000", 3},   {"1e3", 3},       {"1e999", 3}};
    mofka_partition_selector_t *s = selector_created(BY_RANGE, 4);
    mofka_partition_selector_t *whole =
        selector_created("{\"type\":\"range\",\"pointer\":\"\",\"bounds\":[-1.5,0,1e3]}", 4);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char event[64];
        snprintf(event, sizeof event, "{\"x\":%s}", cases[i].number);
        if (selector_selected(s, event) != cases[i].partition)
            fail_msg("%s: %zu", cases[i].number, selector_selected(s, event));
        assert_int_equal(selector_selected(whole, cases[i].number), cases[i].partition);
    }
    mofka_partition_selector_release(s);
    mofka_partition_selector_release(whole);
    s = selector_created("{\"type\":\"range\",\"pointer\":\"/x\",\"bounds\":[]}", 1);
    assert_int_equal(selector_selected(s, "{\"x\":7}"), 0);
    mofka_partition_selector_release(s);
}

static void what_has_no_interval_is_refused(void **state) {
    (void)state;
    size_t partition;
    mofka_partition_selector_t *s = selector_created(BY_RANGE, 4), *other;
    FAILS(selector_select(s, "{}", &partition), MOFKA_ERR_REFUSED,
          "needs a number at '/x', but has nothing");
    FAILS(selector_select(s, "{\"x\":\"5\"}", &partition), MOFKA_ERR_REFUSED,
          "a number at '/x', but has \"5\"");
    FAILS(selector_select(s, "{\"x\":null}", &partition), MOFKA_ERR_REFUSED, "but has null");
    FAILS(selector_select(s, "{\"x\":[1]}", &partition), MOFKA_ERR_REFUSED, "but has [1]");
    FAILS(selector_select(s, "{\"x\":nan}", &partition), MOFKA_ERR_JSON, "not JSON");
    OK(mofka_partition_selector_select(s, "none", 4, 7, &partition));
    assert_int_equal(partition, 3);
    mofka_partition_selector_release(s);
    OK(mofka_partition_selector_from_metadata(BY_RANGE, &other));
    const mofka_metadata_t *none[3] = {NULL};
    FAILS(
        mofka_partition_selector_set_partitions(other, none, 3), MOFKA_ERR_RANGE,
        "\"bounds\" has 3 bounds, for 4 partitions; the topic has 3 partitions, so it must have 2");
    mofka_partition_selector_release(other);
    selector_expect_refused("{\"type\":\"range\",\"pointer\":\"/x\"}", MOFKA_ERR_OPTION,
                            "\"bounds\" is");
    selector_expect_refused("{\"type\":\"range\",\"bounds\":[]}", MOFKA_ERR_OPTION,
                            "\"pointer\" is");
    selector_expect_refused("{\"type\":\"range\",\"pointer\":\"/x\",\"bounds\":5}",
                            MOFKA_ERR_OPTION, "an array of numbers, not 5");
    static const char *const bounds[][2] = {
        {"[1,1]", "bound number 2 must be above the bound before it, not 1"},
        {"[-1,0,2.50,1]", "bound number 4 must be above the bound before it, not 1"},
        {"[1,1.00000000000000000001]", "above the bound before it, not 1.00000000000000000001"},
        {"[1,\"2\"]", "bound number 2 must be a number, not \"2\""},
        {"[null]", "bound number 1 must be a number, not null"},
        {"[[1]]", "must be a number, not [1]"},
        {"[0,1e999]", "bound number 2 must be within the range of a double, not 1e999"},
        {"[-1e400]", "must be within the range of a double, not -1e400"}};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        char json[128];
        snprintf(json, sizeof json, "{\"type\":\"range\",\"pointer\":\"/x\",\"bounds\":%s}",
                 bounds[i][0]);
        selector_expect_refused(json, MOFKA_ERR_OPTION, bounds[i][1]);
    }
    selector_expect_refused("{\"type\":\"range\",\"pointer\":\"x\",\"bounds\":[1]}",
                            MOFKA_ERR_OPTION, "begin with '/'");
}

/* As many bounds as the largest topic needs, and one more. */
static void bounds_have_a_limit(void **state) {
    (void)state;
    static char json[MOFKA_PARTITIONS_MAX * 6 + 64];
    for (int count = MOFKA_PARTITIONS_MAX - 1; count <= MOFKA_PARTITIONS_MAX; count++) {
        int used = sprintf(json, "{\"type\":\"range\",\"pointer\":\"/x\",\"bounds\":[0");
        for (int i = 1; i < count; i++)
            used += sprintf(json + used, ",%d", i);
        strcpy(json + used, "]}");
        if (count < MOFKA_PARTITIONS_MAX)
            OK(mofka_partition_selector_check_count(json, MOFKA_PARTITIONS_MAX));
        else
            selector_expect_refused(json, MOFKA_ERR_RANGE, "more than 4095 bounds");
    }
}

/* mofka_partition_selector_check_count: most types accept any count, and an invalid configuration
 * is refused. */
static void counts_are_checked_without_a_topic(void **state) {
    (void)state;
    OK(mofka_partition_selector_check_count(NULL, 7));
    OK(mofka_partition_selector_check_count(BY_KEY, 1));
    OK(mofka_partition_selector_check_count(BY_RANGE, 4));
    FAILS(mofka_partition_selector_check_count(BY_RANGE, 5), MOFKA_ERR_RANGE, "must have 4");
    FAILS(mofka_partition_selector_check_count("{\"type\":\"range\"}", 1), MOFKA_ERR_OPTION,
          "\"pointer\" is missing");
}

/* Before set_partitions nothing can be chosen, also if push names a partition. */
static void no_partitions_no_choice(void **state) {
    (void)state;
    static const char *const types[] = {NULL, BY_KEY, BY_RANGE, "{\"type\":\"sticky\"}", LOCAL};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        mofka_partition_selector_t *s;
        size_t partition;
        OK(mofka_partition_selector_from_metadata(types[i], &s));
        FAILS(selector_select(s, "{\"x\":1}", &partition), MOFKA_ERR_RANGE,
              "has no partitions yet");
        FAILS(mofka_partition_selector_select(s, "{}", 2, 1, &partition), MOFKA_ERR_RANGE,
              "has no partitions yet");
        mofka_partition_selector_release(s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_partitions_take_turns),
        cmocka_unit_test(no_partition_is_local),
        cmocka_unit_test(a_key_has_its_partition_for_ever),
        cmocka_unit_test(types_and_digits_differ),
        cmocka_unit_test(pointers_are_those_of_the_rfc),
        cmocka_unit_test(keys_spread),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(numbers_fall_into_their_intervals),
        cmocka_unit_test(what_has_no_interval_is_refused),
        cmocka_unit_test(bounds_have_a_limit),
        cmocka_unit_test(counts_are_checked_without_a_topic),
        cmocka_unit_test(no_partitions_no_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
