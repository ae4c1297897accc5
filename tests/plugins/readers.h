/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything that reads an event's metadata, asked in one way. */
#ifndef MOFKA_TESTS_READERS_H
#define MOFKA_TESTS_READERS_H

#include "plugins/serializers.h"

/* What a validator, a selector of two partitions, a serializer of that configuration says. */
mofka_status_t validate(const char *config, const char *text, size_t bytes);
mofka_status_t place(const char *config, const char *text, size_t bytes);
mofka_status_t store(const char *config, const char *text, size_t bytes);

typedef struct reader {
    mofka_status_t (*read)(const char *config, const char *text, size_t bytes);
    const char *config;
} reader_t;

enum { JSON_VALIDATOR, SCHEMA_VALIDATOR, PATTERN, KEY, RANGE, READERS = RANGE + 4 };
extern const reader_t readers[READERS];

/* All of them answer that. */
void all_answer(const char *text, size_t bytes, mofka_status_t expected);

#endif
