/* SPDX-License-Identifier: BSD-3-Clause */
/* Topics of the driver "files": their options and their writers. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <mofka/options.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "files/files.h"

static const char *const durability_words[] = {"written", "synced", NULL};

mofka_status_t mfi_files_read_options(const char *what, const char *json,
                                      mfi_files_options_t *options) {
    *options = (mfi_files_options_t){.partitions = 1, .segment_bytes = MFI_SEGMENT_BYTES_DEFAULT};
    const mofka_option_t known[] = {
        {"partitions", MOFKA_OPTION_UINT, &options->partitions, 1, MOFKA_PARTITIONS_MAX, NULL},
        {"durability", MOFKA_OPTION_CHOICE, &options->durability, 0, 0, durability_words},
        {"segment_bytes", MOFKA_OPTION_UINT, &options->segment_bytes, 4096, 0, NULL},
        {"retain_bytes", MOFKA_OPTION_UINT, &options->retain_bytes, 0, 0, NULL},
        {"retain_ms", MOFKA_OPTION_UINT, &options->retain_ms, 0, 0, NULL},
    };
    return mofka_options_read(what, json, known, sizeof known / sizeof known[0]);
}

/* The options of a topic that the MPI driver made: what concerns files is in "storage". */
static mofka_status_t options_read_storage(const char *json, mfi_files_options_t *options) {
    static const char *const durabilities[] = {"memory", "written", "synced", NULL};
    static const char *const deliveries[] = {"published", "durable", NULL};
    int durability = 1, deliver; /* here, consumers see what is written */
    uint64_t sync_ms;            /* here it is of the driver */
    const mofka_option_t known[] = {
        {"durability", MOFKA_OPTION_CHOICE, &durability, 0, 0, durabilities},
        {"deliver", MOFKA_OPTION_CHOICE, &deliver, 0, 0, deliveries},
        {"sync_ms", MOFKA_OPTION_UINT, &sync_ms, 0, 0, NULL},
        {"segment_bytes", MOFKA_OPTION_UINT, &options->segment_bytes, 4096, 0, NULL},
        {"retain_bytes", MOFKA_OPTION_UINT, &options->retain_bytes, 0, 0, NULL},
        {"retain_ms", MOFKA_OPTION_UINT, &options->retain_ms, 0, 0, NULL},
    };
    mofka_status_t status =
        mofka_options_read("topic.json, \"storage\"", json, known, sizeof known / sizeof known[0]);
    options->durability = durability == 2 ? MFI_FILES_SYNCED : MFI_FILES_WRITTEN;
    return status;
}

/* The options of a topic that is in the store, whichever driver made it. */
static mofka_status_t options_read_record(const mfi_topic_record_t *record,
                                          mfi_files_options_t *options) {
    cJSON *tree = cJSON_Parse(record->options);
    const cJSON *storage = cJSON_GetObjectItemCaseSensitive(tree, "storage");
    char *text = storage ? cJSON_PrintUnformatted(storage) : NULL;
    mofka_status_t status = MOFKA_OK;
    *options = (mfi_files_options_t){.partitions = record->partitions,
                                     .segment_bytes = MFI_SEGMENT_BYTES_DEFAULT};
    if (text)
        status = options_read_storage(text, options);
    else if (storage)
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for the options of '%s'", record->name);
    else
        status = mfi_files_read_options("topic.json", record->options, options);
    cJSON_free(text);
    cJSON_Delete(tree);
    return status;
}

/* ---- writers --------------------------------------------------------------------------------- */

static mofka_status_t partition_open(mfi_files_topic_t *topic, size_t index) {
    mfi_files_partition_t *p = &topic->partitions[index];
    mfi_opened_t opened;
    mfi_writer_options_t options = {.segment_bytes = topic->options.segment_bytes,
                                    .retain_bytes = topic->options.retain_bytes,
                                    .retain_ms = topic->options.retain_ms,
                                    .cut = MFI_NO_CUT};
    mofka_status_t status = mfi_lock_take(&p->log, NULL, &p->lock);
    if (!status)
        status = mfi_places_open(&p->log, false, &p->places);
    if (!status)
        status = mfi_writer_open(&p->log, &options, &opened, &p->writer);
    if (!status && opened.torn_bytes > 0)
        mfi_log(MOFKA_LOG_WARN,
                "topic '%s', partition %zu: the log ends at event %" PRIu64 "; %" PRIu64
                " bytes behind it were torn by a failure",
                topic->record.name, index, opened.next, opened.torn_bytes);
    return status;
}

static mofka_status_t partition_close(mfi_files_partition_t *p) {
    mofka_status_t status = p->writer && !p->taken ? mfi_writer_close(p->writer) : MOFKA_OK;
    if (p->writer && p->taken)
        mfi_writer_abandon(p->writer);
    p->writer = NULL;
    if (p->places)
        mfi_places_close(p->places);
    p->places = NULL;
    mfi_lock_release(p->lock);
    p->lock = NULL;
    p->taken = false;
    return status;
}

