/* SPDX-License-Identifier: BSD-3-Clause */
/* Producers: creation, destruction, and what they were made with. */
#include <stdlib.h>
#include <string.h>
#include "producer/producer.h"
#include "json/text.h"
#include "base/log.h"

/* An adaptive batch: large enough to hide the cost of a batch, small enough to stay in a cache. */
#define ADAPTIVE_EVENTS 4096
#define ADAPTIVE_BYTES ((size_t)1 << 20)

void mfi_producer_free(mofka_producer_t *producer) {
    while (producer->spare) {
        mfi_batch_t *next = producer->spare->next;
        mfi_batch_free(producer->spare);
        producer->spare = next;
    }
    for (size_t i = 0; i < producer->topic->partition_count; i++)
        if (producer->lanes[i].open) /* without events: one that a failed push opened */
            mfi_batch_free(producer->lanes[i].open);
    mofka_partition_selector_release(producer->selector);
    mofka_thread_pool_release(producer->pool);
    mofka_topic_release(producer->topic);
    pthread_cond_destroy(&producer->changed);
    pthread_mutex_destroy(&producer->lock);
    pthread_mutex_destroy(&producer->select_lock);
    free(producer->failed_message);
    free(producer->options_json);
    free(producer->name);
    free(producer);
}

void mfi_producer_keep(void *self) {
    mofka_producer_t *producer = self;
    atomic_fetch_add_explicit(&producer->keeps, 1, memory_order_relaxed);
}

void mfi_producer_drop(void *self) {
    mofka_producer_t *producer = self;
    if (atomic_fetch_sub_explicit(&producer->keeps, 1, memory_order_acq_rel) == 1)
        mfi_producer_free(producer);
}

/* It stands in JSON, and in messages. */
static mofka_status_t check_name(const char *name) {
    size_t bytes = strnlen(name, MOFKA_NAME_BYTES_MAX + 1);
    const char *end = name + bytes, *next;
    if (bytes > MOFKA_NAME_BYTES_MAX)
        return mofka_fail(MOFKA_ERR_INVALID, "a producer name of more than %d bytes",
                          MOFKA_NAME_BYTES_MAX);
    for (const char *at = name; at < end; at = next) {
        next = mfi_utf8_next(at, end);
        if (!next || mfi_utf8_is_control(at))
            return mofka_fail(MOFKA_ERR_INVALID,
                              "the producer name has %s at byte %zu; names are at most %d bytes of "
                              "UTF-8 without control characters",
                              next ? "a control character" : "no UTF-8", (size_t)(at - name),
                              MOFKA_NAME_BYTES_MAX);
    }
    return MOFKA_OK;
}

static mofka_status_t check_options(const mofka_producer_options_t *options) {
    mofka_status_t status = options->name ? check_name(options->name) : MOFKA_OK;
    if (status)
        return status;
    if (options->ordering != MOFKA_ORDERING_STRICT && options->ordering != MOFKA_ORDERING_LOOSE)
        return mofka_fail(MOFKA_ERR_INVALID,
                          "producer: ordering is %d, not MOFKA_ORDERING_STRICT (%d) or "
                          "MOFKA_ORDERING_LOOSE (%d)",
                          (int)options->ordering, MOFKA_ORDERING_STRICT, MOFKA_ORDERING_LOOSE);
    if (options->thread_pool)
        return mfi_check(options->thread_pool, MFI_THREAD_POOL, "thread pool");
    return MOFKA_OK;
}

static mofka_status_t set_options(mofka_producer_t *producer,
                                  const mofka_producer_options_t *options) {
    producer->batch_size = options->batch_size ? options->batch_size : MOFKA_BATCH_ADAPTIVE;
    producer->max_batches = options->max_batches ? options->max_batches : MOFKA_MAX_BATCHES_DEFAULT;
    producer->ordering = options->ordering;
    producer->pool = mofka_thread_pool_retain(options->thread_pool);
    producer->linger_ms = options->linger_ms ? options->linger_ms : MOFKA_LINGER_MS_DEFAULT;
    producer->push_timeout_ms =
        options->push_timeout_ms ? options->push_timeout_ms : MOFKA_PUSH_TIMEOUT_MS_DEFAULT;
    if (options->options && !(producer->options_json = strdup(options->options)))
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a producer's options");
    return MOFKA_OK;
}

