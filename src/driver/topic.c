/* SPDX-License-Identifier: BSD-3-Clause */
/* Topics: creates, opens and lists them through a driver. Topic handles. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "driver/driver.h"
#include "base/log.h"
#include "types/helper.h"
#include <mofka/backend.h>

/* How long reading a topic's description may take. */
#define LOOK_MS 15000

/* MOFKA_ERR_EXISTS. The backend checks it again under its lock. Here no library of the new topic's
 * types has been loaded yet; when ranks create one name at once, each may load its own first,
 * because a lock of all ranks is not held while libraries are loaded. */
static mofka_status_t topic_check_absent(mofka_driver_t *driver, const char *name) {
    bool exists = false;
    mofka_status_t status = driver->ops->topic_exists(driver->self, name, &exists);
    if (!status && exists)
        status = mofka_fail(MOFKA_ERR_EXISTS, "topic '%s' exists", name);
    return status;
}

/* A topic must not be stored with helpers that cannot be made. */
static mofka_status_t topic_check_helpers(const mofka_topic_options_t *options) {
    mofka_validator_t *validator = NULL;
    mofka_partition_selector_t *selector = NULL;
    mofka_serializer_t *serializer = NULL;
    mofka_status_t status = mofka_validator_from_metadata(options->validator, &validator);
    if (!status)
        status = mofka_partition_selector_from_metadata(options->selector, &selector);
    if (!status)
        status = mofka_serializer_from_metadata(options->serializer, &serializer);
    mofka_validator_release(validator);
    mofka_partition_selector_release(selector);
    mofka_serializer_release(serializer);
    return status;
}

mofka_status_t mofka_driver_create_topic(mofka_driver_t *driver, const char *name,
                                         const mofka_topic_options_t *options) {
    MFI_KEEP_ERRNO;
    static const mofka_topic_options_t none;
    mofka_status_t status = mfi_driver_check_open(driver);
    options = options ? options : &none;
    if (!status)
        status = mfi_name_check("topic", name);
    if (!status)
        status = topic_check_absent(driver, name);
    if (!status)
        status = topic_check_helpers(options);
    if (status)
        return status;
    static const char *const standard = "{\"type\":\"default\"}";
    mofka_topic_config_t config = {.name = name,
                                   .options = options->options ? options->options : "{}",
                                   .validator = options->validator ? options->validator : standard,
                                   .selector = options->selector ? options->selector : standard,
                                   .serializer =
                                       options->serializer ? options->serializer : standard};
    status = driver->ops->create_topic(driver->self, &config);
    if (!status)
        mfi_log(MOFKA_LOG_INFO, "topic '%s' is created, options %s", name, config.options);
    return status;
}

static bool topic_can_be_deleted(const mofka_driver_ops_t *ops) {
    return ops->size > offsetof(mofka_driver_ops_t, delete_topic) && ops->delete_topic;
}

mofka_status_t mofka_driver_delete_topic(mofka_driver_t *driver, const char *name) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_driver_check_open(driver);
    if (!status)
        status = mfi_name_check("topic", name);
    if (status)
        return status;
    if (!topic_can_be_deleted(driver->ops))
        return mofka_fail(MOFKA_ERR_UNSUPPORTED, "a driver of type '%s' cannot delete topics",
                          driver->type);
    status = driver->ops->delete_topic(driver->self, name);
    if (!status)
        mfi_log(MOFKA_LOG_INFO, "topic '%s' is deleted", name);
    return status;
}

static bool topic_ops_are_complete(const mofka_topic_ops_t *ops) {
    return ops && ops->size >= offsetof(mofka_topic_ops_t, evict) && ops->partition_info &&
           ops->mark_complete && ops->make_producer && ops->make_consumer && ops->destroy;
}

static void topic_destroy(mofka_topic_t *topic) {
    assert(topic->driver && topic->name);
    if (topic->ops)
        topic->ops->destroy(topic->self);
    mofka_validator_release(topic->validator);
    mofka_serializer_release(topic->serializer);
    mofka_driver_release(topic->driver);
    free(topic->selector);
    free(topic->name);
    free(topic);
}

/* Make a handle of what the backend gave, still without helpers; takes `made` but for the texts of
 * the validator and the serializer. */
