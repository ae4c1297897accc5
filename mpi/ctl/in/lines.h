/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines of a file or a pipe, as they come, in bounded memory. */
#ifndef MOFKA_MPI_CTL_LINES_H
#define MOFKA_MPI_CTL_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum line_kind {
    LINE_TEXT,     /* a line, without its end */
    LINE_TOO_LONG, /* one that was passed over */
    LINE_NONE,     /* nothing to read just now */
    LINE_END,      /* of the file, or of all writers of a pipe, or of what was read (lines_stop) */
    LINE_ERROR     /* errno tells */
} line_kind_t;

typedef struct lines {
    int fd; /* borrow */
    char *buffer;
    size_t size, room, start; /* read so far; of memory; where the next line begins */
    size_t looked;            /* no newline before this */
    size_t bytes_max;         /* of a line */
    bool passing;             /* over a line that is too long */
    bool ended, stopped;
    uint64_t number; /* of the last line given, from 1 */
} lines_t;

void lines_open(lines_t *lines, int fd, size_t bytes_max);
/* The next line: a view until the next call. Never waits longer than `wait_ms`. */
line_kind_t lines_next(lines_t *lines, int wait_ms, const char **text, size_t *bytes);
/* Read no more: lines_next gives the lines that were read whole, then LINE_END. */
void lines_stop(lines_t *lines);
/* Bytes read of a line whose end was not. */
size_t lines_rest(const lines_t *lines);
void lines_close(lines_t *lines);

#endif
