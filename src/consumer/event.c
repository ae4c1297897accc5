/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events, and the runs that hold them.
 * Path: pull 7/7. Before: mpi_fetch.c. After: the caller.
 *
 * Automatic acknowledgement and zero-copy count releases: a partition's runs stand in a list; a
 * released event marks itself, and the list is passed as far as everything is marked. So a held event
 * holds acknowledgement back.
 */
#include <stdlib.h>
#include <string.h>
#include "consumer/consumer.h"

static const mofka_event_ops_t fetched_ops;

/* Written in one pass, in the order of memory. */
mofka_status_t mfi_run_create(mofka_consumer_t *consumer, mofka_run_t *from, mfi_run_t **out) {
    size_t count = from ? from->event_count : 1;
    mfi_run_t *run = malloc(sizeof *run + count * sizeof run->events[0]);
    if (!run)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu events", count);
    mfi_consumer_keep(consumer);
    *run = (mfi_run_t){.consumer = consumer,
                       .run = from,
                       .partition = from ? from->partition : SIZE_MAX,
                       .count = count,
                       .users = count};
    for (size_t i = 0; i < count; i++) {
        mofka_event_t *event = &run->events[i];
        mfi_object_init(&event->object, MFI_EVENT);
        event->ops = &fetched_ops;
        event->run = run;
        atomic_init(&event->metadata, NULL);
        event->next = i + 1 < count ? event + 1 : NULL;
        event->data = NULL;
        event->message = NULL;
        event->status = MOFKA_OK;
        event->released = event->held = false;
    }
    *out = run;
    return MOFKA_OK;
}

void mfi_run_drop(mfi_run_t *run) {
    if (atomic_fetch_sub(&run->users, 1) != 1)
        return;
    mofka_consumer_t *consumer = run->consumer;
    if (run->run && !mfi_is_marked(consumer))
        consumer->ops->release_run(consumer->self, run->run);
    free(run);
    mfi_consumer_drop(consumer);
}

/* Mark the event, pass what is passed; with the consumer's lock. `*passed` runs are to be dropped. */
static void pass(mofka_consumer_t *consumer, mofka_event_t *event, mfi_run_t **passed) {
    mfi_partition_t *partition = &consumer->partitions[event->run->partition];
    event->released = true;
    consumer->held -= event->held;
    for (mfi_run_t *run = partition->first; run; run = partition->first) {
        while (run->released_prefix < run->count && run->events[run->released_prefix].released)
            partition->released = run->run->events[run->released_prefix++].id + 1;
        if (run->released_prefix < run->count)
            break;
        partition->first = run->next;
        if (!partition->first)
            partition->last = NULL;
        run->next = *passed;
        *passed = run;
    }
}

/* With the lock: the next id of which the backend must not be told yet. */
static uint64_t let_go_of(const mofka_consumer_t *consumer, const mfi_partition_t *partition) {
    bool both = consumer->options.acknowledge == MOFKA_ACKNOWLEDGE_MANUAL;
    return both && partition->acknowledged < partition->released ? partition->acknowledged
                                                                 : partition->released;
}

static mofka_status_t tell(mofka_consumer_t *consumer, size_t partition, uint64_t next) {
    return next ? consumer->ops->acknowledge(consumer->self, partition, next - 1) : MOFKA_OK;
}

static void count_release(mofka_event_t *event) {
    mofka_consumer_t *consumer = event->run->consumer;
    if (mfi_is_marked(consumer)) /* the backend is another process's, or gone */
        return;
    mfi_run_t *passed = NULL;
    size_t partition = event->run->partition;
    pthread_mutex_lock(&consumer->lock);
    pass(consumer, event, &passed);
    /* What close drops was not seen by anyone: it is not acknowledged. */
    uint64_t next = consumer->closed ? 0 : let_go_of(consumer, &consumer->partitions[partition]);
    pthread_mutex_unlock(&consumer->lock);
    tell(consumer, partition, next);
    while (passed) {
        mfi_run_t *later = passed->next;
        mfi_run_drop(passed);
        passed = later;
    }
}

