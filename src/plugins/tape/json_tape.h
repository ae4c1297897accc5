/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON text as a row of tokens: every value once, in the text's order, names before their values.
 *
 * Nothing is converted: a number stays its text, a string its text between the quotes. So whatever
 * the text says can be kept: big numbers, names given twice, \u0000, the order of names.
 */
#ifndef MOFKA_SRC_SERIALIZERS_JSON_TAPE_H
#define MOFKA_SRC_SERIALIZERS_JSON_TAPE_H

#include "plugins/tape/bytes.h"

typedef enum mfi_token_kind {
    MFI_TOKEN_NULL,
    MFI_TOKEN_FALSE,
    MFI_TOKEN_TRUE,
    MFI_TOKEN_NUMBER,
    MFI_TOKEN_STRING,
    MFI_TOKEN_ARRAY,
    MFI_TOKEN_OBJECT
} mfi_token_kind_t;

typedef struct mfi_token {
    uint32_t at, bytes; /* its text, all of it; of a string, what is between the quotes */
    uint32_t next;      /* index of the token after it and all that is in it */
    uint32_t count;     /* array: items; object: members, two tokens each */
    uint8_t kind;
    bool has_escapes; /* string: it has a backslash */
    bool is_lone;     /* string: half a surrogate pair is in it, which UTF-8 cannot say */
} mfi_token_t;

typedef struct mfi_tape {
    const char *text;
    mfi_token_t *tokens; /* `small`, or malloc */
    uint32_t count, room;
    mfi_token_t small[64];
} mfi_tape_t;

/* Parse exactly `bytes` bytes (borrowed by the tape); `what` they are begins messages.
 * MOFKA_ERR_JSON: what is wrong, and where: no JSON, nested deeper than MOFKA_JSON_DEPTH_MAX, invalid
 * UTF-8. MOFKA_ERR_TOO_LARGE: above MOFKA_METADATA_BYTES_MAX. Free it in any case. */
mofka_status_t mfi_tape_parse(mfi_tape_t *tape, const char *what, const char *text, size_t bytes);
void mfi_tape_clear(mfi_tape_t *tape);

/* How a serializer writes all tokens (with its `self`). */
typedef void (*mfi_write_fn)(const void *self, mfi_bytes_t *out, const mfi_tape_t *tape);

/* What a serialize of tokens does around that: tokens of metadata, bytes into the archive. */
mofka_status_t mfi_archive_store(mfi_write_fn write, const void *self,
                                 const mofka_archive_t *archive, const char *metadata,
                                 size_t metadata_bytes);

/* The UTF-8 of a string token that is not lone. View: the tape's text, or `into` (initialised). */
const char *mfi_token_utf8(const mfi_tape_t *tape, const mfi_token_t *token, mfi_bytes_t *into,
                           size_t *bytes);

/* The character that "\\uXXXX", or a pair of them, at `text` means; *used: bytes of it. Half a pair is
 * itself. -1: not such an escape. */
int mfi_escape_unit(const char *text, size_t bytes, size_t *used);
/* Bytes of the character at `text`; 0: not UTF-8. */
size_t mfi_utf8_length(const unsigned char *text, size_t bytes);
bool mfi_utf8_is_valid(const char *text, size_t bytes);
/* Write it as a JSON string. */
void mfi_bytes_put_quoted(mfi_bytes_t *out, const char *utf8, size_t bytes);

/* A number of at most 64 bits, written without exponent: magnitude / 10^fraction_digits. */
typedef struct mfi_number {
    uint64_t magnitude;
    unsigned fraction_digits; /* at most MFI_FRACTION_DIGITS_MAX; 0: no point */
    bool is_negative;         /* never with magnitude 0 */
} mfi_number_t;
#define MFI_FRACTION_DIGITS_MAX 30

/* Is the number's text such that mfi_bytes_put_number writes it again, byte for byte? */
bool mfi_number_read(const char *text, size_t bytes, mfi_number_t *number);
void mfi_bytes_put_number(mfi_bytes_t *out, const mfi_number_t *number);

#endif
