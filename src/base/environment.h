/* SPDX-License-Identifier: BSD-3-Clause */
/* Environment variables that the library reads: one table of them. */
#ifndef MOFKA_SRC_ENVIRONMENT_H
#define MOFKA_SRC_ENVIRONMENT_H

/* The value of a variable of the table; NULL when it is not set, or empty. View. */
const char *mfi_environment(const char *name);
/* Warn, once per process, of variables that begin with MOFKA_ and are not in the table, and of values
 * that are not understood. */
void mfi_environment_check(void);

#endif
