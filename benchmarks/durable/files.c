/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver "files" as a peer (peers/peer.h): --server is a folder for the store, and --store the
 * durability, "written" or "synced". A batch holds about 1 MiB, and the calling thread sends it: so
 * the memory of an event is free again when its batch is full.
 */
#include <mofka/mofka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "peer.h"

#define BATCH_BYTES ((size_t)1 << 20)
#define BATCH_MAX 1024
#define PULL_MAX 1024

const char *const peer_name = "files";

struct peer_end {
    size_t head_bytes;
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
};

static void files_must(mofka_status_t status) {
    if (status)
        peer_fail("%s: %s", mofka_status_name(status), mofka_last_error());
}

/* The producer makes store and topic; the consumer waits for them. */
static void files_open_topic(peer_end_t *end, const peer_settings_t *s, const char *topic,
                             bool produces) {
    char text[4096];
    mofka_status_t status = MOFKA_ERR_NOT_FOUND;
    snprintf(text, sizeof text, "{\"store\":\"%s/%s\",\"resume\":\"%s\"}", s->server, topic,
             produces ? "if_exists" : "must");
    for (int tries = 0; status == MOFKA_ERR_NOT_FOUND && tries < PEER_SILENCE_MS; tries++) {
        if (!end->driver)
            status = mofka_driver_create("files", text, &end->driver);
        if (!status && produces) {
            char options[128];
            snprintf(options, sizeof options, "{\"durability\":\"%s\"}", s->store);
            status = mofka_driver_create_topic(end->driver, topic,
                                               &(mofka_topic_options_t){.options = options});
        }
        if (end->driver && (!status || status == MOFKA_ERR_NOT_FOUND))
            status = mofka_driver_open_topic(end->driver, topic, 0, &end->topic);
        if (status == MOFKA_ERR_NOT_FOUND)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    files_must(status);
}

peer_end_t *peer_open(const peer_settings_t *settings, const char *topic, bool produces) {
    peer_end_t *end = calloc(1, sizeof *end);
    if (!end)
        peer_fail("no memory");
    end->head_bytes = peer_head_bytes(settings);
    mofka_log_set_level(MOFKA_LOG_ERROR);
    files_open_topic(end, settings, topic, produces);
    size_t batch = settings->eager ? 1 : peer_messages_of(settings, BATCH_BYTES, 1, BATCH_MAX);
    if (produces)
        files_must(mofka_producer_create(
            end->topic, &(mofka_producer_options_t){.batch_size = batch}, &end->producer));
    else
        files_must(mofka_consumer_create(
            end->topic,
            &(mofka_consumer_options_t){.name = "readers", .selector = mofka_consumer_select_all},
            &end->consumer));
    return end;
}

void peer_begin(peer_end_t *end) {
    (void)end; /* the place is kept */
}

void peer_push(peer_end_t *end, const char *message, size_t bytes, size_t head_bytes) {
    mofka_data_view_t *data = NULL;
    if (bytes > head_bytes)
        files_must(mofka_data_view_of((void *)(uintptr_t)(message + head_bytes), bytes - head_bytes,
                                      &data));
    files_must(
        mofka_producer_push(end->producer, message, head_bytes, data, MOFKA_ANY_PARTITION, NULL));
    mofka_data_view_release(data);
}

void peer_send(peer_end_t *end) {
    (void)end; /* a thread of the driver sends what lingers */
}

void peer_flush(peer_end_t *end) {
    if (end->producer)
        files_must(mofka_producer_flush(end->producer, PEER_SILENCE_MS));
}

static void files_take(mofka_event_t *event, peer_take_fn take, void *context) {
    size_t head_bytes, count = 0, bytes = mofka_data_view_size(mofka_event_data(event));
    const char *head = mofka_event_metadata_text(event, &head_bytes);
    const mofka_segment_t *segments =
        bytes ? mofka_data_view_segments(mofka_event_data(event), &count) : NULL;
    take(context, head, head_bytes, count ? segments[0].ptr : NULL, bytes);
}

size_t peer_pull(peer_end_t *end, size_t most, peer_take_fn take, void *context) {
    size_t count = 0;
    mofka_event_t *event, *last = NULL;
    while (count < most && count < PULL_MAX) {
        mofka_status_t status =
            mofka_consumer_pull(end->consumer, count == 0 ? PEER_SILENCE_MS : 0, &event);
        if (status == MOFKA_ERR_TIMEOUT && count > 0)
            break;
        files_must(status);
        files_take(event, take, context);
        mofka_event_release(last);
        last = event;
        count++;
    }
    files_must(mofka_event_acknowledge(last)); /* and all before it */
    mofka_event_release(last);
    return count;
}

void peer_close(peer_end_t *end) {
    if (end->producer)
        files_must(mofka_producer_close(end->producer, PEER_SILENCE_MS));
    mofka_producer_release(end->producer);
    if (end->consumer)
        files_must(mofka_consumer_close(end->consumer));
    mofka_consumer_release(end->consumer);
    mofka_topic_release(end->topic);
    files_must(mofka_driver_close(end->driver, PEER_SILENCE_MS));
    mofka_driver_release(end->driver);
    free(end);
}
