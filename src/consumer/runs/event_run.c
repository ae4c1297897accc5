/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs for users: consecutive events of a fetched run, under one handle.
 *
 * A run takes ready events out of the FIFO. Where their handles are not made yet, it takes all of
 * them at once: the first of the rest, which gets a handle, stands for them from then on.
 */
#include <stdlib.h>
#include "consumer/consumer.h"
#include <mofka/backend.h>

struct mofka_event_run {
    mfi_object_t object;
    mfi_run_t *run;                    /* of it, these events are users; for the end one user */
    const mofka_fetched_event_t *from; /* its events; NULL: it is the end */
    const mofka_event_t *events;       /* with data, or metadata of a serializer; NULL: without */
    size_t first, count;               /* in the fetched run */
};

/* ---- pulling, with the lock ------------------------------------------------------------------ */

/* `count` events from `event` on leave the FIFO; it stands for them, and for at least one more. */
static void event_run_shorten(mofka_consumer_t *consumer, mofka_event_t *event, size_t count) {
    mfi_run_t *run = event->run;
    mfi_assert_inside(&consumer->lock);
    assert(consumer->first == event && count <= mfi_event_unmade(event));
    run->made += count - 1; /* those never need a handle */
    mfi_run_make_one(run, event->next);
    consumer->first = event + count;
    if (consumer->last == event)
        consumer->last = event + count;
    consumer->held += count;
}

/* The event stands for the rest of its run: take at most `most` of those. Returns their number. */
static size_t event_run_take_unmade(mofka_consumer_t *consumer, mofka_event_t *event, size_t most) {
    mfi_run_t *run = event->run;
    size_t rest = 1 + mfi_event_unmade(event);
    if (most < rest) {
        event_run_shorten(consumer, event, most);
        return most;
    }
    run->made = run->count;
    mofka_event_t *popped = mfi_consumer_pop(consumer);
    assert(popped == event);
    (void)popped;
    consumer->held += rest - 1;
    return rest;
}

/* Take the ready events from the first one on, which has no error. */
static void event_run_take(mofka_consumer_t *consumer, size_t most, mofka_event_run_t *taken) {
    mofka_event_t *event = consumer->first;
    mfi_run_t *run = event->run;
    size_t count = 0;
    mfi_assert_inside(&consumer->lock);
    taken->run = run;
    taken->first = (size_t)(event - run->events);
    taken->from = run->run->events + taken->first;
    taken->events = mfi_consumer_prepares(consumer) ? event : NULL;
    while (count < most && consumer->first == event + count && !event[count].status) {
        if (mfi_event_unmade(&event[count]) > 0) {
            count += event_run_take_unmade(consumer, &event[count], most - count);
            break;
        }
        mfi_consumer_pop(consumer);
        count++;
    }
    taken->count = count;
    assert(count > 0 && taken->first + count <= run->count);
}

/* With the lock: an event is ready, or all were delivered. `*failed`: an event that cannot be
 * delivered, instead of a run. */
static mofka_status_t event_run_make(mofka_consumer_t *consumer, size_t most,
                                     mofka_event_run_t **out, mofka_event_t **failed) {
    mofka_event_t *end = NULL;
    mfi_assert_inside(&consumer->lock);
    if (consumer->first && consumer->first->status) {
        *failed = mfi_consumer_pop(consumer);
        return MOFKA_OK;
    }
    mofka_event_run_t *made = malloc(sizeof *made);
    if (!made)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a run of events");
    *made = (mofka_event_run_t){.count = 0};
    mfi_object_init(&made->object, MFI_EVENT_RUN);
    if (consumer->first) {
        event_run_take(consumer, most, made);
    } else {
        mofka_status_t status = mfi_consumer_make_end(consumer, &end);
        if (status) {
            free(made);
            return status;
        }
        made->run = end->run;
    }
    *out = made;
    return MOFKA_OK;
}

mofka_status_t mofka_consumer_pull_run(mofka_consumer_t *consumer, size_t events_max,
                                       int64_t timeout_ms, mofka_event_run_t **out) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    if (!status && events_max == 0)
        status = mofka_fail(MOFKA_ERR_RANGE, "events_max is 0; it must be at least 1");
    if (status)
        return status;
    mofka_event_run_t *made = NULL;
    mofka_event_t *failed = NULL;
    mfi_monitor_enter(&consumer->lock);
    atomic_store_explicit(&consumer->pulls_runs, true, memory_order_relaxed);
    status = mfi_consumer_await(consumer, timeout_ms);
    if (!status)
        status = event_run_make(consumer, events_max, &made, &failed);
    bool more = !status && consumer->workers && mfi_consumer_wants_prefetch(consumer);
    mfi_monitor_leave(&consumer->lock);
    if (more)
        mfi_consumer_start_prefetch(consumer);
    if (failed)
        status = mfi_event_pass_over(failed);
    if (!status)
        *out = made;
    assert(status || made);
    return status;
}

