/* SPDX-License-Identifier: BSD-3-Clause */
/* The environment variables that the library reads. A new variable is a row of the table. */
#include "base/environment.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/stats.h>
#include "base/log.h"
#include "base/text/message.h"

extern char **environ;

typedef struct variable {
    const char *name;
    const char *allowed; /* for messages */
    bool (*is_valid)(const char *value);
} variable_t;

static bool environment_is_level(const char *value) {
    mofka_log_level_t level;
    return mfi_log_level_of(value, &level);
}

static bool environment_is_text(const char *value) {
    return *value != '\0';
}

bool mfi_environment_interval(const char *text, uint64_t *interval_ms) {
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    int saved = errno;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    bool valid = !errno && !*end && value >= 1 && value <= MOFKA_STATS_INTERVAL_MS_MAX;
    errno = saved;
    if (valid)
        *interval_ms = value;
    return valid;
}

static bool environment_is_interval(const char *value) {
    uint64_t interval_ms;
    return mfi_environment_interval(value, &interval_ms);
}

bool mfi_environment_folders(const char *text) {
    bool begins = true;
    for (const char *at = text; *at; at++) {
        if (begins && *at != '/')
            return false;
        begins = *at == ':';
    }
    return !begins;
}

bool mfi_environment_mode(const char *text, unsigned *mode) {
    if (strlen(text) != 3 || strspn(text, "01234567") != 3 || !((text[0] - '0') & 2))
        return false;
    *mode = (unsigned)strtoul(text, NULL, 8);
    return true;
}

bool mfi_environment_is_prometheus(const char *text) {
    return strcmp(text, "prometheus") == 0;
}

static bool environment_is_mode(const char *value) {
    unsigned mode;
    return mfi_environment_mode(value, &mode);
}

static bool environment_is_format(const char *value) {
    return strcmp(value, "json") == 0 || mfi_environment_is_prometheus(value);
}

/* MOFKA_LIBRARY is read by the Python package, which loads this library. */
static const variable_t variables[] = {
    {"MOFKA_LIBRARY", "a file or a folder", environment_is_text},
    {"MOFKA_LOG", "error, warn, info, debug or trace", environment_is_level},
    {"MOFKA_PLUGIN_PATH", "absolute folders, separated by colons", mfi_environment_folders},
    {"MOFKA_STATS_FILE", "a file name", environment_is_text},
    {"MOFKA_STATS_FORMAT", "json or prometheus", environment_is_format},
    {"MOFKA_STATS_INTERVAL_MS", "a whole number from 1 to 86400000", environment_is_interval},
    {"MOFKA_STATS_MODE", "three octal digits that let the owner write, such as 640",
     environment_is_mode},
};
#define VARIABLES (sizeof variables / sizeof variables[0])

static const variable_t *environment_find(const char *name, size_t length) {
    for (size_t i = 0; i < VARIABLES; i++)
        if (strlen(variables[i].name) == length && memcmp(variables[i].name, name, length) == 0)
            return &variables[i];
    return NULL;
}

const char *mfi_environment(const char *name) {
    assert(environment_find(name, strlen(name)));
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static void environment_warn_unknown(const char *name, size_t length) {
    char known[512];
    size_t used = 0;
    for (size_t i = 0; i < VARIABLES && used < sizeof known; i++)
        used =
            mfi_message_append(known, sizeof known, used, "%s%s", i ? ", " : "", variables[i].name);
    assert(used < sizeof known); /* all names of the table */
    mfi_log(MOFKA_LOG_WARN, "environment variable %.*s is not known; these are: %s",
            MFI_QUOTE(name, length, 100), known);
}

static void environment_check_all(void) {
    for (char **entry = environ; entry && *entry; entry++) {
        const char *equals = strchr(*entry, '=');
        if (strncmp(*entry, "MOFKA_", 6) != 0 || !equals)
            continue;
        size_t length = (size_t)(equals - *entry);
        const variable_t *variable = environment_find(*entry, length);
        if (!variable)
            environment_warn_unknown(*entry, length);
        else if (equals[1] && !variable->is_valid(equals + 1))
            mfi_log(MOFKA_LOG_WARN, "environment variable %s is '%.*s', not %s; it is ignored",
                    variable->name, MFI_QUOTE(equals + 1, strlen(equals + 1), 100),
                    variable->allowed);
    }
}

void mfi_environment_check(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, environment_check_all);
}
