/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Producers: push events into a topic, in batches.
 *
 * A batch leaves when it is full, on flush, on a wait for one of its futures, at close, or when a
 * push to any partition (or a worker of the producer's pool) finds it older than `linger_ms`. With
 * a pool that has threads, workers send; else the calling thread does.
 *
 * Sending calls back: the free callbacks of data that is stored, log callbacks, and what a backend calls.
 * There, what would wait for the sending of the same producer answers MOFKA_ERR_BUSY at once: flush,
 * discard, close, waiting for its futures, and a push that finds no room among max_batches. Other
 * pushes are accepted; what they filled is sent once the callback has returned.
 */
#ifndef MOFKA_PRODUCER_H
#define MOFKA_PRODUCER_H

#include <mofka/data.h>
#include <mofka/future.h>
#include <mofka/limits.h>
#include <mofka/thread_pool.h>
#include <mofka/topic.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A producer: batches on their way into the partitions of one topic. Counted. */
typedef struct mofka_producer mofka_producer_t;

/** In which order a producer's batches are stored. */
typedef enum mofka_ordering {
    MOFKA_ORDERING_STRICT, /**< events of a partition keep their push order */
    MOFKA_ORDERING_LOOSE   /**< a batch that finds no room may be overtaken */
} mofka_ordering_t;

/** All zero: the defaults. */
typedef struct mofka_producer_options {
    const char *name;          /**< NULL: "". At most MOFKA_NAME_BYTES_MAX bytes of UTF-8, no
                                    control characters */
    size_t batch_size;         /**< events per batch; 0: MOFKA_BATCH_ADAPTIVE */
    size_t max_batches;        /**< batches in memory per partition; 0: 2. Full: push waits */
    mofka_ordering_t ordering; /**< of the batches of a partition */
    mofka_thread_pool_t *thread_pool; /**< keep; NULL: no threads */
    uint64_t linger_ms;               /**< 0: 10 */
    /** Wait for room at most so long: 0: 30 s; negative: for ever. */
    int64_t push_timeout_ms;
    const char *options; /**< JSON object for the backend; NULL: none */
} mofka_producer_options_t;

/** Make a producer of a topic, which it retains. NULL options: defaults. Give: close, then release.
 * MOFKA_ERR_INVALID, MOFKA_ERR_RANGE, MOFKA_ERR_OPTION, MOFKA_ERR_CLOSED.
 * Threads: any. MPI: local. Blocks: no. */
MOFKA_API mofka_status_t mofka_producer_create(mofka_topic_t *topic,
                                               const mofka_producer_options_t *options,
                                               mofka_producer_t **producer);

/** Send everything, then end. MOFKA_ERR_TIMEOUT and MOFKA_ERR_POSSIBLY_STORED: events may yet be
 * stored; it is still open, and calling again goes on. Other errors tell, as a flush does, the
 * first of the events that were refused or could not be stored since the last flush; it is closed.
 * It counts as a finished producer of the topic's expected ones, unless events that it had accepted
 * could not be stored and nothing told so before; refused ones do not matter. The last of the
 * expected producers also completes the topic: MOFKA_ERR_TIMEOUT when that could not be done yet;
 * calling again goes on with it. Again after success: MOFKA_OK. MOFKA_ERR_BUSY: called by a callback of
 * its own sending, or of its own close; it is as it was. Threads: any. MPI: local.
 * Blocks: until stored, at most `timeout_ms`, then as long as completing may. */
MOFKA_API mofka_status_t mofka_producer_close(mofka_producer_t *producer, int64_t timeout_ms);
/** Count one more user; returns its argument. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_producer_t *mofka_producer_retain(mofka_producer_t *producer);
/** Drop one user; NULL is ignored. Releasing one that was not closed logs a warning and leaves its
 * events to the driver's close, whoever still holds futures of it.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_producer_release(mofka_producer_t *producer);

/**
 * Push one event: `metadata_bytes` bytes of metadata (copied) and `data` (keep; NULL: none), whose
 * memory must stay as it is until the future completes or a flush returns OK. `partition`:
 * MOFKA_ANY_PARTITION, or the caller's wish to the topic's selector. `future`: NULL, or give.
 *
 * MOFKA_OK: the event is accepted, or the future tells why not. What is wrong with the event itself
 * (MOFKA_ERR_REFUSED, MOFKA_ERR_TOO_LARGE, MOFKA_ERR_JSON, MOFKA_ERR_RANGE, what a validator, a
 * serializer or a selector answers) is told by the future when one is asked for, and otherwise
 * returned here and kept for the next flush; later events go on. Returned in any case, with no
 * future given and nothing kept: MOFKA_ERR_TIMEOUT (no room for push_timeout_ms),
 * MOFKA_ERR_BUSY (no room, in a callback of its own sending), MOFKA_ERR_MEMORY, MOFKA_ERR_CLOSED,
 * MOFKA_ERR_INVALID (a wrong handle).
 * What becomes of an accepted event is not known here: that the topic is complete
 * (MOFKA_ERR_COMPLETE), or that it cannot be stored, its future or the next flush tells.
 * Threads: any. MPI: local. Blocks: while max_batches are under way, at most push_timeout_ms.
 */
MOFKA_API mofka_status_t mofka_producer_push(mofka_producer_t *producer, const char *metadata,
                                             size_t metadata_bytes, mofka_data_view_t *data,
                                             size_t partition, mofka_future_t **future);

/** Send what was pushed before and wait until it is stored. Returns the first error among events
 * pushed without a future since the last flush (the message counts them), MOFKA_ERR_TIMEOUT,
 * MOFKA_ERR_BUSY (called by a callback of its own sending; nothing was done), or OK.
 * Threads: any. MPI: local. Blocks: until stored, at most `timeout_ms`. */
MOFKA_API mofka_status_t mofka_producer_flush(mofka_producer_t *producer, int64_t timeout_ms);
/** The same as a future: it covers what was pushed before this call. Workers send at once; without
 * them, waiting for it does. Give: mofka_future_release. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_producer_flush_future(mofka_producer_t *producer,
                                                     mofka_future_t **future);

/** Give up the events that are not stored and whose place is not reserved yet, so that a producer
 * that finds no room can be closed: they are not stored, which their futures, or the next flush or
 * close, tell as MOFKA_ERR_CLOSED. Possibly stored ones stay, and closing still waits for them. The
 * producer then does not count as a finished one, unless futures told of all that was given up.
 * MOFKA_ERR_TIMEOUT: another thread's send is under way; all else was given up, and its events will
 * be when it ends without having stored or reserved them. MOFKA_ERR_BUSY: called by a callback of its
 * own sending; nothing was done. MOFKA_ERR_CLOSED: it is closed. Threads: any. MPI: none. Blocks:
 * until sends under way end, at most 1 s. Calls back: free callbacks of the data that is given up. */
MOFKA_API mofka_status_t mofka_producer_discard(mofka_producer_t *producer);

/* What the producer was made with; 0 or NULL for what is no producer. Views.
 * Threads: any. MPI: none. Blocks: no. */
/** Its name; "" where it was given none. */
MOFKA_API const char *mofka_producer_name(const mofka_producer_t *producer);
/** The topic that it pushes to. */
MOFKA_API mofka_topic_t *mofka_producer_topic(const mofka_producer_t *producer);
/** Events per batch, or MOFKA_BATCH_ADAPTIVE. */
MOFKA_API size_t mofka_producer_batch_size(const mofka_producer_t *producer);
/** Batches in memory per partition at most. */
MOFKA_API size_t mofka_producer_max_batches(const mofka_producer_t *producer);
/** In which order its batches are stored. */
MOFKA_API mofka_ordering_t mofka_producer_ordering(const mofka_producer_t *producer);
/** Whose workers send; NULL: nobody's. */
MOFKA_API mofka_thread_pool_t *mofka_producer_thread_pool(const mofka_producer_t *producer);
/** Age at which a batch that is not full leaves. */
MOFKA_API uint64_t mofka_producer_linger_ms(const mofka_producer_t *producer);
/** How long a push waits for room; negative: for ever. */
MOFKA_API int64_t mofka_producer_push_timeout_ms(const mofka_producer_t *producer);
/** The JSON of the backend's options, as given; NULL: none. */
MOFKA_API const char *mofka_producer_options_json(const mofka_producer_t *producer);

#ifdef __cplusplus
}
#endif
#endif
