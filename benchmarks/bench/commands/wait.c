/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait: the CPU time of an idle consumer and an idle owner. Rank 0 pulls from a topic that stays
 * empty. The only partition belongs to the last rank, which sleeps outside MPI, like a program that
 * computes or waits for input. The library uses all the CPU time that either rank uses.
 */
#include <assert.h>
#include <errno.h>
#include <time.h>
#include "commands/commands.h"

#define TOPIC "idle"
#define TIMEOUT_MS 10000

/* Collective. */
static mofka_driver_t *wait_make_driver(const bench_job_t *job, const bench_settings_t *settings) {
    char options[64];
    mofka_driver_t *driver;
    snprintf(options, sizeof options, "{\"window\":\"%s\",\"owners\":[%d]}", settings->window,
             job->size - 1);
    bench_must(mofka_mpi_driver_create(job->comm, options, &driver), "driver");
    if (job->rank == 0)
        bench_must(mofka_driver_create_topic(driver, TOPIC, &(mofka_topic_options_t){0}), "topic");
    return driver;
}

static void wait_outside_mpi(double seconds) {
    assert(seconds > 0);
    double end = bench_now() + seconds;
    struct timespec until = {.tv_sec = (time_t)end};
    until.tv_nsec = (long)((end - (double)until.tv_sec) * 1e9);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ; /* the consumer cannot end early either */
}

/* False: an event came, or the timeout did not; a message was printed. */
static bool wait_pull_nothing(mofka_consumer_t *consumer, double seconds) {
    assert(consumer);
    mofka_event_t *event = NULL;
    mofka_status_t status = mofka_consumer_pull(consumer, (int64_t)(seconds * 1000), &event);
    if (status == MOFKA_ERR_TIMEOUT)
        return true;
    if (status)
        bench_must(status, "pull");
    fprintf(stderr, "mofka-bench: wait: an event came from an empty topic\n");
    mofka_event_release(event);
    return false;
}

int bench_run_wait(const bench_job_t *job, const bench_settings_t *settings) {
    mofka_driver_t *driver = wait_make_driver(job, settings);
    mofka_topic_t *topic;
    mofka_consumer_t *consumer = NULL;
    bool consumes = job->rank == 0, owns = job->rank == job->size - 1, good = true;
    bench_must(mofka_driver_open_topic(driver, TOPIC, TIMEOUT_MS, &topic), "topic");
    if (consumes)
        bench_must(
            mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = "idle"}, &consumer),
            "consumer");
    bench_barrier(job->comm);
    double start = bench_cpu_seconds();
    if (consumes)
        good = wait_pull_nothing(consumer, settings->seconds);
    else
        wait_outside_mpi(settings->seconds);
    double burnt = bench_cpu_seconds() - start;
    /* With one rank, that rank is the consumer and the owner, and both have its time. */
    double consumer_cpu = bench_job_max(job, consumes ? burnt : 0);
    double owner_cpu = bench_job_max(job, owns ? burnt : 0);
    good = bench_job_max(job, !good) <= 0;
    report_value(job, settings, "idle_consumer_cpu", 0, consumer_cpu, "s");
    report_value(job, settings, "idle_owner_cpu", 0, owner_cpu, "s");
    if (consumes) {
        bench_must(mofka_consumer_close(consumer), "consumer");
        mofka_consumer_release(consumer);
    }
    mofka_topic_release(topic);
    bench_must(mofka_driver_close(driver, TIMEOUT_MS), "driver");
    mofka_driver_release(driver);
    return good ? BENCH_OK : BENCH_WRONG;
}
