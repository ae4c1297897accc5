/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl top: rows of text, and how a terminal is repainted with them. */
#include <assert.h>
#include <cjson/cJSON.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include "mpi/ctl/out/table.h"
#include "mpi/ctl/out/rates.h"

#define HEADING_LINES 2

const char *table_short_number(const cJSON *item, char text[TABLE_NUMBER_BYTES]) {
    static const char units[] = {0, 'k', 'M', 'G', 'T', 'P'};
    double value = rates_is_number(item) ? item->valuedouble : 0;
    size_t unit = 0;
    while (value >= 999.95 && unit + 1 < sizeof units)
        value /= 1000, unit++;
    if (!rates_is_number(item))
        snprintf(text, TABLE_NUMBER_BYTES, "-");
    else
        snprintf(text, TABLE_NUMBER_BYTES, "%.*f%.1s", unit ? 1 : 0, value, units + unit);
    return text;
}

/* Names come from memory that all ranks can write, so they may hold any byte. */
static void table_print_name(const char *name, int width, FILE *out) {
    assert(name && width >= 0);
    int length = 0;
    for (; *name; name++, length++)
        fputc(isprint((unsigned char)*name) ? *name : '?', out);
    fprintf(out, "%*s", width > length ? width - length : 0, "");
}

static int table_name_width(const cJSON *topics) {
    const cJSON *topic;
    size_t width = strlen("TOPIC");
    cJSON_ArrayForEach(topic, topics) {
        size_t length = strlen(rates_member(topic, "name")->valuestring);
        width = length > width ? length : width;
    }
    return (int)width;
}

/* Print a rank, and its host, as far as they are known. */
static void table_print_rank(const cJSON *of, FILE *out) {
    const char *host = cJSON_GetStringValue(rates_member(of, "host"));
    if (!rates_is_number(rates_member(of, "rank")))
        return;
    fprintf(out, "rank %.0f", rates_number(of, "rank"));
    if (host) {
        fputs(" on ", out);
        table_print_name(host, 0, out);
    }
}

/* Print what is waited for: " waits for event 12, of rank 3 on n1, dead, for 2.0 s". */
static void table_print_waits(const cJSON *partition, FILE *out) {
    const cJSON *wait;
    cJSON_ArrayForEach(wait, rates_member(partition, "waits_for")) {
        const char *what = cJSON_GetStringValue(rates_member(wait, "what"));
        fputs(" waits for ", out);
        table_print_name(what ? what : "", 0, out);
        if (rates_is_number(rates_member(wait, "rank")))
            fputs(" of ", out);
        table_print_rank(wait, out);
        fprintf(out, "%s for %.1f s", cJSON_IsTrue(rates_member(wait, "dead")) ? ", dead," : "",
                rates_number(wait, "ms") * 1e-3);
    }
}

/* Print one row. `partition` NULL: the sums of a topic. */
static void table_print_row(const char *name, int width, const cJSON *partition, const cJSON *row,
                            FILE *out) {
    assert(row);
    char events[16], bytes[16], index[16] = "all", owner[16] = "-";
    const cJSON *consumer;
    if (partition) {
        snprintf(index, sizeof index, "%.0f", rates_number(partition, "partition"));
        snprintf(owner, sizeof owner, "%.0f", rates_number(partition, "owner"));
    }
    table_print_name(name, width, out);
    fprintf(out, " %4s %5s %12" PRIu64 " %9s %9s %7.1f %7.1f %7.0f ", index, owner,
            rates_count(row, "tail_events"),
            table_short_number(rates_member(row, "events_per_s"), events),
            table_short_number(rates_member(row, "bytes_per_s"), bytes),
            100 * rates_number(row, "events_fill"), 100 * rates_number(row, "bytes_fill"),
            rates_number(row, "blocked_producers"));
    if (rates_member(row, "unwritten_events"))
        fprintf(out, " [log %" PRIu64 "%s]", rates_count(row, "unwritten_events"),
                cJSON_IsTrue(rates_member(row, "log_failed")) ? ", fails" : "");
    cJSON_ArrayForEach(consumer, rates_member(row, "consumers")) {
        fputc(' ', out);
        table_print_name(rates_member(consumer, "name")->valuestring, 0, out);
        fprintf(out, "=%" PRIu64 "%s", rates_count(consumer, "lag"),
                cJSON_IsTrue(rates_member(consumer, "dead"))   ? "(dead)"
                : cJSON_IsTrue(rates_member(consumer, "live")) ? ""
                                                               : "(closed)");
    }
    if (rates_count(row, "damaged_events") > 0)
        fprintf(out, " damaged=%" PRIu64, rates_count(row, "damaged_events"));
    if (rates_count(row, "voided_events") > 0)
        fprintf(out, " void=%" PRIu64, rates_count(row, "voided_events"));
    if (partition)
        table_print_waits(partition, out);
    fputs(cJSON_IsTrue(rates_member(row, "complete")) ? " complete\n" : "\n", out);
}

