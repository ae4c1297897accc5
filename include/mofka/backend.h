/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * What authors of backends and of types implement: tables of operations, and the calls that make
 * handles from them. mofka.h does not include it.
 *
 * A backend appends batches to partitions and fetches runs of events from them. The core does what
 * is the same for every backend: validation, batching, futures, selection.
 *
 * Every table begins with its size, and every slot receives the backend's own `self`. A table is
 * checked when it is given. A slot is required unless its comment says that it is optional. `close`
 * may wait and may fail. `destroy` frees, comes after the last use, and never waits.
 */
#ifndef MOFKA_BACKEND_H
#define MOFKA_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/archive.h>
#include <mofka/data_descriptor.h>
#include <mofka/data_view.h>
#include <mofka/driver.h>
#include <mofka/metadata.h>
#include <mofka/status.h>
#include <mofka/thread_pool.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- producers ------------------------------------------------------------------------------ */

/** One event of a batch. Its metadata are the next `metadata_bytes` of the batch's metadata; its
 * data are the next `data_bytes` of the batch's segments. */
typedef struct mofka_batch_event {
    size_t metadata_bytes; /**< after serialization */
    size_t data_bytes;     /**< 0 means no data */
} mofka_batch_event_t;

/** Events on their way into one partition. The core owns the batch. The batch does not change, and
 * its memory stays, until append returns anything but MOFKA_ERR_POSSIBLY_STORED. The last members
 * are for the backend to write; they begin as zero. */
typedef struct mofka_batch {
    const mofka_batch_event_t *events; /**< the sizes of the events, in push order */
    size_t event_count;                /**< at least 1 */
    const char *metadata;              /**< the metadata of all events, one after the other */
    size_t metadata_bytes;             /**< of all events */
    const mofka_segment_t *segments;   /**< the data of all events, in order */
    size_t segment_count;              /**< length of that list */
    size_t data_bytes;                 /**< of all segments */
    /** Set by append once consumers may come to see the batch. An error other than
     * MOFKA_ERR_COMPLETE then leaves its events possibly stored, instead of not stored. */
    bool reserved;
    uint64_t scratch[4]; /**< for the backend: how a reserved append continues */
    /** For statistics: store with the batch when it became readable (CLOCK_REALTIME, ns), for the
     * `stored_ns` of a run. Optional. */
    bool timed;
    /** For statistics: append adds the time that the batch waited for room, in ns. */
    uint64_t blocked_ns;
    uint64_t first_id; /**< set by append_start: the id of its first event, once it is stored */
    /** Set by append: what it stored has its topic's durability already. */
    bool durable;
} mofka_batch_t;

/** Memory of a partition for one event that is reserved. The core owns this. `claim` sets all but
 * the sizes. */
typedef struct mofka_place {
    size_t metadata_bytes; /**< for claim: room for metadata; for commit: the size of it */
    size_t data_bytes;     /**< of its data */
    char *metadata;        /**< memory for its metadata, writable until commit or give_up */
    void *data;            /**< the same for its data; 0 bytes: not used */
    uint64_t id;           /**< of the event */
    uint64_t scratch[6];   /**< for the backend */
    bool timed;            /**< for statistics; see mofka_batch_t */
} mofka_place_t;

/** A group: batches of one partition that are appended together, in order. All of them are reserved
 * already, or none is. The core owns this and what it points to, and keeps it until `done` is
 * called. */
typedef struct mofka_append {
    size_t partition;              /**< its index */
    mofka_batch_t *const *batches; /**< the oldest first */
    size_t count;                  /**< at least 1 */
    int64_t timeout_ms;            /**< how long to wait for room */
    /** To be called once, when the append is over. The first `stored` batches are stored. `status`
     * says what became of the next one: it is what append answers, with the message of this thread.
     * MOFKA_OK: there is no next one, or the core is to append it again. */
    void (*done)(struct mofka_append *append, size_t stored, mofka_status_t status);
} mofka_append_t;

