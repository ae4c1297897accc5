/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts events, batches and runs, adds counters up, and describes them as JSON. */
#include "stats/counters.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <mofka/backend.h>
#include <mofka/metadata.h>
#include <string.h>
#include "base/clock.h"
#include "json/tree.h"

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
    uint64_t bytes = 0, verified = 0, damaged = 0;
    assert(overtaken <= run->event_count);
    for (size_t i = overtaken; i < run->event_count; i++) {
        const mofka_fetched_event_t *event = &run->events[i];
        bytes += event->metadata_bytes + event->data_bytes;
        verified += event->verified;
        damaged += event->data_damaged;
    }
    stats->runs++;
    stats->events_fetched += run->event_count - overtaken;
    stats->bytes_fetched += bytes;
    stats->events_verified += verified;
    stats->data_damaged += damaged;
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
    stats->events_verified -= event->verified;
    stats->data_damaged -= event->data_damaged;
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
    sum->events_dropped += stats->events_dropped;
    sum->events_fallback += stats->events_fallback;
    sum->claims_stored += stats->claims_stored;
    sum->claims_void += stats->claims_void;
    sum->claims_open += stats->claims_open;
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
    assert(stats->events_verified + stats->data_damaged <= stats->events_fetched);
    totals->consumers++;
    sum->runs += stats->runs;
    sum->events_fetched += stats->events_fetched;
    sum->bytes_fetched += stats->bytes_fetched;
    sum->data_bytes += stats->data_bytes;
    sum->events_verified += stats->events_verified;
    sum->data_damaged += stats->data_damaged;
    sum->metadata_damaged += stats->metadata_damaged;
    sum->events_lost += stats->events_lost;
    sum->events_void += stats->events_void;
    sum->events_acknowledged += stats->events_acknowledged;
    sum->fetches += stats->fetches;
    sum->waits += stats->waits;
    mfi_histogram_add(&sum->stored_to_pulled, &stats->stored_to_pulled);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static bool stats_put_latency(cJSON *json, const char *key, const mfi_histogram_t *h) {
    cJSON *latency = cJSON_AddObjectToObject(json, key);
    return mfi_json_add_count(latency, "count", h->total) &&
           mfi_json_add_count(latency, "p50", mfi_histogram_quantile(h, 0.5)) &&
           mfi_json_add_count(latency, "p90", mfi_histogram_quantile(h, 0.9)) &&
           mfi_json_add_count(latency, "p99", mfi_histogram_quantile(h, 0.99)) &&
           mfi_json_add_count(latency, "p99.9", mfi_histogram_quantile(h, 0.999)) &&
           mfi_json_add_count(latency, "max", h->max);
}

bool mfi_stats_describe_producer(cJSON *json, const mfi_producer_stats_t *stats) {
    return mfi_json_add_count(json, "events_pushed", stats->events_pushed) &&
           mfi_json_add_count(json, "bytes_pushed", stats->bytes_pushed) &&
           mfi_json_add_count(json, "events_stored", stats->events_stored) &&
           mfi_json_add_count(json, "bytes_stored", stats->bytes_stored) &&
           mfi_json_add_count(json, "events_failed", stats->events_failed) &&
           mfi_json_add_count(json, "events_refused", stats->events_refused) &&
           mfi_json_add_count(json, "events_dropped", stats->events_dropped) &&
           mfi_json_add_count(json, "events_fallback", stats->events_fallback) &&
           mfi_json_add_count(json, "claims_stored", stats->claims_stored) &&
           mfi_json_add_count(json, "claims_void", stats->claims_void) &&
           mfi_json_add_count(json, "claims_open", stats->claims_open) &&
           mfi_json_add_count(json, "batches_stored", stats->batches_stored) &&
           mfi_json_add_count(json, "batches_full", stats->sealed[MFI_SEAL_FULL]) &&
           mfi_json_add_count(json, "batches_linger", stats->sealed[MFI_SEAL_LINGER]) &&
           mfi_json_add_count(json, "batches_flush", stats->sealed[MFI_SEAL_FLUSH]) &&
           mfi_json_add_count(json, "batches_worker", stats->sealed[MFI_SEAL_WORKER]) &&
           mfi_json_add_count(json, "flushes", stats->flushes) &&
           mfi_json_add_count(json, "room_waits", stats->room_waits) &&
           mfi_json_add_count(json, "room_wait_ns", stats->room_wait_ns) &&
           mfi_json_add_count(json, "push_waits", stats->push_waits) &&
           mfi_json_add_count(json, "push_wait_ns", stats->push_wait_ns) &&
           stats_put_latency(json, "push_to_stored_ns", &stats->push_to_stored);
}

/* The fetched events that are neither verified nor damaged. */
static uint64_t stats_count_unverified(const mfi_consumer_stats_t *stats) {
    assert(stats->events_verified + stats->data_damaged <= stats->events_fetched);
    return stats->events_fetched - stats->events_verified - stats->data_damaged;
}

bool mfi_stats_describe_consumer(cJSON *json, const mfi_consumer_stats_t *stats) {
    return mfi_json_add_count(json, "events_pulled", stats->events_fetched) &&
           mfi_json_add_count(json, "bytes_pulled", stats->bytes_fetched) &&
           mfi_json_add_count(json, "events_acknowledged", stats->events_acknowledged) &&
           mfi_json_add_count(json, "events_lost", stats->events_lost) &&
           mfi_json_add_count(json, "events_void", stats->events_void) &&
           mfi_json_add_count(json, "events_verified", stats->events_verified) &&
           mfi_json_add_count(json, "events_unverified", stats_count_unverified(stats)) &&
           mfi_json_add_count(json, "events_data_damaged", stats->data_damaged) &&
           mfi_json_add_count(json, "events_metadata_damaged", stats->metadata_damaged) &&
           mfi_json_add_count(json, "data_bytes_fetched", stats->data_bytes) &&
           mfi_json_add_count(json, "runs", stats->runs) &&
           mfi_json_add_count(json, "fetches", stats->fetches) &&
           mfi_json_add_count(json, "waits", stats->waits) &&
           stats_put_latency(json, "stored_to_pulled_ns", &stats->stored_to_pulled);
}

mofka_status_t mfi_stats_give(cJSON *json, mofka_metadata_t **stats) {
    char *text = json ? mfi_json_print(json, false) : NULL;
    mofka_status_t status = text ? mofka_metadata_create(text, strlen(text), stats)
                                 : mofka_fail(MOFKA_ERR_MEMORY, "no memory for statistics");
    cJSON_free(text);
    cJSON_Delete(json);
    return status;
}
