/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A consumer of an MPI topic: runs of its partitions in turn, acknowledgements, making and ending it.
 *
 * A named consumer has one place in each partition's table (mpi_cursor.c). Its runs are read by
 * mpi_index.c, their data by mpi_fetch.c.
 *
 * A rank that stops while its consumer is live leaves the name taken: retention "acknowledged" waits
 * for it, and producers say so.
 */
#include "mpi/consumer/consumer.h"

#include <stdlib.h>
#include <mofka/backend.h>

/* Copied data of a run: see MMI_RUN_EVENTS_MAX. */
#define RUN_DATA_BYTES ((size_t)1 << 18)

bool mmi_reader_ended(mmi_reader_t *r) {
    if (!r->complete)
        r->complete = mmi_control_load(r->p, MMI_CONTROL(complete));
    return r->complete && r->next >= r->complete - 1;
}

/* At the end: losses that no event told of. */
static mofka_status_t tell_losses(mmi_consumer_t *c, mofka_run_t **out) {
    for (size_t i = 0; i < c->reader_count; i++) {
        mmi_reader_t *r = &c->readers[i];
        mmi_run_t *run = r->lost ? mmi_run_new(r->p, 0, 0) : NULL;
        if (!run)
            continue;
        run->run.lost = r->lost;
        r->lost = 0;
        *out = &run->run;
        return MOFKA_OK;
    }
    return MOFKA_ERR_COMPLETE;
}

static mofka_status_t fetch(void *self, size_t events_max, mofka_run_t **run) {
    mmi_consumer_t *c = self;
    size_t ended = 0;
    mofka_status_t allowed = c->reader_count ? mmi_window_may_call(c->readers[0].p->w) : MOFKA_OK;
    if (allowed)
        return allowed;
    if (events_max > MMI_RUN_EVENTS_MAX)
        events_max = MMI_RUN_EVENTS_MAX;
    for (size_t i = 0; i < c->reader_count; i++) {
        mmi_reader_t *r = &c->readers[(c->turn + i) % c->reader_count];
        mofka_status_t status = mmi_reader_fetch(r, events_max, run);
        if (status != MOFKA_ERR_TIMEOUT) {
            c->nap_us = 0;
            c->turn = (c->turn + i + 1) % c->reader_count;
            for (size_t j = 0; j < c->reader_count;
                 j++) /* one that finds nothing may hold others up */
                mmi_reader_publish(&c->readers[j], false);
            return status;
        }
        ended += mmi_reader_ended(r);
    }
    return ended == c->reader_count ? tell_losses(c, run) : MOFKA_ERR_TIMEOUT;
}

static void release_run(void *self, mofka_run_t *run) {
    (void)self;
    free(run->backend);
}

static mofka_status_t acknowledge(void *self, size_t partition, uint64_t id) {
    mmi_consumer_t *c = self;
    mmi_reader_t *r = partition < c->partition_count ? c->by_partition[partition] : NULL;
    if (!r)
        return mofka_fail(MOFKA_ERR_RANGE, "partition %zu is not one of this consumer's",
                          partition);
    uint64_t old = atomic_load(&r->acknowledged);
    while (old < id + 1 && !atomic_compare_exchange_weak(&r->acknowledged, &old, id + 1))
        ;
    return MOFKA_OK;
}

static mofka_status_t acknowledged(void *self, size_t partition, uint64_t *next) {
    mmi_consumer_t *c = self;
    mmi_reader_t *r = partition < c->partition_count ? c->by_partition[partition] : NULL;
    if (!r)
        return MOFKA_ERR_RANGE;
    *next = atomic_load(&r->acknowledged);
    return MOFKA_OK;
}

static mofka_status_t publish(void *self) {
    mmi_consumer_t *c = self;
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < c->reader_count && !status; i++)
        status = mmi_reader_publish(&c->readers[i], true);
    return status;
}