/** What one batch of a partition may hold. */
typedef struct mofka_batch_limits {
    size_t events_max;      /**< at least 1 */
    size_t bytes_max;       /**< metadata and data of a whole batch */
    size_t event_bytes_max; /**< metadata and data of one event; 0: see `refuse` */
} mofka_batch_limits_t;

/** The producer side of one topic. Of each partition, one append is under way at a time. */
typedef struct mofka_producer_ops {
    size_t size; /**< sizeof(mofka_producer_ops_t) of the backend's build */
    /** Report what a batch of `partition` may hold. */
    mofka_status_t (*limits)(void *self, size_t partition, mofka_batch_limits_t *limits);
    /** Append the batch. `*first_id` is the id of its first event. MOFKA_ERR_TIMEOUT: no room
     * within `timeout_ms`; nothing is stored. MOFKA_ERR_POSSIBLY_STORED: reserved, but not
     * published yet; the core sets `reserved`, and calls again with the same batch, to continue.
     * If that call answers MOFKA_ERR_TIMEOUT and clears `reserved`, nothing is reserved.
     * MOFKA_ERR_COMPLETE: the topic is complete. The core passes short time-outs, 0 among them, and
     * calls again to wait longer. */
    mofka_status_t (*append)(void *self, size_t partition, mofka_batch_t *batch, int64_t timeout_ms,
                             uint64_t *first_id);
    /** Optional, for backends whose appends wait for other processes. If it is there, `append` is
     * not called. Begin to append a group, and return at once. The answer comes by `done`, from a
     * thread of the backend that holds no lock. A backend may append fewer batches, at least one.
     * An error: nothing has begun, and `done` is not called; the core tries again. Called with a
     * lock of the core. */
    mofka_status_t (*append_start)(void *self, mofka_append_t *append);
    /** Required with append_start. An append of the partition is under way, and a caller has waited
     * for it long enough. MOFKA_ERR_POSSIBLY_STORED, or MOFKA_ERR_TIMEOUT if it has not begun; the
     * message says what it waits for. Called with a lock of the core. */
    mofka_status_t (*append_late)(void *self, size_t partition);
    /** End the producer. `flushed` is true if every accepted event is stored, or a future or an
     * earlier flush has reported that it is not. The producer then counts, once, as a finished one;
     * refused events do not matter. MOFKA_ERR_TIMEOUT: not ended yet; when the user closes again,
     * this is called again, with the same `flushed`. After any other answer only destroy follows.
     */
    mofka_status_t (*close)(void *self, bool flushed);
    /** Free `self`, after close. */
    void (*destroy)(void *self);
    /** Required where limits may say that an event has at most 0 bytes: this producer cannot append
     * to the partition. A push there answers what this does: an error, whose message says why. */
    mofka_status_t (*refuse)(void *self, size_t partition);
    /** Optional, for topics that promise durability: events become durable some time after append
     * has stored them. Meanwhile the core appends other batches. A batch's futures complete, and
     * flush returns, once it is durable. Wait until the events of `partition` below `next`, which
     * are stored, are durable. `*durable` is set in any case: so many are. MOFKA_ERR_TIMEOUT: not
     * within `timeout_ms`; nothing ends by that. MOFKA_ERR_STORAGE: the same, and the message says
     * what keeps them from it. Called by one thread at a time for a partition, also while an append
     * is under way. A table that ends before this slot is valid. */
    mofka_status_t (*wait_durable)(void *self, size_t partition, uint64_t next, int64_t timeout_ms,
                                   uint64_t *durable);
    /** Optional, with `append`: reserve a place for one event of `partition`. Called when no append
     * is under way. With a time-out of 0, also with a lock of the core. MOFKA_ERR_TIMEOUT: there is
     * no room within `timeout_ms`, or too many places are claimed. After any error nothing is
     * reserved, and the core uses memory of its own. A table that ends before this slot is valid.
     */
    mofka_status_t (*claim)(void *self, size_t partition, mofka_place_t *place, int64_t timeout_ms);
    /** Required with claim: publish the event. Called with a lock of the core, which never calls
     * this behind give_up. MOFKA_ERR_CORRUPT: the place is not what it was; nothing is stored. */
    mofka_status_t (*commit)(void *self, size_t partition, mofka_place_t *place);
    /** Required with claim: the event will not be published, and consumers go on behind it. With
     * `keep`, its memory may still be written to; this is called again, without `keep`, when that
     * has ended. Called with a lock of the core. */
    mofka_status_t (*give_up)(void *self, size_t partition, mofka_place_t *place, bool keep);
} mofka_producer_ops_t;