/* Zero-copy, manual: the memory of what is still held must not go. */
static mofka_status_t count_acknowledgement(const mofka_event_t *event) {
    mofka_consumer_t *consumer = event->run->consumer;
    mfi_partition_t *partition = &consumer->partitions[event->run->partition];
    pthread_mutex_lock(&consumer->lock);
    if (partition->acknowledged <= mfi_event_from(event)->id)
        partition->acknowledged = mfi_event_from(event)->id + 1;
    uint64_t next = let_go_of(consumer, partition);
    pthread_mutex_unlock(&consumer->lock);
    return tell(consumer, event->run->partition, next);
}

/* ---- the table of events that consumers hand out ---------------------------------------------- */

static uint64_t fetched_id(const void *self) {
    const mofka_fetched_event_t *from = mfi_event_from(self);
    return from ? from->id : MOFKA_NO_MORE_EVENTS;
}

static size_t fetched_partition(const void *self) {
    return ((const mofka_event_t *)self)->run->partition;
}

static const char *fetched_metadata(const void *self, size_t *bytes) {
    const mofka_event_t *event = self;
    const mofka_metadata_t *known = atomic_load_explicit(&event->metadata, memory_order_acquire);
    if (known)
        return mofka_metadata_text(known, bytes);
    const mofka_fetched_event_t *from = mfi_event_from(event);
    *bytes = from ? from->metadata_bytes : 0;
    return from ? from->metadata : "";
}

static mofka_data_view_t *fetched_data(const void *self) {
    return ((const mofka_event_t *)self)->data;
}

static size_t fetched_data_size(const void *self) {
    const mofka_fetched_event_t *from = mfi_event_from(self);
    return from ? from->data_bytes : 0;
}

static uint64_t fetched_lost(const void *self) {
    const mofka_event_t *event = self;
    const mfi_run_t *run = event->run;
    return event == &run->events[run->overtaken] ? run->lost : 0;
}

static mofka_status_t fetched_partition_info(const void *self, mofka_metadata_t **info) {
    const mfi_run_t *run = ((const mofka_event_t *)self)->run;
    return mofka_topic_partition_info(run->consumer->topic, run->partition, info);
}

static mofka_status_t fetched_acknowledge(void *self) {
    mofka_event_t *event = self;
    mofka_consumer_t *consumer = event->run->consumer;
    if (!event->run->run)
        return MOFKA_OK;
    if (mfi_is_marked(consumer))
        return mfi_check(consumer, MFI_CONSUMER, "event's consumer");
    if (atomic_load(&consumer->closed) || atomic_load(&consumer->unsubscribed))
        return mofka_fail(MOFKA_ERR_CLOSED, "consumer '%s' is closed", consumer->name);
    if (consumer->options.zero_copy)
        return count_acknowledgement(event);
    return consumer->ops->acknowledge(consumer->self, event->run->partition,
                                      mfi_event_from(event)->id);
}

static void fetched_destroy(void *self) {
    mofka_event_t *event = self;
    mfi_run_t *run = event->run;
    if (event->data)
        mofka_data_view_release(event->data);
    if (event->message)
        free(event->message);
    if (run->run && mfi_counts_releases(run->consumer))
        count_release(event);
    mfi_run_drop(run);
}

static const mofka_event_ops_t fetched_ops = {.size = sizeof fetched_ops,
                                              .id = fetched_id,
                                              .partition = fetched_partition,
                                              .metadata = fetched_metadata,
                                              .data = fetched_data,
                                              .data_size = fetched_data_size,
                                              .lost = fetched_lost,
                                              .partition_info = fetched_partition_info,
                                              .acknowledge = fetched_acknowledge,
                                              .destroy = fetched_destroy};

/* ---- the handle ------------------------------------------------------------------------------ */

/* Nearly every event is a fetched one: its slots are called without looking into its table. */
static inline bool is_fetched(const mofka_event_t *event) {
    return __builtin_expect(event->ops == &fetched_ops, 1);
}

static const void *self_of(const mofka_event_t *event) {
    return is_fetched(event) ? event : event->self;
}

