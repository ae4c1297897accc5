/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers are read and written with a decimal point in every locale; counts with all their
 * digits. */
#include <cjson/cJSON.h>
#include "support/check.h"
#include "support/foreign_locale.h"
#include <mofka/options.h>
#include "json/tree.h"
#include "stats/counters.h"

static void options_are_read_and_quoted(void **state) {
    (void)state;
    uint64_t count = 0;
    char *json = NULL;
    const mofka_option_t table[] = {{.key = "count", .kind = MOFKA_OPTION_UINT, .value = &count},
                                    {.key = "json", .kind = MOFKA_OPTION_JSON, .value = &json}};
    OK(mofka_options_read("o", "{\"count\":1.5e1,\"json\":[0.25]}", table, 2));
    assert_int_equal(count, 15);
    assert_string_equal(json, "[0.25]");
    free(json);
    FAILS(mofka_options_read("o", "{\"count\":1.25}", table, 2), MOFKA_ERR_OPTION, "not 1.25");
}

static void metadata_are_read_and_printed(void **state) {
    (void)state;
    mofka_metadata_t *m;
    const cJSON *json;
    char *text;
    OK(mofka_metadata_create("{\"x\":0.25}", 10, &m));
    OK(mofka_metadata_json(m, &json));
    assert_true(cJSON_GetObjectItem(json, "x")->valuedouble == 0.25);
    OK(mofka_metadata_dump(m, false, &text));
    assert_string_equal(text, "{\"x\":0.25}");
    free(text);
    OK(mofka_metadata_dump(m, true, &text));
    assert_non_null(strstr(text, "0.25"));
    free(text);
    mofka_metadata_release(m);
    OK(mofka_metadata_create_json(cJSON_CreateNumber(-0.5), &m));
    assert_string_equal(mofka_metadata_text(m, NULL), "-0.5");
    mofka_metadata_release(m);
}

static mofka_status_t pattern_match(const char *pattern, const char *event) {
    char json[200];
    mofka_validator_t *validator;
    snprintf(json, sizeof json, "{\"type\":\"eventbridge\",\"pattern\":%s}", pattern);
    OK(mofka_validator_from_metadata(json, &validator));
    mofka_status_t status = mofka_validator_validate(validator, event, strlen(event), NULL);
    mofka_validator_release(validator);
    return status;
}

static void patterns_compare_numbers(void **state) {
    (void)state;
    static const char *const range = "{\"x\":[{\"numeric\":[\">\",0.25,\"<\",0.75]}]}";
    OK(pattern_match(range, "{\"x\":0.5}"));
    FAILS(pattern_match(range, "{\"x\":0.125}"), MOFKA_ERR_REFUSED, "0.125");
    FAILS(pattern_match(range, "{\"x\":0.875}"), MOFKA_ERR_REFUSED, "0.875");
    OK(pattern_match("{\"x\":[0.5]}", "{\"x\":5e-1}"));
    FAILS(pattern_match("{\"x\":[0.5]}", "{\"x\":0}"), MOFKA_ERR_REFUSED, "0");
}

static void ranges_select_by_numbers(void **state) {
    (void)state;
    mofka_partition_selector_t *selector;
    mofka_metadata_t *partitions[3];
    size_t partition;
    for (int i = 0; i < 3; i++)
        OK(mofka_metadata_create("{}", 2, &partitions[i]));
    OK(mofka_partition_selector_from_metadata(
        "{\"type\":\"range\",\"pointer\":\"\",\"bounds\":[0.25,0.75]}", &selector));
    OK(mofka_partition_selector_set_partitions(selector,
                                               (const mofka_metadata_t *const *)partitions, 3));
    OK(mofka_partition_selector_select(selector, "0.5", 3, MOFKA_ANY_PARTITION, &partition));
    assert_int_equal(partition, 1);
    OK(mofka_partition_selector_select(selector, "0.875", 5, MOFKA_ANY_PARTITION, &partition));
    assert_int_equal(partition, 2);
    mofka_partition_selector_release(selector);
    for (int i = 0; i < 3; i++)
        mofka_metadata_release(partitions[i]);
    FAILS(mofka_validator_from_metadata("{\"type\":0.25}", &(mofka_validator_t *){NULL}),
          MOFKA_ERR_OPTION, "not 0.25");
}

static void statistics_have_all_digits(void **state) {
    (void)state;
    const mfi_producer_stats_t stats = {.events_pushed = UINT64_MAX,
                                        .bytes_pushed = (UINT64_C(1) << 53) + 1,
                                        .push_wait_ns = UINT64_C(1500000000000000)};
    cJSON *json = cJSON_CreateObject();
    mofka_metadata_t *text;
    const cJSON *tree;
    assert_true(mfi_stats_describe_producer(json, &stats));
    OK(mfi_stats_give(json, &text));
    const char *all = mofka_metadata_text(text, NULL);
    assert_non_null(strstr(all, "\"events_pushed\":18446744073709551615,"));
    assert_non_null(strstr(all, "\"bytes_pushed\":9007199254740993,"));
    assert_non_null(strstr(all, "\"push_wait_ns\":1500000000000000,"));
    OK(mofka_metadata_json(text, &tree));
    assert_true(cJSON_IsNumber(cJSON_GetObjectItem(tree, "events_pushed")));
    mofka_metadata_release(text);
}

/* The library leaves the program's locale, and the thread's, as they are. */
static int locale_is_kept(void **state) {
    (void)state;
    assert_string_not_equal(localeconv()->decimal_point, ".");
    assert_true(uselocale((locale_t)0) == LC_GLOBAL_LOCALE);
    return 0;
}

int main(void) {
    if (!foreign_locale_use())
        return FOREIGN_LOCALE_SKIP;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(options_are_read_and_quoted, locale_is_kept),
        cmocka_unit_test_teardown(metadata_are_read_and_printed, locale_is_kept),
        cmocka_unit_test_teardown(patterns_compare_numbers, locale_is_kept),
        cmocka_unit_test_teardown(ranges_select_by_numbers, locale_is_kept),
        cmocka_unit_test_teardown(statistics_have_all_digits, locale_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
