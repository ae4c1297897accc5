/* SPDX-License-Identifier: BSD-3-Clause */
/* The statistics of a driver: its topics, which the backend reads, and its producers and
 * consumers. */
#include <cjson/cJSON.h>
#include <string.h>
#include <mofka/stats.h>
#include "base/clock.h"
#include "base/lock.h"
#include "driver/driver.h"
#include "json/tree.h"
#include "stats/counters.h"
#include "stats/prometheus.h"

/* These functions answer false if there is no memory. */

/* With the driver's lock: add the open producers, or the open consumers. */
static bool driver_add_children(cJSON *json, mofka_driver_t *driver, const char *key,
                                const char *what) {
    mfi_assert_locked(&driver->lock);
    cJSON *list = cJSON_AddArrayToObject(json, key);
    for (mfi_child_t *child = driver->children; list && child; child = child->next)
        if (strcmp(child->what, what) == 0 && !cJSON_AddItemToArray(list, child->stats(child)))
            return false;
    return list != NULL;
}

/* With the driver's lock. */
static bool driver_add_closed(cJSON *json, const mfi_totals_t *totals) {
    cJSON *closed = cJSON_AddObjectToObject(json, "closed");
    cJSON *producers = cJSON_AddObjectToObject(closed, "producers");
    cJSON *consumers = cJSON_AddObjectToObject(closed, "consumers");
    return mfi_json_add_count(producers, "count", totals->producers) &&
           mfi_stats_describe_producer(producers, &totals->of_producers) &&
           mfi_json_add_count(consumers, "count", totals->consumers) &&
           mfi_stats_describe_consumer(consumers, &totals->of_consumers);
}

static bool driver_add_process(cJSON *json, mofka_driver_t *driver) {
    size_t index, count;
    if (!driver->ops->process)
        return true;
    driver->ops->process(driver->self, &index, &count);
    return mfi_json_add_count(json, "rank", index) && mfi_json_add_count(json, "size", count);
}

/* The topics are left out, or some of them, if another error stops the backend. */
static bool driver_add_topics(cJSON *json, mofka_driver_t *driver, int64_t timeout_ms) {
    if (!driver->ops->topic_stats)
        return true;
    cJSON *topics = cJSON_AddArrayToObject(json, "topics");
    if (!topics)
        return false;
    mofka_status_t status = driver->ops->topic_stats(driver->self, timeout_ms, topics);
    return status == MOFKA_OK ||
           (status != MOFKA_ERR_MEMORY &&
            cJSON_AddStringToObject(json, "topics_status", mofka_status_name(status)));
}

static bool driver_has_rank_stats(const mofka_driver_ops_t *ops) {
    return ops->size > offsetof(mofka_driver_ops_t, rank_stats) && ops->rank_stats;
}

static bool driver_add_ranks(cJSON *json, mofka_driver_t *driver, int64_t timeout_ms) {
    if (!driver_has_rank_stats(driver->ops))
        return true;
    cJSON *ranks = cJSON_AddArrayToObject(json, "ranks");
    return ranks && driver->ops->rank_stats(driver->self, timeout_ms, ranks) != MOFKA_ERR_MEMORY;
}

static bool driver_add_all_children(cJSON *json, mofka_driver_t *driver) {
    pthread_mutex_lock(&driver->lock);
    bool good = driver_add_children(json, driver, "producers", "producer") &&
                driver_add_children(json, driver, "consumers", "consumer") &&
                driver_add_closed(json, driver->totals);
    pthread_mutex_unlock(&driver->lock);
    return good;
}

cJSON *mfi_driver_stats(mofka_driver_t *driver, int64_t timeout_ms) {
    cJSON *json = cJSON_CreateObject();
    if (cJSON_AddStringToObject(json, "type", driver->type) && driver_add_process(json, driver) &&
        mfi_json_add_count(json, "time_us", mfi_wall_ns() / 1000) &&
        driver_add_topics(json, driver, timeout_ms) && driver_add_ranks(json, driver, timeout_ms) &&
        driver_add_all_children(json, driver))
        return json;
    cJSON_Delete(json);
    return NULL;
}

void mfi_driver_add_up(mofka_driver_t *driver, mfi_totals_t *sums,
                       mfi_prometheus_process_t *process) {
    pthread_mutex_lock(&driver->lock);
    *sums = *driver->totals;
    for (mfi_child_t *child = driver->children; child; child = child->next)
        child->fold(child, sums);
    *process = (mfi_prometheus_process_t){.time_us = mfi_wall_ns() / 1000,
                                          .producers = sums->producers - driver->totals->producers,
                                          .consumers = sums->consumers - driver->totals->consumers,
                                          .sums = sums};
    pthread_mutex_unlock(&driver->lock);
}

mofka_status_t mofka_driver_stats(mofka_driver_t *driver, int64_t timeout_ms,
                                  mofka_metadata_t **stats) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_check(driver, MFI_DRIVER, "driver");
    if (!status && !driver->ops)
        status = mofka_fail(MOFKA_ERR_CLOSED, "the driver is closed");
    return status ? status : mfi_stats_give(mfi_driver_stats(driver, timeout_ms), stats);
}
