/* SPDX-License-Identifier: BSD-3-Clause */
/* Topic handles. */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "driver/driver.h"
#include "base/log.h"

static bool table_is_whole(const mofka_topic_ops_t *ops) {
    return ops && ops->size >= sizeof *ops && ops->partition_info && ops->mark_complete &&
           ops->make_producer && ops->make_consumer && ops->destroy;
}

static void topic_free(mofka_topic_t *topic) {
    if (topic->ops)
        topic->ops->destroy(topic->self);
    mofka_validator_release(topic->validator);
    mofka_serializer_release(topic->serializer);
    mofka_driver_release(topic->driver);
    free(topic->selector);
    free(topic->name);
    free(topic);
}

mofka_status_t mfi_topic_open(mofka_driver_t *driver, const char *name, mofka_topic_t **out) {
    mofka_topic_made_t made = {0};
    mofka_status_t status = driver->ops->open_topic(driver->self, name, &made);
    if (status)
        return status;
    mofka_topic_t *topic = calloc(1, sizeof *topic);
    char *copy = strdup(name);
    if (!topic || !copy || !table_is_whole(made.ops)) {
        status = topic && copy
                     ? mofka_fail(MOFKA_ERR_INVALID, "a topic's table lacks a required slot")
                     : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a topic handle");
        if (made.ops && made.ops->destroy)
            made.ops->destroy(made.self);
        free(topic);
        free(copy);
        free(made.selector);
    } else {
        mfi_object_init(&topic->object, MFI_TOPIC);
        topic->driver = mofka_driver_retain(driver);
        topic->name = copy;
        topic->ops = made.ops;
        topic->self = made.self;
        topic->partition_count = made.partition_count;
        topic->selector = made.selector;
        status = mofka_validator_from_metadata(made.validator, &topic->validator);
        if (!status)
            status = mofka_serializer_from_metadata(made.serializer, &topic->serializer);
        if (status) {
            topic_free(topic);
        } else {
            mfi_log(MOFKA_LOG_INFO, "topic '%s' of %zu partitions is open", name,
                    topic->partition_count);
            *out = topic;
        }
    }
    free(made.validator);
    free(made.serializer);
    return status;
}

mofka_topic_t *mofka_topic_retain(mofka_topic_t *topic) {
    if (topic)
        mfi_object_retain(&topic->object);
    return topic;
}

void mofka_topic_release(mofka_topic_t *topic) {
    if (topic && !mfi_is_marked(topic->driver) && mfi_object_release(&topic->object))
        topic_free(topic);
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
    mofka_status_t status = mfi_topic_check(topic);
    if (!status && index >= topic->partition_count)
        status = mofka_fail(MOFKA_ERR_RANGE, "partition %zu of %zu of topic '%s'", index,
                            topic->partition_count, topic->name);
    return status ? status : topic->ops->partition_info(topic->self, index, info);
}

mofka_status_t mofka_topic_mark_complete(mofka_topic_t *topic, int64_t timeout_ms) {
    mofka_status_t status = mfi_topic_check(topic);
    return status ? status : topic->ops->mark_complete(topic->self, timeout_ms);
}
