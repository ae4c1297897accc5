/* SPDX-License-Identifier: BSD-3-Clause */
/* What a producer is made with: options, selector, pool, and the steps that a push can leave
 * out. */
#include <stdlib.h>
#include <string.h>
#include "base/text/utf8.h"
#include "producer/producer.h"

/* The name is written into JSON and into messages. */
static mofka_status_t producer_check_name(const char *name) {
    size_t bytes = strnlen(name, MOFKA_NAME_BYTES_MAX + 1);
    const char *end = name + bytes, *next;
    if (bytes > MOFKA_NAME_BYTES_MAX)
        return mofka_fail(MOFKA_ERR_INVALID, "the producer name has more than %d bytes",
                          MOFKA_NAME_BYTES_MAX);
    for (const char *at = name; at < end; at = next) {
        next = mfi_utf8_next(at, end);
        if (!next || mfi_utf8_is_control(at))
            return mofka_fail(MOFKA_ERR_INVALID,
                              "the producer name has %s at byte %zu; names are at most %d bytes of "
                              "UTF-8 without control characters",
                              next ? "a control character" : "invalid UTF-8", (size_t)(at - name),
                              MOFKA_NAME_BYTES_MAX);
    }
    return MOFKA_OK;
}

static mofka_status_t producer_check_fallback(const mofka_producer_t *fallback) {
    mofka_status_t status = mfi_check(fallback, MFI_PRODUCER, "fallback");
    return status || !fallback->fallback
               ? status
               : mofka_fail(MOFKA_ERR_INVALID, "producer: fallback '%s' has a fallback itself",
                            fallback->name);
}

mofka_status_t mfi_producer_check_options(const mofka_producer_options_t *options) {
    mofka_status_t status = options->name ? producer_check_name(options->name) : MOFKA_OK;
    if (status)
        return status;
    if (options->ordering != MOFKA_ORDERING_STRICT && options->ordering != MOFKA_ORDERING_LOOSE)
        return mofka_fail(MOFKA_ERR_INVALID,
                          "producer: ordering is %d, not MOFKA_ORDERING_STRICT (%d) or "
                          "MOFKA_ORDERING_LOOSE (%d)",
                          (int)options->ordering, MOFKA_ORDERING_STRICT, MOFKA_ORDERING_LOOSE);
    if (options->when_full != MOFKA_WHEN_FULL_WAIT &&
        options->when_full != MOFKA_WHEN_FULL_DROP_NEWEST)
        return mofka_fail(MOFKA_ERR_INVALID,
                          "producer: when_full is %d, not MOFKA_WHEN_FULL_WAIT (%d) or "
                          "MOFKA_WHEN_FULL_DROP_NEWEST (%d)",
                          (int)options->when_full, MOFKA_WHEN_FULL_WAIT,
                          MOFKA_WHEN_FULL_DROP_NEWEST);
    if (options->thread_pool)
        status = mfi_check(options->thread_pool, MFI_THREAD_POOL, "thread pool");
    if (!status && options->fallback)
        status = producer_check_fallback(options->fallback);
    if (!status && options->validator)
        status = mfi_check(options->validator, MFI_VALIDATOR, "validator");
    if (!status && options->selector)
        status = mfi_check(options->selector, MFI_SELECTOR, "partition selector");
    if (!status && options->serializer)
        status = mfi_check(options->serializer, MFI_SERIALIZER, "serializer");
    return status;
}

static mofka_status_t producer_set_options(mofka_producer_t *producer,
                                           const mofka_producer_options_t *options) {
    producer->batch_size = options->batch_size ? options->batch_size : MOFKA_BATCH_ADAPTIVE;
    producer->max_batches = options->max_batches ? options->max_batches : MOFKA_MAX_BATCHES_DEFAULT;
    producer->ordering = options->ordering;
    producer->pool = mofka_thread_pool_retain(options->thread_pool);
    producer->timer = mofka_thread_pool_thread_count(producer->pool) > 0
                          ? mofka_thread_pool_retain(producer->pool)
                          : mfi_driver_keep_background(producer->topic->driver);
    producer->validator = mofka_validator_retain(options->validator ? options->validator
                                                                    : producer->topic->validator);
    producer->selector = mofka_partition_selector_retain(options->selector);
    producer->serializer = mofka_serializer_retain(
        options->serializer ? options->serializer : producer->topic->serializer);
    producer->linger_ms = options->linger_ms ? options->linger_ms : MOFKA_LINGER_MS_DEFAULT;
    producer->claim_ms = options->claim_ms ? options->claim_ms : MOFKA_CLAIM_MS_DEFAULT;
    producer->push_timeout_ms =
        options->push_timeout_ms ? options->push_timeout_ms : MOFKA_PUSH_TIMEOUT_MS_DEFAULT;
    producer->when_full = options->when_full;
    producer->fallback = mofka_producer_retain(options->fallback);
    if (options->options && !(producer->options_json = strdup(options->options)))
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a producer's options");
    return MOFKA_OK;
}

