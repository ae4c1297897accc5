/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The C interface of the Diaspora Streaming API. Its handles are those of this library under other
 * names, so a call costs what the call below it does, and a wrong handle is found where that is
 * checked.
 */
#pragma GCC visibility push(default)
#include <diaspora/diaspora_c.h>
#pragma GCC visibility pop

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/mofka.h>
#include <mofka/mpi.h>

#define SENDERS_VARIABLE "DIASPORA_C_SENDER_THREADS"
#define OPEN_TIMEOUT_MS 10000
#define DESTROY_TIMEOUT_MS 10000
#define DISCARD_TIMEOUT_MS 1000

/* From here to the end of the block, what is called may change errno: it is set back then. What
 * this library exports does not change it; others' functions may. */
#define FACADE_KEEP_ERRNO                                                                          \
    __attribute__((cleanup(facade_restore_errno), unused)) const int facade_kept = errno
static void facade_restore_errno(const int *kept) {
    errno = *kept;
}

static mofka_driver_t *facade_driver(diaspora_driver_t *d) {
    return (mofka_driver_t *)(void *)d;
}

static mofka_topic_t *facade_topic(diaspora_topic_t *t) {
    return (mofka_topic_t *)(void *)t;
}

static mofka_producer_t *facade_producer(diaspora_producer_t *p) {
    return (mofka_producer_t *)(void *)p;
}

static int facade_code(mofka_status_t status) {
    return status ? DIASPORA_C_ERR : DIASPORA_C_OK;
}

const char *diaspora_c_last_error(void) {
    return mofka_last_error();
}

/* ---- drivers --------------------------------------------------------------------------------- */

/* Options of a service that is deployed apart from the job. */
static const char *const deployment_keys[] = {"group_file", "margo"};

static bool deployment_is_said(const cJSON *options) {
    bool said = false;
    for (size_t i = 0; i < sizeof deployment_keys / sizeof *deployment_keys; i++)
        said = said || cJSON_GetObjectItemCaseSensitive(options, deployment_keys[i]);
    return said;
}

/* A copy without these options. NULL: no memory. */
static cJSON *deployment_remove(const cJSON *options) {
    cJSON *rest = cJSON_Duplicate(options, true);
    for (size_t i = 0; rest && i < sizeof deployment_keys / sizeof *deployment_keys; i++)
        while (cJSON_GetObjectItemCaseSensitive(rest, deployment_keys[i])) {
            cJSON_DeleteItemFromObjectCaseSensitive(rest, deployment_keys[i]);
            mofka_log(MOFKA_LOG_INFO,
                      "diaspora_driver_create: the option '%s' is ignored: no service is deployed "
                      "apart from the job",
                      deployment_keys[i]);
        }
    return rest;
}

/* Gives metadata whose text is what the MPI driver reads. What is not a JSON object stays, so that
 * the driver says what is wrong. */
static mofka_status_t deployment_leave_out(const char *json, mofka_metadata_t **options) {
    const cJSON *tree;
    mofka_status_t status = mofka_metadata_create(json, json ? strlen(json) : 0, options);
    if (status || mofka_metadata_json(*options, &tree) || !deployment_is_said(tree))
        return status;
    cJSON *rest = deployment_remove(tree);
    mofka_metadata_release(*options);
    if (!rest)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for the driver's options");
    status = mofka_metadata_create_json(rest, options);
    if (status)
        cJSON_Delete(rest);
    return status;
}

static mofka_status_t driver_create_mpi(const char *json, mofka_driver_t **driver) {
    mofka_metadata_t *options;
    mofka_status_t status = deployment_leave_out(json, &options);
    if (status)
        return status;
    status = mofka_mpi_driver_create(MPI_COMM_WORLD, mofka_metadata_text(options, NULL), driver);
    mofka_metadata_release(options);
    return status;
}

