/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * What a backend implements: batches are appended to partitions and fetched from them. All that is
 * the same for every backend (validation, batching, futures, selection) is done by the core.
 *
 * Every table begins with its size, every slot gets the backend's own `self`. Tables are checked
 * when they are given. Slots are required unless marked optional. A `close` may wait and may fail;
 * a `destroy` frees, comes after the last use, and never waits.
 */
#ifndef MOFKA_BACKEND_H
#define MOFKA_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/data.h>
#include <mofka/status.h>
#include <mofka/thread_pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One event of a batch. Its metadata are the next `metadata_bytes` of the batch's metadata, its
 * data the next `data_bytes` of the batch's segments. */
typedef struct mofka_batch_event {
    size_t metadata_bytes; /**< as serialized */
    size_t data_bytes;     /**< 0: no data */
} mofka_batch_event_t;

/** Events on their way into one partition. Owned by the core; unchanged, and its memory alive,
 * until append answers something else than MOFKA_ERR_POSSIBLY_STORED. The last
 * members are the backend's to write, and zero at first. */
typedef struct mofka_batch {
    const mofka_batch_event_t *events; /**< their sizes, in push order */
    size_t event_count;                /**< at least 1 */
    const char *metadata;              /**< all events' metadata, one behind the other */
    size_t metadata_bytes;             /**< of them all */
    const mofka_segment_t *segments;   /**< all events' data, in order */
    size_t segment_count;              /**< of that list */
    size_t data_bytes;                 /**< of all segments */
    /** Set by append once others may come to see the batch: an error, other than
     * MOFKA_ERR_COMPLETE, then leaves its events possibly stored, not "not stored". */
    bool reserved;
    uint64_t scratch[4]; /**< where a reserved append goes on */
    bool timed;          /**< statistics want `stored_ns` */
    /** For statistics, set by append where it knows better than the core: when a timed batch became
     * readable (CLOCK_REALTIME, ns; 0: when append returns). */
    uint64_t stored_ns;
    /** For statistics, added to by append: ns that the batch waited for room. */
    uint64_t blocked_ns;
} mofka_batch_t;

/** What one batch may hold in a partition. */
typedef struct mofka_batch_limits {
    size_t events_max;      /**< at least 1 */
    size_t bytes_max;       /**< metadata and data of a whole batch */
    size_t event_bytes_max; /**< metadata and data of one event */
} mofka_batch_limits_t;

/** Producer side of one topic. The core calls `append` from one thread at a time per partition. */
typedef struct mofka_producer_ops {
    size_t size; /**< sizeof(mofka_producer_ops_t) of the backend's build */
    /** What a batch of `partition` may hold. */
    mofka_status_t (*limits)(void *self, size_t partition, mofka_batch_limits_t *limits);
    /** Append the batch; `*first_id` is its first event's id. MOFKA_ERR_TIMEOUT: no room within
     * `timeout_ms`, nothing is stored. MOFKA_ERR_POSSIBLY_STORED: reserved but not published yet;
     * call again with the same batch, which drives it on. MOFKA_ERR_COMPLETE: the topic ended. */
    mofka_status_t (*append)(void *self, size_t partition, mofka_batch_t *batch, int64_t timeout_ms,
                             uint64_t *first_id);
    /** End the producer. `flushed`: all events it accepted are stored, but for those whose failure
     * a future or an earlier flush told, so it counts, once, as a finished one; events that were
     * refused do not matter. MOFKA_ERR_TIMEOUT: not ended yet; it is called again, with the same
     * `flushed`, when the user closes again. After any other answer only destroy follows. */
    mofka_status_t (*close)(void *self, int flushed);
    /** Free `self`, after close. */
    void (*destroy)(void *self);
} mofka_producer_ops_t;

/** One fetched event. */
typedef struct mofka_fetched_event {
    uint64_t id;            /**< dense from 0 in its partition */
    const char *metadata;   /**< in memory of the run; behind its bytes stands a NUL byte */
    size_t metadata_bytes;  /**< without that */
    size_t data_bytes;      /**< in the topic, selected or not */
    uint64_t data_position; /**< the backend's: where the data is */
} mofka_fetched_event_t;

