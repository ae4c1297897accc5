/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of a store that anybody could have made: whatever they hold, reading them ends, ids follow
 * one another, and a repair leaves a log that can be written.
 *
 * The first byte says which file the others are. Their checks are made right, so that what is
 * behind the checks is tried; without that, each input would be refused at its first byte. An odd
 * second byte leaves them as they are.
 */
#include <fcntl.h>
#include "durable/disk/disk.h"
#include "fuzz/input.h"
#include "fuzz/require.h"
#include "store/record.h"

#define STEPS_MAX 4096
#define DATA_MAX ((uint64_t)1 << 20)

typedef struct input {
    const uint8_t *bytes;
    size_t count;
    bool raw; /* leave checks as they are */
} input_t;

static mfi_log_t hostile_log;

/* ---- checks made right ----------------------------------------------------------------------- */

static uint64_t frame_seed(void) {
    return mfi_segment_seed(&hostile_log, 1, 0);
}

static void frame_seal_data(uint8_t *file, const mfi_frame_header_t *h, uint64_t at, size_t bytes) {
    mfi_entry_t *entries = (mfi_entry_t *)(void *)(file + at + MFI_FRAME_BYTES);
    uint64_t offset = at + mfi_frame_head_bytes(h);
    for (uint32_t i = 0; i < h->events; i++) {
        uint64_t size = entries[i].data_bytes;
        if (offset > bytes || size > bytes - offset)
            return;
        uint64_t seed = mfi_seed_of_data(frame_seed(), h->first_id + i);
        entries[i].data_check =
            size > 0 ? (uint32_t)mfi_check_bytes(file + offset, (size_t)size, seed) : 0;
        offset += size;
    }
}

/* Make the checks of the frame at an offset right; where the next one may be. */
static size_t frame_seal(uint8_t *file, size_t at, size_t bytes) {
    mfi_frame_header_t h;
    memcpy(&h, file + at, sizeof h);
    h.magic = MFI_FRAME_MAGIC;
    h.version = MFI_FORMAT_VERSION;
    if (h.kind == MFI_FRAME_BATCH)
        h.entries = h.events % 4096 * (uint32_t)sizeof(mfi_entry_t);
    h.check =
        mfi_check_bytes(&h, offsetof(mfi_frame_header_t, check), mfi_seed_at(frame_seed(), at));
    memcpy(file + at, &h, sizeof h);
    if (h.kind != MFI_FRAME_BATCH || h.metadata_bytes > bytes || h.data_bytes > bytes ||
        at + mfi_frame_head_bytes(&h) > bytes || h.entries != h.events * sizeof(mfi_entry_t))
        return at + MFI_FRAME_BYTES;
    frame_seal_data(file, &h, at, bytes);
    size_t body = h.entries + (size_t)h.metadata_bytes;
    uint64_t check =
        mfi_check_bytes(file + at + MFI_FRAME_BYTES, body, mfi_seed_at(frame_seed(), at + 1));
    memcpy(file + at + MFI_FRAME_BYTES + body, &check, sizeof check);
    return at + (size_t)mfi_frame_whole_bytes(&h);
}

static void segment_fill(uint8_t *file, const input_t *in) {
    mfi_segment_header_t h = {.magic = MFI_SEGMENT_MAGIC,
                              .version = MFI_FORMAT_VERSION,
                              .endian = MFI_FORMAT_ENDIAN,
                              .life = 1,
                              .reason = MFI_REASON_OPEN};
    h.check = mfi_check_bytes(&h, offsetof(mfi_segment_header_t, check), 0);
    memcpy(file, &h, sizeof h);
    memcpy(file + sizeof h, in->bytes, in->count);
    size_t bytes = sizeof h + in->count;
    for (size_t at = sizeof h; !in->raw && at + MFI_FRAME_BYTES <= bytes;)
        at = frame_seal(file, at, bytes);
}

