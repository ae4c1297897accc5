/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Consumers: who pulls an event fetches it, or waits for the thread that does. The picture is in
 * consumer.h.
 * Path: pull 1/7. Before: the caller. After: mpi_index.c.
 */
#include <string.h>
#include "consumer/consumer.h"

/* How long the backend may wait at a time, so that close is not kept waiting. */
#define WAIT_SLICE_MS 100

/* ---- fetching: one thread at a time, no lock held -------------------------------------------- */

typedef struct cursor {
    const char *bytes;
    size_t left;
} cursor_t;

static mofka_status_t cursor_read(void *context, void *bytes, size_t size) {
    cursor_t *cursor = context;
    if (size > cursor->left)
        return mofka_fail(MOFKA_ERR_CORRUPT, "%zu bytes of stored metadata wanted, %zu there", size,
                          cursor->left);
    memcpy(bytes, cursor->bytes, size);
    cursor->bytes += size;
    cursor->left -= size;
    return MOFKA_OK;
}

static mofka_status_t deserialize(mofka_consumer_t *consumer, mfi_run_t *run, size_t index) {
    const mofka_fetched_event_t *from = &run->run->events[index];
    cursor_t cursor = {from->metadata, from->metadata_bytes};
    mofka_archive_t archive = {.context = &cursor, .read = cursor_read};
    mofka_metadata_t *metadata;
    mofka_status_t status = mofka_serializer_deserialize(consumer->topic->serializer, &archive,
                                                         from->metadata_bytes, &metadata);
    if (!status)
        atomic_init(&run->events[index].metadata, metadata);
    return status;
}

/* An event that cannot be delivered as wanted still takes its turn: the pull returns the error. */
static void prepare(mofka_consumer_t *consumer, mfi_run_t *run) {
    bool identity = mofka_serializer_is_identity(consumer->topic->serializer);
    if (identity && !consumer->options.selector)
        return;
    for (size_t i = 0; i < run->count; i++) {
        mofka_event_t *event = &run->events[i];
        if (!identity)
            event->status = deserialize(consumer, run, i);
        if (!event->status && consumer->options.selector)
            event->status = mfi_select_data(consumer, run, i);
        if (event->status)
            event->message = strdup(mofka_last_error());
    }
}

/* With the lock: a later event of the partition will tell, too. */
static void count_lost(mofka_consumer_t *consumer, size_t partition, uint64_t lost) {
    atomic_fetch_add(&consumer->lost, lost);
    consumer->partitions[partition].lost += lost;
}

static void enqueue(mofka_consumer_t *consumer, mfi_run_t *run, size_t overtaken, uint64_t now) {
    mfi_partition_t *partition = &consumer->partitions[run->partition];
    mfi_stats_fetched(&consumer->stats, run->run, overtaken, run->data_bytes, now);
    count_lost(consumer, run->partition, run->run->lost + overtaken);
    if (mfi_counts_releases(consumer)) {
        atomic_fetch_add(&run->users, 1);
        if (partition->last)
            partition->last->next = run;
        else
            partition->first = run;
        partition->last = run;
    }
    if (overtaken == run->count)
        return;
    run->overtaken = overtaken;
    run->lost = partition->lost;
    partition->lost = 0;
    consumer->ready_runs++;
    if (consumer->last)
        consumer->last->next = &run->events[overtaken];
    else
        consumer->first = &run->events[overtaken];
    consumer->last = &run->events[run->count - 1];
}

/* A run without events. */
static mofka_status_t take_losses(mofka_consumer_t *consumer, mofka_run_t *fetched) {
    pthread_mutex_lock(&consumer->lock);
    count_lost(consumer, fetched->partition, fetched->lost);
    pthread_mutex_unlock(&consumer->lock);
    consumer->ops->release_run(consumer->self, fetched);
    return MOFKA_OK;
}

/* Nobody saw its events, and what the backend fetched stays: they are neither lost nor released. */
static void untake(mofka_consumer_t *consumer, mfi_run_t *run) {
    size_t count = run->count;
    consumer->untaken = run->run;
    run->run = NULL;
    for (size_t i = 0; i < count; i++)
        mofka_event_release(&run->events[i]);
}

