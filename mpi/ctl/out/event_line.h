/* SPDX-License-Identifier: BSD-3-Clause */
/* An event as a line of text. */
#ifndef MOFKA_MPI_CTL_OUT_EVENT_LINE_H
#define MOFKA_MPI_CTL_OUT_EVENT_LINE_H

#include <mofka/mofka.h>
#include "mpi/ctl/out/sink.h"

typedef struct event_line_style {
    bool envelope;         /* {"id":…,"partition":…,…,"metadata":…} */
    bool base64;           /* put the data into the envelope */
    const char *directory; /* write the data as files into this folder; NULL: no files */
} event_line_style_t;

/* Write the metadata on one line. A newline between tokens becomes a space; a newline in a string
 * becomes \n. The JSON value stays the same. */
void event_line_write_metadata(sink_t *sink, const char *text, size_t bytes);
/* Write the event's line, and its data if the style says so. False: a message was printed. */
bool event_line_write(sink_t *sink, const event_line_style_t *style, const mofka_event_t *event);

#endif
