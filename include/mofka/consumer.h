/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Consumers: pull events from a topic's partitions, in order within each.
 *
 * A consumer's name keeps its place: re-created under its name, it goes on after its last
 * acknowledged event. One live consumer of a name per partition.
 */
#ifndef MOFKA_CONSUMER_H
#define MOFKA_CONSUMER_H

#include <stdbool.h>
#include <mofka/data.h>
#include <mofka/event.h>
#include <mofka/future.h>
#include <mofka/limits.h>
#include <mofka/thread_pool.h>
#include <mofka/topic.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A consumer: a name's place in a topic, and what was fetched from there. Counted. */
typedef struct mofka_consumer mofka_consumer_t;

/** Where a consumer with a new name starts. */
typedef enum mofka_start {
    MOFKA_START_BEGINNING, /**< at the oldest retained event */
    MOFKA_START_END        /**< after what is there */
} mofka_start_t;
/** Who acknowledges events. */
typedef enum mofka_acknowledge {
    MOFKA_ACKNOWLEDGE_MANUAL, /**< the user, by mofka_event_acknowledge */
    MOFKA_ACKNOWLEDGE_AUTO    /**< releasing events does, as far as all before are released too */
} mofka_acknowledge_t;

/** All zero, but for the name: the defaults. */
typedef struct mofka_consumer_options {
    const char *name;   /**< required, 1 to MOFKA_NAME_BYTES_MAX printable bytes */
    size_t batch_size;  /**< events fetched at a time at most; 0: MOFKA_BATCH_ADAPTIVE */
    size_t max_batches; /**< fetched batches held at a time; 0: 2 */
    mofka_thread_pool_t *thread_pool;  /**< keep; NULL: no threads. Workers run `process` */
    mofka_data_selector_fn selector;   /**< NULL: no data */
    void *selector_context;            /**< borrow until release */
    mofka_data_allocator_fn allocator; /**< NULL: memory that is freed with the event */
    void *allocator_context;           /**< borrow until release */
    const size_t *targets;             /**< partitions to read (copied); NULL: all */
    size_t target_count;               /**< of that list; 0 without one */
    mofka_start_t start;               /**< of a new name */
    mofka_acknowledge_t acknowledge;   /**< who acknowledges */
    /** Selected data is not copied: an event's data view shows the backend's memory, and is good until
     * the event's last release (the view must not be kept longer). Retention waits for what is held.
     * No allocator; a backend that cannot (the MPI driver: in rma windows, or with retention
     * discard_oldest) answers MOFKA_ERR_UNSUPPORTED. */
    bool zero_copy;
    const char *options; /**< JSON object for the backend; NULL: none */
} mofka_consumer_options_t;

/** Make a consumer of a topic, which it retains. Give: close, then release. MOFKA_ERR_BUSY: a live
 * consumer has the name on one of the partitions. MOFKA_ERR_FULL: no room for another name.
 * MOFKA_ERR_RANGE: a target that is not there. MOFKA_ERR_INVALID: what is no name, no handle or no
 * choice, or targets without a list. MOFKA_ERR_OPTION: of the backend. Threads: any. MPI: local.
 * Blocks: for the lock of each partition that is read, at most 10 s each. */
MOFKA_API mofka_status_t mofka_consumer_create(mofka_topic_t *topic,
                                               const mofka_consumer_options_t *options,
                                               mofka_consumer_t **consumer);
/** Publish acknowledgements, free the name for the next one. Events still held stay readable, but
 * can no longer be acknowledged. Pulls that wait end with MOFKA_ERR_CLOSED. Again, or by two
 * threads at once: MOFKA_OK, once it is done. MOFKA_ERR_TIMEOUT: it takes no more pulls, but the
 * backend could not end it yet; calling again goes on. MOFKA_ERR_BUSY: zero-copy events are held, or
 * it was called by a selector, an allocator or a serializer of this consumer; it stays open.
 * Threads: any. MPI: local. Blocks: until a fetch under way ends (at most 100 ms, and as long as its
 * callbacks take), then for the partitions' locks, at most 10 s each. */
MOFKA_API mofka_status_t mofka_consumer_close(mofka_consumer_t *consumer);
/** Remove the name and its place in every target: retention no longer waits for it. The consumer
 * takes no more pulls, and those that wait end with MOFKA_ERR_CLOSED; close it. Again: MOFKA_OK;
 * after an error it goes on. MOFKA_ERR_BUSY as for close. Threads: any. MPI: local. Blocks: as
 * close. */
MOFKA_API mofka_status_t mofka_consumer_unsubscribe(mofka_consumer_t *consumer);
/** Count one more user; returns its argument. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_consumer_t *mofka_consumer_retain(mofka_consumer_t *consumer);
/** Drop one user; NULL is ignored. Releasing one that was not closed logs a warning and leaves
 * closing to the driver's close, whoever still holds events or futures of it.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_consumer_release(mofka_consumer_t *consumer);

/** Pull the next event. Give: mofka_event_release. At the end, and for ever after, the event with
 * id MOFKA_NO_MORE_EVENTS. MOFKA_ERR_TIMEOUT: none within `timeout_ms`. MOFKA_ERR_CALLBACK (or the
 * callback's own error): selector or allocator failed; the event is passed over. MOFKA_ERR_CLOSED.
 * MOFKA_ERR_BUSY: called by a selector, an allocator or a serializer of this consumer.
 * Threads: any. MPI: local. Blocks: until an event, at most `timeout_ms`. */
