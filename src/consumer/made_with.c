/* SPDX-License-Identifier: BSD-3-Clause */
/* What a consumer is made with: its options, targets, and pool. */
#include <stdlib.h>
#include <string.h>
#include "consumer/consumer.h"

static int targets_compare(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? -1 : x > y;
}

/* Check the targets, and give a sorted copy. No list: no copy. */
static mofka_status_t targets_copy(const mofka_topic_t *topic,
                                   const mofka_consumer_options_t *options, size_t **out) {
    if (!options->targets && options->target_count > 0)
        return mofka_fail(MOFKA_ERR_INVALID, "consumer: targets is NULL, target_count is %zu",
                          options->target_count);
    if (!options->targets)
        return MOFKA_OK;
    if (options->target_count == 0 || options->target_count > topic->partition_count)
        return mofka_fail(
            MOFKA_ERR_RANGE,
            "consumer: target_count is %zu, outside [1, %zu], the partitions of topic "
            "'%s'",
            options->target_count, topic->partition_count, topic->name);
    size_t *targets = calloc(options->target_count, sizeof *targets);
    if (!targets)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu targets", options->target_count);
    memcpy(targets, options->targets, options->target_count * sizeof *targets);
    qsort(targets, options->target_count, sizeof *targets, targets_compare);
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < options->target_count && !status; i++) {
        if (targets[i] >= topic->partition_count)
            status = mofka_fail(MOFKA_ERR_RANGE,
                                "consumer: target %zu is outside [0, %zu], the partitions of topic "
                                "'%s'",
                                targets[i], topic->partition_count - 1, topic->name);
        else if (i > 0 && targets[i] == targets[i - 1])
            status =
                mofka_fail(MOFKA_ERR_INVALID, "consumer: target %zu is given twice", targets[i]);
    }
    if (status)
        free(targets);
    else
        *out = targets;
    return status;
}

static mofka_status_t consumer_check_options(const mofka_consumer_options_t *options) {
    if (options->start != MOFKA_START_BEGINNING && options->start != MOFKA_START_END)
        return mofka_fail(MOFKA_ERR_INVALID,
                          "consumer: start is %d, not MOFKA_START_BEGINNING (%d) or "
                          "MOFKA_START_END (%d)",
                          (int)options->start, MOFKA_START_BEGINNING, MOFKA_START_END);
    if (options->acknowledge != MOFKA_ACKNOWLEDGE_MANUAL &&
        options->acknowledge != MOFKA_ACKNOWLEDGE_AUTO)
        return mofka_fail(MOFKA_ERR_INVALID,
                          "consumer: acknowledge is %d, not MOFKA_ACKNOWLEDGE_MANUAL (%d) or "
                          "MOFKA_ACKNOWLEDGE_AUTO (%d)",
                          (int)options->acknowledge, MOFKA_ACKNOWLEDGE_MANUAL,
                          MOFKA_ACKNOWLEDGE_AUTO);
    mofka_status_t status = MOFKA_OK;
    if (options->thread_pool)
        status = mfi_check(options->thread_pool, MFI_THREAD_POOL, "thread pool");
    if (!status && options->serializer)
        status = mfi_check(options->serializer, MFI_SERIALIZER, "serializer");
    if (status)
        return status;
    if (options->zero_copy && options->allocator)
        return mofka_fail(
            MOFKA_ERR_INVALID,
            "zero_copy and allocator exclude each other: zero_copy allocates nothing");
    return MOFKA_OK;
}

mofka_status_t mfi_consumer_make_with(mofka_consumer_t *consumer,
                                      const mofka_consumer_options_t *options) {
    size_t *targets = NULL;
    assert(!consumer->options.targets && !consumer->options.options);
    mofka_status_t status = consumer_check_options(options);
    if (!status)
        status = targets_copy(consumer->topic, options, &targets);
    char *json = options->options && !status ? strdup(options->options) : NULL;
    if (options->options && !status && !json)
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for a consumer's options");
    if (status) {
        free(targets);
        return status;
    }
    consumer->options = *options;
    consumer->options.targets = targets;
    consumer->options.options = json;
    consumer->options.name = consumer->name;
    if (!options->batch_size)
        consumer->options.batch_size = MOFKA_BATCH_ADAPTIVE;
    if (!options->max_batches)
        consumer->options.max_batches = MOFKA_MAX_BATCHES_DEFAULT;
    mofka_thread_pool_retain(options->thread_pool);
    consumer->options.serializer = mofka_serializer_retain(
        options->serializer ? options->serializer : consumer->topic->serializer);
    consumer->workers = mofka_thread_pool_thread_count(options->thread_pool) > 0;
    return MOFKA_OK;
}

