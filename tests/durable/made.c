/* SPDX-License-Identifier: BSD-3-Clause */
/* A store with a topic, and numbered events; see made.h. */
#include "durable/made.h"

static const mofka_topic_config_t topic_config = {.name = "t",
                                                  .options = "{}",
                                                  .validator = "{\"type\":\"default\"}",
                                                  .selector = "{\"type\":\"default\"}",
                                                  .serializer = "{\"type\":\"default\"}"};

static mofka_status_t made_open_path(made_t *made, const char *path, mfi_store_mode_t mode) {
    static const char *const host = "node0";
    mofka_status_t status = mfi_store_open(&made->io, path, mode, &made->store);
    if (!status)
        status = mfi_store_load_topic(&made->store, "t", &made->record);
    if (status == MOFKA_ERR_NOT_FOUND && mode != MFI_STORE_THERE) {
        status = mfi_store_create_topic(&made->store, &topic_config, 1, &host, true);
        if (!status)
            status = mfi_store_load_topic(&made->store, "t", &made->record);
    }
    return status ? status : mfi_store_log(&made->store, &made->record, 0, &made->log);
}

mofka_status_t made_open(made_t *made, disk_t *disk, mfi_store_mode_t mode) {
    *made = (made_t){.disk = disk, .io = disk_io(disk)};
    return made_open_path(made, "/s", mode);
}

mofka_status_t made_open_folder(made_t *made, const char *path, mfi_store_mode_t mode) {
    *made = (made_t){.io = mfi_io_posix};
    return made_open_path(made, path, mode);
}

void made_close(made_t *made) {
    mfi_topic_record_clear(&made->record);
}

/* ---- events ---------------------------------------------------------------------------------- */

static size_t event_data_bytes(uint64_t id, uint32_t version) {
    return (size_t)((id * 31 + version * 7) % 5 == 0 ? 0 : (id * 131 + version * 17) % 509);
}

static void event_fill_data(char *to, uint64_t id, uint32_t version) {
    uint64_t seed = id * 1000003 + version;
    for (size_t i = 0, bytes = event_data_bytes(id, version); i < bytes; i++)
        to[i] = (char)next_random(&seed);
}

static size_t event_fill_metadata(char to[48], uint64_t id, uint32_t version) {
    return (size_t)snprintf(to, 48, "{\"n\":%llu,\"v\":%u}", (unsigned long long)id, version);
}

/* Split bytes into pieces at odd places. */
static size_t pieces_split(mofka_segment_t *pieces, size_t most, char *bytes, size_t size) {
    size_t count = 0;
    while (size > 0 && count + 1 < most) {
        size_t now = size / 3 + 1;
        pieces[count++] = (mofka_segment_t){bytes, now};
        bytes += now;
        size -= now;
    }
    pieces[count++] = (mofka_segment_t){bytes, size};
    return count;
}

void made_fill(made_batch_t *b, uint64_t first, uint32_t events, uint32_t version) {
    size_t metadata = 0, data = 0;
    for (uint32_t i = 0; i < events; i++) {
        size_t more = event_fill_metadata(b->metadata_bytes + metadata, first + i, version);
        event_fill_data(b->data_bytes + data, first + i, version);
        b->sizes[i] = (mofka_batch_event_t){more, event_data_bytes(first + i, version)};
        metadata += more;
        data += b->sizes[i].data_bytes;
    }
    b->append = (mfi_append_t){.kind = MFI_FRAME_BATCH,
                               .first_id = first,
                               .events = events,
                               .sizes = b->sizes,
                               .metadata = b->metadata,
                               .data = b->data,
                               .stamp = 1000 * first,
                               .producer = version};
    b->append.metadata_count = pieces_split(b->metadata, 2, b->metadata_bytes, metadata);
    b->append.data_count = pieces_split(b->data, 3, b->data_bytes, data);
}

mofka_status_t made_append(mfi_writer_t *writer, uint64_t first, uint32_t events,
                           uint32_t version) {
    static _Thread_local made_batch_t batch;
    size_t appended;
    made_fill(&batch, first, events, version);
    return mfi_writer_append(writer, &batch.append, 1, &appended);
}

static bool event_data_is_right(const mfi_read_t *read, uint32_t index, uint64_t offset,
                                uint32_t version, char why[256]) {
    static _Thread_local char expected[512], found[512];
    const mfi_entry_t *entry = &read->entries[index];
    uint64_t id = read->first_id + index;
    size_t bytes = event_data_bytes(id, version);
    mofka_range_t all = {0, bytes};
    bool verified = false;
    if (entry->data_bytes != bytes) {
        snprintf(why, 256, "event %llu has %llu bytes of data, not %zu", (unsigned long long)id,
                 (unsigned long long)entry->data_bytes, bytes);
        return false;
    }
    event_fill_data(expected, id, version);
    if (mfi_segment_read_data(read->segment, id, offset, entry, &all, 1, found, &verified)) {
        snprintf(why, 256, "%s", mofka_last_error());
        return false;
    }
    snprintf(why, 256, "event %llu has other data", (unsigned long long)id);
    return verified && memcmp(expected, found, bytes) == 0;
}

bool made_is_right(const mfi_read_t *read, uint32_t index, uint32_t *version, char why[256]) {
    char expected[48], found[64];
    const char *metadata = read->metadata;
    uint64_t offset = read->data_offset, id;
    for (uint32_t i = 0; i < index; i++) {
        metadata += read->entries[i].metadata_bytes;
        offset += read->entries[i].data_bytes;
    }
    size_t bytes = read->entries[index].metadata_bytes;
    snprintf(found, sizeof found, "%.*s", bytes < 60 ? (int)bytes : 60, metadata);
    unsigned long long n = 0;
    unsigned v = 0;
    if (sscanf(found, "{\"n\":%llu,\"v\":%u}", &n, &v) != 2)
        n = UINT64_MAX;
    id = n;
    *version = v;
    if (event_fill_metadata(expected, read->first_id + index, *version) != bytes ||
        strcmp(expected, found) != 0 || id != read->first_id + index) {
        snprintf(why, 256, "event %llu is %s", (unsigned long long)read->first_id + index, found);
        return false;
    }
    return event_data_is_right(read, index, offset, *version, why);
}

/* ---- writers and readers --------------------------------------------------------------------- */

mfi_writer_t *made_writer(const mfi_log_t *log, uint64_t segment_bytes) {
    mfi_writer_t *writer;
    mfi_opened_t opened;
    OK(mfi_writer_open(log,
                       &(mfi_writer_options_t){.segment_bytes = segment_bytes, .cut = MFI_NO_CUT},
                       &opened, &writer));
    return writer;
}

uint64_t made_read_all(const mfi_log_t *log, uint32_t version) {
    mfi_reader_t *reader;
    mfi_read_t read;
    mofka_status_t status;
    uint64_t count = 0, next;
    char why[256];
    OK(mfi_reader_open(log, &reader));
    next = mfi_reader_position(reader);
    while (!(status = mfi_reader_next(reader, 0, &read))) {
        assert_int_equal(read.first_id, next);
        next += read.events;
        for (uint32_t i = 0; i < read.events && read.kind == MFI_FRAME_BATCH; i++, count++) {
            uint32_t found;
            if (!made_is_right(&read, i, &found, why) || found != version)
                fail_msg("%s (version %u)", why, found);
        }
    }
    if (status != MOFKA_ERR_TIMEOUT && status != MOFKA_ERR_COMPLETE)
        fail_msg("%s: %s", mofka_status_name(status), mofka_last_error());
    mfi_reader_close(reader);
    return count;
}
