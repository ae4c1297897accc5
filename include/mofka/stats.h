/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Statistics, as JSON. Counters start at 0 when the handle is made. Sizes are bytes and durations
 * nanoseconds. Later versions may add keys.
 *
 * Clocks: times of two ranks are compared by stamps of CLOCK_REALTIME. The ranks of one node have
 * the same clock. Between nodes, a latency is wrong by the difference of the clocks; it is 0 if it
 * would be negative. A latency is {"count", "p50", "p90", "p99", "p99.9", "max"}. Each percentile
 * is at most 1/64 too large.
 */
#ifndef MOFKA_STATS_H
#define MOFKA_STATS_H

#include <stdint.h>
#include <mofka/metadata.h>
#include <mofka/status.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What a producer has done so far. Give: mofka_metadata_release. Keys:
 * - "name", "topic"
 * - "events_pushed", "bytes_pushed": accepted events; bytes are serialized metadata and data. Of
 *   these, "events_stored", "bytes_stored" are readable, and "events_failed" will not be stored.
 *   The rest is on its way. "events_refused": events that were not accepted, because of an error of
 *   the event itself. "events_dropped": events that were not accepted, because there was no room:
 *   see MOFKA_WHEN_FULL_DROP_NEWEST. "events_fallback": events that its fallback accepted in its
 *   place
 * - "claims_stored", "claims_void": claims in place that were committed, or given up. Each stored
 * one also counts as an event and as a batch. "claims_open": all claims that are open
 * - "batches_stored". Why other batches were sent: "batches_full", "batches_linger" (too old),
 *   "batches_flush" (a flush, a close, or a wait for a future), "batches_worker" (adaptive batch
 *   size: a worker was free)
 * - "flushes": flushes, including those of close
 * - "room_waits", "room_wait_ns": batches that waited for room in their partition
 * - "push_waits", "push_wait_ns": pushes that found max_batches in memory and waited for one to be
 *   sent (without workers: sent one themselves)
 * - "push_to_stored_ns": latency of batches, from the push of a batch's first event until the batch
 *   is stored. Measured for the producer's first 64 batches, then for every eighth
 *
 * MOFKA_ERR_INVALID: the handle is invalid. MOFKA_ERR_MEMORY: no memory for the JSON.
 * Threads: any. MPI: none. Blocks: no.
 */
MOFKA_API mofka_status_t mofka_producer_stats(mofka_producer_t *producer, mofka_metadata_t **stats);

/**
 * What a consumer has done so far. Give: mofka_metadata_release. Keys:
 * - "name", "topic"
 * - "events_pulled", "bytes_pulled": delivered events; bytes are serialized metadata and the whole
 *   data, selected or not. "events_ready": fetched events that wait for a pull
 * - "events_acknowledged": how many ids are acknowledged, those of lost and skipped events
 *   included; 0 if the backend does not report it
 * - "events_lost": to retention discard_oldest, or to damage that was skipped
 * - "events_void": ids that no event has, as mofka_consumer_voided
 * - "events_verified": of the pulled events, those of which all that was delivered is what was
 *   pushed, by checksums. "events_data_damaged": those whose data is not, so that their pull
 *   answered MOFKA_ERR_CORRUPT. "events_unverified": the others, of which nothing is known, or
 *   nothing of their data: the topic has no checksums, a part of the data was selected, or the data
 *   was shown in place (zero_copy)
 * - "events_metadata_damaged": events whose metadata is not what was pushed, by checksums. They are
 *   not delivered; those that were skipped count as lost, too
 * - "data_bytes_fetched": selected data that was copied or shown in place
 * - "runs": fetches that found events. "fetches": all fetches. "waits": waits for events
 * - "stored_to_pulled_ns": latency of runs, from the time when the batch of a run's first event
 *   became readable until the run can be pulled. Measured for runs that begin with a timed batch
 *   (see "push_to_stored_ns")
 *
 * MOFKA_ERR_INVALID: the handle is invalid. MOFKA_ERR_MEMORY: no memory for the JSON.
 * Threads: any. MPI: none. Blocks: no.
 */
MOFKA_API mofka_status_t mofka_consumer_stats(mofka_consumer_t *consumer, mofka_metadata_t **stats);

