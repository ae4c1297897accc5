/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics: what is counted, and where.
 *
 * Producers count once per batch, consumers once per run, under the lock that they hold then
 * anyway. A report copies the counters and corrects its copy: it adds the events of open batches,
 * and takes off the events that are ready but not pulled. So on the data path counting costs one
 * reading of the clock before and after the append of a timed batch, and one for a run that begins
 * with such a batch.
 *
 * When a producer or consumer ends, its counters are added to its driver's totals.
 */
#ifndef MOFKA_SRC_STATS_COUNTERS_H
#define MOFKA_SRC_STATS_COUNTERS_H

#include <stdatomic.h>
#include <mofka/backend.h>
#include <mofka/driver.h>
#include "stats/histogram.h"

struct cJSON;

/* Why a batch was sealed. */
typedef enum mfi_seal {
    MFI_SEAL_FULL,
    MFI_SEAL_LINGER, /* its age reached linger_ms */
    MFI_SEAL_FLUSH,  /* by a flush, a close, or a wait for one of its futures */
    MFI_SEAL_WORKER, /* adaptive batch size: a worker was free */
    MFI_SEALS
} mfi_seal_t;

/* Guarded by the producer's lock. `events_pushed` and `bytes_pushed` count sealed batches only. */
typedef struct mfi_producer_stats {
    uint64_t events_pushed, bytes_pushed, events_stored, bytes_stored, events_failed,
        events_refused, events_dropped, events_fallback;
    uint64_t claims_stored, claims_void; /* in place */
    uint64_t claims_open;                /* filled in in copies */
    uint64_t batches_stored, sealed[MFI_SEALS], flushes;
    uint64_t room_waits, room_wait_ns, push_waits, push_wait_ns;
    uint64_t opened; /* batches; decides which are timed */
    mfi_histogram_t push_to_stored;
} mfi_producer_stats_t;

/* Guarded by the consumer's lock. */
typedef struct mfi_consumer_stats {
    uint64_t runs, events_fetched, bytes_fetched, data_bytes;
    uint64_t events_verified, data_damaged; /* of the fetched ones */
    /* Filled in in copies. */
    uint64_t events_lost, events_void, metadata_damaged, events_acknowledged, fetches, waits;
    mfi_histogram_t stored_to_pulled;
} mfi_consumer_stats_t;

/* Sums over the producers and consumers of a driver that have ended. Guarded by the driver's
 * lock. */
typedef struct mfi_totals {
    uint64_t producers, consumers;
    mfi_producer_stats_t of_producers;
    mfi_consumer_stats_t of_consumers;
} mfi_totals_t;

/* Add 1 to a counter that has one writer at a time. */
static inline void mfi_count(_Atomic uint64_t *counter) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* Whether the batch that is opened now is timed. The first 64 are, so that short runs have
 * latencies; then one in 8, because batches may hold one event and each reading of the clock
 * costs. */
static inline bool mfi_stats_times_next(mfi_producer_stats_t *stats) {
    uint64_t before = stats->opened++;
    return before < 64 || before % 8 == 0;
}

/* A batch was sealed. */
void mfi_stats_sealed(mfi_producer_stats_t *stats, const mofka_batch_t *batch, mfi_seal_t why);
/* A batch was stored, or failed for good. */
void mfi_stats_finished(mfi_producer_stats_t *stats, const mofka_batch_t *batch, uint64_t opened_ns,
                        mofka_status_t status);
/* A push has waited for a place among max_batches since `since_ns`. */
void mfi_stats_push_waited(mfi_producer_stats_t *stats, uint64_t since_ns);
/* A run is ready to be pulled, all but its first `overtaken` events. */
void mfi_stats_fetched(mfi_consumer_stats_t *stats, const mofka_run_t *run, size_t overtaken,
                       uint64_t data_bytes, uint64_t now_ns);
/* Take off an event that mfi_stats_fetched counted: no pull has returned it. */
void mfi_stats_not_pulled(mfi_consumer_stats_t *stats, const mofka_fetched_event_t *event);

/* Add the counters of a producer or consumer to sums. */
void mfi_stats_add_producer(mfi_totals_t *totals, const mfi_producer_stats_t *stats);
void mfi_stats_add_consumer(mfi_totals_t *totals, const mfi_consumer_stats_t *stats);
/* Add the counters to a JSON object. False: no memory. */
bool mfi_stats_describe_producer(struct cJSON *json, const mfi_producer_stats_t *stats);
bool mfi_stats_describe_consumer(struct cJSON *json, const mfi_consumer_stats_t *stats);
/* Make metadata of a JSON tree (taken, even on failure). MOFKA_ERR_MEMORY: `json` is NULL, or there
 * is no memory. Give: release. */
mofka_status_t mfi_stats_give(struct cJSON *json, mofka_metadata_t **stats);

#endif
