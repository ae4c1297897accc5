/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics: what is counted, where, and how it is told.
 *
 * Producers count per batch and consumers per run, under the lock that they hold then anyway; what
 * an event adds is derived when someone asks (from the open batch, from the ready events). So
 * counting costs the data path one reading of the clock per timed batch on either side of an append,
 * and one per run that begins with such a batch. A child that ends leaves its sums with its driver.
 */
#ifndef MOFKA_SRC_STATS_H
#define MOFKA_SRC_STATS_H

#include <stdatomic.h>
#include <mofka/backend.h>
#include <mofka/driver.h>
#include "stats/histogram.h"

struct cJSON;

/* Why a batch was sealed. */
typedef enum mfi_seal {
    MFI_SEAL_FULL,
    MFI_SEAL_LINGER, /* it was old */
    MFI_SEAL_FLUSH,  /* a flush, a close or a wait for one of its futures */
    MFI_SEAL_WORKER, /* adaptive: a worker was free */
    MFI_SEALS
} mfi_seal_t;

/* With the producer's lock. `events_pushed`: those of sealed batches. */
typedef struct mfi_producer_stats {
    uint64_t events_pushed, bytes_pushed, events_stored, bytes_stored, events_failed,
        events_refused;
    uint64_t batches_stored, sealed[MFI_SEALS], flushes;
    uint64_t room_waits, room_wait_ns, push_waits, push_wait_ns;
    uint64_t opened; /* batches */
    mfi_histogram_t push_to_stored;
} mfi_producer_stats_t;

/* With the consumer's lock. */
typedef struct mfi_consumer_stats {
    uint64_t runs, events_fetched, bytes_fetched, data_bytes;
    uint64_t events_lost, events_acknowledged, fetches, waits; /* filled in when asked for */
    mfi_histogram_t stored_to_pulled;
} mfi_consumer_stats_t;

/* Sums over the children of a driver that ended. */
typedef struct mfi_totals {
    uint64_t producers, consumers;
    mfi_producer_stats_t of_producers;
    mfi_consumer_stats_t of_consumers;
} mfi_totals_t;

/* Of one writer at a time. */
static inline void mfi_count(_Atomic uint64_t *counter) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* Whether a batch that is opened now is timed: the first ones all, so that little is missed, then one
 * in a few, so that the clock costs nothing that shows where a batch is one event. */
static inline bool mfi_stats_times_next(mfi_producer_stats_t *stats) {
    uint64_t before = stats->opened++;
    return before < 64 || before % 8 == 0;
}

void mfi_stats_sealed(mfi_producer_stats_t *stats, const mofka_batch_t *batch, mfi_seal_t why);
/* After each append of a batch, and when it left for good. */
void mfi_stats_blocked(mfi_producer_stats_t *stats, mofka_batch_t *batch);
void mfi_stats_finished(mfi_producer_stats_t *stats, const mofka_batch_t *batch, uint64_t opened_ns,
                        mofka_status_t status);
/* A push waited for a place among max_batches. */
void mfi_stats_push_waited(mfi_producer_stats_t *stats, uint64_t since_ns);
/* A run is ready to be pulled; but for its first `overtaken` events. */
void mfi_stats_fetched(mfi_consumer_stats_t *stats, const mofka_run_t *run, size_t overtaken,
                       uint64_t data_bytes, uint64_t now_ns);
/* An event that was ready is dropped. */
void mfi_stats_not_pulled(mfi_consumer_stats_t *stats, const mofka_fetched_event_t *event);

void mfi_stats_add_producer(mfi_totals_t *totals, const mfi_producer_stats_t *stats);
void mfi_stats_add_consumer(mfi_totals_t *totals, const mfi_consumer_stats_t *stats);
/* Add their keys to an object. */
void mfi_stats_describe_producer(struct cJSON *json, const mfi_producer_stats_t *stats);
void mfi_stats_describe_consumer(struct cJSON *json, const mfi_consumer_stats_t *stats);
/* Give a tree that was built (NULL, or unfinished for want of memory) as metadata. */
mofka_status_t mfi_stats_give(struct cJSON *json, mofka_metadata_t **stats);

/* driver_stats.c: of an open driver. NULL: no memory. */
struct cJSON *mfi_driver_stats(mofka_driver_t *driver, int64_t timeout_ms);

/* producer_stats.c and consumer_stats.c: for a child. */
struct mfi_child;
struct cJSON *mfi_producer_child_stats(struct mfi_child *child);
void mfi_producer_child_fold(struct mfi_child *child, mfi_totals_t *totals);
struct cJSON *mfi_consumer_child_stats(struct mfi_child *child);
void mfi_consumer_child_fold(struct mfi_child *child, mfi_totals_t *totals);

#endif
