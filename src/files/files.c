/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver "files": a store's topics, and the thread that tends them. */
#include "files/files.h"

#include <cjson/cJSON.h>
#include <mofka/options.h>
#include <mofka/partition_selector.h>
#include <mofka/register.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

/* The thread syncs as often as the option says, and moves locks' stamps at least this often. */
#define SYNC_MS_DEFAULT 1000

/* ---- topics ---------------------------------------------------------------------------------- */

static mofka_status_t files_make_topic(mfi_files_driver_t *driver,
                                       const mofka_topic_config_t *config, size_t partitions) {
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    const char **hosts = calloc(partitions, sizeof *hosts);
    if (!hosts)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for topic '%s'", config->name);
    for (size_t i = 0; i < partitions; i++)
        hosts[i] = host;
    mofka_status_t status = mfi_store_create_topic(&driver->store, config, partitions, hosts, true);
    free(hosts);
    return status;
}

static mofka_status_t files_create_topic(void *self, const mofka_topic_config_t *config) {
    mfi_files_driver_t *driver = self;
    mfi_files_options_t options;
    mofka_status_t status = mfi_files_read_options("topic in files", config->options, &options);
    if (!status)
        status = mofka_partition_selector_check_count(config->selector, options.partitions);
    if (status)
        return status;
    pthread_mutex_lock(&driver->lock);
    status = files_make_topic(driver, config, options.partitions);
    pthread_mutex_unlock(&driver->lock);
    return status;
}

static mofka_status_t files_open_topic(void *self, const char *name, int64_t timeout_ms,
                                       mofka_topic_made_t *made) {
    mfi_files_driver_t *driver = self;
    mfi_files_topic_t *topic;
    (void)timeout_ms;
    pthread_mutex_lock(&driver->lock);
    mofka_status_t status = mfi_files_find_topic(driver, name, &topic);
    pthread_mutex_unlock(&driver->lock);
    if (status)
        return status;
    char *validator = strdup(topic->record.validator), *selector = strdup(topic->record.selector);
    char *serializer = strdup(topic->record.serializer);
    if (!validator || !selector || !serializer) {
        free(validator);
        free(selector);
        free(serializer);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for topic '%s'", name);
    }
    *made = (mofka_topic_made_t){.ops = &mfi_files_topic_ops,
                                 .self = topic,
                                 .partition_count = topic->record.partitions,
                                 .validator = validator,
                                 .selector = selector,
                                 .serializer = serializer};
    return MOFKA_OK;
}

static mofka_status_t files_topic_exists(void *self, const char *name, bool *exists) {
    mfi_files_driver_t *driver = self;
    mfi_topic_record_t record = {0};
    mofka_status_t status = mfi_store_load_topic(&driver->store, name, &record);
    *exists = !status;
    mfi_topic_record_clear(&record);
    return status == MOFKA_ERR_NOT_FOUND ? MOFKA_OK : status;
}

typedef struct topic_walk {
    mofka_topic_visit_fn visit;
    void *context;
} topic_walk_t;

static mofka_status_t walk_describe(void *context, const mfi_topic_record_t *record) {
    const topic_walk_t *walk = context;
    mofka_metadata_t *description;
    cJSON *json = cJSON_CreateObject();
    bool whole = cJSON_AddStringToObject(json, "name", record->name) &&
                 cJSON_AddNumberToObject(json, "partitions", (double)record->partitions) &&
                 cJSON_AddItemToObject(json, "options", cJSON_Parse(record->options)) &&
                 cJSON_AddItemToObject(json, "validator", cJSON_Parse(record->validator)) &&
                 cJSON_AddItemToObject(json, "selector", cJSON_Parse(record->selector)) &&
                 cJSON_AddItemToObject(json, "serializer", cJSON_Parse(record->serializer));
    mofka_status_t status = whole ? mofka_metadata_create_json(json, &description)
                                  : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a description");
    if (status) {
        cJSON_Delete(json);
        return status;
    }
    status = walk->visit(walk->context, record->name, description);
    mofka_metadata_release(description);
    return status;
}

static mofka_status_t files_list_topics(void *self, mofka_topic_visit_fn visit, void *context) {
    mfi_files_driver_t *driver = self;
    topic_walk_t walk = {visit, context};
    return mfi_store_list_topics(&driver->store, walk_describe, &walk);
}

