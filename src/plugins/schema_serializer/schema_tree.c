/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes the tree of a schema, finds values in it by name or JSON Pointer, and prints their
 * place. */
#include "plugins/schema_serializer/schema_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include "plugins/cbor/cbor_text.h"

#define WHAT "schema serializer: option \"schema\""
#define PATH_BYTES 320
#define EXCERPT_BYTES 80

/* ---- making --------------------------------------------------------------------------------- */

/* Write the schema's text as the serializer "cbor" would read it back. */
static mofka_status_t tree_write_text(const char *json, mfi_bytes_t *text) {
    mfi_tape_t tape;
    mfi_bytes_t items;
    mfi_bytes_init(&items);
    mofka_status_t status = mfi_tape_parse(&tape, WHAT, json, strlen(json));
    if (!status) {
        mfi_cbor_write(&items, &tape, 0);
        status = items.status;
    }
    mfi_reader_t reader = {.data = (const unsigned char *)items.data, .size = items.used};
    if (!status)
        status = mfi_cbor_read(text, &reader, 0, false);
    mfi_bytes_clear(&items);
    mfi_tape_clear(&tape);
    return status == MOFKA_ERR_JSON ? mofka_fail(MOFKA_ERR_OPTION, "%s", mofka_last_error())
                                    : status;
}

static int tree_compare(const mfi_tree_t *tree, const char *name, size_t bytes, uint32_t at) {
    const mfi_token_t *token = mfi_tree_token(tree, at);
    int order =
        memcmp(name, tree->tape.text + token->at, bytes < token->bytes ? bytes : token->bytes);
    return order ? order : (bytes > token->bytes) - (bytes < token->bytes);
}

int mfi_tree_order(const void *a, const void *b, void *context) {
    const mfi_tree_t *tree = context;
    const mfi_token_t *token = mfi_tree_token(tree, *(const uint32_t *)a);
    return tree_compare(tree, tree->tape.text + token->at, token->bytes, *(const uint32_t *)b);
}

static mofka_status_t tree_sort_names(mfi_tree_t *tree, uint32_t object) {
    uint32_t *names = tree->children + tree->first[object];
    uint32_t count = mfi_tree_token(tree, object)->count;
    qsort_r(names, count, sizeof *names, mfi_tree_order, tree);
    for (uint32_t i = 1; i < count; i++)
        if (mfi_tree_order(&names[i - 1], &names[i], tree) == 0)
            return mfi_tree_refuse(tree, names[i] + 1, "the only value of its name");
    return MOFKA_OK;
}

static mofka_status_t tree_index_children(mfi_tree_t *tree) {
    uint32_t used = 0;
    mofka_status_t status = MOFKA_OK;
    for (uint32_t i = 0; i < tree->tape.count && !status; i++) {
        const mfi_token_t *parent = mfi_tree_token(tree, i);
        bool is_object = parent->kind == MFI_TOKEN_OBJECT;
        tree->first[i] = used;
        for (uint32_t at = i + 1; at < parent->next;
             at = mfi_tree_token(tree, at + is_object)->next)
            tree->children[used++] = at;
        if (is_object)
            status = tree_sort_names(tree, i);
    }
    assert(used < tree->tape.count || status);
    return status;
}

mofka_status_t mfi_tree_init(mfi_tree_t *tree, mfi_bytes_t *text, const char *json) {
    *tree = (mfi_tree_t){.first = NULL};
    mofka_status_t status = tree_write_text(json, text);
    if (!status)
        status = mfi_tape_parse(&tree->tape, WHAT, text->data, text->used);
    if (status)
        return status;
    tree->first = calloc(tree->tape.count, sizeof *tree->first);
    tree->children = calloc(tree->tape.count, sizeof *tree->children);
    return tree->first && tree->children ? tree_index_children(tree)
                                         : mofka_fail(MOFKA_ERR_MEMORY, "no memory for a schema");
}

