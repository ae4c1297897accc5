/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A consumer of an MPI topic: it is created and closed, fetches from its partitions in turn, and
 * takes acknowledgements.
 *
 * A named consumer has one place in each partition's table (reader.c). read_run.c reads its runs,
 * data.c their data.
 *
 * If a rank stops while its consumer is live, the name stays taken. Retention "acknowledged" waits
 * for that consumer, and producers report its name.
 */
#include "mpi/consumer/consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <mofka/backend.h>

/* Copied data of a run, at most: see MMI_RUN_EVENTS_MAX. */
#define RUN_DATA_BYTES ((size_t)1 << 18)
/* The same from another node's memory, where each run costs round trips. */
#define FAR_RUN_DATA_BYTES ((size_t)1 << 21)

bool mmi_consumer_is_near(const mmi_consumer_t *c) {
    bool near = true;
    for (size_t i = 0; i < c->reader_count; i++)
        near &= mmi_window_is_near(c->readers[i].p->w, c->readers[i].p->owner);
    return near;
}

bool mmi_consumer_has_addresses(const mmi_consumer_t *c) {
    bool all = true;
    for (size_t i = 0; i < c->reader_count; i++)
        all &= c->readers[i].p->w->ops->has_addresses;
    return all;
}

bool mmi_consumer_wants_trim(const mmi_consumer_t *c) {
    bool wants = false;
    for (size_t i = 0; i < c->reader_count; i++)
        wants |= c->readers[i].trim_to.events != 0;
    return wants;
}

void mmi_consumer_trim(mmi_consumer_t *c) {
    for (size_t i = 0; i < c->reader_count; i++)
        mmi_reader_trim(&c->readers[i]);
}

/* How readers work: with the ring alone, or with files behind it. */
typedef struct consumer_way {
    mofka_status_t (*fetch)(mmi_reader_t *r, size_t events_max, mmi_form_t form, mofka_run_t **run);
    mofka_status_t (*has_ended)(mmi_reader_t *r, bool *ended);
    mofka_status_t (*publish)(mmi_reader_t *r, bool all);
    void (*release_run)(void *self, mofka_run_t *run);
} consumer_way_t;

static void mmi_consumer_release_run(void *self, mofka_run_t *run) {
    (void)self;
    free(run->backend);
}

static const consumer_way_t ring_way = {mmi_reader_fetch, mmi_reader_has_ended, mmi_reader_publish,
                                        mmi_consumer_release_run};
static const consumer_way_t files_way = {mmi_behind_fetch, mmi_behind_has_ended, mmi_behind_publish,
                                         mmi_behind_release_run};
/* So each way has its own copy of what is called for each run. */
#define OF_A_WAY static inline __attribute__((always_inline))

/* Publish what a reader has acknowledged, and move its partition's head. */
OF_A_WAY void mmi_consumer_publish_reader(mmi_consumer_t *c, mmi_reader_t *r,
                                          const consumer_way_t *way) {
    way->publish(r, false);
    if (!c->trims_later)
        mmi_reader_trim(r);
}

/* Readers without events, too: one that finds nothing may hold producers up. */
OF_A_WAY void mmi_consumer_publish_batches(mmi_consumer_t *c, const consumer_way_t *way) {
    for (size_t i = 0; i < c->reader_count; i++)
        mmi_consumer_publish_reader(c, &c->readers[i], way);
}

/* Batches whose flags were not settled when they were acknowledged: a producer may wait for their
 * room. */
OF_A_WAY void mmi_consumer_publish_held(mmi_consumer_t *c, const consumer_way_t *way) {
    for (size_t i = 0; i < c->reader_count; i++)
        if (c->readers[i].held != 0)
            mmi_consumer_publish_reader(c, &c->readers[i], way);
}

/* No reader has events: report losses that no run has reported, in a run without events. `status`:
 * there are none. */
OF_A_WAY mofka_status_t mmi_consumer_report_losses(mmi_consumer_t *c, mofka_status_t status,
                                                   const consumer_way_t *way, mofka_run_t **out) {
    for (size_t i = 0; i < c->reader_count; i++) {
        mmi_reader_t *r = &c->readers[i];
        mmi_run_t *run = r->lost ? mmi_run_create(r, 0, 0, 0) : NULL;
        if (!run)
            continue;
        run->run.lost = r->lost;
        r->lost = 0;
        *out = &run->run;
        mmi_consumer_publish_batches(c, way);
        return MOFKA_OK;
    }
    return status;
}

