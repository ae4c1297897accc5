/* SPDX-License-Identifier: BSD-3-Clause */
/* Goes over a log from frame to frame: at an open, for a cut, to verify. */
#include "store/log/scan.h"

#include <assert.h>
#include <string.h>

/* ---- behind a bad frame ---------------------------------------------------------------------- */

static bool frame_takes_ids(const mfi_frame_t *frame) {
    return frame->header.events > 0;
}

bool mfi_frame_follows(const mfi_frame_t *frame, uint64_t id) {
    return frame->header.kind == MFI_FRAME_SYNCED || frame->header.first_id == id;
}

/* The next whole frame of this part that is not before `id`. */
static mofka_status_t resume_find(const mfi_part_t *part, mfi_segment_t *segment, uint64_t offset,
                                  uint64_t id, mfi_frame_t *frame, bool *found) {
    do {
        offset += MFI_FRAME_BYTES;
        mofka_status_t status = mfi_segment_resync(segment, offset, frame, found);
        if (status || !*found)
            return status;
        offset = frame->offset;
    } while (frame->header.first_id < id);
    *found = frame->header.first_id < part->limit;
    return MOFKA_OK;
}

/* The highest id of which the files behind an offset say that all before it was on disk. `*end` is
 * the end of the mark that says so, if that is in this part; else it stays. */
static mofka_status_t resume_find_synced(const mfi_log_t *log, const mfi_chain_t *chain,
                                         const mfi_part_t *part, mfi_segment_t *segment,
                                         uint64_t offset, uint64_t *synced, uint64_t *end) {
    uint64_t elsewhere;
    *synced = part->synced;
    mofka_status_t status = mfi_segment_find_synced(segment, offset, synced, end);
    for (part = mfi_chain_next(chain, part); part && !status; part = mfi_chain_next(chain, part)) {
        mfi_segment_t *later;
        *synced = part->synced > *synced ? part->synced : *synced;
        status = mfi_segment_open(log, part->life, part->first_id, &later);
        if (status)
            return status;
        status = mfi_segment_find_synced(later, MFI_SEGMENT_HEADER_BYTES, synced, &elsewhere);
        mfi_segment_release(later);
    }
    return status;
}

mofka_status_t mfi_scan_resume(const mfi_log_t *log, const mfi_chain_t *chain,
                               const mfi_part_t *part, mfi_segment_t *segment, uint64_t offset,
                               uint64_t id, mfi_resume_t *resume) {
    const mfi_part_t *next = mfi_chain_next(chain, part);
    mfi_frame_t frame;
    bool found;
    uint64_t synced, end = offset;
    *resume = (mfi_resume_t){.after = MFI_AFTER_SAME, .id = id, .next_part = true};
    if (next && id >= part->limit)
        return MOFKA_OK;
    mofka_status_t status = resume_find(part, segment, offset, id, &frame, &found);
    if (status)
        return status;
    if (found)
        *resume = (mfi_resume_t){MFI_AFTER_SAME, frame.header.first_id, false, frame.offset};
    else if (next)
        resume->id = next->first_id;
    if ((found || next) && resume->id == id)
        return MOFKA_OK;
    status = resume_find_synced(log, chain, part, segment, offset, &synced, &end);
    resume->after = synced > id ? MFI_AFTER_LOST : MFI_AFTER_END;
    /* The last events are damaged, and only the mark behind them is left. */
    if (!found && !next && synced > id)
        *resume = (mfi_resume_t){MFI_AFTER_LOST, synced, false, end};
    return status;
}

/* ---- a scan ---------------------------------------------------------------------------------- */

/* Where a scan is. */
typedef struct scan_at {
    const mfi_log_t *log;
    const mfi_chain_t *chain;
    const mfi_part_t *part;
    mfi_segment_t *segment;
    uint64_t id, offset;
    bool ended;
} scan_at_t;

