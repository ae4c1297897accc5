/* SPDX-License-Identifier: BSD-3-Clause */
/* The example backend: the tables of driver, topic, producer and consumer over queues. */
#include "conformance/simple/simple_backend.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <mofka/register.h>
#include "conformance/simple/simple_queue.h"

#define RUN_EVENTS_MAX 1024 /* bounds what one fetch allocates */

typedef struct simple_driver {
    pthread_mutex_t lock; /* guards the list */
    queue_t *queues;
} simple_driver_t;

typedef struct simple_consumer {
    queue_t *queue;
    place_t *place; /* NULL once unsubscribed */
    uint64_t read;  /* next event to fetch */
} simple_consumer_t;

/* ---- producer: append a batch ---------------------------------------------------------------- */

static mofka_status_t simple_producer_limits(void *self, size_t partition,
                                             mofka_batch_limits_t *limits) {
    (void)self, (void)partition;
    *limits = (mofka_batch_limits_t){
        .events_max = 1 << 16, .bytes_max = 1 << 26, .event_bytes_max = 1 << 26};
    return MOFKA_OK;
}

static mofka_status_t simple_producer_append(void *self, size_t partition, mofka_batch_t *batch,
                                             int64_t timeout_ms, uint64_t *first_id) {
    queue_t *queue = self;
    (void)partition, (void)timeout_ms; /* there is always room */
    pthread_mutex_lock(&queue->lock);
    mofka_status_t status =
        queue->complete
            ? mofka_fail(MOFKA_ERR_COMPLETE, "topic '%s' is complete", queue->texts[NAME])
            : queue_make_room(queue, batch->event_count);
    if (!status)
        status = queue_copy_events(queue, batch);
    if (!status) {
        *first_id = queue->count;
        queue->count += batch->event_count;
        pthread_cond_broadcast(&queue->changed);
    }
    pthread_mutex_unlock(&queue->lock);
    return status;
}

static mofka_status_t simple_producer_close(void *self, bool flushed) {
    (void)self, (void)flushed;
    return MOFKA_OK;
}

static void simple_free_nothing(void *self) {
    (void)self; /* queues belong to the driver */
}

static const mofka_producer_ops_t producer_ops = {.size = sizeof producer_ops,
                                                  .limits = simple_producer_limits,
                                                  .append = simple_producer_append,
                                                  .close = simple_producer_close,
                                                  .destroy = simple_free_nothing};

static mofka_status_t simple_make_producer(void *self, const char *name, const char *options,
                                           const mofka_producer_ops_t **ops, void **producer) {
    (void)name;
    mofka_status_t status = mofka_options_read("producer of a simple topic", options, NULL, 0);
    *ops = &producer_ops;
    *producer = self;
    return status;
}

/* ---- consumer: fetch runs, copy data, keep a place ------------------------------------------- */

static mofka_status_t simple_consumer_fetch(void *self, size_t events_max, mofka_run_t **out) {
    simple_consumer_t *consumer = self;
    queue_t *queue = consumer->queue;
    mofka_status_t status = MOFKA_OK;
    mofka_run_t *run = NULL;
    pthread_mutex_lock(&queue->lock);
    size_t count = queue->count - (size_t)consumer->read;
    count = count < events_max ? count : events_max;
    count = count < RUN_EVENTS_MAX ? count : RUN_EVENTS_MAX;
    if (count == 0)
        status = queue->complete ? MOFKA_ERR_COMPLETE : MOFKA_ERR_TIMEOUT;
    else if (!(run = malloc(sizeof *run + count * sizeof *run->events)))
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for a run of %zu events", count);
    if (!status) {
        *run = (mofka_run_t){.event_count = count, .events = (mofka_fetched_event_t *)(run + 1)};
        for (size_t i = 0; i < count; i++) {
            const stored_t *from = &queue->events[consumer->read + i];
            run->events[i] = (mofka_fetched_event_t){.id = consumer->read + i,
                                                     .metadata = from->bytes,
                                                     .metadata_bytes = from->metadata_bytes,
                                                     .data_bytes = from->data_bytes,
                                                     .data_position = (uintptr_t)from->bytes +
                                                                      from->metadata_bytes + 1};
        }
        consumer->read += count;
        *out = run;
    }
    pthread_mutex_unlock(&queue->lock);
    return status;
}

