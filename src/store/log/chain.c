/* SPDX-License-Identifier: BSD-3-Clause */
/* The segments of a log: which are there, what their headers say, which of their ids count. */
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "store/log/segment.h"

/* The name of a segment: 20 digits, '-', 10 digits, ".log". */
#define NAME_ID_DIGITS 20
#define NAME_LIFE_DIGITS 10
#define LIFE_MAX UINT64_C(9999999999)

mofka_status_t mfi_part_path(const mfi_log_t *log, uint64_t life, uint64_t first_id,
                             const char *ending, char path[MFI_PATH_BYTES_MAX]) {
    char name[64];
    if (life > LIFE_MAX)
        return mofka_fail(MOFKA_ERR_RANGE,
                          "%s has had %" PRIu64 " lives, the most that are possible", log->folder,
                          LIFE_MAX);
    snprintf(name, sizeof name, "%020" PRIu64 "-%010" PRIu64 "%s", first_id, life, ending);
    return mfi_io_path(path, log->folder, name);
}

static bool name_read_number(const char **at, int digits, uint64_t *number) {
    *number = 0;
    for (int i = 0; i < digits; i++, ++*at) {
        if (**at < '0' || **at > '9' || *number > UINT64_MAX / 10 - 1)
            return false;
        *number = *number * 10 + (uint64_t)(**at - '0');
    }
    return true;
}

bool mfi_part_parse(const char *name, uint64_t *first_id, uint64_t *life, const char **ending) {
    bool good = name_read_number(&name, NAME_ID_DIGITS, first_id) && *name++ == '-' &&
                name_read_number(&name, NAME_LIFE_DIGITS, life) && *first_id <= MFI_ID_MAX;
    *ending = name;
    return good;
}

static bool name_is_segment(const char *name, uint64_t *first_id, uint64_t *life) {
    const char *ending;
    return mfi_part_parse(name, first_id, life, &ending) && strcmp(ending, ".log") == 0;
}

/* ---- listing --------------------------------------------------------------------------------- */

typedef struct chain_list {
    mfi_part_t *parts;
    size_t count, room;
    bool no_memory;
} chain_list_t;

static void list_add(void *context, const char *name) {
    chain_list_t *list = context;
    mfi_part_t part = {.limit = UINT64_MAX};
    if (!name_is_segment(name, &part.first_id, &part.life))
        return;
    if (list->count == list->room) {
        size_t room = 2 * list->room + 16;
        mfi_part_t *parts = reallocarray(list->parts, room, sizeof *parts);
        if (!parts) {
            list->no_memory = true;
            return;
        }
        list->parts = parts;
        list->room = room;
    }
    list->parts[list->count++] = part;
}

static int part_compare(const void *a, const void *b) {
    const mfi_part_t *x = a, *y = b;
    if (x->life != y->life)
        return x->life < y->life ? -1 : 1;
    return (x->first_id > y->first_id) - (x->first_id < y->first_id);
}

/* ---- headers --------------------------------------------------------------------------------- */

static mofka_status_t header_refuse(const mfi_log_t *log, const mfi_segment_header_t *h,
                                    const mfi_part_t *part, const char *path) {
    if (h->endian != MFI_FORMAT_ENDIAN)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "%s was written by a machine of another byte order: read it there", path);
    if (h->version != MFI_FORMAT_VERSION)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "%s has format version %" PRIu32 ", and this library reads %d: use the "
                          "library that wrote it, or a newer one",
                          path, h->version, MFI_FORMAT_VERSION);
    if (memcmp(&h->store, &log->store, sizeof h->store) != 0)
        return mofka_fail(MOFKA_ERR_INVALID, "%s belongs to another store: move it back there",
                          path);
    if (memcmp(&h->topic, &log->topic, sizeof h->topic) != 0 || h->partition != log->partition)
        return mofka_fail(MOFKA_ERR_INVALID,
                          "%s belongs to another topic or to partition %" PRIu32
                          " of this one, not to %" PRIu32 ": move it back there",
                          path, h->partition, log->partition);
    if (h->life != part->life || h->first_id != part->first_id || part->reason >= MFI_REASONS)
        return mofka_fail(MOFKA_ERR_INVALID,
                          "%s is not the name of this file: its header says event %" PRIu64
                          ", life %" PRIu64 "; rename it",
                          path, h->first_id, h->life);
    return MOFKA_OK;
}

static void part_set_reason(mfi_part_t *part, uint64_t word) {
    part->complete = word & MFI_REASON_COMPLETE;
    part->reason = (mfi_reason_t)(word & ~(uint64_t)MFI_REASON_COMPLETE);
}

/* A segment whose header is bad counts if a frame of it is whole: frames need no header. */
static mofka_status_t part_examine_frames(const mfi_log_t *log, mfi_part_t *part) {
    mfi_segment_t *segment;
    mfi_frame_t frame;
    bool whole;
    mofka_status_t status = mfi_segment_open(log, part->life, part->first_id, &segment);
    if (status)
        return status;
    status = mfi_segment_resync(segment, MFI_SEGMENT_HEADER_BYTES, &frame, &whole);
    part->header_bad = true;
    part->torn = !whole;
    part->reason = MFI_REASON_ROLL;
    if (!status && whole && frame.header.kind == MFI_FRAME_LIFE)
        part_set_reason(part, frame.header.mark);
    mfi_segment_release(segment);
    return status;
}

