/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts events, batches and runs, adds counters up, and describes them as JSON. */
#include "stats/counters.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <mofka/backend.h>
#include <mofka/metadata.h>
#include "base/clock.h"

/* ---- counting -------------------------------------------------------------------------------- */

void mfi_stats_sealed(mfi_producer_stats_t *stats, const mofka_batch_t *batch, mfi_seal_t why) {
    assert(why < MFI_SEALS);
    stats->sealed[why]++;
    stats->events_pushed += batch->event_count;
    stats->bytes_pushed += batch->metadata_bytes + batch->data_bytes;
}

void mfi_stats_finished(mfi_producer_stats_t *stats, const mofka_batch_t *batch, uint64_t opened_ns,
                        mofka_status_t status) {
    assert(stats->events_stored + stats->events_failed + batch->event_count <=
           stats->events_pushed);
    stats->room_waits += batch->blocked_ns > 0;
    stats->room_wait_ns += batch->blocked_ns;
    if (status) {
        stats->events_failed += batch->event_count;
        return;
    }
    stats->batches_stored++;
    stats->events_stored += batch->event_count;
    stats->bytes_stored += batch->metadata_bytes + batch->data_bytes;
    if (batch->timed)
        mfi_histogram_record(&stats->push_to_stored, mfi_now_ns() - opened_ns);
}

void mfi_stats_push_waited(mfi_producer_stats_t *stats, uint64_t since_ns) {
    stats->push_waits++;
    stats->push_wait_ns += mfi_now_ns() - since_ns;
}

void mfi_stats_fetched(mfi_consumer_stats_t *stats, const mofka_run_t *run, size_t overtaken,
                       uint64_t data_bytes, uint64_t now_ns) {
    uint64_t bytes = 0;
    assert(overtaken <= run->event_count);
    for (size_t i = overtaken; i < run->event_count; i++)
        bytes += run->events[i].metadata_bytes + run->events[i].data_bytes;
    stats->runs++;
    stats->events_fetched += run->event_count - overtaken;
    stats->bytes_fetched += bytes;
    stats->data_bytes += data_bytes;
    if (run->stored_ns) /* clocks of nodes differ, and may be set: never negative */
        mfi_histogram_record(&stats->stored_to_pulled,
                             now_ns > run->stored_ns ? now_ns - run->stored_ns : 0);
}

void mfi_stats_not_pulled(mfi_consumer_stats_t *stats, const mofka_fetched_event_t *event) {
    uint64_t bytes = event->metadata_bytes + event->data_bytes;
    assert(stats->events_fetched > 0 && stats->bytes_fetched >= bytes);
    stats->events_fetched--;
    stats->bytes_fetched -= bytes;
}

/* ---- sums ------------------------------------------------------------------------------------ */

void mfi_stats_add_producer(mfi_totals_t *totals, const mfi_producer_stats_t *stats) {
    mfi_producer_stats_t *sum = &totals->of_producers;
    assert(stats->events_stored + stats->events_failed <= stats->events_pushed);
    totals->producers++;
    sum->events_pushed += stats->events_pushed;
    sum->bytes_pushed += stats->bytes_pushed;
    sum->events_stored += stats->events_stored;
    sum->bytes_stored += stats->bytes_stored;
    sum->events_failed += stats->events_failed;
    sum->events_refused += stats->events_refused;
    sum->batches_stored += stats->batches_stored;
    for (int i = 0; i < MFI_SEALS; i++)
        sum->sealed[i] += stats->sealed[i];
    sum->flushes += stats->flushes;
    sum->room_waits += stats->room_waits;
    sum->room_wait_ns += stats->room_wait_ns;
    sum->push_waits += stats->push_waits;
    sum->push_wait_ns += stats->push_wait_ns;
    mfi_histogram_add(&sum->push_to_stored, &stats->push_to_stored);
}

