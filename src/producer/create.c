/* SPDX-License-Identifier: BSD-3-Clause */
/* Creates producers, counts the users of their memory, and frees it. */
#include <stdlib.h>
#include <string.h>
#include "producer/claim.h"
#include "base/log.h"
#include <mofka/backend.h>

/* A lane may have an open batch: one that a push opened and then could not fill. */
static void producer_destroy_lane(mfi_lane_t *lane) {
    assert(!lane->first && !lane->sending && !lane->has_sender);
    free(lane->group);
    free(lane->kept_message);
    if (!lane->open)
        return;
    assert(lane->open->out.event_count == 0);
    mfi_batch_destroy(lane->open);
}

void mfi_producer_destroy(mofka_producer_t *producer) {
    assert(!producer->unreleased);
    while (producer->spare) {
        mfi_batch_t *next = producer->spare->next;
        mfi_batch_destroy(producer->spare);
        producer->spare = next;
    }
    for (size_t i = 0; i < producer->topic->partition_count; i++)
        producer_destroy_lane(&producer->lanes[i]);
    mofka_validator_release(producer->validator);
    mofka_partition_selector_release(producer->selector);
    mofka_serializer_release(producer->serializer);
    mofka_thread_pool_release(producer->pool);
    mofka_thread_pool_release(producer->timer);
    mofka_producer_release(producer->fallback);
    mofka_topic_release(producer->topic);
    pthread_mutex_destroy(&producer->select_lock);
    mfi_claims_destroy(producer);
    mfi_accounts_destroy(producer);
    free(producer->options_json);
    free(producer->name);
    free(producer);
}

void mfi_producer_retain_memory(void *self) {
    mofka_producer_t *producer = self;
    uint32_t before = atomic_fetch_add_explicit(&producer->keeps, 1, memory_order_relaxed);
    assert(before > 0 && before < UINT32_MAX);
    (void)before;
}

void mfi_producer_release_memory(void *self) {
    mofka_producer_t *producer = self;
    uint32_t before = atomic_fetch_sub_explicit(&producer->keeps, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        mfi_producer_destroy(producer);
}

mofka_producer_t *mofka_producer_retain(mofka_producer_t *producer) {
    if (producer)
        mfi_object_retain(&producer->object);
    return producer;
}

/* With `claim`, what it needs is there; without it, nothing is needed. */
static bool producer_ops_have_claims(const mofka_producer_ops_t *ops) {
    return ops->size <= offsetof(mofka_producer_ops_t, give_up) || !ops->claim ||
           (ops->append && ops->commit && ops->give_up);
}

static bool producer_ops_are_complete(const mofka_producer_ops_t *ops) {
    return ops && ops->size >= offsetof(mofka_producer_ops_t, wait_durable) && ops->limits &&
           (ops->append || ops->append_start) && !ops->append_start == !ops->append_late &&
           ops->close && ops->destroy && producer_ops_have_claims(ops);
}

static mofka_status_t producer_make_backend(mofka_producer_t *producer) {
    mofka_topic_t *topic = producer->topic;
    mofka_status_t status = topic->ops->make_producer(
        topic->self, producer->name, producer->options_json, &producer->ops, &producer->self);
    if (status)
        return status;
    if (!producer_ops_are_complete(producer->ops))
        status = mofka_fail(MOFKA_ERR_INVALID, "a producer's table lacks a required slot");
    if (!status && producer->ops->append_start) { /* a pool of the user may have no delayed tasks */
        mofka_thread_pool_release(producer->timer);
        producer->timer = mfi_driver_keep_background(topic->driver);
    }
    for (size_t i = 0; !status && i < topic->partition_count; i++)
        status = mfi_lane_init(&producer->lanes[i], producer, i);
    producer->child = (mfi_child_t){.object = &producer->object,
                                    .lock = &producer->lock,
                                    .what = "producer",
                                    .name = producer->name,
                                    .topic_name = topic->name,
                                    .end = mfi_producer_child_end,
                                    .stats = mfi_producer_child_stats,
                                    .fold = mfi_producer_child_fold};
    if (!status)
        status = mfi_driver_add_child(topic->driver, &producer->child);
    if (status && producer_ops_are_complete(producer->ops))
        producer->ops->destroy(producer->self);
    return status;
}

mofka_status_t mofka_producer_create(mofka_topic_t *topic, const mofka_producer_options_t *options,
                                     mofka_producer_t **out) {
    MFI_KEEP_ERRNO;
    static const mofka_producer_options_t defaults;
    options = options ? options : &defaults;
    mofka_status_t status = mfi_topic_check(topic);
    if (!status)
        status = mfi_producer_check_options(options);
    if (status)
        return status;
    mofka_producer_t *producer =
        calloc(1, sizeof *producer + topic->partition_count * sizeof producer->lanes[0]);
    char *name = strdup(options->name ? options->name : "");
    if (!producer || !name) {
        free(producer);
        free(name);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a producer");
    }
    mfi_object_init(&producer->object, MFI_PRODUCER);
    atomic_init(&producer->keeps, 1);
    producer->topic = mofka_topic_retain(topic);
    producer->name = name;
    mfi_monitor_init(&producer->lock);
    pthread_mutex_init(&producer->select_lock, NULL);
    status = mfi_producer_make_with(producer, options);
    if (!status)
        status = producer_make_backend(producer);
    if (status) {
        mfi_producer_destroy(producer);
        return status;
    }
    mfi_log(MOFKA_LOG_DEBUG, "producer '%s' of topic '%s' is open", name, topic->name);
    *out = producer;
    return MOFKA_OK;
}
