/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of mofkactl that need no job: the fifo language, lines in, events as lines, JSON of
 * options, rates. */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "support/check.h"
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/out/event_line.h"
#include "mpi/ctl/options/fifo_language.h"
#include "mpi/ctl/options/groups.h"
#include "mpi/ctl/options/json.h"
#include "mpi/ctl/in/lines.h"
#include "mpi/ctl/out/rates.h"

static char last_message[2048];

/* Instead of base/messages.c and base/interrupt.c: messages are kept, and no signal comes. */
void ctl_complain(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(last_message, sizeof last_message, format, args);
    va_end(args);
}

double interrupt_age_s(void) {
    return 0;
}

/* ---- the fifo language ----------------------------------------------------------------------- */

static fifo_command_t fifo_parsed(const char *line) {
    fifo_command_t command;
    fifo_error_t error;
    if (!fifo_parse(line, strlen(line), &command, &error))
        fail_msg("'%s', column %zu: %s", line, error.column, error.text);
    return command;
}

static void fifo_commands(void **state) {
    (void)state;
    fifo_command_t c = fifo_parsed("/tmp/in -> fields");
    assert_int_equal(c.verb, FIFO_PRODUCE);
    assert_string_equal(c.path, "/tmp/in");
    assert_string_equal(c.topic, "fields");
    assert_true(!c.json && c.batch_size == 0 && !c.name[0]);
    c = fifo_parsed("  /tmp/in->fields(format=json,batch_size=128)#x");
    assert_string_equal(c.path, "/tmp/in");
    assert_true(c.json && c.batch_size == 128);
    c = fifo_parsed("out <- t ( name = \"my reader\" , from = end )\r");
    assert_int_equal(c.verb, FIFO_CONSUME);
    assert_string_equal(c.name, "my reader");
    assert_true(c.from_end);
    c = fifo_parsed("\"a \\\"b\\\\ (1)\" <- a-b<c ()");
    assert_string_equal(c.path, "a \"b\\ (1)");
    assert_string_equal(c.topic, "a-b<c");
    assert_int_equal(fifo_parsed("").verb, FIFO_NOTHING);
    assert_int_equal(fifo_parsed(" \t # a -> b").verb, FIFO_NOTHING);
}

static void fifo_refused(const char *line, size_t column, const char *text) {
    fifo_command_t command;
    fifo_error_t error;
    if (fifo_parse(line, strlen(line), &command, &error))
        fail_msg("'%s' is read", line);
    if (error.column != column || !strstr(error.text, text))
        fail_msg("'%s': column %zu: %s", line, error.column, error.text);
}

