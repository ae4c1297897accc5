/* SPDX-License-Identifier: BSD-3-Clause */
/* What an event is: its text, its data, and what a selection takes of it, all by its number. */
#ifndef MOFKA_TESTS_HISTORY_CONTENT_H
#define MOFKA_TESTS_HISTORY_CONTENT_H

#include <mofka/mofka.h>
#include "history/plan/plan.h"

#define CONTENT_TEXT_BYTES 256
#define CONTENT_RANGES_MAX 3

typedef struct content {
    char text[CONTENT_TEXT_BYTES]; /* not JSON, if it is bad */
    size_t text_bytes;
    size_t data_bytes; /* more than a partition holds, if it is too large */
    uint64_t key;      /* its bytes follow from this */
} content_t;

content_t content_of(const plan_t *plan, unsigned source, unsigned number);
/* Its data, in up to three segments of own memory. NULL: it has none. Give: release. */
mofka_data_view_t *content_make_data(const content_t *content);

/* Selector and allocator; their context is a plan_session_t. */
mofka_status_t content_select(void *context, const mofka_metadata_t *metadata,
                              mofka_data_descriptor_t *full, mofka_data_descriptor_t **selected);
mofka_status_t content_allocate(void *context, const mofka_metadata_t *metadata,
                                mofka_data_descriptor_t *selected, mofka_data_view_t **view);

/* An event as it was delivered; views. */
typedef struct content_event {
    const char *text;
    size_t text_bytes, data_bytes, selected_bytes;
    const mofka_data_view_t *data;
} content_event_t;

/* The event is one of a source, with its bytes, as far as they were selected. Gives the source and
 * number if the text has them. NULL: all is right; else what is wrong. */
const char *content_check(const plan_t *plan, const plan_session_t *session,
                          const content_event_t *event, unsigned *source, unsigned *number);

#endif
