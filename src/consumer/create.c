/* SPDX-License-Identifier: BSD-3-Clause */
/* Consumers: creation, destruction, and what they were made with. */
#include <stdlib.h>
#include <string.h>
#include "consumer/consumer.h"
#include "base/log.h"

void mfi_consumer_free(mofka_consumer_t *consumer) {
    consumer->ops->destroy(consumer->self);
    mofka_data_descriptor_release(consumer->full);
    mofka_thread_pool_release(consumer->options.thread_pool);
    mofka_topic_release(consumer->topic);
    pthread_cond_destroy(&consumer->changed);
    pthread_mutex_destroy(&consumer->lock);
    free((void *)consumer->options.targets);
    free((void *)consumer->options.options);
    free(consumer->name);
    free(consumer);
}

void mfi_consumer_keep(void *self) {
    mofka_consumer_t *consumer = self;
    atomic_fetch_add_explicit(&consumer->keeps, 1, memory_order_relaxed);
}

void mfi_consumer_drop(void *self) {
    mofka_consumer_t *consumer = self;
    if (atomic_fetch_sub_explicit(&consumer->keeps, 1, memory_order_acq_rel) == 1)
        mfi_consumer_free(consumer);
}

mofka_consumer_t *mofka_consumer_retain(mofka_consumer_t *consumer) {
    if (consumer)
        mfi_object_retain(&consumer->object);
    return consumer;
}

static mofka_status_t drive_abandoned(mfi_child_t *child, int64_t timeout_ms) {
    mofka_consumer_t *consumer =
        (mofka_consumer_t *)((char *)child - offsetof(mofka_consumer_t, child));
    (void)timeout_ms;
    mofka_status_t status = mfi_consumer_end(consumer);
    if (consumer->gone) /* no lock: there are no users */
        mfi_consumer_drop(consumer);
    return status;
}

void mofka_consumer_release(mofka_consumer_t *consumer) {
    if (!consumer || !mfi_handle_release(&consumer->object))
        return;
    if (consumer->gone) { /* no lock: the last user is alone, and the library does not end it */
        mfi_consumer_drop(consumer);
        return;
    }
    mfi_log(MOFKA_LOG_WARN,
            "consumer '%s' of topic '%s' was released but not closed; its name is taken until the "
            "driver closes",
            consumer->name, consumer->topic->name);
    mofka_driver_t *driver = consumer->topic->driver;
    pthread_mutex_lock(&driver->lock);
    consumer->child.drive = drive_abandoned;
    pthread_mutex_unlock(&driver->lock);
}

static mofka_status_t check_name(const char *name) {
    size_t length = name ? strnlen(name, MOFKA_NAME_BYTES_MAX + 1) : 0;
    if (length == 0 || length > MOFKA_NAME_BYTES_MAX)
        return mofka_fail(MOFKA_ERR_INVALID,
                          "a consumer needs a name of 1 to %d bytes, not '%.40s'",
                          MOFKA_NAME_BYTES_MAX, name ? name : "(NULL)");
    for (size_t i = 0; i < length; i++)
        if (name[i] < 0x20 || name[i] > 0x7e)
            return mofka_fail(MOFKA_ERR_INVALID,
                              "the consumer name has a byte 0x%02x at %zu; names are 1 to %d "
                              "printable ASCII characters",
                              (unsigned char)name[i], i, MOFKA_NAME_BYTES_MAX);
    return MOFKA_OK;
}

static int ascending(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? -1 : x > y;
}

/* A sorted copy, checked; none of no list. */
static mofka_status_t copy_targets(const mofka_topic_t *topic,
                                   const mofka_consumer_options_t *options, size_t **out) {
    if (!options->targets && options->target_count > 0)
        return mofka_fail(MOFKA_ERR_INVALID, "NULL list of %zu targets", options->target_count);
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
    qsort(targets, options->target_count, sizeof *targets, ascending);
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < options->target_count && !status; i++) {
        if (targets[i] >= topic->partition_count)
            status = mofka_fail(MOFKA_ERR_RANGE,
                                "consumer: target %zu is outside [0, %zu], the partitions of topic "
                                "'%s'",
                                targets[i], topic->partition_count - 1, topic->name);
        else if (i > 0 && targets[i] == targets[i - 1])
            status = mofka_fail(MOFKA_ERR_INVALID, "target %zu is given twice", targets[i]);
    }
    if (status)
        free(targets);
    else
        *out = targets;
    return status;
}

static bool table_is_whole(const mofka_consumer_ops_t *ops) {
    return ops && ops->size >= sizeof *ops && ops->fetch && ops->get_data && ops->finish_data &&
           ops->wait && ops->release_run && ops->acknowledge && ops->unsubscribe && ops->close &&
           ops->destroy;
}

