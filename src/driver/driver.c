/* SPDX-License-Identifier: BSD-3-Clause */
/* Driver handles, and the topics made and opened through them. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/environment.h"
#include "base/clock.h"
#include "driver/driver.h"
#include "base/log.h"
#include "types/registry.h"
#include "driver/reporter.h"
#include "stats/counters.h"

mofka_status_t mofka_driver_register(const char *type, mofka_driver_create_fn create) {
    return mfi_register(MFI_REGISTRY_DRIVER, type, (mfi_function_t)create);
}

static bool table_is_whole(const mofka_driver_ops_t *ops) {
    return ops && ops->size >= sizeof *ops && ops->create_topic && ops->open_topic &&
           ops->topic_exists && ops->list_topics && ops->close && ops->destroy;
}

mofka_status_t mofka_driver_wrap(const char *type, const mofka_driver_ops_t *ops, void *self,
                                 mofka_driver_t **out) {
    if (!table_is_whole(ops))
        return mofka_fail(MOFKA_ERR_INVALID, "driver '%s': its table lacks a required slot", type);
    mofka_driver_t *driver = calloc(1, sizeof *driver);
    mfi_totals_t *totals = calloc(1, sizeof *totals);
    char *name = strdup(type);
    mofka_thread_pool_t *pool =
        ops->default_thread_pool ? mofka_thread_pool_retain(ops->default_thread_pool(self)) : NULL;
    mofka_status_t status = pool ? MOFKA_OK : mofka_thread_pool_create(NULL, &pool);
    if (!driver || !totals || !name || status) {
        free(driver);
        free(totals);
        free(name);
        mofka_thread_pool_release(pool);
        return status ? status : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a driver");
    }
    mfi_object_init(&driver->object, MFI_DRIVER);
    driver->ops = ops;
    driver->self = self;
    driver->type = name;
    driver->default_pool = pool;
    driver->totals = totals;
    pthread_mutex_init(&driver->lock, NULL);
    mfi_environment_check();
    mfi_drivers_add(driver);
    driver->file = mfi_stats_file_start(driver);
    mfi_log(MOFKA_LOG_INFO, "driver '%s' is open", type);
    *out = driver;
    return MOFKA_OK;
}

mofka_status_t mofka_driver_create(const char *type, const char *options, mofka_driver_t **driver) {
    int saved = errno; /* libraries are looked for, and backends call much */
    mfi_function_t create;
    mofka_status_t status = mfi_registry_find(MFI_REGISTRY_DRIVER, type, &create);
    const mofka_driver_ops_t *ops;
    void *self;
    if (!status)
        status = ((mofka_driver_create_fn)create)(options, &ops, &self);
    if (!status) {
        status = mofka_driver_wrap(type, ops, self, driver);
        if (status && table_is_whole(ops)) { /* it was not taken */
            ops->close(self, 0);
            ops->destroy(self);
        }
    }
    errno = saved;
    return status;
}

mofka_status_t mfi_driver_add_child(mofka_driver_t *driver, mfi_child_t *child) {
    mofka_status_t status = MOFKA_OK;
    pthread_mutex_lock(&driver->lock);
    if (driver->closed) {
        status = MOFKA_ERR_CLOSED;
    } else {
        child->previous = NULL;
        child->next = driver->children;
        if (child->next)
            child->next->previous = child;
        driver->children = child;
    }
    pthread_mutex_unlock(&driver->lock);
    return status ? mofka_fail(status, "the driver is closed") : MOFKA_OK;
}

void mfi_driver_remove_child(mofka_driver_t *driver, mfi_child_t *child) {
    pthread_mutex_lock(&driver->lock);
    child->fold(child, driver->totals);
    if (child->previous)
        child->previous->next = child->next;
    else
        driver->children = child->next;
    if (child->next)
        child->next->previous = child->previous;
    pthread_mutex_unlock(&driver->lock);
}

/* Children that their user let go of are driven to their end; others keep the driver busy. */
static mofka_status_t end_children(mofka_driver_t *driver, int64_t deadline) {
    for (;;) {
        pthread_mutex_lock(&driver->lock);
        mfi_child_t *child = driver->children;
        mofka_status_t status = MOFKA_OK;
        if (child && !child->drive)
            status = mofka_fail(MOFKA_ERR_BUSY, "%s '%s' of topic '%s' is open", child->what,
                                child->name, child->topic_name);
        driver->closed = !child;
        pthread_mutex_unlock(&driver->lock);
        if (status || !child)
            return status;
        status = child->drive(child, mfi_remaining(deadline)); /* removes itself when it ended */
        if (status)
            return status;
    }
}

static mofka_status_t close_open(mofka_driver_t *driver, int64_t timeout_ms) {
    int64_t deadline = mfi_deadline(timeout_ms);
    mofka_status_t status = end_children(driver, deadline);
    if (!status) {
        mfi_reporter_stop(driver->callback, true);
        mfi_reporter_stop(driver->file, true);
        driver->callback = driver->file = NULL;
        status = driver->ops->close(driver->self, mfi_remaining(deadline));
    }
    if (status)
        return status;
    mfi_drivers_remove(driver);
    driver->ops->destroy(driver->self);
    driver->ops = NULL;
    mfi_log(MOFKA_LOG_INFO, "driver '%s' is closed", driver->type);
    return MOFKA_OK;
}

/* With the lock: one that was not tried yet, which is so from now on. */
static mfi_child_t *next_forgotten(mofka_driver_t *driver) {
    mfi_child_t *child = driver->children;
    while (child && child->forgotten)
        child = child->next;
    if (child)
        child->forgotten = true;
    return child;
}

