/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines are collected in memory, then written in pieces that do not block. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/out/sink.h"

void sink_open(sink_t *s, int fd) {
    *s = (sink_t){.fd = fd};
}

void sink_close(sink_t *s) {
    free(s->buffer);
    s->buffer = NULL;
}

void sink_add(sink_t *s, const void *bytes, size_t size) {
    assert(s->size <= s->room);
    if (s->room - s->size < size) {
        size_t room = 2 * (s->size + size) + SINK_BYTES;
        char *more = realloc(s->buffer, room);
        if (!more) {
            s->error = ENOMEM;
            return;
        }
        s->buffer = more;
        s->room = room;
    }
    if (size > 0)
        memcpy(s->buffer + s->size, bytes, size);
    s->size += size;
}

void sink_add_text(sink_t *s, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    int bytes = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sink_add(s, text, bytes < (int)sizeof text ? (size_t)bytes : sizeof text - 1);
}

/* A pipe that is ready takes PIPE_BUF bytes without blocking. Lines that fit in there are written
 * whole: a launcher mixes the pieces of several ranks. */
static size_t sink_piece(const char *bytes, size_t size) {
    if (size <= PIPE_BUF)
        return size;
    const char *end = memrchr(bytes, '\n', PIPE_BUF);
    return end ? (size_t)(end - bytes) + 1 : PIPE_BUF;
}

static bool sink_write_some(sink_t *s, size_t *done) {
    assert(*done < s->size && !s->error);
    struct pollfd ready = {.fd = s->fd, .events = POLLOUT};
    size_t piece = sink_piece(s->buffer + *done, s->size - *done);
    if (poll(&ready, 1, SLICE_MS) == 0) {
        if (interrupt_age_s() > LAST_FLUSH_S)
            s->error = ECANCELED;
        return !s->error;
    }
    ssize_t wrote = write(s->fd, s->buffer + *done, piece);
    if (wrote >= 0)
        *done += (size_t)wrote;
    else if (errno != EINTR && errno != EAGAIN)
        s->error = errno;
    return !s->error;
}

bool sink_flush(sink_t *s) {
    assert(s->size <= s->room);
    size_t done = 0;
    while (!s->error && done < s->size && sink_write_some(s, &done))
        ;
    s->size = 0;
    return !s->error;
}

bool sink_has_reader(const sink_t *s) {
    assert(s->fd >= 0);
    struct pollfd ready = {.fd = s->fd};
    return poll(&ready, 1, 0) <= 0 || !(ready.revents & POLLERR);
}
