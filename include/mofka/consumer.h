/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Consumers: pull events from a topic's partitions, in order within each partition.
 *
 * A consumer's place is kept under its name. A new consumer of the same name continues after the
 * last acknowledged event. In each partition, one consumer of a name can be live at a time.
 */
#ifndef MOFKA_CONSUMER_H
#define MOFKA_CONSUMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/data_descriptor.h>
#include <mofka/data_view.h>
#include <mofka/event.h>
#include <mofka/event_run.h>
#include <mofka/future.h>
#include <mofka/limits.h>
#include <mofka/metadata.h>
#include <mofka/thread_pool.h>
#include <mofka/topic.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Data selector: chooses the wanted bytes of an event's data. `full` describes all of it (borrow).
 * Gives `*selected`: a selection, `full` itself (retained) for all bytes, or NULL for no bytes. An
 * error fails the pull of this event. `metadata` is the event's (borrow); the user pointer keeps
 * what the callback makes of it, see mofka_metadata_set_user.
 * Threads: the fetching thread. */
typedef mofka_status_t (*mofka_data_selector_fn)(void *context, const mofka_metadata_t *metadata,
                                                 mofka_data_descriptor_t *full,
                                                 mofka_data_descriptor_t **selected);

/** The data selector that selects all bytes; `context` is not used.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_consumer_select_all(void *context, const mofka_metadata_t *metadata,
                                                   mofka_data_descriptor_t *full,
                                                   mofka_data_descriptor_t **selected);

/** Data allocator: provides the memory for the selected bytes, for each event its own. Gives
 * `*view`, at least as large as the selection; a smaller one fails the pull. It is not called for 0
 * bytes. Threads: the fetching thread. */
typedef mofka_status_t (*mofka_data_allocator_fn)(void *context, const mofka_metadata_t *metadata,
                                                  mofka_data_descriptor_t *selected,
                                                  mofka_data_view_t **view);

/** Where a consumer with a new name starts. */
typedef enum mofka_start {
    MOFKA_START_BEGINNING, /**< at the oldest event that is retained */
    MOFKA_START_END        /**< after the events that are stored now */
} mofka_start_t;
/** What acknowledges events. */
typedef enum mofka_acknowledge {
    MOFKA_ACKNOWLEDGE_MANUAL, /**< the user, by mofka_event_acknowledge */
    /** The release of an event, once all earlier ones are released, too. An event whose pull
     * failed, or for which a callback of mofka_consumer_process returned an error, is not
     * acknowledged, nor are later ones: the next consumer of the name starts with it. To go on
     * behind it, acknowledge it (in the callback) or a later event by mofka_event_acknowledge. */
    MOFKA_ACKNOWLEDGE_AUTO
} mofka_acknowledge_t;

/** How to make a consumer. `name` is required; any other member that is zero or NULL has its
 * default. */
typedef struct mofka_consumer_options {
    const char *name;   /**< required: 1 to MOFKA_NAME_BYTES_MAX printable bytes */
    size_t batch_size;  /**< events per fetch, at most; 0 means MOFKA_BATCH_ADAPTIVE */
    size_t max_batches; /**< fetched batches in memory; 0 means the default, 2 */
    /** Keep; NULL means no threads. Its workers fetch ahead, and run the callbacks of
     * mofka_consumer_process. */
    mofka_thread_pool_t *thread_pool;
    mofka_data_selector_fn selector;   /**< NULL means no data */
    void *selector_context;            /**< borrow until the last release */
    mofka_data_allocator_fn allocator; /**< NULL means memory that is freed with the event */
    void *allocator_context;           /**< borrow until the last release */
    const size_t *targets;             /**< partitions to read (copied); NULL means all */
    size_t target_count;               /**< length of that list; 0 without a list */
    mofka_start_t start;               /**< where a new name starts */
    mofka_acknowledge_t acknowledge;   /**< what acknowledges events */
    /** Do not copy selected data: an event's data view shows the backend's memory. The view is
     * valid until the event's last release, and must not be kept longer. Retention waits for events
     * that are held. Nor is the metadata of runs copied (mofka_consumer_pull_run), unless it wraps
     * in that memory. An allocator is not allowed. MOFKA_ERR_UNSUPPORTED:
     * the backend cannot do this; the MPI driver cannot in rma windows and with retention
     * discard_oldest. */
    bool zero_copy;
    const char *options; /**< JSON object for the backend; NULL means none */
    /** Keep; reads the metadata that this consumer fetches. NULL means the topic's serializer. */
    mofka_serializer_t *serializer;
} mofka_consumer_options_t;