static void scan_report(mfi_scan_t *scan, const mfi_part_t *part, mfi_finding_t finding) {
    finding.life = part->life;
    finding.part_first_id = part->first_id;
    scan->findings += finding.kind != MFI_FOUND_VOID;
    if (finding.kind == MFI_FOUND_DAMAGE) {
        if (scan->damaged_events == 0)
            scan->damage = finding;
        scan->damaged_events += finding.events;
    }
    if (scan->report)
        scan->report(scan->context, &finding);
}

static mofka_status_t scan_enter(scan_at_t *at, mfi_scan_t *scan, const mfi_part_t *part,
                                 uint64_t offset) {
    mfi_segment_release(at->segment);
    at->segment = NULL;
    at->part = part;
    at->offset = offset;
    scan->complete = part->complete;
    scan->synced = part->synced > scan->synced ? part->synced : scan->synced;
    if (part->header_bad && scan->thorough)
        scan_report(scan, part, (mfi_finding_t){.kind = MFI_FOUND_MARK});
    return mfi_segment_open(at->log, part->life, part->first_id, &at->segment);
}

/* Pass a whole frame. */
static void scan_pass(scan_at_t *at, mfi_scan_t *scan, const mfi_frame_t *frame) {
    scan->frames++;
    at->offset = frame->end;
    if (frame->header.kind == MFI_FRAME_COMPLETE)
        scan->complete = true;
    if (frame->header.kind == MFI_FRAME_SYNCED && frame->header.first_id > scan->synced)
        scan->synced = frame->header.first_id;
    if (!frame_takes_ids(frame))
        return;
    uint64_t end = at->id + frame->header.events;
    scan->events += frame->header.events;
    at->id = end < at->part->limit ? end : at->part->limit;
    scan->complete = false;
    if (frame->header.kind == MFI_FRAME_BATCH && frame->header.stamp > scan->stamp_max)
        scan->stamp_max = frame->header.stamp;
}

static mofka_status_t scan_end(scan_at_t *at, mfi_scan_t *scan) {
    uint64_t bytes = 0;
    at->ended = true;
    int error = at->log->io.ops->size(at->log->io.self, at->segment->fd, &bytes);
    if (error)
        return mfi_io_fail(error, "read the size of a segment in", at->log->folder);
    if (bytes <= at->offset)
        return MOFKA_OK;
    scan->torn_bytes += bytes - at->offset;
    scan_report(scan, at->part,
                (mfi_finding_t){.kind = MFI_FOUND_TORN,
                                .offset = at->offset,
                                .id = at->id,
                                .bytes = bytes - at->offset});
    return MOFKA_OK;
}

/* No whole frame is here. */
static mofka_status_t scan_resume(scan_at_t *at, mfi_scan_t *scan) {
    mfi_resume_t resume;
    mofka_status_t status =
        mfi_scan_resume(at->log, at->chain, at->part, at->segment, at->offset, at->id, &resume);
    if (status)
        return status;
    if (resume.after == MFI_AFTER_END)
        return scan_end(at, scan);
    bool lost = resume.after == MFI_AFTER_LOST;
    if (lost || !resume.next_part)
        scan_report(scan, at->part,
                    (mfi_finding_t){.kind = lost ? MFI_FOUND_DAMAGE : MFI_FOUND_MARK,
                                    .offset = at->offset,
                                    .id = at->id,
                                    .events = resume.id - at->id});
    at->id = resume.id;
    if (resume.next_part)
        return scan_enter(at, scan, mfi_chain_next(at->chain, at->part), MFI_SEGMENT_HEADER_BYTES);
    at->offset = resume.offset;
    return MOFKA_OK;
}

static mofka_status_t scan_step(scan_at_t *at, mfi_scan_t *scan) {
    mfi_frame_t frame;
    bool whole;
    const mfi_part_t *next = mfi_chain_next(at->chain, at->part);
    if (next && at->id >= at->part->limit)
        return scan_enter(at, scan, next, MFI_SEGMENT_HEADER_BYTES);
    mofka_status_t status =
        mfi_segment_read(at->segment, at->offset, MFI_DEPTH_ALL, &frame, &whole);
    if (status)
        return status;
    if (!whole || !mfi_frame_follows(&frame, at->id))
        return scan_resume(at, scan);
    scan_pass(at, scan, &frame);
    return MOFKA_OK;
}

