/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON read where it lies: a checker, and a walk over checked text. No tree, no allocation.
 *
 * For what must not lose what a tree of cJSON loses: the digits of a number, a zero byte in a
 * string, a key given twice. All but mfi_json_check want text that it accepted, and a `limit`: the
 * end of that text.
 */
#ifndef MOFKA_SRC_JSON_TEXT_H
#define MOFKA_SRC_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/status.h>

/* As deep as cJSON reads: what one of them accepts, the other does. */
#define MFI_JSON_DEPTH_MAX 1000

/* The text is one JSON value (RFC 8259, UTF-8, surrogates in pairs) and white space around it.
 * MOFKA_ERR_JSON: what is wrong, at which byte; `what` begins the message. */
mofka_status_t mfi_json_check(const char *what, const char *text, size_t bytes);

/* One past the character of UTF-8 at `at`, which is before `end`. NULL: there is none (an overlong form,
 * a surrogate, above U+10FFFF). */
const char *mfi_utf8_next(const char *at, const char *end);

/* Whether that character is a control character: C0, DEL or C1. */
static inline bool mfi_utf8_is_control(const char *at) {
    const unsigned char *p = (const unsigned char *)at;
    return p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);
}

/* The first byte of the value in checked text. */
const char *mfi_json_begin(const char *text);
/* One past a value's last byte. */
const char *mfi_json_end(const char *value, const char *limit);

static inline bool mfi_json_is_number(const char *value) {
    return *value == '-' || (*value >= '0' && *value <= '9');
}

/* Members of an object, elements of an array: `while (mfi_json_next(&walk))`. */
typedef struct mfi_json_walk {
    const char *at, *limit;
    bool object;
    const char *key;         /* its opening quote; objects only */
    const char *value, *end; /* the value and one past it */
} mfi_json_walk_t;

mfi_json_walk_t mfi_json_walk(const char *container, const char *limit);
bool mfi_json_next(mfi_json_walk_t *walk);

/* Memory for strings that have escapes: grows, is used again, is freed by its owner. */
typedef struct mfi_scratch {
    char *bytes;
    size_t room;
} mfi_scratch_t;

/* What a string (at its opening quote) says: a view of the text, or of `scratch` where there are
 * escapes. NULL: no memory. */
const char *mfi_json_string(const char *string, const char *limit, mfi_scratch_t *scratch,
                            size_t *bytes);

/* Whether a value is a string with a zero byte: where a C string of it would be cut. Without memory for
 * looking it is taken for one. */
bool mfi_json_has_zero(const char *value, const char *limit, mfi_scratch_t *scratch);

/* The value of an object's first member of that key; `*value` is NULL where it has none.
 * MOFKA_ERR_MEMORY. */
mofka_status_t mfi_json_member(const char *object, const char *limit, const char *key, size_t bytes,
                               mfi_scratch_t *scratch, const char **value);

/* Room for that many bytes. False: no memory. */
bool mfi_scratch_grow(mfi_scratch_t *scratch, size_t bytes);

/* The exponent behind e or E, up to `end`; far beyond what counts, any number will do. */
int64_t mfi_json_exponent(const char *at, const char *end);

/* A number within +-5e9 as a whole number that orders as the numbers do: twice its millionths, and
 * one more (away from zero) where digits follow the sixth. False: not in that range. */
bool mfi_json_number_key(const char *number, size_t bytes, int64_t *key);

#endif