static mofka_status_t take_run(mofka_consumer_t *consumer, mofka_run_t *fetched) {
    mfi_run_t *run;
    if (fetched->event_count == 0)
        return take_losses(consumer, fetched);
    mofka_status_t status = mfi_run_create(consumer, fetched, &run);
    consumer->untaken = status ? fetched : NULL;
    if (status)
        return status;
    prepare(consumer, run);
    size_t overtaken = 0;
    if (consumer->options.selector)
        status = consumer->ops->finish_data(consumer->self, fetched, &overtaken);
    if (status) {
        untake(consumer, run);
        return status;
    }
    uint64_t now = fetched->stored_ns ? mfi_wall_ns() : 0;
    pthread_mutex_lock(&consumer->lock);
    enqueue(consumer, run, overtaken, now);
    pthread_mutex_unlock(&consumer->lock);
    for (size_t i = 0; i < overtaken; i++)
        mofka_event_release(&run->events[i]);
    return MOFKA_OK;
}

/* Fetch a run, waiting for one if there is time. MOFKA_ERR_TIMEOUT: nothing yet. */
static mofka_status_t fetch(mofka_consumer_t *consumer, int64_t deadline) {
    size_t most = consumer->options.batch_size;
    mofka_run_t *run = consumer->untaken;
    if (run)
        return take_run(consumer, run);
    mofka_status_t status = consumer->ops->fetch(consumer->self, most, &run);
    mfi_count(&consumer->fetches);
    if (status == MOFKA_ERR_TIMEOUT) {
        mofka_status_t published =
            consumer->ops->publish ? consumer->ops->publish(consumer->self) : MOFKA_OK;
        if (published)
            return published;
        int64_t left = mfi_remaining(deadline);
        if (left == 0)
            return MOFKA_ERR_TIMEOUT;
        mfi_count(&consumer->waits);
        status = consumer->ops->wait(consumer->self,
                                     left < 0 || left > WAIT_SLICE_MS ? WAIT_SLICE_MS : left);
        if (!status)
            status = consumer->ops->fetch(consumer->self, most, &run);
    }
    return status ? status : take_run(consumer, run);
}

/* ---- handing out ----------------------------------------------------------------------------- */

/* The FIFO keeps each run's events together: one that comes back (abandoned) goes to the front. */
mofka_event_t *mfi_consumer_pop(mofka_consumer_t *consumer) {
    mofka_event_t *event = consumer->first;
    if (event) {
        consumer->first = event->next;
        if (!consumer->first)
            consumer->last = NULL;
        if (!event->next || event->next->run != event->run)
            consumer->ready_runs--;
        event->next = NULL;
        event->held = true;
        consumer->held++;
    }
    return event;
}

/* With the lock: whether a callback of this thread's own fetch calls. */
mofka_status_t mfi_consumer_check_caller(const mofka_consumer_t *consumer) {
    if (!consumer->fetching || !pthread_equal(consumer->fetcher, pthread_self()))
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_BUSY,
                      "consumer '%s' fetches: a callback of that cannot wait for it",
                      consumer->name);
}

/* With the lock, when nobody fetches. */
void mfi_consumer_begin_turn(mofka_consumer_t *consumer) {
    consumer->fetching = true;
    consumer->fetcher = pthread_self();
    pthread_mutex_unlock(&consumer->lock);
}

void mfi_consumer_end_turn(mofka_consumer_t *consumer) {
    pthread_mutex_lock(&consumer->lock);
    consumer->fetching = false;
    pthread_cond_broadcast(&consumer->changed);
}

/* With the lock, when nobody fetches. */
static mofka_status_t fetch_alone(mofka_consumer_t *consumer, int64_t deadline) {
    mfi_consumer_begin_turn(consumer);
    mofka_status_t status = fetch(consumer, deadline);
    mfi_consumer_end_turn(consumer);
    if (status == MOFKA_ERR_COMPLETE)
        consumer->ended = true;
    return status;
}

/* Fetch ahead, in a worker. An error is left for the pull that meets it again. */
static void prefetch(void *context) {
    mofka_consumer_t *consumer = context;
    mofka_status_t status = MOFKA_OK;
    pthread_mutex_lock(&consumer->lock);
    while (!status && !consumer->fetching && !consumer->ended && !mfi_consumer_is_over(consumer) &&
           consumer->ready_runs < consumer->options.max_batches)
        status = fetch_alone(consumer, 0);
    consumer->prefetching = false;
    pthread_mutex_unlock(&consumer->lock);
    mfi_consumer_drop(consumer);
}

