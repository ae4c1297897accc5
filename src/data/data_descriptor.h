/* SPDX-License-Identifier: BSD-3-Clause */
/* What the core does with data descriptors beyond their public functions. */
#ifndef MOFKA_SRC_DATA_DATA_DESCRIPTOR_H
#define MOFKA_SRC_DATA_DATA_DESCRIPTOR_H

#include <stdbool.h>
#include <mofka/data_descriptor.h>
#include <mofka/data_view.h>

/* Make a descriptor describe other data, if the caller is its only user and it has no selection.
 * False: it is unchanged; create another. */
bool mfi_data_descriptor_reuse(mofka_data_descriptor_t *descriptor, const void *location,
                               size_t location_bytes, size_t size);

#endif