/* An index that is too large by less than the number of readers. */
static inline size_t mmi_consumer_wrap(const mmi_consumer_t *c, size_t index) {
    return index < c->reader_count ? index : index - c->reader_count;
}

/* What the reader has fetched counts only if retention has waited for it. */
OF_A_WAY mofka_status_t mmi_consumer_fetch_one(mmi_reader_t *r, size_t events_max, mmi_form_t form,
                                               const consumer_way_t *way, mofka_run_t **run) {
    mofka_status_t status = way->fetch(r, events_max, form, run);
    if (!mmi_reader_is_evicted(r))
        return status;
    if (!status)
        way->release_run(NULL, *run);
    return mmi_reader_fail_evicted(r);
}

OF_A_WAY mofka_status_t mmi_consumer_fetch_form(mmi_consumer_t *c, size_t events_max,
                                                mmi_form_t form, const consumer_way_t *way,
                                                mofka_run_t **run) {
    size_t ended = 0;
    mofka_status_t allowed = c->reader_count ? mmi_window_may_call(c->readers[0].p->w) : MOFKA_OK;
    if (allowed)
        return allowed;
    if (events_max > MMI_RUN_EVENTS_MAX)
        events_max = MMI_RUN_EVENTS_MAX;
    mmi_consumer_publish_held(c, way);
    for (size_t i = 0; i < c->reader_count; i++) {
        assert(c->turn < c->reader_count);
        size_t index = mmi_consumer_wrap(c, c->turn + i);
        mmi_reader_t *r = &c->readers[index];
        mofka_status_t status = mmi_consumer_fetch_one(r, events_max, form, way, run);
        bool end = false;
        if (status == MOFKA_ERR_TIMEOUT && way->has_ended(r, &end))
            status = MOFKA_ERR_CORRUPT; /* has_ended left the message */
        if (status != MOFKA_ERR_TIMEOUT) {
            c->nap_us = 0;
            c->turn = mmi_consumer_wrap(c, index + 1);
            mmi_consumer_publish_batches(c, way);
            return status;
        }
        ended += end;
    }
    return mmi_consumer_report_losses(
        c, ended == c->reader_count ? MOFKA_ERR_COMPLETE : MOFKA_ERR_TIMEOUT, way, run);
}

static mofka_status_t mmi_consumer_fetch(void *self, size_t events_max, mofka_run_t **run) {
    return mmi_consumer_fetch_form(self, events_max, MMI_FORM_TERMINATED, &ring_way, run);
}

static mofka_status_t mmi_consumer_fetch_files(void *self, size_t events_max, mofka_run_t **run) {
    return mmi_consumer_fetch_form(self, events_max, MMI_FORM_TERMINATED, &files_way, run);
}

static mofka_status_t mmi_consumer_fetch_unterminated(void *self, size_t events_max,
                                                      mofka_run_t **run) {
    mmi_consumer_t *c = self;
    bool shows = c->reader_count > 0 && c->readers[0].shows;
    return mmi_consumer_fetch_form(c, events_max, shows ? MMI_FORM_IN_PLACE : MMI_FORM_PACKED,
                                   &ring_way, run);
}

/* NULL: the partition is not one of this consumer's. */
static mmi_reader_t *mmi_consumer_reader(const mmi_consumer_t *c, size_t partition) {
    return partition < c->partition_count ? c->by_partition[partition] : NULL;
}

static mofka_status_t mmi_consumer_acknowledge(void *self, size_t partition, uint64_t id) {
    mmi_consumer_t *c = self;
    mmi_reader_t *r = mmi_consumer_reader(c, partition);
    if (!r)
        return mofka_fail(MOFKA_ERR_RANGE, "this consumer does not read partition %zu", partition);
    mmi_reader_acknowledge(r, id + 1);
    return MOFKA_OK;
}

static mofka_status_t mmi_consumer_acknowledged(void *self, size_t partition, uint64_t *next) {
    mmi_consumer_t *c = self;
    mmi_reader_t *r = mmi_consumer_reader(c, partition);
    if (!r)
        return MOFKA_ERR_RANGE;
    *next = atomic_load(&r->acknowledged);
    return MOFKA_OK;
}

static uint64_t mmi_consumer_metadata_damaged(void *self) {
    mmi_consumer_t *c = self;
    uint64_t sum = 0;
    for (size_t i = 0; i < c->reader_count; i++)
        sum += atomic_load_explicit(&c->readers[i].metadata_damaged, memory_order_relaxed);
    return sum;
}