/* Give the selector the partitions. It is made first, unless it was given. */
static mofka_status_t producer_start_selector(mofka_producer_t *producer) {
    mofka_topic_t *topic = producer->topic;
    size_t count = topic->partition_count, made = 0;
    assert(count > 0);
    mofka_metadata_t **info = calloc(count, sizeof(mofka_metadata_t *));
    mofka_status_t status =
        info ? MOFKA_OK : mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu partitions", count);
    if (!status && !producer->selector)
        status = mfi_partition_selector_from_record(topic->selector, &producer->selector);
    for (; !status && made < count; made += !status)
        status = mofka_topic_partition_info(topic, made, &info[made]);
    if (!status)
        status = mofka_partition_selector_set_partitions(
            producer->selector, (const mofka_metadata_t *const *)info, count);
    for (size_t i = 0; i < made; i++)
        mofka_metadata_release(info[i]);
    free(info);
    return status;
}

mofka_status_t mfi_producer_make_with(mofka_producer_t *producer,
                                      const mofka_producer_options_t *options) {
    mofka_topic_t *topic = producer->topic;
    mofka_status_t status = producer_set_options(producer, options);
    if (!status)
        status = producer_start_selector(producer);
    producer->accepts_all = mfi_validator_accepts_all(producer->validator);
    producer->stores_text = mofka_serializer_is_identity(producer->serializer);
    producer->one_choice = !status && topic->partition_count == 1 &&
                           mfi_partition_selector_takes_turns(producer->selector);
    producer->plain = producer->accepts_all && producer->stores_text && producer->one_choice;
    producer->tells_selector =
        !status && mfi_partition_selector_follows_batches(producer->selector);
    producer->claims_early = !status && producer->stores_text &&
                             mfi_partition_selector_ignores_metadata(producer->selector);
    return status;
}

static bool producer_is_valid(const mofka_producer_t *handle) {
    return mfi_object_is(handle, MFI_PRODUCER);
}

const char *mofka_producer_name(const mofka_producer_t *producer) {
    return producer_is_valid(producer) ? producer->name : NULL;
}

mofka_topic_t *mofka_producer_topic(const mofka_producer_t *producer) {
    return producer_is_valid(producer) ? producer->topic : NULL;
}

size_t mofka_producer_batch_size(const mofka_producer_t *producer) {
    return producer_is_valid(producer) ? producer->batch_size : 0;
}

size_t mofka_producer_max_batches(const mofka_producer_t *producer) {
    return producer_is_valid(producer) ? producer->max_batches : 0;
}

mofka_ordering_t mofka_producer_ordering(const mofka_producer_t *producer) {
    return producer_is_valid(producer) ? producer->ordering : MOFKA_ORDERING_STRICT;
}

mofka_thread_pool_t *mofka_producer_thread_pool(const mofka_producer_t *producer) {
    return producer_is_valid(producer) ? producer->pool : NULL;
}

uint64_t mofka_producer_linger_ms(const mofka_producer_t *producer) {
    return producer_is_valid(producer) ? producer->linger_ms : 0;
}

uint64_t mofka_producer_claim_ms(const mofka_producer_t *producer) {
    return producer_is_valid(producer) ? producer->claim_ms : 0;
}

int64_t mofka_producer_push_timeout_ms(const mofka_producer_t *producer) {
    return producer_is_valid(producer) ? producer->push_timeout_ms : 0;
}

mofka_when_full_t mofka_producer_when_full(const mofka_producer_t *producer) {
    return producer_is_valid(producer) ? producer->when_full : MOFKA_WHEN_FULL_WAIT;
}

mofka_producer_t *mofka_producer_fallback(const mofka_producer_t *producer) {
    return producer_is_valid(producer) ? producer->fallback : NULL;
}

const mofka_validator_t *mofka_producer_validator(const mofka_producer_t *producer) {
    return producer_is_valid(producer) ? producer->validator : NULL;
}

mofka_partition_selector_t *mofka_producer_selector(const mofka_producer_t *producer) {
    return producer_is_valid(producer) ? producer->selector : NULL;
}

const mofka_serializer_t *mofka_producer_serializer(const mofka_producer_t *producer) {
    return producer_is_valid(producer) ? producer->serializer : NULL;
}

const char *mofka_producer_options_json(const mofka_producer_t *producer) {
    return producer_is_valid(producer) ? producer->options_json : NULL;
}