diaspora_driver_t *diaspora_driver_create(const char *driver_name, const char *options_json) {
    FACADE_KEEP_ERRNO;
    mofka_driver_t *driver = NULL;
    mofka_status_t status;
    if (!driver_name)
        status = mofka_fail(MOFKA_ERR_INVALID, "the driver's name is NULL: pass \"mofka\"");
    else if (strcmp(driver_name, "mofka") == 0 || strcmp(driver_name, "mpi") == 0)
        status = driver_create_mpi(options_json, &driver);
    else
        status = mofka_driver_create(driver_name, options_json, &driver);
    return status ? NULL : (diaspora_driver_t *)(void *)driver;
}

void diaspora_driver_destroy(diaspora_driver_t *d) {
    if (d && mofka_driver_close(facade_driver(d), DESTROY_TIMEOUT_MS))
        mofka_log(MOFKA_LOG_WARN, "diaspora_driver_destroy: %s", mofka_last_error());
    mofka_driver_release(facade_driver(d));
}

/* ---- topics ---------------------------------------------------------------------------------- */

diaspora_topic_t *diaspora_topic_open(diaspora_driver_t *d, const char *topic_name) {
    mofka_topic_t *topic;
    mofka_status_t status =
        mofka_driver_open_topic(facade_driver(d), topic_name, OPEN_TIMEOUT_MS, &topic);
    return status ? NULL : (diaspora_topic_t *)(void *)topic;
}

void diaspora_topic_destroy(diaspora_topic_t *t) {
    mofka_topic_release(facade_topic(t));
}

/* ---- producers ------------------------------------------------------------------------------- */

/* Give the threads that the environment asks for; NULL: none. */
static mofka_status_t senders_create(mofka_topic_t *topic, mofka_thread_pool_t **pool) {
    const char *text = getenv(SENDERS_VARIABLE);
    char *end;
    if (!text || !*text)
        return MOFKA_OK;
    unsigned long count = strtoul(text, &end, 10);
    if (*end || *text == '-' || count > MOFKA_THREADS_MAX)
        return mofka_fail(MOFKA_ERR_RANGE,
                          SENDERS_VARIABLE " is '%s': it must be a whole number from 0 to %d", text,
                          MOFKA_THREADS_MAX);
    return count ? mofka_driver_make_thread_pool(mofka_topic_driver(topic), count,
                                                 MOFKA_BINDING_NONE, pool)
                 : MOFKA_OK;
}

diaspora_producer_t *diaspora_producer_create(diaspora_topic_t *t, const char *producer_name,
                                              size_t batch_size, size_t max_num_batches,
                                              diaspora_c_ordering_t ordering) {
    FACADE_KEEP_ERRNO;
    mofka_producer_options_t options = {.name = producer_name ? producer_name : "diaspora-c",
                                        .batch_size = batch_size,
                                        .max_batches = max_num_batches,
                                        .ordering = ordering == DIASPORA_C_ORDERING_STRICT
                                                        ? MOFKA_ORDERING_STRICT
                                                        : MOFKA_ORDERING_LOOSE};
    mofka_producer_t *producer;
    mofka_status_t status = MOFKA_OK;
    if (ordering != DIASPORA_C_ORDERING_STRICT && ordering != DIASPORA_C_ORDERING_LOOSE)
        status = mofka_fail(MOFKA_ERR_INVALID, "ordering is %d: 0 (loose) and 1 (strict) are known",
                            (int)ordering);
    if (!status)
        status = senders_create(facade_topic(t), &options.thread_pool);
    if (!status)
        status = mofka_producer_create(facade_topic(t), &options, &producer);
    mofka_thread_pool_release(options.thread_pool);
    return status ? NULL : (diaspora_producer_t *)(void *)producer;
}

/* Close a producer whose events are not stored in time. */
static mofka_status_t producer_give_up(mofka_producer_t *producer) {
    mofka_status_t status = mofka_producer_discard(producer);
    return status == MOFKA_OK || status == MOFKA_ERR_TIMEOUT
               ? mofka_producer_close(producer, DISCARD_TIMEOUT_MS)
               : status;
}

