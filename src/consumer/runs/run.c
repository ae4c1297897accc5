/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs: makes events of what was fetched at once. A run lives until its last event is released.
 * Path: pull 3/7. Before: mpi/consumer/run/read_run.c. After: consumer/select.c.
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

/* Handles that are made at once: in a core's nearest cache until they are pulled. */
#define MAKE_EVENTS 64

/* Make handles until `made` are, in one pass, in the order of memory. Each is linked to the next;
 * the last is to `next`. */
static void run_make(mfi_run_t *run, size_t made, mofka_event_t *next) {
    assert(run->made < made && made <= run->count);
    for (size_t i = run->made; i < made; i++) {
        mofka_event_t *event = &run->events[i];
        mfi_object_init(&event->object, MFI_EVENT);
        event->ops = &mfi_fetched_event_ops;
        event->run = run;
        atomic_init(&event->metadata, NULL);
        event->next = i + 1 < made ? event + 1 : next;
        event->data = NULL;
        event->selected = 0;
        event->status = MOFKA_OK;
        event->held = event->undelivered = event->damaged = false;
    }
    run->made = made;
}

void mfi_run_make_one(mfi_run_t *run, mofka_event_t *next) {
    run_make(run, run->made + 1, next);
}

void mfi_run_make_more(mofka_consumer_t *consumer, mofka_event_t *event) {
    mfi_run_t *run = event->run;
    size_t unmade = mfi_event_unmade(event), more = unmade < MAKE_EVENTS ? unmade : MAKE_EVENTS;
    mfi_assert_inside(&consumer->lock);
    assert(more > 0 && !run->unterminated);
    run_make(run, run->made + more, event->next);
    event->next = event + 1;
    if (consumer->last == event)
        consumer->last = event + more;
}

mofka_status_t mfi_run_create(mofka_consumer_t *consumer, mofka_run_t *from, mfi_run_t **out) {
    size_t count = from ? from->event_count : 1;
    assert(count > 0);
    size_t releases = from && mfi_consumer_counts_releases(consumer) ? count : 0;
    mfi_run_t *run = malloc(sizeof *run + count * sizeof run->events[0] + releases);
    if (!run)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu events", count);
    mfi_consumer_retain_memory(consumer);
    *run = (mfi_run_t){.consumer = consumer,
                       .run = from,
                       .partition = from ? from->partition : SIZE_MAX,
                       .seeks = from ? consumer->partitions[from->partition].seeks : 0,
                       .count = count,
                       .users = count,
                       .releases = (char *)&run->events[count]};
    memset(run->releases, MFI_NOT_RELEASED, releases);
    run_make(run, mfi_consumer_prepares(consumer) ? count : 1, NULL);
    *out = run;
    return MOFKA_OK;
}

void mfi_run_destroy(mfi_run_t *run) {
    MFI_KEEP_ERRNO;
    mofka_consumer_t *consumer = run->consumer;
    assert(run->users == 0);
    if (run->run && !mfi_is_marked(consumer))
        consumer->ops->release_run(consumer->self, run->run);
    free(run->texts);
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

/* Whether the selector must see the event. Without data there is nothing that "all" selects. */
static bool run_asks_selector(const mofka_consumer_t *consumer, const mofka_fetched_event_t *from) {
    mofka_data_selector_fn selector = consumer->options.selector;
    return selector && (from->data_bytes > 0 || selector != mofka_consumer_select_all);
}

/* Deserialize and select. An event that fails keeps its place: the pull that reaches it returns the
 * error. */
static void run_prepare(mofka_consumer_t *consumer, mfi_run_t *run) {
    assert(run->run && run->count == run->run->event_count);
    bool identity = mofka_serializer_is_identity(consumer->options.serializer);
    if (!mfi_consumer_prepares(consumer))
        return;
    for (size_t i = 0; i < run->count; i++) {
        mofka_event_t *event = &run->events[i];
        if (!identity)
            event->status = run_deserialize_event(consumer, run, i);
        if (!event->status && run_asks_selector(consumer, &run->run->events[i]))
            event->status = mfi_run_select_data(consumer, run, i);
        if (event->status)
            event->message = strdup(mofka_last_error());
    }
}

/* With the lock: events were lost. The next event of the partition reports that, too. */
static void run_count_lost(mofka_consumer_t *consumer, size_t partition, uint64_t lost) {
    mfi_assert_inside(&consumer->lock);
    assert(partition < consumer->topic->partition_count);
    atomic_fetch_add(&consumer->lost, lost);
    consumer->partitions[partition].lost += lost;
}

/* With the lock: copy the metadata of the events from `first` on, each with a NUL byte. Those
 * before were handed out in runs; other threads may read them. */
static mofka_status_t run_terminate(mfi_run_t *run, size_t first) {
    mofka_fetched_event_t *events = run->run->events;
    size_t bytes = 0;
    assert(!run->texts && first < run->count);
    for (size_t i = first; i < run->count; i++)
        bytes += events[i].metadata_bytes + 1;
    char *to = run->texts = malloc(bytes);
    if (!to)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for the metadata of %zu events",
                          run->count - first);
    for (size_t i = first; i < run->count; i++) {
        memcpy(to, events[i].metadata, events[i].metadata_bytes);
        events[i].metadata = to;
        to += events[i].metadata_bytes;
        *to++ = '\0';
    }
    return MOFKA_OK;
}