void mfi_tree_clear(mfi_tree_t *tree) {
    mfi_tape_clear(&tree->tape);
    free(tree->first);
    free(tree->children);
}

/* ---- looking up ----------------------------------------------------------------------------- */

bool mfi_tree_is(const mfi_tree_t *tree, uint32_t at, const char *string) {
    return mfi_tree_token(tree, at)->kind == MFI_TOKEN_STRING &&
           tree_compare(tree, string, strlen(string), at) == 0;
}

uint32_t mfi_tree_find(const mfi_tree_t *tree, uint32_t object, const char *name, size_t bytes) {
    const mfi_token_t *token = mfi_tree_token(tree, object);
    const uint32_t *names = mfi_tree_children(tree, object);
    uint32_t low = 0, high = token->kind == MFI_TOKEN_OBJECT ? token->count : 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = tree_compare(tree, name, bytes, names[middle]);
        if (order == 0)
            return middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return MFI_NONE;
}

uint32_t mfi_tree_member(const mfi_tree_t *tree, uint32_t object, const char *name) {
    uint32_t child = mfi_tree_find(tree, object, name, strlen(name));
    return child == MFI_NONE ? MFI_NONE : mfi_tree_children(tree, object)[child] + 1;
}

/* ---- pointers ------------------------------------------------------------------------------- */

static int tree_read_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decode percent-encoded bytes in place. Invalid codes stay as they are. */
static size_t tree_decode_percent(char *text, size_t bytes) {
    size_t used = 0;
    for (size_t i = 0; i < bytes; i++) {
        int high = text[i] == '%' && i + 2 < bytes ? tree_read_digit(text[i + 1]) : -1;
        int low = high >= 0 ? tree_read_digit(text[i + 2]) : -1;
        text[used++] = low >= 0 ? (char)(high * 16 + low) : text[i];
        i += low >= 0 ? 2 : 0;
    }
    return used;
}

/* The item of an array whose index the digits say, without a leading zero; or MFI_NONE. */
static uint32_t tree_find_item(const mfi_tree_t *tree, uint32_t array, const char *digits,
                               size_t bytes) {
    uint64_t index = 0;
    assert(mfi_tree_kind(tree, array) == MFI_TOKEN_ARRAY);
    if (bytes == 0 || bytes > 9 || (digits[0] == '0' && bytes > 1))
        return MFI_NONE;
    for (size_t i = 0; i < bytes; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return MFI_NONE;
        index = index * 10 + (uint64_t)(digits[i] - '0');
    }
    return index < mfi_tree_token(tree, array)->count ? mfi_tree_children(tree, array)[index]
                                                      : MFI_NONE;
}

/* Follow one token of a JSON Pointer, which may have the escapes ~0 and ~1. */
static mofka_status_t tree_step(const mfi_tree_t *tree, uint32_t from, const char *token,
                                size_t bytes, uint32_t *to) {
    mfi_bytes_t name, quoted;
    mfi_bytes_init(&name);
    mfi_bytes_init(&quoted);
    for (size_t i = 0; i < bytes; i++) {
        bool is_escape = token[i] == '~' && i + 1 < bytes && (token[i + 1] | 1) == '1';
        mfi_bytes_put_char(&name, !is_escape ? token[i] : token[i + 1] == '0' ? '~' : '/');
        i += is_escape;
    }
    mfi_bytes_put_quoted(&quoted, name.data, name.used);
    mofka_status_t status = name.status ? name.status : quoted.status;
    if (!status && mfi_tree_token(tree, from)->kind == MFI_TOKEN_ARRAY) {
        *to = tree_find_item(tree, from, name.data, name.used);
    } else if (!status) {
        uint32_t child = mfi_tree_find(tree, from, quoted.data + 1, quoted.used - 2);
        *to = child == MFI_NONE ? MFI_NONE : mfi_tree_children(tree, from)[child] + 1;
    }
    mfi_bytes_clear(&name);
    mfi_bytes_clear(&quoted);
    return status;
}