void diaspora_producer_destroy(diaspora_producer_t *p) {
    mofka_producer_t *producer = facade_producer(p);
    mofka_status_t status = p ? mofka_producer_close(producer, DESTROY_TIMEOUT_MS) : MOFKA_OK;
    if (status)
        mofka_log(MOFKA_LOG_WARN, "diaspora_producer_destroy: %s: %s", mofka_status_name(status),
                  mofka_last_error());
    if (status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED)
        producer_give_up(producer);
    mofka_producer_release(producer);
}

/* Accepts what is JSON. Made by the first push, for the whole process, and kept. */
static _Atomic(mofka_validator_t *) json_validator;

static mofka_status_t json_validator_get(mofka_validator_t **validator) {
    *validator = atomic_load_explicit(&json_validator, memory_order_acquire);
    if (*validator)
        return MOFKA_OK;
    mofka_validator_t *made, *none = NULL;
    mofka_status_t status =
        mofka_validator_from_metadata("{\"type\":\"default\",\"json\":true}", &made);
    if (status)
        return status;
    if (!atomic_compare_exchange_strong(&json_validator, &none, made)) {
        mofka_validator_release(made);
        made = none;
    }
    *validator = made;
    return MOFKA_OK;
}

static mofka_status_t json_check(const char *json, size_t bytes) {
    mofka_validator_t *validator;
    mofka_status_t status = json_validator_get(&validator);
    return status ? status : mofka_validator_validate(validator, json, bytes, NULL);
}

/* Apart, so that pushes without data save no registers for it. */
static __attribute__((noinline)) mofka_status_t push_with_data(diaspora_producer_t *p,
                                                               const char *json, size_t bytes,
                                                               const void *data, size_t data_len) {
    mofka_data_view_t *view;
    mofka_status_t status = mofka_data_view_of((void *)(uintptr_t)data, data_len, &view);
    if (status)
        return status;
    status = mofka_producer_push(facade_producer(p), json, bytes, view, MOFKA_ANY_PARTITION, NULL);
    mofka_data_view_release(view);
    return status;
}

static mofka_status_t push_bytes(diaspora_producer_t *p, const char *json, size_t bytes,
                                 const void *data, size_t data_len) {
    if (data && data_len > 0)
        return push_with_data(p, json, bytes, data, data_len);
    return mofka_producer_push(facade_producer(p), json, bytes, NULL, MOFKA_ANY_PARTITION, NULL);
}

static mofka_status_t push_without_metadata(void) {
    return mofka_fail(MOFKA_ERR_INVALID, "metadata_json is NULL: pass JSON, at least \"{}\"");
}

int diaspora_producer_push(diaspora_producer_t *p, const char *metadata_json, const void *data,
                           size_t data_len) {
    if (!metadata_json)
        return facade_code(push_without_metadata());
    size_t bytes = strlen(metadata_json);
    mofka_status_t status = json_check(metadata_json, bytes);
    return facade_code(status ? status : push_bytes(p, metadata_json, bytes, data, data_len));
}

int diaspora_producer_push_raw(diaspora_producer_t *p, const char *metadata_json, const void *data,
                               size_t data_len) {
    if (!metadata_json)
        return facade_code(push_without_metadata());
    return facade_code(push_bytes(p, metadata_json, strlen(metadata_json), data, data_len));
}

double diaspora_producer_oldest_pending_age(diaspora_producer_t *p) {
    int64_t age_ms = mofka_producer_oldest_pending_ms(facade_producer(p));
    return age_ms < 0 ? -1.0 : (double)age_ms * 1e-3;
}

int diaspora_producer_flush_timeout(diaspora_producer_t *p, int timeout_ms) {
    mofka_status_t status = mofka_producer_flush(facade_producer(p), timeout_ms);
    if (status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_POSSIBLY_STORED)
        return DIASPORA_C_TIMEOUT;
    return facade_code(status);
}