static uint64_t mmi_consumer_voided(void *self) {
    mmi_consumer_t *c = self;
    uint64_t sum = 0;
    for (size_t i = 0; i < c->reader_count; i++)
        sum += atomic_load_explicit(&c->readers[i].voided, memory_order_relaxed);
    return sum;
}

static mofka_status_t mmi_consumer_publish(void *self) {
    mmi_consumer_t *c = self;
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < c->reader_count && !status; i++)
        status = (c->topic->store ? mmi_behind_publish : mmi_reader_publish)(&c->readers[i], true);
    mmi_consumer_trim(c);
    return status;
}

/* All readers leave; the first error of any. */
static mofka_status_t mmi_consumer_leave(mmi_consumer_t *c, uint64_t state) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < c->reader_count; i++) {
        mofka_status_t one =
            mmi_reader_leave(&c->readers[i], state, mmi_deadline(MMI_LOCK_TIMEOUT_MS));
        status = status ? status : one;
    }
    c->unsafe = c->payload && mmi_consumer_check(c);
    return status;
}

/* Ending is refused to a thread that may not call MPI: it is not over, and another thread may try
 * again. */
static mofka_status_t mmi_consumer_may_end(const mmi_consumer_t *c) {
    bool may = c->reader_count == 0 || !mmi_window_may_call(c->readers[0].p->w);
    return may ? MOFKA_OK : mofka_fail(MOFKA_ERR_TIMEOUT, "%s", mofka_last_error());
}

/* It uses the topic no more. `status`, which has the message, or the error of this. */
static mofka_status_t mmi_consumer_leave_topic(mmi_consumer_t *c, mofka_status_t status) {
    if (!c->entered)
        return status;
    c->entered = false;
    if (!status)
        return mmi_topic_leave(c->topic);
    char message[MOFKA_MESSAGE_BYTES_MAX + 1];
    snprintf(message, sizeof message, "%s", mofka_last_error());
    (void)mmi_topic_leave(c->topic); /* the first error counts */
    return mofka_fail(status, "%s", message);
}

/* Its places are left or freed: end the rest. `status`: the first error so far. */
static mofka_status_t mmi_consumer_end(mmi_consumer_t *c, mofka_status_t status) {
    mofka_status_t ended = mmi_consumer_end_rings(c);
    c->closing = true;
    return mmi_consumer_leave_topic(c, status ? status : ended);
}

static mofka_status_t mmi_consumer_unsubscribe(void *self) {
    mofka_status_t status = mmi_consumer_may_end(self);
    return status ? status : mmi_consumer_end(self, mmi_consumer_leave(self, MMI_CONSUMER_FREE));
}

static mofka_status_t mmi_consumer_close(void *self) {
    mofka_status_t status = mmi_consumer_may_end(self);
    if (status)
        return status;
    status = mmi_consumer_publish(self);
    mofka_status_t left = mmi_consumer_leave(self, MMI_CONSUMER_AWAY);
    return mmi_consumer_end(self, status ? status : left);
}

mofka_status_t mmi_consumer_check(const mmi_consumer_t *c) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < c->reader_count && !status; i++)
        status = mmi_window_check(c->readers[i].p->w, c->readers[i].p->owner);
    return status;
}

static void mmi_consumer_destroy(void *self) {
    mmi_consumer_t *c = self;
    for (size_t i = 0; i < c->reader_count; i++)
        mmi_reader_destroy(&c->readers[i]);
    if (c->unsafe) /* the window may be gone by now, so it is not asked */
        return;
    free(c->entries);
    free(c->sums);
    free(c->payload);
    free(c->by_partition);
    free(c->pieces);
    mmi_behind_free(c);
    free(c);
}

/* One that was not given to the user still is a user of the topic. */
static void mmi_consumer_end_and_destroy(void *self) {
    mmi_consumer_t *c = self;
    if (!c->closing)
        (void)mmi_consumer_leave_topic(c, MOFKA_OK);
    mmi_consumer_destroy(c);
}