mofka_status_t mofka_event_wrap(const mofka_event_ops_t *ops, void *self, mofka_event_t **out) {
    if (!ops || ops->size < sizeof *ops || !ops->id || !ops->partition || !ops->metadata ||
        !ops->data || !ops->data_size || !ops->acknowledge || !ops->destroy)
        return mofka_fail(MOFKA_ERR_INVALID, "an event's table lacks a required slot");
    mofka_event_t *event = calloc(1, sizeof *event);
    if (!event)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for an event");
    mfi_object_init(&event->object, MFI_EVENT);
    event->ops = ops;
    event->self = self;
    *out = event;
    return MOFKA_OK;
}

mofka_event_t *mofka_event_retain(mofka_event_t *event) {
    if (event)
        mfi_object_retain(&event->object);
    return event;
}

void mofka_event_release(mofka_event_t *event) {
    if (!event || !mfi_object_release(&event->object))
        return;
    mofka_metadata_t *metadata = atomic_load_explicit(&event->metadata, memory_order_acquire);
    if (metadata)
        mofka_metadata_release(metadata);
    if (is_fetched(event)) {
        fetched_destroy(event); /* it lives in its run, which may end here */
        return;
    }
    event->ops->destroy(event->self);
    free(event);
}

uint64_t mofka_event_id(const mofka_event_t *event) {
    if (!mfi_object_is(event, MFI_EVENT))
        return MOFKA_NO_MORE_EVENTS;
    return is_fetched(event) ? fetched_id(event) : event->ops->id(event->self);
}

bool mofka_event_is_end(const mofka_event_t *event) {
    return mofka_event_id(event) == MOFKA_NO_MORE_EVENTS;
}

size_t mofka_event_partition(const mofka_event_t *event) {
    if (!mfi_object_is(event, MFI_EVENT))
        return SIZE_MAX;
    return is_fetched(event) ? fetched_partition(event) : event->ops->partition(event->self);
}

mofka_status_t mofka_event_partition_info(const mofka_event_t *event, mofka_metadata_t **info) {
    mofka_status_t status = mfi_check(event, MFI_EVENT, "event");
    if (!status && !event->ops->partition_info)
        status = mofka_fail(MOFKA_ERR_UNSUPPORTED, "this event does not know its partition");
    return status ? status : event->ops->partition_info(self_of(event), info);
}

const char *mofka_event_metadata_text(const mofka_event_t *event, size_t *bytes) {
    size_t length = 0;
    const char *text = "";
    if (mfi_object_is(event, MFI_EVENT))
        text = is_fetched(event) ? fetched_metadata(event, &length)
                                 : event->ops->metadata(event->self, &length);
    if (bytes)
        *bytes = length;
    return text;
}

mofka_status_t mofka_event_metadata(mofka_event_t *event, mofka_metadata_t **metadata) {
    mofka_status_t status = mfi_check(event, MFI_EVENT, "event");
    if (status)
        return status;
    mofka_metadata_t *known = atomic_load(&event->metadata);
    if (!known) {
        size_t bytes;
        const char *text = mofka_event_metadata_text(event, &bytes);
        mofka_metadata_t *made;
        status = mofka_metadata_create(text, bytes, &made);
        if (status)
            return status;
        if (atomic_compare_exchange_strong(&event->metadata, &known, made))
            known = made;
        else
            mofka_metadata_release(made);
    }
    *metadata = known;
    return MOFKA_OK;
}

mofka_data_view_t *mofka_event_data(const mofka_event_t *event) {
    if (!mfi_object_is(event, MFI_EVENT))
        return NULL;
    return is_fetched(event) ? fetched_data(event) : event->ops->data(event->self);
}

size_t mofka_event_data_size(const mofka_event_t *event) {
    return mfi_object_is(event, MFI_EVENT) ? event->ops->data_size(self_of(event)) : 0;
}

uint64_t mofka_event_lost(const mofka_event_t *event) {
    return mfi_object_is(event, MFI_EVENT) && event->ops->lost ? event->ops->lost(self_of(event))
                                                               : 0;
}

mofka_status_t mofka_event_acknowledge(mofka_event_t *event) {
    mofka_status_t status = mfi_check(event, MFI_EVENT, "event");
    if (status)
        return status;
    return is_fetched(event) ? fetched_acknowledge(event) : event->ops->acknowledge(event->self);
}
