/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * push: what a push costs a program that computes. Rank 0 computes, and pushes --rate events a
 * second; the last rank has the partition, and sleeps. Nobody consumes: the oldest events are
 * discarded.
 *
 * Rounds alternate. In a bare one the program reads the clock twice in place of pushing: that gives
 * the jitter of the machine itself. The slowdown is the median of the ratios of neighbours.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "commands/commands.h"

#define TOPIC "pushes"
#define TIMEOUT_MS 10000
#define RATE 10000
/* Rounds of each kind, at most. */
#define ROUNDS_MAX 20000

typedef struct pusher {
    mofka_producer_t *producer;
    char *metadata;
    size_t metadata_bytes;
    mofka_data_view_t *data; /* NULL: none */
    uint64_t dropped;
} pusher_t;

/* Collective. */
static mofka_driver_t *push_make_driver(const bench_job_t *job, const bench_settings_t *settings) {
    char options[128];
    mofka_driver_t *driver;
    snprintf(options, sizeof options, "{\"window\":\"%s\",\"owners\":[%d]}", settings->window,
             job->size - 1);
    bench_must(mofka_mpi_driver_create(job->comm, options, &driver), "driver");
    snprintf(options, sizeof options, "{\"retention\":\"discard_oldest\",\"partition_bytes\":%zu}",
             settings->partition_bytes);
    if (job->rank == 0)
        bench_must(
            mofka_driver_create_topic(driver, TOPIC, &(mofka_topic_options_t){.options = options}),
            "topic");
    return driver;
}

static void push_open(pusher_t *pusher, mofka_topic_t *topic, const bench_settings_t *s) {
    mofka_thread_pool_t *pool = NULL;
    if (s->threads > 0)
        bench_must(mofka_driver_make_thread_pool(mofka_topic_driver(topic), s->threads,
                                                 MOFKA_BINDING_NONE, &pool),
                   "pool");
    bench_must(
        mofka_producer_create(topic,
                              &(mofka_producer_options_t){.batch_size = s->batch_size,
                                                          .max_batches = s->max_batches,
                                                          .thread_pool = pool,
                                                          .when_full = MOFKA_WHEN_FULL_DROP_NEWEST},
                              &pusher->producer),
        "producer");
    mofka_thread_pool_release(pool);
    /* A JSON string of that size. */
    pusher->metadata_bytes = s->metadata_size < 2 ? 2 : s->metadata_size;
    pusher->metadata = malloc(pusher->metadata_bytes);
    if (!pusher->metadata)
        bench_fail(mofka_fail(MOFKA_ERR_MEMORY, "no memory for metadata"), "push");
    memset(pusher->metadata, 'x', pusher->metadata_bytes);
    pusher->metadata[0] = pusher->metadata[pusher->metadata_bytes - 1] = '"';
    if (s->data_size > 0)
        bench_must(mofka_data_view_allocate(s->data_size, &pusher->data), "data");
}

static void push_close(pusher_t *pusher) {
    bench_must(mofka_producer_close(pusher->producer, TIMEOUT_MS), "producer");
    mofka_producer_release(pusher->producer);
    if (pusher->data)
        mofka_data_view_release(pusher->data);
    free(pusher->metadata);
}

/* Compute for a while. */
static uint64_t push_compute(uint64_t steps) {
    static uint64_t state = 88172645463325252u;
    for (uint64_t i = 0; i < steps; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    return state;
}

/* The steps that take so many seconds here. */
static uint64_t push_calibrate(double seconds) {
    uint64_t steps = 1000;
    volatile uint64_t sink = 0;
    for (;; steps *= 2) {
        double start = bench_now();
        sink ^= push_compute(steps);
        double taken = bench_now() - start;
        if (taken > 0.02)
            return (uint64_t)((double)steps * seconds / taken) + 1;
    }
}

static uint64_t push_now_ns(void) {
    return (uint64_t)(bench_now() * 1e9);
}

/* One round of `count` events. `pusher`: NULL in a bare one. Returns its seconds. */
static double push_round(pusher_t *pusher, uint64_t count, uint64_t steps, mfi_histogram_t *times) {
    volatile uint64_t sink = 0;
    double start = bench_now();
    for (uint64_t i = 0; i < count; i++) {
        sink ^= push_compute(steps);
        mofka_status_t status = MOFKA_OK;
        uint64_t before = push_now_ns();
        if (pusher)
            status = mofka_producer_push(pusher->producer, pusher->metadata, pusher->metadata_bytes,
                                         pusher->data, MOFKA_ANY_PARTITION, NULL);
        mfi_histogram_record(times, push_now_ns() - before);
        if (status == MOFKA_ERR_FULL)
            pusher->dropped++;
        else
            bench_must(status, "push");
    }
    return bench_now() - start;
}

static int push_compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void push_report_times(const bench_job_t *job, const bench_settings_t *s, const char *what,
                              const mfi_histogram_t *times) {
    static const struct {
        const char *name;
        double quantile;
    } rows[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s_%s", what, rows[i].name);
        report_value(job, s, name, s->metadata_size + s->data_size,
                     (double)mfi_histogram_quantile(times, rows[i].quantile), "ns");
    }
}

/* Rank 0 only. */
static void push_measure(const bench_job_t *job, const bench_settings_t *s, pusher_t *pusher) {
    static mfi_histogram_t bare, pushes;
    static double ratios[ROUNDS_MAX];
    double rate = s->rate > 0 ? s->rate : RATE;
    uint64_t count = (uint64_t)(rate * PAIRED_ROUND_S) + 1, steps = push_calibrate(1 / rate);
    size_t rounds = 0;
    push_round(pusher, s->warmup, steps, &pushes);
    mfi_histogram_clear(&pushes);
    mfi_histogram_clear(&bare);
    pusher->dropped = 0;
    for (double end = bench_now() + s->seconds; bench_now() < end && rounds < ROUNDS_MAX;) {
        double alone = push_round(NULL, count, steps, &bare);
        ratios[rounds++] = push_round(pusher, count, steps, &pushes) / alone;
    }
    assert(rounds > 0);
    qsort(ratios, rounds, sizeof ratios[0], push_compare);
    push_report_times(job, s, "clock", &bare);
    push_report_times(job, s, "push", &pushes);
    report_value(job, s, "slowdown", s->metadata_size + s->data_size,
                 100 * (ratios[rounds / 2] - 1), "%");
    report_value(job, s, "dropped", s->metadata_size + s->data_size, (double)pusher->dropped,
                 "events");
}

int bench_run_push(const bench_job_t *job, const bench_settings_t *settings) {
    mofka_driver_t *driver = push_make_driver(job, settings);
    mofka_topic_t *topic;
    bench_must(mofka_driver_open_topic(driver, TOPIC, TIMEOUT_MS, &topic), "topic");
    if (job->rank == 0) {
        pusher_t pusher = {0};
        push_open(&pusher, topic, settings);
        push_measure(job, settings, &pusher);
        push_close(&pusher);
    }
    bench_barrier(job->comm); /* the owner sleeps meanwhile */
    mofka_topic_release(topic);
    bench_must(mofka_driver_close(driver, TIMEOUT_MS), "driver");
    mofka_driver_release(driver);
    return BENCH_OK;
}
