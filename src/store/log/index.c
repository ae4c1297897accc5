/* SPDX-License-Identifier: BSD-3-Clause */
/* The index of a segment: a hint where its frames are. Nobody trusts it: each use reads the frame
 * that an entry names. */
#include <fcntl.h>
#include <stdlib.h>
#include "store/log/segment.h"

/* Entries of an index that are read: one for each 64 KiB of a segment of 1 TiB. */
#define INDEX_ENTRIES_MAX ((size_t)1 << 24)

static uint64_t index_header_check(const mfi_index_header_t *header) {
    return mfi_check_bytes(header, offsetof(mfi_index_header_t, check), 0);
}

static uint64_t index_entry_check(const mfi_index_entry_t *entry, uint64_t seed, size_t number) {
    return mfi_check_bytes(entry, offsetof(mfi_index_entry_t, check), mfi_seed_at(seed, number));
}

static bool index_header_is_right(const mfi_index_header_t *header, uint64_t seed) {
    return header->magic == MFI_INDEX_MAGIC && header->version == MFI_FORMAT_VERSION &&
           header->endian == MFI_FORMAT_ENDIAN && header->seed == seed &&
           header->check == index_header_check(header);
}

/* Whether an entry is right, and goes on from the one before. */
static bool index_entry_is_right(const mfi_index_t *index, uint64_t seed) {
    const mfi_index_entry_t *entry = &index->entries[index->count], *before = entry - 1;
    if (entry->check != index_entry_check(entry, seed, index->count) ||
        entry->offset < MFI_SEGMENT_HEADER_BYTES || entry->offset % MFI_FRAME_BYTES != 0 ||
        entry->id > MFI_ID_MAX)
        return false;
    return index->count == 0 || (entry->id > before->id && entry->offset > before->offset &&
                                 entry->stamp_max >= before->stamp_max);
}

static mofka_status_t index_read(const mfi_log_t *log, int fd, uint64_t seed, uint64_t bytes,
                                 mfi_index_t *index) {
    mfi_index_header_t header;
    size_t got;
    if (mfi_io_read(&log->io, fd, &header, sizeof header, 0, &got) || got < sizeof header ||
        !index_header_is_right(&header, seed))
        return MOFKA_OK;
    size_t most = (size_t)((bytes - sizeof header) / sizeof *index->entries);
    most = most < INDEX_ENTRIES_MAX ? most : INDEX_ENTRIES_MAX;
    if (most == 0)
        return MOFKA_OK;
    index->entries = calloc(most, sizeof *index->entries);
    if (!index->entries)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for an index of %zu entries", most);
    index->room = most;
    int error = mfi_io_read(&log->io, fd, index->entries, most * sizeof *index->entries,
                            sizeof header, &got);
    most = error ? 0 : got / sizeof *index->entries;
    while (index->count < most && index_entry_is_right(index, seed))
        index->count++;
    return MOFKA_OK;
}

mofka_status_t mfi_index_load(const mfi_log_t *log, uint64_t life, uint64_t first_id,
                              mfi_index_t *index) {
    char path[MFI_PATH_BYTES_MAX];
    *index = (mfi_index_t){0};
    mofka_status_t status = mfi_part_path(log, life, first_id, ".idx", path);
    if (status)
        return status;
    int fd = log->io.ops->open(log->io.self, path, O_RDONLY);
    uint64_t bytes = 0;
    if (fd < 0)
        return MOFKA_OK;
    if (log->io.ops->size(log->io.self, fd, &bytes) == 0 && bytes >= sizeof(mfi_index_header_t))
        status = index_read(log, fd, mfi_segment_seed(log, life, first_id), bytes, index);
    log->io.ops->close(log->io.self, fd);
    return status;
}

void mfi_index_add(mfi_index_t *index, uint64_t id, uint64_t offset, uint64_t stamp_max) {
    if (index->count == index->room) {
        size_t room = 2 * index->room + 64;
        mfi_index_entry_t *entries = reallocarray(index->entries, room, sizeof *entries);
        if (!entries)
            return;
        index->entries = entries;
        index->room = room;
    }
    index->entries[index->count++] =
        (mfi_index_entry_t){.id = id, .offset = offset, .stamp_max = stamp_max};
}

void mfi_index_store(const mfi_log_t *log, uint64_t life, uint64_t first_id,
                     const mfi_index_t *index, size_t done, size_t count) {
    char path[MFI_PATH_BYTES_MAX];
    mfi_index_header_t header = {.magic = MFI_INDEX_MAGIC,
                                 .version = MFI_FORMAT_VERSION,
                                 .endian = MFI_FORMAT_ENDIAN,
                                 .seed = mfi_segment_seed(log, life, first_id)};
    if (count == done || mfi_part_path(log, life, first_id, ".idx", path))
        return;
    int fd = log->io.ops->open(log->io.self, path, O_WRONLY | O_CREAT);
    if (fd < 0)
        return;
    header.check = index_header_check(&header);
    for (size_t i = done; i < count; i++)
        index->entries[i].check = index_entry_check(&index->entries[i], header.seed, i);
    int error = done > 0 ? 0 : mfi_io_write_bytes(&log->io, fd, &header, sizeof header, 0);
    if (!error)
        mfi_io_write_bytes(&log->io, fd, &index->entries[done],
                           (count - done) * sizeof *index->entries,
                           sizeof header + done * sizeof *index->entries);
    log->io.ops->close(log->io.self, fd);
}

const mfi_index_entry_t *mfi_index_find(const mfi_index_t *index, uint64_t id, uint64_t stamp) {
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const mfi_index_entry_t *entry = &index->entries[middle];
        if (entry->id <= id && entry->stamp_max < stamp)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? &index->entries[low - 1] : NULL;
}

void mfi_index_clear(mfi_index_t *index) {
    free(index->entries);
    *index = (mfi_index_t){0};
}
