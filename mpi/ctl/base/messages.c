/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of mofkactl on stderr. */
#include "mpi/ctl/base/messages.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/text/utf8.h"

static const char *named_command; /* NULL: none yet */

void ctl_name_command(const char *command) {
    assert(command && *command);
    named_command = command;
}

/* Replace what a terminal may obey: control characters, and bytes that are not UTF-8. */
static void ctl_make_visible(char *text) {
    char *end = text + strlen(text), *to = text;
    for (const char *at = text, *next; at < end; at = next) {
        next = mfi_utf8_next(at, end);
        bool shown = next && !mfi_utf8_is_control(at);
        next = next ? next : at + 1;
        if (shown)
            memmove(to, at, (size_t)(next - at));
        else
            *to = *at == '\n' || *at == '\t' ? ' ' : '?';
        to += shown ? next - at : 1;
    }
    *to = '\0';
}

void ctl_complain(const char *format, ...) {
    assert(format && *format);
    char text[2048];
    va_list args;
    va_start(args, format);
    int bytes = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (bytes >= (int)sizeof text)
        text[mfi_utf8_whole(text, sizeof text - 1)] = '\0';
    ctl_make_visible(text); /* it may quote anything */
    /* One write: all ranks share the launcher's stderr. */
    fprintf(stderr, "mofkactl%s%s: %s\n", named_command ? " " : "",
            named_command ? named_command : "", text);
}

int ctl_code_of(mofka_status_t status) {
    assert(status != MOFKA_OK);
    bool usage = mofka_status_class(status) == MOFKA_CLASS_FIX && status != MOFKA_ERR_EXISTS &&
                 status != MOFKA_ERR_UNSUPPORTED;
    return usage ? CTL_USAGE : CTL_FAILED;
}

void ctl_complain_of(mofka_status_t status, const char *what) {
    assert(status != MOFKA_OK && what);
    ctl_complain("%s: %s (%s)", what, mofka_last_error(), mofka_status_name(status));
}
