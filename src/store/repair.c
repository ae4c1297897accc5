/* SPDX-License-Identifier: BSD-3-Clause */
/* Gives damaged events up: copies all behind the damage into a new life, which counts once it is
 * whole and on disk. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "store/record.h"

typedef struct repair {
    const mfi_log_t *log;
    mfi_reader_t *reader;
    mfi_writer_t *writer;
    uint64_t next;     /* id that the writer takes next */
    uint64_t given_up; /* events */
} repair_t;

static mofka_status_t repair_append(repair_t *r, const mfi_append_t *batch) {
    size_t appended;
    mofka_status_t status = mfi_writer_append(r->writer, batch, 1, &appended);
    r->next += appended ? batch->events : 0;
    return status;
}

/* Ids without events. */
static mofka_status_t repair_fill(repair_t *r, mfi_frame_kind_t kind, uint64_t events) {
    mofka_status_t status = MOFKA_OK;
    while (events > 0 && !status) {
        uint32_t now = events < UINT32_MAX ? (uint32_t)events : UINT32_MAX;
        status =
            repair_append(r, &(mfi_append_t){.kind = kind, .first_id = r->next, .events = now});
        r->given_up += kind == MFI_FRAME_DAMAGED ? now : 0;
        events -= now;
    }
    return status;
}

/* A batch in memory: which of its events are whole. */
typedef struct repair_batch {
    const mfi_read_t *read;
    mofka_batch_event_t *sizes;
    bool *whole;
    char *data;
} repair_batch_t;

/* Append events `from` to `to` of a batch, which are whole. */
static mofka_status_t repair_append_part(repair_t *r, const repair_batch_t *b, uint32_t from,
                                         uint32_t to) {
    size_t metadata_at = 0, data_at = 0, metadata = 0, data = 0;
    for (uint32_t i = 0; i < to; i++) {
        *(i < from ? &metadata_at : &metadata) += b->sizes[i].metadata_bytes;
        *(i < from ? &data_at : &data) += b->sizes[i].data_bytes;
    }
    mofka_segment_t pieces[2] = {{(void *)(uintptr_t)(b->read->metadata + metadata_at), metadata},
                                 {b->data + data_at, data}};
    return repair_append(r, &(mfi_append_t){.kind = MFI_FRAME_BATCH,
                                            .first_id = r->next,
                                            .events = to - from,
                                            .sizes = b->sizes + from,
                                            .metadata = &pieces[0],
                                            .metadata_count = 1,
                                            .data = &pieces[1],
                                            .data_count = 1,
                                            .stamp = b->read->stamp,
                                            .producer = b->read->producer});
}

/* Read the data of each event. */
static mofka_status_t repair_load(repair_batch_t *b) {
    uint64_t offset = b->read->data_offset;
    char *to = b->data;
    for (uint32_t i = 0; i < b->read->events; i++) {
        const mfi_entry_t *entry = &b->read->entries[i];
        mofka_range_t all = {0, (size_t)entry->data_bytes};
        bool verified;
        mofka_status_t status = mfi_segment_read_data(b->read->segment, b->read->first_id + i,
                                                      offset, entry, &all, 1, to, &verified);
        if (status && status != MOFKA_ERR_CORRUPT)
            return status;
        b->whole[i] = !status;
        b->sizes[i] = (mofka_batch_event_t){entry->metadata_bytes, (size_t)entry->data_bytes};
        offset += entry->data_bytes;
        to += entry->data_bytes;
    }
    return MOFKA_OK;
}

static mofka_status_t repair_append_whole(repair_t *r, const repair_batch_t *b) {
    mofka_status_t status = MOFKA_OK;
    for (uint32_t i = 0, end; i < b->read->events && !status; i = end) {
        end = i + 1;
        while (end < b->read->events && b->whole[end] == b->whole[i])
            end++;
        status = b->whole[i] ? repair_append_part(r, b, i, end)
                             : repair_fill(r, MFI_FRAME_DAMAGED, end - i);
    }
    return status;
}

static mofka_status_t repair_copy_batch(repair_t *r, const mfi_read_t *read) {
    size_t bytes = 0;
    assert(read->events > 0);
    for (uint32_t i = 0; i < read->events; i++)
        bytes += (size_t)read->entries[i].data_bytes;
    repair_batch_t b = {.read = read,
                        .sizes = calloc(read->events, sizeof *b.sizes),
                        .whole = calloc(read->events, sizeof *b.whole),
                        .data = malloc(bytes + 1)};
    mofka_status_t status =
        b.sizes && b.whole && b.data
            ? repair_load(&b)
            : mofka_fail(MOFKA_ERR_MEMORY, "no memory to copy a batch of %s", r->log->folder);
    if (!status)
        status = repair_append_whole(r, &b);
    free(b.sizes);
    free(b.whole);
    free(b.data);
    return status;
}