static void fifo_commands_refused(void **state) {
    (void)state;
    fifo_refused("-> t", 1, "a path is needed, not '-'");
    fifo_refused("/tmp/in", 8, "-> or <- is needed, but the line ends");
    fifo_refused("/tmp/in t", 9, "-> or <- is needed, not 't'");
    fifo_refused("/tmp/in ->", 11, "a topic's name is needed, but the line ends");
    fifo_refused("a -> b c", 8, "the end of the line is needed, not 'c'");
    fifo_refused("a -> b (", 9, "an option's key is needed, but the line ends");
    fifo_refused("a -> b (format", 15, "= is needed");
    fifo_refused("a -> b (format=", 16, "a value is needed");
    fifo_refused("a -> b (format=raw", 19, ", or ) is needed");
    fifo_refused("a -> b (format=raw batch_size=1)", 20, ", or ) is needed, not 'b'");
    fifo_refused("a -> b (format=xml)", 16, "format cannot be 'xml': it must be one of raw json");
    fifo_refused("a <- b (from=middle)", 14,
                 "from cannot be 'middle': it must be one of beginning end");
    fifo_refused("a -> b (name=x)", 9, "unknown option 'name'; known are format, batch_size");
    fifo_refused("a <- b (format=raw)", 9, "known are batch_size, name, from");
    fifo_refused("a -> b (batch_size=0)", 20,
                 "batch_size cannot be '0': it must be a whole number from 1 to 16777216");
    fifo_refused("a -> b (batch_size=-1)", 20,
                 "batch_size cannot be '-1': it must be a whole number");
    fifo_refused("a -> b (batch_size=1x)", 20, "'1x'");
    fifo_refused("a -> b (batch_size=0x10)", 20, "'0x10'");
    fifo_refused("a -> b (batch_size=1, batch_size=2)", 23, "given twice");
    fifo_refused("\"a -> b", 1, "the quote is not closed");
    fifo_refused("\"\" -> b", 1, "a path is empty");
    fifo_refused("\"\\n\" -> b", 2, "a backslash may only stand before");
    fifo_refused("\x01 -> b", 1, "not byte 0x01");
    char line[FIFO_LINE_BYTES_MAX + 2];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\0';
    fifo_refused(line, FIFO_LINE_BYTES_MAX + 1, "the line has more than 4096 bytes");
    line[FIFO_PATH_BYTES_MAX + 1] = '\0';
    fifo_refused(line, 1, "a path has more than 1023 bytes");
    line[FIFO_PATH_BYTES_MAX] = '\0';
    fifo_refused(line, FIFO_PATH_BYTES_MAX + 1, "-> or <- is needed");
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void expect_line(lines_t *lines, line_kind_t kind, const char *wanted) {
    const char *text;
    size_t bytes;
    assert_int_equal(lines_next(lines, 0, &text, &bytes), kind);
    if (!wanted)
        return;
    assert_int_equal(bytes, strlen(wanted));
    assert_memory_equal(text, wanted, bytes);
}

static void pipe_put(int fd, const char *text) {
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void lines_of_a_pipe(void **state) {
    (void)state;
    int ends[2];
    lines_t lines;
    assert_int_equal(pipe(ends), 0);
    lines_open(&lines, ends[0], 8);
    expect_line(&lines, LINE_NONE, NULL);
    pipe_put(ends[1], "one\r\n\nthr");
    expect_line(&lines, LINE_TEXT, "one\r");
    expect_line(&lines, LINE_TEXT, "");
    expect_line(&lines, LINE_NONE, NULL);
    pipe_put(ends[1], "ee\n12345678\n123456789\nfive\n");
    expect_line(&lines, LINE_TEXT, "three");
    expect_line(&lines, LINE_TEXT, "12345678");
    expect_line(&lines, LINE_TOO_LONG, NULL);
    expect_line(&lines, LINE_TEXT, "five");
    assert_int_equal(lines.number, 6);
    /* A long one keeps no memory while it comes. */
    for (int i = 0; i < 1000; i++) {
        pipe_put(ends[1], "a line that does not end, ");
        expect_line(&lines, LINE_NONE, NULL);
    }
    assert_true(lines.room <= 1 << 18);
    pipe_put(ends[1], "\nlast");
    expect_line(&lines, LINE_TOO_LONG, NULL);
    close(ends[1]);
    expect_line(&lines, LINE_TEXT, "last");
    expect_line(&lines, LINE_END, NULL);
    lines_close(&lines);
    close(ends[0]);
}

static void lines_stopped(void **state) {
    (void)state;
    int ends[2];
    lines_t lines;
    assert_int_equal(pipe(ends), 0);
    lines_open(&lines, ends[0], 100);
    pipe_put(ends[1], "one\ntwo\nthr");
    expect_line(&lines, LINE_TEXT, "one");
    pipe_put(ends[1], "ee\n");
    lines_stop(&lines);
    expect_line(&lines, LINE_TEXT, "two");
    expect_line(&lines, LINE_END, NULL); /* what came then was not read */
    assert_int_equal(lines_rest(&lines), 3);
    lines_close(&lines);
    close(ends[0]);
    close(ends[1]);
}

/* ---- metadata on one line -------------------------------------------------------------------- */

static void expect_metadata(const char *text, const char *wanted) {
    sink_t sink;
    sink_open(&sink, -1);
    event_line_write_metadata(&sink, text, strlen(text));
    sink_add(&sink, "", 1);
    assert_string_equal(sink.buffer, wanted);
    sink_close(&sink);
}

static void metadata_lines(void **state) {
    (void)state;
    expect_metadata("{\"a\": 1}", "{\"a\": 1}");
    expect_metadata("{\n\t\"a\": 1\n}", "{ \t\"a\": 1 }");
    expect_metadata("{\"a\":\"b\nc\"}\n", "{\"a\":\"b\\nc\"} ");
    expect_metadata("[\"\\\"\n\\\\\",\n\"\"]", "[\"\\\"\\n\\\\\", \"\"]");
    expect_metadata("\"\\\n", "\"\\\\n"); /* no JSON, but one line */
    expect_metadata("", "");
}

/* Another rank's line may come after each write. */
static void lines_are_written_whole(void **state) {
    (void)state;
    char line[PIPE_BUF + 100], piece[2 * PIPE_BUF];
    int ends[2];
    assert_int_equal(pipe2(ends, O_DIRECT), 0); /* a read returns what one write wrote */
    sink_t sink;
    sink_open(&sink, ends[1]);
    memset(line, 'x', sizeof line);
    for (size_t bytes = 1; bytes <= 301; bytes += 50) {
        sink_add(&sink, line, 13 * bytes);
        sink_add(&sink, "\n", 1);
    }
    size_t left = sink.size;
    assert_true(left > 2 * PIPE_BUF);
    assert_true(sink_flush(&sink));
    while (left > 0) {
        ssize_t bytes = read(ends[0], piece, sizeof piece);
        assert_true(bytes > 0 && bytes <= PIPE_BUF && piece[bytes - 1] == '\n');
        left -= (size_t)bytes;
    }
    sink_add(&sink, line, sizeof line); /* this one is too long for that */
    sink_add(&sink, "\n", 1);
    assert_true(sink_flush(&sink));
    assert_int_equal(read(ends[0], piece, sizeof piece), PIPE_BUF);
    assert_int_equal(read(ends[0], piece, sizeof piece), 101);
    sink_close(&sink);
    close(ends[0]);
    close(ends[1]);
}

/* ---- JSON of options ------------------------------------------------------------------------- */

static void expect_merged(const char *into, const char *from, size_t levels, const char *wanted) {
    char *merged = ctl_json_merge(into, from, levels);
    if (!wanted) {
        assert_null(merged);
        return;
    }
    assert_non_null(merged);
    assert_string_equal(merged, wanted);
    assert_int_equal(ctl_json_check("merged", merged, strlen(merged)), MOFKA_OK);
    free(merged);
}

static void json_merging(void **state) {
    (void)state;
    expect_merged("{}", "{}", 0, "{}");
    expect_merged("{}", " { \"a\" : [ 1.0 , \" \" ] } ", 0, "{\"a\":[1.0,\" \"]}");
    expect_merged("{\"a\":1,\"b\":2}", "{\"b\":3,\"c\":4}", 0, "{\"a\":1,\"b\":3,\"c\":4}");
    expect_merged("{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"y\":{},\"z\":3}}", 0,
                  "{\"a\":{\"x\":1,\"y\":{},\"z\":3}}");
    expect_merged("{\"a\":{\"x\":1}}", "{\"a\":[1]}", 0, "{\"a\":[1]}");
    expect_merged("{\"a\":[1]}", "{\"a\":{\"x\":1}}", 0, "{\"a\":{\"x\":1}}");
    expect_merged("{\"a\\u0062\":1,\"c\":2}", "{\"ab\":3}", 0, "{\"a\\u0062\":3,\"c\":2}");
    expect_merged("{\"n\":12345678901234567890.10e-5}", "{\"m\":1E400}", 0,
                  "{\"n\":12345678901234567890.10e-5,\"m\":1E400}");
    /* One level: values replace. */
    expect_merged("{\"a\":{\"x\":1}}", "{\"a\":{\"y\":2}}", 1, "{\"a\":{\"y\":2}}");
    expect_merged("{\"a\":{\"x\":1}}", "{\"a\":{\"y\":2}}", 2, "{\"a\":{\"x\":1,\"y\":2}}");
    expect_merged("{\"a\":1}", "{\"a\":{\"y\":2}}", 2, NULL);
    assert_string_equal(mofka_last_error(), "'a' already has a value without keys");
}

static void expect_json(const char *text, const char *message) {
    mofka_status_t status = ctl_json_check("it", text, strlen(text));
    assert_int_equal(status, message ? MOFKA_ERR_JSON : MOFKA_OK);
    if (message)
        assert_non_null(strstr(mofka_last_error(), message));
}

static void json_checking(void **state) {
    (void)state;
    expect_json("{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}]}", NULL);
    expect_json("\"a\"", NULL);
    expect_json("[\"a\",\"a\"]", NULL);
    expect_json("{\"a\":\"a\",\"ab\":1,\"\":2}", NULL);
    expect_json("{\"a\":1,\"b\":{},\"a\":2}", "it: the key \"a\" is given twice");
    expect_json("[[{\"a\":[],\"\\u0061\":2}]]", "the key \"a\" is given twice");
    expect_json("{\"\":1,\"\":2}", "the key \"\" is given twice");
    expect_json("{\"a\":1,}", "it is not JSON: ");
}

static void expect_group(option_group_t *group, const char *path, const char *value,
                         const char *wanted) {
    if (!option_group_set(group, "name", path, value))
        fail_msg("%s: %s", value, last_message);
    assert_string_equal(group->text, wanted);
}

static void expect_refused_group(option_group_t *group, const char *path, const char *value,
                                 const char *why) {
    assert_false(option_group_set(group, "name", path, value));
    if (!strstr(last_message, why))
        fail_msg("the message is '%s'", last_message);
}

static void option_groups(void **state) {
    (void)state;
    option_group_t group = {NULL};
    expect_group(&group, "a.b", "1.10", "{\"a\":{\"b\":1.10}}");
    expect_group(&group, "a.c", "one \"word\"", "{\"a\":{\"b\":1.10,\"c\":\"one \\\"word\\\"\"}}");
    expect_group(&group, "a.c", "{\"x\":1}", "{\"a\":{\"b\":1.10,\"c\":{\"x\":1}}}");
    expect_group(&group, "a.c", "{\"y\":1}", "{\"a\":{\"b\":1.10,\"c\":{\"y\":1}}}");
    expect_group(&group, NULL, "{\"a\":{\"c\":{\"x\":2}},\"d\":true}",
                 "{\"a\":{\"b\":1.10,\"c\":{\"y\":1,\"x\":2}},\"d\":true}");
    expect_group(&group, "a", "01", "{\"a\":\"01\",\"d\":true}");
    expect_refused_group(&group, "a.b", "1", "--name: 'a' already has a value");
    expect_refused_group(&group, "a..b", "1", "--name: a path has 1 to 64 keys");
    expect_refused_group(&group, ".", "1", "a path has 1 to 64 keys");
    expect_refused_group(&group, "a", "\xff", "--name '\\xff' is not JSON: not UTF-8");
    expect_refused_group(&group, NULL, "{\"a\":1,\"a\":1}",
                         "--name '{\"a\":1,\"a\":1}': the key \"a\" is given");
    expect_refused_group(&group, NULL, "/nowhere/x",
                         "--name cannot be '/nowhere/x': it must be a JSON object");
    assert_string_equal(group.text, "{\"a\":\"01\",\"d\":true}"); /* as it was */
    option_group_clear(&group);
}

static void json_members(void **state) {
    (void)state;
    const char *object = "{\"type\": \"m\\u0070i\",\"n\": {\"type\":1}}";
    char *type = ctl_json_member(object, "type"), *text = ctl_json_string(type);
    char *rest = ctl_json_without(object, "type");
    assert_string_equal(text, "mpi");
    assert_string_equal(rest, "{\"n\":{\"type\":1}}");
    assert_null(ctl_json_member(object, "x"));
    assert_null(ctl_json_string("7"));
    free(type);
    free(text);
    free(rest);
    rest = ctl_json_without("{\"type\":1}", "type");
    assert_string_equal(rest, "{}");
    free(rest);
}

/* ---- rates of top ---------------------------------------------------------------------------- */

static cJSON *rates_reading(int time_us, int events, int lag) {
    char text[1400];
    const char *const partition =
        "{\"tail_events\":%d,\"tail_bytes\":%d,\"held_events\":5,\"held_bytes\":6,"
        "\"room_events\":10,\"room_bytes\":24,\"blocked_producers\":1,\"damaged_events\":2,"
        "\"complete\":%s,"
        "\"unwritten_events\":3,\"log_failed\":true,"
        "\"consumers\":[{\"name\":\"c\",\"live\":%s,\"lag\":%d}]}";
    char first[400], second[400];
    snprintf(first, sizeof first, partition, events, 8 * events, "true", "false", lag);
    snprintf(second, sizeof second, partition, 2 * events, 16 * events, "false", "true", lag + 1);
    snprintf(text, sizeof text,
             "{\"time_us\":%d,\"topics\":[{\"name\":\"x\",\"partitions\":[%s]},"
             "{\"name\":\"run-1\",\"partitions\":[%s,%s]}]}",
             time_us, first, first, second);
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    return json;
}

static double rates_of_topic(const cJSON *stats, const char *key) {
    const cJSON *topic = cJSON_GetObjectItem(stats, "topics")->child;
    return cJSON_GetNumberValue(cJSON_GetObjectItem(topic, key));
}

static void rates_of_top(void **state) {
    (void)state;
    cJSON *before = rates_reading(1000000, 100, 3), *now = rates_reading(3000000, 140, 7);
    assert_true(rates_add(before, NULL, "run-*") && rates_add(now, before, "run-*"));
    const cJSON *topics = cJSON_GetObjectItem(now, "topics");
    assert_int_equal(cJSON_GetArraySize(topics), 1);
    assert_true(cJSON_IsNull(
        cJSON_GetObjectItem(cJSON_GetObjectItem(before, "topics")->child, "events_per_s")));
    /* 40 and 80 events more in two seconds, of 8 bytes each. */
    assert_true(rates_of_topic(now, "tail_events") == 420);
    assert_true(rates_of_topic(now, "events_per_s") == 60);
    assert_true(rates_of_topic(now, "bytes_per_s") == 480);
    assert_true(rates_of_topic(now, "events_fill") == 0.5 &&
                rates_of_topic(now, "bytes_fill") == 0.25);
    assert_true(rates_of_topic(now, "blocked_producers") == 2);
    assert_true(rates_of_topic(now, "unwritten_events") == 6);
    assert_true(rates_of_topic(now, "damaged_events") == 4);
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(topics->child, "complete")));
    const cJSON *consumer = cJSON_GetObjectItem(topics->child, "consumers")->child;
    assert_null(consumer->next);
    assert_true(cJSON_GetNumberValue(cJSON_GetObjectItem(consumer, "lag")) == 15);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(consumer, "live")));
    cJSON_Delete(before);
    cJSON_Delete(now);
}

