/* SPDX-License-Identifier: BSD-3-Clause */
/* Events whose bytes follow from their rank and number, and the handles of the races. */
#include "support/stress/stress_events.h"

#include <stdarg.h>
#include <string.h>
#include "support/callbacks.h"
#include "support/check.h"
#include "support/log_start.h"

mofka_topic_t *stress_open_topic(const job_t *job, const char *name, const char *format, ...) {
    char options[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(options, sizeof options, format, arguments);
    va_end(arguments);
    if (job->rank == 0)
        GOOD(mofka_driver_create_topic(job->driver, name,
                                       &(mofka_topic_options_t){.options = options}));
    mofka_topic_t *topic;
    GOOD(mofka_driver_open_topic(job->driver, name, WAIT_MS, &topic));
    if (job->rank == 0)
        GOOD(move_log_start(topic));
    job->sum(job, 0);
    return topic;
}

static size_t stress_event_bytes(int r, int n) {
    uint64_t seed = (uint64_t)r * 1000003 + (uint64_t)n;
    uint32_t random = next_random(&seed);
    if (n % 3 == 0)
        return 0;
    return n % 17 == 1 ? RING_BYTES / 4 + random % (RING_BYTES / 8) : random % 600;
}

static unsigned char stress_byte_at(int r, int n, size_t k) {
    return (unsigned char)(r * 31 + n * 7 + (int)(k * 13 % 251));
}

void stress_push_event(mofka_producer_t *producer, int r, int n, mofka_future_t **future) {
    char text[64];
    int length = snprintf(text, sizeof text, "{\"r\":%d,\"n\":%d}%*s", r, n, n % 20, "");
    size_t bytes = stress_event_bytes(r, n);
    mofka_data_view_t *view;
    GOOD(mofka_data_view_allocate(bytes, &view));
    unsigned char *to = mofka_data_view_segments(view, NULL)->ptr;
    for (size_t k = 0; k < bytes; k++)
        to[k] = stress_byte_at(r, n, k);
    GOOD(mofka_producer_push(producer, text, (size_t)length, view, MOFKA_ANY_PARTITION, future));
    mofka_data_view_release(view);
}

void stress_check_event(const mofka_event_t *event, int *r, int *n) {
    static _Thread_local unsigned char bytes[RING_BYTES];
    const char *text = mofka_event_metadata_text(event, NULL);
    EXPECT(sscanf(text, "{\"r\":%d,\"n\":%d}", r, n) == 2, "metadata '%s'", text);
    size_t size = stress_event_bytes(*r, *n);
    EXPECT(mofka_event_data_size(event) == size, "size of %d of rank %d", *n, *r);
    size_t read = mofka_data_view_read(mofka_event_data(event), bytes, sizeof bytes, 0);
    EXPECT(read == size, "%zu of %zu bytes of %d of rank %d", read, size, *n, *r);
    for (size_t k = 0; k < size; k++)
        EXPECT(bytes[k] == stress_byte_at(*r, *n, k), "byte %zu of %d of rank %d", k, *n, *r);
}

mofka_event_t *stress_pull_event(mofka_consumer_t *consumer, int *r, int *n) {
    mofka_event_t *event;
    GOOD(mofka_consumer_pull(consumer, WAIT_MS, &event));
    if (mofka_event_is_end(event)) {
        mofka_event_release(event);
        return NULL;
    }
    stress_check_event(event, r, n);
    return event;
}

mofka_consumer_t *stress_open_consumer(const job_t *job, mofka_topic_t *topic, const char *prefix) {
    char name[32];
    snprintf(name, sizeof name, "%s-%d", prefix, job->rank);
    mofka_consumer_t *consumer;
    GOOD(mofka_consumer_create(
        topic, &(mofka_consumer_options_t){.name = name, .selector = select_all_data}, &consumer));
    return consumer;
}

void stress_close_consumer(mofka_consumer_t *consumer) {
    GOOD(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

void stress_close_producer(mofka_producer_t *producer) {
    GOOD(mofka_producer_close(producer, WAIT_MS));
    mofka_producer_release(producer);
}
