/* SPDX-License-Identifier: BSD-3-Clause */
/* Callbacks of consumers that several suites use. */
#ifndef MOFKA_TESTS_CALLBACKS_H
#define MOFKA_TESTS_CALLBACKS_H

#include <mofka/mofka.h>

/* A data selector: all bytes of an event's data. */
static inline mofka_status_t select_all_data(void *context, const mofka_metadata_t *metadata,
                                             mofka_data_descriptor_t *full,
                                             mofka_data_descriptor_t **selected) {
    (void)context, (void)metadata;
    *selected = mofka_data_descriptor_retain(full);
    return MOFKA_OK;
}

#endif