static mofka_status_t simple_consumer_get_data(void *self, mofka_run_t *run, size_t index,
                                               const mofka_range_t *ranges, size_t range_count,
                                               mofka_data_view_t *view) {
    const char *data = (const char *)(uintptr_t)run->events[index].data_position;
    (void)self;
    for (size_t i = 0, at = 0; i < range_count; at += ranges[i++].size)
        mofka_data_view_write(view, data + ranges[i].offset, ranges[i].size, at);
    return MOFKA_OK;
}

/* Stored bytes stay where they are: zero-copy costs a list of segments. */
static mofka_status_t simple_consumer_view_data(void *self, mofka_run_t *run, size_t index,
                                                const mofka_range_t *ranges, size_t range_count,
                                                mofka_data_view_t **view) {
    char *data = (char *)(uintptr_t)run->events[index].data_position;
    (void)self;
    mofka_segment_t *segments = calloc(range_count + 1, sizeof *segments);
    if (!segments)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu segments", range_count);
    for (size_t i = 0; i < range_count; i++)
        segments[i] = (mofka_segment_t){data + ranges[i].offset, ranges[i].size};
    mofka_status_t status = mofka_data_view_create(segments, range_count, NULL, NULL, view);
    free(segments);
    return status;
}

static mofka_status_t simple_consumer_finish_data(void *self, mofka_run_t *run, int64_t timeout_ms,
                                                  size_t *overtaken) {
    (void)timeout_ms;
    (void)self, (void)run;
    *overtaken = 0; /* nothing is ever dropped */
    return MOFKA_OK;
}

static mofka_status_t simple_consumer_wait(void *self, int64_t timeout_ms) {
    simple_consumer_t *consumer = self;
    queue_t *queue = consumer->queue;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + timeout_ms % 1000 * 1000000;
    until.tv_sec += timeout_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    int error = 0;
    pthread_mutex_lock(&queue->lock);
    while (consumer->read == queue->count && !queue->complete && !error)
        error = pthread_cond_timedwait(&queue->changed, &queue->lock, &until);
    pthread_mutex_unlock(&queue->lock);
    return error ? MOFKA_ERR_TIMEOUT : MOFKA_OK;
}

static void simple_consumer_release_run(void *self, mofka_run_t *run) {
    (void)self;
    free(run);
}

static mofka_status_t simple_consumer_acknowledge(void *self, size_t partition, uint64_t id) {
    simple_consumer_t *consumer = self;
    (void)partition;
    pthread_mutex_lock(&consumer->queue->lock);
    if (consumer->place && consumer->place->next < id + 1)
        consumer->place->next = id + 1;
    pthread_mutex_unlock(&consumer->queue->lock);
    return MOFKA_OK;
}

/* All events stay, so it can go to each of them. */
static mofka_status_t simple_consumer_seek(void *self, size_t partition, uint64_t id) {
    simple_consumer_t *consumer = self;
    queue_t *queue = consumer->queue;
    (void)partition;
    pthread_mutex_lock(&queue->lock);
    size_t count = queue->count;
    pthread_mutex_unlock(&queue->lock);
    if (id > count)
        return mofka_fail(MOFKA_ERR_RANGE,
                          "topic '%s' has %zu events: a consumer cannot go to %llu",
                          queue->texts[NAME], count, (unsigned long long)id);
    consumer->read = id;
    return MOFKA_OK;
}

