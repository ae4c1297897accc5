/* SPDX-License-Identifier: BSD-3-Clause */
/* A producer that never waits; what finds no room goes into files, and is read later. */
#include <stdio.h>
#include <mofka/mofka.h>
#include "readme_task.h"

enum { EVENTS = 1000 };

/* A store for each rank, here beside the program. */
static mofka_topic_t *rest_open(mofka_driver_t **files) {
    mofka_topic_t *rest;
    check(mofka_driver_create("files", "{\"store\":\"rest-of-rank-0\"}", files));
    mofka_status_t status = mofka_driver_create_topic(*files, "fields", NULL);
    check(status == MOFKA_ERR_EXISTS ? MOFKA_OK : status);
    check(mofka_driver_open_topic(*files, "fields", 0, &rest));
    return rest;
}

static void rest_close(mofka_driver_t *files, mofka_topic_t *rest) {
    mofka_topic_release(rest);
    check(mofka_driver_close(files, 10000));
    mofka_driver_release(files);
}

static long rest_produce(mofka_topic_t *topic) {
    mofka_driver_t *files;
    mofka_topic_t *rest = rest_open(&files);
    mofka_producer_t *producer, *fallback;
    check(mofka_producer_create(rest, NULL, &fallback));
    check(mofka_producer_create(
        topic,
        &(mofka_producer_options_t){.when_full = MOFKA_WHEN_FULL_DROP_NEWEST, .fallback = fallback},
        &producer));
    for (int i = 0; i < EVENTS; i++) { /* no push waits */
        char text[32];
        int bytes = snprintf(text, sizeof text, "{\"n\":%d}", i);
        check(mofka_producer_push(producer, text, (size_t)bytes, NULL, 0, NULL));
    }
    mofka_producer_discard(producer); /* what has no room goes into the files, too */
    mofka_producer_close(producer, 5000);
    mofka_producer_release(producer);
    check(mofka_producer_close(fallback, 5000));
    mofka_producer_release(fallback);
    check(mofka_topic_mark_complete(rest, 0));
    rest_close(files, rest);
    check(mofka_topic_mark_complete(topic, 5000));
    return EVENTS;
}

/* Read all; acknowledge at the end, so that the partition is full for long. */
static long rest_read_all(mofka_topic_t *topic) {
    mofka_consumer_t *consumer;
    mofka_event_t *event, *last = NULL;
    long events = 0;
    check(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "reader"}, &consumer));
    for (;; events++) {
        check(mofka_consumer_pull(consumer, 30000, &event));
        if (mofka_event_is_end(event))
            break;
        mofka_event_release(last);
        last = event;
    }
    mofka_event_release(event);
    if (last)
        check(mofka_event_acknowledge(last));
    mofka_event_release(last);
    check(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    return events;
}

static long rest_consume(mofka_topic_t *topic) {
    mofka_driver_t *files;
    long events = rest_read_all(topic);
    mofka_topic_t *rest = rest_open(&files);
    long more = rest_read_all(rest);
    rest_close(files, rest);
    printf("%s in the window, %s in files\n", events > 0 ? "some" : "none",
           more > 0 ? "some" : "none");
    return events + more;
}

const readme_task_t readme_task = {
    .topic_options = {.options = "{\"partition_bytes\":4096,\"partition_events\":64}"},
    .produce = rest_produce,
    .consume = rest_consume};