static void index_fill(uint8_t *file, const input_t *in) {
    mfi_index_header_t h = {.magic = MFI_INDEX_MAGIC,
                            .version = MFI_FORMAT_VERSION,
                            .endian = MFI_FORMAT_ENDIAN,
                            .seed = frame_seed()};
    h.check = mfi_check_bytes(&h, offsetof(mfi_index_header_t, check), 0);
    memcpy(file, &h, sizeof h);
    memcpy(file + sizeof h, in->bytes, in->count);
    for (size_t i = 0; !in->raw && (i + 1) * sizeof(mfi_index_entry_t) <= in->count; i++) {
        mfi_index_entry_t *entry = (mfi_index_entry_t *)(void *)(file + sizeof h) + i;
        entry->check =
            mfi_check_bytes(entry, offsetof(mfi_index_entry_t, check), mfi_seed_at(h.seed, i));
    }
}

static void places_fill(uint8_t *file, const input_t *in) {
    memcpy(file + MFI_PLACE_BYTES, in->bytes, in->count);
    uint64_t seed = mfi_segment_seed(&hostile_log, 0, 0);
    for (size_t at = MFI_PLACE_BYTES;
         !in->raw && at + MFI_PLACE_BYTES <= MFI_PLACE_BYTES + in->count; at += MFI_PLACE_BYTES) {
        mfi_place_page_t *page = (mfi_place_page_t *)(void *)(file + at);
        page->magic = MFI_PLACES_MAGIC;
        page->version = MFI_FORMAT_VERSION;
        page->endian = MFI_FORMAT_ENDIAN;
        page->check =
            mfi_check_bytes(page, offsetof(mfi_place_page_t, check), mfi_seed_at(seed, at));
    }
}

/* ---- what is read ---------------------------------------------------------------------------- */

static void data_read(const mfi_read_t *read) {
    uint64_t offset = read->data_offset;
    for (uint32_t i = 0; i < read->events; i++) {
        const mfi_entry_t *entry = &read->entries[i];
        if (entry->data_bytes > 0 && entry->data_bytes <= DATA_MAX) {
            mofka_range_t all = {0, (size_t)entry->data_bytes};
            char *to = malloc(all.size);
            bool verified;
            if (to)
                (void)mfi_segment_read_data(read->segment, read->first_id + i, offset, entry, &all,
                                            1, to, &verified);
            free(to);
        }
        offset += entry->data_bytes;
    }
}

static void log_read(uint64_t from) {
    mfi_reader_t *reader;
    mfi_read_t read;
    uint64_t events, id = from;
    if (mfi_reader_open(&hostile_log, &reader))
        return;
    if (from == 0 || mfi_reader_seek(reader, &id) == MOFKA_OK) {
        uint64_t next = mfi_reader_position(reader);
        for (int i = 0; i < STEPS_MAX; i++) {
            mofka_status_t status = mfi_reader_next(reader, 0, &read);
            if (status == MOFKA_ERR_CORRUPT) {
                REQUIRE(mfi_reader_skip(reader, &events) == MOFKA_OK);
                next += events;
                continue;
            }
            if (status)
                break;
            REQUIRE(read.first_id == next && read.events > 0);
            next += read.events;
            if (read.kind == MFI_FRAME_BATCH)
                data_read(&read);
        }
        REQUIRE(mfi_reader_position(reader) == next);
    }
    (void)mfi_reader_seek_time(reader, from, &id);
    mfi_reader_close(reader);
}

static void log_write(bool required) {
    static const mofka_batch_event_t size = {2, 0};
    static mofka_segment_t metadata;
    mfi_writer_t *w;
    mfi_opened_t opened;
    size_t appended;
    metadata = (mofka_segment_t){"{}", 2};
    mofka_status_t status =
        mfi_writer_open(&hostile_log, &(mfi_writer_options_t){.cut = MFI_NO_CUT}, &opened, &w);
    REQUIRE(!required || !status);
    if (status)
        return;
    status = mfi_writer_append(w,
                               &(mfi_append_t){.kind = MFI_FRAME_BATCH,
                                               .first_id = opened.next,
                                               .events = 1,
                                               .sizes = &size,
                                               .metadata = &metadata,
                                               .metadata_count = 1},
                               1, &appended);
    REQUIRE(opened.complete ? status == MOFKA_ERR_COMPLETE : !status);
    REQUIRE(mfi_writer_close(w) == MOFKA_OK);
}

