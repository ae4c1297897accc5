/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks the values of keywords that do not hold schemas, as draft 7 demands. */
#include "plugins/schema_serializer/schema_value.h"

#include <assert.h>
#include <stdlib.h>
#include "plugins/schema_draft/draft.h"

#define TYPES "\"array\", \"boolean\", \"integer\", \"null\", \"number\", \"object\" or \"string\""

static const char *const shape_allowed[] = {
    [MFI_SHAPE_STRING] = "a string",
    [MFI_SHAPE_DIALECT] = "\"http://json-schema.org/draft-07/schema#\"",
    [MFI_SHAPE_BOOLEAN] = "true or false",
    [MFI_SHAPE_ARRAY] = "an array",
    [MFI_SHAPE_NUMBER] = "a number",
    [MFI_SHAPE_POSITIVE] = "a number above 0",
    [MFI_SHAPE_COUNT] = "a whole number, 0 or more",
    [MFI_SHAPE_NAMES] = "an array of strings, each once",
    [MFI_SHAPE_TYPE] = TYPES ", or an array of some of them, each once",
    [MFI_SHAPE_SCHEMA] = "a schema: an object or a boolean",
    [MFI_SHAPE_SCHEMAS] = "an array of schemas, at least one",
    [MFI_SHAPE_ITEMS] = "a schema (an object or a boolean) or an array of schemas, at least one",
    [MFI_SHAPE_NAMED] = "an object of schemas",
    [MFI_SHAPE_DEPENDENCIES] = "an object of schemas and arrays of strings, each once",
};

mofka_status_t mfi_shape_need(const mfi_tree_t *tree, bool is_good, uint32_t at,
                              mfi_shape_t shape) {
    assert(shape < sizeof shape_allowed / sizeof *shape_allowed && shape_allowed[shape]);
    return is_good ? MOFKA_OK : mfi_tree_refuse(tree, at, shape_allowed[shape]);
}

/* Whether a number's text is above 0. It is not converted: a double does not hold every number. */
static bool number_is_positive(const char *text, size_t bytes) {
    for (size_t i = 0; text[0] != '-' && i < bytes && text[i] != 'e' && text[i] != 'E'; i++)
        if (text[i] >= '1' && text[i] <= '9')
            return true;
    return false;
}

/* Whether a number's text is a whole number: the exponent moves the point behind the last digit
 * that is not 0. */
static bool number_is_whole(const char *text, size_t bytes) {
    const int64_t far = INT64_C(1000000000000); /* no text has as many digits */
    int64_t zeros = 0, places = 0, exponent = 0;
    bool is_fraction = false, is_zero = true;
    size_t i = text[0] == '-';
    for (; i < bytes && text[i] != 'e' && text[i] != 'E'; i++) {
        if (text[i] == '.') {
            is_fraction = true;
            continue;
        }
        zeros = text[i] == '0' ? zeros + 1 : 0;
        is_zero = is_zero && text[i] == '0';
        places += is_fraction;
    }
    bool is_inverse = i + 1 < bytes && text[i + 1] == '-';
    for (; i < bytes; i++)
        if (text[i] >= '0' && text[i] <= '9' && exponent < far)
            exponent = exponent * 10 + (text[i] - '0');
    return is_zero || zeros - places + (is_inverse ? -exponent : exponent) >= 0;
}

static mofka_status_t shape_check_number(const mfi_tree_t *tree, uint32_t at, mfi_shape_t shape) {
    const mfi_token_t *token = mfi_tree_token(tree, at);
    const char *text = tree->tape.text + token->at;
    bool is_good = token->kind == MFI_TOKEN_NUMBER;
    if (is_good && shape == MFI_SHAPE_POSITIVE)
        is_good = number_is_positive(text, token->bytes);
    if (is_good && shape == MFI_SHAPE_COUNT)
        is_good = number_is_whole(text, token->bytes) &&
                  (text[0] != '-' || !number_is_positive(text + 1, token->bytes - 1));
    return mfi_shape_need(tree, is_good, at, shape);
}

