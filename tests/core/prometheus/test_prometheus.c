/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics as text for Prometheus, and the file of it that the environment asks for. */
#include <sys/stat.h>
#include <unistd.h>
#include "support/scripted_backend.h"
#include "stats/counters.h"
#include "stats/prometheus.h"

/* ---- the job's topics ------------------------------------------------------------------------ */

static char *job_text(mfi_prometheus_format_t format, const char *stats) {
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    assert_true(mfi_prometheus_write_job(out, format, stats, strlen(stats)));
    mfi_prometheus_write_end(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void expect_line(const char *text, const char *line) {
    size_t bytes = strlen(line);
    for (const char *at = text; at && *at; at = strchr(at, '\n'), at += at != NULL)
        if (strncmp(at, line, bytes) == 0 && at[bytes] == '\n')
            return;
    fail_msg("no line '%s' in:\n%s", line, text);
}

static const char two_partitions[] =
    "{\"type\":\"mpi\",\"size\":3,\"time_us\":1700000000000042,\"topics\":[{\"name\":\"a\","
    "\"retention\":\"acknowledged\",\"partitions\":["
    "{\"partition\":0,\"owner\":1,\"tail_events\":18446744073709551605,\"unstored_ms\":1500,"
    "\"complete\":false,\"events_per_s\":1.5,\"consumers\":[{\"name\":\"c\",\"live\":true,"
    "\"acknowledged\":7,\"lag\":2}]},"
    "{\"partition\":1,\"owner\":2,\"tail_events\":5,\"unstored_ms\":0,\"complete\":true,"
    "\"consumers\":[]}]}]}";

static void topics_become_metrics(void **state) {
    (void)state;
    char *text = job_text(MFI_PROMETHEUS_TEXT, two_partitions);
    expect_line(text, "mofka_statistics_timestamp_seconds 1700000000.000042");
    expect_line(text, "mofka_job_ranks 3");
    expect_line(text, "mofka_topics_read_success 1");
    expect_line(text, "# TYPE mofka_topic_info gauge");
    expect_line(text, "mofka_topic_info{topic=\"a\",retention=\"acknowledged\"} 1");
    /* All samples of a metric are together, with all their digits. */
    assert_non_null(strstr(
        text, "# HELP mofka_partition_appended_events_total Events appended to the partition.\n"
              "# TYPE mofka_partition_appended_events_total counter\n"
              "mofka_partition_appended_events_total{topic=\"a\",partition=\"0\",rank=\"1\"} "
              "18446744073709551605\n"
              "mofka_partition_appended_events_total{topic=\"a\",partition=\"1\",rank=\"2\"} 5\n"
              "# HELP "));
    expect_line(text, "mofka_partition_unstored_seconds{topic=\"a\",partition=\"0\",rank=\"1\"} "
                      "1.500");
    expect_line(text, "mofka_partition_complete{topic=\"a\",partition=\"1\",rank=\"2\"} 1");
    expect_line(text, "mofka_partition_consumer_lag_events{topic=\"a\",partition=\"0\",consumer="
                      "\"c\"} 2");
    expect_line(text, "# EOF");
    assert_null(strstr(text, "held_events")); /* what the JSON lacks has no head */
    assert_null(strstr(text, "events_per_s"));
    free(text);
}

static void openmetrics_declares_counters_without_total(void **state) {
    (void)state;
    char *text = job_text(MFI_OPENMETRICS, two_partitions);
    expect_line(text, "# TYPE mofka_partition_appended_events counter");
    expect_line(text,
                "mofka_partition_appended_events_total{topic=\"a\",partition=\"1\",rank=\"2\"} 5");
    expect_line(text, "# TYPE mofka_topic info");
    expect_line(text, "mofka_topic_info{topic=\"a\",retention=\"acknowledged\"} 1");
    free(text);
}

/* Times are in seconds. */
static void logs_of_topics_with_storage_have_metrics(void **state) {
    (void)state;
    char *text =
        job_text(MFI_PROMETHEUS_TEXT,
                 "{\"topics\":[{\"name\":\"a\",\"partitions\":[{\"partition\":0,\"owner\":3,"
                 "\"written_events\":7,\"unwritten_events\":2,\"log_writes\":4,"
                 "\"log_write_us\":1500,\"log_sync_us_max\":2000000,"
                 "\"log_failed\":true}]}]}");
    expect_line(text, "# TYPE mofka_partition_log_written_events_total counter");
    expect_line(text, "mofka_partition_log_written_events_total{topic=\"a\",partition=\"0\","
                      "rank=\"3\"} 7");
    expect_line(text, "mofka_partition_log_unwritten_events{topic=\"a\",partition=\"0\","
                      "rank=\"3\"} 2");
    expect_line(text, "mofka_partition_log_write_seconds_total{topic=\"a\",partition=\"0\","
                      "rank=\"3\"} 0.001500");
    expect_line(text, "mofka_partition_log_sync_longest_seconds{topic=\"a\",partition=\"0\","
                      "rank=\"3\"} 2.000000");
    expect_line(text, "mofka_partition_log_failed{topic=\"a\",partition=\"0\",rank=\"3\"} 1");
    free(text);
}

/* Names come from memory that all ranks can write. */
static void names_are_escaped(void **state) {
    (void)state;
    char *text = job_text(MFI_PROMETHEUS_TEXT,
                          "{\"topics_status\":\"MOFKA_ERR_TIMEOUT\",\"topics\":[{\"name\":"
                          "\"\\\"} 1\\n\\\\ \xc3\xa4\xc2\x9b\x7f\xff\\u0000\",\"retention\":7}]}");
    expect_line(text,
                "mofka_topic_info{topic=\"\\\"} 1\\\\x0a\\\\ \xc3\xa4\\\\xc2\\\\x9b\\\\x7f\\\\xff"
                "\\\\x00\",retention=\"7\"} 1");
    expect_line(text, "mofka_topics_read_success 0");
    free(text);
}

static void other_json_is_no_failure(void **state) {
    (void)state;
    static const char *const others[] = {"{}", "{\"topics\":null,\"size\":-1}",
                                         "{\"topics\":[1,{}],\"size\":1e3}",
                                         "{\"topics\":[{\"partitions\":[{\"consumers\":{\"a\":1}}]}"
                                         "],\"size\":99999999999999999999}"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char *text = job_text(MFI_PROMETHEUS_TEXT, others[i]);
        expect_line(text, "mofka_topics_read_success 1");
        assert_null(strstr(text, "ranks"));
        free(text);
    }
    assert_false(mfi_prometheus_write_job(stderr, MFI_PROMETHEUS_TEXT, "[]", 2));
}

/* ---- a process ------------------------------------------------------------------------------- */

static void counters_become_metrics(void **state) {
    (void)state;
    mfi_totals_t *sums = calloc(1, sizeof *sums);
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    sums->producers = 2;
    sums->of_producers.room_wait_ns = 1234567890;
    sums->of_producers.sealed[MFI_SEAL_FLUSH] = 4;
    static const uint64_t latencies_ns[] = {100, 1500, 2000, 3000000000, UINT64_C(60000000000)};
    for (size_t i = 0; i < 5; i++)
        mfi_histogram_record(&sums->of_producers.push_to_stored, latencies_ns[i]);
    mfi_prometheus_process_t process = {.rank = 5, .producers = 1, .sums = sums};
    mfi_prometheus_write_process(out, MFI_PROMETHEUS_TEXT, &process);
    fclose(out);
    expect_line(text, "mofka_producers{rank=\"5\"} 1");
    expect_line(text, "mofka_producer_room_wait_seconds_total{rank=\"5\"} 1.234567890");
    expect_line(text, "mofka_producer_sealed_batches_total{rank=\"5\",reason=\"flush\"} 4");
#define LATENCY "mofka_producer_push_to_stored_seconds"
    expect_line(text, "# TYPE " LATENCY " histogram");
    expect_line(text, LATENCY "_bucket{rank=\"5\",le=\"1e-06\"} 1");
    expect_line(text, LATENCY "_bucket{rank=\"5\",le=\"2e-06\"} 3");
    expect_line(text, LATENCY "_bucket{rank=\"5\",le=\"2.0\"} 3");
    expect_line(text, LATENCY "_bucket{rank=\"5\",le=\"5.0\"} 4");
    expect_line(text, LATENCY "_bucket{rank=\"5\",le=\"10.0\"} 4");
    expect_line(text, LATENCY "_bucket{rank=\"5\",le=\"+Inf\"} 5");
    expect_line(text, LATENCY "_count{rank=\"5\"} 5");
    double sum = strtod(
        strstr(text, LATENCY "_sum{rank=\"5\"} ") + strlen(LATENCY "_sum{rank=\"5\"}"), NULL);
    assert_true(sum >= 63 && sum <= 64);
    free(text);
    free(sums);
}

/* Whether a sample of the text has a value, or the value in nanoseconds. */
static bool has_value(const char *text, uint64_t value) {
    char whole[32], seconds[32];
    snprintf(whole, sizeof whole, "} %u\n", (unsigned)value);
    snprintf(seconds, sizeof seconds, "} 0.%09u\n", (unsigned)value);
    return strstr(text, whole) || strstr(text, seconds);
}

/* Counters stand before the histograms, and before what a producer keeps for itself. */
static void every_counter_is_shown(void **state) {
    (void)state;
    mfi_totals_t *sums = calloc(1, sizeof *sums);
    uint64_t *of_producers = (uint64_t *)(void *)&sums->of_producers,
             *of_consumers = (uint64_t *)(void *)&sums->of_consumers;
    size_t producer_counters = offsetof(mfi_producer_stats_t, opened) / sizeof(uint64_t),
           consumer_counters = offsetof(mfi_consumer_stats_t, stored_to_pulled) / sizeof(uint64_t);
    for (size_t i = 0; i < producer_counters; i++)
        of_producers[i] = 1000 + i;
    for (size_t i = 0; i < consumer_counters; i++)
        of_consumers[i] = 2000 + i;
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    mfi_prometheus_write_process(out, MFI_OPENMETRICS,
                                 &(mfi_prometheus_process_t){.sums = sums, .time_us = 1});
    fclose(out);
    for (size_t i = 0; i < producer_counters; i++)
        if (!has_value(text, 1000 + i))
            fail_msg("the producers' counter %zu is not shown:\n%s", i, text);
    for (size_t i = 0; i < consumer_counters; i++)
        if (!has_value(text, 2000 + i))
            fail_msg("the consumers' counter %zu is not shown:\n%s", i, text);
    free(text);
    free(sums);
}

/* ---- the file -------------------------------------------------------------------------------- */

static char logged[1024];
static _Atomic int warnings;

static void collect_warning(void *context, mofka_log_level_t level, const char *message) {
    (void)context;
    if (level != MOFKA_LOG_WARN)
        return;
    snprintf(logged, sizeof logged, "%s", message);
    warnings++;
}

static void begin_file(void **state, const char *name, const char *interval_ms) {
    warnings = 0;
    *logged = '\0';
    mofka_log_set_callback(collect_warning, NULL);
    setenv("MOFKA_STATS_FILE", name, 1);
    setenv("MOFKA_STATS_FORMAT", "prometheus", 1);
    setenv("MOFKA_STATS_INTERVAL_MS", interval_ms, 1);
    scripted_setup(state);
    unsetenv("MOFKA_STATS_FILE");
    unsetenv("MOFKA_STATS_FORMAT");
    unsetenv("MOFKA_STATS_INTERVAL_MS");
}

static void end_file(void **state) {
    scripted_teardown(state);
    mofka_log_set_callback(NULL, NULL);
}

/* The file's text; NULL: it is not there. */
static char *file_text(const char *name) {
    static char text[1 << 16];
    FILE *file = fopen(name, "r");
    if (!file)
        return NULL;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void wait_for_file(const char *name) {
    for (int i = 0; i < 10000 && access(name, F_OK); i++)
        clock_sleep_ms(1);
    assert_int_equal(access(name, F_OK), 0);
}

static void expect_no_new_file(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s.%ld.tmp", name, (long)getpid());
    assert_int_equal(access(path, F_OK), -1);
}

/* A reader sees a whole report at any time. Open producers count; at close all have ended. */
static void a_file_is_replaced(void **state) {
    const char *name = "test_prometheus_0.prom";
    struct stat found;
    remove(name);
    begin_file(state, "test_prometheus_%r.prom", "1");
    mofka_producer_t *producer = scripted_create_producer(0);
    mofka_future_t *future = scripted_push(producer);
    OK(mofka_future_wait(future, 10000, NULL));
    mofka_future_release(future);
    wait_for_file(name);
    char *text = file_text(name);
    for (int reports = 0; reports < 200;) {
        char before[sizeof "mofka_statistics_timestamp_seconds 1234567890.123456"];
        snprintf(before, sizeof before, "%s", strstr(text, "\nmofka_statistics_timestamp") + 1);
        text = file_text(name);
        assert_non_null(text);
        assert_int_equal(strncmp(text, "# HELP ", 7), 0);
        assert_string_equal(text + strlen(text) - 6, "# EOF\n");
        reports += !strstr(text, before);
    }
    expect_line(text, "mofka_producer_stored_events_total{rank=\"0\"} 1");
    expect_line(text, "mofka_producers{rank=\"0\"} 1");
    assert_int_equal(stat(name, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0600);
    scripted_end_producer(producer);
    end_file(state);
    text = file_text(name);
    expect_line(text, "mofka_producer_stored_events_total{rank=\"0\"} 1");
    expect_line(text, "mofka_producers{rank=\"0\"} 0");
    expect_line(text, "mofka_producer_push_to_stored_seconds_count{rank=\"0\"} 1");
    expect_line(text, "mofka_topics_read_success 1");
    expect_no_new_file(name);
    assert_int_equal(warnings, 0);
    remove(name);
}

/* Renaming would replace it: a link, a FIFO, a device. */
static void only_regular_files_are_replaced(void **state) {
    const char *name = "test_prometheus.link";
    struct stat found;
    remove(name);
    assert_int_equal(symlink("/dev/null", name), 0);
    begin_file(state, name, "1");
    end_file(state);
    assert_string_equal(logged,
                        "MOFKA_STATS_FILE 'test_prometheus.link': not a regular file, which "
                        "could be replaced; no statistics are written");
    assert_int_equal(lstat(name, &found), 0);
    assert_true(S_ISLNK(found.st_mode));
    expect_no_new_file(name);
    remove(name);
    begin_file(state, "/nowhere/at/all", "1");
    end_file(state);
    assert_string_equal(logged, "MOFKA_STATS_FILE '/nowhere/at/all': No such file or directory; no "
                                "statistics are written");
}

/* What becomes unusable later is said once, and ends nothing. */
static void a_file_that_becomes_a_folder_is_logged_once(void **state) {
    const char *name = "test_prometheus.later";
    remove(name);
    assert_int_equal(mkdir(name, 0700), 0);
    rmdir(name);
    begin_file(state, name, "1");
    remove(name);
    while (mkdir(name, 0700) != 0)
        remove(name);
    for (int i = 0; i < 5000 && warnings == 0; i++)
        clock_sleep_ms(1);
    end_file(state);
    assert_int_equal(warnings, 1);
    assert_string_equal(logged, "writing statistics to MOFKA_STATS_FILE: not a regular file, which "
                                "could be replaced");
    expect_no_new_file(name);
    assert_int_equal(rmdir(name), 0);
}

static void a_second_driver_does_not_replace_it(void **state) {
    const char *name = "test_prometheus.two";
    mofka_driver_t *second;
    begin_file(state, name, "60000");
    setenv("MOFKA_STATS_FILE", name, 1);
    setenv("MOFKA_STATS_FORMAT", "prometheus", 1);
    OK(mofka_driver_wrap("second", &driver_ops, NULL, &second));
    unsetenv("MOFKA_STATS_FILE");
    unsetenv("MOFKA_STATS_FORMAT");
    assert_int_equal(warnings, 1);
    assert_string_equal(logged, "MOFKA_STATS_FILE 'test_prometheus.two': another driver of this "
                                "process writes it; no statistics are written");
    OK(mofka_driver_close(second, 1000));
    mofka_driver_release(second);
    assert_null(file_text(name));
    end_file(state);
    assert_non_null(file_text(name));
    remove(name);
    /* The next driver of the process may have it. */
    begin_file(state, name, "60000");
    end_file(state);
    assert_int_equal(warnings, 0);
    remove(name);
}

static void other_formats_are_ignored(void **state) {
    const char *name = "test_prometheus.other";
    remove(name);
    setenv("MOFKA_STATS_FILE", name, 1);
    setenv("MOFKA_STATS_FORMAT", "Prometheus", 1);
    scripted_setup(state);
    unsetenv("MOFKA_STATS_FILE");
    unsetenv("MOFKA_STATS_FORMAT");
    scripted_teardown(state);
    assert_int_equal(file_text(name)[0], '{');
    remove(name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_become_metrics),
        cmocka_unit_test(openmetrics_declares_counters_without_total),
        cmocka_unit_test(logs_of_topics_with_storage_have_metrics),
        cmocka_unit_test(names_are_escaped),
        cmocka_unit_test(other_json_is_no_failure),
        cmocka_unit_test(counters_become_metrics),
        cmocka_unit_test(every_counter_is_shown),
        cmocka_unit_test(a_file_is_replaced),
        cmocka_unit_test(only_regular_files_are_replaced),
        cmocka_unit_test(a_file_that_becomes_a_folder_is_logged_once),
        cmocka_unit_test(a_second_driver_does_not_replace_it),
        cmocka_unit_test(other_formats_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
