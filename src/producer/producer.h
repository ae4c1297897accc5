/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Producers, their lanes and their batches. A lane is one producer's batches of one partition.
 *
 *   push -> open batch --seal (full, flush, wait, close, linger)--> sealed FIFO --append--> stored,
 *   then kept for reuse
 *
 * A lane holds at most max_batches, open and sealed. One append of a lane is under way at a time
 * (`sending`), of the oldest batches. So a strict producer reserves in the order of its batches.
 *
 * There are two kinds of backends. `append` takes one batch and runs in the thread that sends, with
 * no lock held. `append_start` takes a group of batches, and runs in a thread of the backend;
 * meanwhile more batches are sealed, which are the next group.
 *
 * What append returns decides what becomes of the batch:
 *   MOFKA_OK                    stored; its futures get their ids, at once, or once it is durable.
 *   MOFKA_ERR_TIMEOUT           nothing is stored; the batch stays first.
 *   MOFKA_ERR_POSSIBLY_STORED   the batch stays first, and each later call drives it on.
 *   anything else               final: its events fail.
 * With loose ordering, a batch that stays goes to the end of the FIFO instead.
 *
 * Of a backend with wait_durable, stored batches leave the FIFO for a second one, `awaiting`, where
 * they count as the lane's. Whoever needs them to end waits there (await.c).
 *
 * "With the lock" means that the caller holds producer->lock. "Releases the lock meanwhile" means
 * that others may have changed the producer when the call returns.
 */
#ifndef MOFKA_SRC_PRODUCER_PRODUCER_H
#define MOFKA_SRC_PRODUCER_PRODUCER_H

#include <mofka/backend.h>
#include "base/clock.h"
#include "base/lock.h"
#include "base/monitor.h"
#include "data/data_descriptor.h"
#include "data/outcome.h"
#include "driver/driver.h"
#include "pool/pool.h"
#include "types/helper.h"
#include "stats/counters.h"

struct mfi_lane;

typedef struct mfi_batch {
    struct mfi_batch *next;
    struct mfi_lane *lane;
    uint64_t sequence;       /* orders batches by their first events, over the whole producer */
    int64_t opened_ms;       /* when the first event was added; coarse clock */
    uint64_t opened_ns;      /* the same in ns, for statistics; 0: batch not timed */
    size_t futureless;       /* events without a future */
    mfi_outcome_t *outcomes; /* of the events with a future; the newest first */
    mofka_batch_event_t *events;
    size_t event_room;
    char *metadata;
    size_t metadata_room;
    mofka_segment_t *segments;
    size_t segment_room;
    mofka_data_view_t **views; /* kept until the batch is finished */
    size_t view_count, view_room;
    bool under_way;       /* append has the batch; until it is over, only it uses `out` */
    bool discard;         /* fail the batch once append says that it is not reserved */
    bool possibly_stored; /* as far as append said last */
    bool falls_back;      /* it has failed, and its events go to the fallback */
    bool stored;          /* it is in the lane's `awaiting`, or was */
    mofka_batch_t out;    /* what append is given */
} mfi_batch_t;

typedef struct mfi_lane {
    mofka_producer_t *producer;
    size_t partition;
    mofka_batch_limits_t limits;
    size_t events_cap, bytes_cap;          /* a batch of that size is full */
    mfi_batch_t *open;                     /* NULL: none */
    mfi_batch_t *first, *last;             /* sealed */
    size_t count;                          /* batches, open and sealed */
    bool awaits;                           /* stored batches have to become durable */
    bool asking;                           /* a thread waits in the backend until some are */
    mfi_batch_t *awaiting, *last_awaiting; /* stored batches that are not known to be */
    bool sending;              /* an append is under way, of the first `group_count` batches */
    uint64_t sending_sequence; /* of the first of them */
    size_t group_count;
    /* Of a backend with append_start. */
    mofka_append_t append;
    mofka_batch_t **group; /* its batches; NULL: it has `one` */
    mofka_batch_t *one;
    bool in_backend;     /* a thread of the backend notes the end of the append */
    mofka_status_t kept; /* of the last append, if it could not finish; else MOFKA_OK */
    char *kept_message;  /* of it; owned; NULL: none */
    uint64_t full_ns; /* since when the first batch waits for room, and no append does; 0: not so */
    /* The states of these three are drawn in send.c. */
    bool has_sender; /* a task sends, or will, until no sealed batch is left */
    bool away;       /* that task is a delayed one: there was no room */
    int64_t away_ms; /* for how long, the last time */
    bool has_sealer; /* a task will seal the open batch */
} mfi_lane_t;

