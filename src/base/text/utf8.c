/* SPDX-License-Identifier: BSD-3-Clause */
/* UTF-8, a character at a time. */
#include "base/text/utf8.h"

#include <assert.h>

const char *mfi_utf8_next(const char *at, const char *end) {
    const unsigned char *p = (const unsigned char *)at;
    unsigned char low = 0x80, high = 0xbf;
    assert(at < end);
    size_t more = p[0] >= 0xf0 ? 3 : p[0] >= 0xe0 ? 2 : 1;
    if (p[0] < 0x80)
        return at + 1;
    if (p[0] < 0xc2 || p[0] > 0xf4 || (size_t)(end - at) <= more)
        return NULL;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i <= more; i++, low = 0x80, high = 0xbf)
        if (p[i] < low || p[i] > high)
            return NULL;
    return at + more + 1;
}

uint32_t mfi_utf8_read(const char **at) {
    const unsigned char *p = (const unsigned char *)*at;
    int more = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
    uint32_t code = more == 0 ? p[0] : p[0] & (0x3fu >> more);
    for (int i = 1; i <= more; i++) {
        assert((p[i] & 0xc0) == 0x80); /* it was checked */
        code = code << 6 | (p[i] & 0x3f);
    }
    *at += more + 1;
    return code;
}

char *mfi_utf8_write(char *to, uint32_t code) {
    assert(code <= 0x10ffff);
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

size_t mfi_utf8_whole(const char *text, size_t bytes) {
    size_t start = bytes;
    while (start > 0 && bytes - start < 4) {
        unsigned char c = (unsigned char)text[--start];
        if ((c & 0xc0) == 0x80)
            continue;
        size_t length = c < 0xc2 || c > 0xf4 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        return length > bytes - start ? start : bytes;
    }
    return bytes; /* no character has so many bytes */
}
