/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the data of an event comes from: a string in its metadata, or a file. */
#ifndef MOFKA_MPI_CTL_DATA_SOURCE_H
#define MOFKA_MPI_CTL_DATA_SOURCE_H

#include <mofka/mofka.h>
#include "json/text.h"

typedef struct data_source {
    const char *pointer;     /* JSON pointer, borrowed; NULL: none */
    char *token;             /* room for one of its names */
    mfi_scratch_t scratch;   /* for strings with escapes */
    mofka_data_view_t *file; /* every event's data; NULL: none */
} data_source_t;

/* Of --data-from: "/POINTER" or "file:PATH"; NULL: events have no data. False: told. */
bool data_source_open(data_source_t *source, const char *text);
/* The data of the event with this metadata, which mfi_json_check accepted where there is a pointer. Give
 * `*view`: release; NULL: none. MOFKA_ERR_REFUSED: the metadata has no such string. MOFKA_ERR_MEMORY. */
mofka_status_t data_source_of(data_source_t *source, const char *text, size_t bytes,
                              mofka_data_view_t **view);
void data_source_close(data_source_t *source);

#endif