static mofka_status_t topic_wrap(mofka_driver_t *driver, const char *name, mofka_topic_made_t *made,
                                 mofka_topic_t **out) {
    mofka_topic_t *topic = calloc(1, sizeof *topic);
    char *copy = strdup(name);
    if (!topic || !copy || !topic_ops_are_complete(made->ops)) {
        mofka_status_t status =
            topic && copy ? mofka_fail(MOFKA_ERR_INVALID, "a topic's table lacks a required slot")
                          : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a topic handle");
        if (made->ops && made->ops->destroy)
            made->ops->destroy(made->self);
        free(topic);
        free(copy);
        free(made->selector);
        return status;
    }
    mfi_object_init(&topic->object, MFI_TOPIC);
    topic->driver = mofka_driver_retain(driver);
    topic->name = copy;
    topic->ops = made->ops;
    topic->self = made->self;
    topic->partition_count = made->partition_count;
    topic->selector = made->selector;
    *out = topic;
    return MOFKA_OK;
}

/* MOFKA_ERR_NOT_FOUND: a type is missing. The message says that the topic is there. */
static mofka_status_t topic_make_helpers(mofka_topic_t *topic, const mofka_topic_made_t *made) {
    mofka_status_t status = mfi_validator_from_record(made->validator, &topic->validator);
    if (!status)
        status = mfi_serializer_from_record(made->serializer, &topic->serializer);
    return status ? mofka_fail(status, "topic '%s' exists, but cannot be opened here: %s",
                               topic->name, mofka_last_error())
                  : MOFKA_OK;
}

/* Make a handle of a topic that exists, takes `made`. */
static mofka_status_t topic_make(mofka_driver_t *driver, const char *name, mofka_topic_made_t *made,
                                 mofka_topic_t **out) {
    mofka_topic_t *topic;
    mofka_status_t status = topic_wrap(driver, name, made, &topic);
    if (!status) {
        status = topic_make_helpers(topic, made);
        if (status) {
            topic_destroy(topic);
        } else {
            mfi_log(MOFKA_LOG_INFO, "topic '%s' of %zu partitions is open", name,
                    topic->partition_count);
            *out = topic;
        }
    }
    free(made->validator);
    free(made->serializer);
    return status;
}

mofka_status_t mofka_driver_open_topic(mofka_driver_t *driver, const char *name, int64_t timeout_ms,
                                       mofka_topic_t **topic) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_driver_check_open(driver);
    if (!status)
        status = mfi_name_check("topic", name);
    if (status)
        return status;
    int64_t deadline = mfi_deadline(timeout_ms);
    for (long us = 20;; us = us < 1000 ? 2 * us : us) {
        mofka_topic_made_t made = {0};
        status = driver->ops->open_topic(driver->self, name, mfi_remaining(deadline), &made);
        if (!status)
            return topic_make(driver, name, &made, topic);
        if (status != MOFKA_ERR_NOT_FOUND || mfi_remaining(deadline) == 0)
            return status;
        nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
    }
}

mofka_status_t mofka_driver_list_partitions(mofka_driver_t *driver, const char *name,
                                            mofka_partition_visit_fn visit, void *context) {
    MFI_KEEP_ERRNO;
    mofka_topic_made_t made = {0};
    mofka_topic_t *topic;
    mofka_status_t status = mfi_driver_check_open(driver);
    if (!status)
        status = mfi_name_check("topic", name);
    if (!status)
        status = driver->ops->open_topic(driver->self, name, LOOK_MS, &made);
    if (status)
        return status;
    status = topic_wrap(driver, name, &made, &topic);
    free(made.validator);
    free(made.serializer);
    if (status)
        return status;
    for (size_t i = 0; i < topic->partition_count && !status; i++) {
        mofka_metadata_t *info;
        status = topic->ops->partition_info(topic->self, i, &info);
        if (!status) {
            status = visit(context, i, info);
            mofka_metadata_release(info);
        }
    }
    topic_destroy(topic);
    return status == MOFKA_STOP ? MOFKA_OK : status;
}

mofka_status_t mofka_driver_topic_exists(mofka_driver_t *driver, const char *name, bool *exists) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_driver_check_open(driver);
    return status ? status : driver->ops->topic_exists(driver->self, name ? name : "", exists);
}

mofka_status_t mofka_driver_list_topics(mofka_driver_t *driver, mofka_topic_visit_fn visit,
                                        void *context) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_driver_check_open(driver);
    if (!status)
        status = driver->ops->list_topics(driver->self, visit, context);
    return status == MOFKA_STOP ? MOFKA_OK : status;
}

mofka_topic_t *mofka_topic_retain(mofka_topic_t *topic) {
    if (topic)
        mfi_object_retain(&topic->object);
    return topic;
}

