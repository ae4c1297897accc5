/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The subschemas of a schema. They are found, their keywords are checked as draft 7 demands, and
 * their local references are resolved: "#" and "#/...", within the resource that an "$id" begins.
 */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_SERIALIZER_SCHEMA_CHECK_H
#define MOFKA_SRC_PLUGINS_SCHEMA_SERIALIZER_SCHEMA_CHECK_H

#include "plugins/schema_serializer/schema_tree.h"

#define MFI_SUBSCHEMAS_MAX 16384 /* the limit of the validator "schema", too */

typedef struct mfi_subschema {
    uint32_t at;       /* its token */
    uint32_t resource; /* the token of the schema that "#" means here */
    /* The index of the subschema that applies: itself, or the last of a chain of "$ref". MFI_NONE
     * if that is in another document. */
    uint32_t target;
} mfi_subschema_t;

typedef struct mfi_schema {
    mfi_tree_t tree;
    mfi_subschema_t *subschemas; /* the first is the schema itself */
    uint32_t count;
    uint32_t *index_of; /* by token: the index of the subschema that begins there, or MFI_NONE */
} mfi_schema_t;

/* Read and check a schema. Its text is written to `text` (initialised), which must outlive the
 * schema. MOFKA_ERR_OPTION: not a schema; the message says where, and what is allowed there. Clear
 * the schema after a failure, too. */
mofka_status_t mfi_schema_init(mfi_schema_t *schema, mfi_bytes_t *text, const char *json);
/* Free what the schema holds, but not its text. */
void mfi_schema_clear(mfi_schema_t *schema);

#endif