/** A run of consecutive events of one partition. Made by `fetch`, kept until `release_run`. */
typedef struct mofka_run {
    size_t partition;              /**< index of the partition it is from */
    size_t event_count;            /**< 0: it only tells what was lost; it is released at once */
    mofka_fetched_event_t *events; /**< that many, their ids one after the other */
    uint64_t lost;                 /**< events this consumer lost just before the first of these */
    /** When the batch of its first event became readable (CLOCK_REALTIME of who stored it, ns), for
     * statistics; 0: unknown. */
    uint64_t stored_ns;
    void *backend; /**< the backend's */
} mofka_run_t;

/** Consumer side of one topic. `fetch`, `get_data`, `finish_data` and `wait` are called by one
 * thread at a time; the others by any. */
typedef struct mofka_consumer_ops {
    size_t size; /**< sizeof(mofka_consumer_ops_t) of the backend's build */
    /** Fetch the next run, of at most `events_max` events, without waiting. Give `*run`.
     * MOFKA_ERR_TIMEOUT: nothing there now. MOFKA_ERR_COMPLETE: nothing will come any more. */
    mofka_status_t (*fetch)(void *self, size_t events_max, mofka_run_t **run);
    /** Start to copy ranges of event `index`'s data, one after the other, to the start of `view`.
     * The memory stays the caller's until finish_data. */
    mofka_status_t (*get_data)(void *self, mofka_run_t *run, size_t index,
                               const mofka_range_t *ranges, size_t range_count,
                               mofka_data_view_t *view);
    /** Optional: instead of get_data, for a consumer made with `zero_copy`: give a view of the ranges
     * where they are, one after the other. The bytes stay as they are until release_run, or until an
     * acknowledgement covers the event, whichever comes first. Missing: the core refuses zero_copy. */
    mofka_status_t (*view_data)(void *self, mofka_run_t *run, size_t index,
                                const mofka_range_t *ranges, size_t range_count,
                                mofka_data_view_t **view);
    /** All started copies of the run are complete. `*overtaken`: how many events at the run's start
     * retention passed meanwhile; what was copied of them is not to be used. After an error the
     * core keeps the run, and may select, get_data and finish_data all of it again. */
    mofka_status_t (*finish_data)(void *self, mofka_run_t *run, size_t *overtaken);
    /** Wait until fetch may find something. MOFKA_OK or MOFKA_ERR_TIMEOUT. */
    mofka_status_t (*wait)(void *self, int64_t timeout_ms);
    /** The core no longer uses the run. */
    void (*release_run)(void *self, mofka_run_t *run);
    /** All events of `partition` up to `id` are acknowledged. Cheap; published later. */
    mofka_status_t (*acknowledge)(void *self, size_t partition, uint64_t id);
    /** Optional, for statistics: the next id of `partition` that is not acknowledged.
     * MOFKA_ERR_RANGE (without a message): the consumer does not read it. */
    mofka_status_t (*acknowledged)(void *self, size_t partition, uint64_t *next);
    /** Optional: publish acknowledgements now. */
    mofka_status_t (*publish)(void *self);
    /** Remove the name and its cursors. After an error it may be called again; then only close
     * follows. */
    mofka_status_t (*unsubscribe)(void *self);
    /** End; keeps the name's cursors. MOFKA_ERR_TIMEOUT: not ended yet; it is called again when the
     * user, or the driver's close, closes again. After any other answer only release_run and
     * destroy follow. */
    mofka_status_t (*close)(void *self);
    /** After close and after the last release_run. */
    void (*destroy)(void *self);
} mofka_consumer_ops_t;

/** How a consumer of a backend is made. */
typedef struct mofka_consumer_config {
    const char *name;      /**< checked, never NULL */
    const size_t *targets; /**< partitions to read, ascending; NULL: all */
    size_t target_count;   /**< of that list */
    int from_end;          /**< start after what is there now, where the name is new */
    size_t max_batches;    /**< runs that the core will hold at a time */
    bool copies_data;      /**< get_data may be called; runs that fit a cache copy faster */
    bool zero_copy;        /**< view_data will be called; MOFKA_ERR_UNSUPPORTED if that cannot be */
    const char *options;   /**< JSON object of backend options, or NULL */
} mofka_consumer_config_t;

