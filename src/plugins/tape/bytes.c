/* SPDX-License-Identifier: BSD-3-Clause */
/* The serializers' buffer and reader. */
#include "plugins/tape/bytes.h"

#include <stdlib.h>

void mfi_bytes_init(mfi_bytes_t *bytes) {
    bytes->data = bytes->small;
    bytes->used = 0;
    bytes->room = sizeof bytes->small;
    bytes->status = MOFKA_OK;
}

void mfi_bytes_clear(mfi_bytes_t *bytes) {
    if (bytes->data != bytes->small)
        free(bytes->data);
}

/* After a failure there is no room, so every later write fails, too. */
static bool bytes_fail(mfi_bytes_t *bytes, mofka_status_t status) {
    assert(status && !bytes->status);
    bytes->status = status;
    bytes->room = bytes->used;
    return false;
}

bool mfi_bytes_grow(mfi_bytes_t *bytes, size_t more) {
    if (bytes->status)
        return false;
    if (more > MOFKA_METADATA_BYTES_MAX - bytes->used)
        return bytes_fail(bytes, mofka_fail(MOFKA_ERR_TOO_LARGE, "metadata has more than %zu bytes",
                                            MOFKA_METADATA_BYTES_MAX));
    assert(bytes->used <= bytes->room && bytes->used <= MOFKA_METADATA_BYTES_MAX);
    size_t room = 2 * bytes->used + more;
    if (room > MOFKA_METADATA_BYTES_MAX)
        room = MOFKA_METADATA_BYTES_MAX;
    bool is_small = bytes->data == bytes->small;
    char *data = realloc(is_small ? NULL : bytes->data, room);
    if (!data)
        return bytes_fail(bytes, mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu bytes", room));
    if (is_small)
        memcpy(data, bytes->small, bytes->used);
    bytes->data = data;
    bytes->room = room;
    return true;
}

void mfi_bytes_put_varint(mfi_bytes_t *bytes, uint64_t number) {
    unsigned char text[10];
    size_t size = 0;
    for (; number >= 128; number >>= 7)
        text[size++] = (unsigned char)(number | 128);
    assert(size < sizeof text && number < 128);
    text[size++] = (unsigned char)number;
    mfi_bytes_put(bytes, text, size);
}

mofka_status_t mfi_reader_corrupt(const mfi_reader_t *reader, const char *why) {
    return mofka_fail(MOFKA_ERR_CORRUPT, "stored metadata: %s at byte %zu of %zu", why, reader->at,
                      reader->size);
}

mofka_status_t mfi_reader_varint(mfi_reader_t *reader, uint64_t *number) {
    assert(reader->at <= reader->size);
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (reader->at == reader->size)
            return mfi_reader_corrupt(reader, "a number is cut off");
        uint64_t byte = reader->data[reader->at++];
        if (shift == 63 && byte > 1)
            break;
        value |= (byte & 127) << shift;
        if (byte < 128) {
            *number = value;
            return MOFKA_OK;
        }
    }
    return mfi_reader_corrupt(reader, "a number above 64 bits");
}

static mofka_status_t archive_read_all(mfi_read_fn read, void *self, mfi_bytes_t *text,
                                       mfi_reader_t *reader) {
    mofka_status_t status = read(self, text, reader);
    if (!status)
        status = text->status;
    assert(reader->at <= reader->size);
    return status || reader->at == reader->size
               ? status
               : mfi_reader_corrupt(reader, "there are bytes after the value");
}

mofka_status_t mfi_archive_restore(mfi_read_fn read, void *self, const mofka_archive_t *archive,
                                   size_t stored_bytes, mofka_metadata_t **metadata) {
    mfi_bytes_t stored, text;
    mfi_bytes_init(&stored);
    mfi_bytes_init(&text);
    mofka_status_t status = mfi_bytes_reserve(&stored, stored_bytes)
                                ? archive->read(archive->context, stored.data, stored_bytes)
                                : stored.status;
    mfi_reader_t reader = {.data = (const unsigned char *)stored.data, .size = stored_bytes};
    if (!status)
        status = archive_read_all(read, self, &text, &reader);
    if (!status)
        status = mofka_metadata_create(text.data, text.used, metadata);
    mfi_bytes_clear(&stored);
    mfi_bytes_clear(&text);
    return status;
}