static bool consumer_is_valid(const mofka_consumer_t *handle) {
    return mfi_object_is(handle, MFI_CONSUMER);
}

uint64_t mofka_consumer_lost(const mofka_consumer_t *consumer) {
    return consumer_is_valid(consumer) ? atomic_load(&((mofka_consumer_t *)consumer)->lost) : 0;
}

uint64_t mfi_consumer_voided(const mofka_consumer_t *consumer) {
    const mofka_consumer_ops_t *ops = consumer->ops;
    bool counts = ops->size > offsetof(mofka_consumer_ops_t, voided) && ops->voided;
    return counts ? ops->voided(consumer->self) : 0;
}

uint64_t mofka_consumer_voided(const mofka_consumer_t *consumer) {
    return consumer_is_valid(consumer) ? mfi_consumer_voided(consumer) : 0;
}

uint64_t mofka_consumer_rewound(const mofka_consumer_t *consumer) {
    if (!consumer_is_valid(consumer))
        return 0;
    const mofka_consumer_ops_t *ops = consumer->ops;
    bool counts = ops->size > offsetof(mofka_consumer_ops_t, rewound) && ops->rewound;
    return counts ? ops->rewound(consumer->self) : 0;
}

const char *mofka_consumer_name(const mofka_consumer_t *consumer) {
    return consumer_is_valid(consumer) ? consumer->name : NULL;
}

mofka_topic_t *mofka_consumer_topic(const mofka_consumer_t *consumer) {
    return consumer_is_valid(consumer) ? consumer->topic : NULL;
}

size_t mofka_consumer_batch_size(const mofka_consumer_t *consumer) {
    return consumer_is_valid(consumer) ? consumer->options.batch_size : 0;
}

size_t mofka_consumer_max_batches(const mofka_consumer_t *consumer) {
    return consumer_is_valid(consumer) ? consumer->options.max_batches : 0;
}

mofka_thread_pool_t *mofka_consumer_thread_pool(const mofka_consumer_t *consumer) {
    return consumer_is_valid(consumer) ? consumer->options.thread_pool : NULL;
}

mofka_data_selector_fn mofka_consumer_selector(const mofka_consumer_t *consumer, void **context) {
    if (context)
        *context = consumer_is_valid(consumer) ? consumer->options.selector_context : NULL;
    return consumer_is_valid(consumer) ? consumer->options.selector : NULL;
}

mofka_data_allocator_fn mofka_consumer_allocator(const mofka_consumer_t *consumer, void **context) {
    if (context)
        *context = consumer_is_valid(consumer) ? consumer->options.allocator_context : NULL;
    return consumer_is_valid(consumer) ? consumer->options.allocator : NULL;
}

const size_t *mofka_consumer_targets(const mofka_consumer_t *consumer, size_t *count) {
    if (count)
        *count = consumer_is_valid(consumer) ? consumer->options.target_count : 0;
    return consumer_is_valid(consumer) ? consumer->options.targets : NULL;
}

mofka_start_t mofka_consumer_start(const mofka_consumer_t *consumer) {
    return consumer_is_valid(consumer) ? consumer->options.start : MOFKA_START_BEGINNING;
}

mofka_acknowledge_t mofka_consumer_acknowledge_mode(const mofka_consumer_t *consumer) {
    return consumer_is_valid(consumer) ? consumer->options.acknowledge : MOFKA_ACKNOWLEDGE_MANUAL;
}

const mofka_serializer_t *mofka_consumer_serializer(const mofka_consumer_t *consumer) {
    return consumer_is_valid(consumer) ? consumer->options.serializer : NULL;
}

const char *mofka_consumer_options_json(const mofka_consumer_t *consumer) {
    return consumer_is_valid(consumer) ? consumer->options.options : NULL;
}

bool mofka_consumer_zero_copy(const mofka_consumer_t *consumer) {
    return mfi_object_is(consumer, MFI_CONSUMER) && consumer->options.zero_copy;
}
