/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A consumer's reader of a partition's files. A rank that sees them opens them by itself; for
 * another one, the owner reads them (staging/staging.h).
 */
#include "mpi/storage/storage.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Whether this rank sees the files that the owner writes, and not a folder of the same path. The
 * store's uuid does not say so: a copy has it, too. Without an open log, nobody writes. */
static mofka_status_t log_check_sight(const mfi_log_t *log, const mmi_partition_t *p) {
    uint64_t lock;
    mfi_lock_owner_t owner = {.pid = 0};
    bool owned = false;
    mofka_status_t status = mmi_storage_load(p, MMI_STORED(lock), "lock", &lock);
    if (status || lock == 0)
        return status;
    status = mfi_lock_look(log, &owner, &owned);
    if (status || (owned && (mfi_lock_owner_identity(&owner) & MMI_SEAL_MAX) == lock))
        return status;
    return mofka_fail(MOFKA_ERR_INVALID,
                      "topic '%s', partition %zu: rank %d, its owner, does not have %s/lock: this "
                      "rank sees another folder of that path, or another process has taken the "
                      "partition over",
                      p->topic, p->index, p->owner, log->folder);
}

/* Find the files of a rank that sees the store. */
static mofka_status_t log_find(const mmi_topic_t *topic, size_t partition, mfi_log_t *log) {
    mfi_topic_record_t record = {0};
    mofka_status_t status = mfi_store_load_topic(topic->store, topic->name, &record);
    if (!status)
        status = mfi_store_log(topic->store, &record, partition, log);
    mfi_topic_record_clear(&record);
    return status ? status : log_check_sight(log, &topic->partitions[partition]);
}

/* Its own files, or those that the owner reads. */
static mofka_status_t log_find_or_stage(const mmi_topic_t *topic, size_t partition,
                                        mmi_log_t *log) {
    const mmi_partition_t *p = &topic->partitions[partition];
    mofka_status_t status = MOFKA_ERR_NOT_FOUND;
    if (topic->stage->sees)
        status = log_find(topic, partition, &log->log);
    if (status != MOFKA_ERR_NOT_FOUND && status != MOFKA_ERR_INVALID && status != MOFKA_ERR_STORAGE)
        return status;
    return mmi_staged_open(topic->stage, p, &log->log, &log->staged);
}

mofka_status_t mmi_log_open(const mmi_topic_t *topic, size_t partition, mmi_log_t **out) {
    assert(topic->store && topic->stage);
    mmi_log_t *log = calloc(1, sizeof *log);
    if (!log)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a reader of files");
    mofka_status_t status = log_find_or_stage(topic, partition, log);
    if (!status)
        status = mmi_log_explain(log, mfi_reader_open(&log->log, &log->reader));
    if (status) {
        mmi_log_close(log);
        return status;
    }
    *out = log;
    return MOFKA_OK;
}

mofka_status_t mmi_log_explain(const mmi_log_t *log, mofka_status_t status) {
    return log->staged ? mmi_staged_explain(status) : status;
}

void mmi_log_close(mmi_log_t *log) {
    if (!log)
        return;
    mfi_block_release(log->block);
    if (log->reader)
        mfi_reader_close(log->reader);
    if (log->data)
        mfi_reader_close(log->data);
    mmi_staged_close(log->staged);
    free(log);
}

mofka_status_t mmi_log_oldest(mmi_log_t *log, uint64_t *id) {
    return mmi_log_explain(log, mfi_reader_oldest(log->reader, id));
}

mofka_status_t mmi_log_seek(mmi_log_t *log, uint64_t id) {
    uint64_t found = id;
    mfi_block_release(log->block);
    log->block = NULL;
    log->boundary = log->complete = false;
    mofka_status_t status = mfi_reader_seek(log->reader, &found);
    if (status)
        return mmi_log_explain(log, status);
    log->lost += found > id ? found - id : 0;
    log->next = found;
    return MOFKA_OK;
}

mofka_status_t mmi_log_seek_time(mmi_log_t *log, uint64_t time_ns) {
    uint64_t id = log->next;
    mofka_status_t status = mfi_reader_seek_time(log->reader, time_ns, &id);
    return status ? mmi_log_explain(log, status) : mmi_log_seek(log, id);
}

mofka_status_t mmi_log_end(mmi_log_t *log, uint64_t *id) {
    return mmi_log_explain(log, mfi_reader_seek_end(log->reader, id));
}

mofka_status_t mmi_log_look(mmi_log_t *log, uint64_t written) {
    mfi_read_t read;
    mofka_status_t status = MOFKA_OK;
    while (!log->block && !status) {
        status = mfi_reader_next(log->reader, written, &read);
        log->complete = status == MOFKA_ERR_COMPLETE;
        if (status)
            return log->complete ? MOFKA_ERR_TIMEOUT : mmi_log_explain(log, status);
        log->lost += read.lost;
        log->next = read.first_id;
        if (read.kind == MFI_FRAME_BATCH) {
            status = mfi_block_create(&read, &log->block);
            log->given = 0;
            continue;
        }
        log->lost += read.events;
        log->next += read.events;
        log->boundary = true;
    }
    return status;
}

mofka_status_t mmi_log_give(mmi_log_t *log, size_t partition, size_t events_max,
                            mofka_run_t **run) {
    assert(log->block && log->given < log->block->events);
    mofka_status_t status = mfi_block_make_run(log->block, log->given, events_max, partition, run);
    if (status)
        return status;
    (*run)->lost = log->lost;
    log->lost = 0;
    log->given += (uint32_t)(*run)->event_count;
    log->next += (*run)->event_count;
    log->boundary = log->given == log->block->events;
    if (log->boundary) {
        mfi_block_release(log->block);
        log->block = NULL;
    }
    return MOFKA_OK;
}

/* Have the batch of event `id`, which is written. */
static mofka_status_t log_find_event(mmi_log_t *log, uint64_t id, mfi_read_t *read) {
    mofka_status_t status = MOFKA_OK;
    uint64_t found = id;
    if (!log->data)
        status = mfi_reader_open(&log->log, &log->data);
    if (!status)
        status = mfi_reader_seek(log->data, &found);
    if (!status)
        status = mfi_reader_next(log->data, UINT64_MAX, read);
    if (!status && (read->kind != MFI_FRAME_BATCH || read->first_id != id))
        status = MOFKA_ERR_CORRUPT;
    return status;
}

mofka_status_t mmi_log_read_data(mmi_log_t *log, uint64_t id, const mofka_range_t *ranges,
                                 size_t range_count, mofka_data_view_t *view, bool *damaged) {
    mfi_read_t read;
    size_t bytes = 0;
    bool verified;
    for (size_t i = 0; i < range_count; i++)
        bytes += ranges[i].size;
    char *copy = malloc(bytes + 1);
    if (!copy)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu bytes of data", bytes);
    mofka_status_t status = log_find_event(log, id, &read);
    if (!status)
        status = mfi_segment_read_data(read.segment, id, read.data_offset, read.entries, ranges,
                                       range_count, copy, &verified);
    if (!status)
        mofka_data_view_write(view, copy, bytes, 0);
    *damaged = status == MOFKA_ERR_CORRUPT || status == MOFKA_ERR_TIMEOUT;
    free(copy);
    return *damaged ? MOFKA_OK : mmi_log_explain(log, status);
}
