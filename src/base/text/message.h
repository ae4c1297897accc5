/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages and log lines: valid UTF-8, whatever they quote. */
#ifndef MOFKA_SRC_BASE_MESSAGE_H
#define MOFKA_SRC_BASE_MESSAGE_H

#include <stdarg.h>
#include <stddef.h>
#include <mofka/limits.h>
#include "base/text/utf8.h"

/* Format a message. A byte that is not UTF-8 is written as \xHH. A message that is too long is cut
 * off between two characters. An argument may be the old `message`. */
void mfi_message_format(char message[MOFKA_MESSAGE_BYTES_MAX + 1], const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Append to the `used` bytes of a text in `room` bytes, as far as whole characters fit. The new
 * length; `room` if the text is full. */
size_t mfi_message_append(char *text, size_t room, size_t used, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The two arguments of a "%.*s" that quotes at most `most` of the `bytes` of a text, and cuts it
 * off between two characters. */
#define MFI_QUOTE(text, bytes, most) (int)mfi_utf8_cut((text), (bytes), (most)), (text)

#endif