static void table_print_topic(const cJSON *topic, int width, bool partitions, FILE *out) {
    const cJSON *list = rates_member(topic, "partitions"), *partition;
    const char *name = rates_member(topic, "name")->valuestring;
    if (cJSON_GetArraySize(list) == 1) {
        table_print_row(name, width, list->child, list->child, out);
        return;
    }
    table_print_row(name, width, NULL, topic, out);
    if (partitions)
        cJSON_ArrayForEach(partition, list) table_print_row(name, width, partition, partition, out);
}

/* Topics with one partition have one line. */
static size_t table_count_lines(const cJSON *topics) {
    const cJSON *topic;
    size_t lines = HEADING_LINES;
    cJSON_ArrayForEach(topic, topics) {
        size_t partitions = (size_t)cJSON_GetArraySize(rates_member(topic, "partitions"));
        lines += partitions == 1 ? 1 : 1 + partitions;
    }
    return lines;
}

/* A line for each rank in trouble. */
static void table_print_ranks(const cJSON *ranks, FILE *out) {
    const cJSON *rank;
    cJSON_ArrayForEach(rank, ranks) {
        const char *state = cJSON_GetStringValue(rates_member(rank, "state"));
        table_print_rank(rank, out);
        fprintf(out, ": %s for %.1f s\n", state ? state : "?", rates_number(rank, "ms") * 1e-3);
    }
}

void table_print(const cJSON *stats, size_t lines_max, FILE *out) {
    const cJSON *topics = rates_member(stats, "topics"), *topic,
                *status = rates_member(stats, "topics_status");
    time_t now = (time_t)(rates_number(stats, "time_us") * 1e-6);
    int width = table_name_width(topics);
    char when[32];
    struct tm local;
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &local));
    fprintf(out, "%s  %.0f ranks, %d topics%s%s\n", when, rates_number(stats, "size"),
            cJSON_GetArraySize(topics), status ? "; could not read them all: " : "",
            status ? status->valuestring : "");
    table_print_ranks(rates_member(stats, "ranks"), out);
    fprintf(out, "%-*s %4s %5s %12s %9s %9s %7s %7s %7s  %s\n", width, "TOPIC", "PART", "OWNER",
            "EVENTS", "EVENTS/S", "BYTES/S", "EVENTS%", "BYTES%", "BLOCKED", "LAG");
    size_t ranks = (size_t)cJSON_GetArraySize(rates_member(stats, "ranks"));
    bool partitions = lines_max == 0 || table_count_lines(topics) + ranks <= lines_max;
    cJSON_ArrayForEach(topic, topics) table_print_topic(topic, width, partitions, out);
}

void table_paint(const char *text, size_t rows, size_t columns, FILE *out) {
    assert(rows > 0 && columns > 0);
    size_t left = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        left++;
    fputs("\033[H", out);
    for (size_t row = 1; left > 0; row++, left--) {
        size_t bytes = strcspn(text, "\n");
        if (row + 1 >= rows && left > 1) { /* the cursor stays in the last row */
            fprintf(out, "... and %zu more\033[K\n", left);
            break;
        }
        fprintf(out, "%.*s\033[K\n", (int)(bytes < columns ? bytes : columns), text);
        text += bytes + 1;
    }
    fputs("\033[J", out);
}
