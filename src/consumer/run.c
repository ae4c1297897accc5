/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs: what was fetched at once becomes events, and lives until the last of them is released.
 * Path: pull 3/7. Before: mpi/consumer/read_run.c. After: consumer/select.c.
 *
 * Automatic acknowledgement and zero-copy count releases. Each partition keeps a list of its runs; a
 * released event marks itself, and the list advances as far as everything is marked. So an event that
 * is held holds back the acknowledgement of later ones.
 */
#include <stdlib.h>
#include <string.h>
#include "consumer/consumer.h"
#include <mofka/backend.h>

/* ---- creating ---------------------------------------------------------------------------------- */

/* Written in one pass, in the order of memory. */
mofka_status_t mfi_run_create(mofka_consumer_t *consumer, mofka_run_t *from, mfi_run_t **out) {
    size_t count = from ? from->event_count : 1;
    mfi_run_t *run = malloc(sizeof *run + count * sizeof run->events[0]);
    if (!run)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu events", count);
    mfi_consumer_keep(consumer);
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
        event->message = NULL;
        event->status = MOFKA_OK;
        event->released = event->held = false;
    }
    *out = run;
    return MOFKA_OK;
}

void mfi_run_free(mfi_run_t *run) {
    mofka_consumer_t *consumer = run->consumer;
    if (run->run && !mfi_is_marked(consumer))
        consumer->ops->release_run(consumer->self, run->run);
    free(run);
    mfi_consumer_drop(consumer);
}

/* ---- taking what was fetched, in the fetching thread ------------------------------------------- */

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

mofka_status_t mfi_run_take(mofka_consumer_t *consumer, mofka_run_t *fetched) {
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

/* ---- counting releases ------------------------------------------------------------------------- */

/* Mark the event, pass what is passed; with the consumer's lock. `*passed` runs are to be dropped. */
static void pass(mofka_consumer_t *consumer, mofka_event_t *event, mfi_run_t **passed) {
    mfi_partition_t *partition = &consumer->partitions[event->run->partition];
    event->released = true;
    consumer->held -= event->held;
    for (mfi_run_t *run = partition->first; run; run = partition->first) {
        while (run->released_prefix < run->count && run->events[run->released_prefix].released)
            partition->released = run->run->events[run->released_prefix++].id + 1;
        if (run->released_prefix < run->count)
            break;
        partition->first = run->next;
        if (!partition->first)
            partition->last = NULL;
        run->next = *passed;
        *passed = run;
    }
}

/* With the lock: the next id of which the backend must not be told yet. */
static uint64_t let_go_of(const mofka_consumer_t *consumer, const mfi_partition_t *partition) {
    bool both = consumer->options.acknowledge == MOFKA_ACKNOWLEDGE_MANUAL;
    return both && partition->acknowledged < partition->released ? partition->acknowledged
                                                                 : partition->released;
}

static mofka_status_t tell(mofka_consumer_t *consumer, size_t partition, uint64_t next) {
    return next ? consumer->ops->acknowledge(consumer->self, partition, next - 1) : MOFKA_OK;
}

void mfi_run_count_release(mofka_event_t *event) {
    mofka_consumer_t *consumer = event->run->consumer;
    if (mfi_is_marked(consumer)) /* the backend is another process's, or gone */
        return;
    mfi_run_t *passed = NULL;
    size_t partition = event->run->partition;
    pthread_mutex_lock(&consumer->lock);
    pass(consumer, event, &passed);
    /* What close drops was not seen by anyone: it is not acknowledged. */
    uint64_t next = consumer->closed ? 0 : let_go_of(consumer, &consumer->partitions[partition]);
    pthread_mutex_unlock(&consumer->lock);
    tell(consumer, partition, next);
    while (passed) {
        mfi_run_t *later = passed->next;
        mfi_run_drop(passed);
        passed = later;
    }
}

/* Zero-copy, manual: the memory of what is still held must not go. */
mofka_status_t mfi_run_count_acknowledgement(const mofka_event_t *event) {
    mofka_consumer_t *consumer = event->run->consumer;
    mfi_partition_t *partition = &consumer->partitions[event->run->partition];
    pthread_mutex_lock(&consumer->lock);
    if (partition->acknowledged <= mfi_event_from(event)->id)
        partition->acknowledged = mfi_event_from(event)->id + 1;
    uint64_t next = let_go_of(consumer, partition);
    pthread_mutex_unlock(&consumer->lock);
    return tell(consumer, event->run->partition, next);
}