mofka_status_t mfi_files_close_writers(mfi_files_topic_t *topic) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < topic->record.partitions; i++) {
        pthread_mutex_lock(&topic->partitions[i].append);
        mofka_status_t closed = partition_close(&topic->partitions[i]);
        pthread_mutex_unlock(&topic->partitions[i].append);
        status = status ? status : closed;
    }
    topic->written = false;
    return status;
}

mofka_status_t mfi_files_open_writers(mfi_files_topic_t *topic) {
    mofka_status_t status = MOFKA_OK;
    pthread_mutex_lock(&topic->driver->lock);
    if (!topic->written) {
        for (size_t i = 0; i < topic->record.partitions && !status; i++)
            status = partition_open(topic, i);
        if (status)
            (void)mfi_files_close_writers(topic);
        else
            topic->written = true;
    }
    pthread_mutex_unlock(&topic->driver->lock);
    return status;
}

mofka_status_t mfi_files_check_written(const mfi_files_topic_t *topic, size_t partition) {
    mfi_files_partition_t *p = &topic->partitions[partition];
    mfi_assert_locked(&p->append);
    if (!p->writer)
        return mofka_fail(MOFKA_ERR_CLOSED, "topic '%s' is closed", topic->record.name);
    if (mfi_lock_check(p->lock) != MOFKA_OK) {
        p->taken = true;
        return MOFKA_ERR_BUSY;
    }
    return p->taken ? mofka_fail(MOFKA_ERR_BUSY,
                                 "topic '%s', partition %zu: another process has taken it over, "
                                 "and writes it now",
                                 topic->record.name, partition)
                    : MOFKA_OK;
}

/* Events that were stored when they were written are not in memory any more: go on behind them.
 * Those that are stored when they are synced were not: give them up. */
mofka_status_t mfi_files_go_on(const mfi_files_topic_t *topic, mfi_files_partition_t *p) {
    mfi_writer_state_t is;
    mofka_status_t status = MOFKA_OK;
    mfi_assert_locked(&p->append);
    pthread_mutex_lock(&p->sync);
    mfi_writer_state(p->writer, &is);
    if (is.needs_rewrite)
        status = topic->options.durability == MFI_FILES_SYNCED
                     ? mfi_writer_give_up(p->writer)
                     : mfi_writer_rewrite(p->writer, is.next);
    pthread_mutex_unlock(&p->sync);
    if (status)
        mfi_log(MOFKA_LOG_ERROR, "%s", mofka_last_error());
    return status;
}

static mofka_status_t partition_sync(mfi_files_partition_t *p) {
    uint64_t synced;
    pthread_mutex_lock(&p->sync);
    mofka_status_t status = mfi_writer_sync(p->writer, &synced);
    pthread_mutex_unlock(&p->sync);
    if (status)
        mfi_log(MOFKA_LOG_ERROR, "%s", mofka_last_error());
    return status;
}

mofka_status_t mfi_files_sync(const mfi_files_topic_t *topic, mfi_files_partition_t *p) {
    char message[MOFKA_MESSAGE_BYTES_MAX + 1];
    mofka_status_t status = partition_sync(p);
    if (!status)
        return MOFKA_OK;
    snprintf(message, sizeof message, "%s", mofka_last_error());
    (void)mfi_files_go_on(topic, p);
    return mofka_fail(status, "%s", message);
}

/* With `append`. */
static void partition_touch(mfi_files_partition_t *p) {
    mfi_assert_locked(&p->append);
    p->taken = mfi_lock_touch(p->lock) != MOFKA_OK;
    if (p->taken)
        mfi_log(MOFKA_LOG_ERROR, "%s", mofka_last_error());
}

void mfi_files_tend_topic(mfi_files_topic_t *topic, bool touch) {
    for (size_t i = 0; i < topic->record.partitions && topic->written; i++) {
        mfi_files_partition_t *p = &topic->partitions[i];
        uint64_t floor;
        if (p->taken)
            continue;
        /* Appends go on meanwhile. */
        mofka_status_t status = partition_sync(p);
        pthread_mutex_lock(&p->append);
        if (status)
            (void)mfi_files_go_on(topic, p);
        status = mfi_places_floor(p->places, &floor);
        if (!status)
            status = mfi_writer_retain(p->writer, floor);
        if (status)
            mfi_log(MOFKA_LOG_WARN, "retention: %s", mofka_last_error());
        if (touch)
            partition_touch(p);
        pthread_mutex_unlock(&p->append);
    }
}

/* ---- topics ---------------------------------------------------------------------------------- */

