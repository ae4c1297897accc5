/* SPDX-License-Identifier: BSD-3-Clause */
/* Stalls a producer: its consumer does not acknowledge. The producer prints what it can find
 * out. */
#include <stdio.h>
#include <mofka/mofka.h>
#include "readme_task.h"

static void stalled_print_stats(mofka_topic_t *topic) {
    mofka_metadata_t *stats;
    check(mofka_driver_stats(mofka_topic_driver(topic), 1000, &stats));
    fprintf(stderr, "%s\n", mofka_metadata_text(stats, NULL));
    mofka_metadata_release(stats);
}

static long stalled_produce(mofka_topic_t *topic) {
    mofka_producer_t *producer;
    check(mofka_producer_create(topic, &(mofka_producer_options_t){.push_timeout_ms = 1200},
                                &producer));
    for (int i = 0; i < 250; i++) {
        char text[32];
        int bytes = snprintf(text, sizeof text, "{\"n\":%d}", i);
        mofka_status_t status;
        while ((status = mofka_producer_push(producer, text, (size_t)bytes, NULL,
                                             MOFKA_ANY_PARTITION, NULL)) == MOFKA_ERR_TIMEOUT) {
            fprintf(stderr, "%s\n", mofka_last_error()); /* the event was not kept: push it again */
            stalled_print_stats(topic);
        }
        check(status);
    }
    check(mofka_producer_close(producer, 30000));
    mofka_producer_release(producer);
    return 250;
}

/* Acknowledges nothing until no event has arrived for 6 s. */
static long stalled_consume(mofka_topic_t *topic) {
    mofka_consumer_t *consumer;
    mofka_event_t *event, *last = NULL;
    bool forgetful = true;
    long events = 0;
    check(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "viewer"}, &consumer));
    for (;;) {
        mofka_status_t status = mofka_consumer_pull(consumer, 6000, &event);
        if (status == MOFKA_ERR_TIMEOUT && forgetful) {
            forgetful = false;
            check(mofka_event_acknowledge(last)); /* this covers all events before it, too */
            continue;
        }
        check(status);
        mofka_event_release(last);
        last = event;
        if (mofka_event_is_end(event))
            break;
        if (!forgetful)
            check(mofka_event_acknowledge(event));
        events++;
    }
    mofka_event_release(last);
    check(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    return events;
}

const readme_task_t readme_task = {
    .topic_options = {.options = "{\"partition_events\":64,\"expected_producers\":1}"},
    .produce = stalled_produce,
    .consume = stalled_consume};
