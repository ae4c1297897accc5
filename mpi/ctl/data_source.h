/* Where the data of an event comes from: a string in its metadata, or a file. */
#ifndef MOFKA_MPI_CTL_DATA_SOURCE_H
#define MOFKA_MPI_CTL_DATA_SOURCE_H

#include "ctl.h"

typedef struct data_source {
    const char *pointer;     /* JSON pointer; NULL: none */
    mofka_data_view_t *file; /* every event's data; NULL: none */
} data_source_t;

/* Of --data-from: "/POINTER" or "file:PATH"; NULL: events have no data. False: told. */
bool data_source_open(data_source_t *source, const char *text);
/* The data of the event with this metadata. Give `*view`: release; NULL: none. False: `why` says. */
bool data_source_of(const data_source_t *source, const struct cJSON *metadata, const char *text,
                    size_t bytes, mofka_data_view_t **view, char *why, size_t why_bytes);
void data_source_close(data_source_t *source);

#endif