void mfi_stats_add_consumer(mfi_totals_t *totals, const mfi_consumer_stats_t *stats) {
    mfi_consumer_stats_t *sum = &totals->of_consumers;
    assert(stats->waits <= stats->fetches); /* a fetch that found nothing comes before each wait */
    totals->consumers++;
    sum->runs += stats->runs;
    sum->events_fetched += stats->events_fetched;
    sum->bytes_fetched += stats->bytes_fetched;
    sum->data_bytes += stats->data_bytes;
    sum->events_lost += stats->events_lost;
    sum->events_acknowledged += stats->events_acknowledged;
    sum->fetches += stats->fetches;
    sum->waits += stats->waits;
    mfi_histogram_add(&sum->stored_to_pulled, &stats->stored_to_pulled);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* The numbers of a tree are doubles, which would round a larger one. */
static bool stats_put(cJSON *json, const char *key, uint64_t value) {
    char digits[24];
    if (value <= UINT64_C(1) << 53)
        return cJSON_AddNumberToObject(json, key, (double)value) != NULL;
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    return cJSON_AddRawToObject(json, key, digits) != NULL;
}

static bool stats_put_latency(cJSON *json, const char *key, const mfi_histogram_t *h) {
    cJSON *latency = cJSON_AddObjectToObject(json, key);
    return stats_put(latency, "count", h->total) &&
           stats_put(latency, "p50", mfi_histogram_quantile(h, 0.5)) &&
           stats_put(latency, "p90", mfi_histogram_quantile(h, 0.9)) &&
           stats_put(latency, "p99", mfi_histogram_quantile(h, 0.99)) &&
           stats_put(latency, "p99.9", mfi_histogram_quantile(h, 0.999)) &&
           stats_put(latency, "max", h->max);
}

bool mfi_stats_describe_producer(cJSON *json, const mfi_producer_stats_t *stats) {
    return stats_put(json, "events_pushed", stats->events_pushed) &&
           stats_put(json, "bytes_pushed", stats->bytes_pushed) &&
           stats_put(json, "events_stored", stats->events_stored) &&
           stats_put(json, "bytes_stored", stats->bytes_stored) &&
           stats_put(json, "events_failed", stats->events_failed) &&
           stats_put(json, "events_refused", stats->events_refused) &&
           stats_put(json, "batches_stored", stats->batches_stored) &&
           stats_put(json, "batches_full", stats->sealed[MFI_SEAL_FULL]) &&
           stats_put(json, "batches_linger", stats->sealed[MFI_SEAL_LINGER]) &&
           stats_put(json, "batches_flush", stats->sealed[MFI_SEAL_FLUSH]) &&
           stats_put(json, "batches_worker", stats->sealed[MFI_SEAL_WORKER]) &&
           stats_put(json, "flushes", stats->flushes) &&
           stats_put(json, "room_waits", stats->room_waits) &&
           stats_put(json, "room_wait_ns", stats->room_wait_ns) &&
           stats_put(json, "push_waits", stats->push_waits) &&
           stats_put(json, "push_wait_ns", stats->push_wait_ns) &&
           stats_put_latency(json, "push_to_stored_ns", &stats->push_to_stored);
}

bool mfi_stats_describe_consumer(cJSON *json, const mfi_consumer_stats_t *stats) {
    return stats_put(json, "events_pulled", stats->events_fetched) &&
           stats_put(json, "bytes_pulled", stats->bytes_fetched) &&
           stats_put(json, "events_acknowledged", stats->events_acknowledged) &&
           stats_put(json, "events_lost", stats->events_lost) &&
           stats_put(json, "data_bytes_fetched", stats->data_bytes) &&
           stats_put(json, "runs", stats->runs) && stats_put(json, "fetches", stats->fetches) &&
           stats_put(json, "waits", stats->waits) &&
           stats_put_latency(json, "stored_to_pulled_ns", &stats->stored_to_pulled);
}

mofka_status_t mfi_stats_give(cJSON *json, mofka_metadata_t **stats) {
    /* From text: a reader of the tree gets numbers, a reader of the text all digits. */
    char *text = json ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    mofka_status_t status = text ? mofka_metadata_create(text, strlen(text), stats)
                                 : mofka_fail(MOFKA_ERR_MEMORY, "no memory for statistics");
    cJSON_free(text);
    return status;
}
