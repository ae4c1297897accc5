/* SPDX-License-Identifier: BSD-3-Clause */
/* Formats messages as valid UTF-8. */
#include "base/text/message.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Most messages are ASCII: eight bytes at a time. */
static bool message_is_ascii(const char *text, size_t bytes) {
    uint64_t all = 0, word;
    size_t i = 0;
    for (; i + sizeof word <= bytes; i += sizeof word) {
        memcpy(&word, text + i, sizeof word);
        all |= word;
    }
    for (; i < bytes; i++)
        all |= (unsigned char)text[i];
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

/* Copy characters, and escape bytes that are none, as far as all of each fits. */
static void message_escape(char *to, const char *at, const char *end) {
    char *const limit = to + MOFKA_MESSAGE_BYTES_MAX;
    while (at < end) {
        const char *next = mfi_utf8_next(at, end);
        size_t bytes = next ? (size_t)(next - at) : strlen("\\xHH");
        if (bytes > (size_t)(limit - to))
            break;
        if (next)
            memcpy(to, at, bytes);
        else
            snprintf(to, bytes + 1, "\\x%02x", (unsigned char)*at);
        to += bytes;
        at = next ? next : at + 1;
    }
    assert(to <= limit);
    *to = '\0';
}

void mfi_message_format(char message[MOFKA_MESSAGE_BYTES_MAX + 1], const char *format,
                        va_list args) {
    char text[MOFKA_MESSAGE_BYTES_MAX + 1];
    int length = vsnprintf(text, sizeof text, format, args);
    size_t bytes = length < 0 ? 0 : (size_t)length; /* negative: not formatted */
    if (bytes > MOFKA_MESSAGE_BYTES_MAX)
        bytes = mfi_utf8_whole(text, MOFKA_MESSAGE_BYTES_MAX);
    if (message_is_ascii(text, bytes)) {
        memcpy(message, text, bytes);
        message[bytes] = '\0';
    } else {
        message_escape(message, text, text + bytes);
    }
}

size_t mfi_message_append(char *text, size_t room, size_t used, const char *format, ...) {
    assert(used < room);
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text + used, room - used, format, args);
    va_end(args);
    if (length >= 0 && (size_t)length < room - used)
        return used + (size_t)length;
    text[mfi_utf8_whole(text, room - 1)] = '\0';
    return room;
}