/* Failures of events without a future, for one flush to report. */
typedef struct mfi_tally {
    size_t count;
    mofka_status_t status; /* of the first */
    char *message;         /* of the first; owned; NULL: no memory for it */
} mfi_tally_t;

/* A thread that sends, or releases data, and may be in a callback. It is on that thread's stack. */
typedef struct mfi_caller {
    struct mfi_caller *next; /* of the producer */
    uintptr_t thread;
} mfi_caller_t;

struct mfi_account;

/* A flush from its begin until it has reported. */
typedef struct mfi_flush {
    struct mfi_flush *next; /* of the same account; later */
    mofka_producer_t *producer;
    struct mfi_account *account;
    uint64_t sequence; /* it covers the batches up to this one */
    mfi_tally_t tally;
} mfi_flush_t;

/* What a thread's flushes have to report. The picture is in failures.c. */
typedef struct mfi_account {
    struct mfi_account *next;
    uintptr_t thread;
    mfi_flush_t *flushes; /* that have not reported; the oldest first */
    mfi_tally_t tally;    /* what no flush of this thread covers yet */
} mfi_account_t;

struct mofka_producer {
    mfi_object_t object;    /* users' handles */
    _Atomic uint32_t keeps; /* see driver.h */
    mofka_topic_t *topic;   /* kept */
    const mofka_producer_ops_t *ops;
    void *self;                   /* the backend's; NULL once it is destroyed */
    mofka_validator_t *validator; /* kept, as are the next two */
    mofka_partition_selector_t *selector;
    mofka_serializer_t *serializer;
    /* The steps that a push can leave out. Found when the producer is made. */
    bool accepts_all;    /* the validator accepts everything */
    bool stores_text;    /* the serializer stores the text as it is */
    bool one_choice;     /* there is one partition to choose */
    bool plain;          /* all three of these */
    bool tells_selector; /* the selector wants a report of each batch that leaves */
    bool claims_early;   /* a claim needs no metadata to find its place */
    char *name;
    char *options_json; /* NULL: none */
    size_t batch_size, max_batches;
    mofka_ordering_t ordering;
    mofka_thread_pool_t *pool; /* kept; NULL: none */
    /* Its delayed tasks seal and send. Kept: the pool, if that has workers that send, else the
     * driver's background pool. NULL: none. */
    mofka_thread_pool_t *timer;
    uint64_t linger_ms;
    int64_t push_timeout_ms;
    uint64_t claim_ms;
    mofka_when_full_t when_full;
    mofka_producer_t *fallback; /* kept; NULL: none */
    mfi_child_t child;
    /* Serialises the selector's calls. A leaf: no other lock is taken while it is held. */
    pthread_mutex_t select_lock;
    /* Guards all below, and the lanes. It is notified when a lane stopped sending or lost a batch,
     * and when the backend's close ended. */
    mfi_monitor_t lock;
    bool closed;                  /* no more events; set when the lanes are empty */
    bool lossy;                   /* accepted events failed: the backend's close is not `flushed` */
    bool ending;                  /* a thread is in the backend's close */
    bool ended;                   /* the backend's close is over */
    uintptr_t ender;              /* the thread that is `ending` */
    uint64_t sequence;            /* of the last batch or flush */
    int64_t check_ms;             /* no lingering batch is due before; coarse clock */
    int64_t look_ms;              /* of a producer that drops: no look for room before; likewise */
    size_t open_count;            /* open batches */
    uint64_t closes;              /* calls of close so far */
    bool lingering;               /* a delayed task will seal lingering batches, and send */
    int64_t task_ms;              /* when; coarse clock */
    mfi_batch_t *spare;           /* batches for reuse */
    mfi_caller_t *callers;        /* threads that may be in a callback */
    mfi_batch_t *unreleased;      /* finished in the background, in that order: a caller releases
                                   * their data */
    mofka_claim_t *claims;        /* that are open; the newest first */
    mofka_claim_t *spare_claims;  /* for reuse */
    bool claim_looks;             /* a delayed task of `timer` will look at them */
    bool claimed_since;           /* there were claims in place since it looked last */
    uint64_t claim_look;          /* looks so far */
    mfi_account_t *accounts;      /* of the threads that pushed, flushed or closed */
    mfi_account_t *account;       /* of the last of them; NULL: none */
    mfi_tally_t unreported;       /* what no flush has reported; a new account begins with it */
    uint64_t unreported_sequence; /* no failure of a later batch is in it */
    uint64_t unstored_sequence;   /* of the last batch whose accepted events failed */
    uint64_t reported_sequence;   /* a flush reported all failures up to it */
    mfi_producer_stats_t stats;
    mfi_lane_t lanes[];
};