void mfi_files_free_topic(mfi_files_topic_t *topic) {
    for (size_t i = 0; topic->partitions && i < topic->record.partitions; i++) {
        pthread_mutex_destroy(&topic->partitions[i].append);
        pthread_mutex_destroy(&topic->partitions[i].sync);
    }
    free(topic->partitions);
    mfi_topic_record_clear(&topic->record);
    free(topic);
}

static mofka_status_t topic_fill(mfi_files_driver_t *driver, mfi_files_topic_t *topic,
                                 const char *name) {
    mofka_status_t status = mfi_store_load_topic(&driver->store, name, &topic->record);
    if (!status)
        status = options_read_record(&topic->record, &topic->options);
    if (status)
        return status;
    topic->partitions = calloc(topic->record.partitions, sizeof *topic->partitions);
    if (!topic->partitions)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for topic '%s'", name);
    for (size_t i = 0; i < topic->record.partitions; i++) {
        pthread_mutex_init(&topic->partitions[i].append, NULL);
        pthread_mutex_init(&topic->partitions[i].sync, NULL);
    }
    for (size_t i = 0; i < topic->record.partitions && !status; i++)
        status = mfi_store_log(&driver->store, &topic->record, i, &topic->partitions[i].log);
    return status;
}

mofka_status_t mfi_files_find_topic(mfi_files_driver_t *driver, const char *name,
                                    mfi_files_topic_t **topic) {
    mfi_assert_locked(&driver->lock);
    for (mfi_files_topic_t *t = driver->topics; t; t = t->next)
        if (strcmp(t->record.name, name) == 0) {
            *topic = t;
            return MOFKA_OK;
        }
    mfi_files_topic_t *made = calloc(1, sizeof *made);
    if (!made)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for topic '%s'", name);
    made->driver = driver;
    mofka_status_t status = topic_fill(driver, made, name);
    if (status) {
        mfi_files_free_topic(made);
        return status;
    }
    made->next = driver->topics;
    driver->topics = made;
    *topic = made;
    return MOFKA_OK;
}

static mofka_status_t files_partition_info(void *self, size_t index, mofka_metadata_t **info) {
    mfi_files_topic_t *topic = self;
    char text[64];
    if (index >= topic->record.partitions)
        return mofka_fail(MOFKA_ERR_RANGE, "topic '%s' has no partition %zu", topic->record.name,
                          index);
    int bytes = snprintf(text, sizeof text, "{\"partition\":%zu}", index);
    return mofka_metadata_create(text, (size_t)bytes, info);
}

static mofka_status_t files_mark_complete(void *self, int64_t timeout_ms) {
    mfi_files_topic_t *topic = self;
    (void)timeout_ms;
    mofka_status_t status = mfi_files_open_writers(topic);
    for (size_t i = 0; i < topic->record.partitions && !status; i++) {
        mfi_files_partition_t *p = &topic->partitions[i];
        pthread_mutex_lock(&p->append);
        status = mfi_files_check_written(topic, i);
        if (!status)
            status = mfi_writer_complete(p->writer);
        if (!status)
            status = mfi_files_sync(topic, p);
        pthread_mutex_unlock(&p->append);
    }
    return status;
}

static void files_topic_destroy(void *self) {
    (void)self; /* topics belong to the driver */
}

/* Sync a partition: it ends at `*end`. */
static mofka_status_t partition_end(const mfi_files_topic_t *topic, size_t index, uint64_t *end) {
    mfi_files_partition_t *p = &topic->partitions[index];
    mfi_writer_state_t is;
    pthread_mutex_lock(&p->append); /* nothing is appended meanwhile */
    mofka_status_t status = mfi_files_check_written(topic, index);
    if (!status)
        status = mfi_files_sync(topic, p);
    if (!status) {
        mfi_writer_state(p->writer, &is);
        *end = is.synced;
        if (is.synced != is.next)
            status = mofka_fail(MOFKA_ERR_BUSY,
                                "topic '%s', partition %zu: events from %" PRIu64
                                " on are not on disk yet",
                                topic->record.name, index, is.synced);
    }
    pthread_mutex_unlock(&p->append);
    return status;
}

/* The process that writes the topic knows where it ends. */
static mofka_status_t files_topic_ends(void *self, int64_t timeout_ms, uint64_t *ends) {
    mfi_files_topic_t *topic = self;
    mofka_status_t status = mfi_files_open_writers(topic);
    (void)timeout_ms;
    for (size_t i = 0; i < topic->record.partitions && !status; i++)
        status = partition_end(topic, i, &ends[i]);
    return status;
}

const mofka_topic_ops_t mfi_files_topic_ops = {.size = sizeof mfi_files_topic_ops,
                                               .partition_info = files_partition_info,
                                               .mark_complete = files_mark_complete,
                                               .make_producer = mfi_files_make_producer,
                                               .make_consumer = mfi_files_make_consumer,
                                               .destroy = files_topic_destroy,
                                               .ends = files_topic_ends};
