/* SPDX-License-Identifier: BSD-3-Clause */
/* Creates consumers, counts the users of their memory, and frees it. */
#include <stdlib.h>
#include <string.h>
#include "consumer/consumer.h"
#include "base/log.h"
#include <mofka/backend.h>

void mfi_consumer_destroy(mofka_consumer_t *consumer) {
    assert(!consumer->first && !consumer->first_request && !consumer->untaken &&
           !consumer->unfinished);
    assert(!consumer->fetching && !consumer->prefetching);
    consumer->ops->destroy(consumer->self);
    mofka_data_descriptor_release(consumer->full);
    mofka_thread_pool_release(consumer->options.thread_pool);
    mofka_serializer_release(consumer->options.serializer);
    mofka_topic_release(consumer->topic);
    free((void *)consumer->options.targets);
    free((void *)consumer->options.options);
    free(consumer->name);
    free(consumer);
}

void mfi_consumer_retain_memory(void *self) {
    mofka_consumer_t *consumer = self;
    uint32_t before = atomic_fetch_add_explicit(&consumer->keeps, 1, memory_order_relaxed);
    assert(before > 0 && before < UINT32_MAX);
    (void)before;
}

void mfi_consumer_release_memory(void *self) {
    mofka_consumer_t *consumer = self;
    uint32_t before = atomic_fetch_sub_explicit(&consumer->keeps, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        mfi_consumer_destroy(consumer);
}

mofka_consumer_t *mofka_consumer_retain(mofka_consumer_t *consumer) {
    if (consumer)
        mfi_object_retain(&consumer->object);
    return consumer;
}

/* A table may end before the slots that came later. */
#define OPS_SIZE_MIN offsetof(mofka_consumer_ops_t, fetch_unterminated)

static bool consumer_ops_are_complete(const mofka_consumer_ops_t *ops) {
    return ops && ops->size >= OPS_SIZE_MIN && ops->fetch && ops->get_data && ops->finish_data &&
           ops->wait && ops->release_run && ops->acknowledge && ops->unsubscribe && ops->close &&
           ops->destroy;
}

static mofka_status_t consumer_make_backend(mofka_consumer_t *consumer) {
    mofka_topic_t *topic = consumer->topic;
    const mofka_consumer_config_t config = {.name = consumer->name,
                                            .targets = consumer->options.targets,
                                            .target_count = consumer->options.target_count,
                                            .from_end = consumer->options.start == MOFKA_START_END,
                                            .max_batches = consumer->options.max_batches,
                                            .copies_data = consumer->options.selector &&
                                                           !consumer->options.zero_copy,
                                            .zero_copy = consumer->options.zero_copy,
                                            .options = consumer->options.options};
    mofka_status_t status =
        topic->ops->make_consumer(topic->self, &config, &consumer->ops, &consumer->self);
    if (status)
        return status;
    if (!consumer_ops_are_complete(consumer->ops))
        return mofka_fail(MOFKA_ERR_INVALID, "a consumer's table lacks a required slot");
    if (consumer->options.zero_copy && !consumer->ops->view_data)
        status = mofka_fail(MOFKA_ERR_UNSUPPORTED, "this backend does not support zero_copy");
    consumer->child = (mfi_child_t){.object = &consumer->object,
                                    .lock = &consumer->lock,
                                    .what = "consumer",
                                    .name = consumer->name,
                                    .topic_name = topic->name,
                                    .end = mfi_consumer_child_end,
                                    .stats = mfi_consumer_child_stats,
                                    .fold = mfi_consumer_child_fold};
    mfi_consumer_stats_begin(consumer);
    if (!status)
        status = mfi_driver_add_child(topic->driver, &consumer->child);
    if (status) {
        consumer->ops->close(consumer->self);
        consumer->ops->destroy(consumer->self);
    }
    return status;
}

static mofka_consumer_t *consumer_allocate(mofka_topic_t *topic, const char *name) {
    mofka_consumer_t *consumer =
        calloc(1, sizeof *consumer + topic->partition_count * sizeof consumer->partitions[0]);
    char *copy = strdup(name);
    if (!consumer || !copy) {
        free(consumer);
        free(copy);
        return NULL;
    }
    mfi_object_init(&consumer->object, MFI_CONSUMER);
    atomic_init(&consumer->keeps, 1);
    consumer->topic = mofka_topic_retain(topic);
    consumer->name = copy;
    mfi_monitor_init(&consumer->lock);
    return consumer;
}

mofka_status_t mofka_consumer_create(mofka_topic_t *topic, const mofka_consumer_options_t *options,
                                     mofka_consumer_t **out) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_topic_check(topic);
    if (!status)
        status = mfi_name_check("consumer", options ? options->name : NULL);
    if (status)
        return status;
    assert(options); /* with a name */
    mofka_consumer_t *consumer = consumer_allocate(topic, options->name);
    if (!consumer)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a consumer");
    static const mofka_consumer_ops_t nothing = {.destroy = free}; /* free(NULL) */
    status = mfi_consumer_make_with(consumer, options);
    if (!status)
        status = consumer_make_backend(consumer);
    if (status) {
        consumer->ops = &nothing;
        consumer->self = NULL;
        mfi_consumer_destroy(consumer);
        return status;
    }
    mfi_log(MOFKA_LOG_DEBUG, "consumer '%s' of topic '%s' is open", consumer->name, topic->name);
    *out = consumer;
    return MOFKA_OK;
}
