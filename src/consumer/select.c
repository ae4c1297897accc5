/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls the selector, then the allocator, then starts the copy. Sizes are checked between the two.
 * Path: pull 4/7 and 5/7. Before: consumer/runs/run.c. After: mpi/consumer/data.c.
 */
#include <stdlib.h>
#include "consumer/consumer.h"
#include <mofka/backend.h>

mofka_status_t mofka_consumer_select_all(void *context, const mofka_metadata_t *metadata,
                                         mofka_data_descriptor_t *full,
                                         mofka_data_descriptor_t **selected) {
    (void)context, (void)metadata;
    *selected = mofka_data_descriptor_retain(full);
    return MOFKA_OK;
}

/* What a callback returned, as a status: a positive one other than 0 is an error, too. */
static mofka_status_t select_callback_status(mofka_status_t status, const char *what) {
    if (status == MOFKA_OK || status < 0)
        return status;
    return mofka_fail(MOFKA_ERR_CALLBACK, "the data %s returned %d", what, (int)status);
}

static mofka_status_t select_allocate(mofka_consumer_t *consumer, const mofka_metadata_t *metadata,
                                      mofka_data_descriptor_t *selected, mofka_data_view_t **out) {
    size_t size = mofka_data_descriptor_size(selected);
    assert(size > 0);
    if (!consumer->options.allocator)
        return mofka_data_view_allocate(size, out);
    mofka_data_view_t *view = NULL;
    mofka_status_t status = select_callback_status(
        consumer->options.allocator(consumer->options.allocator_context, metadata, selected, &view),
        "allocator");
    if (status)
        return status;
    if (mofka_data_view_size(view) < size) {
        status =
            mofka_fail(MOFKA_ERR_CALLBACK, "the data allocator gave %zu bytes for %zu selected",
                       mofka_data_view_size(view), size);
        mofka_data_view_release(view);
        return status;
    }
    *out = view;
    return MOFKA_OK;
}

/* Make the event's data view: copy the ranges into memory of the allocator, or show them where they
 * are. */
static mofka_status_t select_get(mofka_consumer_t *consumer, mfi_run_t *run, size_t index,
                                 const mofka_metadata_t *metadata,
                                 mofka_data_descriptor_t *selected, const mofka_range_t *ranges,
                                 size_t count) {
    mofka_data_view_t **view = &run->events[index].data;
    assert(!*view && count > 0);
    if (consumer->options.zero_copy)
        return consumer->ops->view_data(consumer->self, run->run, index, ranges, count, view);
    mofka_status_t status = select_allocate(consumer, metadata, selected, view);
    return status ? status
                  : consumer->ops->get_data(consumer->self, run->run, index, ranges, count, *view);
}

/* Check what was selected against the event's data, then get it. */
static mofka_status_t select_copy(mofka_consumer_t *consumer, mfi_run_t *run, size_t index,
                                  const mofka_metadata_t *metadata,
                                  mofka_data_descriptor_t *selected) {
    mofka_range_t whole = {0, mofka_data_descriptor_size(selected)}, *ranges = NULL;
    size_t count = whole.size > 0, full = run->run->events[index].data_bytes;
    mofka_status_t status = MOFKA_OK;
    if (mofka_data_descriptor_selection_count(selected) > 0)
        status = mofka_data_descriptor_flatten(selected, &ranges, &count);
    if (status || count == 0)
        return status;
    const mofka_range_t *last = ranges ? &ranges[count - 1] : &whole;
    if (last->offset > full || last->size > full - last->offset)
        status = mofka_fail(MOFKA_ERR_CALLBACK,
                            "the selection ends at byte %zu, the event's data has %zu",
                            last->offset + last->size, full);
    else
        status =
            select_get(consumer, run, index, metadata, selected, ranges ? ranges : &whole, count);
    if (!status)
        run->events[index].selected = whole.size;
    run->data_bytes += run->events[index].selected;
    free(ranges);
    return status;
}

/* Describe the event's whole data. The last descriptor is reused, unless a selector kept it. */
static mofka_status_t select_describe(mofka_consumer_t *consumer,
                                      const mofka_fetched_event_t *from) {
    const void *place = &from->data_position;
    size_t bytes = sizeof from->data_position;
    if (consumer->full && mfi_data_descriptor_reuse(consumer->full, place, bytes, from->data_bytes))
        return MOFKA_OK;
    mofka_data_descriptor_release(consumer->full);
    consumer->full = NULL;
    return mofka_data_descriptor_create(place, bytes, from->data_bytes, &consumer->full);
}

mofka_status_t mfi_run_select_data(mofka_consumer_t *consumer, mfi_run_t *run, size_t index) {
    mofka_metadata_t *metadata;
    mofka_data_descriptor_t *selected = NULL;
    assert(consumer->fetching && index < run->count);
    mofka_status_t status = mofka_event_metadata(&run->events[index], &metadata);
    if (!status)
        status = select_describe(consumer, &run->run->events[index]);
    if (status)
        return status;
    status = select_callback_status(consumer->options.selector(consumer->options.selector_context,
                                                               metadata, consumer->full, &selected),
                                    "selector");
    if (!status && selected)
        status = select_copy(consumer, run, index, metadata, selected);
    mofka_data_descriptor_release(selected);
    return status;
}