/* Numbers that a double would round keep their digits, in sums, too. */
static void rates_of_a_long_log(void **state) {
    (void)state;
    const char *text = "{\"time_us\":1000000,\"topics\":[{\"name\":\"t\",\"partitions\":["
                       "{\"tail_events\":9007199254740993,\"consumers\":[]},"
                       "{\"tail_events\":2,\"consumers\":[]}]}]}";
    cJSON *now = rates_read(text, strlen(text));
    assert_non_null(now);
    assert_true(rates_add(now, NULL, NULL));
    char *printed = cJSON_PrintUnformatted(now);
    assert_non_null(strstr(printed, "{\"tail_events\":9007199254740993,"));
    assert_non_null(strstr(printed, "\"tail_events\":9007199254740995,"));
    cJSON_free(printed);
    cJSON_Delete(now);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fifo_commands),       cmocka_unit_test(fifo_commands_refused),
        cmocka_unit_test(lines_of_a_pipe),     cmocka_unit_test(lines_stopped),
        cmocka_unit_test(metadata_lines),      cmocka_unit_test(json_merging),
        cmocka_unit_test(json_checking),       cmocka_unit_test(option_groups),
        cmocka_unit_test(json_members),        cmocka_unit_test(rates_of_top),
        cmocka_unit_test(rates_of_a_long_log), cmocka_unit_test(lines_are_written_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
