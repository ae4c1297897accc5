/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Producers: push events into a topic, in batches.
 *
 * A batch is sent when it is full, on a flush, on a wait for one of its futures, and at close. It
 * is also sent when it is older than `linger_ms`. If the pool has threads, its workers send; else
 * the calling thread sends, and a background thread of the driver sends what lingered. An MPI
 * driver with an "rma" window below MPI_THREAD_MULTIPLE has no such thread; there, a push to any
 * partition sends what lingered.
 *
 * With other "rma" windows, and the driver's option `agent`, threads of the driver send. A push
 * does not wait for them unless max_batches are in memory. Batches that become full while others of
 * their partition are sent are sent together next. So with more max_batches, a slow network is used
 * better.
 *
 * A batch that finds no room stays in memory. A worker, or the background thread, tries again until
 * the batch is stored. The next push, flush or wait for a future tries, too. After the pool has
 * closed, the calling threads send. Data that a thread of the driver stored is released by the next
 * push, flush, wait, discard or close: its free callback runs in a thread of the user.
 *
 * Sending can call back: the free callbacks of stored or discarded data, log callbacks, and
 * callbacks of the backend. Inside such a callback, a call that would wait for sending of the same
 * producer returns MOFKA_ERR_BUSY at once. These calls are flush, discard, close, a wait for one of
 * its futures, and a push that finds max_batches in memory. Other pushes are accepted; the batches
 * that they fill are sent after the callback has returned.
 */
#ifndef MOFKA_PRODUCER_H
#define MOFKA_PRODUCER_H

#include <stddef.h>
#include <stdint.h>
#include <mofka/data_view.h>
#include <mofka/future.h>
#include <mofka/limits.h>
#include <mofka/thread_pool.h>
#include <mofka/topic.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** In which order a producer's batches are stored. */
typedef enum mofka_ordering {
    MOFKA_ORDERING_STRICT, /**< the events of a partition keep their push order */
    MOFKA_ORDERING_LOOSE   /**< later batches may overtake a batch that finds no room */
} mofka_ordering_t;

/** What a push does that finds max_batches in memory. */
typedef enum mofka_when_full {
    MOFKA_WHEN_FULL_WAIT,       /**< it waits, at most push_timeout_ms */
    MOFKA_WHEN_FULL_DROP_NEWEST /**< it drops its event, and never waits */
} mofka_when_full_t;

/** How to make a producer. A member that is zero or NULL has its default. */
typedef struct mofka_producer_options {
    /** At most MOFKA_NAME_BYTES_MAX bytes of UTF-8 without control characters; NULL means "". */
    const char *name;
    size_t batch_size; /**< events per batch; 0 means MOFKA_BATCH_ADAPTIVE */
    /** Batches in memory per partition; 0 means the default, 2. A push waits while there are that
     * many. */
    size_t max_batches;
    mofka_ordering_t ordering;        /**< of the batches of a partition */
    mofka_thread_pool_t *thread_pool; /**< keep; NULL means no threads */
    uint64_t linger_ms; /**< age at which a batch is sent; 0 means the default, 10 ms */
    /** How long a push waits for room; 0 means the default, 30 s; negative means without limit. The
     * wait also ends when another thread discards or closes. */
    int64_t push_timeout_ms;
    const char *options; /**< JSON object for the backend; NULL means none */
    /** Keep; validates this producer's events in place of the topic's validator, which is then not
     * called. NULL means the topic's. */
    mofka_validator_t *validator;
    /** Keep; chooses this producer's partitions, and serves no other. NULL means one made from the
     * topic's JSON. */
    mofka_partition_selector_t *selector;
    /** Keep; serializes this producer's metadata. Each consumer of the topic must be able to read
     * that. NULL means the topic's serializer. */
    mofka_serializer_t *serializer;
    /** For instrumentation, which must not hold up its program: see mofka_producer_push. Statistics
     * count what was dropped. */
    mofka_when_full_t when_full;
    /** Keep; a last resort, such as a producer of a driver that writes files. It receives the
     * events that this producer drops, and those of batches that fail or are discarded, with the
     * same metadata and data; some of the latter may be stored in both. Batches of a partition come
     * in their order. It has no fallback itself. NULL means none. */
    mofka_producer_t *fallback;
    /** Age at which consumers pass a claim in place that is still open (claim.h); 0 means the
     * default, 10 s. It is found out at most that long afterwards. */
    uint64_t claim_ms;
} mofka_producer_options_t;

/** Make a producer of a topic (keep). NULL options mean the defaults. Give: mofka_producer_close,
 * then mofka_producer_release. MOFKA_ERR_INVALID: an invalid name, handle or enum value.
 * MOFKA_ERR_RANGE: a number is out of range. MOFKA_ERR_OPTION: the backend does not know an option.
 * MOFKA_ERR_CLOSED: the driver is closed. MOFKA_ERR_NOT_FOUND: the topic was deleted.
 * MOFKA_ERR_BUSY: the selector serves another producer. MOFKA_ERR_TIMEOUT: the rank that has the
 * directory of topics does not answer, or a rank began to delete the topic and stopped.
 * Threads: any. MPI: local. Blocks: until that rank answers, at most 15 s. */
