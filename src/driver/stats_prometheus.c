/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A statistics file in the text format of Prometheus, for the textfile collector of node_exporter.
 *
 *   report -> NAME.PID.tmp, a new file -> rename to NAME: a reader sees a whole report, always
 *
 * What the job's topics hold is in the file of rank 0 alone: a collector that reads the files of
 * several ranks must not meet a sample twice. If the name has no "%r", rank 0 alone writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/text/message.h"
#include "driver/driver.h"
#include "driver/reporter.h"
#include "json/text.h"
#include "stats/counters.h"
#include "stats/prometheus.h"

typedef struct prometheus_file {
    mofka_driver_t *driver; /* view: its reporter ends first */
    size_t rank;
    bool failed; /* a failure was logged: no other is */
    mfi_totals_t sums;
    char name[PATH_MAX], new_name[PATH_MAX + 32];
} prometheus_file_t;

/* Two drivers of a process would replace each other's file. */
static atomic_flag prometheus_file_is_taken = ATOMIC_FLAG_INIT;

static void prometheus_file_warn(prometheus_file_t *file, const char *why) {
    if (!file->failed)
        mfi_log(MOFKA_LOG_WARN, "writing statistics to MOFKA_STATS_FILE: %s", why);
    file->failed = true;
}

/* Make the file that takes the place of the old one. One that a process of this id left behind is
 * removed. -1: errno says why. */
static int prometheus_file_create(const prometheus_file_t *file) {
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int descriptor = open(file->new_name, flags, (mode_t)mfi_stats_file_mode());
    if (descriptor < 0 && errno == EEXIST && unlink(file->new_name) == 0)
        descriptor = open(file->new_name, flags, (mode_t)mfi_stats_file_mode());
    return descriptor;
}

/* Renaming would take the place of a device, a FIFO or a link. NULL: it is safe, or there is no
 * such file; else why not. */
static const char *prometheus_file_check(const prometheus_file_t *file) {
    struct stat found;
    if (lstat(file->name, &found))
        return errno == ENOENT ? NULL : strerror(errno);
    return S_ISREG(found.st_mode) ? NULL : "not a regular file, which could be replaced";
}

static bool prometheus_file_write_all(int descriptor, const char *text, size_t bytes) {
    while (bytes > 0) {
        ssize_t written = write(descriptor, text, bytes);
        if (written < 0 && errno != EINTR)
            return false;
        text += written > 0 ? written : 0;
        bytes -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

static void prometheus_file_put(prometheus_file_t *file, const char *text, size_t bytes) {
    const char *why = prometheus_file_check(file);
    int descriptor = why ? -1 : prometheus_file_create(file);
    bool good = descriptor >= 0 && prometheus_file_write_all(descriptor, text, bytes);
    int error = errno;
    if (descriptor >= 0 && close(descriptor) && good) {
        good = false; /* a network file system reports a full disk here */
        error = errno;
    }
    if (good && rename(file->new_name, file->name)) {
        good = false;
        error = errno;
    }
    if (descriptor >= 0 && !good)
        unlink(file->new_name);
    if (!good)
        prometheus_file_warn(file, why ? why : strerror(error));
}

/* False: no memory, or the statistics have a name that is not UTF-8. */
static bool prometheus_file_describe(prometheus_file_t *file, const mofka_metadata_t *stats,
                                     FILE *out) {
    mfi_prometheus_process_t process;
    size_t bytes;
    const char *text = mofka_metadata_text(stats, &bytes);
    bool good = true;
    if (file->rank == 0)
        good = !mfi_json_check("the statistics", text, bytes) &&
               mfi_prometheus_write_job(out, MFI_PROMETHEUS_TEXT, text, bytes);
    mfi_driver_add_up(file->driver, &file->sums, &process);
    process.rank = file->rank;
    mfi_prometheus_write_process(out, MFI_PROMETHEUS_TEXT, &process);
    mfi_prometheus_write_end(out);
    return good;
}

static void prometheus_file_replace(void *context, const mofka_metadata_t *stats) {
    prometheus_file_t *file = context;
    int saved = errno;
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    bool good = out && prometheus_file_describe(file, stats, out);
    good = out && fclose(out) == 0 && good;
    if (good)
        prometheus_file_put(file, text, bytes);
    else
        prometheus_file_warn(file, "no memory, or a name that is not UTF-8; a report is left out");
    free(text);
    errno = saved;
}

static void prometheus_file_close(void *context) {
    free(context);
    atomic_flag_clear(&prometheus_file_is_taken);
}

/* Whether the file can be made. NULL: yes; else why not. */
static const char *prometheus_file_try(prometheus_file_t *file) {
    const char *why = prometheus_file_check(file);
    int descriptor = why ? -1 : prometheus_file_create(file);
    if (descriptor < 0)
        return why ? why : strerror(errno);
    close(descriptor);
    unlink(file->new_name);
    return NULL;
}

/* Take the process's file, and fill in its names. NULL: it can be written; else why not. */
static const char *prometheus_file_open(prometheus_file_t *file, const char *pattern) {
    if (atomic_flag_test_and_set(&prometheus_file_is_taken))
        return "another driver of this process writes it";
    const char *why = "the name is too long";
    if (mfi_stats_file_expand_name(pattern, file->rank, file->name, sizeof file->name)) {
        snprintf(file->new_name, sizeof file->new_name, "%s.%ld.tmp", file->name, (long)getpid());
        why = prometheus_file_try(file);
    }
    if (why)
        atomic_flag_clear(&prometheus_file_is_taken);
    return why;
}

mfi_reporter_t *mfi_stats_prometheus_start(mofka_driver_t *driver, const char *pattern,
                                           uint64_t interval_ms) {
    size_t rank = 0, size = 1;
    mfi_reporter_t *reporter = NULL;
    if (driver->ops->process)
        driver->ops->process(driver->self, &rank, &size);
    if (rank != 0 && !strstr(pattern, "%r"))
        return NULL;
    int saved = errno;
    prometheus_file_t *file = calloc(1, sizeof *file);
    if (file) {
        file->driver = driver;
        file->rank = rank;
    }
    const char *why = file ? prometheus_file_open(file, pattern) : "no memory";
    if (why) {
        mfi_log(MOFKA_LOG_WARN, "MOFKA_STATS_FILE '%.*s': %s; no statistics are written",
                MFI_QUOTE(pattern, strlen(pattern), 500), why);
        free(file);
    } else if (mfi_reporter_start(driver, interval_ms, prometheus_file_replace, file,
                                  prometheus_file_close, &reporter)) {
        mfi_log(MOFKA_LOG_WARN, "MOFKA_STATS_FILE: %s", mofka_last_error());
        prometheus_file_close(file);
    }
    errno = saved;
    return reporter;
}