static mofka_status_t simple_consumer_unsubscribe(void *self) {
    simple_consumer_t *consumer = self;
    queue_t *queue = consumer->queue;
    pthread_mutex_lock(&queue->lock);
    place_t **at = &queue->places;
    while (*at && *at != consumer->place)
        at = &(*at)->next_place;
    if (*at)
        *at = consumer->place->next_place;
    free(consumer->place);
    consumer->place = NULL;
    pthread_mutex_unlock(&queue->lock);
    return MOFKA_OK;
}

static mofka_status_t simple_consumer_close(void *self) {
    simple_consumer_t *consumer = self;
    pthread_mutex_lock(&consumer->queue->lock);
    if (consumer->place)
        consumer->place->live = false;
    pthread_mutex_unlock(&consumer->queue->lock);
    return MOFKA_OK;
}

static const mofka_consumer_ops_t consumer_ops = {.size = sizeof consumer_ops,
                                                  .fetch = simple_consumer_fetch,
                                                  .get_data = simple_consumer_get_data,
                                                  .view_data = simple_consumer_view_data,
                                                  .finish_data = simple_consumer_finish_data,
                                                  .wait = simple_consumer_wait,
                                                  .release_run = simple_consumer_release_run,
                                                  .acknowledge = simple_consumer_acknowledge,
                                                  .unsubscribe = simple_consumer_unsubscribe,
                                                  .close = simple_consumer_close,
                                                  .destroy = free,
                                                  .seek = simple_consumer_seek};

static mofka_status_t simple_make_consumer(void *self, const mofka_consumer_config_t *config,
                                           const mofka_consumer_ops_t **ops, void **out) {
    queue_t *queue = self;
    mofka_status_t status =
        mofka_options_read("consumer of a simple topic", config->options, NULL, 0);
    if (status)
        return status;
    simple_consumer_t *consumer = calloc(1, sizeof *consumer);
    if (!consumer)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a consumer");
    pthread_mutex_lock(&queue->lock);
    status = queue_take_place(queue, config, &consumer->place);
    if (!status) {
        consumer->queue = queue;
        consumer->read = consumer->place->next;
    }
    pthread_mutex_unlock(&queue->lock);
    if (status) {
        free(consumer);
        return status;
    }
    *ops = &consumer_ops;
    *out = consumer;
    return MOFKA_OK;
}

/* ---- topic ----------------------------------------------------------------------------------- */

static mofka_status_t simple_partition_info(void *self, size_t index, mofka_metadata_t **info) {
    (void)self, (void)index;
    return mofka_metadata_create("{\"partition\":0}", strlen("{\"partition\":0}"), info);
}

static mofka_status_t simple_mark_complete(void *self, int64_t timeout_ms) {
    queue_t *queue = self;
    (void)timeout_ms;
    pthread_mutex_lock(&queue->lock);
    queue->complete = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    return MOFKA_OK;
}

static const mofka_topic_ops_t topic_ops = {.size = sizeof topic_ops,
                                            .partition_info = simple_partition_info,
                                            .mark_complete = simple_mark_complete,
                                            .make_producer = simple_make_producer,
                                            .make_consumer = simple_make_consumer,
                                            .destroy = simple_free_nothing};

/* ---- driver ---------------------------------------------------------------------------------- */

static queue_t *simple_find_queue(const simple_driver_t *driver, const char *name) {
    queue_t *queue = driver->queues;
    while (queue && strcmp(queue->texts[NAME], name) != 0)
        queue = queue->next_queue;
    return queue;
}

static mofka_status_t simple_create_topic(void *self, const mofka_topic_config_t *config) {
    simple_driver_t *driver = self;
    mofka_status_t status = mofka_options_read("simple topic", config->options, NULL, 0);
    if (!status)
        status = mofka_partition_selector_check_count(config->selector, 1);
    if (status)
        return status;
    pthread_mutex_lock(&driver->lock);
    queue_t *queue = NULL;
    if (simple_find_queue(driver, config->name)) {
        status = mofka_fail(MOFKA_ERR_EXISTS, "topic '%s' exists", config->name);
    } else if (!(queue = queue_create(config))) {
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for topic '%s'", config->name);
    } else {
        queue->next_queue = driver->queues;
        driver->queues = queue;
    }
    pthread_mutex_unlock(&driver->lock);
    return status;
}