/* ---- consumers ------------------------------------------------------------------------------ */

/** One fetched event. */
typedef struct mofka_fetched_event {
    uint64_t id;            /**< dense from 0 in its partition */
    const char *metadata;   /**< in memory of the run; a NUL byte follows, see fetch_unterminated */
    size_t metadata_bytes;  /**< without that NUL byte */
    size_t data_bytes;      /**< in the topic, selected or not */
    uint64_t data_position; /**< for the backend: where the data is */
    /** Set by finish_data: the data that was copied is not what was pushed. The pull of this event
     * answers MOFKA_ERR_CORRUPT, and the next pull goes on behind it. */
    bool data_damaged;
    /** For statistics: what is delivered of the event was compared with sums. Set by fetch;
     * get_data, view_data and finish_data change it for data. */
    bool verified;
} mofka_fetched_event_t;

/** A run of consecutive events of one partition. `fetch` makes it; `release_run` ends it. */
typedef struct mofka_run {
    size_t partition;              /**< index of its partition */
    size_t event_count;            /**< 0: the run only reports `lost`; it is released at once */
    mofka_fetched_event_t *events; /**< that many, with consecutive ids */
    uint64_t lost; /**< events that this consumer lost just before the first of these */
    /** For statistics: when the batch of its first event became readable (CLOCK_REALTIME of the
     * rank that stored it, ns); 0 means unknown. */
    uint64_t stored_ns;
    void *backend; /**< for the backend */
} mofka_run_t;

/** The consumer side of one topic. `fetch`, `get_data`, `finish_data`, `wait`, `skip_damaged`,
 * `seek`, `seek_time` and `describe_wait` are called by one thread at a time; the other slots by
 * any thread. */
