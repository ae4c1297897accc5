/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compare the events of two stores of the demo: ids, metadata and data, partition by partition. The
 * time in the metadata is that of the push, so it differs. It needs no MPI.
 *
 *   gray_scott_compare STORE STORE
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/mofka.h>
#include "checksum.h"

#define TOPIC "gray-scott"
#define TIMEOUT_MS 10000

typedef struct stream {
    const char *path;
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_consumer_t *consumer; /* of one partition */
    mofka_event_t *event;       /* the current one */
    uint64_t events, checksum;  /* of all data */
} stream_t;

static void stream_check(mofka_status_t status, const stream_t *stream) {
    if (status == MOFKA_OK)
        return;
    fprintf(stderr, "gray_scott_compare: %s: %s: %s\n", stream->path, mofka_status_name(status),
            mofka_last_error());
    exit(1);
}

static void stream_open(stream_t *s, const char *path) {
    *s = (stream_t){.path = path, .checksum = CHECKSUM_START};
    cJSON *options = cJSON_CreateObject();
    cJSON_AddStringToObject(options, "store", path);
    cJSON_AddStringToObject(options, "resume", "must");
    char *text = cJSON_PrintUnformatted(options);
    stream_check(mofka_driver_create("files", text, &s->driver), s);
    stream_check(mofka_driver_open_topic(s->driver, TOPIC, 0, &s->topic), s);
    cJSON_free(text);
    cJSON_Delete(options);
}

static mofka_status_t stream_select_all(void *context, const mofka_metadata_t *metadata,
                                        mofka_data_descriptor_t *full,
                                        mofka_data_descriptor_t **selected) {
    (void)context;
    (void)metadata;
    *selected = mofka_data_descriptor_retain(full);
    return MOFKA_OK;
}

/* It observes: the store stays as it is. */
static void stream_begin(stream_t *s, size_t partition) {
    mofka_consumer_options_t options = {.name = "compare",
                                        .selector = stream_select_all,
                                        .targets = &partition,
                                        .target_count = 1,
                                        .options = "{\"observe\":true}"};
    stream_check(mofka_consumer_create(s->topic, &options, &s->consumer), s);
}

/* The next event. False: there is none, for the topic is complete. */
static bool stream_next(stream_t *s) {
    mofka_event_release(s->event);
    s->event = NULL;
    stream_check(mofka_consumer_pull(s->consumer, TIMEOUT_MS, &s->event), s);
    if (mofka_event_is_end(s->event))
        return false;
    s->events++;
    return true;
}

static void stream_end(stream_t *s) {
    mofka_event_release(s->event);
    s->event = NULL;
    stream_check(mofka_consumer_close(s->consumer), s);
    mofka_consumer_release(s->consumer);
}

static void stream_close(stream_t *s) {
    mofka_topic_release(s->topic);
    stream_check(mofka_driver_close(s->driver, TIMEOUT_MS), s);
    mofka_driver_release(s->driver);
}

static cJSON *stream_metadata(const stream_t *s) {
    cJSON *json = cJSON_Parse(mofka_event_metadata_text(s->event, NULL));
    cJSON_DeleteItemFromObject(json, "time");
    return json;
}

/* The values of a slab, and their number. */
static const double *stream_values(stream_t *s, size_t *count) {
    const mofka_data_view_t *data = mofka_event_data(s->event);
    const mofka_segment_t *segment = mofka_data_view_segments(data, NULL);
    *count = mofka_data_view_size(data) / sizeof(double);
    const double *values = segment ? segment->ptr : NULL;
    s->checksum = field_checksum(s->checksum, values, *count, 1);
    return values;
}

/* NULL: the current events are the same. */
static const char *events_differ(stream_t *a, stream_t *b) {
    cJSON *of_a = stream_metadata(a), *of_b = stream_metadata(b);
    bool same = cJSON_Compare(of_a, of_b, true);
    cJSON_Delete(of_a);
    cJSON_Delete(of_b);
    size_t count_a, count_b;
    const double *values_a = stream_values(a, &count_a), *values_b = stream_values(b, &count_b);
    if (mofka_event_id(a->event) != mofka_event_id(b->event))
        return "the ids differ";
    if (!same)
        return "the metadata differ";
    return count_a == count_b && memcmp(values_a, values_b, count_a * sizeof *values_a) == 0
               ? NULL
               : "the data differ";
}

static bool partitions_differ(stream_t *a, stream_t *b, size_t partition) {
    const char *what = NULL;
    stream_begin(a, partition);
    stream_begin(b, partition);
    uint64_t id = 0;
    for (;; id++) {
        bool more_a = stream_next(a), more_b = stream_next(b);
        if (more_a && more_b && !(what = events_differ(a, b)))
            continue;
        if (more_a != more_b)
            what = "one stream ends";
        break;
    }
    if (what)
        printf("partition %zu, event %" PRIu64 ": %s\n", partition, id, what);
    stream_end(a);
    stream_end(b);
    return what != NULL;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: gray_scott_compare STORE STORE\n");
        return 2;
    }
    stream_t a, b;
    stream_open(&a, argv[1]);
    stream_open(&b, argv[2]);
    size_t partitions = mofka_topic_partition_count(a.topic), differ = 0;
    if (partitions != mofka_topic_partition_count(b.topic)) {
        printf("%zu partitions, and %zu\n", partitions, mofka_topic_partition_count(b.topic));
        differ = 1;
    }
    for (size_t i = 0; i < partitions && !differ; i++)
        differ += partitions_differ(&a, &b, i);
    bool verified = differ == 0 && a.events > 0;
    printf("events=%" PRIu64 " checksums=%016" PRIx64 ",%016" PRIx64 " verified=%s\n", a.events,
           a.checksum, b.checksum, verified ? "yes" : "no");
    stream_close(&a);
    stream_close(&b);
    return verified ? 0 : 1;
}
