/* SPDX-License-Identifier: BSD-3-Clause */
/* Pushes, and what became of them. */
#include <stdlib.h>
#include <string.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/in/feed.h"

/* Unsettled events: more than two full adaptive batches of several partitions. */
#define RING_EVENTS ((size_t)1 << 16)
/* Their data in memory. */
#define DATA_BYTES_MAX ((size_t)64 << 20)
#define TELL_AFTER_S 1.0

mofka_status_t feed_open(feed_t *f, mofka_topic_t *topic, size_t batch_size, double timeout_s,
                         feed_settled_fn settled, void *context) {
    *f = (feed_t){.timeout_s = timeout_s, .settled = settled, .context = context};
    f->ring = malloc(RING_EVENTS * sizeof *f->ring);
    if (!f->ring)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu events", RING_EVENTS);
    mofka_producer_options_t options = {
        .name = "mofkactl", .batch_size = batch_size, .push_timeout_ms = SLICE_MS};
    mofka_status_t status = mofka_producer_create(topic, &options, &f->producer);
    if (status)
        free(f->ring);
    else
        f->topic = mofka_topic_retain(topic);
    return status;
}

/* After a slice without room: whether to go on. */
static bool feed_may_wait(feed_t *f, double start, bool *told) {
    double waited = ctl_now_s() - start;
    if (waited > TELL_AFTER_S && !*told) {
        *told = true;
        ctl_complain("waiting for room: %s", mofka_last_error());
    }
    f->stuck = waited > f->timeout_s || interrupt_age_s() > LAST_FLUSH_S;
    return !f->stuck;
}

static void feed_settle_first(feed_t *f, mofka_status_t status) {
    feed_entry_t entry = f->ring[f->first];
    f->first = (f->first + 1) % RING_EVENTS;
    f->count--;
    f->stored += !status && entry.future;
    f->failed += status != MOFKA_OK;
    f->settled(f->context, entry.tag, status);
    mofka_future_release(entry.future);
}

/* Whether the oldest is settled, within `wait_ms`. */
static bool feed_try_first(feed_t *f, int64_t wait_ms) {
    mofka_future_t *future = f->ring[f->first].future;
    mofka_status_t status = MOFKA_OK;
    if (future) {
        status = mofka_future_wait(future, wait_ms, NULL);
        if (status && !mofka_future_completed(future))
            return false;
    }
    feed_settle_first(f, status);
    return true;
}

static bool feed_wait_first(feed_t *f) {
    double start = ctl_now_s();
    bool told = false;
    while (!feed_try_first(f, SLICE_MS))
        if (!feed_may_wait(f, start, &told))
            return false;
    return true;
}

void feed_settle(feed_t *f) {
    while (f->count > 0) {
        mofka_future_t *future = f->ring[f->first].future;
        if (future && !mofka_future_completed(future))
            return;
        feed_try_first(f, 0);
    }
}

bool feed_drain(feed_t *f) {
    while (f->count > 0 && !f->stuck)
        if (!feed_wait_first(f))
            return false;
    return !f->stuck;
}

static void feed_add(feed_t *f, mofka_future_t *future, feed_tag_t tag) {
    f->ring[(f->first + f->count++) % RING_EVENTS] = (feed_entry_t){future, tag};
}

static bool feed_make_place(feed_t *f) {
    if (f->count == RING_EVENTS / 2)
        feed_settle(f);
    return f->count < RING_EVENTS || feed_wait_first(f);
}

bool feed_pass(feed_t *f, feed_tag_t tag) {
    if (f->stuck || !feed_make_place(f))
        return false;
    feed_add(f, NULL, tag);
    return true;
}

bool feed_push(feed_t *f, const char *metadata, size_t bytes, mofka_data_view_t *data,
               feed_tag_t tag) {
    double start = ctl_now_s();
    bool told = false;
    if (f->stuck || !feed_make_place(f))
        return false;
    f->bytes += mofka_data_view_size(data);
    if (f->bytes > DATA_BYTES_MAX) {
        if (!feed_drain(f))
            return false;
        f->bytes = mofka_data_view_size(data);
    }
    for (;;) {
        mofka_future_t *future = NULL;
        mofka_status_t status =
            mofka_producer_push(f->producer, metadata, bytes, data, MOFKA_ANY_PARTITION, &future);
        if (status == MOFKA_ERR_TIMEOUT) {
            if (!feed_may_wait(f, start, &told))
                return false;
            continue;
        }
        if (status) { /* not the event's fault: that its future tells */
            f->stuck = true;
            ctl_complain_of(status, "pushing");
            return false;
        }
        f->pushed++;
        feed_add(f, future, tag);
        return true;
    }
}

/* What found no room will not be stored. What is reserved already may, and keeps its place. */
static void feed_give_up(feed_t *f) {
    size_t before = f->count;
    mofka_status_t status = mofka_producer_discard(f->producer);
    if (status)
        ctl_complain_of(status, "giving up");
    feed_settle(f);
    ctl_complain("%zu events could not be stored and were given up", before - f->count);
}

bool feed_close(feed_t *f) {
    if (!feed_drain(f))
        feed_give_up(f);
    mofka_status_t status = mofka_producer_close(f->producer, (int64_t)(LAST_FLUSH_S * 1e3));
    feed_settle(f);
    if (status)
        ctl_complain_of(status, "closing the producer");
    while (f->count > 0) /* only what is possibly stored: the driver's close goes on with it */
        feed_settle_first(f, mofka_fail(MOFKA_ERR_POSSIBLY_STORED, "possibly stored"));
    mofka_producer_release(f->producer);
    mofka_topic_release(f->topic);
    free(f->ring);
    return !status && !f->stuck;
}
