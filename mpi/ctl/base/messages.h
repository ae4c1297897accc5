/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl: exit codes, and messages to the user. */
#ifndef MOFKA_MPI_CTL_BASE_MESSAGES_H
#define MOFKA_MPI_CTL_BASE_MESSAGES_H

#include <mofka/status.h>

/* Exit codes. */
enum { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

/* Name the command that later messages begin with. `command` (kept) must stay valid. */
void ctl_name_command(const char *command);

/* Print one line on stderr, "mofkactl COMMAND: MESSAGE". Control characters are replaced. */
void ctl_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The exit code of a command that failed: CTL_USAGE if another command line would help. */
int ctl_code_of(mofka_status_t status);

/* Print "WHAT: MESSAGE (STATUS)", where MESSAGE is the library's last one. */
void ctl_complain_of(mofka_status_t status, const char *what);

#endif
