/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Consumers, the runs that they fetch, and the events of those.
 *
 *   fetch -> run (one allocation, its events embedded) -> ready FIFO -> a pull, or the oldest
 *   request
 *
 * One thread at a time fetches: it has the turn (`fetching`), and holds no lock. Other threads wait
 * for what it brings. Unsubscribing and closing take the same turn. The selector, the allocator and
 * the serializer run in the fetching thread, which must not wait for itself. So in those callbacks,
 * calls that would wait return MOFKA_ERR_BUSY.
 *
 * Without pool threads, the thread that needs an event and finds none fetches. Then at most one run
 * is ready. With pool threads, a pull that leaves fewer than max_batches runs ready starts a task
 * (`prefetching`). The task fetches until max_batches runs are ready, or no event is there.
 *
 * A run lives until its last event is released. It keeps the consumer's memory.
 *
 * If nothing but the backend's texts is in a run's events, their handles are made when single
 * pulls need them. Events that are pulled as a run (runs/event_run.c) never need them.
 *
 * "With the lock" means that the caller holds consumer->lock. "Releases the lock meanwhile" means
 * that others may have changed the consumer when the call returns.
 */
#ifndef MOFKA_SRC_CONSUMER_CONSUMER_H
#define MOFKA_SRC_CONSUMER_CONSUMER_H

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

struct mfi_run;

/* One cache line. */
struct mofka_event {
    mfi_object_t object;
    const mofka_event_ops_t *ops;
    union {
        void *self;          /* a backend's own, of events that it wrapped */
        struct mfi_run *run; /* of events that consumers hand out; they use all below, too */
    };
    _Atomic(mofka_metadata_t *) metadata; /* owned; deserialized, or made on first use */
    mofka_event_t *next;                  /* in the ready FIFO */
    mofka_data_view_t *data;              /* owned */
    union {
        size_t selected; /* bytes of `data` that were selected */
        char *message;   /* of the error in `status`; owned */
    };
    mofka_status_t status; /* an error: the pull returns it instead of the event */
    bool held;             /* handed out */
    bool undelivered;      /* its pull or its callback failed */
    bool damaged;          /* nobody can have its data */
};
static_assert(sizeof(mofka_event_t) <= 64, "one cache line");

typedef struct mfi_run {
    mofka_consumer_t *consumer; /* its memory is kept */
    mofka_run_t *run;           /* the backend's; NULL: this run is the end event */
    size_t partition;
    size_t count;
    size_t overtaken;       /* events at the front that retention passed before they were ready */
    uint64_t lost;          /* events lost since the last event that reported a loss */
    size_t users;           /* events that live, and the partition's list; with the lock */
    struct mfi_run *next;   /* where releases count: later run of the partition */
    size_t released_prefix; /* where releases count: events at the front that are released */
    uint64_t data_bytes;    /* selected and copied, or shown */
    /* Events at the front whose handles are made. If that is not all, the last of them is in the
     * ready FIFO, and stands there for the others, too. See mfi_run_make_more. */
    size_t made;
    uint32_t seeks;    /* of its partition, when it was fetched */
    bool unterminated; /* handles that are not made yet would show metadata without a NUL byte */
    char *texts;       /* owned: with NUL bytes, those of the rest of an unterminated run */
    char *releases;    /* where releases count, with the lock: for each event, mfi_release_t */
    mofka_event_t events[];
} mfi_run_t;

typedef enum mfi_release {
    MFI_NOT_RELEASED,
    MFI_RELEASED,
    MFI_RELEASED_UNDELIVERED /* its pull or its callback failed */
} mfi_release_t;

/* A consumer's part of one partition. Releases count with automatic acknowledgement or zero-copy.
 * Then a list holds the runs that have an event that is not released. The backend receives the id
 * up to which all events are released and acknowledged. */
