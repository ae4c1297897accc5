/* SPDX-License-Identifier: BSD-3-Clause */
/* Decodes base64. */
#include "plugins/zstd/base64.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int base64_read_digit(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* The text without line breaks. Give: free(). NULL: no memory. */
static char *base64_join_lines(const char *text) {
    char *joined = malloc(strlen(text) + 1), *to = joined;
    for (; joined && *text; text++)
        if (*text != '\n' && *text != '\r')
            *to++ = *text;
    if (joined)
        *to = '\0';
    return joined;
}

/* `text` has no line breaks; `out` has room for its bytes. */
static mofka_status_t base64_decode_line(const char *what, const char *text, unsigned char *out,
                                         size_t *size) {
    size_t length = strlen(text), padding = 0, used = 0;
    while (padding < 2 && padding < length && text[length - padding - 1] == '=')
        padding++;
    if (length % 4 != 0)
        return mofka_fail(MOFKA_ERR_OPTION,
                          "%s: base64 has a multiple of 4 characters, but this has %zu", what,
                          length);
    uint32_t group = 0;
    for (size_t i = 0; i < length; i++) {
        int value = i < length - padding ? base64_read_digit(text[i]) : 0;
        if (value < 0)
            return mofka_fail(MOFKA_ERR_OPTION, "%s: '%c' at byte %zu is not base64", what, text[i],
                              i);
        group = group << 6 | (uint32_t)value;
        if (i % 4 != 3)
            continue;
        out[used++] = (unsigned char)(group >> 16);
        out[used++] = (unsigned char)(group >> 8);
        out[used++] = (unsigned char)group;
    }
    assert(used == length / 4 * 3 && padding <= used);
    *size = used - padding;
    return MOFKA_OK;
}

mofka_status_t mfi_base64_decode(const char *what, const char *text, unsigned char **bytes,
                                 size_t *size) {
    char *joined = base64_join_lines(text);
    unsigned char *out = joined ? malloc(strlen(joined) / 4 * 3 + 1) : NULL;
    mofka_status_t status =
        out ? base64_decode_line(what, joined, out, size)
            : mofka_fail(MOFKA_ERR_MEMORY, "%s: no memory for %zu bytes", what, strlen(text));
    free(joined);
    if (status)
        free(out);
    else
        *bytes = out;
    return status;
}
