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

mofka_status_t mfi_base64_decode(const char *what, const char *text, unsigned char **bytes,
                                 size_t *size) {
    size_t length = strlen(text), padding = 0, used = 0;
    while (padding < 2 && padding < length && text[length - padding - 1] == '=')
        padding++;
    if (length % 4 != 0)
        return mofka_fail(MOFKA_ERR_OPTION,
                          "%s: base64 has a multiple of 4 characters, but this has %zu", what,
                          length);
    unsigned char *out = malloc(length / 4 * 3 + 1);
    if (!out)
        return mofka_fail(MOFKA_ERR_MEMORY, "%s: no memory for %zu bytes", what, length);
    uint32_t group = 0;
    for (size_t i = 0; i < length; i++) {
        int value = i < length - padding ? base64_read_digit(text[i]) : 0;
        if (value < 0) {
            free(out);
            return mofka_fail(MOFKA_ERR_OPTION, "%s: '%c' at byte %zu is not base64", what, text[i],
                              i);
        }
        group = group << 6 | (uint32_t)value;
        if (i % 4 != 3)
            continue;
        out[used++] = (unsigned char)(group >> 16);
        out[used++] = (unsigned char)(group >> 8);
        out[used++] = (unsigned char)group;
    }
    assert(used == length / 4 * 3 && padding <= used);
    *bytes = out;
    *size = used - padding;
    return MOFKA_OK;
}
