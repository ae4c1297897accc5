/* SPDX-License-Identifier: BSD-3-Clause */
/* Events are pulled from a topic and acknowledged. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/base/job.h"
#include "mpi/ctl/out/drain.h"

/* An error of one event is passed over. As many in a row are errors of fetching. */
#define FAILED_IN_A_ROW_MAX 16

static mofka_status_t drain_select_data(void *context, const mofka_metadata_t *metadata,
                                        mofka_data_descriptor_t *full,
                                        mofka_data_descriptor_t **selected) {
    const drain_options_t *o = context;
    size_t size = mofka_data_descriptor_size(full);
    (void)metadata;
    if (o->offset >= size) {
        *selected = NULL;
        return MOFKA_OK;
    }
    size_t left = size - o->offset;
    return mofka_data_descriptor_sub_view(full, o->offset, o->length < left ? o->length : left,
                                          selected);
}

bool drain_open(drain_t *d, mofka_topic_t *topic, const drain_options_t *options) {
    assert(options->data || options->offset == 0);
    static _Atomic unsigned drains;
    char name[64], backend[64];
    unsigned index = drains++;
    *d = (drain_t){.options = *options, .partition_count = mofka_topic_partition_count(topic)};
    snprintf(name, sizeof name, index ? "mofkactl-%d-%u" : "mofkactl-%d", ctl_job_rank(), index);
    snprintf(backend, sizeof backend, "{%s%s%s}", options->observe ? "\"observe\":true" : "",
             options->observe && options->skip_damaged ? "," : "",
             options->skip_damaged ? "\"skip_damaged\":true" : "");
    d->newest = calloc(d->partition_count, sizeof(mofka_event_t *));
    if (!d->newest) {
        ctl_complain("no memory for %zu partitions", d->partition_count);
        return false;
    }
    mofka_consumer_options_t all = {.name = options->name ? options->name : name,
                                    .batch_size = options->batch_size,
                                    .start = options->start,
                                    .selector = options->data ? drain_select_data : NULL,
                                    .selector_context = &d->options,
                                    .options = backend[1] == '}' ? NULL : backend};
    mofka_status_t status = mofka_consumer_create(topic, &all, &d->consumer);
    if (!status)
        return true;
    free(d->newest);
    ctl_complain_of(status, "creating a consumer");
    return false;
}

drain_kind_t drain_next(drain_t *d, int wait_ms, mofka_event_t **event) {
    assert(d->consumer && wait_ms >= 0);
    mofka_status_t status = mofka_consumer_pull(d->consumer, wait_ms, event);
    if (status == MOFKA_ERR_TIMEOUT)
        return DRAIN_NONE;
    if (status) {
        bool again = d->failed_in_a_row > 0 && strcmp(d->failure, mofka_last_error()) == 0;
        snprintf(d->failure, sizeof d->failure, "%s", mofka_last_error());
        if (!again)
            ctl_complain_of(status, "pulling an event");
        d->failed++;
        return ++d->failed_in_a_row < FAILED_IN_A_ROW_MAX && !again ? DRAIN_NONE : DRAIN_FAILED;
    }
    d->failed_in_a_row = 0;
    if (mofka_event_is_end(*event)) {
        mofka_event_release(*event);
        return DRAIN_COMPLETE;
    }
    d->lost += mofka_event_lost(*event);
    return DRAIN_EVENT;
}

void drain_done(drain_t *d, mofka_event_t *event) {
    assert(mofka_event_partition(event) < d->partition_count);
    mofka_event_t **newest = &d->newest[mofka_event_partition(event)];
    mofka_event_release(*newest);
    *newest = event;
}

void drain_acknowledge(drain_t *d) {
    assert(d->newest);
    for (size_t i = 0; i < d->partition_count; i++) {
        if (d->newest[i])
            mofka_event_acknowledge(d->newest[i]);
        mofka_event_release(d->newest[i]);
        d->newest[i] = NULL;
    }
}

bool drain_close(drain_t *d) {
    assert(d->consumer);
    for (size_t i = 0; i < d->partition_count; i++)
        mofka_event_release(d->newest[i]);
    free(d->newest);
    /* A consumer's name that stays holds retention back, and no other program knows this rank's
     * name. */
    mofka_status_t status = d->options.name ? MOFKA_OK : mofka_consumer_unsubscribe(d->consumer);
    mofka_status_t closed = mofka_consumer_close(d->consumer);
    if (status || closed)
        ctl_complain_of(status ? status : closed, "closing the consumer");
    mofka_consumer_release(d->consumer);
    return !status && !closed;
}
