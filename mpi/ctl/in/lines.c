/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes from a file are cut into lines. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "mpi/ctl/in/lines.h"

#define READ_BYTES ((size_t)64 << 10)

void lines_open(lines_t *l, int fd, size_t bytes_max) {
    assert(fd >= 0 && bytes_max > 0);
    *l = (lines_t){.fd = fd, .bytes_max = bytes_max};
}

void lines_close(lines_t *l) {
    free(l->buffer);
    l->buffer = NULL;
}

void lines_stop(lines_t *l) {
    l->stopped = true;
}

size_t lines_rest(const lines_t *l) {
    assert(l->start <= l->size);
    return l->size - l->start;
}

static bool lines_make_room(lines_t *l) {
    assert(l->start <= l->looked && l->looked <= l->size && l->size <= l->room);
    if (l->start > 0) {
        memmove(l->buffer, l->buffer + l->start, l->size - l->start);
        l->size -= l->start;
        l->looked -= l->start;
        l->start = 0;
    }
    if (l->room - l->size >= READ_BYTES)
        return true;
    size_t room = l->room ? 2 * l->room : 2 * READ_BYTES;
    char *more = realloc(l->buffer, room);
    if (!more)
        return false;
    l->buffer = more;
    l->room = room;
    return true;
}

/* Read once. LINE_TEXT: bytes or the end of the file came. */
static line_kind_t lines_fill(lines_t *l, int wait_ms) {
    assert(!l->ended && !l->stopped);
    struct pollfd ready = {.fd = l->fd, .events = POLLIN};
    int found = poll(&ready, 1, wait_ms);
    if (found < 0 && errno != EINTR)
        return LINE_ERROR;
    if (found <= 0)
        return LINE_NONE;
    if (!lines_make_room(l)) {
        errno = ENOMEM;
        return LINE_ERROR;
    }
    ssize_t got = read(l->fd, l->buffer + l->size, READ_BYTES);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN ? LINE_NONE : LINE_ERROR;
    l->size += (size_t)got;
    l->ended = got == 0;
    return LINE_TEXT;
}

/* Give the line from `start` to `end`; the next line begins at `next`. */
static line_kind_t lines_give(lines_t *l, size_t end, size_t next, const char **text,
                              size_t *bytes) {
    assert(l->start <= end && end <= next && next <= l->size);
    *text = l->buffer + l->start;
    *bytes = end - l->start;
    bool too_long = l->passing || *bytes > l->bytes_max;
    l->passing = false;
    l->start = l->looked = next;
    l->number++;
    return too_long ? LINE_TOO_LONG : LINE_TEXT;
}

/* Drop the bytes of a line that is too long. */
static void lines_pass_over(lines_t *l) {
    assert(l->looked == l->size);
    if (l->size - l->start > l->bytes_max + 1)
        l->passing = true;
    if (l->passing)
        l->start = l->looked = l->size;
}

line_kind_t lines_next(lines_t *l, int wait_ms, const char **text, size_t *bytes) {
    assert(l->start <= l->looked && l->looked <= l->size);
    for (;;) {
        char *newline =
            l->size > l->looked ? memchr(l->buffer + l->looked, '\n', l->size - l->looked) : NULL;
        if (newline) {
            size_t end = (size_t)(newline - l->buffer);
            return lines_give(l, end, end + 1, text, bytes);
        }
        l->looked = l->size;
        if (l->ended) { /* the rest behind the last newline is a line, too */
            bool some = l->size > l->start || l->passing;
            return some ? lines_give(l, l->size, l->size, text, bytes) : LINE_END;
        }
        if (l->stopped)
            return LINE_END;
        lines_pass_over(l);
        line_kind_t kind = lines_fill(l, wait_ms);
        if (kind != LINE_TEXT)
            return kind;
    }
}
