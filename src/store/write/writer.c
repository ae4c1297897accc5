/* SPDX-License-Identifier: BSD-3-Clause */
/* Appends batches to the last segment of a log, and begins segments. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/lock.h"
#include "store/write/writing.h"

/* Bytes of one write, about: a sync waits for at most one. */
#define GROUP_BYTES ((uint64_t)8 << 20)

/* ---- segments -------------------------------------------------------------------------------- */

void mfi_written_free(const mfi_log_t *log, mfi_written_t *written) {
    log->io.ops->close(log->io.self, written->fd);
    mfi_index_clear(&written->index);
    free(written);
}

/* Bytes of a new segment: its header, and the frame of its life. */
typedef struct segment_start {
    mfi_segment_header_t header;
    mfi_frame_header_t life;
} segment_start_t;

static void start_fill(const mfi_writer_t *w, segment_start_t *start, mfi_reason_t reason,
                       uint64_t first_id) {
    const mfi_log_t *log = w->log;
    uint32_t word = reason | (w->complete ? MFI_REASON_COMPLETE : 0);
    memset(start, 0, sizeof *start);
    start->header = (mfi_segment_header_t){.magic = MFI_SEGMENT_MAGIC,
                                           .version = MFI_FORMAT_VERSION,
                                           .endian = MFI_FORMAT_ENDIAN,
                                           .store = log->store,
                                           .topic = log->topic,
                                           .partition = log->partition,
                                           .reason = word,
                                           .life = w->life,
                                           .first_id = first_id,
                                           .synced = w->synced,
                                           .stamp_max = w->stamp_max,
                                           .created = mfi_wall_ns()};
    start->header.check = mfi_check_bytes(&start->header, offsetof(mfi_segment_header_t, check), 0);
    start->life =
        mfi_build_mark(MFI_FRAME_LIFE, first_id, word, mfi_segment_seed(log, w->life, first_id),
                       MFI_SEGMENT_HEADER_BYTES);
}

/* Write the start of a segment; the first of a life is synced with its name, so that a life's
 * number is not used twice. */
static int segment_write_start(const mfi_writer_t *w, mfi_written_t *s, mfi_reason_t reason) {
    const mfi_io_t *io = &w->log->io;
    segment_start_t start;
    bool life = reason != MFI_REASON_ROLL;
    start_fill(w, &start, reason, s->first_id);
    s->offset = life ? sizeof start : sizeof start.header;
    int error = mfi_io_write_bytes(io, s->fd, &start, (size_t)s->offset, 0);
    if (!error && life)
        error = io->ops->sync(io->self, s->fd);
    if (!error && life)
        error = io->ops->sync_folder(io->self, w->log->folder);
    return error;
}

/* Make a segment of the writer's life. */
static mofka_status_t segment_make(const mfi_writer_t *w, mfi_reason_t reason, uint64_t first_id,
                                   bool hidden, mfi_written_t **made) {
    const mfi_io_t *io = &w->log->io;
    char path[MFI_PATH_BYTES_MAX];
    mofka_status_t status =
        mfi_part_path(w->log, w->life, first_id, hidden ? ".new" : ".log", path);
    if (status)
        return status;
    mfi_written_t *s = calloc(1, sizeof *s);
    if (!s)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to make %s", path);
    *s = (mfi_written_t){.life = w->life, .first_id = first_id, .hidden = hidden};
    s->fd = io->ops->open(io->self, path, O_RDWR | O_CREAT | O_EXCL);
    if (s->fd < 0) {
        status = mfi_io_fail(s->fd, "make", path);
        free(s);
        return status == MOFKA_ERR_EXISTS ? MOFKA_ERR_STORAGE : status;
    }
    int error = segment_write_start(w, s, reason);
    if (error) {
        io->ops->unlink(io->self, path);
        mfi_written_free(w->log, s);
        return mfi_io_fail(error, "write", path);
    }
    *made = s;
    return MOFKA_OK;
}

static void writer_add_segment(mfi_writer_t *w, mfi_written_t *s) {
    if (w->last)
        w->last->next = s;
    else
        w->first = s;
    w->last = s;
}

