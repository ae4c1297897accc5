/* SPDX-License-Identifier: BSD-3-Clause */
/* The shapes that draft 7 demands of the values of keywords. */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_SERIALIZER_SCHEMA_VALUE_H
#define MOFKA_SRC_PLUGINS_SCHEMA_SERIALIZER_SCHEMA_VALUE_H

#include "plugins/schema_serializer/schema_tree.h"

typedef enum mfi_shape {
    MFI_SHAPE_STRING,
    MFI_SHAPE_DIALECT,
    MFI_SHAPE_BOOLEAN,
    MFI_SHAPE_ARRAY,
    MFI_SHAPE_NUMBER,
    MFI_SHAPE_POSITIVE,
    MFI_SHAPE_COUNT,
    MFI_SHAPE_NAMES,
    MFI_SHAPE_TYPE,
    /* The shapes below hold schemas. */
    MFI_SHAPE_SCHEMA,
    MFI_SHAPE_SCHEMAS,
    MFI_SHAPE_ITEMS,
    MFI_SHAPE_NAMED,
    MFI_SHAPE_DEPENDENCIES
} mfi_shape_t;

/* Check that the value at a token has a shape, which must not hold schemas. MOFKA_ERR_OPTION: it
 * does not; the message says where, and what is allowed. MOFKA_ERR_MEMORY. */
mofka_status_t mfi_shape_check(const mfi_tree_t *tree, uint32_t at, mfi_shape_t shape);

/* MOFKA_ERR_OPTION, with the message of mfi_shape_check, unless `is_good`. */
mofka_status_t mfi_shape_need(const mfi_tree_t *tree, bool is_good, uint32_t at, mfi_shape_t shape);

#endif
