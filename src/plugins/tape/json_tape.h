/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON text as a sequence of tokens: one for each value and each name, in the order of the text.
 *
 * A token is a range of the text; nothing is converted. So nothing is lost: not the digits of a
 * large number, a duplicate name, \u0000, or the order of names.
 */
#ifndef MOFKA_SRC_PLUGINS_TAPE_JSON_TAPE_H
#define MOFKA_SRC_PLUGINS_TAPE_JSON_TAPE_H

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
    uint32_t at, bytes; /* its text; of a string, without the quotes */
    uint32_t next;      /* the index of the token after this one and its children */
    uint32_t count;     /* of an array: its items; of an object: its members, two tokens each */
    uint8_t kind;       /* mfi_token_kind_t */
    bool has_escapes;   /* of a string: it has a backslash */
    bool is_lone;       /* of a string: it has half a surrogate pair, which UTF-8 cannot encode */
} mfi_token_t;

typedef struct mfi_tape {
    const char *text;
    mfi_token_t *tokens; /* `small`, or memory from malloc */
    uint32_t count, room;
    mfi_token_t small[64];
} mfi_tape_t;

/* Parse all of `text`, which must outlive the tape. `what` begins each message.
 * MOFKA_ERR_JSON: not JSON, invalid UTF-8, or nested deeper than MOFKA_JSON_DEPTH_MAX.
 * MOFKA_ERR_TOO_LARGE: above MOFKA_METADATA_BYTES_MAX. Clear the tape after a failure, too. */
mofka_status_t mfi_tape_parse(mfi_tape_t *tape, const char *what, const char *text, size_t bytes);
/* Free what the tape holds. */
void mfi_tape_clear(mfi_tape_t *tape);

/* A serializer's function that writes all tokens of an event. */
typedef void (*mfi_write_fn)(const void *self, mfi_bytes_t *out, const mfi_tape_t *tape);

/* The rest of `serialize`: parse the metadata, call `write`, and write the bytes to the archive. */
mofka_status_t mfi_archive_store(mfi_write_fn write, const void *self,
                                 const mofka_archive_t *archive, const char *metadata,
                                 size_t metadata_bytes);

/* The characters of a string token, unescaped, in UTF-8. Half a surrogate pair becomes three bytes
 * that are not UTF-8. View: of the tape's text, or of `into` (initialised) if there are escapes. */
const char *mfi_token_utf8(const mfi_tape_t *tape, const mfi_token_t *token, mfi_bytes_t *into,
                           size_t *bytes);

/* Decode "\\uXXXX", or a surrogate pair of two such escapes, at `text`. *used is the bytes read.
 * Half a pair is returned as it is. -1: not such an escape. */
int mfi_escape_unit(const char *text, size_t bytes, size_t *used);
/* The length of the character at `text`; 0 if it is not UTF-8. */
size_t mfi_utf8_length(const unsigned char *text, size_t bytes);
bool mfi_utf8_is_valid(const char *text, size_t bytes);
/* Append characters as a JSON string, with quotes and the shortest escapes. */
void mfi_bytes_put_quoted(mfi_bytes_t *out, const char *utf8, size_t bytes);

/* A number that is written without an exponent, whose digits fit 64 bits: its value is
 * magnitude / 10^fraction_digits. */
typedef struct mfi_number {
    uint64_t magnitude;
    unsigned fraction_digits; /* at most MFI_FRACTION_DIGITS_MAX; 0 if there is no point */
    bool is_negative;         /* never with magnitude 0 */
} mfi_number_t;
#define MFI_FRACTION_DIGITS_MAX 30

/* Read a number. False: mfi_bytes_put_number could not write the same text again. */
bool mfi_number_read(const char *text, size_t bytes, mfi_number_t *number);
/* Append a number's text. */
void mfi_bytes_put_number(mfi_bytes_t *out, const mfi_number_t *number);

#endif
