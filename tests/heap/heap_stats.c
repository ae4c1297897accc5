/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics of a log so long that a double would round its ids. */
#include "heap/job/log_fixture.h"

#include <cjson/cJSON.h>

#define LONG_LOG ((UINT64_C(1) << 53) + 1)

static void ids_have_all_digits(void **state) {
    (void)state;
    mofka_metadata_t *stats;
    const cJSON *json;
    mofka_topic_t *topic = log_create_topic("{}");
    OK(mmi_partition_format(log_of(topic), (mmi_place_t){LONG_LOG, LONG_LOG}));
    OK(mofka_driver_stats(log_driver, -1, &stats));
    const char *text = mofka_metadata_text(stats, NULL);
    assert_non_null(strstr(text, "\"tail_events\":9007199254740993,"));
    assert_non_null(strstr(text, "\"head_events\":9007199254740993,"));
    /* Readers of the tree get a number. */
    OK(mofka_metadata_json(stats, &json));
    const cJSON *first = cJSON_GetObjectItem(json, "topics")->child;
    first = cJSON_GetObjectItem(first, "partitions")->child;
    assert_true(cJSON_IsNumber(cJSON_GetObjectItem(first, "tail_events")));
    mofka_metadata_release(stats);
    mofka_topic_release(topic);
}

int main(void) {
    const struct CMUnitTest tests[] = {LOG_CASE(ids_have_all_digits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
