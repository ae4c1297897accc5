/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of mofkactl serve that need no job: addresses, hosts, and the page. */
#include <cjson/cJSON.h>
#include <stdarg.h>
#include "support/check.h"
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/out/rates.h"
#include "mpi/ctl/serve/access.h"
#include "mpi/ctl/serve/listen.h"
#include "mpi/ctl/serve/page/html.h"
#include "mpi/ctl/serve/page/page.h"

/* Instead of base/messages.c and base/interrupt.c. */
void ctl_complain(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
}

double interrupt_age_s(void) {
    return 0;
}

/* ---- addresses and hosts --------------------------------------------------------------------- */

static void addresses_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool loopback;
    } good[] = {
        {"127.0.0.1:9464", true}, {"127.8.9.10:0", true},  {"localhost:65535", true},
        {"[::1]:80", true},       {"0.0.0.0:80", false},   {"10.1.2.3:80", false},
        {"[::]:80", false},       {"[fe80::1]:80", false}, {"[::ffff:127.0.0.1]:80", false}};
    listen_address_t address;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!listen_read(good[i].text, &address))
            fail_msg("'%s' is refused", good[i].text);
        assert_int_equal(address.loopback, good[i].loopback);
    }
}

static void other_addresses_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        ":",
        "127.0.0.1",
        "9464",
        ":9464",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        "127.0.0.1:0001234",
        "1.2.3:80",
        "1.2.3.4.5:80",
        "example.org:80",
        "[]:80",
        "::1:80",
        "[::1]",
        "[::1:80",
        "::1]:80",
        "[127.0.0.1]:80",
        "[::1]x:80",
        "[::1%lo]:80",
        "localhost.:80",
        " localhost:80",
        "[1111111111111111111111111111111111111111111111111111111]:80"};
    listen_address_t address;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (listen_read(bad[i], &address))
            fail_msg("'%s' is an address", bad[i]);
}

