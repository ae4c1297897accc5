/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the targets of serializers: archives in memory, and serializing into and out of
 * them. */
#ifndef MOFKA_TESTS_FUZZ_ARCHIVE_H
#define MOFKA_TESTS_FUZZ_ARCHIVE_H

#include <mofka/serializer.h>
#include "fuzz/input.h"

typedef struct archive {
    char *bytes;
    size_t used, at;
} archive_t;

static inline mofka_status_t write_bytes(void *context, const void *bytes, size_t size) {
    archive_t *archive = context;
    archive->bytes = realloc(archive->bytes, archive->used + size + 1);
    if (!archive->bytes)
        abort();
    memcpy(archive->bytes + archive->used, bytes, size);
    archive->used += size;
    return MOFKA_OK;
}

static inline mofka_status_t read_bytes(void *context, void *bytes, size_t size) {
    archive_t *archive = context;
    if (size > archive->used - archive->at)
        return MOFKA_ERR_CORRUPT;
    if (size > 0)
        memcpy(bytes, archive->bytes + archive->at, size);
    archive->at += size;
    return MOFKA_OK;
}

/* The text that comes back; NULL where it is refused. */
static inline mofka_metadata_t *archive_round_trip(const mofka_serializer_t *serializer,
                                                   const char *text, size_t bytes) {
    archive_t stored = {0};
    mofka_archive_t archive = {.context = &stored, .read = read_bytes, .write = write_bytes};
    mofka_metadata_t *metadata = NULL;
    if (!mofka_serializer_serialize(serializer, &archive, text, bytes) &&
        mofka_serializer_deserialize(serializer, &archive, stored.used, &metadata))
        abort();
    free(stored.bytes);
    return metadata;
}

/* Metadata that was deserialized once comes back the same a second time. Takes `first`. */
static inline void archive_check_second_trip(const mofka_serializer_t *serializer,
                                             mofka_metadata_t *first) {
    size_t first_bytes, second_bytes;
    const char *first_text = mofka_metadata_text(first, &first_bytes);
    mofka_metadata_t *second = archive_round_trip(serializer, first_text, first_bytes);
    if (!second)
        abort();
    const char *second_text = mofka_metadata_text(second, &second_bytes);
    if (first_bytes != second_bytes || memcmp(first_text, second_text, first_bytes) != 0)
        abort();
    mofka_metadata_release(first);
    mofka_metadata_release(second);
}

#endif
