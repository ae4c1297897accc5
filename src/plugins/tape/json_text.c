/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads and writes JSON strings (UTF-8, escapes) and JSON numbers. */
#include "plugins/tape/json_tape.h"

#include <assert.h>

/* ---- strings -------------------------------------------------------------------------------- */

static int escape_read_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The value of the four hexadecimal digits at `text`, or -1. */
static int escape_read_unit(const char *text, size_t bytes) {
    int value = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = i < bytes ? escape_read_digit(text[i]) : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

int mfi_escape_unit(const char *text, size_t bytes, size_t *used) {
    int high = bytes >= 6 && text[0] == '\\' && text[1] == 'u'
                   ? escape_read_unit(text + 2, bytes - 2)
                   : -1;
    *used = 6;
    if (high < 0xD800 || high > 0xDBFF || bytes < 12 || text[6] != '\\' || text[7] != 'u')
        return high;
    assert(high >= 0xD800 && high <= 0xDBFF);
    int low = escape_read_unit(text + 8, bytes - 8);
    if (low < 0xDC00 || low > 0xDFFF)
        return high;
    *used = 12;
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

size_t mfi_utf8_length(const unsigned char *text, size_t bytes) {
    assert(bytes > 0);
    unsigned char c = text[0];
    size_t length = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : (c & 0xF0) == 0xE0 ? 3 : 4;
    if (c < 0x80)
        return 1;
    if (c < 0xC2 || c > 0xF4 || length > bytes)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    bool is_bad = (c == 0xE0 && text[1] < 0xA0) || (c == 0xED && text[1] > 0x9F) ||
                  (c == 0xF0 && text[1] < 0x90) || (c == 0xF4 && text[1] > 0x8F);
    return is_bad ? 0 : length;
}

bool mfi_utf8_is_valid(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes;) {
        size_t length = (unsigned char)text[i] < 0x80
                            ? 1
                            : mfi_utf8_length((const unsigned char *)text + i, bytes - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

static void bytes_put_character(mfi_bytes_t *out, int unit) {
    assert(unit >= 0 && unit <= 0x10FFFF);
    unsigned char text[4];
    size_t length = unit < 0x80 ? 1 : unit < 0x800 ? 2 : unit < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length; i-- > 1; unit >>= 6)
        text[i] = (unsigned char)(0x80 | (unit & 0x3F));
    text[0] = (unsigned char)(leads[length] | unit);
    mfi_bytes_put(out, text, length);
}

const char *mfi_token_utf8(const mfi_tape_t *tape, const mfi_token_t *token, mfi_bytes_t *into,
                           size_t *bytes) {
    assert(token->kind == MFI_TOKEN_STRING);
    const char *text = tape->text + token->at;
    *bytes = token->bytes;
    if (!token->has_escapes)
        return text;
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    for (size_t i = 0; i < token->bytes;) {
        size_t used = 1;
        if (text[i] != '\\') {
            mfi_bytes_put_char(into, text[i]);
        } else if (text[i + 1] == 'u') {
            bytes_put_character(into, mfi_escape_unit(text + i, token->bytes - i, &used));
        } else {
            mfi_bytes_put_char(into, meanings[strchr(names, text[i + 1]) - names]);
            used = 2;
        }
        i += used;
    }
    *bytes = into->used;
    return into->data;
}

void mfi_bytes_put_quoted(mfi_bytes_t *out, const char *utf8, size_t bytes) {
    static const char digits[] = "0123456789abcdef";
    static const char short_names[] = "btn\0fr"; /* of the characters 8 to 13 */
    mfi_bytes_put_char(out, '"');
    size_t plain = 0; /* where the bytes that need no escape begin */
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)utf8[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        mfi_bytes_put(out, utf8 + plain, i - plain);
        plain = i + 1;
        if (c >= 0x20)
            mfi_bytes_put(out, (char[]){'\\', (char)c}, 2);
        else if (c >= 8 && c <= 13 && c != 11)
            mfi_bytes_put(out, (char[]){'\\', short_names[c - 8]}, 2);
        else
            mfi_bytes_put(out, (char[]){'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]}, 6);
    }
    mfi_bytes_put(out, utf8 + plain, bytes - plain);
    mfi_bytes_put_char(out, '"');
}

/* ---- numbers -------------------------------------------------------------------------------- */

bool mfi_number_read(const char *text, size_t bytes, mfi_number_t *number) {
    size_t i = 0, point = bytes;
    uint64_t magnitude = 0;
    bool is_negative = text[0] == '-';
    for (i = is_negative; i < bytes; i++) {
        if (text[i] == '.') {
            point = i;
            continue;
        }
        if (text[i] < '0' || text[i] > '9') /* it has an exponent */
            return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (magnitude > (UINT64_MAX - digit) / 10)
            return false;
        magnitude = magnitude * 10 + digit;
    }
    size_t fraction_digits = point < bytes ? bytes - point - 1 : 0;
    if (fraction_digits > MFI_FRACTION_DIGITS_MAX || (is_negative && magnitude == 0))
        return false;
    *number = (mfi_number_t){magnitude, (unsigned)fraction_digits, is_negative};
    return true;
}

void mfi_bytes_put_number(mfi_bytes_t *out, const mfi_number_t *number) {
    char text[64];
    size_t at = sizeof text;
    uint64_t rest = number->magnitude;
    assert(number->fraction_digits <= MFI_FRACTION_DIGITS_MAX);
    assert(!number->is_negative || number->magnitude > 0);
    /* From the last digit to the first; there is at least one digit before the point. */
    for (unsigned digits = 0; rest > 0 || digits <= number->fraction_digits; digits++) {
        if (digits > 0 && digits == number->fraction_digits)
            text[--at] = '.';
        text[--at] = (char)('0' + rest % 10);
        rest /= 10;
    }
    if (number->is_negative)
        text[--at] = '-';
    mfi_bytes_put(out, text + at, sizeof text - at);
}