typedef struct mfi_partition {
    mfi_run_t *first, *last; /* oldest first */
    uint64_t released;       /* the next id that is not released; automatic: to acknowledge */
    uint64_t
        undelivered; /* automatic: the id behind the last one that was not delivered; 0: none */
    uint64_t
        acknowledged; /* where releases count: the next id that the user has not acknowledged */
    uint64_t lost;    /* events lost that no event has reported yet */
    uint64_t start;   /* first id that was not acknowledged when the consumer was made */
    uint32_t seeks;   /* runs of an earlier count do not matter for what follows */
} mfi_partition_t;

/* Room for what a backend says that events wait for. */
#define MFI_WAITS_FOR_BYTES 256

struct mofka_consumer {
    mfi_object_t object;    /* users' handles */
    _Atomic uint32_t keeps; /* see driver.h */
    mofka_topic_t *topic;   /* kept */
    const mofka_consumer_ops_t *ops;
    void *self; /* the backend's */
    char *name;
    /* With defaults filled in. Its pool and serializer are kept, its targets and JSON owned. */
    mofka_consumer_options_t options;
    bool workers; /* its pool has threads */
    mfi_child_t child;
    /* Guards all below. It is notified when a turn ended, and when an event came back. */
    mfi_monitor_t lock;
    bool fetching;                       /* a thread has the turn */
    bool prefetching;                    /* a task fetches ahead, or will */
    bool ended;                          /* the backend reported the end of all partitions */
    char waits_for[MFI_WAITS_FOR_BYTES]; /* what the last fetch that timed out waited for */
    _Atomic bool closed;           /* close was called: all pulls end; written with the lock */
    _Atomic bool unsubscribed;     /* the same of unsubscribe */
    bool forgotten;                /* unsubscribed in the backend; written in the turn */
    bool gone;                     /* closed in the backend; written in the turn */
    uintptr_t fetcher;             /* the thread that has the turn */
    mofka_data_descriptor_t *full; /* used in the turn: all data of the current event; reused */
    mfi_run_t *unfinished;         /* used in the turn: a run whose copies are under way */
    mofka_run_t *untaken; /* used in the turn: a run that failed to be taken, for the next try */
    bool unterminated;    /* used in the turn: what was fetched last needs no NUL bytes */
    /* The last pull was of a run: fetches need no NUL bytes. If not, each event in the FIFO has
     * one. Written with the lock. */
    _Atomic bool pulls_runs;
    size_t ready_runs;           /* runs of which the FIFO has an event */
    mofka_event_t *first, *last; /* the ready FIFO */
    size_t held;                 /* events handed out and, where releases count, not released */
    mfi_outcome_t *first_request, *last_request; /* owned */
    _Atomic uint64_t lost;
    _Atomic uint64_t fetches, waits; /* for statistics; written in the turn */
    mfi_consumer_stats_t stats;
    mfi_partition_t partitions[];
};

extern const mfi_future_ops_t mfi_pull_future_ops;
/* The table of the events of runs. */
extern const mofka_event_ops_t mfi_fetched_event_ops;

/* What the backend fetched for an event of a run. NULL: it is the end event. */
static inline const mofka_fetched_event_t *mfi_event_from(const mofka_event_t *event) {
    const mfi_run_t *run = event->run;
    return run->run ? &run->run->events[event - run->events] : NULL;
}

static inline bool mfi_consumer_counts_releases(const mofka_consumer_t *consumer) {
    return consumer->options.acknowledge == MOFKA_ACKNOWLEDGE_AUTO || consumer->options.zero_copy;
}

/* Whether the user closed or unsubscribed it. */
static inline bool mfi_consumer_is_over(const mofka_consumer_t *consumer) {
    return consumer->closed || consumer->unsubscribed;
}

/* ---- create.c -------------------------------------------------------------------------------- */

/* Free a consumer whose memory has no users. Without the lock. */
void mfi_consumer_destroy(mofka_consumer_t *consumer);
/* Keep the consumer's memory (for a run, a future or a task). */
void mfi_consumer_retain_memory(void *consumer);
/* Undo that. The last call frees the consumer, and must be made without the lock. */
void mfi_consumer_release_memory(void *consumer);

/* ---- made_with.c ----------------------------------------------------------------------------- */