/** A topic of a backend, seen from this process. Threads: any. */
typedef struct mofka_topic_ops {
    size_t size; /**< sizeof(mofka_topic_ops_t) of the backend's build */
    /** What partition `index` is and where, as JSON. Give `*info`. */
    mofka_status_t (*partition_info)(void *self, size_t index, mofka_metadata_t **info);
    /** No more events will come: after those stored by now, consumers see the end. */
    mofka_status_t (*mark_complete)(void *self, int64_t timeout_ms);
    /** `options`: JSON object of backend options, or NULL. Give `*ops` (static) and `*producer`. */
    mofka_status_t (*make_producer)(void *self, const char *name, const char *options,
                                    const mofka_producer_ops_t **ops, void **producer);
    /** Make a consumer. Give `*ops` (static) and `*consumer`. */
    mofka_status_t (*make_consumer)(void *self, const mofka_consumer_config_t *config,
                                    const mofka_consumer_ops_t **ops, void **consumer);
    /** Free `self`: its handle, producers and consumers are gone. The topic itself stays. */
    void (*destroy)(void *self);
} mofka_topic_ops_t;

/** A topic as it is stored: three JSON objects that name its helpers, and the backend's options. */
typedef struct mofka_topic_config {
    const char *name;       /**< checked */
    const char *options;    /**< JSON object, never NULL */
    const char *validator;  /**< JSON object with "type", never NULL */
    const char *selector;   /**< the same of the partition selector */
    const char *serializer; /**< the same of the serializer */
} mofka_topic_config_t;

/** What opening gives. */
typedef struct mofka_topic_made {
    const mofka_topic_ops_t *ops; /**< static */
    void *self;                   /**< the backend's, for `ops` */
    size_t partition_count;       /**< at least 1 */
    char *validator;              /**< JSON as stored. Give: free() */
    char *selector;               /**< JSON as stored. Give: free() */
    char *serializer;             /**< JSON as stored. Give: free() */
} mofka_topic_made_t;

/** Called once per topic, with its name and its description (borrow). Answers MOFKA_STOP to end. */
typedef mofka_status_t (*mofka_topic_visit_fn)(void *context, const char *name,
                                               const mofka_metadata_t *description);

struct cJSON;

/** A driver of a backend. Threads: any. */
typedef struct mofka_driver_ops {
    size_t size; /**< sizeof(mofka_driver_ops_t) of the backend's build */
    /** The name was checked, and that the helpers can be made; whether the selector is for as many
     * partitions is the backend's to ask (mofka_partition_selector_check_count).
     * MOFKA_ERR_EXISTS, MOFKA_ERR_OPTION, MOFKA_ERR_RANGE, MOFKA_ERR_FULL. */
    mofka_status_t (*create_topic)(void *self, const mofka_topic_config_t *config);
    /** MOFKA_ERR_NOT_FOUND. Outputs are written only on success. */
    mofka_status_t (*open_topic)(void *self, const char *name, mofka_topic_made_t *made);
    /** Whether there is a topic of that name now. */
    mofka_status_t (*topic_exists)(void *self, const char *name, bool *exists);
    /** Call `visit` once per topic, as mofka_driver_list_topics describes them. */
    mofka_status_t (*list_topics)(void *self, mofka_topic_visit_fn visit, void *context);
    /** Optional: this process's index among the `*count` processes of its node that share a
     * binding; thread pools split the cores by it. */
    void (*node_place)(void *self, size_t *index, size_t *count);
    /** Optional: this process's index among the `*count` processes of the driver. */
    void (*process)(void *self, size_t *index, size_t *count);
    /** Optional: add to `*topics`, a JSON array, an object for each topic of the driver, whoever made
     * it, as mofka_driver_stats says. What was read before an error stays. MOFKA_ERR_TIMEOUT: not all
     * could be read within `timeout_ms`. */
    mofka_status_t (*topic_stats)(void *self, int64_t timeout_ms, struct cJSON *topics);
    /** Optional: the driver's own pool, asked for once, when the handle is made, which keeps it.
     * Missing: one without threads. */
    mofka_thread_pool_t *(*default_thread_pool)(void *self);
    /** Optional: make a pool. Give `*pool`. Missing: pinned pthreads, by node_place. */
    mofka_status_t (*make_thread_pool)(void *self, size_t thread_count, mofka_binding_t binding,
                                       mofka_thread_pool_t **pool);
    /** End. MOFKA_ERR_TIMEOUT: can be called again. */
    mofka_status_t (*close)(void *self, int64_t timeout_ms);
    /** Free `self`, after close. */
    void (*destroy)(void *self);
} mofka_driver_ops_t;

#ifdef __cplusplus
}
#endif
#endif
