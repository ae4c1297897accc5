/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the data of an event comes from: a string in its metadata, or a file. */
#ifndef MOFKA_MPI_CTL_IN_DATA_SOURCE_H
#define MOFKA_MPI_CTL_IN_DATA_SOURCE_H

#include <mofka/mofka.h>
#include "json/text.h"

typedef struct data_source {
    const char *pointer;     /* the JSON pointer, borrowed; NULL: none */
    char *token;             /* room for one name of the pointer */
    mfi_scratch_t scratch;   /* memory for strings with escapes */
    mofka_data_view_t *file; /* the data of every event; NULL: none */
} data_source_t;

/* Check the text of --data-from: "/POINTER", "file:PATH", or NULL: events have no data. False: a
 * message was printed. */
bool data_source_check(const char *text);
/* Open the source of a checked text. False: a message was printed. */
bool data_source_open(data_source_t *source, const char *text);
/* Make the data of the event with this metadata. With a pointer, mfi_json_check must have accepted
 * the metadata. Give `*view`: release; NULL: no data. MOFKA_ERR_REFUSED: the metadata has no such
 * string. MOFKA_ERR_MEMORY. */
mofka_status_t data_source_of(data_source_t *source, const char *text, size_t bytes,
                              mofka_data_view_t **view);
void data_source_close(data_source_t *source);

#endif