/** Make a consumer of a topic (keep). Give: mofka_consumer_close, then mofka_consumer_release.
 * MOFKA_ERR_BUSY: on one of the partitions a live consumer has this name. MOFKA_ERR_FULL: there is
 * no room for another name. MOFKA_ERR_RANGE: a target does not exist. MOFKA_ERR_INVALID: an invalid
 * name, handle or enum value, or `target_count` without `targets`. MOFKA_ERR_OPTION: the backend
 * does not know an option. MOFKA_ERR_NOT_FOUND: the topic was deleted.
 * Threads: any. MPI: local. Blocks: for the lock of each partition, at most 10 s each. */
MOFKA_API mofka_status_t mofka_consumer_create(mofka_topic_t *topic,
                                               const mofka_consumer_options_t *options,
                                               mofka_consumer_t **consumer);
/** Publish acknowledgements, and free the name for the next consumer. Events that are still held
 * stay readable, but cannot be acknowledged any more. Waiting pulls end with MOFKA_ERR_CLOSED. A
 * second call, also of another thread, waits until the first has ended, then returns MOFKA_OK.
 * MOFKA_ERR_TIMEOUT: it takes no more pulls, but the backend could not end it yet; calling again
 * continues. MOFKA_ERR_BUSY: zero-copy events or runs are held, or a selector, allocator or
 * serializer of this consumer called this; it stays open.
 * Threads: any. MPI: local. Blocks: until a fetch ends (at most 100 ms, plus the time of its
 * callbacks), then for the partitions' locks, at most 10 s each. */
MOFKA_API mofka_status_t mofka_consumer_close(mofka_consumer_t *consumer);
/** Remove the name and its place from every partition: retention no longer waits for it. The
 * consumer takes no more pulls, and waiting ones end with MOFKA_ERR_CLOSED; close it afterwards. A
 * second call returns MOFKA_OK, or continues after an error. MOFKA_ERR_CLOSED: the consumer is
 * closed. MOFKA_ERR_BUSY: as mofka_consumer_close.
 * Threads: any. MPI: local. Blocks: as mofka_consumer_close. */
MOFKA_API mofka_status_t mofka_consumer_unsubscribe(mofka_consumer_t *consumer);
/** Count one more user; returns its argument.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_consumer_t *mofka_consumer_retain(mofka_consumer_t *consumer);
/** Drop one user; NULL is ignored. If the last user releases a consumer that is not closed, a
 * warning is logged, and the driver's close closes it. This holds even while events or futures of
 * it are kept.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_consumer_release(mofka_consumer_t *consumer);

/** Pull the next event. Give: mofka_event_release. At the end, and for ever after, the event has
 * the id MOFKA_NO_MORE_EVENTS. MOFKA_ERR_TIMEOUT: no event within `timeout_ms`. MOFKA_ERR_CALLBACK,
 * or the callback's own error: the selector or the allocator failed; the event is passed over.
 * MOFKA_ERR_CORRUPT: memory is damaged; the message names the partition and the events, or the
 * word. Pulls return this again, and the events of other partitions, until
 * mofka_consumer_skip_damaged. MOFKA_ERR_CLOSED: the consumer is closed. MOFKA_ERR_BUSY: a
 * selector, allocator or serializer of this consumer called this.
 * Threads: any. MPI: local. Blocks: until an event, at most `timeout_ms`. */
MOFKA_API mofka_status_t mofka_consumer_pull(mofka_consumer_t *consumer, int64_t timeout_ms,
                                             mofka_event_t **event);
/** Pull the next event and the events that are ready after it: at most `events_max` in all, in the
 * order of single pulls. One call for many events saves the fixed cost of each pull.
 *
 * Give: mofka_event_release for each of `events[0]` to `events[*count - 1]`. Later elements are not
 * written; after an error none is. If the selector or allocator fails for an event that is not the
 * first, the next call reports it. The end is never returned with other events.
 *
 * MOFKA_ERR_RANGE: `events_max` is 0. Other errors: as mofka_consumer_pull.
 * Threads: any. MPI: local. Blocks: until an event, at most `timeout_ms`. */
MOFKA_API mofka_status_t mofka_consumer_pull_many(mofka_consumer_t *consumer, size_t events_max,
                                                  int64_t timeout_ms, mofka_event_t **events,
                                                  size_t *count);
