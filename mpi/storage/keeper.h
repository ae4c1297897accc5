/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A keeper: one partition, whose owner writes it to files.
 *
 * Two threads of the owner serve all keepers: the writing one, and the syncing one. A third one
 * watches whether they keep up. None calls MPI while all goes well: they use this rank's share by
 * the processor. So what they do does not depend on other ranks, and other ranks wait for files
 * only.
 *
 *   member          used by
 *   at              the writing thread; with `lock`, read by the syncing one
 *   disk            the syncing thread; with `sync_lock`, read by the writing one
 *   writer          both, as store/write/writer.h allows; it is rewritten with `sync_lock`
 *   places, names   the syncing thread; so is asked_done
 */
#ifndef MOFKA_MPI_STORAGE_KEEPER_H
#define MOFKA_MPI_STORAGE_KEEPER_H

#include "mpi/storage/storage.h"

/* After an error it tries again so often. */
#define MMI_KEEP_RETRY_MS 1000

/* A consumer's name in the table and in the file of places. */
typedef struct mmi_kept_name {
    uint64_t name_check; /* of the name that is joined; 0: none is */
    size_t slot;         /* in the file */
    uint64_t stored;     /* the id that is in the file */
} mmi_kept_name_t;

typedef struct mmi_keeper {
    struct mmi_keeper *next;
    struct mmi_storage *storage;
    mmi_topic_t *topic; /* kept */
    const mmi_partition_t *p;
    mmi_stored_t *words; /* in this rank's share */
    mmi_control_t *control;
    mfi_log_t log;
    _Atomic bool has_log;
    mfi_lock_t *lock_file; /* NULL: not taken */
    mfi_writer_t *writer;  /* NULL: the log is not open */
    mfi_places_t *places;
    uint64_t life;
    bool hopeless;             /* opening it, or writing, again would not help */
    _Atomic bool taken;        /* another process has taken the lock over: no file is changed */
    bool failed;               /* the last step failed */
    int64_t retry_ms;          /* then: not before; monotonic clock */
    bool complete;             /* the log has the topic's end */
    mmi_chain_t chain;         /* what the entry at `at` must follow */
    pthread_mutex_t lock;      /* guards `at`; a leaf */
    mmi_place_t at;            /* all before is written */
    pthread_mutex_t sync_lock; /* one sync, or rewrite, at a time; before `lock` */
    mmi_place_t disk;          /* all before is synced */
    _Atomic bool sync_failed;  /* the writing thread has to rewrite */
    _Atomic bool dirty;        /* something was written since the last sync began */
    int64_t synced_ms;         /* of the monotonic clock */
    _Atomic int64_t warned_ms; /* when a warning said that the disk is slow; 0: none did */
    uint64_t asked_seen;       /* the word `asked`, as the writing thread has passed it on */
    uint64_t asked_done;       /* and as the last sync that went well has answered it */
    mmi_kept_name_t names[MMI_CONSUMERS_MAX];
} mmi_keeper_t;

/* Batches of one write. */
#define MMI_WRITE_BATCHES 128
#define MMI_WRITE_BYTES ((uint64_t)8 << 20)

/* Memory of the writing thread, for one write. */
typedef struct mmi_write {
    size_t count;
    mfi_append_t appends[MMI_WRITE_BATCHES];
    mofka_segment_t pieces[MMI_WRITE_BATCHES][4]; /* metadata, then data */
    mmi_place_t ends[MMI_WRITE_BATCHES];
    mmi_chain_t chains[MMI_WRITE_BATCHES]; /* behind each */
    mofka_batch_event_t *sizes;
    size_t size_count, size_room;
} mmi_write_t;

typedef struct mmi_storage {
    mmi_directory_t *d;
    _Atomic(mmi_keeper_t *) keepers; /* the newest first; none is removed */
    mmi_server_t *server;            /* reads files for ranks that do not see them */
    uint64_t topics_seen;            /* `stored_topics`, before the last look */
    bool looked;
    mmi_write_t write;
    pthread_t writing, syncing, watching;
    pthread_mutex_t lock; /* guards the next two; a leaf */
    pthread_cond_t work;  /* for the syncing thread */
    pthread_cond_t end;   /* for the watching thread: `ends` */
    bool wanted;          /* a "synced" topic has something to sync */
    _Atomic bool ends;
    _Atomic bool written; /* the writing thread has ended */
} mmi_storage_t;

/* A place of this rank's share. */
static inline void *mmi_storage_own(const mmi_window_t *w, uint64_t offset) {
    assert(w->ops->has_addresses || w->own_by_cpu);
    return (w->ops->has_addresses ? w->base[w->rank] : w->base[0]) + offset;
}
static inline uint64_t mmi_keeper_load(const uint64_t *word) {
    return atomic_load((const _Atomic uint64_t *)(const void *)word);
}
static inline void mmi_keeper_store(uint64_t *word, uint64_t value) {
    atomic_store((_Atomic uint64_t *)(void *)word, value);
}

/* ---- open.c: the writing thread -------------------------------------------------------------- */

/* Open the log, and let others use the partition. After an error it is tried again later, unless
 * that is hopeless. */
void mmi_keeper_open(mmi_keeper_t *k);
/* Sync, and close all. */
void mmi_keeper_close(mmi_keeper_t *k);

/* ---- write.c: the writing thread ------------------------------------------------------------- */

/* Write batches that are published. True: there were some. */
bool mmi_keeper_write(mmi_keeper_t *k, mmi_write_t *write);
/* Report an error to all ranks: this thread's last message, behind `what`. */
void mmi_keeper_fail(mmi_keeper_t *k, mofka_status_t status, const char *what);
/* Wake ranks that wait for a word of the storage page, or for room, or for what is durable. */
void mmi_keeper_ring(const mmi_keeper_t *k);
/* Whether this process still has the partition's lock, by a look at its file; false for ever after
 * it was false. What is written and then found to be so may be promised. Any of both threads. */
bool mmi_keeper_holds_lock(mmi_keeper_t *k);

/* ---- measure.c ------------------------------------------------------------------------------- */

/* Count a write that began then, of the monotonic clock. The writing thread. */
void mmi_keeper_count_write(mmi_keeper_t *k, int64_t began_ns);
/* Count a sync. The syncing thread. */
void mmi_keeper_count_sync(mmi_keeper_t *k, int64_t began_ns);
/* Store what the files are now. The syncing thread. */
void mmi_keeper_count_files(mmi_keeper_t *k);
/* Warn if half of the ring, or more, waits for the file system; now and then. Any thread. */
void mmi_keeper_watch_backlog(mmi_keeper_t *k);

/* ---- tend.c: the syncing thread, and the end of both ----------------------------------------- */

/* Sync what is written. False: it failed, and the writing thread has to rewrite. */
bool mmi_keeper_sync(mmi_keeper_t *k);
/* Store consumers' places, delete what retention lets go, move the stamp of the lock. */
void mmi_keeper_tend(mmi_keeper_t *k);

#endif