/* Copy what comes next. */
static mofka_status_t repair_step(repair_t *r) {
    mfi_read_t read;
    uint64_t events;
    mofka_status_t status = mfi_reader_next(r->reader, 0, &read);
    if (status == MOFKA_ERR_CORRUPT) {
        status = mfi_reader_skip(r->reader, &events);
        return status ? status : repair_fill(r, MFI_FRAME_DAMAGED, events);
    }
    if (status == MOFKA_ERR_TIMEOUT || status == MOFKA_ERR_COMPLETE)
        return mofka_fail(MOFKA_ERR_CORRUPT, "%s: events from %" PRIu64 " on are not found",
                          r->log->folder, r->next);
    if (!status && read.first_id > r->next)
        status = repair_fill(r, MFI_FRAME_DAMAGED, read.first_id - r->next);
    if (status)
        return status;
    return read.kind == MFI_FRAME_BATCH ? repair_copy_batch(r, &read)
                                        : repair_fill(r, read.kind, read.events);
}

static mofka_status_t repair_copy(repair_t *r, const mfi_scan_t *scan) {
    uint64_t from = scan->damage.id, end = scan->end, id = from;
    r->next = from;
    mofka_status_t status = mfi_reader_open(r->log, &r->reader);
    if (status)
        return status;
    status = mfi_reader_seek(r->reader, &id);
    if (!status)
        status = mfi_writer_open_repair(r->log, from, end, &r->writer);
    /* The reader learns of the new life when it looks again: it is hidden until then. */
    while (!status && r->next < end)
        status = repair_step(r);
    if (!status && scan->complete)
        status = mfi_writer_complete(r->writer);
    if (r->writer) {
        mofka_status_t closed = mfi_writer_close(r->writer);
        status = status ? status : closed;
    }
    mfi_reader_close(r->reader);
    return status;
}

/* ---- places, indexes, old files -------------------------------------------------------------- */

typedef struct place_list {
    mfi_place_t places[MFI_PLACES_MAX];
    size_t count;
} place_list_t;

static void place_list_add(void *context, const mfi_place_t *place) {
    place_list_t *list = context;
    list->places[list->count++] = *place;
}

/* Write each place as it is in the chain of before: lives that it needs may be removed next. A
 * place that is live is its reader's, who has read those lives. */
static mofka_status_t repair_move_places(mfi_places_t *places, const mfi_chain_t *chain) {
    place_list_t list = {.count = 0};
    size_t damaged, slot;
    mofka_status_t status = mfi_places_list(places, place_list_add, &list, &damaged);
    for (size_t i = 0; i < list.count && !status; i++) {
        mfi_place_t place;
        bool fresh;
        status = mfi_places_join(places, list.places[i].name, &place, &fresh, &slot);
        if (!status) {
            status = mfi_places_set(places, slot, chain->life_max,
                                    mfi_chain_place(chain, place.life, place.id));
            mfi_places_leave(places, slot);
        }
        status = status == MOFKA_ERR_BUSY ? MOFKA_OK : status;
    }
    return status;
}

static mofka_status_t repair_places(const mfi_log_t *log, const mfi_chain_t *chain) {
    mfi_places_t *places;
    mofka_status_t status = mfi_places_open(log, true, &places);
    if (status == MOFKA_ERR_CORRUPT || status == MOFKA_ERR_NOT_FOUND) {
        status = mfi_io_remove(&log->io, log->folder, "places");
        return status ? status : mfi_places_make(log);
    }
    if (status)
        return status;
    status = mfi_places_clear_damaged(places);
    if (!status)
        status = repair_move_places(places, chain);
    mfi_places_close(places);
    return status;
}

/* Files that count for nothing, and indexes that are wrong. */
static mofka_status_t repair_clear(const mfi_log_t *log, bool voids) {
    mfi_chain_t chain = {0};
    mofka_status_t status = mfi_chain_load(log, &chain);
    for (size_t i = 0; i < chain.count && !status; i++) {
        const mfi_part_t *part = &chain.parts[i];
        char path[MFI_PATH_BYTES_MAX];
        bool right = true;
        if (part->is_void && voids) {
            status = mfi_part_remove(log, part);
            continue;
        }
        if (!part->is_void)
            status = mfi_index_verify(log, part, &right);
        if (!status && !right &&
            !(status = mfi_part_path(log, part->life, part->first_id, ".idx", path)))
            status = mfi_io_remove(&log->io, log->folder, strrchr(path, '/') + 1);
    }
    mfi_chain_clear(&chain);
    return status;
}

static mofka_status_t repair_run(const mfi_log_t *log, uint64_t *given_up) {
    mfi_chain_t chain = {0};
    mfi_scan_t scan = {.thorough = true};
    repair_t r = {.log = log};
    mofka_status_t status = mfi_chain_load(log, &chain);
    if (!status)
        status = mfi_scan_run(log, &chain, &scan);
    if (!status && scan.damaged_events > 0)
        status = repair_copy(&r, &scan);
    if (!status)
        status = repair_places(log, &chain);
    mfi_chain_clear(&chain);
    if (!status)
        status = repair_clear(log, scan.damaged_events > 0);
    *given_up = r.given_up;
    return status;
}

mofka_status_t mfi_store_repair(const mfi_log_t *log, uint64_t *given_up) {
    mfi_lock_t *lock;
    *given_up = 0;
    mofka_status_t status = mfi_lock_take(log, NULL, &lock);
    if (status)
        return status;
    status = repair_run(log, given_up);
    mfi_lock_release(lock);
    return status;
}
