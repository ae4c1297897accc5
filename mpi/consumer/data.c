/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads the selected data of a run into the caller's memory, or shows it in the window.
 * Path: pull 6/7. Before: consumer/select.c. After: consumer/event.c.
 *
 * The core asks for ranges of one event after the other. Then, with discard_oldest, the head is
 * read again: what it passed meanwhile may have been overwritten. With checksums, data that was
 * copied as a whole is compared with its sum.
 */
#include "mpi/consumer/consumer.h"

#include <stdlib.h>
#include <string.h>
#include <mofka/backend.h>

static mofka_status_t pieces_grow(mmi_consumer_t *c) {
    size_t room = c->piece_room ? 2 * c->piece_room : 64;
    mmi_piece_t *more = realloc(c->pieces, room * sizeof *more);
    if (!more)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu pieces of data", room);
    c->pieces = more;
    c->piece_room = room;
    assert(c->piece_count < room);
    return MOFKA_OK;
}

/* Add `bytes` of the log at position `from`: two pieces if they wrap in the ring. `to` NULL: they
 * are only looked at. */
static mofka_status_t pieces_add(mmi_consumer_t *c, const mmi_partition_t *p, uint64_t from,
                                 size_t bytes, char *to) {
    assert(bytes <= p->ring_bytes);
    mofka_status_t status = c->piece_count + 2 > c->piece_room ? pieces_grow(c) : MOFKA_OK;
    if (status)
        return status;
    uint64_t at = from % p->ring_bytes;
    size_t first = bytes < p->ring_bytes - at ? bytes : (size_t)(p->ring_bytes - at);
    c->pieces[c->piece_count++] = (mmi_piece_t){p->ring + at, to, first};
    if (bytes > first)
        c->pieces[c->piece_count++] = (mmi_piece_t){p->ring, to ? to + first : NULL, bytes - first};
    return MOFKA_OK;
}

/* The pieces of an event's data: from the window, or from what came with the run. */
static void data_copy(mmi_consumer_t *c, const mmi_run_t *run) {
    const mmi_partition_t *p = run->p;
    if (!run->payload) {
        c->copying = true;
        p->w->ops->get_pieces(p->w, p->owner, c->pieces, c->piece_count);
        return;
    }
    for (size_t i = 0; i < c->piece_count; i++) {
        const mmi_piece_t *piece = &c->pieces[i];
        uint64_t at = piece->offset - p->ring, from = run->payload_from % p->ring_bytes;
        memcpy(piece->target, run->payload + (at + p->ring_bytes - from) % p->ring_bytes,
               piece->bytes);
    }
}

/* Whether the ranges are all of the event's data. */
static bool data_is_whole(const mofka_fetched_event_t *event, const mofka_range_t *ranges,
                          size_t range_count) {
    return range_count == 1 && ranges->offset == 0 && ranges->size == event->data_bytes;
}

/* Whether the data of event `index` is what its sum says, if all of it was copied. */
static bool data_is_right(const mmi_run_t *run, size_t index) {
    const mofka_fetched_event_t *event = &run->run.events[index];
    const mmi_data_check_t *check = &run->checks[index];
    size_t count;
    if (!check->view)
        return true;
    mmi_segments_t from = {mofka_data_view_segments(check->view, &count), 0};
    return mmi_sum_segments(run->p, event->id, MMI_SUM_DATA, &from, event->data_bytes) ==
           check->sum;
}

mofka_status_t mmi_consumer_get_data(void *self, mofka_run_t *run, size_t index,
                                     const mofka_range_t *ranges, size_t range_count,
                                     mofka_data_view_t *view) {
    mmi_consumer_t *c = self;
    mmi_run_t *filled = run->backend;
    const mmi_partition_t *p = filled->p;
    size_t segment_count, segment = 0, used = 0;
    const mofka_segment_t *segments = mofka_data_view_segments(view, &segment_count);
    mofka_status_t status = MOFKA_OK;
    assert(index < run->event_count);
    c->piece_count = 0;
    for (size_t i = 0; i < range_count; i++) {
        uint64_t from = run->events[index].data_position + ranges[i].offset;
        for (size_t left = ranges[i].size, here; left > 0 && !status; left -= here) {
            while (segment < segment_count && used == segments[segment].size)
                segment++, used = 0;
            if (segment == segment_count)
                return mofka_fail(MOFKA_ERR_TOO_LARGE, "the view is smaller than the selection");
            here = segments[segment].size - used < left ? segments[segment].size - used : left;
            status = pieces_add(c, p, from, here, (char *)segments[segment].ptr + used);
            from += here;
            used += here;
        }
    }
    if (!status && c->piece_count > 0)
        data_copy(c, filled);
    if (filled->checks) {
        mmi_data_check_t *check = &filled->checks[index];
        bool whole = data_is_whole(&run->events[index], ranges, range_count);
        check->view = !status && whole && !check->known ? view : NULL;
        run->events[index].verified = !status && (check->known || whole);
    }
    return status;
}

/* The same pieces, as segments of the window. */
mofka_status_t mmi_consumer_view_data(void *self, mofka_run_t *run, size_t index,
                                      const mofka_range_t *ranges, size_t range_count,
                                      mofka_data_view_t **view) {
    mmi_consumer_t *c = self;
    const mmi_partition_t *p = ((const mmi_run_t *)run->backend)->p;
    mofka_status_t status = MOFKA_OK;
    assert(index < run->event_count && p->w->ops->has_addresses);
    run->events[index].verified = false;
    c->piece_count = 0;
    for (size_t i = 0; i < range_count && !status; i++)
        status = pieces_add(c, p, run->events[index].data_position + ranges[i].offset,
                            ranges[i].size, NULL);
    mofka_segment_t *segments = status ? NULL : calloc(c->piece_count + 1, sizeof *segments);
    if (!status && !segments)
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu segments", c->piece_count);
    for (size_t i = 0; i < c->piece_count && !status; i++)
        segments[i] = (mofka_segment_t){mmi_window_address(p->w, p->owner, c->pieces[i].offset),
                                        c->pieces[i].bytes};
    if (!status)
        status = mofka_data_view_create(segments, c->piece_count, NULL, NULL, view);
    free(segments);
    return status;
}

mofka_status_t mmi_consumer_finish_data(void *self, mofka_run_t *run, int64_t timeout_ms,
                                        size_t *overtaken) {
    (void)timeout_ms; /* in memory; else the agent waits */
    mmi_consumer_t *c = self;
    const mmi_run_t *filled = run->backend;
    const mmi_partition_t *p = filled->p;
    mofka_status_t status = c->copying ? p->w->ops->flush(p->w, p->owner) : MOFKA_OK;
    size_t passed = 0;
    c->copying = false;
    if (!status && !filled->payload && filled->may_lose) {
        mmi_state_t state;
        status = mmi_state_load(p, &state);
        while (!status && passed < run->event_count && run->events[passed].id < state.head.events)
            passed++;
    }
    if (!status && !filled->payload && mmi_reader_is_evicted(c->by_partition[run->partition]))
        status = mmi_reader_fail_evicted(c->by_partition[run->partition]);
    if (!status)
        *overtaken = passed;
    for (size_t i = 0; filled->checks && i < run->event_count; i++) {
        run->events[i].data_damaged = !status && i >= passed && !data_is_right(filled, i);
        run->events[i].verified &= !run->events[i].data_damaged;
        filled->checks[i].view = NULL;
    }
    return status;
}
