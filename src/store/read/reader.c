/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads a log from event to event, through its segments, lives and damage. */
#include "store/read/reader.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

/* Segments that retention removes between a look at the folder and an open, one after the other,
 * before a reader gives up. */
#define REMOVED_MAX 1000

struct mfi_reader {
    const mfi_log_t *log;
    mfi_chain_t chain;
    mfi_segment_t *segment; /* that is read; NULL: none yet */
    mfi_part_t part;        /* of it, as the chain has it */
    uint64_t offset;        /* of the next frame */
    uint64_t frame_id;      /* the id that this frame is to have */
    uint64_t next_id;       /* the next to deliver; behind frame_id after a seek */
    uint64_t synced;        /* ids below are on disk: their data needs no look */
    uint64_t lost;          /* for the next read */
    uint64_t rewound;
    bool complete;       /* a mark says so, at frame_id */
    bool damaged;        /* the next events are */
    mfi_resume_t resume; /* where it goes on behind the damage */
    /* The last look behind a bad frame that found nothing: it is worth another if more is there. */
    uint64_t looked_offset, looked_bytes;
};

/* ---- parts ----------------------------------------------------------------------------------- */

static mofka_status_t reader_enter(mfi_reader_t *r, const mfi_part_t *part, uint64_t frame_id,
                                   uint64_t offset) {
    mfi_segment_t *segment;
    mofka_status_t status = mfi_segment_open(r->log, part->life, part->first_id, &segment);
    if (status)
        return status;
    mfi_segment_release(r->segment);
    r->segment = segment;
    r->part = *part;
    r->frame_id = frame_id;
    r->offset = offset;
    r->complete = part->complete;
    r->looked_bytes = 0;
    r->damaged = false;
    r->synced = part->synced > r->synced ? part->synced : r->synced;
    return MOFKA_OK;
}

static mofka_status_t reader_enter_start(mfi_reader_t *r, const mfi_part_t *part) {
    return reader_enter(r, part, part->first_id, MFI_SEGMENT_HEADER_BYTES);
}

/* The part that is read, in the chain as it is now. NULL: it was removed, or counts no more. */
static const mfi_part_t *reader_find_part(const mfi_reader_t *r) {
    for (size_t i = 0; i < r->chain.count; i++) {
        const mfi_part_t *part = &r->chain.parts[i];
        if (part->life == r->part.life && part->first_id == r->part.first_id)
            return part->is_void ? NULL : part;
    }
    return NULL;
}

/* List the segments. Ids that a new life has anew are not on disk because the old ones were; and
 * later parts say what was on disk before them. */
static mofka_status_t reader_list(mfi_reader_t *r) {
    uint64_t life = r->chain.life_max;
    mofka_status_t status = mfi_chain_load(r->log, &r->chain);
    if (status)
        return status;
    r->synced = mfi_chain_place(&r->chain, life, r->synced);
    for (size_t i = 0; i < r->chain.count; i++)
        if (!r->chain.parts[i].is_void && r->chain.parts[i].synced > r->synced)
            r->synced = r->chain.parts[i].synced;
    return MOFKA_OK;
}

/* Go to the frame of the next id, or to where it will be. */
static mofka_status_t reader_find_place(mfi_reader_t *r) {
    const mfi_part_t *part = mfi_chain_find(&r->chain, r->next_id);
    mfi_segment_release(r->segment);
    r->segment = NULL;
    r->damaged = false;
    if (!part)
        return MOFKA_OK;
    if (r->next_id < part->first_id) {
        r->lost += part->first_id - r->next_id;
        r->next_id = part->first_id;
    }
    mfi_index_t index;
    mofka_status_t status = mfi_index_load(r->log, part->life, part->first_id, &index);
    if (status)
        return status;
    status = reader_enter_start(r, part);
    const mfi_index_entry_t *entry = mfi_index_find(&index, r->next_id, UINT64_MAX);
    mfi_frame_t frame;
    bool whole = false;
    if (!status && entry)
        status = mfi_segment_read(r->segment, entry->offset, MFI_DEPTH_HEAD, &frame, &whole);
    if (!status && whole && frame.header.first_id == entry->id) {
        r->offset = entry->offset;
        r->frame_id = entry->id;
    }
    mfi_index_clear(&index);
    return status;
}