static const mofka_consumer_ops_t consumer_ops = {
    .size = sizeof consumer_ops,
    .fetch = mmi_consumer_fetch,
    .get_data = mmi_consumer_get_data,
    .view_data = mmi_consumer_view_data,
    .finish_data = mmi_consumer_finish_data,
    .wait = mmi_consumer_wait,
    .release_run = mmi_consumer_release_run,
    .acknowledge = mmi_consumer_acknowledge,
    .acknowledged = mmi_consumer_acknowledged,
    .publish = mmi_consumer_publish,
    .unsubscribe = mmi_consumer_unsubscribe,
    .close = mmi_consumer_close,
    .destroy = mmi_consumer_end_and_destroy,
    .skip_damaged = mmi_consumer_skip_damaged,
    .describe_wait = mmi_consumer_describe_wait,
    .metadata_damaged = mmi_consumer_metadata_damaged,
    .fetch_unterminated = mmi_consumer_fetch_unterminated,
    .voided = mmi_consumer_voided,
    .seek = mmi_consumer_seek,
    .seek_time = mmi_consumer_seek_time,
};

/* Of topics with storage. */
static const mofka_consumer_ops_t files_consumer_ops = {
    .size = sizeof files_consumer_ops,
    .fetch = mmi_consumer_fetch_files,
    .get_data = mmi_behind_get_data,
    .finish_data = mmi_behind_finish_data,
    .wait = mmi_consumer_wait,
    .release_run = mmi_behind_release_run,
    .acknowledge = mmi_consumer_acknowledge,
    .acknowledged = mmi_consumer_acknowledged,
    .publish = mmi_consumer_publish,
    .unsubscribe = mmi_consumer_unsubscribe,
    .close = mmi_consumer_close,
    .destroy = mmi_consumer_end_and_destroy,
    .skip_damaged = mmi_consumer_skip_damaged,
    .describe_wait = mmi_consumer_describe_wait,
    .metadata_damaged = mmi_consumer_metadata_damaged,
    .seek = mmi_consumer_seek,
    .seek_time = mmi_consumer_seek_time,
    .rewound = mmi_consumer_rewound,
    .voided = mmi_consumer_voided,
};

static mofka_status_t mmi_consumer_check_zero_copy(const mmi_topic_t *topic,
                                                   const mofka_consumer_config_t *config,
                                                   bool observes) {
    const mmi_partition_t *p = &topic->partitions[0];
    size_t count = config->targets ? config->target_count : topic->partition_count;
    if (topic->store)
        return mofka_fail(
            MOFKA_ERR_UNSUPPORTED,
            "zero_copy needs a topic without \"storage\"; topic '%s' has it: its ring "
            "does not wait for consumers",
            p->topic);
    for (size_t i = 0; i < count; i++) {
        p = &topic->partitions[config->targets ? config->targets[i] : i];
        if (!p->w->ops->has_addresses)
            return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                              "zero_copy reads events where they are stored, which a \"%s\" window "
                              "does not allow for partition %zu of topic '%s'",
                              p->w->ops->name, p->index, p->topic);
    }
    if (observes)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "zero_copy needs a name that retention waits for, which a consumer that "
                          "observes does not have");
    if (p->retention == MMI_DISCARD_OLDEST)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "zero_copy needs retention \"acknowledged\"; topic '%s' has "
                          "\"discard_oldest\"",
                          p->topic);
    return MOFKA_OK;
}

static mmi_consumer_t *mmi_consumer_allocate(mmi_topic_t *topic, size_t readers) {
    assert(readers >= 1 && readers <= topic->partition_count);
    mmi_consumer_t *c = calloc(1, sizeof *c + readers * sizeof c->readers[0]);
    if (!c)
        return NULL;
    c->topic = topic;
    c->partition_count = topic->partition_count;
    c->entries = malloc(MMI_RUN_EVENTS_MAX * sizeof *c->entries);
    c->by_partition = calloc(topic->partition_count, sizeof(mmi_reader_t *));
    bool checksums = topic->partitions[0].checksums, guesses = !topic->w->ops->loads_are_cheap;
    c->sums = checksums ? malloc(MMI_RUN_EVENTS_MAX * sizeof *c->sums) : NULL;
    c->payload = guesses ? mmi_payload_create() : NULL;
    if (c->entries && c->by_partition && (c->sums || !checksums) && (c->payload || !guesses))
        return c;
    mmi_consumer_destroy(c);
    return NULL;
}

/* A join failed: leave what was joined, the partition whose join failed included. A new name is
 * freed. If that cannot be done, it is kept without a live consumer, so that a later join can take
 * it. */