typedef struct mofka_consumer_ops {
    size_t size; /**< sizeof(mofka_consumer_ops_t) of the backend's build */
    /** Fetch the next run, of at most `events_max` events, without waiting. Give `*run`.
     * MOFKA_ERR_TIMEOUT: no event is there now. MOFKA_ERR_COMPLETE: no event will come any more.
     * MOFKA_ERR_CORRUPT: the next events of a partition are damaged; events before them were
     * fetched, and those of other partitions will be. */
    mofka_status_t (*fetch)(void *self, size_t events_max, mofka_run_t **run);
    /** Start to copy ranges of the data of event `index`, one after the other, to the start of
     * `view`. Its memory is the backend's to write until finish_data returns anything but
     * MOFKA_ERR_TIMEOUT. */
    mofka_status_t (*get_data)(void *self, mofka_run_t *run, size_t index,
                               const mofka_range_t *ranges, size_t range_count,
                               mofka_data_view_t *view);
    /** Optional: instead of get_data, for a consumer made with `zero_copy`. Give a view of the
     * ranges in place, one after the other. The bytes stay until release_run, or until an
     * acknowledgement covers the event, whichever comes first. Missing: the core refuses zero_copy.
     */
    mofka_status_t (*view_data)(void *self, mofka_run_t *run, size_t index,
                                const mofka_range_t *ranges, size_t range_count,
                                mofka_data_view_t **view);
    /** Complete all started copies of the run. `*overtaken`: the number of events at the start of
     * the run that retention has discarded meanwhile; their copies are not used. MOFKA_ERR_TIMEOUT:
     * not complete within `timeout_ms` (negative: no limit); the core calls this again for the same
     * run, or releases the run and its views before it closes, and the backend keeps what is still
     * written to. After another error the core keeps the run, and may select, get_data and
     * finish_data all of it again. */
    mofka_status_t (*finish_data)(void *self, mofka_run_t *run, int64_t timeout_ms,
                                  size_t *overtaken);
    /** Wait until fetch may find something that the last fetch has not found. MOFKA_OK, or
     * MOFKA_ERR_TIMEOUT: until then it would have found nothing. After that the core may wait again
     * without a fetch. */
    mofka_status_t (*wait)(void *self, int64_t timeout_ms);
    /** Free a run. The core does not use it any more. */
    void (*release_run)(void *self, mofka_run_t *run);
    /** Acknowledge all events of `partition` up to `id`. This is cheap; it is published later. */
    mofka_status_t (*acknowledge)(void *self, size_t partition, uint64_t id);
    /** Optional, for statistics: the lowest id of `partition` that is not acknowledged.
     * MOFKA_ERR_RANGE, without a message: the consumer does not read that partition. */
    mofka_status_t (*acknowledged)(void *self, size_t partition, uint64_t *next);
    /** Optional: publish acknowledgements now. */
    mofka_status_t (*publish)(void *self);
    /** Remove the name and its cursors. After an error it may be called again. After success only
     * close follows. */
    mofka_status_t (*unsubscribe)(void *self);
    /** End the consumer; the name keeps its cursors. MOFKA_ERR_TIMEOUT: not ended yet; it is called
     * again when the user, or the driver's close, closes again. After any other answer only
     * release_run and destroy follow. */
    mofka_status_t (*close)(void *self);
    /** Free `self`, after close and after the last release_run. */
    void (*destroy)(void *self);
    /** Optional: go on behind the damage that fetch reported (MOFKA_ERR_CORRUPT). Adds the number
     * of events that are skipped to `*skipped`, and to the `lost` of the next run. Called as fetch.
     * Missing: nothing is skipped. */
    mofka_status_t (*skip_damaged)(void *self, uint64_t *skipped);
    /** Optional: what the events that fetch did not find wait for; "" if that is not known. `text`
     * is for the message of a pull that timed out. Called as fetch. Does not wait for long. */
    void (*describe_wait)(void *self, char *text, size_t bytes);
    /** Optional, for statistics: the number of events whose metadata fetch has found damaged, each
     * counted once. */
    uint64_t (*metadata_damaged)(void *self);
    /** Optional: as fetch, for events that are pulled as runs. No NUL byte has to follow metadata.
     * For a consumer made with `zero_copy`, metadata may be shown in place; its bytes stay as those
     * of view_data. Missing: fetch is called. A table that ends before this slot is valid. */
    mofka_status_t (*fetch_unterminated)(void *self, size_t events_max, mofka_run_t **run);
    /** Optional: the number of ids that this consumer has passed and that were never stored, so
     * that no event has them. Missing: 0. A table that ends before this slot is valid. */
    uint64_t (*voided)(void *self);
    /** Optional: go to event `id` of `partition`, as mofka_consumer_seek documents. The next run of
     * that partition begins there. No copy of data is under way. Called as fetch. After an error
     * nothing has changed. Missing, also from a smaller table: MOFKA_ERR_UNSUPPORTED. */
    mofka_status_t (*seek)(void *self, size_t partition, uint64_t id);
    /** Optional: the same, to the first event of `partition` that was stored at `time_ns`
     * (CLOCK_REALTIME) or later. */
    mofka_status_t (*seek_time)(void *self, size_t partition, uint64_t time_ns);
    /** Optional: the number of events by which this consumer was set back; see
     * mofka_consumer_rewound. Missing: 0. A table that ends before this slot is valid. */
    uint64_t (*rewound)(void *self);
} mofka_consumer_ops_t;

