/* SPDX-License-Identifier: BSD-3-Clause */
/* An event as a line of text. */
#ifndef MOFKA_MPI_CTL_OUT_EVENT_LINE_H
#define MOFKA_MPI_CTL_OUT_EVENT_LINE_H

#include <mofka/mofka.h>
#include "mpi/ctl/out/sink.h"

typedef struct event_line_style {
    bool envelope;         /* {"id":…,"partition":…,…,"metadata":…} */
    bool raw;              /* control characters as they are; not in an envelope */
    bool base64;           /* put the data into the envelope */
    const char *directory; /* write the data as files into this folder; NULL: no files */
} event_line_style_t;

/* Write the metadata on one line. A newline between tokens becomes a space; a newline in a string
 * becomes \n. The JSON value stays the same. */
void event_line_write_metadata(sink_t *sink, const char *text, size_t bytes);
/* Write JSON on one line, so that a terminal shows it and does not obey it. In a string, a control
 * character (C0, DEL, C1) becomes an escape, and a byte that is not UTF-8 becomes U+FFFD; between
 * tokens, either becomes a space. */
void event_line_write_json(sink_t *sink, const char *text, size_t bytes);
/* The same for text inside a JSON string, without its quotes. */
void event_line_write_inner(sink_t *sink, const char *text, size_t bytes);
/* The same for any metadata. If it is not JSON, each such byte becomes \xHH. */
void event_line_write_visible(sink_t *sink, const char *text, size_t bytes);
/* Write bytes in base64 (RFC 4648, section 4), with its padding. */
void event_line_write_base64(sink_t *sink, const unsigned char *bytes, size_t size);
/* Write the event's line, and its data if the style says so. False: a message was printed. */
bool event_line_write(sink_t *sink, const event_line_style_t *style, const mofka_event_t *event);
/* Bring the names of the files to the disk; their bytes are there. False: a message was printed. */
bool event_line_sync(const event_line_style_t *style);

#endif
