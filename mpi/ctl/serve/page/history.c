/* SPDX-License-Identifier: BSD-3-Clause */
/* Keeps points of topics, and draws them. */
#include "mpi/ctl/serve/page/history.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/ctl/out/rates.h"

#define WIDTH 240
#define HEIGHT 40

static double history_number(const cJSON *topic, const char *key) {
    const cJSON *item = rates_member(topic, key);
    return rates_is_number(item) ? item->valuedouble : NAN;
}

static double history_lag(const cJSON *topic) {
    const cJSON *consumer;
    double most = 0;
    cJSON_ArrayForEach(consumer, rates_member(topic, "consumers")) {
        most = fmax(most, rates_number(consumer, "lag"));
    }
    return most;
}

static void history_add_point(history_topic_t *history, const cJSON *topic, double at_s) {
    history_point_t *point = &history->points[history->count++ % HISTORY_POINTS];
    point->at_s = at_s;
    point->values[HISTORY_EVENTS_PER_S] = history_number(topic, "events_per_s");
    point->values[HISTORY_BYTES_PER_S] = history_number(topic, "bytes_per_s");
    point->values[HISTORY_FILL] =
        fmax(history_number(topic, "events_fill"), history_number(topic, "bytes_fill"));
    point->values[HISTORY_LAG] = history_lag(topic);
    point->values[HISTORY_BLOCKED] = history_number(topic, "blocked_producers");
    point->values[HISTORY_UNWRITTEN] = history_number(topic, "unwritten_events");
}

static void history_topic_destroy(history_topic_t *topic) {
    if (topic)
        free(topic->name);
    free(topic);
}

/* NULL: no memory. */
static history_topic_t *history_topic_create(const char *name) {
    history_topic_t *topic = malloc(sizeof *topic);
    if (!topic)
        return NULL;
    topic->count = 0;
    topic->name = strdup(name);
    if (topic->name)
        return topic;
    free(topic);
    return NULL;
}

/* Take a topic out of the history. It is number `expected`, unless others came or went. NULL: it is
 * not there. */
static history_topic_t *history_take(history_t *history, size_t expected, const char *name) {
    for (size_t i = 0; i < history->topic_count; i++) {
        history_topic_t **place = &history->topics[(expected + i) % history->topic_count];
        history_topic_t *topic = *place;
        if (topic && strcmp(topic->name, name) == 0) {
            *place = NULL;
            return topic;
        }
    }
    return NULL;
}

bool history_add(history_t *history, const cJSON *stats, double at_s) {
    const cJSON *topics = rates_member(stats, "topics"), *topic;
    size_t count = (size_t)cJSON_GetArraySize(topics);
    history_t now = {.topics = calloc(count + 1, sizeof *now.topics)};
    bool good = now.topics != NULL;
    cJSON_ArrayForEach(topic, topics) {
        const char *name = cJSON_GetStringValue(rates_member(topic, "name"));
        history_topic_t *of =
            good ? history_take(history, now.topic_count, name ? name : "") : NULL;
        if (good && !of)
            of = history_topic_create(name ? name : "");
        good = of != NULL;
        if (!good)
            break;
        history_add_point(of, topic, at_s);
        now.topics[now.topic_count++] = of;
    }
    history_clear(history);
    *history = now;
    if (!good)
        history_clear(history);
    return good;
}

void history_clear(history_t *history) {
    for (size_t i = 0; i < history->topic_count; i++)
        history_topic_destroy(history->topics[i]);
    free(history->topics);
    *history = (history_t){0};
}

/* ---- drawing --------------------------------------------------------------------------------- */

/* The point `index`, if it is kept, known and not too old. NULL: it is not. */
static const history_point_t *history_point(const history_topic_t *topic, size_t index,
                                            history_series_t series, double now_s) {
    assert(index < topic->count && topic->count - index <= HISTORY_POINTS);
    const history_point_t *point = &topic->points[index % HISTORY_POINTS];
    bool shown = !isnan(point->values[series]) && now_s - point->at_s <= HISTORY_SECONDS;
    return shown ? point : NULL;
}

static size_t history_first(const history_topic_t *topic) {
    return topic->count > HISTORY_POINTS ? topic->count - HISTORY_POINTS : 0;
}

static double history_most(const history_topic_t *topic, history_series_t series, double now_s) {
    double most = 0;
    for (size_t i = history_first(topic); i < topic->count; i++) {
        const history_point_t *point = history_point(topic, i, series, now_s);
        most = point ? fmax(most, point->values[series]) : most;
    }
    return most;
}

/* Numbers are written in tenths, so that no locale is asked for a decimal point. */
static void history_write_tenths(double value, FILE *out) {
    long tenths = lround(value * 10);
    fprintf(out, "%ld.%ld", tenths / 10, tenths % 10);
}

void history_draw(const history_t *history, size_t topic, history_series_t series,
                  const char *label, double least_max, double now_s, FILE *out) {
    assert(topic < history->topic_count && series < HISTORY_SERIES && least_max > 0);
    const history_topic_t *of = history->topics[topic];
    double most = fmax(history_most(of, series, now_s), least_max);
    fprintf(out,
            "<svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" "
            "aria-label=\"%s, the last %d s\"><polyline points=\"",
            WIDTH, HEIGHT, label, HISTORY_SECONDS);
    for (size_t i = history_first(of); i < of->count; i++) {
        const history_point_t *point = history_point(of, i, series, now_s);
        if (!point)
            continue;
        history_write_tenths(WIDTH * (1 - fmax(now_s - point->at_s, 0) / HISTORY_SECONDS), out);
        fputc(',', out);
        history_write_tenths(1 + (HEIGHT - 2) * (1 - fmax(point->values[series], 0) / most), out);
        fputc(' ', out);
    }
    fputs("\"/></svg>", out);
}