static void places_use(void) {
    mfi_places_t *places;
    mfi_place_t place = {.life = 1};
    bool fresh;
    size_t slot;
    if (mfi_places_open(&hostile_log, true, &places))
        return;
    if (mfi_places_join(places, "c", &place, &fresh, &slot) == MOFKA_OK)
        REQUIRE(mfi_places_set(places, slot, 1, 7) == MOFKA_OK &&
                mfi_places_sync(places) == MOFKA_OK);
    mfi_places_close(places);
}

static void log_use(void) {
    mfi_scan_t scan;
    size_t damaged;
    uint64_t given_up;
    log_read(0);
    log_read(5);
    (void)mfi_store_verify(&hostile_log, NULL, NULL, &scan, &damaged);
    log_write(false);
    places_use();
    if (mfi_store_repair(&hostile_log, &given_up) == MOFKA_OK)
        log_write(true);
    log_read(0);
}

static void text_use(const input_t *in) {
    mfi_topic_record_t record;
    char *text = malloc(in->count + 64), digits[17];
    if (!text)
        return;
    memcpy(text, in->bytes, in->count);
    size_t bytes = in->count;
    if (!in->raw) { /* ..."check":"0123456789abcdef"} */
        bytes += (size_t)sprintf(text + bytes, ",\"check\":\"0000000000000000\"}");
        snprintf(digits, sizeof digits, "%016llx",
                 (unsigned long long)mfi_check_bytes(text, bytes, 0));
        memcpy(text + bytes - 18, digits, 16);
    }
    text[bytes] = '\0';
    if (mfi_topic_record_parse("topic.json", text, bytes, &record) == MOFKA_OK) {
        REQUIRE(record.partitions > 0 && record.name[0] && record.hosts[record.partitions - 1]);
        mfi_topic_record_clear(&record);
    }
    free(text);
}

static const char *const hostile_paths[] = {"/p/00000000000000000000-0000000001.log",
                                            "/p/00000000000000000000-0000000001.idx", "/p/places",
                                            "/p/lock"};

/* Put a file there whose bytes are `head` and those of the input. */
static void file_put(disk_t *disk, unsigned kind, const input_t *in) {
    static void (*const fill[])(uint8_t *, const input_t *) = {segment_fill, index_fill,
                                                               places_fill};
    static const size_t heads[] = {MFI_SEGMENT_HEADER_BYTES, sizeof(mfi_index_header_t),
                                   MFI_PLACE_BYTES, 0};
    size_t bytes;
    int fd = hostile_log.io.ops->open(hostile_log.io.self, hostile_paths[kind], O_RDWR | O_CREAT);
    REQUIRE(fd >= 0);
    hostile_log.io.ops->close(hostile_log.io.self, fd);
    disk_truncate(disk, hostile_paths[kind], heads[kind] + in->count);
    uint8_t *file = disk_bytes(disk, hostile_paths[kind], &bytes);
    if (kind < 3)
        fill[kind](file, in);
    else if (in->count > 0)
        memcpy(file, in->bytes, in->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    if (bytes < 4)
        return 0;
    unsigned kind = data[0] % 5;
    input_t in = {data + 4, bytes - 4, data[1] % 2};
    if (kind == 4) {
        text_use(&in);
        return 0;
    }
    disk_t *disk = disk_create(1);
    hostile_log = (mfi_log_t){.io = disk_io(disk), .folder = "/p"};
    REQUIRE(mfi_io_make_folder(&hostile_log.io, "/p") == MOFKA_OK);
    REQUIRE(mfi_places_make(&hostile_log) == MOFKA_OK);
    /* An index is of a segment: the input is both. */
    input_t segment = in;
    if (kind == 1) {
        size_t entries = data[2] * sizeof(mfi_index_entry_t);
        in.count = entries < in.count ? entries : in.count;
        segment.bytes += in.count;
        segment.count -= in.count;
    }
    if (kind == 2)
        in.count -= in.count % MFI_PLACE_BYTES;
    if (kind < 2)
        file_put(disk, 0, &segment);
    if (kind > 0)
        file_put(disk, kind, &in);
    log_use();
    disk_destroy(disk);
    return 0;
}
