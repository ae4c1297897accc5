/* SPDX-License-Identifier: BSD-3-Clause */
/* Keeps order per detector: the selector `key` sends all events of a detector to one partition. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/mofka.h>
#include "readme_task.h"

enum { DETECTORS = 5, SHOTS = 100 };

static long order_produce_shots(mofka_topic_t *topic) {
    mofka_producer_t *producer;
    check(mofka_producer_create(topic, NULL, &producer));
    for (int i = 0; i < SHOTS * DETECTORS; i++) {
        char text[64];
        int bytes = snprintf(text, sizeof text, "{\"detector\":%d,\"shot\":%d}", i % DETECTORS,
                             i / DETECTORS);
        check(mofka_producer_push(producer, text, (size_t)bytes, NULL, MOFKA_ANY_PARTITION, NULL));
    }
    check(mofka_producer_close(producer, 30000));
    mofka_producer_release(producer);
    return (long)SHOTS * DETECTORS;
}

static long order_consume_shots(mofka_topic_t *topic) {
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    long next[DETECTORS] = {0};
    long events = 0;
    check(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "order"}, &consumer));
    while (check(mofka_consumer_pull(consumer, 30000, &event)), !mofka_event_is_end(event)) {
        const char *text = mofka_event_metadata_text(event, NULL);
        char *end;
        unsigned long detector = strtoul(text + strlen("{\"detector\":"), &end, 10);
        long shot = strtol(end + strlen(",\"shot\":"), NULL, 10);
        if (detector >= DETECTORS || shot != next[detector]++)
            check(mofka_fail(MOFKA_ERR_CORRUPT, "%s is out of order", text));
        check(mofka_event_acknowledge(event));
        mofka_event_release(event);
        events++;
    }
    mofka_event_release(event);
    check(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    return events;
}

const readme_task_t readme_task = {
    .topic_options = {.options = "{\"partitions\":3,\"expected_producers\":1}",
                      .selector = "{\"type\":\"key\",\"pointer\":\"/detector\"}"},
    .produce = order_produce_shots,
    .consume = order_consume_shots};
