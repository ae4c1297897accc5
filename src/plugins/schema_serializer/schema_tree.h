/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A schema's JSON as a tree that can be looked up fast, whatever its size: a serializer's schema comes
 * from a stranger, and every look-up in it takes O(log n).
 *
 * Its text is written anew first, without white space and with the shortest escapes. So equal strings
 * are equal bytes, and a name with its quotes and its colon is a part of the text.
 */
#ifndef MOFKA_SRC_SERIALIZERS_SCHEMA_TREE_H
#define MOFKA_SRC_SERIALIZERS_SCHEMA_TREE_H

#include "plugins/tape/json_tape.h"

#define MFI_NONE UINT32_MAX

typedef struct mfi_tree {
    mfi_tape_t tape;
    uint32_t *first; /* by token, of arrays and objects: where its children begin in `children` */
    /* Tokens: an array's items, in their order; the names of an object's members, sorted. */
    uint32_t *children;
} mfi_tree_t;

/* Of `json`; its new text goes to `text` (initialised), which must outlive the tree. MOFKA_ERR_OPTION:
 * nested too deep, a name given twice. Free it in any case. */
mofka_status_t mfi_tree_init(mfi_tree_t *tree, mfi_bytes_t *text, const char *json);
void mfi_tree_clear(mfi_tree_t *tree);

static inline const mfi_token_t *mfi_tree_token(const mfi_tree_t *tree, uint32_t at) {
    return &tree->tape.tokens[at];
}
static inline mfi_token_kind_t mfi_tree_kind(const mfi_tree_t *tree, uint32_t at) {
    return (mfi_token_kind_t)mfi_tree_token(tree, at)->kind;
}
static inline const uint32_t *mfi_tree_children(const mfi_tree_t *tree, uint32_t at) {
    return tree->children + tree->first[at];
}
/* Is the token this string (which needs no escapes)? */
bool mfi_tree_is(const mfi_tree_t *tree, uint32_t at, const char *string);

/* Which child of an object has that name, as the text has it between quotes; MFI_NONE: no object, or
 * no such name. */
uint32_t mfi_tree_find(const mfi_tree_t *tree, uint32_t object, const char *name, size_t bytes);
/* The value of that name (which needs no escapes), or MFI_NONE. */
uint32_t mfi_tree_member(const mfi_tree_t *tree, uint32_t object, const char *name);
/* Order tokens by their text: for mfi_token_t indices, through qsort_r with the tree. */
int mfi_tree_order(const void *a, const void *b, void *tree);

/* `*to`: where a string token that says "#" and a JSON Pointer, as a URI has it, leads from `from`;
 * MFI_NONE: nowhere. MOFKA_ERR_MEMORY. */
mofka_status_t mfi_tree_follow(const mfi_tree_t *tree, uint32_t from, uint32_t fragment,
                               uint32_t *to);

/* MOFKA_ERR_OPTION: the value at `at` must be something else; says where, what, and `allowed`. */
mofka_status_t mfi_tree_refuse(const mfi_tree_t *tree, uint32_t at, const char *allowed);

#endif
