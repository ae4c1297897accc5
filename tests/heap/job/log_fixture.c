/* SPDX-License-Identifier: BSD-3-Clause */
/* A topic "log" over the heap window; see log_fixture.h. */
#include "heap/job/log_fixture.h"
#include "heap/job/heap_driver.h"

static heap_job_t memory;
mofka_driver_t *log_driver;

int log_open_memory(void **state) {
    (void)state;
    heap_job_start(&memory, 1);
    return heap_driver_create(&memory, 0, &log_driver) != MOFKA_OK;
}

int log_close_memory(void **state) {
    (void)state;
    int failed = mofka_driver_close(log_driver, 0) != MOFKA_OK;
    mofka_driver_release(log_driver);
    heap_job_end(&memory);
    return failed;
}

mofka_topic_t *log_create_topic(const char *options) {
    mofka_topic_t *topic;
    OK(mofka_driver_create_topic(log_driver, "log", &(mofka_topic_options_t){.options = options}));
    OK(mofka_driver_open_topic(log_driver, "log", 0, &topic));
    return topic;
}

const mmi_partition_t *log_of(const mofka_topic_t *topic) {
    return &((const mmi_topic_t *)topic->self)->partitions[0];
}

void sender_open(sender_t *s, mofka_topic_t *topic, size_t count) {
    memset(s, 0, sizeof *s);
    OK(topic->ops->make_producer(topic->self, "", NULL, &s->ops, &s->self));
    for (size_t i = 0; i < count; i++)
        s->events[i] = (mofka_batch_event_t){.metadata_bytes = 10};
    s->batch = (mofka_batch_t){.events = s->events,
                               .event_count = count,
                               .metadata = "0123456789abcdefghijABCDEFGHIJ9876543210",
                               .metadata_bytes = 10 * count};
}

uint64_t sender_append(sender_t *s, size_t count) {
    uint64_t id = 0;
    s->batch.event_count = count;
    s->batch.metadata_bytes = 10 * count;
    s->batch.reserved = false;
    OK(s->ops->append(s->self, 0, &s->batch, 0, &id));
    s->batch.reserved = false;
    return id;
}

/* Reserve a place, as a rank that then stops has done. */
void sender_reserve_only(sender_t *s, const mmi_partition_t *p) {
    uint64_t units = (s->batch.metadata_bytes + MMI_UNIT_BYTES - 1) / MMI_UNIT_BYTES;
    uint64_t old = p->w->ops->fetch_add(p->w, p->owner, p->base + MMI_CONTROL(reservation),
                                        mmi_reservation_of(s->batch.event_count, units));
    mmi_state_t state;
    mmi_tail_t tail;
    OK(mmi_state_load(p, &state));
    OK(mmi_tail_unpack(p, old, state.head, &tail));
    s->batch.reserved = true;
    s->batch.scratch[0] = tail.at.events;
    s->batch.scratch[1] = tail.at.units;
}

void sender_close(sender_t *s) {
    OK(s->ops->close(s->self, 1));
    s->ops->destroy(s->self);
}

mofka_consumer_t *log_create_consumer(mofka_topic_t *topic) {
    mofka_consumer_t *consumer;
    OK(mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "reader"}, &consumer));
    return consumer;
}

uint64_t log_pull_id(mofka_consumer_t *consumer) {
    mofka_event_t *event;
    mofka_status_t status = mofka_consumer_pull(consumer, 0, &event);
    if (status == MOFKA_ERR_TIMEOUT)
        return NOTHING_YET;
    OK(status);
    uint64_t id = mofka_event_id(event);
    OK(mofka_event_acknowledge(event));
    mofka_event_release(event);
    return id;
}

void log_end(mofka_consumer_t *consumer, mofka_topic_t *topic) {
    OK(mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
    mofka_topic_release(topic);
}