MOFKA_API mofka_status_t mofka_producer_create(mofka_topic_t *topic,
                                               const mofka_producer_options_t *options,
                                               mofka_producer_t **producer);

/** Send everything, then end the producer. After success, calling again returns MOFKA_OK.
 *
 * The producer stays open, and calling again continues, after:
 * - MOFKA_ERR_TIMEOUT, MOFKA_ERR_POSSIBLY_STORED: some events may still be stored.
 * - MOFKA_ERR_BUSY: a callback of its own sending, or of its own close, called this; or claims are
 *   open. All else is sent.
 *
 * MOFKA_ERR_MEMORY: nothing was done. Any other error is the error of the first event that was
 * refused or could not be stored, and that no flush of this thread has reported; the producer is
 * then closed.
 *
 * A closed producer counts as one of the topic's expected producers, except in one case: an
 * accepted event was not stored, and no future or flush had reported that. Refused events do not
 * matter. The last of the expected producers also completes the topic. If that cannot be done in
 * time, the answer is MOFKA_ERR_TIMEOUT, and calling again continues it.
 * Threads: any. MPI: local. Blocks: until all is stored, at most `timeout_ms`; then, if it
 * completes the topic, for the partitions' locks (MPI driver: at most 10 s). */
MOFKA_API mofka_status_t mofka_producer_close(mofka_producer_t *producer, int64_t timeout_ms);
/** Count one more user; returns its argument.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_producer_t *mofka_producer_retain(mofka_producer_t *producer);
/** Drop one user; NULL is ignored. If the last user releases a producer that is not closed, a
 * warning is logged, and the driver's close sends its events. This holds even while futures of it
 * are kept.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_producer_release(mofka_producer_t *producer);

/**
 * Push one event. `metadata` is copied. `data` is kept, and NULL means no data; its memory must not
 * change until the future completes or a flush returns MOFKA_OK. `partition` is
 * MOFKA_ANY_PARTITION, or a request to the topic's selector. `future` is NULL, or receives the
 * event's future (give: mofka_future_release).
 *
 * MOFKA_OK: the event is accepted, or its future reports why it is not.
 *
 * An error of the event itself: MOFKA_ERR_REFUSED, MOFKA_ERR_TOO_LARGE, MOFKA_ERR_JSON,
 * MOFKA_ERR_RANGE, or an error of the validator, serializer or selector. If a future was asked for,
 * the future reports it. Otherwise this call returns it, and the next flush reports it, too. Later
 * events are not affected.
 *
 * These errors are always returned, give no future, and are not reported by a flush:
 * - MOFKA_ERR_TIMEOUT: no room within push_timeout_ms.
 * - MOFKA_ERR_FULL: no room, and the producer was made with MOFKA_WHEN_FULL_DROP_NEWEST. The event
 *   is dropped, and counted. With a fallback, its push is what this call returns.
 * - MOFKA_ERR_BUSY: no room, and a callback of its own sending called this.
 * - MOFKA_ERR_MEMORY: no memory for the event, its future or the calling thread.
 * - MOFKA_ERR_CLOSED: the producer is closed, or another thread called close while this push waited
 *   for room.
 * - MOFKA_ERR_INVALID: a handle is invalid, or `metadata` is NULL and `bytes` is not 0.
 *
 * What happens to an accepted event later, its future or the next flush reports. One such error is
 * MOFKA_ERR_COMPLETE: the topic is complete.
 * Threads: any. MPI: local. Blocks: while max_batches are in memory, and while it sends, where the
 * calling thread does that; at most push_timeout_ms, and until another thread discards or closes.
 * With MOFKA_WHEN_FULL_DROP_NEWEST: only for copying what it sends, where the calling thread does
 * that.
 */
MOFKA_API mofka_status_t mofka_producer_push(mofka_producer_t *producer, const char *metadata,
                                             size_t metadata_bytes, mofka_data_view_t *data,
                                             size_t partition, mofka_future_t **future);

/** Send all events that were pushed before, and wait until they are stored. Returns MOFKA_OK, or
 * the error of the first event that failed and that no flush of this thread has reported. Only
 * events pushed without a future count; the message has their number. MOFKA_ERR_TIMEOUT: not all
 * are stored yet. MOFKA_ERR_BUSY: a callback of its own sending called this; nothing was done.
 * MOFKA_ERR_MEMORY: nothing was done.
 *
 * Threads can share a producer. A failure is reported to each thread that had pushed, flushed or
 * closed before it, whichever of them pushed the event. What one thread's flush reports, another
 * thread's flush reports again.
 * Threads: any. MPI: local. Blocks: until stored, at most `timeout_ms`. */
