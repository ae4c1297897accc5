/* SPDX-License-Identifier: BSD-3-Clause */
/* Events are pushed, and their outcomes reported in order. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/in/feed.h"

/* The most events that are not settled: more than two full adaptive batches of several partitions.
 * */
#define RING_EVENTS ((size_t)1 << 16)
/* The most data in memory that belongs to events that are not settled. */
#define DATA_BYTES_MAX ((size_t)64 << 20)
#define REPORT_AFTER_S 1.0

mofka_status_t feed_open(feed_t *f, mofka_topic_t *topic, size_t batch_size, double timeout_s,
                         feed_settled_fn settled, void *context) {
    assert(timeout_s >= 0 && settled);
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

/* Whether to wait further, after a slice in which no room came. */
static bool feed_may_wait(feed_t *f, double start, bool *reported) {
    assert(!f->stuck);
    double waited = ctl_now_s() - start;
    if (waited > REPORT_AFTER_S && !*reported) {
        *reported = true;
        ctl_complain("waiting for room: %s", mofka_last_error());
    }
    f->stuck = waited > f->timeout_s || interrupt_age_s() > LAST_FLUSH_S;
    return !f->stuck;
}

static void feed_settle_first(feed_t *f, mofka_status_t status) {
    assert(f->count > 0 && f->count <= RING_EVENTS && f->first < RING_EVENTS);
    feed_entry_t entry = f->ring[f->first];
    f->first = (f->first + 1) % RING_EVENTS;
    f->count--;
    f->stored += !status && entry.future;
    f->failed += status != MOFKA_OK;
    f->settled(f->context, entry.tag, status);
    mofka_future_release(entry.future);
}

/* Wait at most `wait_ms` for the oldest event to be settled. True: it is. */
static bool feed_try_first(feed_t *f, int64_t wait_ms) {
    assert(f->count > 0);
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
    assert(f->count > 0 && !f->stuck);
    double start = ctl_now_s();
    bool reported = false;
    while (!feed_try_first(f, SLICE_MS))
        if (!feed_may_wait(f, start, &reported))
            return false;
    return true;
}

void feed_settle(feed_t *f) {
    assert(f->count <= RING_EVENTS);
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
    assert(f->count < RING_EVENTS && f->first < RING_EVENTS);
    f->ring[(f->first + f->count++) % RING_EVENTS] = (feed_entry_t){future, tag};
}

static bool feed_make_place(feed_t *f) {
    assert(f->count <= RING_EVENTS && !f->stuck);
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
    bool reported = false;
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
            if (!feed_may_wait(f, start, &reported))
                return false;
            continue;
        }
        /* A refused event is reported by its future. This error concerns the producer. */
        if (status) {
            f->stuck = true;
            ctl_complain_of(status, "pushing");
            return false;
        }
        f->pushed++;
        feed_add(f, future, tag);
        return true;
    }
}

/* Give up the events that found no room. Events that have a reservation keep it, and may be stored.
 * */
static void feed_give_up(feed_t *f) {
    assert(f->stuck);
    size_t before = f->count;
    mofka_status_t status = mofka_producer_discard(f->producer);
    if (status)
        ctl_complain_of(status, "giving up");
    feed_settle(f);
    ctl_complain("%zu events could not be stored and were given up", before - f->count);
}

bool feed_close(feed_t *f) {
    assert(f->stored + f->failed <= f->pushed);
    if (!feed_drain(f))
        feed_give_up(f);
    mofka_status_t status = mofka_producer_close(f->producer, (int64_t)(LAST_FLUSH_S * 1e3));
    feed_settle(f);
    if (status)
        ctl_complain_of(status, "closing the producer");
    /* Only events that are possibly stored are left. The driver's close continues to store them. */
    while (f->count > 0)
        feed_settle_first(f, mofka_fail(MOFKA_ERR_POSSIBLY_STORED, "possibly stored"));
    mofka_producer_release(f->producer);
    mofka_topic_release(f->topic);
    free(f->ring);
    return !status && !f->stuck;
}