/* Check the options, set them, and keep what they name. */
mofka_status_t mfi_consumer_make_with(mofka_consumer_t *consumer,
                                      const mofka_consumer_options_t *options);

/* Whether handles of its events are made before the events are ready: they get data, or metadata
 * that a serializer read. */
static inline bool mfi_consumer_prepares(const mofka_consumer_t *consumer) {
    return consumer->options.selector ||
           !mofka_serializer_is_identity(consumer->options.serializer);
}

/* The number of ready events that `event`, which is in the FIFO, stands for besides itself. */
static inline size_t mfi_event_unmade(const mofka_event_t *event) {
    const mfi_run_t *run = event->run;
    return event == &run->events[run->made - 1] ? run->count - run->made : 0;
}

/* ---- pull.c: with the lock ------------------------------------------------------------------- */

/* Take the next ready event, which is held from then on. NULL: none is ready. */
mofka_event_t *mfi_consumer_pop(mofka_consumer_t *consumer);
/* For the next function: no event is ready, or the consumer is over. */
mofka_status_t mfi_consumer_await_more(mofka_consumer_t *consumer, int64_t timeout_ms);
/* Releases the lock meanwhile: wait until an event is ready, or all were delivered. */
static inline mofka_status_t mfi_consumer_await(mofka_consumer_t *consumer, int64_t timeout_ms) {
    if (consumer->first && !mfi_consumer_is_over(consumer))
        return MOFKA_OK;
    return mfi_consumer_await_more(consumer, timeout_ms);
}
/* Make the end event. Give: release. */
mofka_status_t mfi_consumer_make_end(mofka_consumer_t *consumer, mofka_event_t **event);
/* Without the lock: release an event whose deserialization or selection failed; returns its error.
 */
mofka_status_t mfi_event_pass_over(mofka_event_t *event);

/* ---- fetch.c --------------------------------------------------------------------------------- */

/* With the lock. MOFKA_ERR_BUSY: this thread is in a callback of its own turn. */
mofka_status_t mfi_consumer_check_caller(mofka_consumer_t *consumer);
/* With the lock, which it releases: take the turn, which no thread has. */
void mfi_consumer_begin_turn(mofka_consumer_t *consumer);
/* Without the lock, which it takes: end this thread's turn. */
void mfi_consumer_end_turn(mofka_consumer_t *consumer);
/* With the lock, releases it meanwhile: fetch, or wait for the thread that does. `*waited`: false
 * in the first of a caller's calls; then as the one before left it. */
mofka_status_t mfi_consumer_advance(mofka_consumer_t *consumer, int64_t deadline, bool *waited);
/* With the lock, of a consumer with workers. True: a task should fetch ahead; the caller must start
 * it. */
bool mfi_consumer_wants_prefetch(mofka_consumer_t *consumer);
/* Without the lock: start that task. */
void mfi_consumer_start_prefetch(mofka_consumer_t *consumer);

/* ---- seek.c ---------------------------------------------------------------------------------- */

/* With the lock: whether its consumer has gone elsewhere since the run was fetched. */
static inline bool mfi_run_is_stale(const mfi_run_t *run) {
    return run->run && run->seeks != run->consumer->partitions[run->partition].seeks;
}
/* In the turn, with the lock: take the events of a partition (SIZE_MAX: of all) that nobody has
 * pulled out of the ready FIFO. */
mofka_event_t *mfi_consumer_take_ready(mofka_consumer_t *consumer, size_t partition);
/* Without the lock: release such events. */
void mfi_events_drop(mofka_event_t *events);

/* ---- requests.c ------------------------------------------------------------------------------ */

/* With the lock: complete the oldest requests with what is ready. Links them into *done. */
void mfi_requests_serve(mofka_consumer_t *consumer, mfi_outcome_t **done);
/* Without the lock: release the requests of that list. */
void mfi_requests_release(mfi_outcome_t *done);
/* For the next function: there are requests. */
void mfi_requests_serve_all(mofka_consumer_t *consumer);
/* With the lock, releases it meanwhile: both. */
static inline void mfi_requests_serve_and_release(mofka_consumer_t *consumer) {
    if (consumer->first_request)
        mfi_requests_serve_all(consumer);
}