/* With the lock: let a worker fetch ahead, if there is one and too little is ready. */
static bool wants_prefetch(mofka_consumer_t *consumer) {
    if (consumer->ready_runs >= consumer->options.max_batches || consumer->prefetching ||
        consumer->fetching || consumer->ended || mfi_consumer_is_over(consumer) ||
        !consumer->workers)
        return false;
    return consumer->prefetching = true;
}

/* Without the lock. */
static void start_prefetch(mofka_consumer_t *consumer) {
    mfi_consumer_keep(consumer);
    if (mofka_thread_pool_push_work(consumer->options.thread_pool, prefetch, consumer,
                                    MOFKA_PRIORITY_DEFAULT) == MOFKA_OK)
        return;
    pthread_mutex_lock(&consumer->lock); /* the pool is closed: pulls fetch for themselves */
    consumer->prefetching = false;
    pthread_mutex_unlock(&consumer->lock);
    mfi_consumer_drop(consumer);
}

/* With the lock: fetch, or wait for the thread that does. Fetch's hard errors are returned. */
mofka_status_t mfi_consumer_advance(mofka_consumer_t *consumer, int64_t deadline) {
    mofka_status_t status = mfi_consumer_check_caller(consumer);
    if (status)
        return status;
    if (consumer->fetching)
        mfi_cond_wait(&consumer->changed, &consumer->lock, deadline);
    else
        status = fetch_alone(consumer, deadline);
    mfi_requests_serve_and_drop(consumer);
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_COMPLETE ? MOFKA_OK : status;
}

/* An event of which the selection failed is passed over, with its error. */
static mofka_status_t pass_over(mofka_event_t *event) {
    mofka_status_t status = event->status;
    mofka_fail(status, "%s", event->message ? event->message : mofka_status_text(status));
    mofka_event_release(event);
    return status;
}

/* With the lock: an event or the end, if there is one for a caller without a request. */
static bool take(mofka_consumer_t *consumer, mofka_event_t **event, mofka_status_t *status) {
    *status = MOFKA_OK;
    if (mfi_consumer_is_over(consumer)) {
        *status = mofka_fail(MOFKA_ERR_CLOSED, "consumer '%s' is closed", consumer->name);
        return true;
    }
    if ((*event = mfi_consumer_pop(consumer)))
        return true;
    if (!consumer->ended)
        return false;
    mfi_run_t *end;
    *status = mfi_run_create(consumer, NULL, &end);
    if (!*status)
        *event = end->events;
    return true;
}

/* With the lock: wait for an event or the end. */
static mofka_status_t wait_and_take(mofka_consumer_t *consumer, int64_t timeout_ms,
                                    mofka_event_t **event) {
    int64_t deadline = 0;
    mofka_status_t status;
    while (!take(consumer, event, &status) && !status) {
        if (deadline == 0)
            deadline = mfi_deadline(timeout_ms);
        else if (mfi_remaining(deadline) == 0)
            status =
                mofka_fail(MOFKA_ERR_TIMEOUT, "topic '%s', consumer '%s': no event within %lld ms",
                           consumer->topic->name, consumer->name, (long long)timeout_ms);
        if (!status)
            status = mfi_consumer_advance(consumer, deadline);
        if (status)
            break;
    }
    return status;
}

mofka_status_t mofka_consumer_pull_many(mofka_consumer_t *consumer, size_t events_max,
                                        int64_t timeout_ms, mofka_event_t **events, size_t *count) {
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    if (!status && events_max == 0)
        status = mofka_fail(MOFKA_ERR_RANGE, "pulling at most 0 events; 1 or more");
    if (status)
        return status;
    mofka_event_t *first = NULL;
    size_t taken = 1;
    pthread_mutex_lock(&consumer->lock);
    status = wait_and_take(consumer, timeout_ms, &first);
    if (first && !first->status) /* one that failed is another pull's to tell */
        for (events[0] = first; taken < events_max && consumer->first && !consumer->first->status;)
            events[taken++] = mfi_consumer_pop(consumer);
    bool more = first && wants_prefetch(consumer);
    pthread_mutex_unlock(&consumer->lock);
    if (more)
        start_prefetch(consumer);
    if (!status && first->status)
        status = pass_over(first);
    if (!status)
        *count = taken;
    return status;
}

mofka_status_t mofka_consumer_pull(mofka_consumer_t *consumer, int64_t timeout_ms,
                                   mofka_event_t **event) {
    size_t one;
    mofka_event_t *pulled;
    mofka_status_t status = mofka_consumer_pull_many(consumer, 1, timeout_ms, &pulled, &one);
    if (!status)
        *event = pulled;
    return status;
}
