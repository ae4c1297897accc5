/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the suites of serializers: archives in memory, both directions, random JSON. */
#ifndef MOFKA_TESTS_SERIALIZERS_H
#define MOFKA_TESTS_SERIALIZERS_H

#include "support/check.h"

typedef struct buffer {
    char *bytes;
    size_t used, room, at;
} buffer_t;

mofka_status_t buffer_write(void *context, const void *bytes, size_t size);
mofka_status_t to_bytes(mofka_serializer_t *serializer, const char *text, size_t bytes,
                        buffer_t *out);
mofka_status_t from_bytes(mofka_serializer_t *serializer, const void *bytes, size_t size,
                          mofka_metadata_t **metadata);

/* `text` comes back as `expected` (of `expected_bytes`); gives how many bytes it took. */
size_t comes_back(mofka_serializer_t *serializer, const char *text, size_t bytes,
                  const char *expected, size_t expected_bytes);
/* The same text comes back. */
size_t serializer_keeps_text(mofka_serializer_t *serializer, const char *text);

/* Indices into `configs`. Those of type zstd keep every byte. */
enum { CBOR, BY_SCHEMA, BY_INTEGER, BY_ITEMS, BY_NOTHING, ZSTD, ZSTD_DICTIONARY, CONFIGS };
extern const char *const configs[CONFIGS];
void serializer_create_from(const char *config, mofka_serializer_t **serializer);
bool keeps_bytes(const char *config);

/* A random value twice: with spaces and escapes, and as it must come back. */
typedef struct pair {
    buffer_t rich, plain;
    uint64_t seed;
} pair_t;
void make_value(pair_t *pair, int depth);
void free_pair(pair_t *pair);

#endif
