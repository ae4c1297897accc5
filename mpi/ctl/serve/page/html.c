/* SPDX-License-Identifier: BSD-3-Clause */
/* Escapes text for HTML. */
#include "mpi/ctl/serve/page/html.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include "base/text/utf8.h"

/* NULL: the character stands for itself. */
static const char *html_entity(char c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void html_write_text(FILE *out, const char *text) {
    assert(text);
    const char *end = text + strlen(text);
    for (const char *at = text, *next; at < end; at = next) {
        next = mfi_utf8_next(at, end);
        bool shown = next && !mfi_utf8_is_control(at);
        if (!next)
            next = at + 1;
        for (const char *byte = at; byte < next && !shown; byte++)
            fprintf(out, "\\x%02x", (unsigned)(unsigned char)*byte);
        if (shown && html_entity(*at))
            fputs(html_entity(*at), out);
        else if (shown)
            fwrite(at, 1, (size_t)(next - at), out);
    }
}
