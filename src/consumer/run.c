/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs: makes events of what was fetched at once. A run lives until its last event is released.
 * Path: pull 3/7. Before: mpi/consumer/read_run.c. After: consumer/select.c.
 *
 * Automatic acknowledgement and zero-copy count releases. Each partition has a list of its runs. A
 * released event marks itself, and the list advances as far as all events are marked. So an event
 * that is not released holds back the acknowledgement of later ones. With automatic
 * acknowledgement, so does an event whose pull or callback failed.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "consumer/consumer.h"
#include <mofka/backend.h>

/* ---- creating -------------------------------------------------------------------------------- */

/* Writes the events in one pass, in the order of memory. */
mofka_status_t mfi_run_create(mofka_consumer_t *consumer, mofka_run_t *from, mfi_run_t **out) {
    size_t count = from ? from->event_count : 1;
    assert(count > 0);
    mfi_run_t *run = malloc(sizeof *run + count * sizeof run->events[0]);
    if (!run)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu events", count);
    mfi_consumer_retain_memory(consumer);
    *run = (mfi_run_t){.consumer = consumer,
                       .run = from,
                       .partition = from ? from->partition : SIZE_MAX,
                       .count = count,
                       .users = count};
    for (size_t i = 0; i < count; i++) {
        mofka_event_t *event = &run->events[i];
        mfi_object_init(&event->object, MFI_EVENT);
        event->ops = &mfi_fetched_event_ops;
        event->run = run;
        atomic_init(&event->metadata, NULL);
        event->next = i + 1 < count ? event + 1 : NULL;
        event->data = NULL;
        event->selected = 0;
        event->status = MOFKA_OK;
        event->released = event->held = event->undelivered = event->damaged = false;
    }
    *out = run;
    return MOFKA_OK;
}

void mfi_run_destroy(mfi_run_t *run) {
    MFI_KEEP_ERRNO;
    mofka_consumer_t *consumer = run->consumer;
    assert(atomic_load(&run->users) == 0);
    if (run->run && !mfi_is_marked(consumer))
        consumer->ops->release_run(consumer->self, run->run);
    free(run);
    mfi_consumer_release_memory(consumer);
}

/* ---- taking what was fetched, in the fetching thread ----------------------------------------- */

static mofka_status_t run_deserialize_event(mofka_consumer_t *consumer, mfi_run_t *run,
                                            size_t index) {
    const mofka_fetched_event_t *from = &run->run->events[index];
    assert(index < run->count && !atomic_load(&run->events[index].metadata));
    mofka_metadata_t *metadata;
    mofka_status_t status = mfi_serializer_read(consumer->options.serializer, from->metadata,
                                                from->metadata_bytes, &metadata);
    if (!status)
        atomic_init(&run->events[index].metadata, metadata);
    return status;
}

/* Deserialize and select. An event that fails keeps its place: the pull that reaches it returns the
 * error. */
static void run_prepare(mofka_consumer_t *consumer, mfi_run_t *run) {
    assert(run->run && run->count == run->run->event_count);
    bool identity = mofka_serializer_is_identity(consumer->options.serializer);
    if (identity && !consumer->options.selector)
        return;
    for (size_t i = 0; i < run->count; i++) {
        mofka_event_t *event = &run->events[i];
        if (!identity)
            event->status = run_deserialize_event(consumer, run, i);
        if (!event->status && consumer->options.selector)
            event->status = mfi_run_select_data(consumer, run, i);
        if (event->status)
            event->message = strdup(mofka_last_error());
    }
}

/* With the lock: events were lost. The next event of the partition reports that, too. */
static void run_count_lost(mofka_consumer_t *consumer, size_t partition, uint64_t lost) {
    mfi_assert_locked(&consumer->lock);
    assert(partition < consumer->topic->partition_count);
    atomic_fetch_add(&consumer->lost, lost);
    consumer->partitions[partition].lost += lost;
}

