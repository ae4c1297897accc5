/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes statistics into a file, for programs that cannot be changed. MOFKA_STATS_FILE is its name,
 * in which "%r" is the rank; MOFKA_STATS_INTERVAL_MS is the interval. Each report is one line,
 * appended by one write. So ranks, drivers and runs can share a file, and "rank" distinguishes
 * them. Only the user can read a new file, unless MOFKA_STATS_MODE says otherwise.
 *
 * A FIFO must neither block nor end the program. If it has no room for a line, the line is left
 * out. If it takes a part of a line, the rest is written before the next line.
 *
 * MOFKA_STATS_FORMAT=prometheus asks for another kind of file: stats_prometheus.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/environment.h"
#include "base/clock.h"
#include "base/text/message.h"
#include "driver/driver.h"
#include "base/log.h"
#include "driver/reporter.h"

#define INTERVAL_MS_DEFAULT 1000
#define MODE_DEFAULT 0600

typedef struct stats_file {
    int descriptor;
    bool failed; /* a failure was logged: no other is */
    char *rest;  /* of a line that was written in part; owned; NULL: none */
    size_t rest_bytes;
} stats_file_t;

/* Write once, and keep a SIGPIPE from the program: the thread may be the program's own. */
static ssize_t stats_file_write_quietly(int descriptor, const char *bytes, size_t count) {
    sigset_t broken, before, pending;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken, &before);
    sigpending(&pending);
    ssize_t written = write(descriptor, bytes, count);
    int error = errno;
    if (written < 0 && error == EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&broken, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return written;
}

static void stats_file_warn(stats_file_t *file, const char *why) {
    if (!file->failed)
        mfi_log(MOFKA_LOG_WARN, "writing statistics to MOFKA_STATS_FILE: %s", why);
    file->failed = true;
}

/* Write a line, or the rest of one; takes `bytes`. True: all of it is written. The rest of a line
 * that was written in part is kept, as long as the FIFO has a reader. */
static bool stats_file_write(stats_file_t *file, char *bytes, size_t count) {
    assert(count > 0 && (!file->rest || file->rest == bytes));
    ssize_t written = stats_file_write_quietly(file->descriptor, bytes, count);
    int error = written < 0 ? errno : 0;
    if (error)
        stats_file_warn(file, error == EAGAIN  ? "it is full; lines are left out"
                              : error == EPIPE ? "the FIFO has no reader any more"
                                               : strerror(error));
    size_t done = error ? 0 : (size_t)written;
    bool begun = done > 0 || bytes == file->rest;
    if (done < count && begun && error != EPIPE) {
        memmove(bytes, bytes + done, count - done);
        file->rest = bytes;
        file->rest_bytes = count - done;
    } else {
        file->rest = NULL;
        free(bytes);
    }
    assert(!file->rest || file->rest_bytes > 0);
    return done == count;
}

static void stats_file_write_line(void *context, const mofka_metadata_t *stats) {
    stats_file_t *file = context;
    size_t bytes;
    const char *text = mofka_metadata_text(stats, &bytes);
    assert(bytes > 0 && !memchr(text, '\n', bytes));
    int saved = errno;
    if (!file->rest || stats_file_write(file, file->rest, file->rest_bytes)) {
        char *line = malloc(bytes + 1);
        if (line) {
            memcpy(line, text, bytes);
            line[bytes] = '\n';
            stats_file_write(file, line, bytes + 1);
        } else {
            stats_file_warn(file, "no memory for a line; lines are left out");
        }
    }
    errno = saved;
}

static void stats_file_close(void *context) {
    stats_file_t *file = context;
    assert(file->descriptor >= 0);
    if (file->rest)
        stats_file_warn(file, "the last line is written in part");
    free(file->rest);
    close(file->descriptor);
    free(file);
}

bool mfi_stats_file_expand_name(const char *pattern, size_t rank, char *name, size_t room) {
    size_t used = 0;
    assert(room > 0);
    while (*pattern && used < room) {
        if (pattern[0] == '%' && pattern[1] == 'r') {
            used += (size_t)snprintf(name + used, room - used, "%zu", rank);
            pattern += 2;
        } else {
            name[used++] = *pattern++;
        }
    }
    if (used >= room)
        return false;
    name[used] = '\0';
    return true;
}

/* An invalid value counts as missing; mfi_environment_check has warned of it. */
unsigned mfi_stats_file_mode(void) {
    const char *text = mfi_environment("MOFKA_STATS_MODE");
    unsigned mode = MODE_DEFAULT;
    if (text)
        mfi_environment_mode(text, &mode);
    return mode;
}

static stats_file_t *stats_file_open(const mofka_driver_t *driver, const char *pattern) {
    char name[PATH_MAX];
    size_t rank = 0, size;
    if (driver->ops->process)
        driver->ops->process(driver->self, &rank, &size);
    bool fits = mfi_stats_file_expand_name(pattern, rank, name, sizeof name);
    stats_file_t *file = fits ? calloc(1, sizeof *file) : NULL;
    int saved = errno;
    const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK;
    int descriptor = file ? open(name, flags, (mode_t)mfi_stats_file_mode()) : -1;
    if (descriptor < 0) {
        mfi_log(MOFKA_LOG_WARN, "MOFKA_STATS_FILE '%.*s': %s; no statistics are written",
                MFI_QUOTE(pattern, strlen(pattern), 500),
                !fits            ? "the name is too long"
                : errno == ENXIO ? "a FIFO without a reader"
                                 : strerror(errno));
        free(file);
        file = NULL;
    } else {
        assert(!file->rest && !file->failed);
        file->descriptor = descriptor;
    }
    errno = saved;
    return file;
}

mfi_reporter_t *mfi_stats_file_start(mofka_driver_t *driver) {
    const char *pattern = mfi_environment("MOFKA_STATS_FILE");
    const char *interval = mfi_environment("MOFKA_STATS_INTERVAL_MS");
    uint64_t interval_ms = INTERVAL_MS_DEFAULT;
    if (interval) /* mfi_environment_check has warned of an invalid value */
        mfi_environment_interval(interval, &interval_ms);
    const char *format = mfi_environment("MOFKA_STATS_FORMAT");
    if (pattern && format && mfi_environment_is_prometheus(format))
        return mfi_stats_prometheus_start(driver, pattern, interval_ms);
    stats_file_t *file = pattern ? stats_file_open(driver, pattern) : NULL;
    mfi_reporter_t *reporter = NULL;
    if (file && mfi_reporter_start(driver, interval_ms, stats_file_write_line, file,
                                   stats_file_close, &reporter)) {
        mfi_log(MOFKA_LOG_WARN, "MOFKA_STATS_FILE: %s", mofka_last_error());
        stats_file_close(file);
    }
    return reporter;
}