mofka_status_t mofka_driver_end_forgotten(void *self, int64_t flush_ms, int64_t close_ms) {
    mofka_driver_t *driver = mfi_drivers_find(self);
    if (!driver)
        return mofka_fail(MOFKA_ERR_INVALID, "no open driver has this `self`");
    int64_t deadline = mfi_deadline(flush_ms);
    mfi_reporter_join(driver->callback);
    mfi_reporter_join(driver->file);
    for (;;) {
        pthread_mutex_lock(&driver->lock);
        mfi_child_t *child = next_forgotten(driver);
        pthread_mutex_unlock(&driver->lock);
        if (!child)
            break;
        if ((child->drive ? child->drive : child->end)(child, mfi_remaining(deadline)))
            mfi_log(MOFKA_LOG_WARN, "ending a forgotten %s: %s", child->what, mofka_last_error());
    }
    mofka_status_t status = close_open(driver, close_ms);
    if (status)
        mfi_drivers_lose(driver);
    return status;
}

mofka_status_t mofka_driver_close(mofka_driver_t *driver, int64_t timeout_ms) {
    mofka_status_t status = mfi_check(driver, MFI_DRIVER, "driver");
    if (status || !driver->ops)
        return status;
    int saved = errno;
    status = close_open(driver, timeout_ms);
    errno = saved;
    return status;
}

mofka_driver_t *mofka_driver_retain(mofka_driver_t *driver) {
    if (driver)
        mfi_object_retain(&driver->object);
    return driver;
}

void mofka_driver_release(mofka_driver_t *driver) {
    if (!driver || !mfi_handle_release(&driver->object))
        return;
    if (driver->ops) { /* reporters, and MPI_Finalize, may still come to it */
        mfi_log(MOFKA_LOG_WARN, "driver '%s' was released but never closed; its memory stays",
                driver->type);
        return;
    }
    mofka_thread_pool_release(driver->default_pool);
    pthread_mutex_destroy(&driver->lock);
    free(driver->totals);
    free(driver->type);
    free(driver);
}

const char *mofka_driver_type(const mofka_driver_t *driver) {
    return mfi_object_is(driver, MFI_DRIVER) ? driver->type : NULL;
}

static mofka_status_t check_open(mofka_driver_t *driver) {
    mofka_status_t status = mfi_check(driver, MFI_DRIVER, "driver");
    if (!status && !driver->ops)
        status = mofka_fail(MOFKA_ERR_CLOSED, "the driver is closed");
    return status;
}

static mofka_status_t check_name(const char *name) {
    size_t length = name ? strnlen(name, MOFKA_NAME_BYTES_MAX + 1) : 0;
    if (length == 0)
        return mofka_fail(MOFKA_ERR_INVALID,
                          "the topic name is empty; names are 1 to %d printable ASCII characters",
                          MOFKA_NAME_BYTES_MAX);
    if (length > MOFKA_NAME_BYTES_MAX)
        return mofka_fail(MOFKA_ERR_INVALID, "the topic name '%.32s...' has more than %d bytes",
                          name, MOFKA_NAME_BYTES_MAX);
    for (size_t i = 0; i < length; i++)
        if (name[i] < 0x20 || name[i] > 0x7e)
            return mofka_fail(
                MOFKA_ERR_INVALID,
                "the topic name has a byte 0x%02x at %zu; names are 1 to %d printable "
                "ASCII characters",
                (unsigned char)name[i], i, MOFKA_NAME_BYTES_MAX);
    return MOFKA_OK;
}

/* A topic must not be stored with helpers that nobody can make. */
static mofka_status_t check_helpers(const mofka_topic_options_t *options) {
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
    static const mofka_topic_options_t none;
    mofka_status_t status = check_open(driver);
    options = options ? options : &none;
    if (!status)
        status = check_name(name);
    if (!status)
        status = check_helpers(options);
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

mofka_status_t mofka_driver_open_topic(mofka_driver_t *driver, const char *name, int64_t timeout_ms,
                                       mofka_topic_t **topic) {
    mofka_status_t status = check_open(driver);
    if (!status)
        status = check_name(name);
    if (status)
        return status;
    int64_t deadline = mfi_deadline(timeout_ms);
    for (long us = 20;; us = us < 1000 ? 2 * us : us) {
        status = mfi_topic_open(driver, name, topic);
        if (status != MOFKA_ERR_NOT_FOUND || mfi_remaining(deadline) == 0)
            return status;
        nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
    }
}

mofka_status_t mofka_driver_topic_exists(mofka_driver_t *driver, const char *name, bool *exists) {
    mofka_status_t status = check_open(driver);
    return status ? status : driver->ops->topic_exists(driver->self, name ? name : "", exists);
}

mofka_status_t mofka_driver_list_topics(mofka_driver_t *driver, mofka_topic_visit_fn visit,
                                        void *context) {
    mofka_status_t status = check_open(driver);
    if (!status)
        status = driver->ops->list_topics(driver->self, visit, context);
    return status == MOFKA_STOP ? MOFKA_OK : status;
}

mofka_thread_pool_t *mofka_driver_default_thread_pool(mofka_driver_t *driver) {
    return mfi_object_is(driver, MFI_DRIVER) ? driver->default_pool : NULL;
}

mofka_status_t mofka_driver_make_thread_pool(mofka_driver_t *driver, size_t thread_count,
                                             mofka_binding_t binding, mofka_thread_pool_t **pool) {
    mofka_status_t status = check_open(driver);
    if (status)
        return status;
    if (driver->ops->make_thread_pool)
        return driver->ops->make_thread_pool(driver->self, thread_count, binding, pool);
    mofka_thread_pool_options_t options = {.thread_count = thread_count, .binding = binding};
    if (driver->ops->node_place)
        driver->ops->node_place(driver->self, &options.node_process_index,
                                &options.node_process_count);
    return mofka_thread_pool_create(&options, pool);
}
