/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Statistics, as JSON. Counters count from the making of the handle; sizes are bytes, durations
 * nanoseconds, and keys may be added.
 *
 * Clocks: what is compared between ranks are stamps of CLOCK_REALTIME. On one node that is one
 * clock; between nodes a latency is wrong by as much as their clocks differ, and 0 where it would
 * be negative. A latency is {"count", "p50", "p90", "p99", "p99.9", "max"}, each percentile at most
 * 1/64 too large.
 */
#ifndef MOFKA_STATS_H
#define MOFKA_STATS_H

#include <mofka/consumer.h>
#include <mofka/driver.h>
#include <mofka/producer.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What a producer did so far. Give: mofka_metadata_release. Keys:
 * - "name", "topic"
 * - "events_pushed", "bytes_pushed": accepted (metadata as it is stored, and data); of them
 *   "events_stored", "bytes_stored" are readable, "events_failed" will not be stored, and the rest
 *   is on its way. "events_refused": not accepted for what was wrong with them
 * - "batches_stored"; and why batches left: "batches_full", "batches_linger" (old), "batches_flush"
 *   (a flush, a close or a wait for a future), "batches_worker" (adaptive: a worker was free)
 * - "flushes": flushes, also those of close
 * - "room_waits", "room_wait_ns": batches that found no room in their partition and waited for it
 * - "push_waits", "push_wait_ns": pushes that found max_batches under way and waited for one to
 *   leave (without workers: sent it themselves)
 * - "push_to_stored_ns": latency of batches, from the push of a batch's first event until consumers
 *   can read it; of the producer's first 64 batches and every eighth after them
 *
 * Threads: any. MPI: none. Blocks: no. MOFKA_ERR_INVALID, MOFKA_ERR_MEMORY.
 */
MOFKA_API mofka_status_t mofka_producer_stats(mofka_producer_t *producer, mofka_metadata_t **stats);

/**
 * What a consumer did so far. Give: mofka_metadata_release. Keys:
 * - "name", "topic"
 * - "events_pulled", "bytes_pulled": handed out (metadata as it is stored, and all of their data,
 *   selected or not); "events_ready": fetched, and waiting for a pull
 * - "events_acknowledged": how far acknowledgements went, in ids (those lost or skipped included);
 *   0 where the backend does not tell
 * - "events_lost": to retention discard_oldest
 * - "data_bytes_fetched": selected data that was copied or shown
 * - "runs": fetches that found events; "fetches": all; "waits": times it waited for events
 * - "stored_to_pulled_ns": latency of runs, from the moment when the batch of a run's first event
 *   became readable until the run is ready to be pulled; of runs that begin with a timed batch (see
 *   "push_to_stored_ns")
 *
 * Threads: any. MPI: none. Blocks: no. MOFKA_ERR_INVALID, MOFKA_ERR_MEMORY.
 */
MOFKA_API mofka_status_t mofka_consumer_stats(mofka_consumer_t *consumer, mofka_metadata_t **stats);

/**
 * What a driver's topics hold, in the whole job, and what this process did with it. Topics need not
 * be opened. Give: mofka_metadata_release. Keys:
 * - "type"; "rank", "size": this process among those of the driver (absent where it has no such)
 * - "time_us": CLOCK_REALTIME when this was asked for, to make rates of differences
 * - "topics": an object for each topic, in order of creation: {"name", "retention", "partitions"},
 *   and for each partition:
 *   - "partition", "owner" (rank)
 *   - "tail_events", "tail_bytes": appended since its creation. "head_events", "head_bytes": of
 *     them, no longer retained. What is between is held: "held_events", "held_bytes", of
 *     "room_events", "room_bytes". Bytes are those of the ring: a batch takes whole units of 64
 *   - "complete": no more events will come
 *   - "blocked_producers": batches, in all ranks, that wait for room now
 *   - "consumers": for each name {"name", "live", "acknowledged" (next id that is not), "lag" (events
 *     from there to the tail)}
 * - "topics_status": the name of the status with which reading them failed, else absent; "topics"
 *   has then those that were read
 * - "producers", "consumers": the open ones of this process, as above
 * - "closed": {"producers": {"count", …}, "consumers": {"count", …}}: sums over those that ended
 *
 * MOFKA_ERR_INVALID, MOFKA_ERR_CLOSED, MOFKA_ERR_MEMORY. That "topics" could not be read in time is
 * no error: see "topics_status". Threads: any (below MPI_THREAD_MULTIPLE, in an rma window, others
 * than the driver's get "topics_status": "MOFKA_ERR_UNSUPPORTED"). MPI: none in shm windows, local
 * in rma. Blocks: until the partitions are read, at most `timeout_ms`.
 */
MOFKA_API mofka_status_t mofka_driver_stats(mofka_driver_t *driver, int64_t timeout_ms,
                                            mofka_metadata_t **stats);

/** The longest interval of statistics: a day, low enough to catch a wrong unit. */
#define MOFKA_STATS_INTERVAL_MS_MAX 86400000

/** Called with a driver's statistics (borrow; retain them to keep them). */
typedef void (*mofka_stats_fn)(void *context, const mofka_metadata_t *stats);

/**
 * Call `callback` every `interval_ms` with what mofka_driver_stats gives, in a thread of its own, and
 * once more in mofka_driver_close, in the thread that closes, when producers and consumers have
 * ended. It replaces the one before; NULL: none from now on. No call runs any more when this, or a
 * close that answered OK or MOFKA_ERR_TIMEOUT, returns. The callback must not close the driver or
 * call this. `context`: borrow until then. Each call reads the topics for at most `interval_ms`, at
 * most 1 s; the last one for at most 100 ms.
 *
 * The environment variable MOFKA_STATS_FILE does the same for a file, for every driver of the process:
 * one JSON object per line, appended with one write each, every MOFKA_STATS_INTERVAL_MS (1000) ms and
 * at close. "%r" in its name is the rank; without it the ranks share the file, and "rank" tells
 * lines apart. It may be a FIFO that is read already: what that has no room for is left out.
 *
 * MOFKA_ERR_RANGE: an interval of 0, or above MOFKA_STATS_INTERVAL_MS_MAX. MOFKA_ERR_BUSY: called by
 * the callback. MOFKA_ERR_CLOSED, MOFKA_ERR_SYSTEM, MOFKA_ERR_MEMORY. Threads: owner. MPI: as
 * mofka_driver_stats; below MPI_THREAD_MULTIPLE the thread's reports in an rma window lack "topics",
 * the last one has them. Blocks: until a call under way ends.
 */
MOFKA_API mofka_status_t mofka_driver_set_stats_callback(mofka_driver_t *driver,
                                                         uint64_t interval_ms,
                                                         mofka_stats_fn callback, void *context);

#ifdef __cplusplus
}
#endif
#endif
