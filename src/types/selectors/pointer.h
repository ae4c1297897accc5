/* SPDX-License-Identifier: BSD-3-Clause */
/* What the selectors that look into metadata share: a JSON Pointer (RFC 6901). */
#ifndef MOFKA_SRC_SELECTORS_POINTER_H
#define MOFKA_SRC_SELECTORS_POINTER_H

#include <mofka/limits.h>
#include "json/text.h"

typedef struct mfi_pointer_token {
    const char *text;
    size_t bytes;
    size_t index; /* as an array's index; SIZE_MAX: it is none */
} mfi_pointer_token_t;

typedef struct mfi_pointer {
    char *text; /* as it was given */
    char *said; /* the tokens, unescaped */
    mfi_pointer_token_t *tokens;
    size_t count;
    mfi_scratch_t scratch;
} mfi_pointer_t;

/* Of "" (the whole) or "/a/0/b~1c". MOFKA_ERR_OPTION: it is NULL, or no pointer; `what` begins the
 * message. Clear it in any case. */
mofka_status_t mfi_pointer_init(mfi_pointer_t *pointer, const char *what, const char *text);
void mfi_pointer_clear(mfi_pointer_t *pointer);

/* The value that it names in an event's metadata, or NULL: nothing is there. MOFKA_ERR_JSON: the
 * metadata is none. */
mofka_status_t mfi_pointer_find(mfi_pointer_t *pointer, const char *metadata, size_t bytes,
                                const char **value);

#endif
