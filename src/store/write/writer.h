/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The writer of a partition's log.
 *
 * Threads: one thread appends, one may sync at the same time, any asks for the state. The caller
 * holds the partition's lock (store/lock.h) from before the open until after the close.
 *
 * After an error nothing that was acknowledged before is taken back:
 *
 *   append fails   the batches that were counted are written, the others are not. The caller keeps
 *                  these and appends them again, at once or later. The writer then goes on in a
 *                  new life: what the failed write has left is never looked at.
 *   sync fails     `synced` stays. What is behind it may be lost, although the system had it, and
 *                  another sync would not say so. The writer refuses appends until
 *                  mfi_writer_rewrite: the caller appends again what it still has.
 */
#ifndef MOFKA_SRC_STORE_WRITE_WRITER_H
#define MOFKA_SRC_STORE_WRITE_WRITER_H

#include <mofka/backend.h>
#include "store/log/scan.h"

typedef struct mfi_writer mfi_writer_t;

/* Bytes after which a segment is closed, if the options say nothing. */
#define MFI_SEGMENT_BYTES_DEFAULT (UINT64_C(256) << 20)
/* No cut. */
#define MFI_NO_CUT UINT64_MAX

typedef struct mfi_writer_options {
    uint64_t segment_bytes; /* 0: the default */
    uint64_t retain_bytes;  /* delete the oldest segments beyond; 0: keep all */
    uint64_t retain_ms;     /* delete segments whose events are all older; 0: keep all */
    /* Cut the log here: ids from here on are to be new events. MFI_NO_CUT: go on at its end. */
    uint64_t cut;
} mfi_writer_options_t;

/* What an open found. */
typedef struct mfi_opened {
    uint64_t life;       /* the new one */
    uint64_t oldest;     /* first id */
    uint64_t next;       /* where it goes on */
    uint64_t cut_events; /* asked for by `cut` */
    uint64_t torn_bytes; /* what a failing machine left behind the end; they stay in their file */
    bool complete;       /* the topic is complete */
    uint64_t damaged_events;
    mfi_finding_t damage; /* the first damage */
} mfi_opened_t;

/* Open a log, and begin a life. All that is found is synced. Give: mfi_writer_close.
 * MOFKA_ERR_CORRUPT: events are damaged; `*opened` says which, and readers can read the others.
 * MOFKA_ERR_RANGE: the cut is behind the end, or before the oldest event. Else as mfi_chain_load
 * and mfi_segment_read. After an error no file is changed, but for a new segment of no events. */
mofka_status_t mfi_writer_open(const mfi_log_t *log, const mfi_writer_options_t *options,
                               mfi_opened_t *opened, mfi_writer_t **writer);
/* Sync, and free. An error of the sync is returned; the writer is freed all the same. */
mofka_status_t mfi_writer_close(mfi_writer_t *writer);
/* Free, and write nothing: the partition belongs to another process now. */
void mfi_writer_abandon(mfi_writer_t *writer);

/* A batch to append. All of it is borrowed. */
typedef struct mfi_append {
    mfi_frame_kind_t kind; /* BATCH, VOID or DAMAGED */
    uint64_t first_id;     /* the writer's next one */
    uint32_t events;
    const mofka_batch_event_t *sizes; /* of each event; BATCH only, and so are all below */
    const mofka_segment_t *metadata;  /* of all events, one after the other, in pieces */
    size_t metadata_count;
    const mofka_segment_t *data; /* of all events, one after the other, in pieces */
    size_t data_count;
    uint64_t stamp; /* CLOCK_REALTIME when it was stored, ns */
    uint64_t producer;
} mfi_append_t;

/* Append batches: the system has the first `*appended` then, and they survive this process.
 * MOFKA_ERR_COMPLETE: the topic is complete. MOFKA_ERR_INVALID: a batch is not the next one, or its
 * pieces are not as long as its sizes say. MOFKA_ERR_STORAGE: see above; the message has the path,
 * the reason, and the first event that is not written. MOFKA_ERR_MEMORY.
 * Threads: the appending one. Blocks: as the file system. */
mofka_status_t mfi_writer_append(mfi_writer_t *writer, const mfi_append_t *batches, size_t count,
                                 size_t *appended);
/* Complete the topic: it takes no more events. As append.
 * Threads: the appending one. */
mofka_status_t mfi_writer_complete(mfi_writer_t *writer);
/* Go on after a failed sync: the events from `from` on are to be appended again, the same ones, and
 * a complete topic is to be completed again. Until the writer is where it was, the files of before
 * count; if the process ends meanwhile, nothing else is lost. MOFKA_ERR_RANGE: `from` is not in
 * [synced, next]. MOFKA_ERR_STORAGE: try again.
 * Threads: the appending one, while no other syncs. */
mofka_status_t mfi_writer_rewrite(mfi_writer_t *writer, uint64_t from);
/* After a failed sync: give up what is not synced. Ids from there on will be new events, and
 * readers that have seen the old ones are set back. MOFKA_ERR_STORAGE: try again. Threads: as
 * mfi_writer_rewrite. */
mofka_status_t mfi_writer_give_up(mfi_writer_t *writer);
/* Sync what is appended now; all ids below `*synced` survive the machine. Files and folders both.
 * MOFKA_ERR_STORAGE: see above.
 * Threads: one at a time, also while another appends. */
mofka_status_t mfi_writer_sync(mfi_writer_t *writer, uint64_t *synced);
/* Delete what the options no longer keep: whole segments, the oldest first, synced ones, none with
 * an id from `floor` on (the lowest synced place of a consumer; UINT64_MAX: none keeps it).
 * Threads: the appending one, or the syncing one. */
mofka_status_t mfi_writer_retain(mfi_writer_t *writer, uint64_t floor);

typedef struct mfi_writer_state {
    uint64_t life;
    uint64_t oldest;    /* first id */
    uint64_t next;      /* one past the last id that is written */
    uint64_t synced;    /* one past the last id that is synced */
    uint64_t bytes;     /* of all segments that count */
    uint64_t segments;  /* their number */
    bool complete;      /* of the topic */
    bool needs_rewrite; /* a sync failed */
} mfi_writer_state_t;

/* Threads: any. */
void mfi_writer_state(mfi_writer_t *writer, mfi_writer_state_t *state);

/* Scan a log, and sync what is found: no failure takes it back then. Nothing else is changed. */
mofka_status_t mfi_log_settle(const mfi_log_t *log, mfi_scan_t *scan);

/* Remove a segment and its index, durably. A missing one is no error. */
mofka_status_t mfi_part_remove(const mfi_log_t *log, const mfi_part_t *part);

/* For a repair: as mfi_writer_open and then mfi_writer_rewrite: begin a life at `from`, whose
 * events up to `end` are to be appended. The files of before count until then. */
mofka_status_t mfi_writer_open_repair(const mfi_log_t *log, uint64_t from, uint64_t end,
                                      mfi_writer_t **writer);

#endif
