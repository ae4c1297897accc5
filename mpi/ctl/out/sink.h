/* SPDX-License-Identifier: BSD-3-Clause */
/* A file or a pipe that lines are written to. Its reader may be slow, or may have left. */
#ifndef MOFKA_MPI_CTL_OUT_SINK_H
#define MOFKA_MPI_CTL_OUT_SINK_H

#include <stdbool.h>
#include <stddef.h>

/* How many bytes are collected before a write. */
#define SINK_BYTES ((size_t)64 << 10)

typedef struct sink {
    int fd; /* borrow */
    char *buffer;
    size_t size, room;
    int error; /* errno of the failure; EPIPE: the reader left; 0: none */
} sink_t;

void sink_open(sink_t *sink, int fd);
/* Add bytes. They are kept in memory; if memory runs out, `error` is set. */
void sink_add(sink_t *sink, const void *bytes, size_t size);
void sink_add_text(sink_t *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Write all that was added. False: `error` gives the reason. ECANCELED: the user interrupted while
 * the reader did not read. */
bool sink_flush(sink_t *sink);
/* Whether the pipe still has a reader. */
bool sink_has_reader(const sink_t *sink);
void sink_close(sink_t *sink);

#endif
