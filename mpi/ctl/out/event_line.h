/* SPDX-License-Identifier: BSD-3-Clause */
/* An event as a line of text. */
#ifndef MOFKA_MPI_CTL_EVENT_LINE_H
#define MOFKA_MPI_CTL_EVENT_LINE_H

#include <mofka/mofka.h>
#include "mpi/ctl/out/sink.h"

typedef struct event_line_style {
    bool envelope;         /* {"id":…,"partition":…,…,"metadata":…} */
    bool base64;           /* the data as a member of that */
    const char *directory; /* the data as files there; NULL: no files */
} event_line_style_t;

/* The metadata as it is, but on one line: a newline between tokens becomes a space, one inside a
 * string \n, so the JSON value is the same. */
void event_line_write_metadata(sink_t *sink, const char *text, size_t bytes);
/* The event's line, and its data where the style wants it. False: told. */
bool event_line_write(sink_t *sink, const event_line_style_t *style, const mofka_event_t *event);

#endif
