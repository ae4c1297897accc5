/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON read in place: a checker, and a walk over checked text. No tree is built.
 *
 * A tree of cJSON loses the digits of a number, a zero byte in a string, and a key given twice.
 * This reader keeps them. All functions but mfi_json_check need text that mfi_json_check accepted;
 * `limit` is the end of that text.
 */
#ifndef MOFKA_SRC_JSON_TEXT_H
#define MOFKA_SRC_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/status.h>

/* Check that the text is one JSON value (RFC 8259, UTF-8, surrogates in pairs) with white space
 * around it, and at most MOFKA_JSON_TEXT_DEPTH_MAX nested containers. MOFKA_ERR_JSON: the message
 * begins with `what` and has the fault and its byte. */
mofka_status_t mfi_json_check(const char *what, const char *text, size_t bytes);

/* The first byte of the text's value: white space is skipped. */
const char *mfi_json_begin(const char *text);
/* One past a value's last byte. */
const char *mfi_json_end(const char *value, const char *limit);

static inline bool mfi_json_is_number(const char *value) {
    return *value == '-' || (*value >= '0' && *value <= '9');
}

/* A walk over the members of an object or the elements of an array. */
typedef struct mfi_json_walk {
    const char *at, *limit;
    bool object;
    const char *key;         /* its opening quote; objects only */
    const char *value, *end; /* the value and one past it */
} mfi_json_walk_t;

/* Begin a walk: `while (mfi_json_next(&walk))`. */
mfi_json_walk_t mfi_json_walk(const char *container, const char *limit);
/* Go to the next member or element. False: there are no more. */
bool mfi_json_next(mfi_json_walk_t *walk);

/* Memory for strings that have escapes. It grows and is reused; its owner frees `bytes`. */
typedef struct mfi_scratch {
    char *bytes;
    size_t room;
} mfi_scratch_t;

/* The bytes that a string means; `string` is at its opening quote. A view: of `scratch` if the
 * string has escapes, else of the text. NULL: no memory. */
const char *mfi_json_string(const char *string, const char *limit, mfi_scratch_t *scratch,
                            size_t *bytes);

/* Whether a value is a string with a zero byte, which would cut a C string. */
bool mfi_json_has_zero(const char *value, const char *limit);

/* Find the value of an object's first member of that key; `*value` is NULL if it has none.
 * MOFKA_ERR_MEMORY. */
mofka_status_t mfi_json_member(const char *object, const char *limit, const char *key, size_t bytes,
                               mfi_scratch_t *scratch, const char **value);

/* Make room for that many bytes. False: no memory. */
bool mfi_scratch_grow(mfi_scratch_t *scratch, size_t bytes);

/* Read the exponent after e or E, up to `end`. Beyond +-1e12 the result is not exact, but beyond
 * it, too. */
int64_t mfi_json_exponent(const char *at, const char *end);

/* Make a key of a number within +-5e9: a whole number, ordered as the numbers are. It is twice the
 * number's millionths, and one more (away from zero) if digits follow the sixth. False: the number
 * is not in that range. */
bool mfi_json_number_key(const char *number, size_t bytes, int64_t *key);

#endif
