/* SPDX-License-Identifier: BSD-3-Clause */
/* For the serializers: a buffer that grows, and a reader of stored bytes. */
#ifndef MOFKA_SRC_PLUGINS_TAPE_BYTES_H
#define MOFKA_SRC_PLUGINS_TAPE_BYTES_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <mofka/archive.h>
#include <mofka/limits.h>
#include <mofka/metadata.h>

/* A buffer that grows; the first 1024 bytes need no malloc. After a failure later writes are
 * ignored. So a writer checks `status` once, at the end. */
typedef struct mfi_bytes {
    char *data; /* `small`, or memory from malloc */
    size_t used, room;
    mofka_status_t status; /* of the first failure */
    char small[1024];
} mfi_bytes_t;

void mfi_bytes_init(mfi_bytes_t *bytes);
/* Free what the buffer holds. */
void mfi_bytes_clear(mfi_bytes_t *bytes);
/* Make room for `more` bytes. False after a failure: MOFKA_ERR_TOO_LARGE (the buffer would have
 * more than MOFKA_METADATA_BYTES_MAX bytes) or MOFKA_ERR_MEMORY. */
bool mfi_bytes_grow(mfi_bytes_t *bytes, size_t more);

/* Make sure that there is room for `more` bytes. False after a failure. */
static inline bool mfi_bytes_reserve(mfi_bytes_t *bytes, size_t more) {
    assert(bytes->used <= bytes->room);
    return more <= bytes->room - bytes->used || mfi_bytes_grow(bytes, more);
}

static inline void mfi_bytes_put(mfi_bytes_t *bytes, const void *from, size_t size) {
    if (size > 0 && mfi_bytes_reserve(bytes, size)) {
        memcpy(bytes->data + bytes->used, from, size);
        bytes->used += size;
    }
}

static inline void mfi_bytes_put_char(mfi_bytes_t *bytes, char c) {
    if (mfi_bytes_reserve(bytes, 1))
        bytes->data[bytes->used++] = c;
}

/* Append a number as a varint: seven bits in each byte, the lowest bits first. */
void mfi_bytes_put_varint(mfi_bytes_t *bytes, uint64_t number);

/* Stored bytes, and the position of the next one to read. */
typedef struct mfi_reader {
    const unsigned char *data;
    size_t size, at;
} mfi_reader_t;

/* MOFKA_ERR_CORRUPT, with `why` and the position. */
mofka_status_t mfi_reader_corrupt(const mfi_reader_t *reader, const char *why);
/* Read a varint. MOFKA_ERR_CORRUPT: it is cut off, or above 64 bits. */
mofka_status_t mfi_reader_varint(mfi_reader_t *reader, uint64_t *number);

/* A serializer's function that reads an event's stored bytes and writes its text. It must read all
 * of them. */
typedef mofka_status_t (*mfi_read_fn)(void *self, mfi_bytes_t *text, mfi_reader_t *reader);

/* The rest of `deserialize`: read the stored bytes from the archive, call `read`, and make metadata
 * of the text. Give *metadata: mofka_metadata_release. */
mofka_status_t mfi_archive_restore(mfi_read_fn read, void *self, const mofka_archive_t *archive,
                                   size_t stored_bytes, mofka_metadata_t **metadata);

#endif
