/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A store: a folder of topics whose events are in files.
 *
 *   STORE/
 *     store.json        format, uuid, when it was made; written once
 *     lock              locked by who makes the store, makes a topic, or cuts one
 *     intent            a cut that is under way; else missing
 *     topics/NAME%/     percent-encoded; a long name is cut, with a hash at its end
 *       topic.json      the topic's record, with its true name; written once, last
 *       0000/           a partition: lock, places, segments and indexes (store/log/format.h)
 *
 * JSON files have a check of their own text. All that is read is checked; who can write the folder
 * can make any file.
 *
 * Threads: a store and a record are read by any thread. MPI: none. Blocks: as the file system.
 */
#ifndef MOFKA_SRC_STORE_STORE_H
#define MOFKA_SRC_STORE_STORE_H

#include <mofka/backend.h>
#include "store/lock.h"
#include "store/places.h"
#include "store/read/reader.h"
#include "store/write/writer.h"

/* Bytes of a JSON file of a store, at most: options, schemas and hosts of 4096 partitions. */
#define MFI_STORE_JSON_BYTES_MAX ((size_t)16 << 20)

/* ---- the store (catalog.c) ------------------------------------------------------------------- */

typedef struct mfi_store {
    mfi_io_t io;
    mfi_uuid_t uuid;
    char path[MFI_PATH_BYTES_MAX];
} mfi_store_t;

typedef enum mfi_store_mode {
    MFI_STORE_THERE, /* it is there */
    MFI_STORE_MAKE,  /* it is there, or its folder is empty or missing: it is made */
    MFI_STORE_NEW    /* its folder is empty or missing */
} mfi_store_mode_t;

/* Open a store. Nothing is to be closed. MOFKA_ERR_NOT_FOUND: it is missing. MOFKA_ERR_EXISTS: it
 * is there. MOFKA_ERR_INVALID: the folder has other files. MOFKA_ERR_UNSUPPORTED: of another format
 * version. MOFKA_ERR_CORRUPT: store.json is damaged. MOFKA_ERR_STORAGE. The message names the file,
 * and what to do. */
mofka_status_t mfi_store_open(const mfi_io_t *io, const char *path, mfi_store_mode_t mode,
                              mfi_store_t *store);

/* A topic as its record says. */
typedef struct mfi_topic_record {
    mfi_uuid_t uuid;
    char *name, *options, *validator, *selector, *serializer; /* JSON as given */
    size_t partitions;
    char **hosts; /* where each partition's files were made */
} mfi_topic_record_t;

void mfi_topic_record_clear(mfi_topic_record_t *record);
/* Make a topic of that many partitions, whose folders are made on `hosts`: the record. With
 * `make_all` their folders, too, before it. Another process that makes or cuts a topic is waited
 * for, up to 10 s: MOFKA_ERR_BUSY. MOFKA_ERR_EXISTS. MOFKA_ERR_RANGE: 0 partitions, or too many. */
mofka_status_t mfi_store_create_topic(const mfi_store_t *store, const mofka_topic_config_t *config,
                                      size_t partitions, const char *const *hosts, bool make_all);
/* Read a record. Give: mfi_topic_record_clear. MOFKA_ERR_NOT_FOUND: there is no such topic.
 * MOFKA_ERR_CORRUPT, MOFKA_ERR_UNSUPPORTED: of the file. */
mofka_status_t mfi_store_load_topic(const mfi_store_t *store, const char *name,
                                    mfi_topic_record_t *record);
/* Call `visit` for each topic's record; it stops at an error, or at MOFKA_STOP. MOFKA_ERR_INVALID:
 * something else is among the topics, or a folder is not that of its record. */
mofka_status_t mfi_store_list_topics(const mfi_store_t *store,
                                     mofka_status_t (*visit)(void *context,
                                                             const mfi_topic_record_t *record),
                                     void *context);
/* Read a record from text; `what` begins the message. For tests, and mfi_store_load_topic. */
mofka_status_t mfi_topic_record_parse(const char *what, const char *text, size_t bytes,
                                      mfi_topic_record_t *record);

/* Make the folder of a partition, once. MOFKA_ERR_EXISTS. */
mofka_status_t mfi_store_make_partition(const mfi_store_t *store, const mfi_topic_record_t *record,
                                        size_t partition);
/* Fill in where a partition's log is. MOFKA_ERR_NOT_FOUND: its folder is not here; the message
 * names the host on which it was made. MOFKA_ERR_RANGE. */
mofka_status_t mfi_store_log(const mfi_store_t *store, const mfi_topic_record_t *record,
                             size_t partition, mfi_log_t *log);

/* ---- cut (cut.c) ----------------------------------------------------------------------------- */

/* Cut each partition of a topic back to the next ids in `ends`. All or nothing: what a crash left
 * is done by the next mfi_store_finish_cut, or here, first. Takes the locks of the store and of the
 * partitions. Nothing is changed after MOFKA_ERR_RANGE (an end is behind what is there, or before
 * it), MOFKA_ERR_BUSY, _CORRUPT. */
mofka_status_t mfi_store_cut(const mfi_store_t *store, const mfi_topic_record_t *record,
                             const uint64_t *ends);
/* Whether mfi_store_cut would cut the topic so, as things are now. Errors as that. */
mofka_status_t mfi_store_check_cut(const mfi_store_t *store, const mfi_topic_record_t *record,
                                   const uint64_t *ends);
/* Finish a cut that a crash interrupted, if there is one. To be called before a store is written.
 * One that another process is doing is waited for, up to 10 s: MOFKA_ERR_BUSY. MOFKA_ERR_CORRUPT:
 * the intent is damaged. */
mofka_status_t mfi_store_finish_cut(const mfi_store_t *store);

/* ---- the driver option "resume_at" (resume.c) ------------------------------------------------ */

/* Cut topics back, each as mfi_store_cut: `json` is {topic: [the next id of each partition]}, and
 * `what` begins the messages. Nothing is changed unless each of them can be cut. A crash in between
 * leaves some topics cut; the same call then cuts the rest. MOFKA_ERR_OPTION: it is no such object,
 * or has not as many ids as the topic has partitions. MOFKA_ERR_NOT_FOUND: the store has no such
 * topic. */
mofka_status_t mfi_store_resume_at(const mfi_store_t *store, const char *what, const char *json);

/* ---- verify and repair (repair.c) ------------------------------------------------------------ */

/* Check all of a partition's files. `report` is called with each finding of the log; `*findings` is
 * their number, without VOID, and with the damaged places. Nothing is changed. */
mofka_status_t mfi_store_verify(const mfi_log_t *log,
                                void (*report)(void *context, const mfi_finding_t *finding),
                                void *context, mfi_scan_t *scan, size_t *places_damaged);
/* Describe a finding in words, with its file. */
void mfi_finding_describe(const mfi_log_t *log, const mfi_finding_t *finding, char *text,
                          size_t bytes);
/* Give damaged events up: readers then go over them as lost, and the log can be written. All other
 * events are kept, in new files; then the old ones are removed. Damaged places are removed, and a
 * places file that is none is made anew. Takes the lock. `*given_up` is the number of events. */
mofka_status_t mfi_store_repair(const mfi_log_t *log, uint64_t *given_up);

#endif