/* ---- the handle ------------------------------------------------------------------------------ */

mofka_event_run_t *mofka_event_run_retain(mofka_event_run_t *run) {
    if (run)
        mfi_object_retain(&run->object);
    return run;
}

/* Free what the handles of its events own. */
static void event_run_free_events(const mofka_event_run_t *run) {
    for (size_t i = 0; i < run->count; i++) {
        mofka_metadata_t *metadata =
            atomic_load_explicit(&run->events[i].metadata, memory_order_acquire);
        if (metadata)
            mofka_metadata_release(metadata);
        if (run->events[i].data)
            mofka_data_view_release(run->events[i].data);
    }
}

void mofka_event_run_release(mofka_event_run_t *run) {
    MFI_KEEP_ERRNO;
    if (!run || !mfi_object_release(&run->object))
        return;
    if (run->events)
        event_run_free_events(run);
    if (run->from && mfi_consumer_counts_releases(run->run->consumer))
        mfi_run_count_releases(run->run, run->first, run->count);
    else
        mfi_run_drop(run->run, run->from ? run->count : 1);
    free(run);
}

size_t mofka_event_run_count(const mofka_event_run_t *run) {
    return mfi_object_is(run, MFI_EVENT_RUN) ? run->count : 0;
}

bool mofka_event_run_is_end(const mofka_event_run_t *run) {
    return mfi_object_is(run, MFI_EVENT_RUN) && !run->from;
}

uint64_t mofka_event_run_first_id(const mofka_event_run_t *run) {
    return mfi_object_is(run, MFI_EVENT_RUN) && run->from ? run->from->id : MOFKA_NO_MORE_EVENTS;
}

size_t mofka_event_run_partition(const mofka_event_run_t *run) {
    return mfi_object_is(run, MFI_EVENT_RUN) ? run->run->partition : SIZE_MAX;
}

uint64_t mofka_event_run_lost(const mofka_event_run_t *run) {
    bool first =
        mfi_object_is(run, MFI_EVENT_RUN) && run->from && run->first == run->run->overtaken;
    return first ? run->run->lost : 0;
}

/* An error, with its message: the handle is invalid, or the run has no event `index`. */
__attribute__((noinline)) static mofka_status_t event_run_refuse(const mofka_event_run_t *run,
                                                                 size_t index) {
    mofka_status_t status = mfi_check(run, MFI_EVENT_RUN, "run");
    return status ? status
                  : mofka_fail(MOFKA_ERR_RANGE, "event %zu of a run: it has %zu events", index,
                               run->count);
}

/* Metadata that a serializer read, and data. */
__attribute__((noinline)) static void event_run_add(const mofka_event_t *event,
                                                    mofka_run_event_t *out) {
    const mofka_metadata_t *metadata = atomic_load_explicit(&event->metadata, memory_order_acquire);
    if (metadata)
        out->metadata = mofka_metadata_text(metadata, &out->metadata_bytes);
    out->data = event->data;
    out->selected_bytes = event->selected;
}

mofka_status_t mofka_event_run_get(const mofka_event_run_t *run, size_t index,
                                   mofka_run_event_t *out) {
    if (__builtin_expect(!mfi_object_is(run, MFI_EVENT_RUN) || index >= run->count, 0))
        return event_run_refuse(run, index);
    const mofka_fetched_event_t *from = &run->from[index];
    out->id = from->id;
    out->metadata = from->metadata;
    out->metadata_bytes = from->metadata_bytes;
    out->data_bytes = from->data_bytes;
    out->data = NULL;
    out->selected_bytes = 0;
    if (__builtin_expect(run->events != NULL, 0))
        event_run_add(&run->events[index], out);
    return MOFKA_OK;
}

mofka_status_t mofka_event_run_acknowledge_to(mofka_event_run_t *run, size_t index) {
    if (!mfi_object_is(run, MFI_EVENT_RUN) || index >= run->count)
        return event_run_refuse(run, index);
    return mfi_run_acknowledge(run->run, run->first + index);
}

mofka_status_t mofka_event_run_acknowledge(mofka_event_run_t *run) {
    mofka_status_t status = mfi_check(run, MFI_EVENT_RUN, "run");
    if (status)
        return status;
    return mfi_run_acknowledge(run->run, run->first + run->count - (run->count > 0));
}
