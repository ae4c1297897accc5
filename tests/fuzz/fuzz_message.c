/* SPDX-License-Identifier: BSD-3-Clause */
/* The message of an error that quotes any bytes: it is valid UTF-8, and quoting it changes
 * nothing. */
#include <mofka/limits.h>
#include <mofka/status.h>
#include "base/text/utf8.h"
#include "input.h"

static void message_check(void) {
    const char *at = mofka_last_error(), *end = at + strlen(at);
    if (end - at > MOFKA_MESSAGE_BYTES_MAX)
        abort();
    while (at < end)
        if (!(at = mfi_utf8_next(at, end)))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    char *text = malloc(bytes + 1);
    if (!text)
        return 0;
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    mofka_fail(MOFKA_ERR_JSON, "%s", text);
    message_check();
    strncpy(text, mofka_last_error(), bytes);
    mofka_fail(MOFKA_ERR_JSON, "%s", mofka_last_error());
    if (strncmp(text, mofka_last_error(), bytes) != 0)
        abort();
    mofka_fail(MOFKA_ERR_JSON, "%.*s", (int)(bytes / 2), text);
    message_check();
    free(text);
    return 0;
}
