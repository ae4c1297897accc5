/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The subschemas of a schema: found, checked by what draft 7 says of its keywords, and their local
 * references followed ("#", and "#/..." within a resource, which "$id" begins).
 */
#ifndef MOFKA_SRC_SERIALIZERS_SCHEMA_CHECK_H
#define MOFKA_SRC_SERIALIZERS_SCHEMA_CHECK_H

#include "plugins/schema_serializer/schema_tree.h"

#define MFI_SUBSCHEMAS_MAX 16384 /* as the validator "schema" */

typedef struct mfi_subschema {
    uint32_t at;       /* token */
    uint32_t resource; /* token of the schema that "#" means here */
    uint32_t target;   /* index of the subschema that is meant: itself, or the end of its "$ref"s;
                        * MFI_NONE: that is elsewhere */
} mfi_subschema_t;

typedef struct mfi_schema {
    mfi_tree_t tree;
    mfi_subschema_t *subschemas; /* the first is the schema itself */
    uint32_t count;
    uint32_t *index_of; /* by token: of the subschema that begins there, or MFI_NONE */
} mfi_schema_t;

/* Of `json`; its text goes to `text` (initialised), which must outlive the schema. MOFKA_ERR_OPTION:
 * where it is no schema, and what is allowed there. Free it in any case. */
mofka_status_t mfi_schema_init(mfi_schema_t *schema, mfi_bytes_t *text, const char *json);
void mfi_schema_clear(mfi_schema_t *schema);

#endif
