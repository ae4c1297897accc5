/* SPDX-License-Identifier: BSD-3-Clause */
/* A JSON Pointer (RFC 6901), for the selectors that read a value of an event's metadata. */
#ifndef MOFKA_SRC_TYPES_SELECTORS_POINTER_H
#define MOFKA_SRC_TYPES_SELECTORS_POINTER_H

#include <mofka/limits.h>
#include "json/text.h"

typedef struct mfi_pointer_token {
    const char *text;
    size_t bytes;
    size_t index; /* the token read as an array index; SIZE_MAX if it is not one */
} mfi_pointer_token_t;

typedef struct mfi_pointer {
    char *text;      /* as the user wrote it */
    char *unescaped; /* the bytes of all tokens */
    mfi_pointer_token_t *tokens;
    size_t count;
    mfi_scratch_t scratch;
} mfi_pointer_t;

/* Read a pointer such as "" (the whole document) or "/a/0/b~1c". `what` begins each message.
 * MOFKA_ERR_OPTION: `text` is NULL or not a JSON Pointer. Clear the pointer after failure, too. */
mofka_status_t mfi_pointer_init(mfi_pointer_t *pointer, const char *what, const char *text);
/* Free what the pointer holds. */
void mfi_pointer_clear(mfi_pointer_t *pointer);

/* Find the value that the pointer names in an event's metadata. `*value` is a view of `metadata`,
 * or NULL if the event has no such value. MOFKA_ERR_JSON: the metadata is not JSON. */
mofka_status_t mfi_pointer_find(mfi_pointer_t *pointer, const char *metadata, size_t bytes,
                                const char **value);

#endif