/* ---- where it begins ------------------------------------------------------------------------- */

/* Begin at the last entry of the part's index, if that names a frame before `until`. */
static mofka_status_t scan_begin_at_index(scan_at_t *at, mfi_scan_t *scan, const mfi_part_t *part,
                                          bool *begun) {
    mfi_index_t index;
    mfi_frame_t frame;
    uint64_t last = part->limit - 1;
    *begun = false;
    if (scan->until > 0 && scan->until - 1 < last)
        last = scan->until - 1;
    mofka_status_t status = mfi_index_load(at->log, part->life, part->first_id, &index);
    const mfi_index_entry_t *entry = status ? NULL : mfi_index_find(&index, last, UINT64_MAX);
    if (entry)
        status = scan_enter(at, scan, part, entry->offset);
    if (entry && !status)
        status = mfi_segment_read(at->segment, entry->offset, MFI_DEPTH_HEAD, &frame, begun);
    if (entry && !status && *begun && frame.header.first_id == entry->id) {
        at->id = entry->id;
        scan->stamp_max = entry->stamp_max;
    } else {
        *begun = false;
    }
    mfi_index_clear(&index);
    return status;
}

/* The part from which on bytes may be torn. */
static const mfi_part_t *scan_first_part(const mfi_chain_t *chain, const mfi_scan_t *scan) {
    uint64_t synced = 0;
    for (size_t i = 0; i < chain->count; i++)
        if (!chain->parts[i].is_void && chain->parts[i].synced > synced)
            synced = chain->parts[i].synced;
    if (scan->until > 0 && scan->until - 1 < synced)
        synced = scan->until - 1;
    return mfi_chain_find(chain, scan->thorough ? 0 : synced);
}

static mofka_status_t scan_begin(scan_at_t *at, mfi_scan_t *scan) {
    const mfi_part_t *first = scan_first_part(at->chain, scan);
    bool begun = false;
    mofka_status_t status = MOFKA_OK;
    for (size_t i = at->chain->count; i-- > 0 && !scan->thorough && !begun && !status;) {
        const mfi_part_t *part = &at->chain->parts[i];
        if (!part->is_void && (scan->until == 0 || part->first_id < scan->until))
            status = scan_begin_at_index(at, scan, part, &begun);
        if (part == first)
            break;
    }
    if (status || begun)
        return status;
    at->id = first->first_id;
    scan->stamp_max = first->stamp_max;
    return scan_enter(at, scan, first, MFI_SEGMENT_HEADER_BYTES);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Report segments that count for nothing. */
static void scan_report_void(const mfi_chain_t *chain, mfi_scan_t *scan) {
    for (size_t i = 0; i < chain->count; i++) {
        const mfi_part_t *part = &chain->parts[i];
        mfi_finding_kind_t kind = part->torn ? MFI_FOUND_TORN : MFI_FOUND_VOID;
        if (part->torn || part->is_void)
            scan_report(scan, part, (mfi_finding_t){.kind = kind, .bytes = part->bytes});
    }
}

mofka_status_t mfi_scan_run(const mfi_log_t *log, const mfi_chain_t *chain, mfi_scan_t *scan) {
    scan_at_t at = {.log = log, .chain = chain};
    scan->oldest = mfi_chain_oldest(chain);
    if (scan->thorough)
        scan_report_void(chain, scan);
    if (!mfi_chain_find(chain, 0))
        return MOFKA_OK;
    mofka_status_t status = scan_begin(&at, scan);
    while (!status && !at.ended && (scan->until == 0 || at.id < scan->until))
        status = scan_step(&at, scan);
    mfi_segment_release(at.segment);
    scan->end = scan->until > 0 && at.id > scan->until ? scan->until : at.id;
    return status;
}
