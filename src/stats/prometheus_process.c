/* SPDX-License-Identifier: BSD-3-Clause */
/* The counters of a process's producers and consumers as text for Prometheus. */
#include "stats/prometheus.h"

#include <assert.h>
#include <inttypes.h>
#include "stats/counters.h"

/* A counter at `offset` of the structure. */
typedef struct process_counter {
    const char *name;
    size_t offset;
    unsigned decimals; /* 9: nanoseconds, shown as seconds */
    const char *help;
} process_counter_t;

#define OF_PRODUCER(member) offsetof(mfi_producer_stats_t, member)
#define OF_CONSUMER(member) offsetof(mfi_consumer_stats_t, member)

static const process_counter_t producer_counters[] = {
    {"pushed_events", OF_PRODUCER(events_pushed), 0, "Events in batches that were sealed."},
    {"pushed_bytes", OF_PRODUCER(bytes_pushed), 0, "Bytes of events in batches that were sealed."},
    {"stored_events", OF_PRODUCER(events_stored), 0, "Events that were stored."},
    {"stored_bytes", OF_PRODUCER(bytes_stored), 0, "Bytes of events that were stored."},
    {"failed_events", OF_PRODUCER(events_failed), 0, "Accepted events that will not be stored."},
    {"refused_events", OF_PRODUCER(events_refused), 0,
     "Events that were not accepted for what they are."},
    {"dropped_events", OF_PRODUCER(events_dropped), 0, "Events that found no room."},
    {"fallback_events", OF_PRODUCER(events_fallback), 0, "Events that a fallback accepted."},
    {"stored_claims", OF_PRODUCER(claims_stored), 0, "Claims in place that were committed."},
    {"void_claims", OF_PRODUCER(claims_void), 0, "Claims in place that were given up."},
    {"stored_batches", OF_PRODUCER(batches_stored), 0, "Batches that were stored."},
    {"flushes", OF_PRODUCER(flushes), 0, "Flushes, those of close included."},
    {"room_waits", OF_PRODUCER(room_waits), 0, "Batches that waited for room."},
    {"room_wait_seconds", OF_PRODUCER(room_wait_ns), 9, "Time that batches waited for room."},
    {"push_waits", OF_PRODUCER(push_waits), 0, "Pushes that found max_batches in memory."},
    {"push_wait_seconds", OF_PRODUCER(push_wait_ns), 9, "Time that pushes waited for a batch."},
};

static const process_counter_t consumer_counters[] = {
    {"pulled_events", OF_CONSUMER(events_fetched), 0, "Events that were delivered."},
    {"pulled_bytes", OF_CONSUMER(bytes_fetched), 0, "Bytes of delivered events, selected or not."},
    {"fetched_data_bytes", OF_CONSUMER(data_bytes), 0, "Selected data, copied or shown in place."},
    {"acknowledged_events", OF_CONSUMER(events_acknowledged), 0, "Events acknowledged here."},
    {"lost_events", OF_CONSUMER(events_lost), 0, "Events lost to retention, or skipped."},
    {"void_events", OF_CONSUMER(events_void), 0, "Ids passed that no event has."},
    {"verified_events", OF_CONSUMER(events_verified), 0, "Pulled events with right checksums."},
    {"data_damaged_events", OF_CONSUMER(data_damaged), 0, "Pulled events with damaged data."},
    {"metadata_damaged_events", OF_CONSUMER(metadata_damaged), 0, "Events with damaged metadata."},
    {"runs", OF_CONSUMER(runs), 0, "Fetches that found events."},
    {"fetches", OF_CONSUMER(fetches), 0, "All fetches."},
    {"waits", OF_CONSUMER(waits), 0, "Waits for events."},
};

/* The bounds of a histogram's buckets, from 1 us to 10 s. */
static const struct process_bound {
    uint64_t ns;
    const char *seconds;
} process_bounds[] = {
    {1000, "1e-06"},     {2000, "2e-06"},       {5000, "5e-06"},     {10000, "1e-05"},
    {20000, "2e-05"},    {50000, "5e-05"},      {100000, "0.0001"},  {200000, "0.0002"},
    {500000, "0.0005"},  {1000000, "0.001"},    {2000000, "0.002"},  {5000000, "0.005"},
    {10000000, "0.01"},  {20000000, "0.02"},    {50000000, "0.05"},  {100000000, "0.1"},
    {200000000, "0.2"},  {500000000, "0.5"},    {1000000000, "1.0"}, {2000000000, "2.0"},
    {5000000000, "5.0"}, {10000000000, "10.0"},
};
#define BOUNDS (sizeof process_bounds / sizeof process_bounds[0])

typedef struct process_text {
    FILE *out;
    mfi_prometheus_format_t format;
    size_t rank;
} process_text_t;

