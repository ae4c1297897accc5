/* SPDX-License-Identifier: BSD-3-Clause */
/* The writer's insides, for the files of this room. */
#ifndef MOFKA_SRC_STORE_WRITE_WRITING_H
#define MOFKA_SRC_STORE_WRITE_WRITING_H

#include <pthread.h>
#include "store/write/writer.h"

/* A segment that this writer has begun. */
typedef struct mfi_written {
    struct mfi_written *next; /* the one that it began after this */
    int fd;
    uint64_t life, first_id;
    uint64_t offset;     /* its end */
    uint64_t indexed;    /* offset of the last frame in the index */
    mfi_index_t index;   /* of this segment */
    size_t index_stored; /* so many entries are in the file */
    bool hidden;         /* it has another name, until it has caught up */
} mfi_written_t;

/* Memory of a write: what frames have beside their batches. */
typedef struct mfi_build {
    char *bytes; /* headers, entries, checks */
    size_t used, room;
    struct iovec *parts;
    size_t part_count, part_room;
    uint64_t file_bytes; /* of all frames */
    mfi_check_state_t *check;
} mfi_build_t;

struct mfi_writer {
    const mfi_log_t *log;
    mfi_writer_options_t options;
    /* Guards all below. Held while frames are written, not while files are synced. A leaf. */
    pthread_mutex_t lock;
    mfi_chain_t chain; /* what was there at the last look; for retention */
    uint64_t life;
    uint64_t oldest, next_id, synced;
    uint64_t marked; /* id of the last synced frame */
    uint64_t stamp_max;
    bool complete;
    bool broken;          /* a write failed: begin a life before the next */
    bool needs_rewrite;   /* a sync failed */
    bool dirty;           /* something was written since the last sync began */
    bool folder_dirty;    /* it has names that are not synced */
    uint64_t catch_up;    /* a hidden segment gets its name here */
    mfi_written_t *first; /* the oldest that is not synced up to its end; the last is written */
    mfi_written_t *last;
    mfi_build_t build; /* of the appending thread */
};

/* ---- build.c: batches as frames -------------------------------------------------------------- */

/* The bytes of a batch in the file. */
uint64_t mfi_build_bytes(const mfi_append_t *batch);
/* Check that the pieces of a batch are what its sizes say. MOFKA_ERR_INVALID. */
mofka_status_t mfi_build_check(const mfi_append_t *batch);
/* Begin a write of that many batches. MOFKA_ERR_MEMORY. */
mofka_status_t mfi_build_begin(mfi_build_t *build, const mfi_append_t *batches, size_t count);
/* Add the frame of a batch, which will be at that offset. */
void mfi_build_add(mfi_build_t *build, const mfi_append_t *batch, uint64_t seed, uint64_t offset);
/* Make a frame of no body. */
mfi_frame_header_t mfi_build_mark(mfi_frame_kind_t kind, uint64_t first_id, uint64_t mark,
                                  uint64_t seed, uint64_t offset);
void mfi_build_clear(mfi_build_t *build);

/* ---- the rest, with the lock ----------------------------------------------------------------- */

/* Begin a life at `first_id`, durably. */
mofka_status_t mfi_writer_begin_life(mfi_writer_t *w, mfi_reason_t reason, uint64_t first_id,
                                     bool hidden);
/* Write frames without events to the last segment, `copies` times. */
mofka_status_t mfi_writer_put_mark(mfi_writer_t *w, mfi_frame_kind_t kind, int copies);
void mfi_written_free(const mfi_log_t *log, mfi_written_t *written);
/* Give a hidden segment its name; it is synced before. */
mofka_status_t mfi_writer_show(mfi_writer_t *w);

#endif