/* With the lock: `event` is the first of the run that is ready. Where handles are made before, they
 * have their own metadata. */
static mofka_status_t run_end_runs(mofka_consumer_t *consumer, mofka_event_t *event) {
    mfi_run_t *run = event->run;
    mofka_status_t status = MOFKA_OK;
    mfi_assert_inside(&consumer->lock);
    if (run->unterminated && !mfi_consumer_prepares(consumer))
        status = run_terminate(run, (size_t)(event - run->events));
    if (!status)
        run->unterminated = false;
    return status;
}

mofka_status_t mfi_consumer_end_runs(mofka_consumer_t *consumer) {
    mofka_status_t status = MOFKA_OK;
    mfi_assert_inside(&consumer->lock);
    for (mofka_event_t *event = consumer->first; event && !status; event = event->next)
        status = run_end_runs(consumer, event);
    if (!status)
        consumer->pulls_runs = false;
    return status;
}

/* With the lock: put the run's events into the ready FIFO, without the first `overtaken` ones. */
static void run_enqueue(mofka_consumer_t *consumer, mfi_run_t *run, size_t overtaken,
                        uint64_t now) {
    mfi_assert_inside(&consumer->lock);
    mfi_partition_t *partition = &consumer->partitions[run->partition];
    assert(overtaken <= run->count && run->run && !run->next);
    assert(!consumer->first == !consumer->last && !partition->first == !partition->last);
    mfi_stats_fetched(&consumer->stats, run->run, overtaken, run->data_bytes, now);
    run_count_lost(consumer, run->partition, run->run->lost + overtaken);
    run->overtaken = overtaken;
    if (mfi_consumer_counts_releases(consumer)) {
        run->users++;
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
    consumer->last = &run->events[run->made - 1];
}

/* Take a run without events: it only reports losses. */
static mofka_status_t run_take_losses(mofka_consumer_t *consumer, mofka_run_t *fetched) {
    mfi_monitor_enter(&consumer->lock);
    run_count_lost(consumer, fetched->partition, fetched->lost);
    mfi_monitor_leave(&consumer->lock);
    consumer->ops->release_run(consumer->self, fetched);
    return MOFKA_OK;
}

/* Undo taking the run. Its events are released, and the fetched run is kept for the next turn. No
 * event counts as lost or as released. */
static void run_put_back(mofka_consumer_t *consumer, mfi_run_t *run) {
    size_t made = run->made, unmade = run->count - made;
    assert(!consumer->untaken);
    consumer->untaken = run->run;
    run->run = NULL;
    for (size_t i = 0; i < made; i++)
        mofka_event_release(&run->events[i]);
    if (unmade > 0)
        mfi_run_drop(run, unmade);
}

/* The run's events are complete: they can be pulled. If single events are pulled by now, they need
 * NUL bytes. MOFKA_ERR_MEMORY: there are none. */
static mofka_status_t run_deliver(mofka_consumer_t *consumer, mfi_run_t *run, size_t overtaken) {
    uint64_t now = run->run->stored_ns ? mfi_wall_ns() : 0;
    mofka_status_t status = MOFKA_OK;
    mfi_monitor_enter(&consumer->lock);
    if (!consumer->pulls_runs)
        status = run_end_runs(consumer, run->events);
    if (!status)
        run_enqueue(consumer, run, overtaken, now);
    mfi_monitor_leave(&consumer->lock);
    for (size_t i = 0; i < overtaken && !status; i++)
        mofka_event_release(&run->events[i]);
    return status;
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
    status = run_deliver(consumer, run, overtaken);
    assert(!status); /* its handles have their own metadata */
    return status;
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
    run->unterminated = consumer->unterminated;
    run_prepare(consumer, run);
    if (consumer->options.selector) {
        consumer->unfinished = run;
        return mfi_run_finish(consumer, deadline);
    }
    status = run_deliver(consumer, run, 0);
    if (status)
        run_put_back(consumer, run);
    return status;
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
    if (run->releases[index] == MFI_RELEASED_UNDELIVERED && next > partition->acknowledged &&
        consumer->options.acknowledge == MOFKA_ACKNOWLEDGE_AUTO)
        partition->undelivered = next;
    if (partition->undelivered == 0)
        partition->released = next;
}

/* With the lock: the same of `count` events that were delivered, from `index` on, if the list is in
 * front of them. The last one speaks for all. */
static void releases_pass_all(mfi_partition_t *partition, mfi_run_t *run, size_t index,
                              size_t count) {
    if (partition->first != run || run->released_prefix != index)
        return;
    releases_pass(partition, run, index + count - 1);
    run->released_prefix = index + count;
}

/* With the lock: events are marked; advance the list. Links the runs that leave it into *passed,
 * for the caller to release. */
static void releases_advance(mofka_consumer_t *consumer, size_t index, mfi_run_t **passed) {
    mfi_assert_inside(&consumer->lock);
    mfi_partition_t *partition = &consumer->partitions[index];
    for (mfi_run_t *run = partition->first; run; run = partition->first) {
        while (run->released_prefix < run->count && run->releases[run->released_prefix])
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
    mfi_assert_inside(&consumer->lock);
    bool both = consumer->options.acknowledge == MOFKA_ACKNOWLEDGE_MANUAL;
    return both && partition->acknowledged < partition->released ? partition->acknowledged
                                                                 : partition->released;
}

/* Acknowledge all ids before `next` to the backend. */
static mofka_status_t releases_acknowledge(mofka_consumer_t *consumer, size_t partition,
                                           uint64_t next) {
    return next ? consumer->ops->acknowledge(consumer->self, partition, next - 1) : MOFKA_OK;
}

/* With the lock: events of the run are marked as released. Advances the list. *next: what to
 * acknowledge to the backend. */
static inline void releases_count(const mfi_run_t *run, uint64_t *next, mfi_run_t **passed) {
    mofka_consumer_t *consumer = run->consumer;
    size_t partition = run->partition;
    mfi_assert_inside(&consumer->lock);
    *next = 0;
    if (mfi_run_is_stale(run))
        return;
    releases_advance(consumer, partition, passed);
    /* Nobody saw the events that close drops: they are not acknowledged. */
    *next = mfi_consumer_is_over(consumer)
                ? 0
                : releases_limit(consumer, &consumer->partitions[partition]);
}

/* Without the lock: what a count of releases leaves to do. */
static inline void releases_finish(mofka_consumer_t *consumer, size_t partition, uint64_t next,
                                   mfi_run_t *passed) {
    releases_acknowledge(consumer, partition, next);
    while (passed) {
        mfi_run_t *later = passed->next;
        mfi_run_release(passed);
        passed = later;
    }
}

/* With the lock, which it releases: do that, for as long as these users keep the consumer; then
 * they have gone. */
static inline void releases_leave(mfi_run_t *run, size_t users, uint64_t next, mfi_run_t *passed) {
    mofka_consumer_t *consumer = run->consumer;
    bool more = next != 0 || passed;
    bool last = !more && mfi_run_leave(run, users);
    mfi_monitor_leave(&consumer->lock);
    if (last)
        mfi_run_destroy(run);
    if (!more)
        return;
    releases_finish(consumer, run->partition, next, passed);
    mfi_run_drop(run, users);
}

void mfi_run_count_release(mofka_event_t *event) {
    mfi_run_t *run = event->run, *passed = NULL;
    mofka_consumer_t *consumer = run->consumer;
    size_t index = (size_t)(event - run->events);
    uint64_t next;
    if (mfi_is_marked(consumer)) { /* the backend is another process's, or is gone */
        mfi_run_release(run);
        return;
    }
    mfi_monitor_enter(&consumer->lock);
    assert(!run->releases[index] && consumer->held >= event->held);
    run->releases[index] = event->undelivered ? MFI_RELEASED_UNDELIVERED : MFI_RELEASED;
    consumer->held -= event->held;
    releases_count(run, &next, &passed);
    releases_leave(run, 1, next, passed);
}

void mfi_run_count_releases(mfi_run_t *run, size_t index, size_t count) {
    mfi_run_t *passed = NULL;
    mofka_consumer_t *consumer = run->consumer;
    size_t partition = run->partition;
    uint64_t next;
    assert(index + count <= run->count);
    if (mfi_is_marked(consumer)) {
        mfi_run_drop(run, count);
        return;
    }
    mfi_monitor_enter(&consumer->lock);
    assert(!run->releases[index] && consumer->held >= count);
    memset(run->releases + index, MFI_RELEASED, count);
    releases_pass_all(&consumer->partitions[partition], run, index, count);
    consumer->held -= count;
    releases_count(run, &next, &passed);
    releases_leave(run, count, next, passed);
}

/* The user acknowledged all up to this event: undelivered ones among them hold nothing any more.
 * With zero-copy, the memory of events that are not released must stay, so the backend learns only
 * of ids that are both acknowledged and released. */
mofka_status_t mfi_run_count_acknowledgement(mfi_run_t *run, size_t index) {
    mofka_consumer_t *consumer = run->consumer;
    mfi_partition_t *partition = &consumer->partitions[run->partition];
    uint64_t next = run->run->events[index].id + 1;
    assert(mfi_consumer_counts_releases(consumer));
    mfi_monitor_enter(&consumer->lock);
    if (partition->acknowledged < next)
        partition->acknowledged = next;
    if (partition->undelivered <= next)
        partition->undelivered = 0;
    if (consumer->options.zero_copy)
        next = releases_limit(consumer, partition);
    mfi_monitor_leave(&consumer->lock);
    return releases_acknowledge(consumer, run->partition, next);
}
