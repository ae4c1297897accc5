/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON as CBOR (RFC 8949), and back to the same tokens: nothing of the text is lost but white space
 * and the choice of escapes.
 *
 *   whole number that fits 64 bits         integer (major type 0 or 1)
 *   number with a point, whose digits fit  decimal fraction (tag 4): exponent, mantissa
 *   64 bits
 *   any other number; a string with half   embedded JSON (tag 262), a byte string: the text of the
 *   a surrogate pair                       number, or the text of the string with its quotes
 *   anything else                          as RFC 8949, 6.2, with definite lengths
 */
#ifndef MOFKA_SRC_PLUGINS_CBOR_CBOR_TEXT_H
#define MOFKA_SRC_PLUGINS_CBOR_CBOR_TEXT_H

#include "plugins/tape/json_tape.h"

/* Write the token at `index` and its children as one item. */
void mfi_cbor_write(mfi_bytes_t *out, const mfi_tape_t *tape, uint32_t index);

/* Read one item and append its JSON text. `depth` is how many arrays and objects enclose it. If
 * `is_name`, it must be a string. MOFKA_ERR_CORRUPT: mfi_cbor_write does not write such an item. */
mofka_status_t mfi_cbor_read(mfi_bytes_t *out, mfi_reader_t *reader, size_t depth, bool is_name);

#endif