static mofka_status_t part_read_header(const mfi_log_t *log, mfi_part_t *part, int fd,
                                       const char *path) {
    mfi_segment_header_t h;
    size_t got;
    int error = log->io.ops->size(log->io.self, fd, &part->bytes);
    if (!error)
        error = mfi_io_read(&log->io, fd, &h, sizeof h, 0, &got);
    if (error)
        return mfi_io_fail(error, "read", path);
    bool swapped = got == sizeof h && h.magic == __builtin_bswap64(MFI_SEGMENT_MAGIC);
    if (!swapped && (got < sizeof h || h.magic != MFI_SEGMENT_MAGIC ||
                     h.check != mfi_check_bytes(&h, offsetof(mfi_segment_header_t, check), 0)))
        return part_examine_frames(log, part);
    part->synced = h.synced;
    part->stamp_max = h.stamp_max;
    part_set_reason(part, h.reason);
    return header_refuse(log, &h, part, path);
}

static mofka_status_t part_examine(const mfi_log_t *log, mfi_part_t *part) {
    char path[MFI_PATH_BYTES_MAX];
    mofka_status_t status = mfi_part_path(log, part->life, part->first_id, ".log", path);
    if (status)
        return status;
    int fd = log->io.ops->open(log->io.self, path, O_RDONLY);
    if (fd < 0)
        return mfi_io_fail(fd, "open", path);
    status = part_read_header(log, part, fd, path);
    log->io.ops->close(log->io.self, fd);
    return status;
}

/* Take over what is known of a segment. What was torn is looked at again: it may be written now. */
static bool part_is_known(const mfi_chain_t *old, mfi_part_t *part) {
    if (old->count == 0)
        return false;
    const mfi_part_t *known =
        bsearch(part, old->parts, old->count, sizeof *old->parts, part_compare);
    /* The last one grows. */
    if (!known || known->torn || known->header_bad || known->limit == UINT64_MAX)
        return false;
    *part = *known;
    part->limit = UINT64_MAX;
    part->is_void = false;
    return true;
}

/* ---- the chain ------------------------------------------------------------------------------- */

/* Parts are in the order of lives: each ends all before it that reach its first id. */
static void chain_link(mfi_chain_t *chain) {
    for (size_t i = 0; i < chain->count; i++) {
        mfi_part_t *part = &chain->parts[i];
        part->is_void = part->torn;
        for (size_t j = 0; j < i && !part->torn; j++) {
            mfi_part_t *before = &chain->parts[j];
            if (before->is_void)
                continue;
            if (before->first_id >= part->first_id)
                before->is_void = true;
            else if (before->limit > part->first_id)
                before->limit = part->first_id;
        }
    }
}

mofka_status_t mfi_chain_load(const mfi_log_t *log, mfi_chain_t *chain) {
    chain_list_t list = {0};
    mofka_status_t status = MOFKA_OK;
    int error = log->io.ops->list(log->io.self, log->folder, list_add, &list);
    if (error)
        status = mfi_io_fail(error, "list the folder", log->folder);
    else if (list.no_memory)
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory to list %s", log->folder);
    if (list.count > 1)
        qsort(list.parts, list.count, sizeof *list.parts, part_compare);
    size_t kept = 0;
    for (size_t i = 0; i < list.count && !status; i++) {
        mfi_part_t *part = &list.parts[i];
        if (!part_is_known(chain, part))
            status = part_examine(log, part);
        /* Retention removed it meanwhile. */
        bool gone = status == MOFKA_ERR_NOT_FOUND;
        status = gone ? MOFKA_OK : status;
        if (!gone)
            list.parts[kept++] = *part;
    }
    if (status) {
        free(list.parts);
        return status;
    }
    free(chain->parts);
    *chain = (mfi_chain_t){.parts = list.parts, .count = kept};
    chain->life_max = kept > 0 ? chain->parts[kept - 1].life : 0;
    chain_link(chain);
    return MOFKA_OK;
}

void mfi_chain_clear(mfi_chain_t *chain) {
    free(chain->parts);
    *chain = (mfi_chain_t){0};
}

const mfi_part_t *mfi_chain_find(const mfi_chain_t *chain, uint64_t id) {
    const mfi_part_t *first = NULL;
    for (size_t i = 0; i < chain->count; i++) {
        const mfi_part_t *part = &chain->parts[i];
        if (part->is_void)
            continue;
        if (id < part->limit)
            return part;
        first = part;
    }
    assert(!first); /* the last part has no limit */
    return NULL;
}

const mfi_part_t *mfi_chain_next(const mfi_chain_t *chain, const mfi_part_t *part) {
    for (size_t i = (size_t)(part - chain->parts) + 1; i < chain->count; i++)
        if (!chain->parts[i].is_void)
            return &chain->parts[i];
    return NULL;
}

uint64_t mfi_chain_oldest(const mfi_chain_t *chain) {
    const mfi_part_t *first = mfi_chain_find(chain, 0);
    return first ? first->first_id : 0;
}

uint64_t mfi_chain_place(const mfi_chain_t *chain, uint64_t life, uint64_t id) {
    for (size_t i = 0; i < chain->count; i++) {
        const mfi_part_t *part = &chain->parts[i];
        bool others = part->reason == MFI_REASON_OPEN || part->reason == MFI_REASON_CUT;
        if (!part->torn && part->life > life && others && part->first_id < id)
            id = part->first_id;
    }
    return id;
}
