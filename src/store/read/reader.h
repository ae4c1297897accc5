/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers of a partition's log: any number, in any process, beside its one writer.
 *
 * A reader takes no lock, and looks at bytes that are being written. It delivers a batch only if
 * all checks of it are right, or if it is told that the batch is whole:
 *
 *   writer   writes frame A ... writes frame B ... syncs ... writes the mark "A, B are on disk"
 *   reader   A's checks are wrong: not yet. Looks again. A's checks are right: delivers it.
 *            A's checks are wrong, and there is a mark behind A, or a later segment says so: A was
 *            on disk, so it is damaged. It is reported, and the reader goes on behind it.
 *
 * The writer never writes into a place twice: after an error it goes on in another file. So bytes
 * that were right stay right. The model is in src/store/model/.
 *
 * Reader and writer are processes of one node, or the file system is as coherent as on one node.
 *
 * Threads: one at a time uses a reader. Data of a batch that was read is read by any thread
 * (mfi_segment_read_data).
 */
#ifndef MOFKA_SRC_STORE_READ_READER_H
#define MOFKA_SRC_STORE_READ_READER_H

#include "store/log/scan.h"

typedef struct mfi_reader mfi_reader_t;

/* A batch, or a part of it. */
typedef struct mfi_read {
    mfi_frame_kind_t kind; /* BATCH, VOID or DAMAGED */
    uint64_t first_id;
    uint32_t events;
    const mfi_entry_t *entries; /* view: until the next read; BATCH only, and so are all below */
    const char *metadata;       /* view: the same; of all events, one after the other */
    uint64_t data_offset;       /* of the first event's data; those of the others follow */
    uint64_t stamp;             /* when it was stored */
    uint64_t producer;
    bool verified;          /* the data was checked, too */
    mfi_segment_t *segment; /* view: until the next read; who reads its data later retains it */
    uint64_t lost;          /* ids that were skipped just before: retention, or damage */
} mfi_read_t;

/* Open a log at its oldest event. `log` is kept. Give: mfi_reader_close. Errors as mfi_chain_load.
 */
mofka_status_t mfi_reader_open(const mfi_log_t *log, mfi_reader_t **reader);
void mfi_reader_close(mfi_reader_t *reader);

/* Go to an event; `*id` may be behind the end, and is moved to the oldest one if it is before.
 * Errors as mfi_segment_read. */
mofka_status_t mfi_reader_seek(mfi_reader_t *reader, uint64_t *id);
/* Go to the first event that was stored at `stamp` or later, or to the end; `*id` is its id. Stamps
 * of several producers are not in order: all events before it are older, and those behind it need
 * not be newer. */
mofka_status_t mfi_reader_seek_time(mfi_reader_t *reader, uint64_t stamp, uint64_t *id);
/* Go behind the last event that is there; `*id` is the next one. */
mofka_status_t mfi_reader_seek_end(mfi_reader_t *reader, uint64_t *id);
/* The first id that is there. */
mofka_status_t mfi_reader_oldest(mfi_reader_t *reader, uint64_t *id);

/* Read on: the next batch, its events up to `known` without a look at their data, because the
 * caller knows that they are written (0: it knows nothing).
 * MOFKA_ERR_TIMEOUT: nothing is there now (without a message).
 * MOFKA_ERR_COMPLETE: the topic is complete, and this is its end (without a message).
 * MOFKA_ERR_CORRUPT: the next events are damaged; the message names the file, the byte and the ids.
 * mfi_reader_skip goes on behind them, until then each read answers the same.
 * MOFKA_ERR_STORAGE, MOFKA_ERR_MEMORY, and as mfi_chain_load. */
mofka_status_t mfi_reader_next(mfi_reader_t *reader, uint64_t known, mfi_read_t *read);
/* Go on behind the damage; `*events` are skipped, and are in `lost` of the next read. */
mofka_status_t mfi_reader_skip(mfi_reader_t *reader, uint64_t *events);
/* The id of the next event. */
uint64_t mfi_reader_position(const mfi_reader_t *reader);
/* The life of the part that is read: with the position, a place. */
uint64_t mfi_reader_life(const mfi_reader_t *reader);
/* Events that were read and then cut, by a writer that opened the log since: the reader was set
 * back so far. All since the reader was opened. */
uint64_t mfi_reader_rewound(const mfi_reader_t *reader);
/* Where a place of `life` at `id` is now; see mfi_chain_place. */
uint64_t mfi_reader_place(const mfi_reader_t *reader, uint64_t life, uint64_t id);

#endif
