/* SPDX-License-Identifier: BSD-3-Clause */
/* Stamps and buffers of events, as payload.h describes. */
#include "payload.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 64

typedef struct bench_buffer {
    struct bench_buffer *next;
    buffer_pool_t *pool;
    _Alignas(LINE_BYTES) char bytes[]; /* on a cache line, like the memory of the floors */
} bench_buffer_t;

void buffer_pool_init(buffer_pool_t *pool, size_t bytes) {
    *pool = (buffer_pool_t){.bytes = bytes};
    pthread_mutex_init(&pool->lock, NULL);
}

void buffer_pool_end(buffer_pool_t *pool) {
    while (pool->free) {
        bench_buffer_t *next = pool->free->next;
        free(pool->free);
        pool->free = next;
    }
    pthread_mutex_destroy(&pool->lock);
}

static void buffer_pool_return(void *context) {
    assert(context);
    bench_buffer_t *buffer = context;
    buffer_pool_t *pool = buffer->pool;
    pthread_mutex_lock(&pool->lock);
    buffer->next = pool->free;
    pool->free = buffer;
    pthread_mutex_unlock(&pool->lock);
}

mofka_status_t buffer_pool_view(buffer_pool_t *pool, size_t bytes, mofka_data_view_t **view) {
    assert(bytes <= pool->bytes);
    pthread_mutex_lock(&pool->lock);
    bench_buffer_t *buffer = pool->free;
    if (buffer)
        pool->free = buffer->next;
    pthread_mutex_unlock(&pool->lock);
    if (!buffer) {
        buffer = aligned_alloc(LINE_BYTES, (sizeof *buffer + pool->bytes + LINE_BYTES - 1) /
                                               LINE_BYTES * LINE_BYTES);
        if (!buffer)
            return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a buffer");
        buffer->pool = pool;
        memset(buffer->bytes, 'd', pool->bytes);
    }
    mofka_segment_t segment = {buffer->bytes, bytes};
    mofka_status_t status = mofka_data_view_create(&segment, 1, buffer_pool_return, buffer, view);
    if (status)
        buffer_pool_return(buffer);
    return status;
}

static void stamp_put(char *at, uint64_t stamp) {
    memcpy(at, &stamp, sizeof stamp);
}

static bool stamp_is_at(const char *at, uint64_t stamp) {
    return memcmp(at, &stamp, sizeof stamp) == 0;
}

void stamp_metadata(char *metadata, size_t bytes, uint64_t stamp) {
    if (bytes < 16)
        return;
    stamp_put(metadata, stamp);
    stamp_put(metadata + bytes - sizeof stamp, stamp);
}

void stamp_data(char *data, size_t bytes, uint64_t stamp) {
    assert(data || bytes < 16);
    if (bytes < 16)
        return;
    for (size_t at = 0; at + sizeof stamp <= bytes; at += STAMP_STEP)
        stamp_put(data + at, stamp);
    stamp_put(data + bytes - sizeof stamp, stamp);
}

char *stamp_time_place(char *metadata, size_t metadata_bytes, char *data, size_t data_bytes) {
    if (metadata_bytes >= 24)
        return metadata + 8;
    return data && data_bytes >= 24 ? data + 8 : NULL;
}

data_wish_t data_wish_of(const bench_settings_t *s) {
    assert(s->selectivity >= 0 && s->selectivity <= 1);
    size_t steps = s->data_size / STAMP_STEP;
    size_t count = (size_t)lround(s->selectivity * (double)steps);
    if (s->selectivity >= 1 || steps < 2)
        return (data_wish_t){.all = true,
                             .bytes = (size_t)lround(s->selectivity * (double)s->data_size)};
    if (count == 0)
        return (data_wish_t){.bytes = 0};
    return (data_wish_t){.count = count, .stride = steps / count, .bytes = count * STAMP_STEP};
}

/* Buffers are one segment; selections in a window may have several. */
static bool stamps_check_data(const bench_settings_t *s, const data_wish_t *wish,
                              const mofka_data_view_t *view, uint64_t stamp) {
    assert(view && wish->bytes <= s->data_size);
    size_t bytes = mofka_data_view_size(view);
    if (bytes < wish->bytes)
        return false;
    for (size_t at = 0; at + sizeof stamp <= wish->bytes; at += STAMP_STEP) {
        char word[sizeof stamp];
        mofka_data_view_read(view, word, sizeof word, at);
        if (!stamp_is_at(word, stamp))
            return false;
    }
    char last[sizeof stamp];
    bool whole = wish->all && wish->bytes == s->data_size && bytes >= sizeof last;
    if (whole)
        mofka_data_view_read(view, last, sizeof last, wish->bytes - sizeof last);
    return !whole || stamp_is_at(last, stamp);
}

bool stamps_check(const bench_settings_t *s, const data_wish_t *wish, const char *metadata,
                  const mofka_data_view_t *view, uint64_t stamp) {
    if (s->metadata_size >= 16 && (!stamp_is_at(metadata, stamp) ||
                                   !stamp_is_at(metadata + s->metadata_size - sizeof stamp, stamp)))
        return false;
    return !view || s->data_size < 16 || stamps_check_data(s, wish, view, stamp);
}
