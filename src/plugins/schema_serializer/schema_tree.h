/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A schema's JSON as a tree. A schema may be hostile and large, so a look-up takes O(log n).
 *
 * The text is first written again, without white space and with the shortest escapes. So equal
 * strings have equal bytes, and a name with its quotes and its colon is a range of the text.
 */
#ifndef MOFKA_SRC_PLUGINS_SCHEMA_SERIALIZER_SCHEMA_TREE_H
#define MOFKA_SRC_PLUGINS_SCHEMA_SERIALIZER_SCHEMA_TREE_H

#include <assert.h>
#include "plugins/tape/json_tape.h"

#define MFI_NONE UINT32_MAX

typedef struct mfi_tree {
    mfi_tape_t tape;
    /* By token, for arrays and objects: where its children begin in `children`. */
    uint32_t *first;
    /* Tokens: the items of an array, in their order; the names of an object's members, sorted. */
    uint32_t *children;
} mfi_tree_t;

/* Make the tree of `json`. Its text is written to `text` (initialised), which must outlive the
 * tree. MOFKA_ERR_OPTION: nested too deep, or an object has a duplicate name. Clear the tree after
 * a failure, too. */
mofka_status_t mfi_tree_init(mfi_tree_t *tree, mfi_bytes_t *text, const char *json);
/* Free what the tree holds, but not its text. */
void mfi_tree_clear(mfi_tree_t *tree);

static inline const mfi_token_t *mfi_tree_token(const mfi_tree_t *tree, uint32_t at) {
    assert(at < tree->tape.count);
    return &tree->tape.tokens[at];
}
static inline mfi_token_kind_t mfi_tree_kind(const mfi_tree_t *tree, uint32_t at) {
    return (mfi_token_kind_t)mfi_tree_token(tree, at)->kind;
}
static inline const uint32_t *mfi_tree_children(const mfi_tree_t *tree, uint32_t at) {
    return tree->children + tree->first[at];
}
/* Whether the token is this string, which must need no escapes. */
bool mfi_tree_is(const mfi_tree_t *tree, uint32_t at, const char *string);

/* The index among an object's children of the one with that name, which is escaped as in the text.
 * MFI_NONE: not an object, or it has no such name. */
uint32_t mfi_tree_find(const mfi_tree_t *tree, uint32_t object, const char *name, size_t bytes);
/* The token of the value with that name, which must need no escapes; or MFI_NONE. */
uint32_t mfi_tree_member(const mfi_tree_t *tree, uint32_t object, const char *name);
/* Compare the texts of two tokens, given by pointers to their indices: for qsort_r. */
int mfi_tree_order(const void *a, const void *b, void *tree);

/* Follow a reference from the value `from`. `fragment` is a string token: "#" and a JSON Pointer,
 * percent-encoded. `*to` is the token that it leads to, or MFI_NONE if it leads nowhere.
 * MOFKA_ERR_MEMORY. */
mofka_status_t mfi_tree_follow(const mfi_tree_t *tree, uint32_t from, uint32_t fragment,
                               uint32_t *to);

/* MOFKA_ERR_OPTION: the value at `at` is not `allowed`. The message has its place and its text. */
mofka_status_t mfi_tree_refuse(const mfi_tree_t *tree, uint32_t at, const char *allowed);

#endif
