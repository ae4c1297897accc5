/* SPDX-License-Identifier: BSD-3-Clause */
/* One interface to all types that read an event's metadata. */
#ifndef MOFKA_TESTS_READERS_H
#define MOFKA_TESTS_READERS_H

#include "plugins/serializers.h"

/* The answer of a validator, of a selector of two partitions, and of a serializer, which is made of
 * `config` first. */
mofka_status_t reader_validate(const char *config, const char *text, size_t bytes);
mofka_status_t reader_select(const char *config, const char *text, size_t bytes);
mofka_status_t reader_serialize(const char *config, const char *text, size_t bytes);

typedef struct reader {
    mofka_status_t (*read)(const char *config, const char *text, size_t bytes);
    const char *config;
} reader_t;

enum { JSON_VALIDATOR, SCHEMA_VALIDATOR, PATTERN, KEY, RANGE, READERS = RANGE + 4 };
extern const reader_t readers[READERS];

/* All readers answer `expected`. */
void all_answer(const char *text, size_t bytes, mofka_status_t expected);

#endif