/** How a backend's consumer is made. */
typedef struct mofka_consumer_config {
    const char *name;      /**< a valid name, never NULL */
    const size_t *targets; /**< partitions to read, ascending; NULL means all */
    size_t target_count;   /**< length of that list */
    bool from_end;         /**< a new name starts after the events that are stored now */
    size_t max_batches;    /**< runs that the core holds at a time */
    bool copies_data;      /**< get_data may be called; runs that fit a cache copy faster */
    bool zero_copy; /**< view_data will be called; MOFKA_ERR_UNSUPPORTED if that is impossible */
    const char *options; /**< JSON object of backend options, or NULL */
} mofka_consumer_config_t;

/* ---- topics --------------------------------------------------------------------------------- */

/** A topic of a backend, as this process sees it.
 * Threads: any. */
typedef struct mofka_topic_ops {
    size_t size; /**< sizeof(mofka_topic_ops_t) of the backend's build */
    /** Describe partition `index`, and where it is, as JSON. Give `*info`. */
    mofka_status_t (*partition_info)(void *self, size_t index, mofka_metadata_t **info);
    /** Complete the topic: after the events that are stored by now, consumers see the end. */
    mofka_status_t (*mark_complete)(void *self, int64_t timeout_ms);
    /** Make a producer. `options`: JSON object of backend options, or NULL. Give `*ops` (static)
     * and `*producer`. */
    mofka_status_t (*make_producer)(void *self, const char *name, const char *options,
                                    const mofka_producer_ops_t **ops, void **producer);
    /** Make a consumer. Give `*ops` (static) and `*consumer`. */
    mofka_status_t (*make_consumer)(void *self, const mofka_consumer_config_t *config,
                                    const mofka_consumer_ops_t **ops, void **consumer);
    /** Free `self`: its handle, producers and consumers are gone. The topic itself stays. */
    void (*destroy)(void *self);
    /** Optional: give a consumer's name up, as mofka_topic_evict documents. The core has checked
     * the name. Missing, also from a smaller table: MOFKA_ERR_UNSUPPORTED. */
    mofka_status_t (*evict)(void *self, const char *consumer, int64_t timeout_ms);
    /** Optional: put all that is stored on disk, and say where each partition ends: `ends` has an
     * element for each, as mofka_topic_ends documents. It is written only on success. Missing, also
     * from a smaller table: MOFKA_ERR_UNSUPPORTED. */
    mofka_status_t (*ends)(void *self, int64_t timeout_ms, uint64_t *ends);
} mofka_topic_ops_t;

/** A topic as it is stored: the backend's options, and the JSON of its validator, selector and
 * serializer. */
typedef struct mofka_topic_config {
    const char *name;       /**< a valid name */
    const char *options;    /**< JSON object, never NULL */
    const char *validator;  /**< JSON object with "type", never NULL */
    const char *selector;   /**< JSON object of the partition selector, never NULL */
    const char *serializer; /**< JSON object of the serializer, never NULL */
} mofka_topic_config_t;

/** What opening a topic gives. */
typedef struct mofka_topic_made {
    const mofka_topic_ops_t *ops; /**< static */
    void *self;                   /**< for `ops` */
    size_t partition_count;       /**< at least 1 */
    char *validator;              /**< JSON as stored; give: free() */
    char *selector;               /**< JSON as stored; give: free() */
    char *serializer;             /**< JSON as stored; give: free() */
} mofka_topic_made_t;

/* ---- drivers -------------------------------------------------------------------------------- */

struct cJSON;

/** A driver of a backend.
 * Threads: any. */
