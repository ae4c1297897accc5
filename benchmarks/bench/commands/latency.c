/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * latency: one event at a time is pushed, flushed and pulled, between two ranks and back, through
 * two topics. A latency is half of the round trip. With --baseline, rounds alternate with rounds of
 * MPI_Send and MPI_Recv, and on one node with rounds of the ring.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "commands/commands.h"
#include "paired.h"
#include "payload.h"

#define TIMEOUT_MS 60000

/* The floors of a round trip. */
enum { TRIP_SENDRECV, TRIP_RING, TRIPS };
static const floor_kind_t trip_kinds[TRIPS] = {FLOOR_SENDRECV, FLOOR_RING_TRIP};

typedef struct latency_run {
    const bench_job_t *job;
    const bench_settings_t *s;
    mofka_driver_t *driver;
    mofka_topic_t *topics[2]; /* there, back */
    mofka_producer_t *producer;
    mofka_consumer_t *consumer;
    mofka_thread_pool_t *pool;
    char *metadata, *data;
    mofka_data_view_t *view;
    data_wish_t wish;
    uint64_t number;
    mfi_histogram_t *all, *round, *floor_times;
    floor_t *floors[TRIPS]; /* NULL: not measured */
    bool wrong;
} latency_run_t;

static mofka_status_t latency_select_all(void *context, const mofka_metadata_t *metadata,
                                         mofka_data_descriptor_t *full,
                                         mofka_data_descriptor_t **selected) {
    (void)context, (void)metadata;
    *selected = mofka_data_descriptor_retain(full);
    return MOFKA_OK;
}

static void latency_open_floors(latency_run_t *l) {
    const bench_settings_t *s = l->s;
    bool near = floor_shares_node(l->job->pair) && strcmp(s->window, "rma") != 0;
    for (int i = 0; i < TRIPS; i++) {
        if (i == TRIP_RING && !near)
            continue;
        l->floors[i] = floor_open(l->job->pair, s->metadata_size + s->data_size, s->partition_bytes,
                                  1u << trip_kinds[i]);
        if (!l->floors[i])
            bench_abort(1);
    }
}

static void latency_open(latency_run_t *l, const bench_job_t *job, const bench_settings_t *s) {
    assert(job->size == 2 && job->rank < 2);
    static const char *const names[] = {"there", "back"};
    *l = (latency_run_t){.job = job, .s = s, .wish = data_wish_of(s)};
    char text[256];
    /* Each topic's partition is at the rank that pulls from it. */
    snprintf(text, sizeof text, "{\"window\":\"%s\",\"arena_bytes\":%zu,\"owners\":[1,0]}",
             s->window, s->partition_bytes + (1 << 20));
    bench_must(mofka_mpi_driver_create(job->comm, text, &l->driver), "driver");
    snprintf(text, sizeof text, "{\"partition_bytes\":%zu,\"partition_events\":4096}",
             s->partition_bytes);
    for (int i = 0; i < 2; i++) {
        if (job->rank == 0)
            bench_must(mofka_driver_create_topic(l->driver, names[i],
                                                 &(mofka_topic_options_t){.options = text}),
                       "topic");
        bench_must(mofka_driver_open_topic(l->driver, names[i], TIMEOUT_MS, &l->topics[i]),
                   "topic");
    }
    bench_must(
        mofka_driver_make_thread_pool(l->driver, s->threads, MOFKA_BINDING_COMPACT, &l->pool),
        "pool");
    bench_must(mofka_producer_create(l->topics[job->rank],
                                     &(mofka_producer_options_t){.thread_pool = l->pool},
                                     &l->producer),
               "producer");
    bench_must(mofka_consumer_create(l->topics[1 - job->rank],
                                     &(mofka_consumer_options_t){
                                         .name = "reader",
                                         .thread_pool = l->pool,
                                         .selector = s->data_size ? latency_select_all : NULL},
                                     &l->consumer),
               "consumer");
    l->metadata = calloc(1, s->metadata_size + 1);
    l->data = calloc(1, s->data_size + 1);
    bench_must(mofka_data_view_of(l->data, s->data_size, &l->view), "data");
    l->all = calloc(1, sizeof *l->all);
    l->round = calloc(1, sizeof *l->round);
    l->floor_times = calloc(1, sizeof *l->floor_times);
    if (s->baseline)
        latency_open_floors(l);
    bench_barrier(job->comm);
}

static void latency_close(latency_run_t *l) {
    bench_must(mofka_producer_close(l->producer, TIMEOUT_MS), "closing the producer");
    mofka_producer_release(l->producer);
    bench_must(mofka_consumer_close(l->consumer), "closing the consumer");
    mofka_consumer_release(l->consumer);
    mofka_thread_pool_release(l->pool);
    mofka_topic_release(l->topics[0]);
    mofka_topic_release(l->topics[1]);
    bench_must(mofka_driver_close(l->driver, TIMEOUT_MS), "closing the driver");
    mofka_driver_release(l->driver);
    for (int i = 0; i < TRIPS; i++)
        floor_close(l->floors[i]);
    mofka_data_view_release(l->view);
    free(l->metadata);
    free(l->data);
    free(l->all);
    free(l->round);
    free(l->floor_times);
}

static void latency_send(latency_run_t *l, uint64_t stamp) {
    const bench_settings_t *s = l->s;
    if (s->verify) {
        stamp_metadata(l->metadata, s->metadata_size, stamp);
        stamp_data(l->data, s->data_size, stamp);
    }
    bench_must(mofka_producer_push(l->producer, l->metadata, s->metadata_size,
                                   s->data_size ? l->view : NULL, 0, NULL),
               "push");
    bench_must(mofka_producer_flush(l->producer, TIMEOUT_MS), "flush");
}

