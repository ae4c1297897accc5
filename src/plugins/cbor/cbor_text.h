/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON as CBOR (RFC 8949), and back to the same tokens: an item says exactly what the text said.
 *
 *   number, whole, 64 bits                  integer (major type 0 or 1)
 *   number with a point, 64 bits of digits  decimal fraction (tag 4): exponent, mantissa
 *   other numbers; strings with half a      tag 262 (embedded JSON), a byte string: the text of the
 *   surrogate pair                          number, or of the string with its quotes
 *   everything else                         as RFC 8949, 6.2 says, with definite lengths
 */
#ifndef MOFKA_SRC_SERIALIZERS_CBOR_TEXT_H
#define MOFKA_SRC_SERIALIZERS_CBOR_TEXT_H

#include "plugins/tape/json_tape.h"

/* Write the token at `index`, and all that is in it, as one item. */
void mfi_cbor_write(mfi_bytes_t *out, const mfi_tape_t *tape, uint32_t index);

/* Read one item as JSON text; `depth` arrays and objects are open around it already. `is_name`: only
 * a string will do. MOFKA_ERR_CORRUPT: not what mfi_cbor_write writes. */
mofka_status_t mfi_cbor_read(mfi_bytes_t *out, mfi_reader_t *reader, size_t depth, bool is_name);

#endif