typedef struct mofka_driver_ops {
    size_t size; /**< sizeof(mofka_driver_ops_t) of the backend's build */
    /** Create a topic. The core has checked its name, that no topic had it, and that its
     * validator, selector and serializer can be made. The backend checks that the selector fits the
     * number of partitions (mofka_partition_selector_check_count). MOFKA_ERR_EXISTS: the name is
     * taken. MOFKA_ERR_OPTION: an option is unknown or invalid. MOFKA_ERR_RANGE: a value is out of
     * range. MOFKA_ERR_FULL: there is no room for the topic. */
    mofka_status_t (*create_topic)(void *self, const mofka_topic_config_t *config);
    /** Open a topic. The core makes its helpers from the JSON as stored, and loads their types
     * from the plug-in folders only (register.h). MOFKA_ERR_NOT_FOUND: it does not exist. The core
     * then asks again. MOFKA_ERR_TIMEOUT: that is not known within `timeout_ms`. Outputs are
     * written only on success. */
    mofka_status_t (*open_topic)(void *self, const char *name, int64_t timeout_ms,
                                 mofka_topic_made_t *made);
    /** Whether a topic of that name exists now. */
    mofka_status_t (*topic_exists)(void *self, const char *name, bool *exists);
    /** Call `visit` once for each topic, as mofka_driver_list_topics documents. */
    mofka_status_t (*list_topics)(void *self, mofka_topic_visit_fn visit, void *context);
    /** Optional: the index of this process among the `*count` processes of its node that share a
     * binding. Thread pools divide the cores by it. */
    void (*node_place)(void *self, size_t *index, size_t *count);
    /** Optional: the index of this process among the `*count` processes of the driver. */
    void (*process)(void *self, size_t *index, size_t *count);
    /** Optional: append to `*topics`, a JSON array, one object for each topic of the driver,
     * whichever rank created it, as mofka_driver_stats documents. After an error, the objects that
     * were read stay. MOFKA_ERR_TIMEOUT: not all could be read within `timeout_ms`.
     * MOFKA_ERR_MEMORY: mofka_driver_stats fails. */
    mofka_status_t (*topic_stats)(void *self, int64_t timeout_ms, struct cJSON *topics);
    /** Optional: whether any thread may call the slots of producers. Then a thread of the core
     * sends the batches of producers without workers that lingered, or found no room. Missing: only
     * threads that call the library, and workers, do. */
    bool (*any_thread)(void *self);
    /** Optional: the driver's own pool. It is asked for once, when the handle is made, and the
     * handle keeps it. Missing: a pool without threads. */
    mofka_thread_pool_t *(*default_thread_pool)(void *self);
    /** Optional: make a pool. Give `*pool`. Missing: pinned pthreads, placed by node_place. */
    mofka_status_t (*make_thread_pool)(void *self, size_t thread_count, mofka_binding_t binding,
                                       mofka_thread_pool_t **pool);
    /** End the driver. MOFKA_ERR_TIMEOUT: can be called again. */
    mofka_status_t (*close)(void *self, int64_t timeout_ms);
    /** Free `self`, after close. */
    void (*destroy)(void *self);
    /** Optional: delete a topic, as mofka_driver_delete_topic documents. The core has checked its
     * name. Handles of the topic stay; make_producer, make_consumer and mark_complete then answer
     * MOFKA_ERR_NOT_FOUND. Missing, also from a smaller table: MOFKA_ERR_UNSUPPORTED. */
    mofka_status_t (*delete_topic)(void *self, const char *name);
    /** Optional: append to `*ranks`, a JSON array, one object for each rank that is dead or silent,
     * as mofka_driver_stats documents. MOFKA_ERR_MEMORY: mofka_driver_stats fails. Missing, also
     * from a smaller table: there are no "ranks". */
    mofka_status_t (*rank_stats)(void *self, int64_t timeout_ms, struct cJSON *ranks);
} mofka_driver_ops_t;

