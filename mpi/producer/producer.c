/* SPDX-License-Identifier: BSD-3-Clause */
/* The producer's table: what a batch may hold, creation, close, and counting finished producers. */
#include "mpi/producer/producer.h"
#include "mpi/errand/errand.h"
#include "mpi/storage/storage.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/options.h>

/* How long a refusal looks for the name of a host. */
#define HOST_MS 1000

static mofka_status_t mmi_producer_limits(void *self, size_t partition,
                                          mofka_batch_limits_t *limits) {
    const mmi_producer_t *producer = self;
    assert(partition < producer->topic->partition_count);
    const mmi_partition_t *p = &producer->topic->partitions[partition];
    /* A cursor moves by whole batches. So a consumer that acknowledges every k events can hold back
     * up to k - 1 events and all but one of a batch, and waits for more. With a quarter, a batch
     * fits beside that while k is at most half of the slots. */
    size_t quarter = p->slots < 4 ? 1 : (size_t)p->slots / 4;
    limits->events_max = quarter < MMI_BATCH_EVENTS_MAX ? quarter : (size_t)MMI_BATCH_EVENTS_MAX;
    limits->bytes_max = (size_t)p->ring_bytes;
    limits->event_bytes_max = mmi_partition_is_far(p) ? 0 : (size_t)p->ring_bytes;
    return MOFKA_OK;
}

/* A rank's host, as far as it can be found out soon. */
static void producer_find_host(mmi_window_t *w, int rank, uint64_t words[MMI_HOST_WORDS]) {
    if (mmi_window_read(w, rank, offsetof(mmi_share_t, host), words, MMI_HOST_WORDS,
                        mmi_deadline(HOST_MS)))
        memcpy(words, "?", 2);
    words[MMI_HOST_WORDS - 1] &= UINT64_MAX >> 8; /* a NUL at the end */
}

mofka_status_t mmi_producer_refuse(void *self, size_t partition) {
    const mmi_producer_t *producer = self;
    assert(partition < producer->topic->partition_count);
    const mmi_partition_t *p = &producer->topic->partitions[partition];
    mmi_window_t *w = p->w;
    uint64_t here[MMI_HOST_WORDS] = {0}, there[MMI_HOST_WORDS] = {0};
    assert(mmi_partition_is_far(p) && w->node_of);
    producer_find_host(w, w->rank, here);
    producer_find_host(w, p->owner, there);
    return mofka_fail(
        MOFKA_ERR_UNSUPPORTED,
        "topic '%s' takes events from its owners' nodes only: the owner of partition "
        "%zu, rank %d, is on the node of rank %d, host '%s', and this rank, %d, on the "
        "node of rank %d, host '%s'",
        p->topic, p->index, p->owner, w->node_of[p->owner], (const char *)there, w->rank,
        w->node_of[w->rank], (const char *)here);
}

/* Complete what MPI may still read of this producer. A flush of another thread may be under way,
 * and not have ended: so it does not count. */
static mofka_status_t producer_settle(mmi_producer_t *producer) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < producer->topic->partition_count; i++) {
        const mmi_partition_t *p = &producer->topic->partitions[i];
        mmi_sender_t *sender = &producer->senders[i];
        mofka_status_t flushed = sender->unsettled ? mmi_sender_settle(p, sender) : MOFKA_OK;
        status = status ? status : flushed;
    }
    return status;
}

/* A producer counts once for a topic that expects some. The last one completes it. */
static mofka_status_t producer_finish(mmi_producer_t *producer) {
    mmi_topic_t *topic = producer->topic;
    const mmi_partition_t *p = &topic->partitions[0];
    assert(producer->counted || !producer->last);
    if (!producer->counted) {
        uint64_t total;
        mofka_status_t status = mmi_errand_count(p, MMI_PRODUCER_FINISHED, &total);
        if (status)
            return status;
        producer->counted = true;
        producer->made = false;
        producer->last = total >= topic->expected_producers;
    }
    if (!producer->last)
        return mmi_window_check(p->w, p->owner);
    return mmi_topic_complete(topic, mmi_deadline(MMI_LOCK_TIMEOUT_MS));
}

/* It does not count: an event was not stored, or the user never got it. */
static mofka_status_t producer_drop(mmi_producer_t *producer) {
    uint64_t total;
    if (!producer->made)
        return MOFKA_OK;
    producer->made = false;
    return mmi_errand_count(&producer->topic->partitions[0], MMI_PRODUCER_DROPPED, &total);
}

/* It uses the topic no more. If its puts did not complete, it stays a user. */
static mofka_status_t producer_leave(mmi_producer_t *producer, mofka_status_t status) {
    if (!producer->entered || status == MOFKA_ERR_TIMEOUT)
        return status;
    producer->entered = false;
    if (!status)
        return mmi_topic_leave(producer->topic);
    char message[MOFKA_MESSAGE_BYTES_MAX + 1];
    snprintf(message, sizeof message, "%s", mofka_last_error());
    (void)mmi_topic_leave(producer->topic); /* the first error counts */
    return mofka_fail(status, "%s", message);
}