/* ---- create.c -------------------------------------------------------------------------------- */

/* Free a producer whose memory has no users. Without the lock. */
void mfi_producer_destroy(mofka_producer_t *producer);
/* Keep the producer's memory (for a future or a task). */
void mfi_producer_retain_memory(void *producer);
/* Undo that. The last call frees the producer, and must be made without the lock. */
void mfi_producer_release_memory(void *producer);

/* ---- made_with.c ----------------------------------------------------------------------------- */

mofka_status_t mfi_producer_check_options(const mofka_producer_options_t *options);
/* Set what the checked options say, and make the selector. */
mofka_status_t mfi_producer_make_with(mofka_producer_t *producer,
                                      const mofka_producer_options_t *options);

/* ---- batch.c: with the lock ------------------------------------------------------------------ */

/* Open a batch, which the lane must have a place for. */
mofka_status_t mfi_batch_open(mfi_lane_t *lane);

/* Whether an event of that size fits the open batch. Every event fits an empty one. */
static inline bool mfi_batch_fits(const mfi_lane_t *lane, size_t bytes) {
    const mofka_batch_t *out = &lane->open->out;
    size_t used = out->metadata_bytes + out->data_bytes;
    return out->event_count == 0 || (used <= lane->bytes_cap && bytes <= lane->bytes_cap - used);
}

static inline bool mfi_batch_is_full(const mfi_lane_t *lane) {
    const mofka_batch_t *out = &lane->open->out;
    return out->event_count >= lane->events_cap ||
           out->metadata_bytes + out->data_bytes >= lane->bytes_cap;
}

/* Whether the batch has lingered for linger_ms. */
static inline bool mfi_batch_is_old(const mfi_batch_t *batch, int64_t now_ms) {
    int64_t age_ms = now_ms - batch->opened_ms; /* negative: opened since the clock was read */
    return age_ms > 0 && (uint64_t)age_ms >= batch->lane->producer->linger_ms;
}

/* Add an event to the open batch, at `now_ms` of the coarse clock. Borrows the metadata, keeps the
 * data, gives *future if `future` is not NULL. */
mofka_status_t mfi_batch_add(mfi_lane_t *lane, const char *metadata, size_t metadata_bytes,
                             mofka_data_view_t *data, mofka_future_t **future, int64_t now_ms);
/* Seal the open batch: it takes no more events. Does nothing without an open batch, or if it is
 * empty. */
void mfi_batch_seal(mfi_lane_t *lane, mfi_seal_t why);
/* Finish a batch that left its lane: complete its futures, release its data, keep its memory for
 * reuse. Releases the lock meanwhile. */
void mfi_batch_finish(mfi_batch_t *batch, mofka_status_t status, uint64_t first_id);
/* Release the data of batches that were finished in the background: users' callbacks run in the
 * users' threads. Releases the lock meanwhile. */
void mfi_batches_release(mofka_producer_t *producer);
void mfi_batch_destroy(mfi_batch_t *batch);

