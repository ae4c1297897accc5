/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mofkactl serve: what each topic's graphs show, of the last readings. A topic is known by its
 * name, as in rates.h. One that is not in a reading is forgotten.
 */
#ifndef MOFKA_MPI_CTL_SERVE_PAGE_HISTORY_H
#define MOFKA_MPI_CTL_SERVE_PAGE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct cJSON;

/* Readings that are kept. */
#define HISTORY_POINTS 150
/* The time that a graph shows. */
#define HISTORY_SECONDS 120

typedef enum history_series {
    HISTORY_EVENTS_PER_S,
    HISTORY_BYTES_PER_S,
    HISTORY_FILL,      /* the fuller of events and bytes, from 0 to 1 */
    HISTORY_LAG,       /* of the slowest consumer */
    HISTORY_BLOCKED,   /* producers */
    HISTORY_UNWRITTEN, /* events that wait for the log; unknown without storage */
    HISTORY_SERIES
} history_series_t;

typedef struct history_point {
    double at_s;
    double values[HISTORY_SERIES]; /* NAN: unknown */
} history_point_t;

/* A ring: the point i is at i % HISTORY_POINTS. */
typedef struct history_topic {
    char *name;
    size_t count;
    history_point_t points[HISTORY_POINTS];
} history_topic_t;

typedef struct history {
    history_topic_t **topics; /* in the order of the last reading */
    size_t topic_count;
} history_t;

/* Add a point for each topic of a reading (with rates). False: no memory; then nothing is known. */
bool history_add(history_t *history, const struct cJSON *stats, double at_s);
/* Draw a series of topic number `topic` of the last reading, up to now, as an SVG element. `label`
 * (plain text) names it, and `least_max` is the least value that the full height stands for. */
void history_draw(const history_t *history, size_t topic, history_series_t series,
                  const char *label, double least_max, double now_s, FILE *out);
void history_clear(history_t *history);

#endif
