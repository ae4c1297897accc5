/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of mofkactl on stderr. */
#include "mpi/ctl/base/messages.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static const char *named_command; /* NULL: none yet */

void ctl_name_command(const char *command) {
    assert(command && *command);
    named_command = command;
}

void ctl_complain(const char *format, ...) {
    assert(format && *format);
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* The text may quote anything, and a terminal would obey control characters. */
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = *at == '\n' || *at == '\t' ? ' ' : '?';
    /* One write: all ranks share the launcher's stderr. */
    fprintf(stderr, "mofkactl%s%s: %s\n", named_command ? " " : "",
            named_command ? named_command : "", text);
}

void ctl_complain_of(mofka_status_t status, const char *what) {
    assert(status != MOFKA_OK && what);
    ctl_complain("%s: %s (%s)", what, mofka_last_error(), mofka_status_name(status));
}