/* ---- run.c ----------------------------------------------------------------------------------- */

/* Make a run of what was fetched, which it takes. NULL: make the end event. */
mofka_status_t mfi_run_create(mofka_consumer_t *consumer, mofka_run_t *fetched, mfi_run_t **run);
/* In the turn: make events of what was fetched, and put them into the ready FIFO. */
mofka_status_t mfi_run_take(mofka_consumer_t *consumer, mofka_run_t *fetched, int64_t deadline);
/* How long the backend may wait at a time. It bounds how long close waits for the turn. */
#define MFI_WAIT_SLICE_MS 100
/* In the turn: complete the copies of the run that a turn left unfinished. MOFKA_ERR_TIMEOUT: they
 * are not complete by the deadline; the next turn goes on. */
mofka_status_t mfi_run_finish(mofka_consumer_t *consumer, int64_t deadline);
/* In the last turn: an unfinished run becomes an untaken one. */
void mfi_run_give_up(mofka_consumer_t *consumer);
/* With the lock: make the handle of one more event, linked to `next`. */
void mfi_run_make_one(mfi_run_t *run, mofka_event_t *next);
/* With the lock: make handles of some of the events that the ready event stands for. */
void mfi_run_make_more(mofka_consumer_t *consumer, mofka_event_t *event);
/* With the lock: single events are pulled from now on, so each ready event needs a NUL byte.
 * MOFKA_ERR_MEMORY: nothing has changed. */
mofka_status_t mfi_consumer_end_runs(mofka_consumer_t *consumer);
/* Where releases count, without the lock: an event was released, and is no user any more. */
void mfi_run_count_release(mofka_event_t *event);
/* Likewise: `count` events from `index` on, all handed out in a run. */
void mfi_run_count_releases(mfi_run_t *run, size_t index, size_t count);
/* Likewise: the user acknowledged the event `index`, and with it all before it. */
mofka_status_t mfi_run_count_acknowledgement(mfi_run_t *run, size_t index);
/* Acknowledge the event `index`, or the end. */
mofka_status_t mfi_run_acknowledge(mfi_run_t *run, size_t index);
/* Give the fetched run back to the backend, and free this one. It has no users. */
void mfi_run_destroy(mfi_run_t *run);

/* With the lock: so many users have gone. True: the caller destroys the run, without the lock. */
static inline bool mfi_run_leave(mfi_run_t *run, size_t users) {
    mfi_assert_inside(&run->consumer->lock);
    assert(run->users >= users);
    run->users -= users;
    return run->users == 0;
}

/* Without the lock: the same, and what follows. */
static inline void mfi_run_drop(mfi_run_t *run, size_t users) {
    mofka_consumer_t *consumer = run->consumer;
    mfi_monitor_enter(&consumer->lock);
    bool last = mfi_run_leave(run, users);
    mfi_monitor_leave(&consumer->lock);
    if (last)
        mfi_run_destroy(run);
}

static inline void mfi_run_release(mfi_run_t *run) {
    mfi_run_drop(run, 1);
}

/* ---- select.c, stats.c, close.c -------------------------------------------------------------- */

/* In the turn: select, allocate, and start the copy of one event's data. */
mofka_status_t mfi_run_select_data(mofka_consumer_t *consumer, mfi_run_t *run, size_t index);
/* The backend's consumer was made. */
void mfi_consumer_stats_begin(mofka_consumer_t *consumer);
/* For mofka_consumer_voided. */
uint64_t mfi_consumer_voided(const mofka_consumer_t *consumer);
/* See mfi_child_t. */
struct cJSON *mfi_consumer_child_stats(mfi_child_t *child);
void mfi_consumer_child_fold(mfi_child_t *child, mfi_totals_t *totals);
/* Close the consumer. The second of two threads that do waits, and then has nothing to do. */
mofka_status_t mfi_consumer_end(mofka_consumer_t *consumer);
/* See mfi_child_t. */
mofka_status_t mfi_consumer_child_end(mfi_child_t *child, int64_t timeout_ms);

#endif