/* A close that timed out is called again. */
static mofka_status_t mmi_producer_close(void *self, bool flushed) {
    mmi_producer_t *producer = self;
    mmi_topic_t *topic = producer->topic;
    if (mmi_window_may_call(topic->w)) /* not over: another thread may close it */
        return mofka_fail(MOFKA_ERR_TIMEOUT, "%s", mofka_last_error());
    producer->closing = true;
    for (size_t i = 0; i < topic->partition_count; i++) /* discarded batches wait no more */
        mmi_room_end_wait(&topic->partitions[i], &producer->senders[i]);
    mofka_status_t status = producer_settle(producer);
    if (status) {
        producer->entered = false;
        return status;
    }
    if (flushed && topic->expected_producers != 0)
        status = producer_finish(producer);
    else
        status = producer_drop(producer);
    return producer_leave(producer, status);
}

static void mmi_producer_destroy(void *self) {
    mmi_producer_t *producer = self;
    if (!producer->closing) { /* it was not given to the user */
        (void)producer_drop(producer);
        (void)producer_leave(producer, MOFKA_OK);
    }
    if (mmi_window_check(producer->topic->w,
                         MMI_ANY_RANK)) /* MPI may still write the senders' state words */
        return;
    for (size_t i = 0; i < producer->topic->partition_count; i++) {
        free(producer->senders[i].entries);
        free(producer->senders[i].packed);
        free(producer->senders[i].marks);
        free(producer->senders[i].sums);
        free(producer->senders[i].settled);
    }
    free(producer);
}

static mofka_status_t mmi_producer_wait_durable(void *self, size_t partition, uint64_t next,
                                                int64_t timeout_ms, uint64_t *durable) {
    const mmi_producer_t *producer = self;
    const mmi_topic_t *topic = producer->topic;
    return mmi_storage_wait_durable(topic, &topic->partitions[partition], next, timeout_ms,
                                    durable);
}

/* Of topics that promise durability. */
static const mofka_producer_ops_t durable_producer_ops = {
    .size = sizeof durable_producer_ops,
    .limits = mmi_producer_limits,
    .append = mmi_append_batch,
    .close = mmi_producer_close,
    .destroy = mmi_producer_destroy,
    .wait_durable = mmi_producer_wait_durable,
};

static const mofka_producer_ops_t producer_ops = {
    .size = sizeof producer_ops,
    .limits = mmi_producer_limits,
    .append = mmi_append_batch,
    .close = mmi_producer_close,
    .destroy = mmi_producer_destroy,
    .refuse = mmi_producer_refuse,
};

/* Of topics without storage whose partitions CPUs write, as far as they are on this node. */
static const mofka_producer_ops_t near_producer_ops = {
    .size = sizeof near_producer_ops,
    .limits = mmi_producer_limits,
    .append = mmi_append_batch,
    .close = mmi_producer_close,
    .destroy = mmi_producer_destroy,
    .refuse = mmi_producer_refuse,
    .claim = mmi_claim_take,
    .commit = mmi_claim_commit,
    .give_up = mmi_claim_give_up,
};

/* A topic that expects producers counts those that were made: see partition/producers.c. */
static mofka_status_t producer_count_made(mmi_producer_t *producer) {
    uint64_t total;
    if (producer->topic->expected_producers == 0)
        return MOFKA_OK;
    mofka_status_t status =
        mmi_errand_count(&producer->topic->partitions[0], MMI_PRODUCER_MADE, &total);
    producer->made = !status;
    return status;
}

/* The owners have opened the logs of a topic with storage. */
static mofka_status_t producer_await_storage(const mmi_topic_t *topic) {
    int64_t deadline = mmi_deadline(MMI_DIRECTORY_READ_MS);
    mofka_status_t status = MOFKA_OK;
    bool damaged;
    for (size_t i = 0; i < topic->partition_count && topic->store && !status; i++)
        status = mmi_storage_await(topic, i, false, deadline, &damaged);
    return status;
}

mofka_status_t mmi_producer_create(void *self, const char *name, const char *options,
                                   const mofka_producer_ops_t **ops, void **out) {
    mmi_topic_t *topic = self;
    (void)name;
    mofka_status_t status = mofka_options_read("producer of an MPI topic", options, NULL, 0);
    if (status)
        return status;
    mmi_producer_t *producer =
        calloc(1, sizeof *producer + topic->partition_count * sizeof *producer->senders);
    if (!producer)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a producer");
    assert(topic->partition_count > 0);
    status = mmi_topic_enter(topic, mmi_deadline(MMI_DIRECTORY_READ_MS));
    if (status) {
        free(producer);
        return status;
    }
    producer->topic = topic;
    producer->entered = true;
    status = producer_await_storage(topic);
    if (!status)
        status = producer_count_made(producer);
    if (status) {
        mmi_producer_destroy(producer);
        return status;
    }
    bool durable = topic->store && topic->storage.durability != MMI_DURABLE_MEMORY;
    bool near = !topic->store &&
                (topic->partitions[0].of_node || topic->partitions[0].w->ops->has_addresses);
    *ops = durable ? &durable_producer_ops : near ? &near_producer_ops : &producer_ops;
    *out = producer;
    return MOFKA_OK;
}