static mofka_status_t make_lane(mofka_producer_t *producer, size_t partition) {
    mfi_lane_t *lane = &producer->lanes[partition];
    lane->producer = producer;
    lane->partition = partition;
    mofka_status_t status = producer->ops->limits(producer->self, partition, &lane->limits);
    if (!status && lane->limits.events_max == 0)
        status =
            mofka_fail(MOFKA_ERR_INVALID, "topic '%s', partition %zu: its batches take no event",
                       producer->topic->name, partition);
    if (status)
        return status;
    bool adaptive = producer->batch_size == MOFKA_BATCH_ADAPTIVE;
    size_t events = adaptive ? ADAPTIVE_EVENTS : producer->batch_size;
    lane->events_cap = events < lane->limits.events_max ? events : lane->limits.events_max;
    /* A quarter of the partition, so that a consumer reads one batch while others fill. */
    lane->bytes_cap = lane->limits.bytes_max / 4;
    if (adaptive && lane->bytes_cap > ADAPTIVE_BYTES)
        lane->bytes_cap = ADAPTIVE_BYTES;
    return MOFKA_OK;
}

static mofka_status_t make_selector(mofka_producer_t *producer) {
    mofka_topic_t *topic = producer->topic;
    size_t count = topic->partition_count, made = 0;
    mofka_metadata_t **info = calloc(count, sizeof(mofka_metadata_t *));
    mofka_status_t status =
        info ? mofka_partition_selector_from_metadata(topic->selector, &producer->selector)
             : mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu partitions", count);
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

static bool table_is_whole(const mofka_producer_ops_t *ops) {
    return ops && ops->size >= sizeof *ops && ops->limits && ops->append && ops->close &&
           ops->destroy;
}

static mofka_status_t make_backend(mofka_producer_t *producer) {
    mofka_topic_t *topic = producer->topic;
    mofka_status_t status = topic->ops->make_producer(
        topic->self, producer->name, producer->options_json, &producer->ops, &producer->self);
    if (status)
        return status;
    if (!table_is_whole(producer->ops))
        status = mofka_fail(MOFKA_ERR_INVALID, "a producer's table lacks a required slot");
    for (size_t i = 0; !status && i < topic->partition_count; i++)
        status = make_lane(producer, i);
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
    if (status && table_is_whole(producer->ops))
        producer->ops->destroy(producer->self);
    return status;
}

mofka_status_t mofka_producer_create(mofka_topic_t *topic, const mofka_producer_options_t *options,
                                     mofka_producer_t **out) {
    static const mofka_producer_options_t defaults;
    options = options ? options : &defaults;
    mofka_status_t status = mfi_topic_check(topic);
    if (!status)
        status = check_options(options);
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
    pthread_mutex_init(&producer->lock, NULL);
    pthread_mutex_init(&producer->select_lock, NULL);
    mfi_cond_init(&producer->changed);
    status = set_options(producer, options);
    if (!status)
        status = make_selector(producer);
    producer->accepts_all = mfi_validator_accepts_all(topic->validator);
    producer->stores_text = mofka_serializer_is_identity(topic->serializer);
    producer->one_choice = !status && topic->partition_count == 1 &&
                           mfi_partition_selector_takes_turns(producer->selector);
    producer->tells_selector =
        !status && mfi_partition_selector_follows_batches(producer->selector);
    if (!status)
        status = make_backend(producer);
    if (status) {
        mfi_producer_free(producer);
        return status;
    }
    mfi_log(MOFKA_LOG_DEBUG, "producer '%s' of topic '%s' is open", name, topic->name);
    *out = producer;
    return MOFKA_OK;
}

static bool is_producer(const mofka_producer_t *handle) {
    return mfi_object_is(handle, MFI_PRODUCER);
}

const char *mofka_producer_name(const mofka_producer_t *producer) {
    return is_producer(producer) ? producer->name : NULL;
}

mofka_topic_t *mofka_producer_topic(const mofka_producer_t *producer) {
    return is_producer(producer) ? producer->topic : NULL;
}

size_t mofka_producer_batch_size(const mofka_producer_t *producer) {
    return is_producer(producer) ? producer->batch_size : 0;
}

size_t mofka_producer_max_batches(const mofka_producer_t *producer) {
    return is_producer(producer) ? producer->max_batches : 0;
}

mofka_ordering_t mofka_producer_ordering(const mofka_producer_t *producer) {
    return is_producer(producer) ? producer->ordering : MOFKA_ORDERING_STRICT;
}

mofka_thread_pool_t *mofka_producer_thread_pool(const mofka_producer_t *producer) {
    return is_producer(producer) ? producer->pool : NULL;
}

uint64_t mofka_producer_linger_ms(const mofka_producer_t *producer) {
    return is_producer(producer) ? producer->linger_ms : 0;
}

int64_t mofka_producer_push_timeout_ms(const mofka_producer_t *producer) {
    return is_producer(producer) ? producer->push_timeout_ms : 0;
}

const char *mofka_producer_options_json(const mofka_producer_t *producer) {
    return is_producer(producer) ? producer->options_json : NULL;
}