/* ---- lane.c: with the lock ------------------------------------------------------------------- */

/* Set up a lane of a producer whose backend is made. */
mofka_status_t mfi_lane_init(mfi_lane_t *lane, mofka_producer_t *producer, size_t partition);
/* Wait until the lane has an open batch, or a place for one. MOFKA_ERR_CLOSED: another thread
 * called close meanwhile. The other errors are those of mfi_lane_drive. Releases the lock
 * meanwhile. */
mofka_status_t mfi_lane_make_place(mfi_lane_t *lane, int64_t deadline);
/* Send sealed batches up to `sequence`, until the deadline. MOFKA_OK: none of them is left;
 * failures are with their futures, or kept for the next flush. Else MOFKA_ERR_TIMEOUT,
 * MOFKA_ERR_POSSIBLY_STORED or MOFKA_ERR_BUSY. Releases the lock meanwhile. */
mofka_status_t mfi_lane_drive(mfi_lane_t *lane, uint64_t sequence, int64_t deadline);
/* As mfi_lane_drive, but what is stored need not be durable. */
mofka_status_t mfi_lane_store(mfi_lane_t *lane, uint64_t sequence, int64_t deadline);
/* Send all sealed batches, until the deadline or until another thread calls close. Of a backend
 * with append_start, only start that. Releases the lock meanwhile. */
void mfi_lane_drive_until_close(mfi_lane_t *lane, int64_t deadline);
/* Of a backend with append_start: begin to send sealed batches, unless it is sending, or none is
 * there. It goes on until none is left. */
void mfi_lane_start(mfi_lane_t *lane);
/* Fail all batches that are not reserved. A batch that stays, because append has it or it may be
 * stored, is failed once append says that it is not reserved. Releases the lock meanwhile. */
void mfi_lane_discard(mfi_lane_t *lane);
/* Wait for that append. MOFKA_ERR_TIMEOUT: it has not returned. Releases the lock meanwhile. */
mofka_status_t mfi_lane_wait_discarded(mfi_lane_t *lane, int64_t deadline);
/* From here on, this thread may be in a callback: append, a data's free callback, a log callback.
 */
void mfi_caller_begin(mofka_producer_t *producer, mfi_caller_t *caller);
/* Undo that. */
void mfi_caller_end(mofka_producer_t *producer, mfi_caller_t *caller);
/* MOFKA_ERR_BUSY: this thread is in such a callback. It must not wait for a send of this producer,
 * which could be its own. */
mofka_status_t mfi_producer_check_caller(mofka_producer_t *producer);

/* ---- await.c: with the lock ------------------------------------------------------------------ */

/* Batches of the lane that are stored, up to `sequence`, are not known to be durable. */
bool mfi_lane_awaits(const mfi_lane_t *lane, uint64_t sequence);
/* A batch, which has left the FIFO, is stored. It ends now, or once it is durable. Releases the
 * lock meanwhile. */
void mfi_batch_end_stored(mfi_batch_t *batch);
/* Wait until the oldest batch of `awaiting` is durable, and end all that are. MOFKA_OK: some have
 * ended, or there is time to wait again. MOFKA_ERR_TIMEOUT, MOFKA_ERR_STORAGE. Releases the lock
 * meanwhile. */
mofka_status_t mfi_lane_await(mfi_lane_t *lane, int64_t deadline);
/* End all batches of `awaiting`: the caller gives the wait up. Releases the lock meanwhile. */
void mfi_lane_stop_awaiting(mfi_lane_t *lane);

/* ---- fallback.c: without the lock; the producer has a fallback --------------------------------
 */

/* Push there what would be dropped here. */
mofka_status_t mfi_fallback_push(mofka_producer_t *producer, const char *metadata, size_t bytes,
                                 mofka_data_view_t *data, mofka_future_t **future);
/* Push there the events of a failed batch. */
void mfi_fallback_take(const mfi_batch_t *batch);

/* ---- send.c: without the lock ---------------------------------------------------------------- */