/* List the segments again. A life that began below the reader's place has other events there. */
static mofka_status_t reader_look_again(mfi_reader_t *r) {
    uint64_t life = r->chain.life_max;
    mofka_status_t status = reader_list(r);
    if (status)
        return status;
    uint64_t place = mfi_chain_place(&r->chain, life, r->next_id);
    const mfi_part_t *part = r->segment ? reader_find_part(r) : NULL;
    if (place < r->next_id) {
        r->rewound += r->next_id - place;
        r->next_id = place;
        return reader_find_place(r);
    }
    if (!part || r->frame_id > part->limit)
        return reader_find_place(r);
    r->part = *part;
    return MOFKA_OK;
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* Make what is read of a frame whose ids are taken; false: none of it is wanted. */
static bool reader_take(mfi_reader_t *r, const mfi_frame_t *frame, mfi_read_t *read) {
    uint64_t end = r->frame_id + frame->header.events;
    end = end < r->part.limit ? end : r->part.limit;
    uint64_t first = r->next_id > r->frame_id ? r->next_id : r->frame_id;
    r->complete = false;
    if (first >= end) {
        r->frame_id = end;
        return false;
    }
    size_t skip = (size_t)(first - r->frame_id);
    *read = (mfi_read_t){.kind = (mfi_frame_kind_t)frame->header.kind,
                         .first_id = first,
                         .events = (uint32_t)(end - first),
                         .stamp = frame->header.stamp,
                         .producer = frame->header.mark,
                         .segment = r->segment,
                         .lost = r->lost};
    if (frame->header.kind == MFI_FRAME_BATCH) {
        read->entries = frame->entries + skip;
        read->metadata = frame->metadata;
        read->data_offset = frame->data_offset;
        for (size_t i = 0; i < skip; i++) {
            read->metadata += frame->entries[i].metadata_bytes;
            read->data_offset += frame->entries[i].data_bytes;
        }
    }
    r->lost = 0;
    r->frame_id = r->next_id = end;
    return true;
}

static mofka_status_t reader_fail_damage(const mfi_reader_t *r) {
    char path[MFI_PATH_BYTES_MAX];
    mofka_status_t status = mfi_part_path(r->log, r->part.life, r->part.first_id, ".log", path);
    return status
               ? status
               : mofka_fail(MOFKA_ERR_CORRUPT,
                            "%s, byte %" PRIu64 ": events %" PRIu64 " to %" PRIu64 " are damaged",
                            path, r->offset, r->frame_id, r->resume.id - 1);
}

static mofka_status_t reader_resume(mfi_reader_t *r) {
    r->damaged = false;
    if (r->next_id < r->resume.id)
        r->next_id = r->resume.id;
    if (r->resume.next_part) {
        const mfi_part_t *part = reader_find_part(r);
        const mfi_part_t *next = part ? mfi_chain_next(&r->chain, part) : NULL;
        return next ? reader_enter_start(r, next) : reader_find_place(r);
    }
    r->frame_id = r->resume.id;
    r->offset = r->resume.offset;
    return MOFKA_OK;
}

/* Whether the file has grown since a look behind its bad frame found nothing. */
static mofka_status_t reader_has_grown(mfi_reader_t *r, bool *grown) {
    uint64_t bytes = 0;
    int error = r->log->io.ops->size(r->log->io.self, r->segment->fd, &bytes);
    if (error)
        return mfi_io_fail(error, "read the size of a segment in", r->log->folder);
    *grown = r->looked_offset != r->offset || r->looked_bytes != bytes;
    r->looked_offset = r->offset;
    r->looked_bytes = bytes;
    return MOFKA_OK;
}

/* Look behind a frame that is not whole, and at the frame again: it may have become so before what
 * is behind it was written. `*go_on` is false: it is not there yet. */
static mofka_status_t reader_look_behind(mfi_reader_t *r, bool *go_on) {
    mfi_resume_t resume;
    mfi_frame_t frame;
    bool whole;
    const mfi_part_t *part = reader_find_part(r);
    *go_on = true;
    if (!part)
        return reader_find_place(r);
    mofka_status_t status =
        mfi_scan_resume(r->log, &r->chain, part, r->segment, r->offset, r->frame_id, &resume);
    if (!status)
        status = mfi_segment_read(r->segment, r->offset, MFI_DEPTH_ALL, &frame, &whole);
    if (status || (whole && mfi_frame_follows(&frame, r->frame_id)))
        return status;
    *go_on = resume.after != MFI_AFTER_END;
    if (resume.after == MFI_AFTER_END)
        return MOFKA_OK;
    r->resume = resume;
    if (resume.after == MFI_AFTER_SAME || resume.id <= r->next_id)
        return reader_resume(r);
    r->damaged = true;
    return reader_fail_damage(r);
}

/* No whole frame is here. */
static mofka_status_t reader_miss(mfi_reader_t *r) {
    const mfi_part_t before = r->part;
    uint64_t offset = r->offset;
    bool grown = false, go_on = false;
    mofka_status_t status = reader_look_again(r);
    if (status)
        return status;
    if (r->segment && (before.life != r->part.life || before.first_id != r->part.first_id ||
                       before.limit != r->part.limit || offset != r->offset))
        return MOFKA_OK; /* it is elsewhere, or may go on elsewhere */
    if (!r->segment)
        return MOFKA_ERR_TIMEOUT;
    bool next = r->part.limit != UINT64_MAX;
    status = reader_has_grown(r, &grown);
    if (status)
        return status;
    if (grown || next) {
        status = reader_look_behind(r, &go_on);
        if (status || go_on)
            return status;
    }
    return r->complete ? MOFKA_ERR_COMPLETE : MOFKA_ERR_TIMEOUT;
}

/* Pass a frame that has no ids. */
static void reader_pass_mark(mfi_reader_t *r, const mfi_frame_t *frame) {
    if (frame->header.kind == MFI_FRAME_COMPLETE)
        r->complete = true;
    if (frame->header.kind == MFI_FRAME_SYNCED && frame->header.first_id > r->synced)
        r->synced = frame->header.first_id;
}

/* One step: a frame, or the next part. `*taken` is true: `read` is made. */
static mofka_status_t reader_step(mfi_reader_t *r, uint64_t known, mfi_read_t *read, bool *taken) {
    mfi_frame_t frame;
    bool whole = false, verified = false;
    if (r->segment && r->frame_id >= r->part.limit) {
        const mfi_part_t *part = reader_find_part(r);
        const mfi_part_t *next = part ? mfi_chain_next(&r->chain, part) : NULL;
        return next ? reader_enter_start(r, next) : reader_look_again(r);
    }
    known = known > r->synced ? known : r->synced;
    if (r->segment) {
        mofka_status_t status =
            mfi_segment_read(r->segment, r->offset, MFI_DEPTH_HEAD, &frame, &whole);
        if (!status && whole && frame.header.first_id + frame.header.events > known) {
            verified = true;
            status = mfi_segment_read(r->segment, r->offset, MFI_DEPTH_ALL, &frame, &whole);
        }
        if (status)
            return status;
    }
    if (!whole || !mfi_frame_follows(&frame, r->frame_id))
        return reader_miss(r);
    r->offset = frame.end;
    if (frame.header.events == 0)
        reader_pass_mark(r, &frame);
    else
        *taken = reader_take(r, &frame, read);
    read->verified = verified;
    return MOFKA_OK;
}

mofka_status_t mfi_reader_next(mfi_reader_t *r, uint64_t known, mfi_read_t *read) {
    mofka_status_t status = MOFKA_OK;
    bool taken = false;
    if (r->damaged)
        return reader_fail_damage(r);
    for (int removed = 0; !status && !taken;) {
        status = reader_step(r, known, read, &taken);
        while (status == MOFKA_ERR_NOT_FOUND && removed++ < REMOVED_MAX)
            status = reader_look_again(r);
    }
    return status;
}

mofka_status_t mfi_reader_skip(mfi_reader_t *r, uint64_t *events) {
    *events = 0;
    if (!r->damaged)
        return MOFKA_OK;
    *events = r->resume.id - r->next_id;
    r->lost += *events;
    return reader_resume(r);
}

/* ---- places ---------------------------------------------------------------------------------- */

/* List the segments, and go to the next id. */
static mofka_status_t reader_list_and_find(mfi_reader_t *r) {
    mofka_status_t status;
    int removed = 0;
    do {
        status = reader_list(r);
        if (status)
            return status;
        status = reader_find_place(r);
    } while (status == MOFKA_ERR_NOT_FOUND && removed++ < REMOVED_MAX);
    return status;
}

mofka_status_t mfi_reader_open(const mfi_log_t *log, mfi_reader_t **reader) {
    mfi_reader_t *r = calloc(1, sizeof *r);
    if (!r)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to read %s", log->folder);
    r->log = log;
    mofka_status_t status = reader_list_and_find(r);
    r->lost = 0;
    if (status) {
        mfi_reader_close(r);
        return status;
    }
    *reader = r;
    return MOFKA_OK;
}

void mfi_reader_close(mfi_reader_t *r) {
    mfi_segment_release(r->segment);
    mfi_chain_clear(&r->chain);
    free(r);
}

mofka_status_t mfi_reader_seek(mfi_reader_t *r, uint64_t *id) {
    r->next_id = *id;
    r->complete = false;
    mofka_status_t status = reader_list_and_find(r);
    r->lost = 0;
    *id = r->next_id;
    return status;
}

mofka_status_t mfi_reader_oldest(mfi_reader_t *r, uint64_t *id) {
    mofka_status_t status = reader_list(r);
    *id = mfi_chain_oldest(&r->chain);
    return status;
}

/* Read on to the first batch that is not older than `stamp`, or to the end, and stay before it. */
static mofka_status_t reader_walk(mfi_reader_t *r, uint64_t stamp, uint64_t *id) {
    mfi_read_t read;
    mofka_status_t status;
    uint64_t events;
    for (;;) {
        status = mfi_reader_next(r, 0, &read);
        if (status == MOFKA_ERR_CORRUPT && (status = mfi_reader_skip(r, &events)) == MOFKA_OK)
            continue;
        if (status)
            break;
        if (read.kind == MFI_FRAME_BATCH && read.stamp >= stamp) {
            *id = read.first_id;
            return mfi_reader_seek(r, id);
        }
    }
    *id = r->next_id;
    r->lost = 0;
    return status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_COMPLETE ? MOFKA_OK : status;
}

/* The last part before which all events are older. */
static const mfi_part_t *reader_part_before(const mfi_reader_t *r, uint64_t stamp) {
    const mfi_part_t *found = NULL;
    for (size_t i = 0; i < r->chain.count; i++) {
        const mfi_part_t *part = &r->chain.parts[i];
        if (!part->is_void && !part->header_bad && part->stamp_max < stamp)
            found = part;
    }
    return found;
}

mofka_status_t mfi_reader_seek_time(mfi_reader_t *r, uint64_t stamp, uint64_t *id) {
    mfi_index_t index;
    *id = 0;
    mofka_status_t status = reader_list(r);
    const mfi_part_t *part = status ? NULL : reader_part_before(r, stamp);
    if (part) {
        status = mfi_index_load(r->log, part->life, part->first_id, &index);
        const mfi_index_entry_t *entry = mfi_index_find(&index, UINT64_MAX, stamp);
        *id = entry && entry->id < part->limit ? entry->id : part->first_id;
        mfi_index_clear(&index);
    }
    if (!status)
        status = mfi_reader_seek(r, id);
    return status ? status : reader_walk(r, stamp, id);
}

mofka_status_t mfi_reader_seek_end(mfi_reader_t *r, uint64_t *id) {
    /* From the last segment on: what is before it has an end. */
    *id = MFI_ID_MAX;
    mofka_status_t status = mfi_reader_seek(r, id);
    if (status)
        return status;
    r->next_id = r->frame_id;
    return reader_walk(r, UINT64_MAX, id);
}

uint64_t mfi_reader_position(const mfi_reader_t *r) {
    return r->next_id;
}

uint64_t mfi_reader_life(const mfi_reader_t *r) {
    return r->chain.life_max;
}

uint64_t mfi_reader_rewound(const mfi_reader_t *r) {
    return r->rewound;
}

uint64_t mfi_reader_place(const mfi_reader_t *r, uint64_t life, uint64_t id) {
    return mfi_chain_place(&r->chain, life, id);
}