MOFKA_API mofka_status_t mofka_consumer_pull(mofka_consumer_t *consumer, int64_t timeout_ms,
                                             mofka_event_t **event);
/** Pull the next event as mofka_consumer_pull does, and with it what is ready behind it: at most
 * `events_max` in all, in the order in which single pulls would give them. Saves what each pull
 * costs beside its event. Give: mofka_event_release for each of `events[0]` to `events[*count - 1]`;
 * what is behind those is not written to, and nothing is after an error. An event whose selector or
 * allocator failed is left to the next call, unless it is the first. The end comes alone.
 * MOFKA_ERR_RANGE: `events_max` is 0. Other errors: as for mofka_consumer_pull.
 * Threads: any. MPI: local. Blocks: until an event, at most `timeout_ms`. */
MOFKA_API mofka_status_t mofka_consumer_pull_many(mofka_consumer_t *consumer, size_t events_max,
                                                  int64_t timeout_ms, mofka_event_t **events,
                                                  size_t *count);
/** Ask for the next event; requests are answered in order. Give: mofka_future_release.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_consumer_pull_future(mofka_consumer_t *consumer,
                                                    mofka_future_t **future);

/** Called with each event (borrow; retain it to keep it). MOFKA_OK: go on. MOFKA_STOP: stop. */
typedef mofka_status_t (*mofka_event_fn)(void *context, mofka_event_t *event);

/** All zero: the defaults. */
typedef struct mofka_process_options {
    mofka_thread_pool_t *thread_pool; /**< run callbacks there; NULL: the consumer's own pool */
    size_t events_max;                /**< stop after so many; 0: no limit */
} mofka_process_options_t;

/** Pull events and call `callback` with each, until the end, the limit, MOFKA_STOP, or an error.
 * The end itself is not passed. On return no callback runs any more; `*processed` (optional) counts
 * the events. MOFKA_ERR_TIMEOUT: `timeout_ms` passed. A callback's error is returned. Threads: any.
 * MPI: local. Blocks: until then. Calls back: in the caller, or in workers at once. */
MOFKA_API mofka_status_t mofka_consumer_process(mofka_consumer_t *consumer, mofka_event_fn callback,
                                                void *context, int64_t timeout_ms,
                                                const mofka_process_options_t *options,
                                                size_t *processed);

/** Events lost so far to retention `discard_oldest`. Threads: any. MPI: none. Blocks: no. */
MOFKA_API uint64_t mofka_consumer_lost(const mofka_consumer_t *consumer);

/* What the consumer was made with; 0 or NULL for what is no consumer. Views.
 * Threads: any. MPI: none. Blocks: no. */
/** Its name. */
MOFKA_API const char *mofka_consumer_name(const mofka_consumer_t *consumer);
/** The topic that it reads. */
MOFKA_API mofka_topic_t *mofka_consumer_topic(const mofka_consumer_t *consumer);
/** Events fetched at a time at most. */
MOFKA_API size_t mofka_consumer_batch_size(const mofka_consumer_t *consumer);
/** Fetched batches held at a time at most. */
MOFKA_API size_t mofka_consumer_max_batches(const mofka_consumer_t *consumer);
/** Whose workers fetch ahead; NULL: nobody's. */
MOFKA_API mofka_thread_pool_t *mofka_consumer_thread_pool(const mofka_consumer_t *consumer);
/** The data selector; `*context` (optional) is its context. */
MOFKA_API mofka_data_selector_fn mofka_consumer_selector(const mofka_consumer_t *consumer,
                                                         void **context);
/** The data allocator; `*context` (optional) is its context. */
MOFKA_API mofka_data_allocator_fn mofka_consumer_allocator(const mofka_consumer_t *consumer,
                                                           void **context);
/** The partitions that it reads; NULL: all. `*count` (optional) is the length of that list. */
MOFKA_API const size_t *mofka_consumer_targets(const mofka_consumer_t *consumer, size_t *count);
/** Where it started if its name was new. */
MOFKA_API mofka_start_t mofka_consumer_start(const mofka_consumer_t *consumer);
/** Who acknowledges its events. */
MOFKA_API mofka_acknowledge_t mofka_consumer_acknowledge_mode(const mofka_consumer_t *consumer);
/** Whether its events' data is shown where it is. */
MOFKA_API bool mofka_consumer_zero_copy(const mofka_consumer_t *consumer);
/** The JSON of the backend's options, as given; NULL: none. */
MOFKA_API const char *mofka_consumer_options_json(const mofka_consumer_t *consumer);

#ifdef __cplusplus
}
#endif
#endif