/* With the lock: put the run's events into the ready FIFO, without the first `overtaken` ones. */
static void run_enqueue(mofka_consumer_t *consumer, mfi_run_t *run, size_t overtaken,
                        uint64_t now) {
    mfi_assert_locked(&consumer->lock);
    mfi_partition_t *partition = &consumer->partitions[run->partition];
    assert(overtaken <= run->count && run->run && !run->next);
    assert(!consumer->first == !consumer->last && !partition->first == !partition->last);
    mfi_stats_fetched(&consumer->stats, run->run, overtaken, run->data_bytes, now);
    run_count_lost(consumer, run->partition, run->run->lost + overtaken);
    run->overtaken = overtaken;
    if (mfi_consumer_counts_releases(consumer)) {
        atomic_fetch_add(&run->users, 1);
        if (partition->last)
            partition->last->next = run;
        else
            partition->first = run;
        partition->last = run;
    }
    if (overtaken == run->count)
        return;
    run->lost = partition->lost;
    partition->lost = 0;
    consumer->ready_runs++;
    if (consumer->last)
        consumer->last->next = &run->events[overtaken];
    else
        consumer->first = &run->events[overtaken];
    consumer->last = &run->events[run->count - 1];
}

/* Take a run without events: it only reports losses. */
static mofka_status_t run_take_losses(mofka_consumer_t *consumer, mofka_run_t *fetched) {
    pthread_mutex_lock(&consumer->lock);
    run_count_lost(consumer, fetched->partition, fetched->lost);
    pthread_mutex_unlock(&consumer->lock);
    consumer->ops->release_run(consumer->self, fetched);
    return MOFKA_OK;
}

/* Undo taking the run. Its events are released, and the fetched run is kept for the next turn. No
 * event counts as lost or as released. */
static void run_put_back(mofka_consumer_t *consumer, mfi_run_t *run) {
    size_t count = run->count;
    assert(!consumer->untaken);
    consumer->untaken = run->run;
    run->run = NULL;
    for (size_t i = 0; i < count; i++)
        mofka_event_release(&run->events[i]);
}

/* The run's events are complete: they can be pulled. */
static void run_deliver(mofka_consumer_t *consumer, mfi_run_t *run, size_t overtaken) {
    uint64_t now = run->run->stored_ns ? mfi_wall_ns() : 0;
    pthread_mutex_lock(&consumer->lock);
    run_enqueue(consumer, run, overtaken, now);
    pthread_mutex_unlock(&consumer->lock);
    for (size_t i = 0; i < overtaken; i++)
        mofka_event_release(&run->events[i]);
}

/* Events whose data the backend found damaged keep their place, as in run_prepare. */
static void run_note_damage(mofka_consumer_t *consumer, mfi_run_t *run) {
    for (size_t i = 0; i < run->count; i++) {
        mofka_event_t *event = &run->events[i];
        if (!run->run->events[i].data_damaged || event->status)
            continue;
        event->status =
            mofka_fail(MOFKA_ERR_CORRUPT,
                       "topic '%s', partition %zu: the data of event %" PRIu64 " is damaged",
                       consumer->topic->name, run->partition, run->run->events[i].id);
        event->damaged = true;
        event->message = strdup(mofka_last_error());
    }
}

mofka_status_t mfi_run_finish(mofka_consumer_t *consumer, int64_t deadline) {
    mfi_run_t *run = consumer->unfinished;
    size_t overtaken = 0;
    assert(consumer->fetching && run && !consumer->untaken);
    int64_t left = mfi_remaining(deadline); /* in slices: a close may wait for the turn */
    mofka_status_t status = consumer->ops->finish_data(
        consumer->self, run->run, left < 0 || left > MFI_WAIT_SLICE_MS ? MFI_WAIT_SLICE_MS : left,
        &overtaken);
    if (status == MOFKA_ERR_TIMEOUT)
        return status;
    consumer->unfinished = NULL;
    if (status) {
        run_put_back(consumer, run);
        return status;
    }
    run_note_damage(consumer, run);
    run_deliver(consumer, run, overtaken);
    return MOFKA_OK;
}

void mfi_run_give_up(mofka_consumer_t *consumer) {
    mfi_run_t *run = consumer->unfinished;
    consumer->unfinished = NULL;
    if (run)
        run_put_back(consumer, run);
}

mofka_status_t mfi_run_take(mofka_consumer_t *consumer, mofka_run_t *fetched, int64_t deadline) {
    mfi_run_t *run;
    assert(consumer->fetching && (!consumer->untaken || consumer->untaken == fetched));
    if (fetched->event_count == 0)
        return run_take_losses(consumer, fetched);
    mofka_status_t status = mfi_run_create(consumer, fetched, &run);
    consumer->untaken = status ? fetched : NULL;
    if (status)
        return status;
    run_prepare(consumer, run);
    if (consumer->options.selector) {
        consumer->unfinished = run;
        return mfi_run_finish(consumer, deadline);
    }
    run_deliver(consumer, run, 0);
    return MOFKA_OK;
}

