/* SPDX-License-Identifier: BSD-3-Clause */
/* Stops on a signal without losing events; a second consumer of the name continues. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <mofka/mofka.h>
#include "readme_task.h"

static volatile sig_atomic_t asked;

static void stop_request(int number) { /* a handler may do no more */
    (void)number;
    asked = 1;
}

/* Closes once everything is stored. After 30 s it gives up the events that have no place yet. */
static mofka_status_t stop_close_producer(mofka_producer_t *producer) {
    for (int tries = 0; tries < 6; tries++) {
        mofka_status_t status = mofka_producer_close(producer, 5000);
        if (status != MOFKA_ERR_TIMEOUT && status != MOFKA_ERR_POSSIBLY_STORED)
            return status;
        fprintf(stderr, "still closing: %s\n",
                mofka_last_error()); /* names the consumer that it waits for */
    }
    check(mofka_producer_discard(producer));
    return mofka_producer_close(producer, 5000); /* MOFKA_ERR_CLOSED: events were given up */
}

static long stop_produce_numbers(mofka_topic_t *topic) {
    mofka_producer_t *producer;
    long events = 0;
    signal(SIGTERM, stop_request);
    check(mofka_producer_create(topic, NULL, &producer));
    for (; !asked; events++) {
        char text[32];
        int bytes = snprintf(text, sizeof text, "{\"n\":%ld}", events);
        check(mofka_producer_push(producer, text, (size_t)bytes, NULL, MOFKA_ANY_PARTITION, NULL));
    }
    check(stop_close_producer(producer));
    mofka_producer_release(producer);
    return events;
}

static long stop_read_at_most(mofka_topic_t *topic, long limit) {
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    long events = 0;
    check(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "reader"}, &consumer));
    while (events < limit) {
        check(mofka_consumer_pull(consumer, 30000, &event));
        bool end = mofka_event_is_end(event);
        if (!end)
            check(mofka_event_acknowledge(event)); /* after the work on it, not before */
        mofka_event_release(event);
        if (end)
            break;
        events++;
    }
    check(
        mofka_consumer_close(consumer)); /* publishes acknowledgements; the name keeps its place */
    mofka_consumer_release(consumer);
    return events;
}

static long stop_consume_numbers(mofka_topic_t *topic) {
    long events = stop_read_at_most(topic, 100); /* stops early; the next one continues there */
    return events + stop_read_at_most(topic, LONG_MAX);
}

const readme_task_t readme_task = {.topic_options = {.options = "{\"expected_producers\":1}"},
                                   .produce = stop_produce_numbers,
                                   .consume = stop_consume_numbers};