mofka_status_t mfi_writer_begin_life(mfi_writer_t *w, mfi_reason_t reason, uint64_t first_id,
                                     bool hidden) {
    mfi_written_t *s;
    w->life++; /* also after an error: a part of the file may be there */
    mofka_status_t status = segment_make(w, reason, first_id, hidden, &s);
    if (status)
        return status;
    writer_add_segment(w, s);
    w->broken = false;
    return MOFKA_OK;
}

/* Go on in a new segment of this life. The new one is there before the old one says so. */
static mofka_status_t writer_roll(mfi_writer_t *w) {
    mfi_written_t *s;
    mofka_status_t status = segment_make(w, MFI_REASON_ROLL, w->next_id, false, &s);
    if (status) {
        w->broken = true; /* a file of that name may be there */
        return status;
    }
    w->folder_dirty = true;
    /* The new segment ends the old one, with or without this mark. */
    (void)mfi_writer_put_mark(w, MFI_FRAME_END, 1);
    w->broken = false;
    writer_add_segment(w, s);
    return MOFKA_OK;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static mofka_status_t writer_fail(mfi_writer_t *w, int error) {
    char path[MFI_PATH_BYTES_MAX], reason[512];
    w->broken = true;
    mofka_status_t status = mfi_part_path(w->log, w->last->life, w->last->first_id,
                                          w->last->hidden ? ".new" : ".log", path);
    if (status)
        return status;
    status = mfi_io_fail(error, "write", path);
    strncpy(reason, mofka_last_error(), sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    return mofka_fail(status, "%s; events from %" PRIu64 " on are in memory only", reason,
                      w->next_id);
}

mofka_status_t mfi_writer_put_mark(mfi_writer_t *w, mfi_frame_kind_t kind, int copies) {
    mfi_written_t *s = w->last;
    mfi_frame_header_t frames[2];
    uint64_t id = kind == MFI_FRAME_SYNCED ? w->synced : w->next_id;
    mfi_assert_locked(&w->lock);
    assert(copies <= 2 && s);
    for (int i = 0; i < copies; i++)
        frames[i] = mfi_build_mark(kind, id, 0, mfi_segment_seed(w->log, s->life, s->first_id),
                                   s->offset + (uint64_t)i * MFI_FRAME_BYTES);
    size_t bytes = (size_t)copies * MFI_FRAME_BYTES;
    int error = mfi_io_write_bytes(&w->log->io, s->fd, frames, bytes, s->offset);
    if (error)
        return writer_fail(w, error);
    s->offset += bytes;
    w->dirty = w->dirty || kind == MFI_FRAME_COMPLETE;
    return MOFKA_OK;
}

/* Count a frame that is written. */
static void writer_pass(mfi_writer_t *w, const mfi_append_t *batch) {
    mfi_written_t *s = w->last;
    if (batch->kind == MFI_FRAME_BATCH &&
        (s->indexed == 0 || s->offset - s->indexed >= MFI_INDEX_STEP_BYTES)) {
        mfi_index_add(&s->index, batch->first_id, s->offset, w->stamp_max);
        s->indexed = s->offset;
    }
    if (batch->kind == MFI_FRAME_BATCH && batch->stamp > w->stamp_max)
        w->stamp_max = batch->stamp;
    s->offset += mfi_build_bytes(batch);
    w->dirty = true;
    w->next_id += batch->events;
}

static bool segment_is_full(const mfi_writer_t *w, uint64_t more) {
    return !w->last->hidden && w->next_id > w->last->first_id &&
           w->last->offset + more > w->options.segment_bytes;
}

/* The batches that one write takes: at least one. */
static size_t group_count(const mfi_writer_t *w, const mfi_append_t *batches, size_t count) {
    uint64_t bytes = mfi_build_bytes(&batches[0]);
    size_t taken = 1;
    for (; taken < count; taken++) {
        uint64_t more = mfi_build_bytes(&batches[taken]);
        if (bytes + more > GROUP_BYTES ||
            (!w->last->hidden && w->last->offset + bytes + more > w->options.segment_bytes))
            break;
        bytes += more;
    }
    return taken;
}

static mofka_status_t writer_write_group(mfi_writer_t *w, const mfi_append_t *batches,
                                         size_t count) {
    mfi_written_t *s = w->last;
    uint64_t seed = mfi_segment_seed(w->log, s->life, s->first_id);
    mofka_status_t status = mfi_build_begin(&w->build, batches, count);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++)
        mfi_build_add(&w->build, &batches[i], seed, s->offset + w->build.file_bytes);
    int error = mfi_io_write(&w->log->io, s->fd, w->build.parts, w->build.part_count, s->offset);
    if (error)
        return writer_fail(w, error);
    for (size_t i = 0; i < count; i++)
        writer_pass(w, &batches[i]);
    return MOFKA_OK;
}

static mofka_status_t writer_check(const mfi_writer_t *w, const mfi_append_t *batches,
                                   size_t count) {
    uint64_t id = w->next_id;
    if (w->complete)
        return mofka_fail(MOFKA_ERR_COMPLETE, "the log %s is complete", w->log->folder);
    if (w->needs_rewrite)
        return mofka_fail(MOFKA_ERR_STORAGE,
                          "a sync of %s failed: events from %" PRIu64 " on may not be on disk",
                          w->log->folder, w->synced);
    for (size_t i = 0; i < count; i++) {
        mofka_status_t status = mfi_build_check(&batches[i]);
        if (status)
            return status;
        if (batches[i].first_id != id)
            return mofka_fail(MOFKA_ERR_INVALID,
                              "%s: a batch begins at event %" PRIu64 ", not at %" PRIu64,
                              w->log->folder, batches[i].first_id, id);
        id += batches[i].events;
    }
    return MOFKA_OK;
}

static mofka_status_t writer_append_all(mfi_writer_t *w, const mfi_append_t *batches, size_t count,
                                        size_t *appended) {
    mofka_status_t status = MOFKA_OK;
    while (*appended < count && !status) {
        const mfi_append_t *at = batches + *appended;
        if (w->broken)
            status = mfi_writer_begin_life(w, MFI_REASON_REWRITE, w->next_id, false);
        else if (segment_is_full(w, mfi_build_bytes(at)))
            status = writer_roll(w);
        if (status)
            break;
        size_t taken = group_count(w, at, count - *appended);
        status = writer_write_group(w, at, taken);
        if (!status)
            *appended += taken;
    }
    return status;
}

mofka_status_t mfi_writer_append(mfi_writer_t *w, const mfi_append_t *batches, size_t count,
                                 size_t *appended) {
    *appended = 0;
    pthread_mutex_lock(&w->lock);
    mofka_status_t status = writer_check(w, batches, count);
    if (!status)
        status = writer_append_all(w, batches, count, appended);
    if (!status && w->last->hidden && w->next_id >= w->catch_up)
        status = mfi_writer_show(w);
    pthread_mutex_unlock(&w->lock);
    return status;
}

mofka_status_t mfi_writer_complete(mfi_writer_t *w) {
    pthread_mutex_lock(&w->lock);
    mofka_status_t status = MOFKA_OK;
    if (!w->complete) {
        status = writer_check(w, NULL, 0);
        if (!status && w->broken)
            status = mfi_writer_begin_life(w, MFI_REASON_REWRITE, w->next_id, false);
        if (!status)
            status = mfi_writer_put_mark(w, MFI_FRAME_COMPLETE, 2);
        w->complete = !status;
    }
    pthread_mutex_unlock(&w->lock);
    return status;
}

/* Fill in what counts: what was there at the last look, and what is not synced yet. */
static void writer_measure(const mfi_writer_t *w, mfi_writer_state_t *state) {
    for (size_t i = 0; i < w->chain.count; i++) {
        const mfi_part_t *part = &w->chain.parts[i];
        bool ours = part->life > w->first->life ||
                    (part->life == w->first->life && part->first_id >= w->first->first_id);
        state->bytes += part->is_void || ours ? 0 : part->bytes;
        state->segments += !part->is_void && !ours;
    }
    for (const mfi_written_t *s = w->first; s; s = s->next) {
        state->bytes += s->offset;
        state->segments++;
    }
}

void mfi_writer_state(mfi_writer_t *w, mfi_writer_state_t *state) {
    pthread_mutex_lock(&w->lock);
    *state = (mfi_writer_state_t){.life = w->life,
                                  .oldest = w->oldest,
                                  .next = w->next_id,
                                  .synced = w->synced,
                                  .complete = w->complete,
                                  .needs_rewrite = w->needs_rewrite};
    writer_measure(w, state);
    pthread_mutex_unlock(&w->lock);
}