static void mmi_consumer_undo_joins(mmi_consumer_t *c, size_t count) {
    for (size_t i = 0; i < count; i++) {
        mmi_reader_t *r = &c->readers[i];
        int64_t deadline = mmi_deadline(MMI_LOCK_TIMEOUT_MS);
        if (r->p && (!r->fresh || mmi_reader_leave(r, MMI_CONSUMER_FREE, deadline)))
            mmi_reader_leave(r, MMI_CONSUMER_AWAY, deadline);
        mmi_behind_close(r);
    }
}

void mmi_consumer_undo(void *self) {
    mmi_consumer_t *c = self;
    mmi_consumer_undo_joins(c, c->reader_count);
    (void)mmi_consumer_end_rings(c); /* it has not waited: nobody is asked */
    mmi_consumer_end_and_destroy(c);
}

/* The backend's options of a consumer. */
typedef struct consumer_options {
    bool skips_damaged;
    bool observes; /* it has no name in the window, and retention does not wait for it */
} consumer_options_t;

/* Join all partitions that were asked for. */
static mofka_status_t mmi_consumer_join(mmi_consumer_t *c, const mofka_consumer_config_t *config,
                                        size_t count, const consumer_options_t *options) {
    mmi_topic_t *topic = c->topic;
    mofka_status_t status = mmi_topic_enter(topic, mmi_deadline(MMI_DIRECTORY_READ_MS));
    c->entered = !status;
    for (; !status && c->reader_count < count; c->reader_count += !status) {
        size_t index = config->targets ? config->targets[c->reader_count] : c->reader_count;
        assert(index < topic->partition_count && !c->by_partition[index]);
        mmi_reader_t *r = &c->readers[c->reader_count];
        r->entries = c->entries;
        r->sums = c->sums;
        r->payload = topic->partitions[index].w->ops->loads_are_cheap ? NULL : c->payload;
        r->words = c->words;
        r->skips_damaged = options->skips_damaged;
        r->shows = config->zero_copy;
        r->run_data_bytes = !config->copies_data                              ? UINT64_MAX
                            : mmi_partition_is_far(&topic->partitions[index]) ? FAR_RUN_DATA_BYTES
                                                                              : RUN_DATA_BYTES;
        c->by_partition[index] = r;
        r->seen_at = r->watched_at = MMI_UNWATCHED;
        const mmi_partition_t *p = &topic->partitions[index];
        if (topic->store)
            status = mmi_behind_open(r, topic, index, mmi_deadline(MMI_DIRECTORY_READ_MS));
        if (!status)
            status = options->observes ? mmi_reader_observe(r, p, config->from_end)
                                       : mmi_reader_join(r, p, config->name, config->from_end,
                                                         mmi_deadline(MMI_LOCK_TIMEOUT_MS));
    }
    return status ? status : mmi_consumer_begin_rings(c);
}

mofka_status_t mmi_consumer_create(void *self, const mofka_consumer_config_t *config,
                                   const mofka_consumer_ops_t **ops, void **out) {
    mmi_topic_t *topic = self;
    consumer_options_t chosen = {0};
    const mofka_option_t options[] = {
        {.key = "skip_damaged", .kind = MOFKA_OPTION_BOOL, .value = &chosen.skips_damaged},
        {.key = "observe", .kind = MOFKA_OPTION_BOOL, .value = &chosen.observes}};
    mofka_status_t status = mofka_options_read("consumer of an MPI topic", config->options, options,
                                               sizeof options / sizeof options[0]);
    if (!status && chosen.observes && topic->store)
        status = mofka_fail(MOFKA_ERR_UNSUPPORTED,
                            "observe reads the ring, and topic '%s' has \"storage\": its consumers "
                            "hold no producer up",
                            topic->partitions[0].topic);
    if (!status && config->zero_copy)
        status = mmi_consumer_check_zero_copy(topic, config, chosen.observes);
    if (status)
        return status;
    size_t count = config->targets ? config->target_count : topic->partition_count;
    mmi_consumer_t *c = mmi_consumer_allocate(topic, count);
    if (!c)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a consumer of %zu partitions", count);
    status = mmi_consumer_join(c, config, count, &chosen);
    if (status) {
        char message[MOFKA_MESSAGE_BYTES_MAX + 1];
        snprintf(message, sizeof message, "%s", mofka_last_error());
        mmi_consumer_undo_joins(c, count);
        mmi_consumer_end_and_destroy(c);
        return mofka_fail(status, "%s", message);
    }
    *ops = topic->store ? &files_consumer_ops : &consumer_ops;
    *out = c;
    return MOFKA_OK;
}