static mofka_status_t unsubscribe(void *self) {
    mmi_consumer_t *c = self;
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < c->reader_count; i++) {
        mofka_status_t one = mmi_reader_leave(&c->readers[i], MMI_CONSUMER_FREE);
        status = status ? status : one;
    }
    return status;
}

static mofka_status_t close_consumer(void *self) {
    mmi_consumer_t *c = self;
    mofka_status_t status = publish(c);
    for (size_t i = 0; i < c->reader_count; i++) {
        mofka_status_t one = mmi_reader_leave(&c->readers[i], MMI_CONSUMER_AWAY);
        status = status ? status : one;
    }
    return status;
}

static void destroy(void *self) {
    mmi_consumer_t *c = self;
    for (size_t i = 0; i < c->reader_count; i++)
        mmi_reader_end(&c->readers[i]);
    free(c->entries);
    free(c->by_partition);
    free(c->pieces);
    free(c);
}

static const mofka_consumer_ops_t consumer_ops = {
    .size = sizeof consumer_ops,
    .fetch = fetch,
    .get_data = mmi_get_data,
    .view_data = mmi_view_data,
    .finish_data = mmi_finish_data,
    .wait = mmi_consumer_wait,
    .release_run = release_run,
    .acknowledge = acknowledge,
    .acknowledged = acknowledged,
    .publish = publish,
    .unsubscribe = unsubscribe,
    .close = close_consumer,
    .destroy = destroy,
};

static mofka_status_t check_zero_copy(const mmi_topic_t *topic) {
    const mmi_partition_t *p = &topic->partitions[0];
    if (!p->w->ops->address)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "zero_copy reads in the window, which a \"%s\" window does not allow",
                          p->w->ops->name);
    if (p->retention == MMI_DISCARD_OLDEST)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "zero_copy needs retention \"acknowledged\"; topic '%s' has "
                          "\"discard_oldest\"",
                          p->topic);
    return MOFKA_OK;
}

static mmi_consumer_t *consumer_new(const mmi_topic_t *topic, size_t readers) {
    mmi_consumer_t *c = calloc(1, sizeof *c + readers * sizeof c->readers[0]);
    if (!c)
        return NULL;
    c->partition_count = topic->partition_count;
    c->entries = malloc(MMI_RUN_EVENTS_MAX * sizeof *c->entries);
    c->by_partition = calloc(topic->partition_count, sizeof(mmi_reader_t *));
    if (c->entries && c->by_partition)
        return c;
    destroy(c);
    return NULL;
}

mofka_status_t mmi_consumer_create(void *self, const mofka_consumer_config_t *config,
                                   const mofka_consumer_ops_t **ops, void **out) {
    mmi_topic_t *topic = self;
    mofka_status_t status =
        mofka_options_read("consumer of an MPI topic", config->options, NULL, 0);
    if (!status && config->zero_copy)
        status = check_zero_copy(topic);
    if (status)
        return status;
    size_t count = config->targets ? config->target_count : topic->partition_count;
    mmi_consumer_t *c = consumer_new(topic, count);
    if (!c)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a consumer of %zu partitions", count);
    for (; !status && c->reader_count < count; c->reader_count += !status) {
        size_t index = config->targets ? config->targets[c->reader_count] : c->reader_count;
        mmi_reader_t *r = &c->readers[c->reader_count];
        r->entries = c->entries;
        r->run_data_bytes = config->copies_data ? RUN_DATA_BYTES : UINT64_MAX;
        c->by_partition[index] = r;
        status = mmi_reader_join(r, &topic->partitions[index], config->name, config->from_end);
    }
    if (status) {
        for (size_t i = 0; i < c->reader_count; i++)
            mmi_reader_leave(&c->readers[i],
                             c->readers[i].fresh ? MMI_CONSUMER_FREE : MMI_CONSUMER_AWAY);
        destroy(c);
        return status;
    }
    *ops = &consumer_ops;
    *out = c;
    return MOFKA_OK;
}