static void process_write_counters(const process_text_t *text, const char *prefix,
                                   const process_counter_t *counters, size_t count,
                                   const void *stats) {
    for (size_t i = 0; i < count; i++) {
        char name[96];
        uint64_t value =
            *(const uint64_t *)(const void *)((const char *)stats + counters[i].offset);
        snprintf(name, sizeof name, "%s_%s", prefix, counters[i].name);
        mfi_prometheus_write_head(text->out, text->format, name, MFI_METRIC_COUNTER,
                                  counters[i].help);
        fprintf(text->out, "%s_total{rank=\"%zu\"}", name, text->rank);
        mfi_prometheus_write_value(text->out, value, counters[i].decimals);
    }
}

static void process_write_gauge(const process_text_t *text, const char *name, const char *help,
                                uint64_t value, unsigned decimals) {
    mfi_prometheus_write_head(text->out, text->format, name, MFI_METRIC_GAUGE, help);
    fprintf(text->out, "%s{rank=\"%zu\"}", name, text->rank);
    mfi_prometheus_write_value(text->out, value, decimals);
}

static void process_write_seals(const process_text_t *text, const mfi_producer_stats_t *stats) {
    static const char name[] = "mofka_producer_sealed_batches";
    static const char *const reasons[MFI_SEALS] = {"full", "linger", "flush", "worker"};
    mfi_prometheus_write_head(text->out, text->format, name, MFI_METRIC_COUNTER,
                              "Batches by the reason for which they were sent.");
    for (size_t i = 0; i < MFI_SEALS; i++) {
        fprintf(text->out, "%s_total{rank=\"%zu\",reason=\"%s\"}", name, text->rank, reasons[i]);
        mfi_prometheus_write_value(text->out, stats->sealed[i], 0);
    }
}

/* A value that is above a bound by less than 1/64 may count as below it. */
static void process_write_histogram(const process_text_t *text, const char *name, const char *help,
                                    const mfi_histogram_t *histogram) {
    mfi_prometheus_write_head(text->out, text->format, name, MFI_METRIC_HISTOGRAM, help);
    for (size_t i = 0; i < BOUNDS; i++) {
        fprintf(text->out, "%s_bucket{rank=\"%zu\",le=\"%s\"}", name, text->rank,
                process_bounds[i].seconds);
        mfi_prometheus_write_value(text->out, mfi_histogram_count(histogram, process_bounds[i].ns),
                                   0);
    }
    fprintf(text->out, "%s_bucket{rank=\"%zu\",le=\"+Inf\"}", name, text->rank);
    mfi_prometheus_write_value(text->out, histogram->total, 0);
    fprintf(text->out, "%s_sum{rank=\"%zu\"}", name, text->rank);
    mfi_prometheus_write_value(text->out, mfi_histogram_sum(histogram), 9);
    fprintf(text->out, "%s_count{rank=\"%zu\"}", name, text->rank);
    mfi_prometheus_write_value(text->out, histogram->total, 0);
}

static void process_write_producers(const process_text_t *text,
                                    const mfi_prometheus_process_t *process) {
    const mfi_producer_stats_t *stats = &process->sums->of_producers;
    assert(process->producers <= process->sums->producers);
    process_write_gauge(text, "mofka_producers", "Open producers.", process->producers, 0);
    process_write_gauge(text, "mofka_producer_open_claims", "Open claims.", stats->claims_open, 0);
    process_write_counters(text, "mofka_producer", producer_counters,
                           sizeof producer_counters / sizeof producer_counters[0], stats);
    process_write_seals(text, stats);
    process_write_histogram(text, "mofka_producer_push_to_stored_seconds",
                            "Time from the push of a batch's first event until it is stored.",
                            &stats->push_to_stored);
}

static void process_write_consumers(const process_text_t *text,
                                    const mfi_prometheus_process_t *process) {
    const mfi_consumer_stats_t *stats = &process->sums->of_consumers;
    assert(process->consumers <= process->sums->consumers);
    process_write_gauge(text, "mofka_consumers", "Open consumers.", process->consumers, 0);
    process_write_counters(text, "mofka_consumer", consumer_counters,
                           sizeof consumer_counters / sizeof consumer_counters[0], stats);
    process_write_histogram(text, "mofka_consumer_stored_to_pulled_seconds",
                            "Time from the storing of a run's first event until it can be pulled.",
                            &stats->stored_to_pulled);
}

void mfi_prometheus_write_process(FILE *out, mfi_prometheus_format_t format,
                                  const mfi_prometheus_process_t *process) {
    const process_text_t text = {.out = out, .format = format, .rank = process->rank};
    process_write_gauge(&text, "mofka_process_timestamp_seconds",
                        "When the process was read, in seconds since 1970.", process->time_us, 6);
    process_write_producers(&text, process);
    process_write_consumers(&text, process);
}
