/* SPDX-License-Identifier: BSD-3-Clause */
/* The environment variables that the library reads: one table of them. */
#ifndef MOFKA_SRC_BASE_ENVIRONMENT_H
#define MOFKA_SRC_BASE_ENVIRONMENT_H

#include <stdbool.h>
#include <stdint.h>

/* The value of a variable of the table; NULL when it is not set, or empty. View. */
const char *mfi_environment(const char *name);
/* Warn, once per process, of variables that begin with MOFKA_ and are not in the table, and of
 * invalid values. */
void mfi_environment_check(void);
/* Read a value of MOFKA_STATS_INTERVAL_MS. False: it is invalid, and nothing is written. */
bool mfi_environment_interval(const char *text, uint64_t *interval_ms);
/* Read a value of MOFKA_STATS_MODE. False: it is invalid, and nothing is written. */
bool mfi_environment_mode(const char *text, unsigned *mode);
/* Whether a value of MOFKA_STATS_FORMAT asks for Prometheus's text, not for JSON. */
bool mfi_environment_is_prometheus(const char *text);
/* Whether a value of MOFKA_PLUGIN_PATH is valid: absolute folders, separated by colons. */
bool mfi_environment_folders(const char *text);

#endif
