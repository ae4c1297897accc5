/* SPDX-License-Identifier: BSD-3-Clause */
/* Reporters. The picture is in reporter.h. */
#include "driver/reporter.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "driver/driver.h"
#include "base/log.h"
#include "base/thread.h"
#include "stats/counters.h"

/* How long reading the topics may take. Topics that take longer are left out. The last report is
 * part of the driver's close, so it waits less. */
#define READ_MS_MAX 1000
#define LAST_READ_MS_MAX 100

struct mfi_reporter {
    mofka_driver_t *driver; /* view: the driver stops it before it closes */
    uint64_t interval_ms;
    mofka_stats_fn report;
    void *context;
    void (*release)(void *context);
    pthread_t thread;
    pthread_mutex_t lock; /* guards stop */
    pthread_cond_t changed;
    bool stop;
    bool joined; /* the stopping thread's */
};

/* The reporter whose callback this thread runs; NULL: none. */
static _Thread_local const mfi_reporter_t *reporter_running;

static void reporter_report(mfi_reporter_t *r, uint64_t read_ms_max) {
    assert(r->interval_ms > 0 && r->driver->ops);
    uint64_t timeout_ms = r->interval_ms < read_ms_max ? r->interval_ms : read_ms_max;
    mofka_metadata_t *stats; /* the handle may be released: its kind is not checked */
    if (mfi_stats_give(mfi_driver_stats(r->driver, (int64_t)timeout_ms), &stats)) {
        mfi_log(MOFKA_LOG_WARN, "statistics are left out: %s", mofka_last_error());
        return;
    }
    const mfi_reporter_t *outer = reporter_running;
    reporter_running = r;
    r->report(r->context, stats);
    reporter_running = outer;
    mofka_metadata_release(stats);
}

/* Wait until the deadline. False: the reporter was stopped. */
static bool reporter_wait(mfi_reporter_t *r, int64_t deadline) {
    pthread_mutex_lock(&r->lock);
    while (!r->stop && mfi_cond_wait(&r->changed, &r->lock, deadline))
        ;
    bool stop = r->stop;
    pthread_mutex_unlock(&r->lock);
    return !stop;
}

static void *reporter_main(void *argument) {
    mfi_reporter_t *r = argument;
    assert(!reporter_running);
    while (reporter_wait(r, mfi_deadline((int64_t)r->interval_ms)))
        reporter_report(r, READ_MS_MAX);
    return NULL;
}

static void reporter_destroy(mfi_reporter_t *r) {
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

mofka_status_t mfi_reporter_start(mofka_driver_t *driver, uint64_t interval_ms,
                                  mofka_stats_fn report_to, void *context,
                                  void (*release)(void *context), mfi_reporter_t **reporter) {
    assert(report_to && interval_ms > 0 && interval_ms <= MOFKA_STATS_INTERVAL_MS_MAX);
    mfi_reporter_t *r = calloc(1, sizeof *r);
    if (!r)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a reporter of statistics");
    *r = (mfi_reporter_t){.driver = driver,
                          .interval_ms = interval_ms,
                          .report = report_to,
                          .context = context,
                          .release = release};
    pthread_mutex_init(&r->lock, NULL);
    mfi_cond_init(&r->changed);
    int error = mfi_thread_start(&r->thread, reporter_main, r);
    if (error) {
        reporter_destroy(r);
        return mofka_fail(MOFKA_ERR_SYSTEM, "starting a reporter of statistics: %s",
                          strerror(error));
    }
    *reporter = r;
    return MOFKA_OK;
}

void mfi_reporter_join(mfi_reporter_t *r) {
    if (!r || r->joined)
        return;
    pthread_mutex_lock(&r->lock);
    assert(!r->stop);
    r->stop = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    r->joined = true;
}

void mfi_reporter_stop(mfi_reporter_t *r, bool last) {
    if (!r)
        return;
    mfi_reporter_join(r);
    if (last)
        reporter_report(r, LAST_READ_MS_MAX);
    if (r->release)
        r->release(r->context);
    reporter_destroy(r);
}

mofka_status_t mofka_driver_set_stats_callback(mofka_driver_t *driver, uint64_t interval_ms,
                                               mofka_stats_fn callback, void *context) {
    MFI_KEEP_ERRNO;
    mofka_status_t status = mfi_driver_check_open(driver);
    if (!status && callback && (interval_ms == 0 || interval_ms > MOFKA_STATS_INTERVAL_MS_MAX))
        status = mofka_fail(MOFKA_ERR_RANGE, "statistics every %llu ms; the interval is 1 to %d ms",
                            (unsigned long long)interval_ms, MOFKA_STATS_INTERVAL_MS_MAX);
    /* driver->callback may not be set yet when the first report runs, so it is not compared. */
    if (!status && reporter_running && reporter_running->driver == driver)
        status = mofka_fail(MOFKA_ERR_BUSY, "a statistics callback cannot replace itself");
    if (status)
        return status;
    mfi_reporter_stop(driver->callback, false);
    driver->callback = NULL;
    return callback
               ? mfi_reporter_start(driver, interval_ms, callback, context, NULL, &driver->callback)
               : MOFKA_OK;
}
