/* SPDX-License-Identifier: BSD-3-Clause */
/* Where lines go: a file or a pipe, whose reader may be slow or gone. */
#ifndef MOFKA_MPI_CTL_SINK_H
#define MOFKA_MPI_CTL_SINK_H

#include <stdbool.h>
#include <stddef.h>

/* What is worth a write. */
#define SINK_BYTES ((size_t)64 << 10)

typedef struct sink {
    int fd; /* borrow */
    char *buffer;
    size_t size, room;
    int error; /* errno of what failed; EPIPE: nobody reads; 0: none */
} sink_t;

void sink_open(sink_t *sink, int fd);
/* Into memory. What finds none is an error of the sink. */
void sink_add(sink_t *sink, const void *bytes, size_t size);
void sink_add_text(sink_t *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Write all of it. False: `error` says why; with ECANCELED, the user interrupted and nobody reads. */
bool sink_flush(sink_t *sink);
/* Whether the pipe is still read by somebody. */
bool sink_has_reader(const sink_t *sink);
void sink_close(sink_t *sink);

#endif