static bool files_any_thread(void *self) {
    (void)self;
    return true;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void *files_tend(void *context) {
    mfi_files_driver_t *driver = context;
    int64_t next_touch = mfi_deadline(0);
    pthread_mutex_lock(&driver->lock);
    while (!driver->thread_ends) {
        mfi_cond_wait(&driver->ends, &driver->lock, mfi_deadline((int64_t)driver->sync_ms));
        bool touch = mfi_remaining(next_touch) == 0;
        if (touch)
            next_touch = mfi_deadline(MFI_LOCK_TOUCH_MS / 2); /* a slow disk is no death */
        for (mfi_files_topic_t *t = driver->topics; t && !driver->thread_ends; t = t->next)
            mfi_files_tend_topic(t, touch);
        mfi_files_sync_places(driver);
    }
    pthread_mutex_unlock(&driver->lock);
    return NULL;
}

static void files_end_thread(mfi_files_driver_t *driver) {
    pthread_mutex_lock(&driver->lock);
    driver->thread_ends = true;
    pthread_cond_broadcast(&driver->ends);
    bool runs = driver->thread_runs;
    driver->thread_runs = false;
    pthread_mutex_unlock(&driver->lock);
    if (runs)
        pthread_join(driver->thread, NULL);
}

/* ---- begin and end --------------------------------------------------------------------------- */

static mofka_status_t files_close(void *self, int64_t timeout_ms) {
    mfi_files_driver_t *driver = self;
    mofka_status_t status = MOFKA_OK;
    (void)timeout_ms;
    files_end_thread(driver);
    for (mfi_files_topic_t *t = driver->topics; t; t = t->next) {
        mofka_status_t closed = mfi_files_close_writers(t);
        status = status ? status : closed;
    }
    return status;
}

static void files_destroy(void *self) {
    mfi_files_driver_t *driver = self;
    files_end_thread(driver);
    for (mfi_files_topic_t *t = driver->topics, *next; t; t = next) {
        next = t->next;
        mfi_files_free_topic(t);
    }
    pthread_cond_destroy(&driver->ends);
    pthread_mutex_destroy(&driver->lock);
    free(driver);
}

static const mofka_driver_ops_t driver_ops = {.size = sizeof driver_ops,
                                              .create_topic = files_create_topic,
                                              .open_topic = files_open_topic,
                                              .topic_exists = files_topic_exists,
                                              .list_topics = files_list_topics,
                                              .any_thread = files_any_thread,
                                              .close = files_close,
                                              .destroy = files_destroy};

static mofka_status_t files_read_options(const char *json, mfi_files_driver_t *driver, char **path,
                                         int *resume, char **resume_at) {
    static const char *const words[] = {"if_exists", "must", "never", NULL};
    const mofka_option_t known[] = {
        {"store", MOFKA_OPTION_STRING, path, 0, 0, NULL},
        {"resume", MOFKA_OPTION_CHOICE, resume, 0, 0, words},
        {"resume_at", MOFKA_OPTION_JSON, resume_at, 0, 0, NULL},
        {"sync_ms", MOFKA_OPTION_UINT, &driver->sync_ms, 1, MFI_LOCK_TOUCH_MS, NULL},
    };
    driver->sync_ms = SYNC_MS_DEFAULT;
    mofka_status_t status =
        mofka_options_read("files driver", json, known, sizeof known / sizeof known[0]);
    if (!status && (!*path || !**path))
        return mofka_fail(MOFKA_ERR_OPTION,
                          "files driver: option \"store\" is missing: the folder of the store");
    return status;
}

static mofka_status_t files_open(mfi_files_driver_t *driver, const char *json) {
    static const mfi_store_mode_t modes[] = {MFI_STORE_MAKE, MFI_STORE_THERE, MFI_STORE_NEW};
    char *path = NULL, *resume_at = NULL;
    int resume = 0;
    mofka_status_t status = files_read_options(json, driver, &path, &resume, &resume_at);
    if (!status)
        status = mfi_store_open(&mfi_io_posix, path, modes[resume], &driver->store);
    if (!status)
        status = mfi_store_finish_cut(&driver->store);
    if (!status && resume_at)
        status = mfi_store_resume_at(&driver->store, "files driver", resume_at);
    free(path);
    free(resume_at);
    if (!status && mfi_thread_start(&driver->thread, files_tend, driver) != 0)
        status = mofka_fail(MOFKA_ERR_SYSTEM, "files driver: no thread can be started");
    else if (!status)
        driver->thread_runs = true;
    return status;
}

static mofka_status_t files_create_driver(const char *options, mofka_driver_t **driver) {
    mfi_files_driver_t *made = calloc(1, sizeof *made);
    if (!made)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a driver");
    pthread_mutex_init(&made->lock, NULL);
    mfi_cond_init(&made->ends);
    mofka_status_t status = files_open(made, options);
    if (!status)
        status = mofka_driver_wrap("files", &driver_ops, made, driver);
    if (status)
        files_destroy(made);
    return status;
}
MOFKA_REGISTER_DRIVER(files, files_create_driver);
