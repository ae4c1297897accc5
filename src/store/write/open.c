/* SPDX-License-Identifier: BSD-3-Clause */
/* Opens a log to write it: finds its end, cuts it if asked to, and begins a life. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "store/write/writing.h"

/* ---- what a crash has left ------------------------------------------------------------------- */

#define HIDDEN_NAME_BYTES (20 + 1 + 10 + 4)

typedef struct leftovers {
    const mfi_log_t *log;
    int error;
} leftovers_t;

/* A rewrite or a repair that did not come to its end. What it had copied is where it was. */
static void leftovers_remove(void *context, const char *name) {
    leftovers_t *leftovers = context;
    const mfi_log_t *log = leftovers->log;
    char path[MFI_PATH_BYTES_MAX];
    size_t length = strlen(name);
    if (length != HIDDEN_NAME_BYTES || strcmp(name + length - 4, ".new") != 0 ||
        mfi_io_path(path, log->folder, name))
        return;
    int error = log->io.ops->unlink(log->io.self, path);
    leftovers->error = error ? error : leftovers->error;
}

static mofka_status_t log_remove_leftovers(const mfi_log_t *log) {
    leftovers_t leftovers = {.log = log};
    int error = log->io.ops->list(log->io.self, log->folder, leftovers_remove, &leftovers);
    error = error ? error : leftovers.error;
    return error ? mfi_io_fail(error, "clear the folder", log->folder) : MOFKA_OK;
}

/* ---- what may not be on disk ----------------------------------------------------------------- */

/* Folders of a store above a partition's parent: what made them may have ended before a sync. */
#define STORE_FOLDERS 2

/* Bytes that are written back at a time. */
#define PIECE_BYTES ((size_t)256 << 10)

/* Where the first frame of a part begins that has an event from `id` on. */
static mofka_status_t part_find_frame(mfi_segment_t *segment, uint64_t id, uint64_t *offset) {
    mfi_index_t index;
    bool whole = true;
    mofka_status_t status = mfi_index_load(segment->log, segment->life, segment->first_id, &index);
    const mfi_index_entry_t *entry = status ? NULL : mfi_index_find(&index, id, UINT64_MAX);
    *offset = entry ? entry->offset : MFI_SEGMENT_HEADER_BYTES;
    mfi_index_clear(&index);
    while (!status && whole) {
        mfi_frame_t frame;
        status = mfi_segment_read(segment, *offset, MFI_DEPTH_HEADER, &frame, &whole);
        if (status || !whole || frame.header.first_id + frame.header.events > id)
            break;
        *offset = frame.end;
    }
    return status;
}

/* Write the bytes of a file from an offset on where they are. */
static int file_write_back(const mfi_io_t *io, int fd, uint64_t offset, char *piece) {
    size_t got = PIECE_BYTES;
    int error = 0;
    for (; !error && got == PIECE_BYTES; offset += got) {
        error = mfi_io_read(io, fd, piece, PIECE_BYTES, offset, &got);
        if (!error)
            error = mfi_io_write_bytes(io, fd, piece, got, offset);
    }
    return error ? error : io->ops->sync(io->self, fd);
}

static mofka_status_t part_write_back(const mfi_log_t *log, const mfi_part_t *part,
                                      uint64_t offset) {
    char path[MFI_PATH_BYTES_MAX];
    mofka_status_t status = mfi_part_path(log, part->life, part->first_id, ".log", path);
    if (status)
        return status;
    char *piece = malloc(PIECE_BYTES);
    if (!piece)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to open %s", log->folder);
    int fd = log->io.ops->open(log->io.self, path, O_RDWR);
    int error = fd < 0 ? fd : file_write_back(&log->io, fd, offset, piece);
    if (fd >= 0)
        log->io.ops->close(log->io.self, fd);
    free(piece);
    return error ? mfi_io_fail(error, "write", path) : MOFKA_OK;
}

static mofka_status_t part_sync(const mfi_log_t *log, const mfi_part_t *part, uint64_t synced) {
    mfi_segment_t *segment;
    uint64_t offset = 0;
    mofka_status_t status = MOFKA_OK;
    if (part->first_id < synced) {
        status = mfi_segment_open(log, part->life, part->first_id, &segment);
        if (status)
            return status;
        status = part_find_frame(segment, synced, &offset);
        mfi_segment_release(segment);
    }
    return status ? status : part_write_back(log, part, offset);
}

/* Sync what may not be: then all that an open found is on disk. A sync of the process before may
 * have failed; then the system takes bytes for written that are not, and says so to nobody else. So
 * they are written once more, as they are. */
