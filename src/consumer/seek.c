/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeks: the consumer goes to another event of a partition, in a turn.
 *
 * What was fetched of the partition and not pulled is dropped. Runs that are held become stale:
 * what becomes of their events does not count for acknowledgements any more, where releases count.
 */
#include "consumer/consumer.h"

/* How long copies that are under way are waited for. */
#define SEEK_MS 15000

mofka_event_t *mfi_consumer_take_ready(mofka_consumer_t *consumer, size_t partition) {
    mofka_event_t *taken = NULL, **end = &taken, **at = &consumer->first;
    const mfi_run_t *run = NULL;
    assert(consumer->fetching);
    mfi_assert_inside(&consumer->lock);
    consumer->last = NULL;
    while (*at) {
        mofka_event_t *event = *at;
        if (partition != SIZE_MAX && event->run->partition != partition) {
            consumer->last = event;
            at = &event->next;
            continue;
        }
        event->run->unterminated = false; /* nobody reads it */
        if (mfi_event_unmade(event) > 0)
            mfi_run_make_more(consumer, event);
        assert(event->run == run || consumer->ready_runs > 0);
        consumer->ready_runs -= event->run != run;
        run = event->run;
        mfi_stats_not_pulled(&consumer->stats, mfi_event_from(event));
        *at = event->next;
        event->next = NULL;
        *end = event;
        end = &event->next;
    }
    return taken;
}

void mfi_events_drop(mofka_event_t *events) {
    while (events) {
        mofka_event_t *next = events->next;
        mofka_event_release(events);
        events = next;
    }
}

/* With the lock: forget the runs of a partition, where releases count. Links them into *runs. */
static void seek_forget_runs(mfi_partition_t *partition, mfi_run_t **runs) {
    *runs = partition->first;
    partition->first = partition->last = NULL;
    partition->released = partition->undelivered = 0;
    partition->seeks++;
}

/* In the turn: the backend has moved. */
static void seek_moved(mofka_consumer_t *consumer, size_t partition) {
    mfi_run_t *runs, *later;
    if (consumer->untaken && consumer->untaken->partition == partition) {
        consumer->ops->release_run(consumer->self, consumer->untaken);
        consumer->untaken = NULL;
    }
    mfi_monitor_enter(&consumer->lock);
    mofka_event_t *events = mfi_consumer_take_ready(consumer, partition);
    seek_forget_runs(&consumer->partitions[partition], &runs);
    consumer->ended = false;
    mfi_monitor_leave(&consumer->lock);
    for (; runs; runs = later) {
        later = runs->next;
        mfi_run_release(runs);
    }
    mfi_events_drop(events);
}

static mofka_status_t seek_one(mofka_consumer_t *consumer, size_t partition, const uint64_t *id,
                               uint64_t time_ns) {
    const mofka_consumer_ops_t *ops = consumer->ops;
    mofka_status_t status = id ? ops->seek(consumer->self, partition, *id)
                               : ops->seek_time(consumer->self, partition, time_ns);
    if (!status)
        seek_moved(consumer, partition);
    return status;
}

/* In the turn. An error leaves the run untaken. */
static void seek_finish_copies(mofka_consumer_t *consumer) {
    int64_t deadline = mfi_deadline(SEEK_MS);
    while (consumer->unfinished && mfi_run_finish(consumer, deadline) == MOFKA_ERR_TIMEOUT &&
           mfi_remaining(deadline) != 0)
        ;
}

/* In the turn: go to an event of a partition, or, without `id`, to a time in all partitions. */
static mofka_status_t seek_in_turn(mofka_consumer_t *consumer, size_t partition, const uint64_t *id,
                                   uint64_t time_ns) {
    size_t count;
    const size_t *targets = mofka_consumer_targets(consumer, &count);
    mofka_status_t status = MOFKA_OK;
    seek_finish_copies(consumer);
    if (consumer->unfinished)
        return MOFKA_ERR_TIMEOUT; /* the backend left the message */
    if (id)
        return seek_one(consumer, partition, id, time_ns);
    count = targets ? count : consumer->topic->partition_count;
    for (size_t i = 0; i < count && !status; i++)
        status = seek_one(consumer, targets ? targets[i] : i, id, time_ns);
    return status;
}

/* With the lock, releases it meanwhile. */
static mofka_status_t seek_take_turn(mofka_consumer_t *consumer) {
    mfi_assert_inside(&consumer->lock);
    mofka_status_t status = mfi_consumer_check_caller(consumer);
    while (!status && consumer->fetching)
        mfi_monitor_wait(&consumer->lock, INT64_MAX);
    if (!status && mfi_consumer_is_over(consumer))
        status = mofka_fail(MOFKA_ERR_CLOSED, "consumer '%s' is closed", consumer->name);
    if (!status && consumer->options.zero_copy && consumer->held > 0)
        status = mofka_fail(MOFKA_ERR_BUSY,
                            "%zu events of zero-copy consumer '%s' are held: release them first",
                            consumer->held, consumer->name);
    if (!status)
        mfi_consumer_begin_turn(consumer);
    return status;
}

static mofka_status_t seek(mofka_consumer_t *consumer, size_t partition, const uint64_t *id,
                           uint64_t time_ns) {
    mfi_monitor_enter(&consumer->lock);
    mofka_status_t status = seek_take_turn(consumer);
    if (!status) {
        status = seek_in_turn(consumer, partition, id, time_ns);
        mfi_consumer_end_turn(consumer);
    }
    mfi_requests_serve_and_release(consumer);
    mfi_monitor_leave(&consumer->lock);
    return status;
}

static mofka_status_t seek_refuse(const mofka_consumer_t *consumer) {
    return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                      "topic '%s': consumers of a driver of type '%s' cannot seek",
                      consumer->topic->name, consumer->topic->driver->type);
}

/* MOFKA_ERR_RANGE: it does not read the partition. */
static mofka_status_t seek_check_partition(const mofka_consumer_t *consumer, size_t partition) {
    size_t count;
    const size_t *targets = mofka_consumer_targets(consumer, &count);
    bool reads = !targets && partition < consumer->topic->partition_count;
    for (size_t i = 0; targets && i < count; i++)
        reads |= targets[i] == partition;
    return reads ? MOFKA_OK
                 : mofka_fail(MOFKA_ERR_RANGE,
                              "consumer '%s' does not read partition %zu of topic '%s'",
                              consumer->name, partition, consumer->topic->name);
}

mofka_status_t mofka_consumer_seek(mofka_consumer_t *consumer, size_t partition, uint64_t id) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    if (!status)
        status = seek_check_partition(consumer, partition);
    if (status)
        return status;
    if (consumer->ops->size <= offsetof(mofka_consumer_ops_t, seek) || !consumer->ops->seek)
        return seek_refuse(consumer);
    return seek(consumer, partition, &id, 0);
}

mofka_status_t mofka_consumer_seek_time(mofka_consumer_t *consumer, uint64_t time_ns) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    if (status)
        return status;
    if (consumer->ops->size <= offsetof(mofka_consumer_ops_t, seek_time) ||
        !consumer->ops->seek_time)
        return seek_refuse(consumer);
    return seek(consumer, 0, NULL, time_ns);
}