static mofka_status_t simple_open_topic(void *self, const char *name, int64_t timeout_ms,
                                        mofka_topic_made_t *made) {
    (void)timeout_ms;
    simple_driver_t *driver = self;
    pthread_mutex_lock(&driver->lock);
    queue_t *queue = simple_find_queue(driver, name);
    pthread_mutex_unlock(&driver->lock);
    if (!queue)
        return mofka_fail(MOFKA_ERR_NOT_FOUND, "there is no topic '%s'", name);
    char *validator = strdup(queue->texts[VALIDATOR]), *selector = strdup(queue->texts[SELECTOR]);
    char *serializer = strdup(queue->texts[SERIALIZER]);
    if (!validator || !selector || !serializer) {
        free(validator);
        free(selector);
        free(serializer);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for topic '%s'", name);
    }
    *made = (mofka_topic_made_t){.ops = &topic_ops,
                                 .self = queue,
                                 .partition_count = 1,
                                 .validator = validator,
                                 .selector = selector,
                                 .serializer = serializer};
    return MOFKA_OK;
}

static mofka_status_t simple_topic_exists(void *self, const char *name, bool *exists) {
    simple_driver_t *driver = self;
    pthread_mutex_lock(&driver->lock);
    *exists = simple_find_queue(driver, name) != NULL;
    pthread_mutex_unlock(&driver->lock);
    return MOFKA_OK;
}

/* Topics are only ever added in front, so the list can be walked without the lock. */
static mofka_status_t simple_list_topics(void *self, mofka_topic_visit_fn visit, void *context) {
    simple_driver_t *driver = self;
    mofka_status_t status = MOFKA_OK;
    pthread_mutex_lock(&driver->lock);
    queue_t *queue = driver->queues;
    pthread_mutex_unlock(&driver->lock);
    for (; queue && !status; queue = queue->next_queue) {
        mofka_metadata_t *description;
        status = queue_describe(queue, &description);
        if (!status) {
            status = visit(context, queue->texts[NAME], description);
            mofka_metadata_release(description);
        }
    }
    return status;
}

static mofka_status_t simple_driver_close(void *self, int64_t timeout_ms) {
    (void)self, (void)timeout_ms;
    return MOFKA_OK;
}

static void simple_driver_destroy(void *self) {
    simple_driver_t *driver = self;
    for (queue_t *queue = driver->queues, *next; queue; queue = next) {
        next = queue->next_queue;
        queue_destroy(queue);
    }
    pthread_mutex_destroy(&driver->lock);
    free(driver);
}

static const mofka_driver_ops_t driver_ops = {.size = sizeof driver_ops,
                                              .create_topic = simple_create_topic,
                                              .open_topic = simple_open_topic,
                                              .topic_exists = simple_topic_exists,
                                              .list_topics = simple_list_topics,
                                              .close = simple_driver_close,
                                              .destroy = simple_driver_destroy};

mofka_status_t simple_create(const char *options, const mofka_driver_ops_t **ops, void **self) {
    mofka_status_t status = mofka_options_read("simple driver", options, NULL, 0);
    if (status)
        return status;
    simple_driver_t *driver = calloc(1, sizeof *driver);
    if (!driver)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a driver");
    pthread_mutex_init(&driver->lock, NULL);
    *ops = &driver_ops;
    *self = driver;
    return MOFKA_OK;
}

static mofka_status_t create_driver(const char *options, mofka_driver_t **driver) {
    const mofka_driver_ops_t *ops = NULL;
    void *self = NULL;
    mofka_status_t status = simple_create(options, &ops, &self);
    if (status)
        return status;
    status = mofka_driver_wrap("simple", ops, self, driver);
    if (status)
        ops->destroy(self); /* not taken */
    return status;
}
MOFKA_REGISTER_DRIVER(simple, create_driver);