static mofka_status_t log_sync_found(const mfi_log_t *log, const mfi_chain_t *chain,
                                     uint64_t synced) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < chain->count && !status; i++)
        if (!chain->parts[i].is_void && chain->parts[i].limit > synced)
            status = part_sync(log, &chain->parts[i], synced);
    int error = status ? 0 : log->io.ops->sync_folder(log->io.self, log->folder);
    if (error)
        return mfi_io_fail(error, "sync the folder", log->folder);
    return status ? status : mfi_io_sync_parents(&log->io, log->folder, STORE_FOLDERS);
}

mofka_status_t mfi_log_settle(const mfi_log_t *log, mfi_scan_t *scan) {
    mfi_chain_t chain = {0};
    mofka_status_t status = mfi_chain_load(log, &chain);
    if (!status)
        status = mfi_scan_run(log, &chain, scan);
    if (!status)
        status = log_sync_found(log, &chain, scan->synced);
    mfi_chain_clear(&chain);
    return status;
}

/* ---- scan ------------------------------------------------------------------------------------ */

static mofka_status_t opened_fail_damage(const mfi_log_t *log, const mfi_opened_t *opened) {
    char path[MFI_PATH_BYTES_MAX];
    const mfi_finding_t *d = &opened->damage;
    mofka_status_t status = mfi_part_path(log, d->life, d->part_first_id, ".log", path);
    if (status)
        return status;
    return mofka_fail(MOFKA_ERR_CORRUPT,
                      "%s, byte %" PRIu64 ": events %" PRIu64 " to %" PRIu64
                      " are damaged: the log can be read, not written; \"mofkactl log repair\" "
                      "gives these up and keeps all others",
                      path, d->offset, d->id, d->id + d->events - (d->events > 0));
}

/* The greatest stamp before a cut. */
static mofka_status_t cut_find_stamp(const mfi_log_t *log, const mfi_chain_t *chain, uint64_t cut,
                                     uint64_t *stamp_max) {
    mfi_scan_t scan = {.until = cut};
    const mfi_part_t *first = mfi_chain_find(chain, 0);
    if (!first || cut == first->first_id) {
        *stamp_max = first ? first->stamp_max : 0;
        return MOFKA_OK;
    }
    mofka_status_t status = mfi_scan_run(log, chain, &scan);
    *stamp_max = scan.stamp_max;
    return status;
}

static mofka_status_t cut_check(const mfi_log_t *log, const mfi_scan_t *scan, uint64_t cut) {
    if (cut > scan->end)
        return mofka_fail(MOFKA_ERR_RANGE,
                          "%s ends at event %" PRIu64 ": it cannot be cut at %" PRIu64
                          ", because those events are not on disk",
                          log->folder, scan->end, cut);
    if (cut < scan->oldest)
        return mofka_fail(MOFKA_ERR_RANGE,
                          "%s begins at event %" PRIu64 ": it cannot be cut at %" PRIu64
                          ", because the events before were deleted",
                          log->folder, scan->oldest, cut);
    return MOFKA_OK;
}

/* Find where to go on. */
static mofka_status_t writer_find_end(mfi_writer_t *w, mfi_opened_t *opened) {
    mfi_scan_t scan = {0};
    uint64_t cut = w->options.cut;
    mofka_status_t status = mfi_scan_run(w->log, &w->chain, &scan);
    if (!status && cut != MFI_NO_CUT)
        status = cut_check(w->log, &scan, cut);
    if (status)
        return status;
    uint64_t next = cut != MFI_NO_CUT ? cut : scan.end;
    w->synced = scan.synced;
    *opened = (mfi_opened_t){.oldest = scan.oldest,
                             .next = next,
                             .cut_events = scan.end - next,
                             .torn_bytes = scan.torn_bytes,
                             .complete = scan.complete && cut == MFI_NO_CUT,
                             .damaged_events = scan.damaged_events,
                             .damage = scan.damage};
    if (scan.damaged_events > 0 && scan.damage.id < next)
        return opened_fail_damage(w->log, opened);
    w->oldest = scan.oldest;
    w->next_id = next;
    w->complete = opened->complete;
    w->stamp_max = scan.stamp_max;
    return cut != MFI_NO_CUT ? cut_find_stamp(w->log, &w->chain, cut, &w->stamp_max) : MOFKA_OK;
}

/* ---- open ------------------------------------------------------------------------------------ */

static mofka_status_t part_remove(const mfi_log_t *log, const mfi_part_t *part,
                                  const char *ending) {
    char path[MFI_PATH_BYTES_MAX];
    mofka_status_t status = mfi_part_path(log, part->life, part->first_id, ending, path);
    if (status)
        return status;
    int error = log->io.ops->unlink(log->io.self, path);
    return error && error != -ENOENT ? mfi_io_fail(error, "remove", path) : MOFKA_OK;
}