MOFKA_API mofka_status_t mofka_producer_flush(mofka_producer_t *producer, int64_t timeout_ms);
/** Start a flush, and give its future. The future covers all events that were pushed before this
 * call, and reports as a flush of the calling thread does, whichever thread waits for it. Until it
 * has reported, a later flush of the calling thread reports the same failures. A future that is
 * released without a wait leaves them to the next flush. Workers send at once; without workers,
 * waiting for the future sends. Give: mofka_future_release.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_producer_flush_future(mofka_producer_t *producer,
                                                     mofka_future_t **future);

/** Discard the events that are neither stored nor reserved, so that a producer that finds no room
 * can be closed. They are not stored; their futures, or the next flush or close, report
 * MOFKA_ERR_CLOSED. Possibly stored events stay, and close still waits for them; if they turn out
 * not to be reserved, they are discarded then. Afterwards the producer does not count as a finished
 * one, unless futures reported every discarded event. Other threads' pushes, flushes and waits for
 * the discarded events end.
 *
 * MOFKA_ERR_TIMEOUT: another thread is sending a batch. All else is discarded. That batch is
 * discarded when the send ends, unless it was stored or reserved. MOFKA_ERR_BUSY: a callback of its
 * own sending called this; nothing was done. MOFKA_ERR_CLOSED: the producer is closed.
 * Threads: any. MPI: none. Blocks: until sends end, at most 1 s. Calls back: free callbacks of
 * discarded data. */
MOFKA_API mofka_status_t mofka_producer_discard(mofka_producer_t *producer);

/** The age in ms, at least 1, of the oldest event that was accepted and is not yet stored. Returns
 * 0 if all accepted events are stored, and -1 if the argument is not a producer. The age of a batch
 * is that of its first event, by a clock that lags by at most one tick of the system. A possibly
 * stored event counts until it is known to be stored. A program that must not wait can look at this
 * before a push. An age that grows says that the events find no room, or that their partition's
 * owner does not answer.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API int64_t mofka_producer_oldest_pending_ms(mofka_producer_t *producer);

/* The functions below return what the producer was made with, as views; 0 or NULL if the argument
 * is not a producer. To keep a handle longer, retain it; to keep a text, copy it.
 * Threads: any. MPI: none. Blocks: no. */
/** Its name; "" if it has none. */
MOFKA_API const char *mofka_producer_name(const mofka_producer_t *producer);
/** The topic that it pushes to. */
MOFKA_API mofka_topic_t *mofka_producer_topic(const mofka_producer_t *producer);
/** Events per batch, or MOFKA_BATCH_ADAPTIVE. */
MOFKA_API size_t mofka_producer_batch_size(const mofka_producer_t *producer);
/** Batches in memory per partition, at most. */
MOFKA_API size_t mofka_producer_max_batches(const mofka_producer_t *producer);
/** The order in which its batches are stored. */
MOFKA_API mofka_ordering_t mofka_producer_ordering(const mofka_producer_t *producer);
/** The pool whose workers send; NULL if it has none. */
MOFKA_API mofka_thread_pool_t *mofka_producer_thread_pool(const mofka_producer_t *producer);
/** The age at which a batch is sent although it is not full, in ms. */
MOFKA_API uint64_t mofka_producer_linger_ms(const mofka_producer_t *producer);
/** How long a push waits for room, in ms; negative means without limit. */
MOFKA_API int64_t mofka_producer_push_timeout_ms(const mofka_producer_t *producer);
/** What a push does that finds max_batches in memory. */
MOFKA_API mofka_when_full_t mofka_producer_when_full(const mofka_producer_t *producer);
/** The producer that receives the events that this one cannot store; NULL if it has no fallback. */
MOFKA_API mofka_producer_t *mofka_producer_fallback(const mofka_producer_t *producer);
/** The age at which consumers pass a claim that is still open, in ms. */
MOFKA_API uint64_t mofka_producer_claim_ms(const mofka_producer_t *producer);
/** What validates its events: the topic's validator, or the one that it was given. */
MOFKA_API const mofka_validator_t *mofka_producer_validator(const mofka_producer_t *producer);
/** What chooses its partitions: made from the topic's JSON, or the one that it was given. */
MOFKA_API mofka_partition_selector_t *mofka_producer_selector(const mofka_producer_t *producer);
/** What serializes its metadata: the topic's serializer, or the one that it was given. */
MOFKA_API const mofka_serializer_t *mofka_producer_serializer(const mofka_producer_t *producer);
/** The JSON of the backend's options, as given; NULL if there are none. */
MOFKA_API const char *mofka_producer_options_json(const mofka_producer_t *producer);

#ifdef __cplusplus
}
#endif
#endif
