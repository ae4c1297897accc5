/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rank that analyses. At every full_every-th publication it fetches whole slabs; otherwise only
 * every SAMPLE-th row and column, by two stacked selections. The bytes are checked against the
 * checksum in the metadata. Whole fields become PNG frames.
 */
#include "analysis.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "checksum.h"
#include "picture.h"
#include "support/clock.h"

/* The metadata of a slab. */
typedef struct slab_info {
    long step;
    size_t row0, rows, n;
    uint64_t checksum, sample_checksum;
    double time;
} slab_info_t;

/* A whole field. The last slab of its step completes it. */
typedef struct frame {
    struct frame *next;
    long step;
    size_t rows; /* that have arrived */
    double field[];
} frame_t;

typedef struct analysis {
    const demo_options_t *options;
    int index;
    size_t own_rows; /* rows of a whole field that this rank reads */
    frame_t *frames; /* those under way: partitions need not be read at one pace */
    analysed_t *out;
    size_t latency_room;
} analysis_t;

static double analysis_number(const cJSON *json, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    return cJSON_IsNumber(item) ? item->valuedouble : -1;
}

static uint64_t analysis_hex(const cJSON *json, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
    return text ? strtoull(text, NULL, 16) : 0;
}

static mofka_status_t analysis_read_info(const mofka_metadata_t *metadata, slab_info_t *info) {
    const cJSON *json;
    mofka_status_t status = mofka_metadata_json(metadata, &json);
    if (status)
        return status;
    double values[] = {analysis_number(json, "step"), analysis_number(json, "row0"),
                       analysis_number(json, "rows"), analysis_number(json, "n"),
                       analysis_number(json, "time")};
    for (int i = 0; i < 5; i++)
        if (!(values[i] >= 0))
            return mofka_fail(MOFKA_ERR_JSON, "a slab's metadata lacks a number");
    *info = (slab_info_t){(long)values[0],
                          (size_t)values[1],
                          (size_t)values[2],
                          (size_t)values[3],
                          analysis_hex(json, "checksum"),
                          analysis_hex(json, "sample_checksum"),
                          values[4]};
    return MOFKA_OK;
}

static bool analysis_wants_all(const demo_options_t *options, const slab_info_t *info) {
    assert(options->every > 0 && options->full_every > 0);
    return info->step / options->every % options->full_every == 0;
}

/* Select the whole slab, or every SAMPLE-th row and of these every SAMPLE-th value. */
static mofka_status_t analysis_select_slab(void *context, const mofka_metadata_t *metadata,
                                           mofka_data_descriptor_t *full,
                                           mofka_data_descriptor_t **selected) {
    slab_info_t info;
    mofka_status_t status = analysis_read_info(metadata, &info);
    if (status)
        return status;
    if (analysis_wants_all(context, &info)) {
        *selected = mofka_data_descriptor_retain(full);
        return MOFKA_OK;
    }
    size_t row = info.n * sizeof(double);
    mofka_data_descriptor_t *rows;
    status = mofka_data_descriptor_strided_view(full, 0, info.rows / SAMPLE, row,
                                                (SAMPLE - 1) * row, &rows);
    if (status)
        return status;
    status =
        mofka_data_descriptor_strided_view(rows, 0, info.rows / SAMPLE * (info.n / SAMPLE),
                                           sizeof(double), (SAMPLE - 1) * sizeof(double), selected);
    mofka_data_descriptor_release(rows);
    return status;
}

/* The frame of a step. NULL: there is no memory for it. */
static frame_t **analysis_find_frame(analysis_t *a, const slab_info_t *info) {
    frame_t **at = &a->frames;
    while (*at && (*at)->step != info->step)
        at = &(*at)->next;
    if (!*at && (*at = calloc(1, sizeof **at + info->n * info->n * sizeof(double))))
        (*at)->step = info->step;
    return *at ? at : NULL;
}

static mofka_status_t analysis_draw(analysis_t *a, const frame_t *frame) {
    char path[512];
    size_t n = (size_t)a->options->size;
    snprintf(path, sizeof path, "%s/frame-%d-%06ld.png", a->options->output, a->index, frame->step);
    /* If a rank reads only some slabs, the rows of the others stay dark. */
    if (!picture_write(path, frame->field, n, n, 0.35))
        return mofka_fail(MOFKA_ERR_SYSTEM, "writing %s: %s", path, strerror(errno));
    a->out->frames++;
    return MOFKA_OK;
}

/* Put a whole slab into its place in the field. */
static mofka_status_t analysis_place(analysis_t *a, const slab_info_t *info, const double *values) {
    if (info->n != (size_t)a->options->size || info->row0 + info->rows > info->n)
        return mofka_fail(MOFKA_ERR_CORRUPT, "a slab of rows %zu to %zu of %zu", info->row0,
                          info->row0 + info->rows, info->n);
    frame_t **at = analysis_find_frame(a, info);
    if (!at)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a field");
    frame_t *frame = *at;
    assert(frame->rows < a->own_rows);
    memcpy(frame->field + info->row0 * info->n, values, info->rows * info->n * sizeof *values);
    frame->rows += info->rows;
    if (frame->rows < a->own_rows)
        return MOFKA_OK;
    *at = frame->next;
    mofka_status_t status = analysis_draw(a, frame);
    free(frame);
    return status;
}

