/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes that grow, small ones without malloc, and bytes that are read: for the serializers. */
#ifndef MOFKA_SRC_SERIALIZERS_BYTES_H
#define MOFKA_SRC_SERIALIZERS_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <mofka/archive.h>
#include <mofka/limits.h>
#include <mofka/metadata.h>

/* The first failure stays, and later writes are ignored: only the end needs to look at `status`. */
typedef struct mfi_bytes {
    char *data; /* `small`, or malloc */
    size_t used, room;
    mofka_status_t status;
    char small[1024];
} mfi_bytes_t;

void mfi_bytes_init(mfi_bytes_t *bytes);
void mfi_bytes_clear(mfi_bytes_t *bytes);
/* MOFKA_ERR_TOO_LARGE above MOFKA_METADATA_BYTES_MAX, MOFKA_ERR_MEMORY. */
bool mfi_bytes_grow(mfi_bytes_t *bytes, size_t more);

/* Room for `more` bytes; false when there is none, or after a failure. */
static inline bool mfi_bytes_reserve(mfi_bytes_t *bytes, size_t more) {
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

/* Seven bits a byte, the lowest first. */
void mfi_bytes_put_varint(mfi_bytes_t *bytes, uint64_t number);

/* Stored bytes, and how far they are read. */
typedef struct mfi_reader {
    const unsigned char *data;
    size_t size, at;
} mfi_reader_t;

/* MOFKA_ERR_CORRUPT, with the place. */
mofka_status_t mfi_reader_corrupt(const mfi_reader_t *reader, const char *why);
mofka_status_t mfi_reader_varint(mfi_reader_t *reader, uint64_t *number);

/* How a serializer makes text of all that is stored (with its `self`); what it leaves unread is
 * refused. */
typedef mofka_status_t (*mfi_read_fn)(void *self, mfi_bytes_t *text, mfi_reader_t *reader);

/* What every deserialize does around that: bytes from the archive, metadata of the text. */
mofka_status_t mfi_archive_restore(mfi_read_fn read, void *self, const mofka_archive_t *archive,
                                   size_t stored_bytes, mofka_metadata_t **metadata);

#endif
