/* SPDX-License-Identifier: BSD-3-Clause */
/* The example backend's memory: a queue's events, the places of its consumers, its description. */
#include "conformance/simple/simple_queue.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

void queue_destroy(queue_t *queue) {
    for (size_t i = 0; i < queue->count; i++)
        free(queue->events[i].bytes);
    for (place_t *place = queue->places, *next; place; place = next) {
        next = place->next_place;
        free(place);
    }
    for (int i = 0; i < TEXTS; i++)
        free(queue->texts[i]);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    free(queue->events);
    free(queue);
}

queue_t *queue_create(const mofka_topic_config_t *config) {
    const char *texts[] = {config->name, config->options, config->validator, config->selector,
                           config->serializer};
    queue_t *queue = calloc(1, sizeof *queue);
    if (!queue)
        return NULL;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&queue->lock, NULL);
    bool whole = true;
    for (int i = 0; i < TEXTS; i++)
        whole = (queue->texts[i] = strdup(texts[i])) && whole;
    if (whole)
        return queue;
    queue_destroy(queue);
    return NULL;
}

mofka_status_t queue_make_room(queue_t *queue, size_t more) {
    if (queue->count + more <= queue->room)
        return MOFKA_OK;
    size_t room = 2 * queue->room + more;
    stored_t *events = reallocarray(queue->events, room, sizeof *events);
    if (!events)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu events", room);
    queue->events = events;
    queue->room = room;
    return MOFKA_OK;
}

/* The batch's data lie in segments; events take them one after the other. */
static void batch_copy_data(const mofka_batch_t *batch, size_t *segment, size_t *used, char *to,
                            size_t bytes) {
    while (bytes > 0) {
        const mofka_segment_t *from = &batch->segments[*segment];
        size_t here = from->size - *used < bytes ? from->size - *used : bytes;
        memcpy(to, (const char *)from->ptr + *used, here);
        to += here;
        bytes -= here;
        *used += here;
        if (*used == from->size)
            ++*segment, *used = 0;
    }
}

mofka_status_t queue_copy_events(queue_t *queue, const mofka_batch_t *batch) {
    const char *metadata = batch->metadata;
    size_t segment = 0, used = 0;
    for (size_t i = 0; i < batch->event_count; i++) {
        mofka_batch_event_t event = batch->events[i];
        char *bytes = malloc(event.metadata_bytes + 1 + event.data_bytes);
        if (!bytes) {
            for (size_t j = 0; j < i; j++)
                free(queue->events[queue->count + j].bytes);
            return mofka_fail(MOFKA_ERR_MEMORY, "no memory for event %zu of a batch", i);
        }
        if (event.metadata_bytes > 0)
            memcpy(bytes, metadata, event.metadata_bytes);
        bytes[event.metadata_bytes] = '\0';
        batch_copy_data(batch, &segment, &used, bytes + event.metadata_bytes + 1, event.data_bytes);
        queue->events[queue->count + i] = (stored_t){bytes, event.metadata_bytes, event.data_bytes};
        metadata += event.metadata_bytes;
    }
    return MOFKA_OK;
}

mofka_status_t queue_take_place(queue_t *queue, const mofka_consumer_config_t *config,
                                place_t **out) {
    place_t *place = queue->places;
    while (place && strcmp(place->name, config->name) != 0)
        place = place->next_place;
    if (place && place->live)
        return mofka_fail(MOFKA_ERR_BUSY, "consumer '%s' is live already on topic '%s'",
                          config->name, queue->texts[NAME]);
    if (!place) {
        place = calloc(1, sizeof *place);
        if (!place)
            return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a consumer");
        strcpy(place->name, config->name); /* the core checked its length */
        place->next = config->from_end ? queue->count : 0;
        place->next_place = queue->places;
        queue->places = place;
    }
    place->live = true;
    *out = place;
    return MOFKA_OK;
}

static bool description_add_json(cJSON *json, const char *key, const char *text) {
    cJSON *value = cJSON_Parse(text);
    bool added = cJSON_AddItemToObject(json, key, value);
    if (!added)
        cJSON_Delete(value);
    return added;
}

mofka_status_t queue_describe(const queue_t *queue, mofka_metadata_t **description) {
    static const char *const keys[] = {"name", "options", "validator", "selector", "serializer"};
    cJSON *json = cJSON_CreateObject();
    bool whole = cJSON_AddStringToObject(json, keys[NAME], queue->texts[NAME]) &&
                 cJSON_AddNumberToObject(json, "partitions", 1);
    for (int i = OPTIONS; i < TEXTS; i++)
        whole = whole && description_add_json(json, keys[i], queue->texts[i]);
    mofka_status_t status = whole ? mofka_metadata_create_json(json, description)
                                  : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a description");
    if (status)
        cJSON_Delete(json);
    return status;
}
