/* SPDX-License-Identifier: BSD-3-Clause */
/* The log: its level, its callback, and stderr. */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/at_fork.h"
#include "base/environment.h"
#include "base/text/message.h"

_Atomic int mfi_log_level = MOFKA_LOG_WARN;

static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};
#define LEVELS (int)(sizeof level_names / sizeof level_names[0])

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the two below; a leaf */
static mofka_log_fn log_callback;                            /* NULL: stderr */
static void *log_context;

static void log_hold(void) {
    pthread_mutex_lock(&log_lock);
}

static void log_release(void) {
    pthread_mutex_unlock(&log_lock);
}

/* A forked child may log. */
static const mfi_fork_handlers_t log_fork_handlers = {log_hold, log_release, log_release};

const char *mofka_log_level_name(mofka_log_level_t level) {
    return (int)level >= 0 && (int)level < LEVELS ? level_names[level] : "unknown";
}

bool mfi_log_level_of(const char *name, mofka_log_level_t *level) {
    for (int i = 0; i < LEVELS; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *level = (mofka_log_level_t)i;
            return true;
        }
    return false;
}

/* The priority: before the constructors that register types, because they may log.
 * mfi_environment_check reports an invalid level. */
__attribute__((constructor(101))) static void log_begin(void) {
    mfi_at_fork(MFI_FORK_LOG, &log_fork_handlers);
    const char *name = mfi_environment("MOFKA_LOG");
    mofka_log_level_t level;
    if (name && mfi_log_level_of(name, &level))
        mofka_log_set_level(level);
}

void mofka_log_set_level(mofka_log_level_t level) {
    if ((int)level >= 0 && (int)level < LEVELS)
        atomic_store_explicit(&mfi_log_level, (int)level, memory_order_relaxed);
}

mofka_log_level_t mofka_log_level(void) {
    return (mofka_log_level_t)atomic_load_explicit(&mfi_log_level, memory_order_relaxed);
}

void mofka_log_set_callback(mofka_log_fn log, void *context) {
    pthread_mutex_lock(&log_lock);
    log_callback = log;
    log_context = context;
    pthread_mutex_unlock(&log_lock);
}

/* What a line is at most: "error: ", a message, a newline. */
#define LINE_BYTES_MAX (MOFKA_MESSAGE_BYTES_MAX + 16)

void mofka_log_to_descriptor(void *context, mofka_log_level_t level, const char *message) {
    int saved = errno;
    char line[LINE_BYTES_MAX + 1];
    int bytes = snprintf(line, sizeof line, "%s: %.*s", mofka_log_level_name(level),
                         (int)MOFKA_MESSAGE_BYTES_MAX, message);
    assert(bytes > 0 && (size_t)bytes < sizeof line);
    for (char *at = line; (at = strchr(at, '\n'));)
        *at = ' ';
    line[bytes] = '\n';
    /* There is nobody to tell of an error. */
    ssize_t written = write((int)(intptr_t)context, line, (size_t)bytes + 1);
    (void)written;
    errno = saved;
}

static void log_write(mofka_log_level_t level, const char *text) {
    assert((int)level >= 0 && (int)level < LEVELS);
    pthread_mutex_lock(&log_lock);
    mofka_log_fn log = log_callback;
    void *context = log_context;
    pthread_mutex_unlock(&log_lock);
    if (log)
        log(context, level, text);
    else
        fprintf(stderr, "mofka: %s: %s\n", mofka_log_level_name(level), text);
}

void mofka_log(mofka_log_level_t level, const char *format, ...) {
    if ((int)level < 0 || (int)level > (int)mofka_log_level())
        return;
    int saved = errno;
    char text[MOFKA_MESSAGE_BYTES_MAX + 1];
    va_list args;
    va_start(args, format);
    mfi_message_format(text, format, args);
    va_end(args);
    log_write(level, text);
    errno = saved;
}