static bool analysis_keep_latency(analysis_t *a, double seconds) {
    assert(a->out->events <= a->latency_room);
    if (a->out->events == a->latency_room) {
        size_t room = a->latency_room ? 2 * a->latency_room : 256;
        double *more = reallocarray(a->out->latencies, room, sizeof *more);
        if (!more)
            return false;
        a->out->latencies = more;
        a->latency_room = room;
    }
    a->out->latencies[a->out->events++] = seconds;
    return true;
}

static void analysis_show_progress(const analysis_t *a, long step) {
    assert(a->options->steps > 0);
    static long shown = -1;
    long percent = 100 * step / a->options->steps;
    bool terminal = isatty(STDERR_FILENO);
    if (a->index != 0 || percent <= shown ||
        (!terminal && percent / 10 == shown / 10 && shown >= 0))
        return;
    shown = percent;
    if (terminal)
        fprintf(stderr, "\r[%-50.*s] %3ld %%%s", (int)(percent / 2),
                "##################################################", percent,
                percent == 100 ? "\n" : "");
    else
        fprintf(stderr, "step %ld of %ld (%ld %%)\n", step, a->options->steps, percent);
}

static mofka_status_t analysis_look_at(void *context, mofka_event_t *event) {
    analysis_t *a = context;
    mofka_metadata_t *metadata;
    slab_info_t info;
    double now = clock_seconds(CLOCK_REALTIME);
    mofka_status_t status = mofka_event_metadata(event, &metadata);
    if (!status)
        status = analysis_read_info(metadata, &info);
    if (status)
        return status;
    if (!analysis_keep_latency(a, now - info.time))
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for latencies");
    size_t bytes = mofka_data_view_size(mofka_event_data(event));
    const mofka_segment_t *segment = mofka_data_view_segments(mofka_event_data(event), NULL);
    const double *values = segment ? segment->ptr : NULL;
    bool all = analysis_wants_all(a->options, &info);
    size_t expected = all ? info.rows * info.n : info.rows * info.n / SAMPLE / SAMPLE;
    a->out->bytes += bytes;
    if (bytes != expected * sizeof *values || field_checksum(CHECKSUM_START, values, expected, 1) !=
                                                  (all ? info.checksum : info.sample_checksum))
        a->out->wrong++;
    else if (all && values)
        status = analysis_place(a, &info, values);
    analysis_show_progress(a, info.step);
    return status ? status : mofka_event_acknowledge(event);
}

/* The number of rows that a partition holds, cut as the simulation cuts them. */
static size_t analysis_rows_of(const demo_options_t *options, size_t partition, size_t count) {
    assert(partition < count);
    size_t lines = (size_t)options->size / SAMPLE;
    return (lines * (partition + 1) / count - lines * partition / count) * SAMPLE;
}

mofka_status_t analysis_run(const demo_options_t *options, int index, mofka_topic_t *topic,
                            analysed_t *analysed) {
    assert(index >= 0 && index < options->analysis_ranks);
    *analysed = (analysed_t){0};
    analysis_t a = {.options = options, .index = index, .out = analysed};
    size_t count = mofka_topic_partition_count(topic), target_count = 0;
    size_t *targets = calloc(count, sizeof *targets);
    if (!targets)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu targets", count);
    for (size_t p = (size_t)index; p < count; p += (size_t)options->analysis_ranks) {
        targets[target_count++] = p;
        a.own_rows += analysis_rows_of(options, p, count);
    }
    char name[32];
    snprintf(name, sizeof name, "analysis-%d", index);
    mofka_consumer_t *consumer;
    mofka_status_t status =
        mofka_consumer_create(topic,
                              &(mofka_consumer_options_t){.name = name,
                                                          .batch_size = 4,
                                                          .selector = analysis_select_slab,
                                                          .selector_context = (void *)options,
                                                          .targets = targets,
                                                          .target_count = target_count},
                              &consumer);
    /* A restarted analysis reads the stream from its beginning: what was before is in the store. */
    for (size_t i = 0; i < target_count && !status && options->checkpoint; i++)
        status = mofka_consumer_seek(consumer, targets[i], 0);
    free(targets);
    if (status)
        return status;
    status = mofka_consumer_process(consumer, analysis_look_at, &a, MOFKA_WAIT_FOREVER, NULL, NULL);
    mofka_status_t closed = mofka_consumer_close(consumer);
    mofka_consumer_release(consumer);
    for (frame_t *frame = a.frames, *next; frame; frame = next) {
        next = frame->next;
        free(frame);
    }
    return status ? status : closed;
}