/* Send what is sealed: in a worker, or without workers here, until the deadline. */
void mfi_lane_send(mfi_lane_t *lane, int64_t deadline);
/* A batch was opened: let a worker, or the background thread, seal it later. */
void mfi_lane_watch(mfi_lane_t *lane);
/* Let workers send what is sealed. Does nothing without workers. */
void mfi_producer_wake_workers(mofka_producer_t *producer);
/* Whether other threads send: workers, or the backend's. */
bool mfi_producer_has_senders(const mofka_producer_t *producer);
/* Seal the batches of all lanes that lingered for linger_ms. Send what is sealed, without
 * waiting. True: a lane had an open batch. */
bool mfi_producer_check_lanes(mofka_producer_t *producer);
/* With the lock: an append took its batch, so there is room. End the absence of the lane's
 * sender. */
void mfi_lane_call_sender_back(mfi_lane_t *lane);
/* With the lock: an append found no room, or its batch is reserved. Without workers, let the
 * background thread try again soon. */
void mfi_producer_retry_soon(mofka_producer_t *producer);
/* The producer takes no more events: cancel its delayed tasks. */
void mfi_producer_cancel_tasks(mofka_producer_t *producer);

/* ---- failures.c: with the lock --------------------------------------------------------------- */

/* The account of this thread. NULL: no memory, and the message is set. */
mfi_account_t *mfi_account_find_or_create(mofka_producer_t *producer);
static inline mfi_account_t *mfi_account_of_thread(mofka_producer_t *producer) {
    mfi_account_t *last = producer->account;
    if (last && last->thread == mfi_thread_self())
        return last;
    return mfi_account_find_or_create(producer);
}
void mfi_accounts_destroy(mofka_producer_t *producer);
/* Note the failure of `count` events without a future, of the batch `sequence`, for the next flush
 * of each thread. */
void mfi_failure_note(mofka_producer_t *producer, size_t count, uint64_t sequence,
                      mofka_status_t status, const char *message);
/* Begin a flush by this thread, up to `sequence`. Ends with one of the two calls below. */
mofka_status_t mfi_flush_begin(mofka_producer_t *producer, mfi_flush_t *flush, uint64_t sequence);
/* All batches of the flush are stored or failed: return the error of the first failure, if any. */
mofka_status_t mfi_flush_report(mfi_flush_t *flush);
/* End it without a report: a later flush of its thread reports the failures. */
void mfi_flush_give_back(mfi_flush_t *flush);

/* ---- flush.c: with the lock ------------------------------------------------------------------ */

/* Store everything that was pushed by now. `closing`: sets producer->lossy if accepted events
 * failed and no flush had reported that. Releases the lock meanwhile. */
mofka_status_t mfi_producer_flush(mofka_producer_t *producer, int64_t deadline, bool closing);

/* ---- stats.c: see mfi_child_t ---------------------------------------------------------------- */

struct cJSON *mfi_producer_child_stats(mfi_child_t *child);
void mfi_producer_child_fold(mfi_child_t *child, mfi_totals_t *totals);

/* ---- push.c: without the lock ---------------------------------------------------------------- */

/* As mofka_producer_push, whose arguments are right. The user may have released the producer. */
mofka_status_t mfi_producer_push(mofka_producer_t *producer, const char *metadata, size_t bytes,
                                 mofka_data_view_t *data, size_t partition,
                                 mofka_future_t **future);
/* Do not accept an event. Its future reports that, if one is wanted. Else this call returns it, and
 * the next flush reports it, too. MOFKA_ERR_MEMORY: nothing does. */
mofka_status_t mfi_push_refuse(mofka_producer_t *producer, mofka_status_t status,
                               mofka_future_t **future);
/* Ask the selector. */
mofka_status_t mfi_push_choose(mofka_producer_t *producer, const char *metadata, size_t bytes,
                               size_t requested, size_t *partition);

/* ---- push.c, close.c ------------------------------------------------------------------------- */

extern const mfi_future_ops_t mfi_push_future_ops;
/* See mfi_child_t. */
mofka_status_t mfi_producer_child_end(mfi_child_t *child, int64_t timeout_ms);

#endif
