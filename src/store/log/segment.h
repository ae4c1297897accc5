/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments that are read: their files, the chain that they make, and the frames in them. */
#ifndef MOFKA_SRC_STORE_LOG_SEGMENT_H
#define MOFKA_SRC_STORE_LOG_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <mofka/data_descriptor.h>
#include "store/io/io.h"
#include "store/log/format.h"

/* Where a partition's log is, and whose it is. Its owner keeps it, and what it points to, while a
 * chain, a reader or a writer of it is open. */
typedef struct mfi_log {
    mfi_io_t io;
    char folder[MFI_PATH_BYTES_MAX];
    mfi_uuid_t store;
    mfi_uuid_t topic;
    uint32_t partition;
} mfi_log_t;

/* ---- checks (segment.c) ---------------------------------------------------------------------- */

uint64_t mfi_segment_seed(const mfi_log_t *log, uint64_t life, uint64_t first_id);
uint64_t mfi_check_bytes(const void *bytes, size_t size, uint64_t seed);
/* The seeds of a frame's parts, from that of its segment. */
uint64_t mfi_seed_at(uint64_t seed, uint64_t offset);
uint64_t mfi_seed_of_data(uint64_t seed, uint64_t id);
/* The check of data in pieces. `state` is made by mfi_check_begin. Give: mfi_check_end frees. NULL:
 * no memory. */
typedef struct mfi_check_state mfi_check_state_t;
mfi_check_state_t *mfi_check_create(void);
void mfi_check_begin(mfi_check_state_t *state, uint64_t seed);
void mfi_check_add(mfi_check_state_t *state, const void *bytes, size_t size);
uint64_t mfi_check_value(const mfi_check_state_t *state);
void mfi_check_destroy(mfi_check_state_t *state);

/* ---- the chain (chain.c) --------------------------------------------------------------------- */

/* A segment as its name and its header say. */
typedef struct mfi_part {
    uint64_t first_id;
    uint64_t life;
    uint64_t limit;     /* ids from here on are another segment's; UINT64_MAX: the last one */
    uint64_t synced;    /* of the header */
    uint64_t stamp_max; /* of the header */
    uint64_t bytes;     /* of the file, when it was listed */
    mfi_reason_t reason;
    bool complete;   /* the topic was complete when the life began */
    bool header_bad; /* the header is damaged; the frames are not */
    bool torn;       /* neither header nor a frame is whole: a crash came when it was made */
    bool is_void;    /* all of its ids are another segment's */
} mfi_part_t;

/* All segments of a log, by life and first id. */
typedef struct mfi_chain {
    mfi_part_t *parts;
    size_t count;
    uint64_t life_max; /* of all files, whatever is in them */
} mfi_chain_t;

/* List the segments. What `chain` holds already is not read again. MOFKA_ERR_STORAGE,
 * MOFKA_ERR_MEMORY. MOFKA_ERR_NOT_FOUND: the folder is missing. MOFKA_ERR_UNSUPPORTED: a segment of
 * another version, or of a machine of another byte order. MOFKA_ERR_INVALID: a segment of another
 * store, topic or partition. The message names the file. Zeroed memory is an empty chain. */
mofka_status_t mfi_chain_load(const mfi_log_t *log, mfi_chain_t *chain);
void mfi_chain_clear(mfi_chain_t *chain);
/* The part of the chain that has `id`, or that would have it; the first one where the id is before
 * it. NULL: the chain is empty. */
const mfi_part_t *mfi_chain_find(const mfi_chain_t *chain, uint64_t id);
/* The part that goes on where this one ends. NULL: it is the last. */
const mfi_part_t *mfi_chain_next(const mfi_chain_t *chain, const mfi_part_t *part);
/* The first id; 0 where the chain is empty. */
uint64_t mfi_chain_oldest(const mfi_chain_t *chain);
/* Where a place of `life` at `id` is now: lower where later lives have other events from there on.
 */
uint64_t mfi_chain_place(const mfi_chain_t *chain, uint64_t life, uint64_t id);
/* Read the name of a segment's file: `*ending` is what follows the numbers. False: it is no such
 * name. */
bool mfi_part_parse(const char *name, uint64_t *first_id, uint64_t *life, const char **ending);
/* The path of a segment's file; `ending`: ".log", ".idx" or ".new". */
mofka_status_t mfi_part_path(const mfi_log_t *log, uint64_t life, uint64_t first_id,
                             const char *ending, char path[MFI_PATH_BYTES_MAX]);

