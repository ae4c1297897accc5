/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks all files of a partition, and changes none. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "store/record.h"

/* ---- indexes --------------------------------------------------------------------------------- */

/* Bytes of an index file; 0: there is none. */
static uint64_t index_bytes(const mfi_log_t *log, const mfi_part_t *part) {
    char path[MFI_PATH_BYTES_MAX];
    uint64_t bytes = 0;
    if (mfi_part_path(log, part->life, part->first_id, ".idx", path))
        return 0;
    int fd = log->io.ops->open(log->io.self, path, O_RDONLY);
    if (fd < 0)
        return 0;
    (void)log->io.ops->size(log->io.self, fd, &bytes);
    log->io.ops->close(log->io.self, fd);
    return bytes;
}

/* The number of entries that name a batch of that id, with the right stamp before it. */
static mofka_status_t index_count_right(const mfi_log_t *log, const mfi_part_t *part,
                                        const mfi_index_t *index, size_t *right) {
    mfi_segment_t *segment = NULL;
    uint64_t offset = MFI_SEGMENT_HEADER_BYTES, stamp_max = part->stamp_max;
    bool whole = true;
    *right = 0;
    mofka_status_t status = mfi_segment_open(log, part->life, part->first_id, &segment);
    while (!status && whole && *right < index->count) {
        mfi_frame_t frame;
        const mfi_index_entry_t *entry = &index->entries[*right];
        status = mfi_segment_read(segment, offset, MFI_DEPTH_HEADER, &frame, &whole);
        if (status || !whole)
            break;
        if (offset == entry->offset) {
            if (entry->id != frame.header.first_id ||
                (entry->stamp_max != stamp_max && !part->header_bad))
                break;
            ++*right;
        }
        if (frame.header.kind == MFI_FRAME_BATCH && frame.header.stamp > stamp_max)
            stamp_max = frame.header.stamp;
        offset = frame.end;
    }
    mfi_segment_release(segment);
    return status;
}

mofka_status_t mfi_index_verify(const mfi_log_t *log, const mfi_part_t *part, bool *right) {
    mfi_index_t index;
    uint64_t bytes = index_bytes(log, part);
    size_t count = 0;
    *right = bytes == 0;
    if (bytes == 0)
        return MOFKA_OK;
    mofka_status_t status = mfi_index_load(log, part->life, part->first_id, &index);
    if (!status)
        status = index_count_right(log, part, &index, &count);
    *right = !status && count == index.count &&
             bytes == sizeof(mfi_index_header_t) + count * sizeof(mfi_index_entry_t);
    mfi_index_clear(&index);
    return status;
}

static mofka_status_t verify_indexes(const mfi_log_t *log, const mfi_chain_t *chain,
                                     mfi_scan_t *scan) {
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < chain->count && !status; i++) {
        const mfi_part_t *part = &chain->parts[i];
        bool right = true;
        if (!part->is_void)
            status = mfi_index_verify(log, part, &right);
        if (status || right)
            continue;
        scan->findings++;
        mfi_finding_t finding = {
            .kind = MFI_FOUND_INDEX, .life = part->life, .part_first_id = part->first_id};
        if (scan->report)
            scan->report(scan->context, &finding);
    }
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void place_ignore(void *context, const mfi_place_t *place) {
    (void)context, (void)place;
}

static mofka_status_t verify_places(const mfi_log_t *log, size_t *damaged) {
    mfi_places_t *places;
    mofka_status_t status = mfi_places_open(log, false, &places);
    if (status)
        return status;
    status = mfi_places_list(places, place_ignore, NULL, damaged);
    mfi_places_close(places);
    return status;
}

mofka_status_t mfi_store_verify(const mfi_log_t *log,
                                void (*report)(void *context, const mfi_finding_t *finding),
                                void *context, mfi_scan_t *scan, size_t *places_damaged) {
    mfi_chain_t chain = {0};
    *scan = (mfi_scan_t){.thorough = true, .report = report, .context = context};
    *places_damaged = 0;
    mofka_status_t status = mfi_chain_load(log, &chain);
    if (!status)
        status = mfi_scan_run(log, &chain, scan);
    if (!status)
        status = verify_indexes(log, &chain, scan);
    mfi_chain_clear(&chain);
    return status ? status : verify_places(log, places_damaged);
}

void mfi_finding_describe(const mfi_log_t *log, const mfi_finding_t *f, char *text, size_t bytes) {
    char path[MFI_PATH_BYTES_MAX];
    if (mfi_part_path(log, f->life, f->part_first_id, f->kind == MFI_FOUND_INDEX ? ".idx" : ".log",
                      path))
        path[0] = '\0';
    switch (f->kind) {
    case MFI_FOUND_DAMAGE:
        snprintf(text, bytes, "%s, byte %" PRIu64 ": events %" PRIu64 " to %" PRIu64 " are damaged",
                 path, f->offset, f->id, f->id + f->events - 1);
        break;
    case MFI_FOUND_MARK:
        snprintf(text, bytes, "%s, byte %" PRIu64 ": a mark is damaged; no event is lost", path,
                 f->offset);
        break;
    case MFI_FOUND_TORN:
        snprintf(text, bytes,
                 "%s, byte %" PRIu64 ": the end is torn: %" PRIu64 " bytes from event %" PRIu64
                 " on were not on disk",
                 path, f->offset, f->bytes, f->id);
        break;
    case MFI_FOUND_INDEX:
        snprintf(text, bytes, "%s: the index is wrong; it costs time only", path);
        break;
    case MFI_FOUND_VOID:
        snprintf(text, bytes, "%s: %" PRIu64 " bytes count no more", path, f->bytes);
        break;
    }
}
