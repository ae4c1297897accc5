/* SPDX-License-Identifier: BSD-3-Clause */
/* Producers of the driver "files": a batch is a frame of its partition's log. */
#include <mofka/options.h>
#include "base/clock.h"
#include "files/files.h"

static mofka_status_t files_producer_limits(void *self, size_t partition,
                                            mofka_batch_limits_t *limits) {
    (void)self, (void)partition;
    *limits = (mofka_batch_limits_t){.events_max = MFI_FRAME_EVENTS_MAX,
                                     .bytes_max = (size_t)1 << 40,
                                     .event_bytes_max = (size_t)1 << 40};
    return MOFKA_OK;
}

/* With the partition's lock. */
static mofka_status_t partition_append(mfi_files_topic_t *topic, mfi_files_partition_t *p,
                                       mofka_batch_t *batch, uint64_t *first_id) {
    mfi_writer_state_t is;
    size_t appended;
    mofka_segment_t metadata = {(void *)(uintptr_t)batch->metadata, batch->metadata_bytes};
    mofka_status_t status = mfi_files_go_on(topic, p);
    if (status)
        return status;
    mfi_writer_state(p->writer, &is);
    status = mfi_writer_append(p->writer,
                               &(mfi_append_t){.kind = MFI_FRAME_BATCH,
                                               .first_id = is.next,
                                               .events = (uint32_t)batch->event_count,
                                               .sizes = batch->events,
                                               .metadata = &metadata,
                                               .metadata_count = 1,
                                               .data = batch->segments,
                                               .data_count = batch->segment_count,
                                               .stamp = mfi_wall_ns()},
                               1, &appended);
    if (!status && topic->options.durability == MFI_FILES_SYNCED)
        status = mfi_files_sync(topic, p);
    *first_id = is.next;
    batch->durable = !status;
    return status;
}

static mofka_status_t files_producer_append(void *self, size_t partition, mofka_batch_t *batch,
                                            int64_t timeout_ms, uint64_t *first_id) {
    mfi_files_topic_t *topic = self;
    mfi_files_partition_t *p = &topic->partitions[partition];
    (void)timeout_ms; /* there is always room, or the disk is full */
    pthread_mutex_lock(&p->append);
    mofka_status_t status = mfi_files_check_written(topic, partition);
    if (!status)
        status = partition_append(topic, p, batch, first_id);
    if (!status) /* who takes the lock over reads the log after that */
        status = mfi_files_check_written(topic, partition);
    pthread_mutex_unlock(&p->append);
    return status;
}

static mofka_status_t files_producer_close(void *self, bool flushed) {
    (void)self, (void)flushed;
    return MOFKA_OK;
}

static void files_producer_destroy(void *self) {
    (void)self; /* it is the topic */
}

static const mofka_producer_ops_t producer_ops = {.size = sizeof producer_ops,
                                                  .limits = files_producer_limits,
                                                  .append = files_producer_append,
                                                  .close = files_producer_close,
                                                  .destroy = files_producer_destroy};

mofka_status_t mfi_files_make_producer(void *self, const char *name, const char *options,
                                       const mofka_producer_ops_t **ops, void **producer) {
    (void)name;
    mofka_status_t status = mofka_options_read("producer of a topic in files", options, NULL, 0);
    if (!status)
        status = mfi_files_open_writers(self);
    *ops = &producer_ops;
    *producer = self;
    return status;
}
