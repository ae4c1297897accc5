/* SPDX-License-Identifier: BSD-3-Clause */
/* Stamps and buffers: payload.h tells what they are. */
#include "payload.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 64

typedef struct buffer {
    struct buffer *next;
    buffer_pool_t *pool;
    _Alignas(LINE_BYTES) char bytes[]; /* on a cache line, as the floors' memory */
} buffer_t;

void buffer_pool_init(buffer_pool_t *pool, size_t bytes) {
    *pool = (buffer_pool_t){.bytes = bytes};
    pthread_mutex_init(&pool->lock, NULL);
}

void buffer_pool_end(buffer_pool_t *pool) {
    while (pool->free) {
        buffer_t *next = pool->free->next;
        free(pool->free);
        pool->free = next;
    }
    pthread_mutex_destroy(&pool->lock);
}

static void give_back(void *context) {
    buffer_t *buffer = context;
    buffer_pool_t *pool = buffer->pool;
    pthread_mutex_lock(&pool->lock);
    buffer->next = pool->free;
    pool->free = buffer;
    pthread_mutex_unlock(&pool->lock);
}

mofka_status_t buffer_pool_view(buffer_pool_t *pool, size_t bytes, mofka_data_view_t **view) {
    pthread_mutex_lock(&pool->lock);
    buffer_t *buffer = pool->free;
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
    mofka_status_t status = mofka_data_view_create(&segment, 1, give_back, buffer, view);
    if (status)
        give_back(buffer);
    return status;
}

static void put_stamp(char *at, uint64_t stamp) {
    memcpy(at, &stamp, sizeof stamp);
}

static bool has_stamp(const char *at, uint64_t stamp) {
    return memcmp(at, &stamp, sizeof stamp) == 0;
}

void stamp_metadata(char *metadata, size_t bytes, uint64_t stamp) {
    if (bytes < 16)
        return;
    put_stamp(metadata, stamp);
    put_stamp(metadata + bytes - sizeof stamp, stamp);
}

void stamp_data(char *data, size_t bytes, uint64_t stamp) {
    if (bytes < 16)
        return;
    for (size_t at = 0; at + sizeof stamp <= bytes; at += STAMP_STEP)
        put_stamp(data + at, stamp);
    put_stamp(data + bytes - sizeof stamp, stamp);
}

char *stamp_time_place(char *metadata, size_t metadata_bytes, char *data, size_t data_bytes) {
    if (metadata_bytes >= 24)
        return metadata + 8;
    return data && data_bytes >= 24 ? data + 8 : NULL;
}

wish_t wish_of(const settings_t *s) {
    size_t steps = s->data_size / STAMP_STEP;
    size_t count = (size_t)lround(s->selectivity * (double)steps);
    if (s->selectivity >= 1 || steps < 2)
        return (wish_t){.all = true,
                        .bytes = (size_t)lround(s->selectivity * (double)s->data_size)};
    if (count == 0)
        return (wish_t){.bytes = 0};
    return (wish_t){.count = count, .stride = steps / count, .bytes = count * STAMP_STEP};
}

/* The view is one segment: buffers are, and selections of a window where they are need not be. */
static bool check_data(const settings_t *s, const wish_t *wish, const mofka_data_view_t *view,
                       uint64_t stamp) {
    size_t bytes = mofka_data_view_size(view);
    if (bytes < wish->bytes)
        return false;
    for (size_t at = 0; at + sizeof stamp <= wish->bytes; at += STAMP_STEP) {
        char word[sizeof stamp];
        mofka_data_view_read(view, word, sizeof word, at);
        if (!has_stamp(word, stamp))
            return false;
    }
    char last[sizeof stamp];
    bool whole = wish->all && wish->bytes == s->data_size && bytes >= sizeof last;
    if (whole)
        mofka_data_view_read(view, last, sizeof last, wish->bytes - sizeof last);
    return !whole || has_stamp(last, stamp);
}

bool check_stamps(const settings_t *s, const wish_t *wish, const char *metadata,
                  const mofka_data_view_t *view, uint64_t stamp) {
    if (s->metadata_size >= 16 && (!has_stamp(metadata, stamp) ||
                                   !has_stamp(metadata + s->metadata_size - sizeof stamp, stamp)))
        return false;
    return !view || s->data_size < 16 || check_data(s, wish, view, stamp);
}
