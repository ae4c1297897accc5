/*
 * Consumers: pull requests meet fetched events. The picture is in consumer.h.
 * Path: pull 1/7. Before: the caller. After: mpi_index.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "consumer.h"

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
    return mofka_serializer_deserialize(consumer->topic->serializer, &archive, from->metadata_bytes,
                                        &run->events[index].deserialized);
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

static void enqueue(mofka_consumer_t *consumer, mfi_run_t *run, size_t overtaken) {
    mfi_partition_t *partition = &consumer->partitions[run->partition];
    count_lost(consumer, run->partition, run->run->lost + overtaken);
    if (mfi_counts_releases(consumer)) {
        atomic_fetch_add(&run->users, 1);
        if (partition->last)
            partition->last->next = run;
        else
            partition->first = run;
        partition->last = run;
    }
    consumer->ready_runs += overtaken < run->count;
    for (size_t i = overtaken; i < run->count; i++) {
        mofka_event_t *event = &run->events[i];
        event->lost = partition->lost;
        partition->lost = 0;
        if (consumer->last)
            consumer->last->next = event;
        else
            consumer->first = event;
        consumer->last = event;
    }
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
    pthread_mutex_lock(&consumer->lock);
    enqueue(consumer, run, overtaken);
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
    if (status == MOFKA_ERR_TIMEOUT) {
        mofka_status_t published =
            consumer->ops->publish ? consumer->ops->publish(consumer->self) : MOFKA_OK;
        if (published)
            return published;
        int64_t left = mfi_remaining(deadline);
        if (left == 0)
            return MOFKA_ERR_TIMEOUT;
        status = consumer->ops->wait(consumer->self,
                                     left < 0 || left > WAIT_SLICE_MS ? WAIT_SLICE_MS : left);
        if (!status)
            status = consumer->ops->fetch(consumer->self, most, &run);
    }
    return status ? status : take_run(consumer, run);
}

/* ---- handing out ----------------------------------------------------------------------------- */

/* The FIFO keeps each run's events together: one that comes back (abandoned) goes to the front. */
static mofka_event_t *pop(mofka_consumer_t *consumer) {
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

static mofka_future_t *pop_request(mofka_consumer_t *consumer) {
    mofka_future_t *future = consumer->first_request;
    if (future) {
        consumer->first_request = future->next;
        if (!consumer->first_request)
            consumer->last_request = NULL;
        future->next = NULL;
    }
    return future;
}

/* With the lock. */
static bool is_over(const mofka_consumer_t *consumer) {
    return consumer->closed || consumer->unsubscribed;
}

/* With the lock: the oldest requests get what is ready. What must be let go of without the lock is
 * linked into *done. Requests that only this list still holds are abandoned ones. */
static void serve(mofka_consumer_t *consumer, mofka_future_t **done) {
    bool over = is_over(consumer);
    while (consumer->first_request && (consumer->first || consumer->ended || over)) {
        mofka_future_t *future = pop_request(consumer);
        future->next = *done;
        *done = future;
        if (atomic_load(&future->object.count) == 1)
            continue;
        mofka_event_t *event = over ? NULL : pop(consumer);
        mofka_status_t status = event ? event->status : MOFKA_OK;
        mofka_result_t result = {.event = status ? NULL : event};
        future->batch = status ? event : NULL; /* nobody gets it */
        const char *message = event ? event->message : "the consumer is closed";
        if (over) {
            status = MOFKA_ERR_CLOSED;
        } else if (!event) {
            mfi_run_t *end;
            status = mfi_run_create(consumer, NULL, &end);
            message = "no memory for the end event";
            result.event = status ? NULL : end->events;
        }
        if (!status && event) {
            result.event_id = mofka_event_id(event);
            result.partition = event->run->partition;
        }
        mfi_future_complete(future, status, message, MOFKA_STORED, &result);
    }
}

static void drop_requests(mofka_future_t *done) {
    while (done) {
        mofka_future_t *next = done->next;
        mofka_event_t *passed_over = done->batch;
        done->next = NULL;
        mofka_future_release(done);
        mofka_event_release(passed_over);
        done = next;
    }
}

/* With the lock, let go meanwhile. */
static void serve_and_drop(mofka_consumer_t *consumer) {
    mofka_future_t *done = NULL;
    serve(consumer, &done);
    if (!done)
        return;
    pthread_mutex_unlock(&consumer->lock);
    drop_requests(done);
    pthread_mutex_lock(&consumer->lock);
}

/* With the lock: whether a callback of this thread's own fetch calls. */
static mofka_status_t check_caller(const mofka_consumer_t *consumer) {
    if (!consumer->fetching || !pthread_equal(consumer->fetcher, pthread_self()))
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_BUSY,
                      "consumer '%s' fetches: a callback of that cannot wait for it",
                      consumer->name);
}

/* With the lock, when nobody fetches. */
static void begin_turn(mofka_consumer_t *consumer) {
    consumer->fetching = true;
    consumer->fetcher = pthread_self();
    pthread_mutex_unlock(&consumer->lock);
}