/** Make a handle of a backend's driver; `self` (take). Give: mofka_driver_close, then
 * mofka_driver_release. MOFKA_ERR_INVALID: a required slot is missing. MOFKA_ERR_MEMORY.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_driver_wrap(const char *type, const mofka_driver_ops_t *ops,
                                           void *self, mofka_driver_t **driver);
/** End a driver that the user did not close, because what it stands on goes away (MPI_Finalize was
 * called). This ends its open producers, which flush for at most `flush_ms` together, and its
 * consumers; then it closes the driver, for at most `close_ms`. Handles stay, and return
 * MOFKA_ERR_CLOSED. Errors of producers and consumers are logged. After an error the driver is not
 * closed, but the core does not use `self` any more.
 * Threads: any, if no other thread uses the driver. MPI: as close. Blocks: as close. */
MOFKA_API mofka_status_t mofka_driver_end_forgotten(void *self, int64_t flush_ms, int64_t close_ms);
/** Call `in_child` in each forked child, before fork returns there. It cannot be undone. The
 * function must not take a lock: another thread may have held it when the process was forked.
 * MOFKA_ERR_INVALID: a NULL function. MOFKA_ERR_MEMORY: no memory for the registration.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_backend_at_fork(void (*in_child)(void));

/* ---- events and thread pools of a backend's own ---------------------------------------------- */

/** An event of a backend. Events that consumers of this library deliver use the core's own table.
 */
typedef struct mofka_event_ops {
    size_t size; /**< sizeof(mofka_event_ops_t) of the backend's build */
    /** Its id; MOFKA_NO_MORE_EVENTS for the end. */
    uint64_t (*id)(const void *self);
    /** The index of its partition. */
    size_t (*partition)(const void *self);
    /** The metadata text, NUL-terminated; `*bytes` is its length. View. */
    const char *(*metadata)(const void *self, size_t *bytes);
    /** The selected data; NULL if none was selected. View. */
    mofka_data_view_t *(*data)(const void *self);
    /** The size of the whole data in the topic. */
    size_t (*data_size)(const void *self);
    /** Optional: the number of events lost just before this one. Missing: 0. */
    uint64_t (*lost)(const void *self);
    /** Optional: a description of its partition. Give `*info`. Missing: MOFKA_ERR_UNSUPPORTED. */
    mofka_status_t (*partition_info)(const void *self, mofka_metadata_t **info);
    /** Acknowledge this event and all earlier ones of its partition. */
    mofka_status_t (*acknowledge)(void *self);
    /** Free `self`: the last user has released the event. */
    void (*destroy)(void *self);
} mofka_event_ops_t;

/** Make a handle of a backend's own event; `self` (take). Give: mofka_event_release.
 * MOFKA_ERR_INVALID: a required slot is missing.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_event_wrap(const mofka_event_ops_t *ops, void *self,
                                          mofka_event_t **event);

/** A thread pool of a backend. */
typedef struct mofka_thread_pool_ops {
    size_t size; /**< sizeof(mofka_thread_pool_ops_t) of the backend's build */
    /** The number of workers; 0 is allowed. */
    size_t (*thread_count)(void *self);
    /** Queue work. `context` is borrowed until the work has run. Higher priority runs first; work
     * of equal priority runs in order. */
    mofka_status_t (*push_work)(void *self, mofka_work_fn work, void *context, uint64_t priority);
    /** The number of pieces of work that are queued or running. */
    size_t (*load)(void *self);
    /** Optional: write the cpuset of worker `index`, as hwloc list text ("0,2-3"). */
    mofka_status_t (*worker_cpus)(void *self, size_t index, char *text, size_t bytes);
    /** Run what is queued, then end the workers. */
    void (*close)(void *self);
    /** Free `self`, after close. */
    void (*destroy)(void *self);
} mofka_thread_pool_ops_t;

/** Make a handle of a backend's own pool; `self` (take). Give: mofka_thread_pool_release.
 * MOFKA_ERR_INVALID: a required slot is missing.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_thread_pool_wrap(const mofka_thread_pool_ops_t *ops, void *self,
                                                mofka_thread_pool_t **pool);

/* ---- types of validators, serializers and partition selectors -------------------------------- */