static void latency_receive(latency_run_t *l, uint64_t stamp) {
    mofka_event_t *event;
    bench_must(mofka_consumer_pull(l->consumer, TIMEOUT_MS, &event), "pull");
    if (l->s->verify && !stamps_check(l->s, &l->wish, mofka_event_metadata_text(event, NULL),
                                      mofka_event_data(event), stamp))
        l->wrong = true;
    bench_must(mofka_event_acknowledge(event), "acknowledge");
    mofka_event_release(event);
}

static double latency_run_round(latency_run_t *l, uint64_t count) {
    mfi_histogram_clear(l->round);
    bench_barrier(l->job->comm);
    double start = bench_now(), before = start;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t there = stamp_of(0, l->number), back = stamp_of(1, l->number);
        l->number++;
        if (l->job->rank == 0) {
            latency_send(l, there);
            latency_receive(l, back);
            double now = bench_now();
            mfi_histogram_record(l->round, (uint64_t)(0.5e9 * (now - before)));
            before = now;
        } else {
            latency_receive(l, there);
            latency_send(l, back);
        }
    }
    return bench_job_max(l->job, bench_now() - start);
}

/* A floor beside the rounds of a repeat. */
typedef struct latency_ratios {
    double *p50, *p99, *ratio_p50, *ratio_p99;
    size_t count;
} latency_ratios_t;

static bool latency_make_ratios(latency_ratios_t *ratios, uint64_t room) {
    double *numbers = calloc(4 * room, sizeof *numbers);
    *ratios =
        (latency_ratios_t){numbers, numbers + room, numbers + 2 * room, numbers + 3 * room, 0};
    return numbers;
}

/* Run a round of a floor, and compare the last round with it. */
static void latency_run_floor(latency_run_t *l, int trip, latency_ratios_t *ratios) {
    if (!l->floors[trip])
        return;
    mfi_histogram_clear(l->floor_times);
    floor_round(l->floors[trip], trip_kinds[trip], PAIRED_ROUND_S, l->floor_times);
    if (l->job->rank != 0)
        return;
    double p50 = (double)mfi_histogram_quantile(l->floor_times, 0.5);
    double p99 = (double)mfi_histogram_quantile(l->floor_times, 0.99);
    size_t i = ratios->count++;
    ratios->p50[i] = p50 / 1e3;
    ratios->p99[i] = p99 / 1e3;
    ratios->ratio_p50[i] = (double)mfi_histogram_quantile(l->round, 0.5) / p50;
    ratios->ratio_p99[i] = (double)mfi_histogram_quantile(l->round, 0.99) / p99;
}

static bench_trip_t latency_end_ratios(latency_ratios_t *ratios) {
    bench_trip_t trip = {bench_median(ratios->p50, ratios->count),
                         bench_median(ratios->p99, ratios->count),
                         bench_median(ratios->ratio_p50, ratios->count),
                         bench_median(ratios->ratio_p99, ratios->count)};
    free(ratios->p50);
    return trip;
}

static bool latency_run_repeat(latency_run_t *l, double *rate, int repeat) {
    assert(l->s->events > 0 && repeat < l->s->repeat);
    const bench_settings_t *s = l->s;
    latency_ratios_t ratios[TRIPS];
    for (int i = 0; i < TRIPS; i++)
        if (!latency_make_ratios(&ratios[i], s->events))
            bench_must(mofka_fail(MOFKA_ERR_MEMORY, "no memory for %llu rounds",
                                  (unsigned long long)s->events),
                       "latency");
    bench_result_t r;
    bench_result_clear(&r);
    r.seconds = 0;
    mfi_histogram_clear(l->all);
    uint64_t done = 0;
    bool stopped = false;
    double cpu = bench_cpu_seconds();
    while (done < s->events && !stopped) {
        double seconds = s->baseline ? PAIRED_ROUND_S : LONE_ROUND_S;
        uint64_t count = (uint64_t)(seconds * *rate), left = s->events - done;
        count = count < 1 ? 1 : count < left ? count : left;
        seconds = latency_run_round(l, count);
        *rate = (double)count / seconds;
        done += count;
        r.seconds += seconds;
        mfi_histogram_add(l->all, l->round);
        for (int i = 0; i < TRIPS; i++)
            latency_run_floor(l, i, &ratios[i]);
        bench_show_progress(l->job,
                            ((double)repeat + (double)done / (double)s->events) / s->repeat);
        stopped = bench_job_interrupted(l->job);
    }
    r.cpu_seconds = bench_job_sum(l->job, bench_cpu_seconds() - cpu);
    r.events = 2 * done;
    r.events_per_s = (double)r.events / r.seconds;
    r.gb_per_s = r.events_per_s * (double)(s->metadata_size + s->data_size) * 1e-9;
    r.peak_rss_mb = bench_job_max(l->job, bench_peak_rss_mb());
    r.verified = bench_job_max(l->job, l->wrong) == 0;
    r.latency = l->all;
    r.sendrecv = latency_end_ratios(&ratios[TRIP_SENDRECV]);
    r.ring = latency_end_ratios(&ratios[TRIP_RING]);
    report_result(l->job, s, repeat, &r);
    return !stopped;
}

int bench_run_latency(const bench_job_t *job, const bench_settings_t *s) {
    latency_run_t l;
    latency_open(&l, job, s);
    double rate = (double)s->warmup / latency_run_round(&l, s->warmup);
    bool going = true;
    for (int i = 0; i < s->repeat && going; i++)
        going = latency_run_repeat(&l, &rate, i);
    bool wrong = bench_job_max(job, l.wrong) > 0;
    latency_close(&l);
    return wrong ? BENCH_WRONG : going ? BENCH_OK : BENCH_INTERRUPTED;
}
