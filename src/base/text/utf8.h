/* SPDX-License-Identifier: BSD-3-Clause */
/* UTF-8 (RFC 3629): checked, read and written a character at a time. */
#ifndef MOFKA_SRC_BASE_UTF8_H
#define MOFKA_SRC_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One past the character at `at`, which is before `end`. NULL: not a character (cut short, an
 * overlong form, a surrogate, above U+10FFFF). */
const char *mfi_utf8_next(const char *at, const char *end);

/* Whether a checked character is a control character: C0, DEL or C1. */
static inline bool mfi_utf8_is_control(const char *at) {
    const unsigned char *p = (const unsigned char *)at;
    return p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);
}

/* The code of a checked character; `*at` is moved past it. */
uint32_t mfi_utf8_read(const char **at);
/* Write the character of a code, at most U+10FFFF: 1 to 4 bytes. One past it. */
char *mfi_utf8_write(char *to, uint32_t code);

/* The bytes of a text without a character that is cut off at their end. The text may hold any
 * bytes. */
size_t mfi_utf8_whole(const char *text, size_t bytes);
/* As many of the bytes, at most `most`, as do not cut a character off. */
static inline size_t mfi_utf8_cut(const char *text, size_t bytes, size_t most) {
    return bytes <= most ? bytes : mfi_utf8_whole(text, most);
}

#endif