/**
 * What a driver's topics hold in the whole job, and what this process did with them. Topics need
 * not be open. Give: mofka_metadata_release. Keys:
 * - "type"; "rank", "size": this process among those of the driver (absent if the driver has no
 *   such number)
 * - "time_us": CLOCK_REALTIME of this call, to compute rates from differences
 * - "topics": an object for each topic, in order of creation: {"name", "retention", "partitions"}.
 *   For each partition:
 *   - "partition", "owner" (rank)
 *   - "tail_events", "tail_bytes": appended since its creation. "head_events", "head_bytes": of
 *     these, no longer retained. The difference is held: "held_events", "held_bytes", out of
 *     "room_events", "room_bytes". Bytes are bytes of the ring: a batch takes whole units of 64
 *   - "unstored_events": from the first event that was reserved and is not stored, to the tail.
 *     Consumers read up to that event. "unstored_ms": how long this process has known that event as
 *     not stored. If it grows while nothing is blocked, a producer is slow or has stopped
 *   - "complete": no more events will come
 *   - "blocked_producers": of all ranks, the producers whose last try to append found no room. One
 *     that discarded the batch counts until its next append or close
 *   - "damaged_events": events that consumers could not read, because their flag, entry or metadata
 *     is damaged. Each consumer counts those that it meets, once. In a node window, consumers of
 *     other nodes do not count those of a topic whose producers are of one node
 *   - "voided_events": reserved, and never stored: their rank died, or a claim was given up
 *   - "waits_for": what consumers and producers wait for there, a list of {"what" (`event 12`,
 *     which is reserved and not stored; `lock`, which is taken; or `consumer NAME`, the slowest, if
 *     producers found no room), "rank", "host" (of who has it; null: that is not known), "dead"
 *     (its process is proven to have ended), "ms" (how long this process has known it)}
 *   - with storage: "written_events" and "synced_events": ids below are in the log's files, and on
 *     disk. "unwritten_events", "unsynced_events": what is appended beyond. "written_bytes",
 *     "synced_bytes": bytes of the ring since this job opened the log. "log_segments", "log_bytes":
 *     its files, as of the last second. "log_writes", "log_write_us", "log_write_us_max": writes,
 *     the time of all, and of the longest; "log_syncs", "log_sync_us", "log_sync_us_max": the same
 *     of syncs. "log_failed": the log cannot be opened or written now
 *   - "consumers": for each name {"name", "live", "rank", "host", "dead" (of the rank whose
 *     consumer it is; null: it is not live, or that is not known), "acknowledged" (lowest id that
 *     is not acknowledged), "lag" (events from there to the tail)}
 * - "ranks": the ranks in trouble, as this process sees them, a list of {"rank", "host", "state"
 *   (`dead`: its process is proven to have ended; `silent`: its memory has not answered for a
 *   second or longer, which proves nothing: it may be stopped), "ms" (for so long, at least)}
 * - "topics_status": absent, or the name of the status with which reading the topics failed;
 *   "topics" then has the topics that were read
 * - "producers", "consumers": the open ones of this process, as above
 * - "closed": {"producers": {"count", …}, "consumers": {"count", …}}: sums of those that have ended
 *
 * MOFKA_ERR_INVALID: the handle is invalid. MOFKA_ERR_CLOSED: the driver is closed.
 * MOFKA_ERR_MEMORY: no memory for the JSON. If the topics cannot be read in time, that is not an
 * error: see "topics_status".
 * Threads: any. In an rma window below MPI_THREAD_MULTIPLE, any thread but the driver's gets
 * "topics_status": "MOFKA_ERR_UNSUPPORTED". MPI: none in shm windows, local in rma windows. Blocks:
 * until the partitions are read, at most `timeout_ms`.
 */
MOFKA_API mofka_status_t mofka_driver_stats(mofka_driver_t *driver, int64_t timeout_ms,
                                            mofka_metadata_t **stats);

/** The longest interval of statistics: a day, short enough to catch a wrong unit. */
#define MOFKA_STATS_INTERVAL_MS_MAX 86400000

/** Called with a driver's statistics (borrow; retain them to keep them). */
typedef void (*mofka_stats_fn)(void *context, const mofka_metadata_t *stats);

/**
 * Call `callback` every `interval_ms` with the result of mofka_driver_stats, in a thread of its
 * own. The last call comes from mofka_driver_close, in the closing thread, after producers and
 * consumers have ended. A new callback replaces the old one; NULL ends the calls. No call of the
 * old callback runs after this has returned, and none runs after a close that returned MOFKA_OK or
 * MOFKA_ERR_TIMEOUT. `context` is borrowed until then. The callback must not close the driver, and
 * must not call this. Each call reads the topics for at most `interval_ms`, and at most 1 s; the
 * last one for at most 100 ms.
 *
 * The environment variable MOFKA_STATS_FILE does the same for a file, for every driver of the
 * process. It appends one JSON object per line, with one write each, every MOFKA_STATS_INTERVAL_MS
 * (default: 1000) ms and at close. "%r" in its name is replaced by the rank. Without "%r" the ranks
 * share the file, and "rank" says which rank wrote a line. The file may be a FIFO that already has
 * a reader; lines that do not fit into it are left out. With MOFKA_STATS_FORMAT=prometheus the file
 * has the newest report only, as text for Prometheus, and is replaced as a whole.
 *
 * MOFKA_ERR_RANGE: the interval is 0, or above MOFKA_STATS_INTERVAL_MS_MAX. MOFKA_ERR_BUSY: the
 * callback called this. MOFKA_ERR_CLOSED: the driver is closed. MOFKA_ERR_SYSTEM: its thread could
 * not be started. MOFKA_ERR_MEMORY: no memory for it. MOFKA_ERR_INVALID: the handle is invalid.
 * Threads: owner. MPI: as mofka_driver_stats. In an rma window below MPI_THREAD_MULTIPLE, only the
 * last report has "topics". Blocks: until a running call of the callback ends.
 */
MOFKA_API mofka_status_t mofka_driver_set_stats_callback(mofka_driver_t *driver,
                                                         uint64_t interval_ms,
                                                         mofka_stats_fn callback, void *context);

#ifdef __cplusplus
}
#endif
#endif
