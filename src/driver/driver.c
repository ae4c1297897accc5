/* SPDX-License-Identifier: BSD-3-Clause */
/* Driver handles: registers, creates and closes drivers, and makes their thread pools. */
#include "driver/driver.h"

#include <stdlib.h>
#include <string.h>
#include "base/environment.h"
#include "base/clock.h"
#include "base/log.h"
#include "types/registry.h"
#include "driver/reporter.h"
#include "stats/counters.h"
#include <mofka/register.h>

mofka_status_t mofka_driver_register(const char *type, mofka_driver_create_fn create) {
    return mfi_registry_add(MFI_REGISTRY_DRIVER, type, (mfi_function_t)create);
}

/* Of a backend that was built before there were the optional slots behind these. */
#define OPS_SIZE_MIN offsetof(mofka_driver_ops_t, delete_topic)

static bool driver_ops_are_complete(const mofka_driver_ops_t *ops) {
    return ops && ops->size >= OPS_SIZE_MIN && ops->create_topic && ops->open_topic &&
           ops->topic_exists && ops->list_topics && ops->close && ops->destroy;
}

mofka_status_t mofka_driver_wrap(const char *type, const mofka_driver_ops_t *ops, void *self,
                                 mofka_driver_t **out) {
    MFI_KEEP_ERRNO;
    if (!driver_ops_are_complete(ops))
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
    MFI_KEEP_ERRNO;
    mfi_function_t create;
    mofka_status_t status =
        mfi_registry_find(MFI_REGISTRY_DRIVER, type, MFI_NAMED_BY_OPTION, &create);
    if (!status)
        status = ((mofka_driver_create_fn)create)(options, driver);
    return status;
}

mofka_thread_pool_t *mfi_driver_keep_background(mofka_driver_t *driver) {
    const mofka_thread_pool_options_t one = {.thread_count = 1, .binding = MOFKA_BINDING_NONE};
    assert(driver->ops);
    if (!driver->ops->any_thread || !driver->ops->any_thread(driver->self))
        return NULL;
    pthread_mutex_lock(&driver->lock);
    if (!driver->background && mofka_thread_pool_create(&one, &driver->background)) {
        driver->background = NULL;
        mfi_log(MOFKA_LOG_WARN, "batches linger until a producer's next call: %s",
                mofka_last_error());
    }
    mofka_thread_pool_t *pool = mofka_thread_pool_retain(driver->background);
    pthread_mutex_unlock(&driver->lock);
    return pool;
}

/* No producer is left. */
static void driver_end_background(mofka_driver_t *driver) {
    assert(!driver->children);
    if (driver->background)
        mofka_thread_pool_close(driver->background);
    mofka_thread_pool_release(driver->background);
    driver->background = NULL;
}

static mofka_status_t driver_close_open(mofka_driver_t *driver, int64_t timeout_ms) {
    int64_t deadline = mfi_deadline(timeout_ms);
    assert(driver->ops);
    mofka_status_t status = mfi_driver_end_children(driver, deadline);
    if (!status) {
        driver_end_background(driver);
        mfi_reporter_stop(driver->callback, true);
        mfi_reporter_stop(driver->file, true);
        driver->callback = driver->file = NULL;
        status = driver->ops->close(driver->self, mfi_remaining(deadline));
    }
    if (status)
        return status;
    assert(driver->closed && !driver->children);
    mfi_drivers_remove(driver);
    driver->ops->destroy(driver->self);
    driver->ops = NULL;
    mfi_log(MOFKA_LOG_INFO, "driver '%s' is closed", driver->type);
    return MOFKA_OK;
}

mofka_status_t mofka_driver_end_forgotten(void *self, int64_t flush_ms, int64_t close_ms) {
    MFI_KEEP_ERRNO;
    mofka_driver_t *driver = mfi_drivers_find(self);
    if (!driver)
        return mofka_fail(MOFKA_ERR_INVALID, "no open driver has this `self`");
    int64_t deadline = mfi_deadline(flush_ms);
    mfi_reporter_join(driver->callback);
    mfi_reporter_join(driver->file);
    mfi_driver_end_forgotten(driver, deadline);
    mofka_status_t status = driver_close_open(driver, close_ms);
    if (status)
        mfi_drivers_lose(driver);
    return status;
}

mofka_status_t mofka_driver_close(mofka_driver_t *driver, int64_t timeout_ms) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(driver, MFI_DRIVER, "driver");
    return status || !driver->ops ? status : driver_close_open(driver, timeout_ms);
}

mofka_driver_t *mofka_driver_retain(mofka_driver_t *driver) {
    if (driver)
        mfi_object_retain(&driver->object);
    return driver;
}

void mofka_driver_release(mofka_driver_t *driver) {
    MFI_KEEP_ERRNO;
    if (!driver || !mfi_handle_release(&driver->object))
        return;
    if (driver->ops) { /* reporters and MPI_Finalize may still use it */
        mfi_log(MOFKA_LOG_WARN, "driver '%s' was released but never closed; its memory stays",
                driver->type);
        return;
    }
    assert(!driver->children && !driver->callback && !driver->file);
    mofka_thread_pool_release(driver->default_pool);
    pthread_mutex_destroy(&driver->lock);
    free(driver->totals);
    free(driver->type);
    free(driver);
}

const char *mofka_driver_type(const mofka_driver_t *driver) {
    return mfi_object_is(driver, MFI_DRIVER) ? driver->type : NULL;
}

mofka_status_t mfi_driver_check_open(mofka_driver_t *driver) {
    mofka_status_t status = mfi_check(driver, MFI_DRIVER, "driver");
    if (!status && !driver->ops)
        status = mofka_fail(MOFKA_ERR_CLOSED, "the driver is closed");
    return status;
}

mofka_thread_pool_t *mofka_driver_default_thread_pool(mofka_driver_t *driver) {
    return mfi_object_is(driver, MFI_DRIVER) ? driver->default_pool : NULL;
}

mofka_status_t mofka_driver_make_thread_pool(mofka_driver_t *driver, size_t thread_count,
                                             mofka_binding_t binding, mofka_thread_pool_t **pool) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_driver_check_open(driver);
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
