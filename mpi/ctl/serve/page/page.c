/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes the page: for each topic its graphs, its consumers, its partitions, its log. */
#include "mpi/ctl/serve/page/page.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include "mpi/ctl/out/rates.h"
#include "mpi/ctl/out/table.h"
#include "mpi/ctl/serve/page/html.h"
#include "page_parts.h"

/* Without scripts, the page is loaded again after this time. */
#define RELOAD_S 5

typedef struct page_graph {
    history_series_t series;
    const char *label;
    double least_max;
} page_graph_t;

static const page_graph_t page_graphs[] = {
    {HISTORY_EVENTS_PER_S, "events/s", 1},
    {HISTORY_BYTES_PER_S, "bytes/s", 1},
    {HISTORY_FILL, "fill", 1},
    {HISTORY_LAG, "largest lag", 1},
    {HISTORY_BLOCKED, "blocked", 1},
    {HISTORY_UNWRITTEN, "to write", 1},
};

static const char *page_string(const cJSON *object, const char *key) {
    const cJSON *item = rates_member(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static bool page_is_true(const cJSON *object, const char *key) {
    return cJSON_IsTrue(rates_member(object, key));
}

/* Whether a topic, or a partition, has a log. */
static bool page_has_log(const cJSON *row) {
    return rates_member(row, "unwritten_events") != NULL;
}

/* ---- cells ----------------------------------------------------------------------------------- */

static void page_write_count(FILE *out, uint64_t count) {
    fprintf(out, "<td>%" PRIu64 "</td>", count);
}

static void page_write_short(FILE *out, const cJSON *row, const char *key) {
    char text[TABLE_NUMBER_BYTES];
    fprintf(out, "<td>%s</td>", table_short_number(rates_member(row, key), text));
}

static void page_write_fill(FILE *out, const cJSON *row, const char *key) {
    double fill = rates_number(row, key);
    fprintf(out,
            "<td><meter min=\"0\" max=\"1000\" high=\"900\" value=\"%.0f\"></meter> %.1f %%</td>",
            1000 * fill, 100 * fill);
}

static void page_write_blocked(FILE *out, const cJSON *row) {
    uint64_t count = rates_count(row, "blocked_producers");
    fprintf(out, "<td%s>%" PRIu64 "</td>", count ? " class=\"bad\"" : "", count);
}

/* Write the mean of `count` times, and the longest, in ms. The keys' times are in us. */
static void page_write_times(FILE *out, const cJSON *row, const char *count, const char *sum,
                             const char *longest) {
    double mean = rates_number(row, sum) / fmax(rates_number(row, count), 1);
    fprintf(out, "<td>%.1f</td><td>%.1f</td>", mean * 1e-3, rates_number(row, longest) * 1e-3);
}

static void page_write_lags(FILE *out, const cJSON *row) {
    const cJSON *consumer;
    fputs("<td class=\"text\">", out);
    cJSON_ArrayForEach(consumer, rates_member(row, "consumers")) {
        html_write_text(out, page_string(consumer, "name"));
        fprintf(out, "&nbsp;%" PRIu64 " ", rates_count(consumer, "lag"));
    }
    fputs("</td>", out);
}

/* ---- a topic --------------------------------------------------------------------------------- */

/* Write the newest value of a graph. */
static void page_write_newest(FILE *out, const cJSON *topic, history_series_t series) {
    char text[TABLE_NUMBER_BYTES];
    uint64_t most = 0;
    const cJSON *consumer;
    switch (series) {
    case HISTORY_EVENTS_PER_S:
    case HISTORY_BYTES_PER_S:
        fputs(
            table_short_number(rates_member(topic, series == HISTORY_EVENTS_PER_S ? "events_per_s"
                                                                                  : "bytes_per_s"),
                               text),
            out);
        break;
    case HISTORY_FILL:
        fprintf(out, "%.1f %%",
                100 * fmax(rates_number(topic, "events_fill"), rates_number(topic, "bytes_fill")));
        break;
    case HISTORY_LAG:
        cJSON_ArrayForEach(consumer, rates_member(topic, "consumers")) {
            uint64_t lag = rates_count(consumer, "lag");
            most = lag > most ? lag : most;
        }
        fprintf(out, "%" PRIu64, most);
        break;
    case HISTORY_UNWRITTEN:
        fprintf(out, "%" PRIu64, rates_count(topic, "unwritten_events"));
        break;
    default:
        assert(series == HISTORY_BLOCKED);
        fprintf(out, "%" PRIu64, rates_count(topic, "blocked_producers"));
    }
}

static void page_write_graphs(FILE *out, const page_view_t *view, const cJSON *topic,
                              size_t index) {
    fputs("<div class=\"graphs\">", out);
    for (size_t i = 0; i < sizeof page_graphs / sizeof page_graphs[0]; i++) {
        const page_graph_t *graph = &page_graphs[i];
        if (graph->series == HISTORY_UNWRITTEN && !page_has_log(topic))
            continue;
        fprintf(out, "<figure><figcaption>%s <b>", graph->label);
        page_write_newest(out, topic, graph->series);
        fputs("</b></figcaption>", out);
        history_draw(view->history, index, graph->series, graph->label, graph->least_max,
                     view->now_s, out);
        fputs("</figure>", out);
    }
    fputs("</div>\n", out);
}

/* Write a row of numbers. `partition` NULL: the sums of a topic. */
static void page_write_row(FILE *out, const cJSON *partition, const cJSON *row) {
    if (partition)
        fprintf(out, "<tr><th scope=\"row\">%" PRIu64 "</th><td>%" PRIu64 "</td>",
                rates_count(partition, "partition"), rates_count(partition, "owner"));
    else
        fputs("<tr class=\"sum\"><th scope=\"row\">all</th><td>-</td>", out);
    page_write_count(out, rates_count(row, "tail_events"));
    page_write_short(out, row, "events_per_s");
    page_write_short(out, row, "bytes_per_s");
    page_write_fill(out, row, "events_fill");
    page_write_fill(out, row, "bytes_fill");
    page_write_blocked(out, row);
    page_write_lags(out, row);
    fprintf(out, "<td class=\"text\">%s</td></tr>\n",
            page_is_true(row, "complete") ? "complete" : "open");
}

static void page_write_partitions(FILE *out, const cJSON *topic) {
    const cJSON *list = rates_member(topic, "partitions"), *partition;
    fputs("<div class=\"wide\"><table><thead><tr><th>partition</th><th>rank</th><th>events</th>"
          "<th>events/s</th><th>bytes/s</th><th>events held</th><th>bytes held</th>"
          "<th>blocked</th><th class=\"text\">lag</th><th class=\"text\">state</th></tr></thead>"
          "<tbody>\n",
          out);
    if (cJSON_GetArraySize(list) != 1)
        page_write_row(out, NULL, topic);
    cJSON_ArrayForEach(partition, list) {
        page_write_row(out, partition, partition);
    }
    fputs("</tbody></table></div>\n", out);
}

/* Write what the files of a topic have, and how fast they are. */
static void page_write_log(FILE *out, const cJSON *topic) {
    const cJSON *partition;
    fputs("<div class=\"wide\"><table><thead><tr><th>log of</th><th>events written</th>"
          "<th>on disk</th><th>to write</th><th>to sync</th><th>bytes written</th>"
          "<th>on disk</th><th>files</th><th>their bytes</th><th>a write, ms</th><th>longest</th>"
          "<th>a sync, ms</th><th>longest</th><th class=\"text\">state</th></tr></thead>"
          "<tbody>\n",
          out);
    cJSON_ArrayForEach(partition, rates_member(topic, "partitions")) {
        fprintf(out, "<tr><th scope=\"row\">%" PRIu64 "</th>", rates_count(partition, "partition"));
        page_write_count(out, rates_count(partition, "written_events"));
        page_write_count(out, rates_count(partition, "synced_events"));
        page_write_count(out, rates_count(partition, "unwritten_events"));
        page_write_count(out, rates_count(partition, "unsynced_events"));
        page_write_short(out, partition, "written_bytes");
        page_write_short(out, partition, "synced_bytes");
        page_write_count(out, rates_count(partition, "log_segments"));
        page_write_short(out, partition, "log_bytes");
        page_write_times(out, partition, "log_writes", "log_write_us", "log_write_us_max");
        page_write_times(out, partition, "log_syncs", "log_sync_us", "log_sync_us_max");
        fputs(page_is_true(partition, "log_failed") ? "<td class=\"text bad\">fails</td></tr>\n"
                                                    : "<td class=\"text\">good</td></tr>\n",
              out);
    }
    fputs("</tbody></table></div>\n", out);
}

static void page_write_consumers(FILE *out, const cJSON *topic) {
    const cJSON *consumers = rates_member(topic, "consumers"), *consumer;
    if (cJSON_GetArraySize(consumers) == 0) {
        fputs("<p>No named consumer.</p>\n", out);
        return;
    }
    fputs("<div class=\"wide\"><table><thead><tr><th class=\"text\">consumer</th><th>lag</th>"
          "<th class=\"text\">state</th></tr></thead><tbody>\n",
          out);
    cJSON_ArrayForEach(consumer, consumers) {
        fputs("<tr><th scope=\"row\" class=\"text\">", out);
        html_write_text(out, page_string(consumer, "name"));
        fputs("</th>", out);
        page_write_count(out, rates_count(consumer, "lag"));
        fprintf(out, "<td class=\"text\">%s</td></tr>\n",
                page_is_true(consumer, "live") ? "open" : "closed");
    }
    fputs("</tbody></table></div>\n", out);
}

static void page_write_topic(FILE *out, const page_view_t *view, const cJSON *topic, size_t index) {
    uint64_t blocked = rates_count(topic, "blocked_producers");
    fputs("<section><h2>", out);
    html_write_text(out, page_string(topic, "name"));
    if (page_is_true(topic, "complete"))
        fputs(" <small>complete</small>", out);
    if (blocked > 0)
        fprintf(out, " <small class=\"bad\">%" PRIu64 " blocked</small>", blocked);
    fputs("</h2>\n", out);
    page_write_graphs(out, view, topic, index);
    page_write_consumers(out, topic);
    page_write_partitions(out, topic);
    if (page_has_log(topic))
        page_write_log(out, topic);
    fputs("</section>\n", out);
}

/* ---- the page -------------------------------------------------------------------------------- */

void page_write_part(FILE *out, const page_view_t *view) {
    const cJSON *topics = rates_member(view->stats, "topics"), *topic;
    const char *status = page_string(view->stats, "topics_status");
    time_t at = (time_t)(rates_number(view->stats, "time_us") * 1e-6);
    char when[32];
    struct tm local;
    size_t index = 0;
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&at, &local));
    fprintf(out, "<p>ranks: %.0f, topics: %d, %s%s", rates_number(view->stats, "size"),
            cJSON_GetArraySize(topics), when, *status ? "; could not read them all: " : "");
    html_write_text(out, status);
    fputs("</p>\n", out);
    cJSON_ArrayForEach(topic, topics) {
        page_write_topic(out, view, topic, index++);
    }
}

void page_write(FILE *out, const page_view_t *view, const char *nonce) {
    assert(nonce[strspn(nonce, "0123456789abcdef")] == '\0');
    fprintf(out,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<title>mofka</title><link rel=\"icon\" href=\"data:,\">\n"
            "<noscript><meta http-equiv=\"refresh\" content=\"%d\"></noscript>\n"
            "<style nonce=\"%s\">\n",
            RELOAD_S, nonce);
    fputs(page_style, out);
    fprintf(out,
            "</style></head><body><h1>mofka</h1><p id=\"state\"></p>\n"
            "<main data-interval=\"%.0f\">\n",
            1000 * fmax(view->interval_s, 1));
    page_write_part(out, view);
    fprintf(out,
            "</main>\n<footer><a href=\"metrics\">metrics</a> "
            "<a href=\"stats.json\">stats.json</a></footer>\n<script nonce=\"%s\">\n",
            nonce);
    fputs(page_script, out);
    fputs("</script></body></html>\n", out);
}
