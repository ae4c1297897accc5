/*
 * Statistics into a file, for programs that cannot be changed: MOFKA_STATS_FILE names it ("%r" in the
 * name is the rank), MOFKA_STATS_INTERVAL_MS says how often. Every report is one line, appended by one
 * write, so that ranks, drivers and runs can share a file; "rank" tells them apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "environment.h"
#include "handles.h"
#include "log.h"
#include "reporter.h"

#define INTERVAL_MS_DEFAULT 1000

typedef struct stats_file {
    int descriptor;
    bool failed; /* told already */
} stats_file_t;

bool mfi_stats_interval(const char *text, uint64_t *interval_ms) {
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    int saved = errno;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    bool good = !errno && !*end && value >= 1 && value <= MOFKA_STATS_INTERVAL_MS_MAX;
    errno = saved;
    if (good)
        *interval_ms = value;
    return good;
}

static void write_line(void *context, const mofka_metadata_t *stats) {
    stats_file_t *file = context;
    size_t bytes;
    const char *text = mofka_metadata_text(stats, &bytes);
    char *line = malloc(bytes + 1);
    if (!line)
        return;
    memcpy(line, text, bytes);
    line[bytes] = '\n';
    int saved = errno;
    ssize_t written = write(file->descriptor, line, bytes + 1);
    if (written != (ssize_t)(bytes + 1) && !file->failed) {
        file->failed = true;
        mfi_log(MOFKA_LOG_WARN, "writing statistics to MOFKA_STATS_FILE: %s",
                written < 0 ? strerror(errno) : "the line was cut");
    }
    errno = saved;
    free(line);
}

static void close_file(void *context) {
    stats_file_t *file = context;
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
    int descriptor = file ? open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (descriptor < 0) {
        mfi_log(MOFKA_LOG_WARN, "MOFKA_STATS_FILE '%.500s': %s; no statistics are written", pattern,
                fits ? strerror(errno) : "the name is too long");
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
    if (interval) /* what is wrong with it, mfi_environment_check told */
        mfi_stats_interval(interval, &interval_ms);
    stats_file_t *file = pattern ? open_file(driver, pattern) : NULL;
    mfi_reporter_t *reporter = NULL;
    if (file && mfi_reporter_start(driver, interval_ms, write_line, file, close_file, &reporter)) {
        mfi_log(MOFKA_LOG_WARN, "MOFKA_STATS_FILE: %s", mofka_last_error());
        close_file(file);
    }
    return reporter;
}