/** Pull a run: the next event, and events of the same partition that are ready behind it, at most
 * `events_max` in all. A run is one handle for all of them, so each costs much less than by
 * mofka_consumer_pull. Runs and single events come in one order, and may be mixed; a consumer that
 * changes often between them copies metadata once more.
 *
 * Give: mofka_event_run_release. At the end, and for ever after, the run is the end
 * (mofka_event_run_is_end), without events. If the selector, the allocator or the serializer fails
 * for an event, the run ends in front of it. The next call returns the error, and passes the event
 * over.
 *
 * MOFKA_ERR_RANGE: `events_max` is 0. MOFKA_ERR_MEMORY: no memory for the run; no event is lost.
 * Other errors: as mofka_consumer_pull.
 * Threads: any. MPI: local. Blocks: until an event, at most `timeout_ms`. */
MOFKA_API mofka_status_t mofka_consumer_pull_run(mofka_consumer_t *consumer, size_t events_max,
                                                 int64_t timeout_ms, mofka_event_run_t **run);
/** Go on behind events that are damaged: those for which a pull has returned MOFKA_ERR_CORRUPT,
 * with their partition and ids. `*skipped` (optional) is their number. They count as lost, and a
 * warning is logged. Retention does not wait for them. Without a report it does nothing. To skip
 * damage without a report, set the backend's option `skip_damaged`. MOFKA_ERR_CLOSED: the consumer
 * is closed. MOFKA_ERR_BUSY: as mofka_consumer_pull.
 * Threads: any. MPI: local. Blocks: until a fetch ends, as mofka_consumer_close. */
MOFKA_API mofka_status_t mofka_consumer_skip_damaged(mofka_consumer_t *consumer, uint64_t *skipped);
/** Go to event `id` of a partition: the next event of it that is pulled is that one. What was
 * fetched and not pulled is dropped; events that are held stay. `id` may be the next one that will
 * be stored. Acknowledgements stay: going back does not take them back, so a later consumer of the
 * name goes on where they end. Events that are passed over by going forward are acknowledged with
 * the first one behind them.
 *
 * A topic with storage has all events that it keeps. Without storage, a consumer goes back at most
 * to the batch of the first event that it has not acknowledged; with retention `discard_oldest`, to
 * the oldest event. MOFKA_ERR_RANGE: the partition does not have the event, or this consumer does
 * not read the partition; the message says which events there are. MOFKA_ERR_BUSY: zero-copy events
 * are held; or as mofka_consumer_pull. MOFKA_ERR_TIMEOUT: a rank does not answer; calling again
 * continues. MOFKA_ERR_CLOSED: the consumer is closed. MOFKA_ERR_UNSUPPORTED: the backend cannot.
 * After an error the consumer is where it was.
 * Threads: any. MPI: local. Blocks: until a fetch ends, as mofka_consumer_close, and until copies
 * of data that are under way end, at most 15 s. */
MOFKA_API mofka_status_t mofka_consumer_seek(mofka_consumer_t *consumer, size_t partition,
                                             uint64_t id);
/** Go to a time in all partitions that this consumer reads: in each, to the first event that was
 * stored at `time_ns` or later, or behind all that are there. `time_ns` counts from 1970 (real-time
 * clock, ns); 0 means the oldest event. Clocks of several producers differ: events before that one
 * are older, and those behind it need not be newer. Errors: as mofka_consumer_seek; after one, some
 * partitions may have moved. MOFKA_ERR_UNSUPPORTED: the topic has no storage.
 * Threads: any. MPI: local. Blocks: as mofka_consumer_seek, and as the file system. */
MOFKA_API mofka_status_t mofka_consumer_seek_time(mofka_consumer_t *consumer, uint64_t time_ns);
/** Request the next event. Requests are answered in order. Give: mofka_future_release.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_consumer_pull_future(mofka_consumer_t *consumer,
                                                    mofka_future_t **future);

/** Called with each event (borrow; retain it to keep it). Return MOFKA_OK to go on, MOFKA_STOP to
 * stop, or an error, which stops as well. */
typedef mofka_status_t (*mofka_event_fn)(void *context, mofka_event_t *event);

/** Called when no event came within `wait_timeout_ms`. Return MOFKA_OK to wait again, MOFKA_STOP to
 * stop, or an error, which stops as well. */
typedef mofka_status_t (*mofka_no_event_fn)(void *context);