/* ---- one segment, read (segment.c) ----------------------------------------------------------- */

/* An open file. Counted: a run of a reader keeps it, whatever the reader does. Frames are read by
 * one thread at a time; data by any. */
typedef struct mfi_segment {
    _Atomic unsigned users;
    mfi_log_t const *log; /* for reading only: the last user may leave after the log's end */
    mfi_io_t io;
    int fd;
    uint64_t life, first_id;
    uint64_t seed;
    char *window; /* bytes of the file from window_offset */
    size_t window_room, window_bytes;
    uint64_t window_offset;
} mfi_segment_t;

/* A frame that was read. */
typedef struct mfi_frame {
    mfi_frame_header_t header;
    uint64_t offset;
    uint64_t end;               /* where the next one begins */
    uint64_t data_offset;       /* of the first event's data */
    const mfi_entry_t *entries; /* view: until the segment's next frame is read */
    const char *metadata;       /* view: the same */
} mfi_frame_t;

/* Open a segment. Give: mfi_segment_release. MOFKA_ERR_NOT_FOUND, _STORAGE, _MEMORY. */
mofka_status_t mfi_segment_open(const mfi_log_t *log, uint64_t life, uint64_t first_id,
                                mfi_segment_t **segment);
mfi_segment_t *mfi_segment_retain(mfi_segment_t *segment);
void mfi_segment_release(mfi_segment_t *segment);

/* How much of a frame is checked. */
typedef enum mfi_frame_depth {
    MFI_DEPTH_HEADER, /* its header */
    MFI_DEPTH_HEAD,   /* and its entries and metadata */
    MFI_DEPTH_ALL     /* and its data */
} mfi_frame_depth_t;

/* Read the frame at an offset. `*whole` is false where no whole frame is: it is not there, not yet,
 * or bad. MOFKA_ERR_STORAGE: the file cannot be read. MOFKA_ERR_MEMORY. */
mofka_status_t mfi_segment_read(mfi_segment_t *segment, uint64_t offset, mfi_frame_depth_t depth,
                                mfi_frame_t *frame, bool *whole);
/* Find the next whole frame that is not before `offset`, which has no synced kind, and whose bytes
 * are checked all. `*whole` is false: there is none. */
mofka_status_t mfi_segment_resync(mfi_segment_t *segment, uint64_t offset, mfi_frame_t *frame,
                                  bool *whole);
/* Find the synced frame of the highest id from `offset` on. If that is above `*synced`, it is put
 * there, and `*end` is the end of the frame. */
mofka_status_t mfi_segment_find_synced(mfi_segment_t *segment, uint64_t offset, uint64_t *synced,
                                       uint64_t *end);
/* Read ranges of the data of event `id` to `to`, one after the other. If they are all of its data,
 * `*verified` is true, and the check was right. MOFKA_ERR_CORRUPT: it was not, or the file has
 * ended; the message names the file. MOFKA_ERR_STORAGE. */
mofka_status_t mfi_segment_read_data(mfi_segment_t *segment, uint64_t id, uint64_t offset,
                                     const mfi_entry_t *entry, const mofka_range_t *ranges,
                                     size_t range_count, char *to, bool *verified);

/* ---- index (index.c) ------------------------------------------------------------------------- */

typedef struct mfi_index {
    mfi_index_entry_t *entries;
    size_t count, room;
} mfi_index_t;

/* Read the valid entries of a segment's index; none where it is missing, or wrong. */
mofka_status_t mfi_index_load(const mfi_log_t *log, uint64_t life, uint64_t first_id,
                              mfi_index_t *index);
/* Add an entry in memory; without memory it is left out. */
void mfi_index_add(mfi_index_t *index, uint64_t id, uint64_t offset, uint64_t stamp_max);
/* Append entries to the file as the entries from number `done` on. Errors leave it as it is. */
void mfi_index_store(const mfi_log_t *log, uint64_t life, uint64_t first_id,
                     const mfi_index_t *index, size_t done, size_t count);
/* The last entry that is not behind `id`, and before which all stamps are below `stamp`
 * (UINT64_MAX: whatever the stamps). NULL: none. */
const mfi_index_entry_t *mfi_index_find(const mfi_index_t *index, uint64_t id, uint64_t stamp);
void mfi_index_clear(mfi_index_t *index);

#endif
