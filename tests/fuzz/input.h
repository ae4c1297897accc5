/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the targets: inputs of several lines, of which all but the last are short texts. */
#ifndef MOFKA_TESTS_FUZZ_INPUT_H
#define MOFKA_TESTS_FUZZ_INPUT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* `head`, the bytes up to the next line end or zero, `tail`, as one string (free()); `*data` and
 * `*bytes` move behind them. */
static inline char *take_line(const uint8_t **data, size_t *bytes, const char *head,
                              const char *tail) {
    size_t length = 0, before = strlen(head), after = strlen(tail);
    while (length < *bytes && (*data)[length] != '\n' && (*data)[length] != '\0')
        length++;
    char *text = malloc(before + length + after + 1);
    if (!text)
        abort();
    memcpy(text, head, before);
    memcpy(text + before, *data, length);
    memcpy(text + before + length, tail, after + 1);
    length += length < *bytes;
    *data += length;
    *bytes -= length;
    return text;
}

#endif