static mofka_status_t shape_check_names(const mfi_tree_t *tree, uint32_t at) {
    uint32_t count = mfi_tree_token(tree, at)->count;
    if (mfi_tree_kind(tree, at) != MFI_TOKEN_ARRAY)
        return mfi_shape_need(tree, false, at, MFI_SHAPE_NAMES);
    assert(mfi_tree_kind(tree, at) == MFI_TOKEN_ARRAY);
    uint32_t *names = calloc(count + 1, sizeof *names);
    if (!names)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a schema");
    memcpy(names, mfi_tree_children(tree, at), count * sizeof *names);
    mofka_status_t status = MOFKA_OK;
    for (uint32_t i = 0; i < count && !status; i++)
        status = mfi_shape_need(tree, mfi_tree_kind(tree, names[i]) == MFI_TOKEN_STRING, names[i],
                                MFI_SHAPE_NAMES);
    if (!status)
        qsort_r(names, count, sizeof *names, mfi_tree_order, (void *)(uintptr_t)tree);
    for (uint32_t i = 1; i < count && !status; i++)
        status =
            mfi_shape_need(tree, mfi_tree_order(&names[i - 1], &names[i], (void *)(uintptr_t)tree),
                           names[i], MFI_SHAPE_NAMES);
    free(names);
    return status;
}

static mofka_status_t shape_check_type(const mfi_tree_t *tree, uint32_t at) {
    static const char *const types[] = {"array",  "boolean", "integer", "null",
                                        "number", "object",  "string"};
    const uint32_t *items = &at;
    uint32_t count = 1;
    if (mfi_tree_kind(tree, at) == MFI_TOKEN_ARRAY) {
        items = mfi_tree_children(tree, at);
        count = mfi_tree_token(tree, at)->count;
    }
    unsigned seen = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t type = 0;
        while (type < 7 && !mfi_tree_is(tree, items[i], types[type]))
            type++;
        if (type == 7 || seen >> type & 1)
            return mfi_tree_refuse(tree, items[i], shape_allowed[MFI_SHAPE_TYPE]);
        seen |= 1U << type;
    }
    return mfi_shape_need(tree, count > 0, at, MFI_SHAPE_TYPE);
}

static mofka_status_t shape_check_dialect(const mfi_tree_t *tree, uint32_t at) {
    const mfi_token_t *token = mfi_tree_token(tree, at);
    bool is_known =
        token->kind == MFI_TOKEN_STRING &&
        mfi_draft_is_known("schema serializer", tree->tape.text + token->at, token->bytes);
    return mfi_shape_need(tree, is_known, at, MFI_SHAPE_DIALECT);
}

mofka_status_t mfi_shape_check(const mfi_tree_t *tree, uint32_t at, mfi_shape_t shape) {
    mfi_token_kind_t kind = mfi_tree_kind(tree, at);
    switch (shape) {
    case MFI_SHAPE_STRING:
        return mfi_shape_need(tree, kind == MFI_TOKEN_STRING, at, shape);
    case MFI_SHAPE_DIALECT:
        return shape_check_dialect(tree, at);
    case MFI_SHAPE_BOOLEAN:
        return mfi_shape_need(tree, kind == MFI_TOKEN_TRUE || kind == MFI_TOKEN_FALSE, at, shape);
    case MFI_SHAPE_ARRAY:
        return mfi_shape_need(tree, kind == MFI_TOKEN_ARRAY, at, shape);
    case MFI_SHAPE_NUMBER:
    case MFI_SHAPE_POSITIVE:
    case MFI_SHAPE_COUNT:
        return shape_check_number(tree, at, shape);
    case MFI_SHAPE_NAMES:
        return shape_check_names(tree, at);
    case MFI_SHAPE_TYPE:
        return shape_check_type(tree, at);
    default:
        assert(false && "a shape that holds schemas");
        return MOFKA_ERR_INVALID;
    }
}
