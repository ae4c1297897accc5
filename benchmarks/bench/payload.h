/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events of the benchmark: metadata and data with stamps, and the memory for them.
 *
 * A stamp is the producer's index and the event's number. It is the first and last 8 bytes of the
 * metadata and of the data, and stands in the data every STAMP_STEP bytes. The second 8 bytes of
 * the metadata (of the data, if the metadata is short) may hold the time of the push.
 */
#ifndef MOFKA_BENCH_PAYLOAD_H
#define MOFKA_BENCH_PAYLOAD_H

#include <pthread.h>
#include "bench.h"

static inline uint64_t stamp_of(int producer, uint64_t number) {
    return (uint64_t)producer << 40 | number;
}

/* ---- memory: buffers of one size, each inside a data view that brings it back ---------------- */

typedef struct buffer_pool {
    size_t bytes;
    pthread_mutex_t lock;
    struct bench_buffer *free;
} buffer_pool_t;

void buffer_pool_init(buffer_pool_t *pool, size_t bytes);
void buffer_pool_end(buffer_pool_t *pool);
/* Give a view of a buffer's first `bytes`. The buffer returns to the pool when the view is
 * released. */
mofka_status_t buffer_pool_view(buffer_pool_t *pool, size_t bytes, mofka_data_view_t **view);

/* ---- stamps ---------------------------------------------------------------------------------- */

void stamp_metadata(char *metadata, size_t bytes, uint64_t stamp);
void stamp_data(char *data, size_t bytes, uint64_t stamp);
/* The place for the time of a push. NULL: there is no room for it. */
char *stamp_time_place(char *metadata, size_t metadata_bytes, char *data, size_t data_bytes);

/* The part of an event's data that a consumer fetches. */
typedef struct data_wish {
    bool all; /* the whole data; else `count` blocks of STAMP_STEP, every `stride` steps */
    size_t count, stride;
    size_t bytes;
} data_wish_t;

data_wish_t data_wish_of(const bench_settings_t *settings);
/* Whether the stamps that arrived are `stamp`. `view`: the fetched data, or NULL. */
bool stamps_check(const bench_settings_t *settings, const data_wish_t *wish, const char *metadata,
                  const mofka_data_view_t *view, uint64_t stamp);

#endif
