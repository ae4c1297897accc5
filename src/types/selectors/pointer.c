/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads JSON Pointers (RFC 6901), and finds the value that one names. */
#include "types/selectors/pointer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/text/message.h"

void mfi_pointer_clear(mfi_pointer_t *pointer) {
    free(pointer->text);
    free(pointer->unescaped);
    free(pointer->tokens);
    free(pointer->scratch.bytes);
    *pointer = (mfi_pointer_t){0};
}

/* The number that decimal digits without a leading zero say; SIZE_MAX for anything else. */
static size_t pointer_read_index(const char *text, size_t bytes) {
    size_t index = 0;
    if (bytes == 0 || bytes > 18 || (text[0] == '0' && bytes > 1))
        return SIZE_MAX;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9')
            return SIZE_MAX;
        index = index * 10 + (size_t)(text[i] - '0');
    }
    return index;
}

/* Unescape one token, from the byte after its slash to `end`. False: an invalid escape. */
static bool pointer_read_token(const char *from, const char *end, char *unescaped,
                               mfi_pointer_token_t *token) {
    char *to = unescaped;
    for (; from < end; from++) {
        if (*from == '~' && from[1] != '0' && from[1] != '1')
            return false;
        *to++ = *from != '~' ? *from : *++from == '0' ? '~' : '/';
    }
    token->text = unescaped;
    token->bytes = (size_t)(to - unescaped);
    token->index = pointer_read_index(unescaped, token->bytes);
    assert(token->index == SIZE_MAX || token->bytes <= 18);
    return true;
}

/* Read all tokens of `text`, which is empty or begins with a slash. */
static bool pointer_read_tokens(mfi_pointer_t *pointer, const char *text) {
    for (const char *from = text; *from;) {
        assert(*from == '/');
        const char *end = strchrnul(from + 1, '/');
        if (!pointer_read_token(from + 1, end, pointer->unescaped + (from - text),
                                &pointer->tokens[pointer->count++]))
            return false;
        from = end;
    }
    return true;
}

mofka_status_t mfi_pointer_init(mfi_pointer_t *pointer, const char *what, const char *text) {
    *pointer = (mfi_pointer_t){0};
    if (!text)
        return mofka_fail(MOFKA_ERR_OPTION, "%s: option \"pointer\" is missing", what);
    if (*text && *text != '/')
        return mofka_fail(MOFKA_ERR_OPTION,
                          "%s: option \"pointer\" must be empty or begin with '/', not '%.*s'",
                          what, MFI_QUOTE(text, strlen(text), 100));
    size_t bytes = strlen(text), count = 0;
    for (size_t i = 0; i < bytes; i++)
        count += text[i] == '/';
    pointer->text = strdup(text);
    pointer->unescaped = malloc(bytes + 1);
    pointer->tokens = calloc(count + 1, sizeof(mfi_pointer_token_t));
    if (!pointer->text || !pointer->unescaped || !pointer->tokens)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a JSON Pointer");
    return pointer_read_tokens(pointer, text)
               ? MOFKA_OK
               : mofka_fail(MOFKA_ERR_OPTION,
                            "%s: option \"pointer\": a '~' in '%.*s' is neither ~0 nor ~1", what,
                            MFI_QUOTE(text, bytes, 100));
}

static const char *pointer_find_element(const char *array, const char *limit, size_t index) {
    assert(*array == '[');
    mfi_json_walk_t walk = mfi_json_walk(array, limit);
    for (size_t i = 0; mfi_json_next(&walk); i++)
        if (i == index)
            return walk.value;
    return NULL;
}

mofka_status_t mfi_pointer_find(mfi_pointer_t *pointer, const char *metadata, size_t bytes,
                                const char **value) {
    assert(pointer->tokens && pointer->unescaped);
    const char *limit = metadata + bytes;
    mofka_status_t status = mfi_json_check("the event", metadata, bytes);
    const char *at = status ? NULL : mfi_json_begin(metadata);
    for (size_t i = 0; !status && at && i < pointer->count; i++) {
        const mfi_pointer_token_t *token = &pointer->tokens[i];
        if (*at == '{')
            status = mfi_json_member(at, limit, token->text, token->bytes, &pointer->scratch, &at);
        else
            at = *at == '[' && token->index != SIZE_MAX
                     ? pointer_find_element(at, limit, token->index)
                     : NULL;
    }
    *value = at;
    return status;
}
