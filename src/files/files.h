/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver "files": topics in a store, without MPI. One process at a time writes a topic; any
 * number reads it.
 *
 * A topic's writers are opened for its first producer, and closed with the driver. A thread of the
 * driver syncs them and the places of consumers, deletes what retention lets go, and moves the
 * stamps of locks.
 */
#ifndef MOFKA_SRC_FILES_FILES_H
#define MOFKA_SRC_FILES_FILES_H

#include <pthread.h>
#include "store/store.h"

/* When a batch is stored. */
enum { MFI_FILES_WRITTEN, MFI_FILES_SYNCED };

/* What options of a topic say; they are in its record. */
typedef struct mfi_files_options {
    uint64_t partitions, segment_bytes, retain_bytes, retain_ms;
    int durability; /* MFI_FILES_WRITTEN or MFI_FILES_SYNCED */
} mfi_files_options_t;

/* A partition, as this process writes it. */
typedef struct mfi_files_partition {
    mfi_log_t log;
    mfi_lock_t *lock;       /* NULL: it is not written here */
    mfi_writer_t *writer;   /* NULL: the same */
    bool taken;             /* another process has taken the lock over. With `append` */
    mfi_places_t *places;   /* for the floor of retention */
    pthread_mutex_t append; /* one append, or retention, at a time */
    pthread_mutex_t sync;   /* one sync at a time; taken after `append` */
} mfi_files_partition_t;

typedef struct mfi_files_topic {
    struct mfi_files_topic *next;
    struct mfi_files_driver *driver;
    mfi_topic_record_t record;
    mfi_files_options_t options;
    bool written; /* its writers are open */
    mfi_files_partition_t *partitions;
} mfi_files_topic_t;

typedef struct mfi_files_driver {
    mfi_io_t io;
    mfi_store_t store;
    uint64_t sync_ms;
    /* Guards the lists, and opening writers. Taken before the locks of partitions. */
    pthread_mutex_t lock;
    mfi_files_topic_t *topics;
    struct mfi_files_consumer *consumers;
    pthread_t thread;
    bool thread_runs, thread_ends;
    pthread_cond_t ends; /* of thread_ends */
} mfi_files_driver_t;

/* ---- topic.c --------------------------------------------------------------------------------- */

/* Read a topic's options. `what` begins a message. */
mofka_status_t mfi_files_read_options(const char *what, const char *json,
                                      mfi_files_options_t *options);
/* The topic of that name, read from the store if this process has not used it. Called with the
 * driver's lock. */
mofka_status_t mfi_files_find_topic(mfi_files_driver_t *driver, const char *name,
                                    mfi_files_topic_t **topic);
/* Open the topic's writers. MOFKA_ERR_BUSY: another process writes it. */
mofka_status_t mfi_files_open_writers(mfi_files_topic_t *topic);
/* Whether a partition can be written, with its append lock. MOFKA_ERR_CLOSED: the driver is.
 * MOFKA_ERR_BUSY: another process has taken its lock over. */
mofka_status_t mfi_files_check_written(const mfi_files_topic_t *topic, size_t partition);
/* Close its writers; the first error. */
mofka_status_t mfi_files_close_writers(mfi_files_topic_t *topic);
/* Sync and retain. With `touch`, move the stamps of locks; a partition whose lock another process
 * has taken is written no more. */
void mfi_files_tend_topic(mfi_files_topic_t *topic, bool touch);
void mfi_files_free_topic(mfi_files_topic_t *topic);
/* Sync one partition, with its append lock. After a failure it goes on, if it can. */
mofka_status_t mfi_files_sync(const mfi_files_topic_t *topic, mfi_files_partition_t *partition);
/* If a sync failed: go on in a new file, with the append lock. */
mofka_status_t mfi_files_go_on(const mfi_files_topic_t *topic, mfi_files_partition_t *partition);

extern const mofka_topic_ops_t mfi_files_topic_ops;

/* ---- producer.c, consumer.c ------------------------------------------------------------------ */

mofka_status_t mfi_files_make_producer(void *self, const char *name, const char *options,
                                       const mofka_producer_ops_t **ops, void **producer);
mofka_status_t mfi_files_make_consumer(void *self, const mofka_consumer_config_t *config,
                                       const mofka_consumer_ops_t **ops, void **consumer);
/* Write the places of all consumers, and sync them. Called with the driver's lock. */
void mfi_files_sync_places(mfi_files_driver_t *driver);

#endif
