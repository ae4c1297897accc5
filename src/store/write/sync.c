/* SPDX-License-Identifier: BSD-3-Clause */
/* Syncs what was appended, and goes on after a sync that failed. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include "base/lock.h"
#include "store/write/writing.h"

/* What one sync covers. */
typedef struct sync_round {
    mfi_written_t *last;  /* files up to this one */
    uint64_t last_offset; /* and this one up to here */
    uint64_t id;          /* all ids below are in them */
    bool folder;          /* names are to be synced, too */
} sync_round_t;

static int round_run(const mfi_writer_t *w, mfi_written_t *first, const sync_round_t *round) {
    const mfi_io_t *io = &w->log->io;
    int error = 0;
    for (mfi_written_t *s = first; !error; s = s->next) {
        error = io->ops->sync(io->self, s->fd);
        if (s == round->last)
            break;
    }
    return error || !round->folder ? error : io->ops->sync_folder(io->self, w->log->folder);
}

/* Entries of the index whose frames are synced. */
static size_t index_count_before(const mfi_index_t *index, uint64_t offset) {
    size_t count = index->count;
    while (count > 0 && index->entries[count - 1].offset >= offset)
        count--;
    return count;
}

static void written_store_index(const mfi_log_t *log, mfi_written_t *s, uint64_t offset) {
    size_t count = index_count_before(&s->index, offset);
    if (s->hidden || count <= s->index_stored)
        return;
    mfi_index_store(log, s->life, s->first_id, &s->index, s->index_stored, count);
    s->index_stored = count;
}

/* Files before the round's last one are done with: nothing is written to them any more. */
static void round_finish(mfi_writer_t *w, const sync_round_t *round) {
    while (w->first != round->last) {
        mfi_written_t *s = w->first;
        written_store_index(w->log, s, UINT64_MAX);
        w->first = s->next;
        mfi_written_free(w->log, s);
    }
    written_store_index(w->log, w->first, round->last_offset);
    if (round->id > w->synced)
        w->synced = round->id;
}

static mofka_status_t round_fail(mfi_writer_t *w, const sync_round_t *round, int error) {
    mfi_assert_locked(&w->lock);
    w->needs_rewrite = true;
    w->folder_dirty = w->folder_dirty || round->folder;
    (void)mfi_io_fail(error, "sync", w->log->folder);
    return mofka_fail(MOFKA_ERR_STORAGE,
                      "cannot sync %s (errno %d); events from %" PRIu64 " to %" PRIu64
                      " may not be on disk",
                      w->log->folder, error < 0 ? -error : error, w->synced, round->id);
}

/* Whether there is something to sync. */
static bool round_begin(mfi_writer_t *w, sync_round_t *round) {
    if (w->last->hidden || (!w->dirty && !w->folder_dirty))
        return false;
    *round = (sync_round_t){.last = w->last,
                            .last_offset = w->last->offset,
                            .id = w->next_id,
                            .folder = w->folder_dirty};
    w->folder_dirty = w->dirty = false;
    return true;
}

/* A sync that failed is not tried again: the system may have dropped what it could not write. */
mofka_status_t mfi_writer_sync(mfi_writer_t *w, uint64_t *synced) {
    sync_round_t round;
    mofka_status_t status = MOFKA_OK;
    pthread_mutex_lock(&w->lock);
    if (w->needs_rewrite)
        status = mofka_fail(MOFKA_ERR_STORAGE,
                            "a sync of %s failed: events from %" PRIu64 " on may not be on disk",
                            w->log->folder, w->synced);
    else if (round_begin(w, &round)) {
        mfi_written_t *first = w->first;
        pthread_mutex_unlock(&w->lock);
        int error = round_run(w, first, &round);
        pthread_mutex_lock(&w->lock);
        if (error) {
            status = round_fail(w, &round, error);
        } else {
            round_finish(w, &round);
            /* The mark is for those who read the files later. Without it they know less. */
            if (!w->broken && !w->last->hidden && w->synced > w->marked &&
                mfi_writer_put_mark(w, MFI_FRAME_SYNCED, 1) == MOFKA_OK)
                w->marked = w->synced;
        }
    }
    *synced = w->synced;
    pthread_mutex_unlock(&w->lock);
    return status;
}

