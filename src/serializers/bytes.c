/* Growing bytes, and reading stored ones. */
#include "bytes.h"

#include <stdlib.h>

void mfi_bytes_init(mfi_bytes_t *bytes) {
    bytes->data = bytes->small;
    bytes->used = 0;
    bytes->room = sizeof bytes->small;
    bytes->status = MOFKA_OK;
}

void mfi_bytes_free(mfi_bytes_t *bytes) {
    if (bytes->data != bytes->small)
        free(bytes->data);
}

/* After a failure there is no room, so that everything later ends here. */
static bool fail(mfi_bytes_t *bytes, mofka_status_t status) {
    bytes->status = status;
    bytes->room = bytes->used;
    return false;
}

bool mfi_bytes_grow(mfi_bytes_t *bytes, size_t more) {
    if (bytes->status)
        return false;
    if (more > MOFKA_METADATA_BYTES_MAX - bytes->used)
        return fail(bytes, mofka_fail(MOFKA_ERR_TOO_LARGE, "metadata above %zu bytes",
                                      MOFKA_METADATA_BYTES_MAX));
    size_t room = 2 * bytes->used + more;
    bool is_small = bytes->data == bytes->small;
    char *data = realloc(is_small ? NULL : bytes->data, room);
    if (!data)
        return fail(bytes, mofka_fail(MOFKA_ERR_MEMORY, "no memory for %zu bytes", room));
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
    text[size++] = (unsigned char)number;
    mfi_bytes_put(bytes, text, size);
}

mofka_status_t mfi_reader_corrupt(const mfi_reader_t *reader, const char *why) {
    return mofka_fail(MOFKA_ERR_CORRUPT, "stored metadata: %s at byte %zu of %zu", why, reader->at,
                      reader->size);
}

mofka_status_t mfi_reader_varint(mfi_reader_t *reader, uint64_t *number) {
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

mofka_status_t mfi_read_stored(const mofka_archive_t *archive, size_t stored_bytes,
                               mfi_bytes_t *into, mfi_reader_t *reader) {
    if (!mfi_bytes_reserve(into, stored_bytes))
        return into->status;
    mofka_status_t status = archive->read(archive->context, into->data, stored_bytes);
    *reader = (mfi_reader_t){.data = (const unsigned char *)into->data, .size = stored_bytes};
    return status;
}

mofka_status_t mfi_make_metadata(mofka_status_t status, const mfi_bytes_t *text,
                                 mofka_metadata_t **metadata) {
    if (!status)
        status = text->status;
    return status ? status : mofka_metadata_create(text->data, text->used, metadata);
}