static mofka_status_t make_backend(mofka_consumer_t *consumer) {
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
    if (!table_is_whole(consumer->ops))
        return mofka_fail(MOFKA_ERR_INVALID, "a consumer's table lacks a required slot");
    if (consumer->options.zero_copy && !consumer->ops->view_data)
        status = mofka_fail(MOFKA_ERR_UNSUPPORTED, "this backend cannot show data where it is");
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

static mofka_status_t check_options(const mofka_consumer_options_t *options) {
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
    if (options->thread_pool)
        return mfi_check(options->thread_pool, MFI_THREAD_POOL, "thread pool");
    if (options->zero_copy && options->allocator)
        return mofka_fail(MOFKA_ERR_INVALID, "zero_copy has no use for an allocator");
    return MOFKA_OK;
}

static mofka_status_t set_options(mofka_consumer_t *consumer,
                                  const mofka_consumer_options_t *options) {
    size_t *targets = NULL;
    mofka_status_t status = check_options(options);
    if (!status)
        status = copy_targets(consumer->topic, options, &targets);
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
    consumer->workers = mofka_thread_pool_thread_count(options->thread_pool) > 0;
    return MOFKA_OK;
}

static mofka_consumer_t *consumer_new(mofka_topic_t *topic, const char *name) {
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
    pthread_mutex_init(&consumer->lock, NULL);
    mfi_cond_init(&consumer->changed);
    return consumer;
}

mofka_status_t mofka_consumer_create(mofka_topic_t *topic, const mofka_consumer_options_t *options,
                                     mofka_consumer_t **out) {
    mofka_status_t status = mfi_topic_check(topic);
    if (!status)
        status = check_name(options ? options->name : NULL);
    if (status)
        return status;
    mofka_consumer_t *consumer = consumer_new(topic, options->name);
    if (!consumer)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a consumer");
    static const mofka_consumer_ops_t nothing = {.destroy = free}; /* free(NULL) */
    status = set_options(consumer, options);
    if (!status)
        status = make_backend(consumer);
    if (status) {
        consumer->ops = &nothing;
        consumer->self = NULL;
        mfi_consumer_free(consumer);
        return status;
    }
    mfi_log(MOFKA_LOG_DEBUG, "consumer '%s' of topic '%s' is open", consumer->name, topic->name);
    *out = consumer;
    return MOFKA_OK;
}

static bool is_consumer(const mofka_consumer_t *handle) {
    return mfi_object_is(handle, MFI_CONSUMER);
}

uint64_t mofka_consumer_lost(const mofka_consumer_t *consumer) {
    return is_consumer(consumer) ? atomic_load(&((mofka_consumer_t *)consumer)->lost) : 0;
}

const char *mofka_consumer_name(const mofka_consumer_t *consumer) {
    return is_consumer(consumer) ? consumer->name : NULL;
}

mofka_topic_t *mofka_consumer_topic(const mofka_consumer_t *consumer) {
    return is_consumer(consumer) ? consumer->topic : NULL;
}

size_t mofka_consumer_batch_size(const mofka_consumer_t *consumer) {
    return is_consumer(consumer) ? consumer->options.batch_size : 0;
}

size_t mofka_consumer_max_batches(const mofka_consumer_t *consumer) {
    return is_consumer(consumer) ? consumer->options.max_batches : 0;
}

mofka_thread_pool_t *mofka_consumer_thread_pool(const mofka_consumer_t *consumer) {
    return is_consumer(consumer) ? consumer->options.thread_pool : NULL;
}

mofka_data_selector_fn mofka_consumer_selector(const mofka_consumer_t *consumer, void **context) {
    if (context)
        *context = is_consumer(consumer) ? consumer->options.selector_context : NULL;
    return is_consumer(consumer) ? consumer->options.selector : NULL;
}

mofka_data_allocator_fn mofka_consumer_allocator(const mofka_consumer_t *consumer, void **context) {
    if (context)
        *context = is_consumer(consumer) ? consumer->options.allocator_context : NULL;
    return is_consumer(consumer) ? consumer->options.allocator : NULL;
}

const size_t *mofka_consumer_targets(const mofka_consumer_t *consumer, size_t *count) {
    if (count)
        *count = is_consumer(consumer) ? consumer->options.target_count : 0;
    return is_consumer(consumer) ? consumer->options.targets : NULL;
}

mofka_start_t mofka_consumer_start(const mofka_consumer_t *consumer) {
    return is_consumer(consumer) ? consumer->options.start : MOFKA_START_BEGINNING;
}

mofka_acknowledge_t mofka_consumer_acknowledge_mode(const mofka_consumer_t *consumer) {
    return is_consumer(consumer) ? consumer->options.acknowledge : MOFKA_ACKNOWLEDGE_MANUAL;
}

const char *mofka_consumer_options_json(const mofka_consumer_t *consumer) {
    return is_consumer(consumer) ? consumer->options.options : NULL;
}

bool mofka_consumer_zero_copy(const mofka_consumer_t *consumer) {
    return mfi_object_is(consumer, MFI_CONSUMER) && consumer->options.zero_copy;
}
