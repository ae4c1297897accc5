/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics into a file, for programs that cannot be changed: MOFKA_STATS_FILE names it ("%r" in the
 * name is the rank), MOFKA_STATS_INTERVAL_MS says how often. Every report is one line, appended by one
 * write, so that ranks, drivers and runs can share a file; "rank" tells them apart.
 *
 * A FIFO must not hold the program up, nor end it: a line that it has no room for is left out, and a
 * line that it takes in part is finished before the next one.
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
#include "driver/driver.h"
#include "base/log.h"
#include "driver/reporter.h"

#define INTERVAL_MS_DEFAULT 1000

typedef struct stats_file {
    int descriptor;
    bool failed; /* told already */
    char *rest;  /* of a line that was written in part; owned, NULL: none */
    size_t rest_bytes;
} stats_file_t;

/* One write, whose SIGPIPE nobody sees: the thread may be the program's own. */
static ssize_t write_quietly(int descriptor, const char *bytes, size_t count) {
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

static void tell(stats_file_t *file, const char *why) {
    if (!file->failed)
        mfi_log(MOFKA_LOG_WARN, "writing statistics to MOFKA_STATS_FILE: %s", why);
    file->failed = true;
}

/* A line, or the rest of one (taken). True: all of it is written. What is left of a line that is
 * begun is kept, while somebody reads. */
static bool write_all(stats_file_t *file, char *bytes, size_t count) {
    ssize_t written = write_quietly(file->descriptor, bytes, count);
    int error = written < 0 ? errno : 0;
    if (error)
        tell(file, error == EAGAIN  ? "it is full, lines are left out"
                   : error == EPIPE ? "nobody reads it any more"
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
    return done == count;
}

static void write_line(void *context, const mofka_metadata_t *stats) {
    stats_file_t *file = context;
    size_t bytes;
    const char *text = mofka_metadata_text(stats, &bytes);
    int saved = errno;
    if (!file->rest || write_all(file, file->rest, file->rest_bytes)) {
        char *line = malloc(bytes + 1);
        if (line) {
            memcpy(line, text, bytes);
            line[bytes] = '\n';
            write_all(file, line, bytes + 1);
        }
    }
    errno = saved;
}

static void close_file(void *context) {
    stats_file_t *file = context;
    if (file->rest)
        tell(file, "the last line is cut");
    free(file->rest);
    close(file->descriptor);
    free(file);
}

/* The name with each "%r" replaced. False: it is too long. */
static bool expand(const char *pattern, size_t rank, char *name, size_t room) {
    size_t used = 0;
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

static stats_file_t *open_file(const mofka_driver_t *driver, const char *pattern) {
    char name[PATH_MAX];
    size_t rank = 0, size;
    if (driver->ops->process)
        driver->ops->process(driver->self, &rank, &size);
    bool fits = expand(pattern, rank, name, sizeof name);
    stats_file_t *file = fits ? calloc(1, sizeof *file) : NULL;
    int saved = errno;
    const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK;
    int descriptor = file ? open(name, flags, 0666) : -1;
    if (descriptor < 0) {
        mfi_log(MOFKA_LOG_WARN, "MOFKA_STATS_FILE '%.500s': %s; no statistics are written", pattern,
                !fits            ? "the name is too long"
                : errno == ENXIO ? "a FIFO that nobody reads"
                                 : strerror(errno));
        free(file);
        file = NULL;
    } else {
        file->descriptor = descriptor;
    }
    errno = saved;
    return file;
}

mfi_reporter_t *mfi_stats_file_start(mofka_driver_t *driver) {
    const char *pattern = mfi_environment("MOFKA_STATS_FILE");
    const char *interval = mfi_environment("MOFKA_STATS_INTERVAL_MS");
    uint64_t interval_ms = INTERVAL_MS_DEFAULT;
    if (interval) /* mfi_environment_check has warned of an invalid one */
        mfi_environment_interval(interval, &interval_ms);
    stats_file_t *file = pattern ? open_file(driver, pattern) : NULL;
    mfi_reporter_t *reporter = NULL;
    if (file && mfi_reporter_start(driver, interval_ms, write_line, file, close_file, &reporter)) {
        mfi_log(MOFKA_LOG_WARN, "MOFKA_STATS_FILE: %s", mofka_last_error());
        close_file(file);
    }
    return reporter;
}