mofka_status_t mfi_tree_follow(const mfi_tree_t *tree, uint32_t from, uint32_t fragment,
                               uint32_t *to) {
    assert(mfi_tree_kind(tree, fragment) == MFI_TOKEN_STRING);
    mfi_bytes_t unescaped, pointer;
    size_t bytes;
    mfi_bytes_init(&unescaped);
    mfi_bytes_init(&pointer);
    const char *utf8 =
        mfi_token_utf8(&tree->tape, mfi_tree_token(tree, fragment), &unescaped, &bytes);
    mfi_bytes_put(&pointer, utf8 + 1, bytes - 1); /* without its '#' */
    mofka_status_t status = unescaped.status ? unescaped.status : pointer.status;
    char *at = pointer.data, *end = at + (status ? 0 : tree_decode_percent(at, pointer.used));
    for (*to = from; !status && *to != MFI_NONE && at < end;) {
        char *slash = memchr(at + 1, '/', (size_t)(end - at - 1));
        char *stop = slash ? slash : end;
        if (*at == '/')
            status = tree_step(tree, *to, at + 1, (size_t)(stop - at - 1), to);
        else
            *to = MFI_NONE;
        at = stop;
    }
    mfi_bytes_clear(&unescaped);
    mfi_bytes_clear(&pointer);
    return status;
}

/* ---- messages ------------------------------------------------------------------------------- */

static bool tree_is_inside_character(char c) {
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Print a JSON Pointer to the value at `target`, with names as in the text. A long one is cut
 * off. */
static void tree_print_path(const mfi_tree_t *tree, uint32_t target, char path[PATH_BYTES]) {
    size_t used = 0;
    path[0] = '\0';
    for (uint32_t at = 0; at < target && used < PATH_BYTES - 1;) {
        bool is_object = mfi_tree_token(tree, at)->kind == MFI_TOKEN_OBJECT;
        uint32_t child = at + 1, index = 0;
        for (; mfi_tree_token(tree, child + is_object)->next <= target; index++)
            child = mfi_tree_token(tree, child + is_object)->next;
        path[used++] = '/';
        char digits[16];
        int digit_count = snprintf(digits, sizeof digits, "%u", index);
        const mfi_token_t *name = mfi_tree_token(tree, child);
        const char *step_text = is_object ? tree->tape.text + name->at : digits;
        size_t bytes = is_object ? (size_t)name->bytes : (size_t)digit_count;
        size_t i = 0;
        for (; i < bytes && used < PATH_BYTES - 2; i++) {
            bool is_escaped = step_text[i] == '~' || step_text[i] == '/';
            path[used++] = is_escaped ? '~' : step_text[i];
            if (is_escaped)
                path[used++] = step_text[i] == '~' ? '0' : '1';
        }
        for (; i < bytes && tree_is_inside_character(step_text[i]); i--)
            used--; /* it is cut off before a whole character */
        path[used] = '\0';
        at = child + is_object;
    }
}

mofka_status_t mfi_tree_refuse(const mfi_tree_t *tree, uint32_t at, const char *allowed) {
    char path[PATH_BYTES];
    const mfi_token_t *token = mfi_tree_token(tree, at);
    uint32_t quote = token->kind == MFI_TOKEN_STRING, bytes = token->bytes + 2 * quote;
    const char *text = tree->tape.text + token->at - quote;
    size_t shown = bytes < EXCERPT_BYTES ? bytes : EXCERPT_BYTES;
    while (shown < bytes && tree_is_inside_character(text[shown]))
        shown--;
    tree_print_path(tree, at, path);
    return mofka_fail(MOFKA_ERR_OPTION, "%s: at '%s': must be %s, not %.*s", WHAT, path, allowed,
                      (int)shown, text);
}
