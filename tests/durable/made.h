/* SPDX-License-Identifier: BSD-3-Clause */
/* A store with a topic, and numbered events whose bytes follow from their number. */
#ifndef MOFKA_TESTS_DURABLE_MADE_H
#define MOFKA_TESTS_DURABLE_MADE_H

#include "durable/disk/disk.h"
#include "store/store.h"
#include "support/check.h"

/* A store "/s" on a disk, its topic "t", and where its partition 0 is. */
typedef struct made {
    disk_t *disk;
    mfi_io_t io;
    mfi_store_t store;
    mfi_topic_record_t record;
    mfi_log_t log;
} made_t;

/* Make it, or open it again after the disk ended a process, or a machine. */
mofka_status_t made_open(made_t *made, disk_t *disk, mfi_store_mode_t mode);
void made_close(made_t *made);
/* The same of a folder of the system. */
mofka_status_t made_open_folder(made_t *made, const char *path, mfi_store_mode_t mode);

/* Events from `first` on, of a version: the bytes of event 5 of version 1 are not those of version
 * 2. Stamps are 1000 * id. They are appended as one batch of up to 64 events. */
typedef struct made_batch {
    mfi_append_t append;
    mofka_batch_event_t sizes[64];
    mofka_segment_t metadata[2], data[3];
    char metadata_bytes[64 * 48];
    char data_bytes[64 * 512];
} made_batch_t;
void made_fill(made_batch_t *batch, uint64_t first, uint32_t events, uint32_t version);
/* Append them. */
mofka_status_t made_append(mfi_writer_t *writer, uint64_t first, uint32_t events, uint32_t version);

/* Whether event `index` of what was read is right, and its data, too; *version is its. Else why
 * not is in `why`. */
bool made_is_right(const mfi_read_t *read, uint32_t index, uint32_t *version, char why[256]);

/* Open a writer that keeps all, with that segment size. */
mfi_writer_t *made_writer(const mfi_log_t *log, uint64_t segment_bytes);
/* Read all from the oldest on; each event is of the version. The number of events. */
uint64_t made_read_all(const mfi_log_t *log, uint32_t version);

#endif
