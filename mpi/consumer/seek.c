/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A consumer goes to another event of a partition.
 *
 *   topic               how far back                       how
 *   with storage        to the oldest event of the files   in the files; it enters the ring as any
 *                                                          reader that has caught up
 *   acknowledged        to the batch of the first event    a batch begins at its cursor, and behind
 *                       that it has not acknowledged       each mark: it reads on from the last one
 *                                                          that is not behind the event
 *   what may be lost    to the head                        from the head; what that passes
 *                                                          meanwhile is lost
 *
 * Batches in between are passed by their flags, as those that were acknowledged before a join. What
 * it has acknowledged stays so: that word never goes back.
 */
#include "mpi/consumer/consumer.h"

#include <inttypes.h>
#include <stdio.h>
#include "mpi/storage/storage.h"

/* Events that a reader can go to. */
typedef struct seek_range {
    mmi_place_t first;
    uint64_t end; /* the next that will be stored */
} seek_range_t;

static mofka_status_t seek_check(const mmi_reader_t *r, const seek_range_t *range, uint64_t id) {
    const mmi_partition_t *p = r->p;
    if (id >= range->first.events && id <= range->end)
        return MOFKA_OK;
    bool waits = !r->log && !r->may_lose;
    return mofka_fail(MOFKA_ERR_RANGE,
                      "topic '%s', partition %zu: a consumer cannot go to event %" PRIu64
                      "; it can to %" PRIu64 "%s, up to %" PRIu64 ", which is the next one",
                      p->topic, p->index, id, range->first.events,
                      waits ? ", where what it has not acknowledged begins" : "", range->end);
}

/* In the ring. */
static mofka_status_t seek_in_ring(mmi_reader_t *r, uint64_t id) {
    mmi_state_t state;
    mmi_tail_t tail;
    mofka_status_t status = mmi_tail_load(r->p, &state, &tail);
    if (status)
        return status;
    mmi_place_t from = r->may_lose ? state.head : mmi_reader_find_batch(r, id);
    seek_range_t range = {.first = r->may_lose ? state.head : r->kept, .end = tail.at.events};
    status = seek_check(r, &range, id);
    if (status)
        return status;
    if (id >= r->next)
        r->skip_below = id;
    else
        mmi_reader_go_back(r, from, id);
    return MOFKA_OK;
}

/* *end: what will be stored next. */
static mofka_status_t seek_find_end(const mmi_reader_t *r, uint64_t *end) {
    mmi_state_t state;
    mmi_tail_t tail = {0};
    if (r->ringless)
        return mmi_log_end(r->log, end);
    mofka_status_t status = mmi_tail_load(r->p, &state, &tail);
    *end = tail.at.events;
    return status;
}

/* The files are at the event, where a batch need not begin. */
static void seek_follow_files(mmi_reader_t *r) {
    mmi_reader_go_back(r, (mmi_place_t){r->log->next, 0}, r->log->next);
    r->behind = true;
}

/* Back to where it was; the message stays. */
static mofka_status_t seek_undo(mmi_reader_t *r, uint64_t next, mofka_status_t status) {
    char message[MOFKA_MESSAGE_BYTES_MAX + 1];
    snprintf(message, sizeof message, "%s", mofka_last_error());
    if (!mmi_log_seek(r->log, next))
        seek_follow_files(r);
    return mofka_fail(status, "%s", message);
}

/* The event that it would give next. */
static uint64_t seek_position(const mmi_reader_t *r) {
    uint64_t ring = r->next > r->skip_below ? r->next : r->skip_below;
    return r->behind ? r->log->next : ring;
}

/* In the files; without `id`, to a time. */
static mofka_status_t seek_in_files(mmi_reader_t *r, const uint64_t *id, uint64_t time_ns) {
    seek_range_t range = {0};
    uint64_t before = seek_position(r);
    mofka_status_t status = mmi_log_oldest(r->log, &range.first.events);
    if (!status && id)
        status = seek_find_end(r, &range.end);
    if (!status && id)
        status = seek_check(r, &range, *id);
    if (!status)
        status = id ? mmi_log_seek(r->log, *id) : mmi_log_seek_time(r->log, time_ns);
    if (status)
        return seek_undo(r, before, status);
    seek_follow_files(r);
    return MOFKA_OK;
}

static mofka_status_t seek_check_reader(const mmi_consumer_t *c, size_t partition) {
    const mmi_reader_t *r = partition < c->partition_count ? c->by_partition[partition] : NULL;
    return r ? mmi_window_may_call(r->p->w)
             : mofka_fail(MOFKA_ERR_RANGE, "this consumer does not read partition %zu", partition);
}

mofka_status_t mmi_consumer_seek(void *self, size_t partition, uint64_t id) {
    mmi_consumer_t *c = self;
    mofka_status_t status = seek_check_reader(c, partition);
    if (status)
        return status;
    mmi_reader_t *r = c->by_partition[partition];
    c->nap_us = 0;
    return r->log ? seek_in_files(r, &id, 0) : seek_in_ring(r, id);
}

mofka_status_t mmi_consumer_seek_time(void *self, size_t partition, uint64_t time_ns) {
    mmi_consumer_t *c = self;
    mofka_status_t status = seek_check_reader(c, partition);
    if (status)
        return status;
    mmi_reader_t *r = c->by_partition[partition];
    if (!r->log)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "topic '%s' has no \"storage\": a consumer cannot go to a time in it",
                          r->p->topic);
    c->nap_us = 0;
    return seek_in_files(r, NULL, time_ns);
}

uint64_t mmi_consumer_rewound(void *self) {
    const mmi_consumer_t *c = self;
    uint64_t sum = 0;
    for (size_t i = 0; i < c->reader_count; i++)
        sum += c->readers[i].rewound;
    return sum;
}
