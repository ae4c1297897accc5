/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Event handles: the events of a consumer's runs, and those that a backend wrapped.
 * Path: pull 7/7. Before: mpi/consumer/data.c. After: the caller.
 */
#include <stdlib.h>
#include "consumer/consumer.h"
#include <mofka/backend.h>

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
    assert(run->overtaken < run->count);
    return event == &run->events[run->overtaken] ? run->lost : 0;
}

static mofka_status_t fetched_partition_info(const void *self, mofka_metadata_t **info) {
    const mfi_run_t *run = ((const mofka_event_t *)self)->run;
    return mofka_topic_partition_info(run->consumer->topic, run->partition, info);
}

mofka_status_t mfi_run_acknowledge(mfi_run_t *run, size_t index) {
    mofka_consumer_t *consumer = run->consumer;
    if (mfi_is_marked(consumer))
        return mfi_check(consumer, MFI_CONSUMER, "event's consumer");
    if (mfi_consumer_is_over(consumer))
        return mofka_fail(MOFKA_ERR_CLOSED, "consumer '%s' is closed", consumer->name);
    if (!run->run)
        return MOFKA_OK;
    if (mfi_consumer_counts_releases(consumer))
        return mfi_run_count_acknowledgement(run, index);
    return consumer->ops->acknowledge(consumer->self, run->partition, run->run->events[index].id);
}

static mofka_status_t fetched_acknowledge(void *self) {
    mofka_event_t *event = self;
    assert(event->held || !event->run->run);
    return mfi_run_acknowledge(event->run, (size_t)(event - event->run->events));
}

static void fetched_destroy(void *self) {
    mofka_event_t *event = self;
    mfi_run_t *run = event->run;
    if (event->data)
        mofka_data_view_release(event->data);
    if (event->status)
        free(event->message);
    if (run->run && mfi_consumer_counts_releases(run->consumer))
        mfi_run_count_release(event);
    else
        mfi_run_release(run);
}

const mofka_event_ops_t mfi_fetched_event_ops = {.size = sizeof mfi_fetched_event_ops,
                                                 .id = fetched_id,
                                                 .partition = fetched_partition,
                                                 .metadata = fetched_metadata,
                                                 .data = fetched_data,
                                                 .data_size = fetched_data_size,
                                                 .lost = fetched_lost,
                                                 .partition_info = fetched_partition_info,
                                                 .acknowledge = fetched_acknowledge,
                                                 .destroy = fetched_destroy};

/* Nearly every event is one of a run. Its functions are called directly, not through its table. */
static inline bool event_is_fetched(const mofka_event_t *event) {
    return __builtin_expect(event->ops == &mfi_fetched_event_ops, 1);
}

static const void *event_self(const mofka_event_t *event) {
    return event_is_fetched(event) ? event : event->self;
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
    if (event_is_fetched(event)) {
        fetched_destroy(event); /* its memory is its run's, which may end here */
        return;
    }
    event->ops->destroy(event->self);
    free(event);
}

uint64_t mofka_event_id(const mofka_event_t *event) {
    if (!mfi_object_is(event, MFI_EVENT))
        return MOFKA_NO_MORE_EVENTS;
    return event_is_fetched(event) ? fetched_id(event) : event->ops->id(event->self);
}

bool mofka_event_is_end(const mofka_event_t *event) {
    return mofka_event_id(event) == MOFKA_NO_MORE_EVENTS;
}

size_t mofka_event_partition(const mofka_event_t *event) {
    if (!mfi_object_is(event, MFI_EVENT))
        return SIZE_MAX;
    return event_is_fetched(event) ? fetched_partition(event) : event->ops->partition(event->self);
}

mofka_status_t mofka_event_partition_info(const mofka_event_t *event, mofka_metadata_t **info) {
    mofka_status_t status = mfi_check(event, MFI_EVENT, "event");
    if (!status && !event->ops->partition_info)
        status = mofka_fail(MOFKA_ERR_UNSUPPORTED, "this event does not know its partition");
    return status ? status : event->ops->partition_info(event_self(event), info);
}

const char *mofka_event_metadata_text(const mofka_event_t *event, size_t *bytes) {
    size_t length = 0;
    const char *text = "";
    if (mfi_object_is(event, MFI_EVENT))
        text = event_is_fetched(event) ? fetched_metadata(event, &length)
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

mofka_status_t mofka_event_set_user(mofka_event_t *event, void *user, mofka_user_free_fn free_fn) {
    mofka_metadata_t *metadata;
    mofka_status_t status = mofka_event_metadata(event, &metadata);
    return status ? status : mofka_metadata_set_user(metadata, user, free_fn);
}

void *mofka_event_user(const mofka_event_t *event) {
    return mfi_object_is(event, MFI_EVENT) ? mofka_metadata_user(atomic_load(&event->metadata))
                                           : NULL;
}

mofka_data_view_t *mofka_event_data(const mofka_event_t *event) {
    if (!mfi_object_is(event, MFI_EVENT))
        return NULL;
    return event_is_fetched(event) ? fetched_data(event) : event->ops->data(event->self);
}

size_t mofka_event_selected_size(const mofka_event_t *event) {
    if (!mfi_object_is(event, MFI_EVENT))
        return 0;
    return event_is_fetched(event) ? event->selected
                                   : mofka_data_view_size(event->ops->data(event->self));
}

size_t mofka_event_data_size(const mofka_event_t *event) {
    return mfi_object_is(event, MFI_EVENT) ? event->ops->data_size(event_self(event)) : 0;
}

uint64_t mofka_event_lost(const mofka_event_t *event) {
    return mfi_object_is(event, MFI_EVENT) && event->ops->lost ? event->ops->lost(event_self(event))
                                                               : 0;
}

mofka_status_t mofka_event_acknowledge(mofka_event_t *event) {
    mofka_status_t status = mfi_check(event, MFI_EVENT, "event");
    if (status)
        return status;
    return event_is_fetched(event) ? fetched_acknowledge(event)
                                   : event->ops->acknowledge(event->self);
}
