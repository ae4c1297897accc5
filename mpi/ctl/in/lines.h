/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines of a file or a pipe, in bounded memory. */
#ifndef MOFKA_MPI_CTL_IN_LINES_H
#define MOFKA_MPI_CTL_IN_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum line_kind {
    LINE_TEXT,     /* a line, byte for byte, without its newline */
    LINE_TOO_LONG, /* a line longer than `bytes_max`, which was passed over */
    LINE_NONE,     /* nothing can be read now */
    /* the end of the file; or all writers of the pipe have left; or, after lines_stop, no whole
     * line is left */
    LINE_END,
    LINE_ERROR /* errno gives the reason */
} line_kind_t;

typedef struct lines {
    int fd; /* borrow */
    char *buffer;
    size_t size, room, start; /* bytes read; bytes allocated; where the next line begins */
    size_t looked;            /* there is no newline before this place */
    size_t bytes_max;         /* of one line */
    bool passing;             /* inside a line that is too long */
    bool ended, stopped;
    uint64_t number; /* number of the last line given, from 1 */
} lines_t;

void lines_open(lines_t *lines, int fd, size_t bytes_max);
/* Give the next line, a view until the next call. Waits at most `wait_ms`. */
line_kind_t lines_next(lines_t *lines, int wait_ms, const char **text, size_t *bytes);
/* Read no further. lines_next then gives the lines that were read whole, and LINE_END. */
void lines_stop(lines_t *lines);
/* The number of bytes read behind the last newline. */
size_t lines_rest(const lines_t *lines);
void lines_close(lines_t *lines);

#endif