/** A validator type. */
typedef struct mofka_validator_ops {
    size_t size; /**< sizeof(mofka_validator_ops_t) of the type's build */
    /** Optional: accept the event (MOFKA_OK), or refuse it (mofka_fail(MOFKA_ERR_REFUSED, why)).
     * `metadata` and `data` are borrowed; `data` may be NULL. Missing: every event is accepted, at
     * no cost. */
    mofka_status_t (*validate)(void *self, const char *metadata, size_t metadata_bytes,
                               const mofka_data_view_t *data);
    /** Optional: free `self`. */
    void (*destroy)(void *self);
} mofka_validator_ops_t;

/** A serializer type. If both callbacks are NULL, metadata is stored as it is. */
typedef struct mofka_serializer_ops {
    size_t size; /**< sizeof(mofka_serializer_ops_t) of the type's build */
    /** Write the metadata text through `archive->write`. */
    mofka_status_t (*serialize)(void *self, const mofka_archive_t *archive, const char *metadata,
                                size_t metadata_bytes);
    /** Read `stored_bytes` bytes through `archive->read`. Give `*metadata`. */
    mofka_status_t (*deserialize)(void *self, const mofka_archive_t *archive, size_t stored_bytes,
                                  mofka_metadata_t **metadata);
    /** Optional: free `self`. */
    void (*destroy)(void *self);
} mofka_serializer_ops_t;

/** A partition selector type. A selector serves one producer, and its calls do not overlap. */
typedef struct mofka_partition_selector_ops {
    size_t size; /**< sizeof(mofka_partition_selector_ops_t) of the type's build */
    /** Set the partitions to choose from: `count` descriptions (borrow). Called first, and once. */
    mofka_status_t (*set_partitions)(void *self, const mofka_metadata_t *const *partitions,
                                     size_t count);
    /** Choose `*partition`, below the count. `metadata` is borrowed. `requested` is the caller's
     * partition, or MOFKA_ANY_PARTITION. */
    mofka_status_t (*select)(void *self, const char *metadata, size_t metadata_bytes,
                             size_t requested, size_t *partition);
    /** Optional: free `self`. */
    void (*destroy)(void *self);
    /** Optional: the producer's open batch of `partition` is sent, or will be at once. Another
     * thread may be in `select`, and locks may be held: this must not block, and must not call the
     * library. A table that ends before this slot is valid. */
    void (*batch_left)(void *self, size_t partition);
    /** Optional: whether it can choose among `count` partitions. Called before a topic is made, of
     * a selector that serves no producer. A table that ends before this slot is valid. */
    mofka_status_t (*check_count)(void *self, size_t count);
} mofka_partition_selector_ops_t;

/* A wrapped validator, serializer or selector has no type and no JSON. So it belongs to this
 * process, and cannot be stored with a topic. It is used by the producers and consumers that are
 * given it in their options, in place of the topic's own. */

/** Make a validator of a table (borrow until the last release) and `self` (take). Give:
 * mofka_validator_release. MOFKA_ERR_INVALID: a required slot is missing. MOFKA_ERR_MEMORY. After
 * an error, `self` stays the caller's.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_validator_wrap(const mofka_validator_ops_t *ops, void *self,
                                              mofka_validator_t **validator);
/** Make a serializer, as mofka_validator_wrap does. Give: mofka_serializer_release.
 * MOFKA_ERR_INVALID: only one of `serialize` and `deserialize` is there. MOFKA_ERR_MEMORY.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_serializer_wrap(const mofka_serializer_ops_t *ops, void *self,
                                               mofka_serializer_t **serializer);
/** Make a partition selector, as mofka_validator_wrap does. Give: mofka_partition_selector_release.
 * MOFKA_ERR_INVALID: a required slot is missing. MOFKA_ERR_MEMORY.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_partition_selector_wrap(const mofka_partition_selector_ops_t *ops,
                                                       void *self,
                                                       mofka_partition_selector_t **selector);

#ifdef __cplusplus
}
#endif
#endif