/** How to process events. A member that is zero or NULL has its default. */
typedef struct mofka_process_options {
    mofka_thread_pool_t *thread_pool; /**< runs the callbacks; NULL means the consumer's own pool */
    size_t events_max;                /**< stop after this many events; 0 means no limit */
    /** How long to wait for each event; 0 and negative mean until the call's own time-out. */
    int64_t wait_timeout_ms;
    /** Called in the calling thread, with the context of the call, each time such a wait ends;
     * workers may still run callbacks of earlier events. NULL means that the call ends then, with
     * MOFKA_ERR_TIMEOUT. */
    mofka_no_event_fn no_event;
} mofka_process_options_t;

/** Pull events, and call `callback` with each, until the end, the limit, MOFKA_STOP, or an error.
 * The end itself is not passed to the callback. No callback runs after this call has returned.
 * `*processed` (optional) is the number of events. MOFKA_ERR_TIMEOUT: `timeout_ms` passed, or
 * `wait_timeout_ms` without `no_event`. An error of a callback is returned.
 * Threads: any. MPI: local. Blocks: until one of these. Calls back: in the calling thread, or in
 * several workers at once. */
MOFKA_API mofka_status_t mofka_consumer_process(mofka_consumer_t *consumer, mofka_event_fn callback,
                                                void *context, int64_t timeout_ms,
                                                const mofka_process_options_t *options,
                                                size_t *processed);

/** The number of events that this consumer has lost: retention `discard_oldest` has discarded them,
 * or they were damaged and skipped. They are counted by the next pull.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API uint64_t mofka_consumer_lost(const mofka_consumer_t *consumer);

/** The number of ids that this consumer has passed and that no event has: a producer reserved them,
 * and died before it stored events there. Nobody was told that such events are stored, so they do
 * not count as lost. A warning names the ids and the rank.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API uint64_t mofka_consumer_voided(const mofka_consumer_t *consumer);

/** The number of events by which this consumer was set back: its name had acknowledged them, or it
 * had read them, and then they were cut from the topic, by "resume_at" or `mofkactl log cut`, or
 * lost in a failure. Other events have their ids now, or will have. The first consumer that is made
 * of the name learns of that; later ones may, too, until the name has acknowledged more.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API uint64_t mofka_consumer_rewound(const mofka_consumer_t *consumer);

/* The functions below return what the consumer was made with, as views; 0 or NULL if the argument
 * is not a consumer. To keep a handle longer, retain it; to keep a text or a list, copy it.
 * Threads: any. MPI: none. Blocks: no. */
/** Its name. */
MOFKA_API const char *mofka_consumer_name(const mofka_consumer_t *consumer);
/** The topic that it reads. */
MOFKA_API mofka_topic_t *mofka_consumer_topic(const mofka_consumer_t *consumer);
/** Events per fetch, at most. */
MOFKA_API size_t mofka_consumer_batch_size(const mofka_consumer_t *consumer);
/** Fetched batches in memory, at most. */
MOFKA_API size_t mofka_consumer_max_batches(const mofka_consumer_t *consumer);
/** The pool whose workers fetch ahead; NULL if it has none. */
MOFKA_API mofka_thread_pool_t *mofka_consumer_thread_pool(const mofka_consumer_t *consumer);
/** The data selector; `*context` (optional) is its context. */
MOFKA_API mofka_data_selector_fn mofka_consumer_selector(const mofka_consumer_t *consumer,
                                                         void **context);
/** The data allocator; `*context` (optional) is its context. */
MOFKA_API mofka_data_allocator_fn mofka_consumer_allocator(const mofka_consumer_t *consumer,
                                                           void **context);
/** The partitions that it reads; NULL means all. `*count` (optional) is the length of that list. */
MOFKA_API const size_t *mofka_consumer_targets(const mofka_consumer_t *consumer, size_t *count);
/** Where it starts if its name is new. */
MOFKA_API mofka_start_t mofka_consumer_start(const mofka_consumer_t *consumer);
/** What acknowledges its events. */
MOFKA_API mofka_acknowledge_t mofka_consumer_acknowledge_mode(const mofka_consumer_t *consumer);
/** Whether its events show data in place, without a copy. */
MOFKA_API bool mofka_consumer_zero_copy(const mofka_consumer_t *consumer);
/** What reads its metadata: the topic's serializer, or the one that it was given. */
MOFKA_API const mofka_serializer_t *mofka_consumer_serializer(const mofka_consumer_t *consumer);
/** The JSON of the backend's options, as given; NULL if there are none. */
MOFKA_API const char *mofka_consumer_options_json(const mofka_consumer_t *consumer);

#ifdef __cplusplus
}
#endif
#endif
