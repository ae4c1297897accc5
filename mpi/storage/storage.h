/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Topics with storage: their events are in files, too, and the ring holds the newest of them.
 *
 *   producer --> ring --> writing thread --> files --> syncing thread --> disk
 *                 |       of the owner         |       of the owner
 *                 v                            v
 *             consumer at the head         consumer behind it (consumer/behind.c)
 *
 * The owner of a partition writes its batches in order, a frame for each, from where they are in
 * the ring. `written` and `synced` of the storage page say how far it is; the head of the ring goes
 * no farther than the topic's durability.
 *
 *   words.c    the storage page, seen from any rank
 *   ends.c     where a topic ends on disk, seen from any rank
 *   log.c      runs from the files
 *   owner.c    the threads of an owner, and the topics that they find
 *   open.c     opening a partition's log
 *   write.c    from the ring into files
 *   measure.c  counts for statistics, and a warning when the disk is slow
 *   tend.c     sync, consumers' places, retention
 */
#ifndef MOFKA_MPI_STORAGE_STORAGE_H
#define MOFKA_MPI_STORAGE_STORAGE_H

#include "mpi/staging/staging.h"
#include "mpi/topic/directory.h"
#include "store/read/block.h"

/* ---- words.c: any rank ----------------------------------------------------------------------- */

/* Wait until the partition's owner has opened its log. MOFKA_ERR_TIMEOUT, or why it cannot be
 * opened. `reads`: damaged events do not matter; *damaged: there are some, and no ring.
 * Blocks: at most until `deadline`. */
mofka_status_t mmi_storage_await(const mmi_topic_t *topic, size_t partition, bool reads,
                                 int64_t deadline, bool *damaged);
/* Load a sealed word of the storage page. */
mofka_status_t mmi_storage_load(const mmi_partition_t *p, size_t field, const char *name,
                                uint64_t *value);
/* One past the last event that has the topic's durability. */
mofka_status_t mmi_storage_load_durable(const mmi_topic_t *topic, const mmi_partition_t *p,
                                        uint64_t *id);
/* Wait until events below `next` have it; see wait_durable of mofka_producer_ops_t. */
mofka_status_t mmi_storage_wait_durable(const mmi_topic_t *topic, const mmi_partition_t *p,
                                        uint64_t next, int64_t timeout_ms, uint64_t *durable);
/* Sleep until the owner has written, or synced, more: the word `field` is to reach `next`.
 * `*nap_us` begins with MMI_STORAGE_NAP_US. Blocks: for at most 100 ms, and about `left_ms`. */
#define MMI_STORAGE_NAP_US 20
void mmi_storage_sleep(const mmi_partition_t *p, size_t field, uint64_t next, int64_t left_ms,
                       int64_t *nap_us);
/* Why the log is not open, or is not written: the word `failed` says that it is so. */
mofka_status_t mmi_storage_fail(const mmi_partition_t *p, uint64_t failed);
/* A batch is published: wake the thread that writes it. */
void mmi_storage_ring(const mmi_partition_t *p);
/* Say that the storage holds the partition up since event `id`, and why. */
void mmi_storage_describe(const mmi_partition_t *p, uint64_t id, char *text, size_t bytes);

/* ---- ends.c: a slot of the topic's table ------------------------------------------------------
 */

/* Blocks: until all is on disk, at most `timeout_ms`. */
mofka_status_t mmi_storage_ends(void *topic, int64_t timeout_ms, uint64_t *ends);

/* ---- log.c: a consumer's reader of a partition's files --------------------------------------- */

typedef struct mmi_log {
    mfi_log_t log;
    mfi_reader_t *reader;
    mfi_reader_t *data;   /* for data that the ring has lost; NULL: not used yet */
    mfi_block_t *block;   /* read, and not all given; NULL: none */
    uint32_t given;       /* of its events */
    uint64_t next;        /* id to give next */
    mmi_staged_t *staged; /* the owner reads the files; NULL: this rank sees them */
    uint64_t lost;        /* for the next run */
    bool boundary;        /* a batch begins at `next`, or will */
    bool complete;        /* the files end there */
} mmi_log_t;

/* Give: mmi_log_close. */
mofka_status_t mmi_log_open(const mmi_topic_t *topic, size_t partition, mmi_log_t **log);
/* NULL is ignored. */
void mmi_log_close(mmi_log_t *log);
/* After an error of the store: what the owner has to do with it; see mmi_staged_explain. */
mofka_status_t mmi_log_explain(const mmi_log_t *log, mofka_status_t status);
/* The oldest event. */
mofka_status_t mmi_log_oldest(mmi_log_t *log, uint64_t *id);
/* Go to an event. What retention has removed is lost. */
mofka_status_t mmi_log_seek(mmi_log_t *log, uint64_t id);
/* Go to the first event that was stored at `time_ns` or later, or behind all that is written. */
mofka_status_t mmi_log_seek_time(mmi_log_t *log, uint64_t time_ns);
/* One past the last event of the files. The log is to be sought then. */
mofka_status_t mmi_log_end(mmi_log_t *log, uint64_t *id);
/* Have a block, unless one is there. `written`: so far the files are known to be whole.
 * MOFKA_ERR_TIMEOUT: there is no more. MOFKA_ERR_CORRUPT: the next events are damaged. */
mofka_status_t mmi_log_look(mmi_log_t *log, uint64_t written);
/* Make a run of the block, which is there. `*run`: give, mfi_block_release_run. */
mofka_status_t mmi_log_give(mmi_log_t *log, size_t partition, size_t events_max, mofka_run_t **run);
/* Copy ranges of the data of event `id` to the view. */
mofka_status_t mmi_log_read_data(mmi_log_t *log, uint64_t id, const mofka_range_t *ranges,
                                 size_t range_count, mofka_data_view_t *view, bool *damaged);

/* ---- owner.c --------------------------------------------------------------------------------- */

typedef struct mmi_storage mmi_storage_t;

/* Start to keep this rank's partitions of topics with storage. Give: mmi_storage_stop. */
mofka_status_t mmi_storage_start(mmi_directory_t *d, mmi_storage_t **storage);
/* Write and sync what is left, and close the files. No rank appends any more. NULL is ignored.
 * Blocks: as the file system. */
void mmi_storage_stop(mmi_storage_t *storage);

#endif