void mofka_topic_release(mofka_topic_t *topic) {
    MFI_KEEP_ERRNO;
    if (topic && !mfi_is_marked(topic->driver) && mfi_object_release(&topic->object))
        topic_destroy(topic);
}

const char *mofka_topic_name(const mofka_topic_t *topic) {
    return mfi_object_is(topic, MFI_TOPIC) ? topic->name : NULL;
}

mofka_driver_t *mofka_topic_driver(const mofka_topic_t *topic) {
    return mfi_object_is(topic, MFI_TOPIC) ? topic->driver : NULL;
}

const mofka_validator_t *mofka_topic_validator(const mofka_topic_t *topic) {
    return mfi_object_is(topic, MFI_TOPIC) ? topic->validator : NULL;
}

const mofka_serializer_t *mofka_topic_serializer(const mofka_topic_t *topic) {
    return mfi_object_is(topic, MFI_TOPIC) ? topic->serializer : NULL;
}

const char *mofka_topic_selector(const mofka_topic_t *topic) {
    return mfi_object_is(topic, MFI_TOPIC) ? topic->selector : NULL;
}

size_t mofka_topic_partition_count(const mofka_topic_t *topic) {
    return mfi_object_is(topic, MFI_TOPIC) ? topic->partition_count : 0;
}

mofka_status_t mfi_topic_check(const mofka_topic_t *topic) {
    mofka_status_t status = mfi_check(topic, MFI_TOPIC, "topic");
    if (!status)
        status = mfi_check(topic->driver, MFI_DRIVER, "topic's driver");
    if (!status && !topic->driver->ops)
        status = mofka_fail(MOFKA_ERR_CLOSED, "the driver of topic '%s' is closed", topic->name);
    return status;
}

mofka_status_t mofka_topic_partition_info(const mofka_topic_t *topic, size_t index,
                                          mofka_metadata_t **info) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_topic_check(topic);
    if (!status && index >= topic->partition_count)
        status = mofka_fail(MOFKA_ERR_RANGE, "partition %zu of %zu of topic '%s'", index,
                            topic->partition_count, topic->name);
    return status ? status : topic->ops->partition_info(topic->self, index, info);
}

mofka_status_t mofka_topic_mark_complete(mofka_topic_t *topic, int64_t timeout_ms) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_topic_check(topic);
    return status ? status : topic->ops->mark_complete(topic->self, timeout_ms);
}

static bool topic_can_evict(const mofka_topic_ops_t *ops) {
    return ops->size > offsetof(mofka_topic_ops_t, evict) && ops->evict;
}

mofka_status_t mofka_topic_evict(mofka_topic_t *topic, const char *consumer, int64_t timeout_ms) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_topic_check(topic);
    if (!status)
        status = mfi_name_check("consumer", consumer);
    if (status)
        return status;
    if (!topic_can_evict(topic->ops))
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "topic '%s' is of a driver of type '%s', which cannot evict consumers",
                          topic->name, topic->driver->type);
    status = topic->ops->evict(topic->self, consumer, timeout_ms);
    if (!status)
        mfi_log(MOFKA_LOG_INFO, "topic '%s': consumer '%s' is evicted", topic->name, consumer);
    return status;
}

/* JSON of the ids. */
static mofka_status_t ends_give(const uint64_t *ends, size_t count, mofka_metadata_t **out) {
    size_t room = count * 21 + 3, at = 1; /* digits of an id, and a comma */
    char *text = malloc(room);
    if (!text)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for the ends of %zu partitions", count);
    text[0] = '[';
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, room - at, i ? ",%" PRIu64 : "%" PRIu64, ends[i]);
    text[at++] = ']';
    mofka_status_t status = mofka_metadata_create(text, at, out);
    free(text);
    return status;
}

mofka_status_t mofka_topic_ends(mofka_topic_t *topic, int64_t timeout_ms, mofka_metadata_t **out) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_topic_check(topic);
    if (status)
        return status;
    const mofka_topic_ops_t *ops = topic->ops;
    if (ops->size <= offsetof(mofka_topic_ops_t, ends) || !ops->ends)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "topic '%s': a driver of type '%s' keeps no events on disk", topic->name,
                          topic->driver->type);
    uint64_t *ends = calloc(topic->partition_count, sizeof *ends);
    if (!ends)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for the ends of %zu partitions",
                          topic->partition_count);
    status = ops->ends(topic->self, timeout_ms, ends);
    if (!status)
        status = ends_give(ends, topic->partition_count, out);
    free(ends);
    return status;
}