static void end_turn(mofka_consumer_t *consumer) {
    pthread_mutex_lock(&consumer->lock);
    consumer->fetching = false;
    pthread_cond_broadcast(&consumer->changed);
}

/* With the lock, when nobody fetches. */
static mofka_status_t fetch_alone(mofka_consumer_t *consumer, int64_t deadline) {
    begin_turn(consumer);
    mofka_status_t status = fetch(consumer, deadline);
    end_turn(consumer);
    if (status == MOFKA_ERR_COMPLETE)
        consumer->ended = true;
    return status;
}

/* Fetch ahead, in a worker. An error is left for the pull that meets it again. */
static void prefetch(void *context) {
    mofka_consumer_t *consumer = context;
    mofka_status_t status = MOFKA_OK;
    pthread_mutex_lock(&consumer->lock);
    while (!status && !consumer->fetching && !consumer->ended && !is_over(consumer) &&
           consumer->ready_runs < consumer->options.max_batches)
        status = fetch_alone(consumer, 0);
    consumer->prefetching = false;
    pthread_mutex_unlock(&consumer->lock);
    mfi_consumer_drop(consumer);
}

/* With the lock: let a worker fetch ahead, if there is one and too little is ready. */
static bool wants_prefetch(mofka_consumer_t *consumer) {
    if (consumer->ready_runs >= consumer->options.max_batches || consumer->prefetching ||
        consumer->fetching || consumer->ended || is_over(consumer) || !consumer->workers)
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
static mofka_status_t advance(mofka_consumer_t *consumer, int64_t deadline) {
    mofka_status_t status = check_caller(consumer);
    if (status)
        return status;
    if (consumer->fetching)
        mfi_cond_wait(&consumer->changed, &consumer->lock, deadline);
    else
        status = fetch_alone(consumer, deadline);
    serve_and_drop(consumer);
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_COMPLETE ? MOFKA_OK : status;
}

static mofka_status_t give(mofka_event_t *event, mofka_event_t **out) {
    mofka_status_t status = event->status;
    if (status) {
        mofka_fail(status, "%s", event->message ? event->message : mofka_status_text(status));
        mofka_event_release(event);
        return status;
    }
    *out = event;
    return MOFKA_OK;
}

/* With the lock: an event or the end, if there is one for a caller without a request. */
static bool take(mofka_consumer_t *consumer, mofka_event_t **event, mofka_status_t *status) {
    *status = MOFKA_OK;
    if (is_over(consumer)) {
        *status = mofka_fail(MOFKA_ERR_CLOSED, "consumer '%s' is closed", consumer->name);
        return true;
    }
    if ((*event = pop(consumer)))
        return true;
    if (!consumer->ended)
        return false;
    mfi_run_t *end;
    *status = mfi_run_create(consumer, NULL, &end);
    if (!*status)
        *event = end->events;
    return true;
}

mofka_status_t mofka_consumer_pull(mofka_consumer_t *consumer, int64_t timeout_ms,
                                   mofka_event_t **out) {
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    if (status)
        return status;
    int64_t deadline = 0;
    mofka_event_t *event = NULL;
    pthread_mutex_lock(&consumer->lock);
    while (!take(consumer, &event, &status) && !status) {
        if (deadline == 0)
            deadline = mfi_deadline(timeout_ms);
        else if (mfi_remaining(deadline) == 0)
            status =
                mofka_fail(MOFKA_ERR_TIMEOUT, "no event within %lld ms", (long long)timeout_ms);
        if (!status)
            status = advance(consumer, deadline);
        if (status)
            break;
    }
    bool more = event && wants_prefetch(consumer);
    pthread_mutex_unlock(&consumer->lock);
    if (more)
        start_prefetch(consumer);
    return status ? status : give(event, out);
}

/* ---- requests -------------------------------------------------------------------------------- */

static mofka_status_t drive(void *owner, mofka_future_t *future, int64_t timeout_ms) {
    mofka_consumer_t *consumer = owner;
    int64_t deadline = mfi_deadline(timeout_ms);
    mofka_status_t status = MOFKA_OK;
    pthread_mutex_lock(&consumer->lock);
    serve_and_drop(consumer);
    while (!status && !atomic_load(&future->done)) {
        status = advance(consumer, deadline);
        if (mfi_remaining(deadline) == 0)
            break;
    }
    pthread_mutex_unlock(&consumer->lock);
    return status;
}

/* With the lock: back among what is ready, before later events of its partition. */
static void put_back(mofka_consumer_t *consumer, mofka_event_t *event) {
    mofka_event_t **at = &consumer->first, *before = NULL;
    while (*at && (*at)->run->partition == event->run->partition &&
           mofka_event_id(*at) < mofka_event_id(event)) {
        before = *at;
        at = &before->next;
    }
    bool joins = (before && before->run == event->run) || (*at && (*at)->run == event->run);
    consumer->ready_runs += !joins;
    event->next = *at;
    *at = event;
    if (!event->next)
        consumer->last = event;
    event->held = false;
    consumer->held--;
    pthread_cond_broadcast(&consumer->changed);
}

/* Nobody took its event: a later pull gets it. */
static void abandoned(void *owner, mofka_future_t *future) {
    mofka_consumer_t *consumer = owner;
    mofka_event_t *event = future->result.event;
    if (!event || atomic_load(&future->taken))
        return;
    pthread_mutex_lock(&consumer->lock);
    bool back = event->run->run && !consumer->closed;
    if (back)
        put_back(consumer, event);
    pthread_mutex_unlock(&consumer->lock);
    if (!back)
        mofka_event_release(event);
}

static void owner_retain(void *consumer) {
    mfi_consumer_keep(consumer);
}

static void owner_release(void *consumer) {
    mfi_consumer_drop(consumer);
}

const mfi_future_ops_t mfi_pull_future_ops = {.drive = drive,
                                              .owner_retain = owner_retain,
                                              .owner_release = owner_release,
                                              .abandoned = abandoned};

mofka_status_t mofka_consumer_pull_future(mofka_consumer_t *consumer, mofka_future_t **out) {
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    mofka_future_t *future;
    if (!status)
        status = mfi_future_create(&mfi_pull_future_ops, consumer, &future);
    if (status)
        return status;
    pthread_mutex_lock(&consumer->lock);
    bool closed = is_over(consumer);
    if (!closed) {
        mofka_future_retain(future);
        if (consumer->last_request)
            consumer->last_request->next = future;
        else
            consumer->first_request = future;
        consumer->last_request = future;
    }
    pthread_mutex_unlock(&consumer->lock);
    if (closed) {
        mofka_future_release(future);
        return mofka_fail(MOFKA_ERR_CLOSED, "consumer '%s' is closed", consumer->name);
    }
    *out = future;
    return MOFKA_OK;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* With the lock, let go on success: say why, end what is fetched for others, take the turn. */
static mofka_status_t take_last_turn(mofka_consumer_t *consumer, _Atomic bool *why) {
    mofka_status_t status = check_caller(consumer);
    if (!status && consumer->options.zero_copy && consumer->held > 0)
        status = mofka_fail(MOFKA_ERR_BUSY,
                            "%zu events of zero-copy consumer '%s' are held: release them first",
                            consumer->held, consumer->name);
    if (status)
        return status;
    *why = true;
    pthread_cond_broadcast(&consumer->changed);
    while (consumer->fetching)
        pthread_cond_wait(&consumer->changed, &consumer->lock);
    mofka_future_t *done = NULL;
    serve(consumer, &done);
    begin_turn(consumer);
    drop_requests(done);
    return MOFKA_OK;
}

mofka_status_t mofka_consumer_unsubscribe(mofka_consumer_t *consumer) {
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    if (status)
        return status;
    pthread_mutex_lock(&consumer->lock);
    if (consumer->closed)
        status = mofka_fail(MOFKA_ERR_CLOSED, "consumer '%s' is closed", consumer->name);
    else
        status = take_last_turn(consumer, &consumer->unsubscribed);
    if (!status) {
        if (consumer->gone) /* closed while this waited for its turn */
            status = mofka_fail(MOFKA_ERR_CLOSED, "consumer '%s' is closed", consumer->name);
        else if (!consumer->forgotten)
            status = consumer->ops->unsubscribe(consumer->self);
        consumer->forgotten |= !status;
        end_turn(consumer);
    }
    pthread_mutex_unlock(&consumer->lock);
    return status;
}

static void drop_ready(mofka_consumer_t *consumer) {
    pthread_mutex_lock(&consumer->lock);
    mofka_event_t *events = consumer->first;
    consumer->first = consumer->last = NULL;
    consumer->ready_runs = 0;
    pthread_mutex_unlock(&consumer->lock);
    while (events) {
        mofka_event_t *next = events->next;
        mofka_event_release(events);
        events = next;
    }
}

/* In its turn, without the lock. After a time-out it is done again. */
static mofka_status_t end_backend(mofka_consumer_t *consumer) {
    drop_ready(consumer);
    if (consumer->untaken)
        consumer->ops->release_run(consumer->self, consumer->untaken);
    consumer->untaken = NULL;
    mofka_status_t status = consumer->ops->close(consumer->self);
    consumer->gone = status != MOFKA_ERR_TIMEOUT;
    if (consumer->gone)
        mfi_driver_remove_child(consumer->topic->driver, &consumer->child);
    return status;
}

/* Who comes second waits for its turn, and finds it done. */
mofka_status_t mfi_consumer_end(mofka_consumer_t *consumer) {
    pthread_mutex_lock(&consumer->lock);
    mofka_status_t status = take_last_turn(consumer, &consumer->closed);
    if (!status) {
        if (!consumer->gone)
            status = end_backend(consumer);
        end_turn(consumer);
    }
    pthread_mutex_unlock(&consumer->lock);
    return status;
}

mofka_status_t mofka_consumer_close(mofka_consumer_t *consumer) {
    mofka_status_t status = mfi_check(consumer, MFI_CONSUMER, "consumer");
    return status ? status : mfi_consumer_end(consumer);
}