mofka_status_t mfi_part_remove(const mfi_log_t *log, const mfi_part_t *part) {
    mofka_status_t status = part_remove(log, part, ".log");
    if (!status)
        status = part_remove(log, part, ".idx");
    int error = status ? 0 : log->io.ops->sync_folder(log->io.self, log->folder);
    return error ? mfi_io_fail(error, "sync the folder", log->folder) : status;
}

/* Remove segments that the new life makes void: after a cut all, else only those without events.
 * What a failing machine has left behind the end stays. An error leaves files that count for
 * nothing. */
static void writer_remove_void(const mfi_writer_t *w, const mfi_opened_t *opened) {
    bool cut = w->options.cut != MFI_NO_CUT;
    for (size_t i = 0; i < w->chain.count; i++) {
        const mfi_part_t *part = &w->chain.parts[i];
        bool empty = part->torn ? part->bytes <= MFI_SEGMENT_HEADER_BYTES + MFI_FRAME_BYTES
                                : !part->is_void && opened->torn_bytes == 0;
        if (part->first_id >= w->next_id && (cut || empty))
            (void)mfi_part_remove(w->log, part);
    }
}

static mofka_status_t writer_create(const mfi_log_t *log, const mfi_writer_options_t *options,
                                    mfi_writer_t **writer) {
    mfi_writer_t *w = calloc(1, sizeof *w);
    if (!w)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to open %s", log->folder);
    w->log = log;
    w->options = *options;
    if (w->options.segment_bytes == 0)
        w->options.segment_bytes = MFI_SEGMENT_BYTES_DEFAULT;
    pthread_mutex_init(&w->lock, NULL);
    mofka_status_t status = log_remove_leftovers(log);
    if (!status)
        status = mfi_chain_load(log, &w->chain);
    w->life = w->chain.life_max;
    *writer = w;
    return status;
}

static void writer_destroy(mfi_writer_t *w) {
    while (w->first) {
        mfi_written_t *s = w->first;
        w->first = s->next;
        mfi_written_free(w->log, s);
    }
    mfi_chain_clear(&w->chain);
    mfi_build_clear(&w->build);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

mofka_status_t mfi_writer_open(const mfi_log_t *log, const mfi_writer_options_t *options,
                               mfi_opened_t *opened, mfi_writer_t **writer) {
    mfi_writer_t *w = NULL;
    *opened = (mfi_opened_t){0};
    mofka_status_t status = writer_create(log, options, &w);
    if (!status)
        status = writer_find_end(w, opened);
    if (!status)
        status = log_sync_found(log, &w->chain, w->synced);
    if (!status)
        w->synced = w->marked = w->next_id;
    mfi_reason_t reason = options->cut == MFI_NO_CUT ? MFI_REASON_OPEN : MFI_REASON_CUT;
    if (!status)
        status = mfi_writer_begin_life(w, reason, w->next_id, false);
    if (status) {
        if (w)
            writer_destroy(w);
        return status;
    }
    writer_remove_void(w, opened);
    (void)mfi_chain_load(log, &w->chain); /* for retention; it looks again */
    opened->life = w->life;
    *writer = w;
    return MOFKA_OK;
}

mofka_status_t mfi_writer_open_repair(const mfi_log_t *log, uint64_t from, uint64_t end,
                                      mfi_writer_t **writer) {
    mfi_writer_t *w = NULL;
    mfi_scan_t scan = {.until = from};
    assert(from < end);
    mofka_status_t status = writer_create(log, &(mfi_writer_options_t){.cut = MFI_NO_CUT}, &w);
    if (!status && from > mfi_chain_oldest(&w->chain))
        status = mfi_scan_run(log, &w->chain, &scan);
    if (!status) {
        w->oldest = mfi_chain_oldest(&w->chain);
        w->next_id = w->synced = w->marked = from;
        w->catch_up = end;
        w->stamp_max = scan.stamp_max;
        status = mfi_writer_begin_life(w, MFI_REASON_REPAIR, from, true);
    }
    if (status && w)
        writer_destroy(w);
    else
        *writer = w;
    return status;
}

mofka_status_t mfi_writer_close(mfi_writer_t *w) {
    uint64_t synced;
    mofka_status_t status = mfi_writer_sync(w, &synced);
    if (!status && w->last->hidden)
        status = mofka_fail(MOFKA_ERR_STORAGE,
                            "%s is closed in a rewrite: events from %" PRIu64 " to %" PRIu64
                            " may not be on disk",
                            w->log->folder, synced, w->catch_up);
    /* The mark that says so is not on disk yet. With it, later damage is not taken for a torn end.
     */
    if (!status && w->log->io.ops->sync(w->log->io.self, w->last->fd) != 0)
        status = mofka_fail(MOFKA_ERR_STORAGE, "cannot sync %s at its close", w->log->folder);
    writer_destroy(w);
    return status;
}

void mfi_writer_abandon(mfi_writer_t *w) {
    writer_destroy(w);
}