/* ---- counting releases ----------------------------------------------------------------------- */

/* With the lock: the list passes the event `index` of the run. A successor of the name must get, or
 * count as lost, each event that this consumer did not deliver. So an undelivered event holds
 * automatic acknowledgement, and an overtaken one is acknowledged with the event that reports it as
 * lost. */
static void releases_pass(mfi_partition_t *partition, const mfi_run_t *run, size_t index) {
    const mofka_consumer_t *consumer = run->consumer;
    uint64_t next = run->run->events[index].id + 1;
    if (index < run->overtaken)
        return;
    assert(next > partition->released);
    if (run->events[index].undelivered && next > partition->acknowledged &&
        consumer->options.acknowledge == MOFKA_ACKNOWLEDGE_AUTO)
        partition->undelivered = next;
    if (partition->undelivered == 0)
        partition->released = next;
}

/* With the lock: mark the event, and advance the list. Links the runs that leave it into *passed,
 * for the caller to release. */
static void releases_advance(mofka_consumer_t *consumer, mofka_event_t *event, mfi_run_t **passed) {
    mfi_assert_locked(&consumer->lock);
    mfi_partition_t *partition = &consumer->partitions[event->run->partition];
    assert(!event->released && consumer->held >= event->held);
    event->released = true;
    consumer->held -= event->held;
    for (mfi_run_t *run = partition->first; run; run = partition->first) {
        while (run->released_prefix < run->count && run->events[run->released_prefix].released)
            releases_pass(partition, run, run->released_prefix++);
        if (run->released_prefix < run->count)
            break;
        partition->first = run->next;
        if (!partition->first)
            partition->last = NULL;
        run->next = *passed;
        *passed = run;
    }
}

/* With the lock: the first id that must not be acknowledged to the backend yet. */
static uint64_t releases_limit(const mofka_consumer_t *consumer, const mfi_partition_t *partition) {
    mfi_assert_locked(&consumer->lock);
    bool both = consumer->options.acknowledge == MOFKA_ACKNOWLEDGE_MANUAL;
    return both && partition->acknowledged < partition->released ? partition->acknowledged
                                                                 : partition->released;
}

/* Acknowledge all ids before `next` to the backend. */
static mofka_status_t releases_acknowledge(mofka_consumer_t *consumer, size_t partition,
                                           uint64_t next) {
    return next ? consumer->ops->acknowledge(consumer->self, partition, next - 1) : MOFKA_OK;
}

void mfi_run_count_release(mofka_event_t *event) {
    mofka_consumer_t *consumer = event->run->consumer;
    if (mfi_is_marked(consumer)) /* the backend is another process's, or is gone */
        return;
    mfi_run_t *passed = NULL;
    size_t partition = event->run->partition;
    pthread_mutex_lock(&consumer->lock);
    releases_advance(consumer, event, &passed);
    /* Nobody saw the events that close drops: they are not acknowledged. */
    uint64_t next = mfi_consumer_is_over(consumer)
                        ? 0
                        : releases_limit(consumer, &consumer->partitions[partition]);
    pthread_mutex_unlock(&consumer->lock);
    releases_acknowledge(consumer, partition, next);
    while (passed) {
        mfi_run_t *later = passed->next;
        mfi_run_release(passed);
        passed = later;
    }
}

/* The user acknowledged all up to this event: undelivered ones among them hold nothing any more.
 * With zero-copy, the memory of events that are not released must stay, so the backend learns only
 * of ids that are both acknowledged and released. */
mofka_status_t mfi_run_count_acknowledgement(const mofka_event_t *event) {
    mofka_consumer_t *consumer = event->run->consumer;
    mfi_partition_t *partition = &consumer->partitions[event->run->partition];
    uint64_t next = mfi_event_from(event)->id + 1;
    assert(mfi_consumer_counts_releases(consumer));
    pthread_mutex_lock(&consumer->lock);
    if (partition->acknowledged < next)
        partition->acknowledged = next;
    if (partition->undelivered <= next)
        partition->undelivered = 0;
    if (consumer->options.zero_copy)
        next = releases_limit(consumer, partition);
    pthread_mutex_unlock(&consumer->lock);
    return releases_acknowledge(consumer, event->run->partition, next);
}