static void hosts_without_a_token_are_loopback(void **state) {
    (void)state;
    static const char *const good[] = {"localhost",  "LocalHost:9464", "127.0.0.1", "127.1.2.3:1",
                                       "[::1]:9464", "[::1]",          NULL};
    static const char *const bad[] = {"",           "example.org",   "localhost.example.org",
                                      "127.0.0.1.", "127.0.0.1.org", "[::2]",
                                      "10.0.0.1",   "::1:80",        "[localhost.example.org]"};
    access_t access;
    assert_true(access_open(&access, NULL));
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(access_allows_host(&access, good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (access_allows_host(&access, bad[i]))
            fail_msg("'%s' is allowed", bad[i]);
    access.token = true; /* who has it may come by any name */
    assert_true(access_allows_host(&access, "example.org"));
}

/* ---- the page -------------------------------------------------------------------------------- */

/* A reading of one topic with one consumer; `name` is JSON without its quotes. */
static cJSON *reading_of(const char *name, int time_s, int events, const cJSON *before) {
    char text[1024];
    snprintf(
        text, sizeof text,
        "{\"size\":2,\"time_us\":%d000000,\"topics\":[{\"name\":\"%s\","
        "\"partitions\":[{\"partition\":0,\"owner\":1,\"tail_events\":%d,\"tail_bytes\":%d,"
        "\"held_events\":5,\"held_bytes\":6,\"room_events\":10,\"room_bytes\":24,"
        "\"blocked_producers\":3,\"complete\":false,\"consumers\":[{\"name\":\"%s\",\"live\":true,"
        "\"lag\":7}]}]}]}",
        time_s, name, events, 64 * events, name);
    cJSON *stats = rates_read(text, strlen(text));
    assert_non_null(stats);
    assert_true(rates_add(stats, before, NULL));
    return stats;
}

static char *page_text(const page_view_t *view) {
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    page_write(out, view, "0123456789abcdef");
    assert_int_equal(fclose(out), 0);
    assert_int_equal(strlen(text), bytes);
    return text;
}

static void expect_text(const char *text, const char *wanted) {
    if (!strstr(text, wanted))
        fail_msg("no '%s' in:\n%s", wanted, text);
}

/* Names come from memory that all ranks can write. */
static void names_are_escaped(void **state) {
    (void)state;
    history_t history = {0};
    cJSON *stats =
        reading_of("</script><b>&\\u0027\\\"\\u001b[2J\\u0000\\u009b\x7f\\n", 1, 0, NULL);
    assert_true(history_add(&history, stats, 1));
    char *text = page_text(&(page_view_t){stats, &history, 1, 1});
    /* cJSON ends a string at its NUL. */
    expect_text(text, "<h2>&lt;/script&gt;&lt;b&gt;&amp;&#39;&quot;\\x1b[2J <small");
    assert_null(strstr(text, "<b>&"));
    for (const char *at = text; *at; at++)
        assert_true(*at == '\n' || (unsigned char)*at >= 0x20);
    free(text);
    cJSON_Delete(stats);
    history_clear(&history);
    FILE *out = open_memstream(&text, &(size_t){0});
    html_write_text(out, "\xff\xc2\x9b\xc3\xa4\x7f<");
    fclose(out);
    assert_string_equal(text, "\\xff\\xc2\\x9b\xc3\xa4\\x7f&lt;");
    free(text);
}

static void numbers_are_shown(void **state) {
    (void)state;
    history_t history = {0};
    cJSON *before = reading_of("t", 1, 100, NULL), *stats = reading_of("t", 3, 2100, before);
    assert_true(history_add(&history, before, 1) && history_add(&history, stats, 3));
    assert_non_null(cJSON_AddStringToObject(stats, "topics_status", "MOFKA_ERR_<TIMEOUT>"));
    char *text = page_text(&(page_view_t){stats, &history, 3, 1});
    expect_text(text, "<figcaption>events/s <b>1.0k</b></figcaption>");
    expect_text(text, "<figcaption>fill <b>50.0 %</b></figcaption>");
    expect_text(text, "<figcaption>largest lag <b>7</b></figcaption>");
    expect_text(text, "<small class=\"bad\">3 blocked</small>");
    expect_text(text,
                "<th scope=\"row\" class=\"text\">t</th><td>7</td><td class=\"text\">open</td>");
    expect_text(text, "<td>2100</td><td>1.0k</td><td>64.0k</td>");
    expect_text(text, "could not read them all: MOFKA_ERR_&lt;TIMEOUT&gt;");
    expect_text(text, "<style nonce=\"0123456789abcdef\">");
    free(text);
    cJSON_Delete(before);
    cJSON_Delete(stats);
    history_clear(&history);
}

/* Partitions with storage have a table of their log, and the topic a graph of what is to be
 * written. */
static void logs_are_shown(void **state) {
    static const char reading[] =
        "{\"size\":1,\"time_us\":1000000,\"topics\":[{\"name\":\"t\",\"partitions\":["
        "{\"partition\":0,\"owner\":0,\"unwritten_events\":30,\"unsynced_events\":40,"
        "\"written_events\":970,\"synced_events\":960,\"written_bytes\":128000,"
        "\"synced_bytes\":64000,\"log_segments\":3,\"log_bytes\":2000000,\"log_writes\":10,"
        "\"log_write_us\":25000,\"log_write_us_max\":9000,\"log_syncs\":0,\"log_sync_us\":0,"
        "\"log_sync_us_max\":0,\"log_failed\":false,\"consumers\":[]},"
        "{\"partition\":1,\"owner\":0,\"unwritten_events\":5,\"log_failed\":true,"
        "\"consumers\":[]}]}]}";
    (void)state;
    history_t history = {0};
    cJSON *stats = rates_read(reading, strlen(reading));
    assert_true(stats && rates_add(stats, NULL, NULL) && history_add(&history, stats, 1));
    char *text = page_text(&(page_view_t){stats, &history, 1, 1});
    expect_text(text, "<figcaption>to write <b>35</b></figcaption>");
    expect_text(text, "<tr><th scope=\"row\">0</th><td>970</td><td>960</td><td>30</td><td>40</td>"
                      "<td>128.0k</td><td>64.0k</td><td>3</td><td>2.0M</td><td>2.5</td>"
                      "<td>9.0</td><td>0.0</td><td>0.0</td><td class=\"text\">good</td></tr>");
    expect_text(text, "<td class=\"text bad\">fails</td>");
    free(text);
    cJSON_Delete(stats);
    history_clear(&history);
}

/* Points of a graph: those of the last readings, within the time shown, whose value is known. */
static size_t points_at(const history_t *history, double now_s) {
    char *text, *at;
    FILE *out = open_memstream(&text, &(size_t){0});
    history_draw(history, 0, HISTORY_EVENTS_PER_S, "x", 1, now_s, out);
    fclose(out);
    size_t count = 0;
    at = strstr(text, "points=\"") + strlen("points=\"");
    for (double x, y, last = -1; sscanf(at, "%lf,%lf ", &x, &y) == 2; count++, last = x) {
        assert_true(x >= 0 && x <= 240 && x >= last && y >= 0 && y <= 40);
        at = strchr(at, ' ') + 1;
    }
    assert_true(*at == '"');
    free(text);
    return count;
}

static void graphs_show_the_last_two_minutes(void **state) {
    (void)state;
    history_t history = {0};
    cJSON *before = NULL;
    for (int i = 0; i < 3 * HISTORY_POINTS; i++) {
        cJSON *stats = reading_of("t", i + 1, i * i, before);
        assert_true(history_add(&history, stats, i * 0.5));
        if (i == 0)
            assert_int_equal(points_at(&history, 0), 0); /* no rate yet */
        if (i == 10)
            assert_int_equal(points_at(&history, i * 0.5), 10);
        cJSON_Delete(before);
        before = stats;
    }
    double last_s = (3 * HISTORY_POINTS - 1) * 0.5;
    assert_int_equal(points_at(&history, last_s), HISTORY_POINTS);
    assert_int_equal(points_at(&history, last_s + HISTORY_SECONDS - 10), 21);
    assert_int_equal(points_at(&history, last_s + HISTORY_SECONDS + 1), 0);
    cJSON_Delete(before);
    history_clear(&history);
}

/* Topics come while readings are taken. */
static void new_topics_have_graphs(void **state) {
    (void)state;
    history_t history = {0};
    cJSON *stats = cJSON_Parse("{\"topics\":[]}");
    assert_true(history_add(&history, stats, 1));
    cJSON_Delete(stats);
    stats = reading_of("t", 1, 1, NULL);
    cJSON *topics = cJSON_GetObjectItem(stats, "topics");
    for (int i = 0; i < 20; i++) {
        cJSON_AddItemToArray(topics, cJSON_Duplicate(topics->child, true));
        assert_true(history_add(&history, stats, 2 + i));
    }
    assert_int_equal(history.topic_count, 21);
    assert_int_equal(history.topics[0]->count, 20);
    assert_int_equal(history.topics[20]->count, 1);
    char *text = page_text(&(page_view_t){stats, &history, 30, 1});
    size_t graphs = 0;
    for (const char *at = text; (at = strstr(at, "<svg ")); at++)
        graphs++;
    assert_int_equal(graphs, 21 * (HISTORY_SERIES - 1)); /* they have no log */
    free(text);
    cJSON_Delete(stats);
    history_clear(&history);
}

/* A topic that is deleted takes its own graphs with it; the others keep theirs. */
static void a_deleted_topic_takes_its_graphs_along(void **state) {
    (void)state;
    history_t history = {0};
    cJSON *before = reading_of("a", 1, 5000, NULL), *other = reading_of("b", 1, 10, NULL);
    cJSON_AddItemToArray(cJSON_GetObjectItem(before, "topics"),
                         cJSON_DetachItemFromArray(cJSON_GetObjectItem(other, "topics"), 0));
    assert_true(history_add(&history, before, 1));
    cJSON *now = reading_of("b", 2, 30, before);
    assert_true(rates_number(cJSON_GetObjectItem(now, "topics")->child, "events_per_s") == 20);
    assert_true(history_add(&history, now, 2));
    assert_int_equal(history.topic_count, 1);
    assert_string_equal(history.topics[0]->name, "b");
    assert_int_equal(history.topics[0]->count, 2);
    /* One of the same name begins anew. */
    cJSON *again = reading_of("b", 3, 7, now);
    assert_true(rates_number(cJSON_GetObjectItem(again, "topics")->child, "events_per_s") == 7);
    cJSON_Delete(before);
    cJSON_Delete(other);
    cJSON_Delete(now);
    cJSON_Delete(again);
    history_clear(&history);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(other_addresses_are_refused),
        cmocka_unit_test(hosts_without_a_token_are_loopback),
        cmocka_unit_test(names_are_escaped),
        cmocka_unit_test(numbers_are_shown),
        cmocka_unit_test(logs_are_shown),
        cmocka_unit_test(graphs_show_the_last_two_minutes),
        cmocka_unit_test(new_topics_have_graphs),
        cmocka_unit_test(a_deleted_topic_takes_its_graphs_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