/* ---- again ----------------------------------------------------------------------------------- */

mofka_status_t mfi_writer_show(mfi_writer_t *w) {
    const mfi_io_t *io = &w->log->io;
    mfi_written_t *s = w->last;
    char hidden[MFI_PATH_BYTES_MAX], shown[MFI_PATH_BYTES_MAX];
    mfi_assert_locked(&w->lock);
    mofka_status_t status = mfi_part_path(w->log, s->life, s->first_id, ".new", hidden);
    if (!status)
        status = mfi_part_path(w->log, s->life, s->first_id, ".log", shown);
    if (status)
        return status;
    int error = io->ops->sync(io->self, s->fd);
    if (!error)
        error = io->ops->rename(io->self, hidden, shown);
    if (!error)
        error = io->ops->sync_folder(io->self, w->log->folder);
    if (error) {
        w->needs_rewrite = true;
        return mfi_io_fail(error, "sync, and rename", hidden);
    }
    s->hidden = false;
    w->synced = w->next_id;
    return MOFKA_OK;
}

/* Forget the segments whose bytes may be lost; they are read by nobody but readers. */
static void writer_drop_written(mfi_writer_t *w) {
    while (w->first) {
        mfi_written_t *s = w->first;
        w->first = s->next;
        mfi_written_free(w->log, s);
    }
    w->last = NULL;
}

/* A rewrite that failed itself. What cannot be removed is, at the next open. */
static void writer_remove_hidden(const mfi_writer_t *w, const mfi_written_t *s) {
    char path[MFI_PATH_BYTES_MAX];
    if (mfi_part_path(w->log, s->life, s->first_id, ".new", path) == MOFKA_OK)
        w->log->io.ops->unlink(w->log->io.self, path);
}

/* Go on at `from`. Until the new files are at `end`, the old ones count. */
static mofka_status_t writer_rewrite(mfi_writer_t *w, mfi_reason_t reason, uint64_t from,
                                     uint64_t end) {
    if (from < w->synced || from > w->next_id)
        return mofka_fail(MOFKA_ERR_RANGE,
                          "%s: event %" PRIu64 " is not in what may be lost, %" PRIu64
                          " to %" PRIu64,
                          w->log->folder, from, w->synced, w->next_id);
    mfi_written_t *old_first = w->first, *old_last = w->last;
    bool complete = w->complete;
    w->first = w->last = NULL;
    w->complete = complete && from == end;
    mofka_status_t status = mfi_writer_begin_life(w, reason, from, from < end);
    mfi_written_t *begun = w->first;
    w->first = old_first;
    w->last = old_last;
    if (status) {
        w->complete = complete;
        return status;
    }
    if (w->last->hidden)
        writer_remove_hidden(w, w->last);
    writer_drop_written(w);
    w->first = w->last = begun;
    w->next_id = w->marked = from;
    w->catch_up = end;
    w->needs_rewrite = false;
    return MOFKA_OK;
}

mofka_status_t mfi_writer_rewrite(mfi_writer_t *w, uint64_t from) {
    pthread_mutex_lock(&w->lock);
    mofka_status_t status =
        writer_rewrite(w, MFI_REASON_REWRITE, from, w->last->hidden ? w->catch_up : w->next_id);
    pthread_mutex_unlock(&w->lock);
    return status;
}

mofka_status_t mfi_writer_give_up(mfi_writer_t *w) {
    pthread_mutex_lock(&w->lock);
    mofka_status_t status = writer_rewrite(w, MFI_REASON_CUT, w->synced, w->synced);
    pthread_mutex_unlock(&w->lock);
    return status;
}
