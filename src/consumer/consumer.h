/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of consumers and events.
 *
 *   fetch -> run (one allocation: its events are embedded) -> ready FIFO -> pull, or the oldest
 * request
 *
 * One thread at a time fetches (`fetching`), with no lock held; others wait for what it brings.
 * Unsubscribing and closing take the same turn. The selector, the allocator and the serializer run
 * in that thread, which must not wait for itself: there, these calls answer MOFKA_ERR_BUSY.
 * Without pool threads it is whoever needs an event and finds none, so at most one run is ready.
 * With them, a pull that leaves fewer than max_batches runs ready queues a prefetch task
 * (`prefetching`), which fetches until there are so many or nothing is there. A run lives until its
 * last event was released; it keeps the consumer's memory.
 */
#ifndef MOFKA_SRC_CONSUMER_H
#define MOFKA_SRC_CONSUMER_H

#include <mofka/backend.h>
#include "base/clock.h"
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
        struct mfi_run *run; /* of events that consumers hand out, as all below but metadata */
    };
    _Atomic(mofka_metadata_t *) metadata; /* owned; deserialized, or made on first use */
    mofka_event_t *next;                  /* in the ready FIFO */
    mofka_data_view_t *data;              /* owned */
    char *message;                        /* of an error */
    mofka_status_t status;                /* of its selection: an error is what the pull returns */
    bool released;                        /* where releases count: under the consumer's lock */
    bool held;                            /* handed out */
};
static_assert(sizeof(mofka_event_t) <= 64, "one cache line");

typedef struct mfi_run {
    mofka_consumer_t *consumer; /* kept */
    mofka_run_t *run;           /* the backend's; NULL for the end */
    size_t partition;
    size_t count;
    size_t overtaken;     /* events in front that nobody saw; the next one tells of what was lost */
    uint64_t lost;        /* events since the last one told */
    _Atomic size_t users; /* events that live, and the partition's list */
    struct mfi_run *next; /* where releases count: later run of the partition */
    size_t released_prefix; /* where releases count */
    uint64_t data_bytes;    /* selected and copied, or shown */
    mofka_event_t events[];
} mfi_run_t;

/* Where releases count (automatic acknowledgement, zero-copy): a partition's runs, oldest first, of
 * which something is not released. The backend is told of what is released and acknowledged. */
typedef struct mfi_partition {
    mfi_run_t *first, *last;
    uint64_t released;     /* next id that is not */
    uint64_t acknowledged; /* zero-copy, manual: next id that is not */
    uint64_t lost;         /* not yet told by an event */
    uint64_t start;        /* first id that was not acknowledged when the consumer was made */
} mfi_partition_t;

struct mofka_consumer {
    mfi_object_t object;    /* users' handles */
    _Atomic uint32_t keeps; /* see handles.h */
    mofka_topic_t *topic;   /* kept */
    const mofka_consumer_ops_t *ops;
    void *self;
    char *name;
    mofka_consumer_options_t
        options;  /* with defaults filled in; its pool is kept, targets and JSON owned */
    bool workers; /* its pool has some */
    mfi_child_t child;
    pthread_mutex_t lock;   /* guards all below */
    pthread_cond_t changed; /* a fetch ended */
    bool fetching, prefetching, ended;
    _Atomic bool closed, unsubscribed; /* asked for; written with the lock. Both end all pulls */
    bool forgotten, gone;          /* unsubscribed, closed in the backend: by whose turn it is */
    mofka_data_descriptor_t *full; /* the fetching thread's: of the event under way; reused */
    pthread_t fetcher;             /* while fetching */
    mofka_run_t
        *untaken; /* the fetching thread's: a run that could not be taken, for the next fetch */
    size_t ready_runs;           /* runs of which the FIFO has an event */
    mofka_event_t *first, *last; /* ready */
    size_t held;                 /* events handed out and not released, where releases count */
    mfi_outcome_t *first_request, *last_request; /* owned */
    _Atomic uint64_t lost;
    _Atomic uint64_t fetches, waits; /* the fetching thread's, for statistics */
    mfi_consumer_stats_t stats;
    mfi_partition_t partitions[];
};

extern const mfi_future_ops_t mfi_pull_future_ops;
/* Of the events of runs. */
extern const mofka_event_ops_t mfi_fetched_event_ops;

/* What the backend fetched; NULL: the end. */
static inline const mofka_fetched_event_t *mfi_event_from(const mofka_event_t *event) {
    const mfi_run_t *run = event->run;
    return run->run ? &run->run->events[event - run->events] : NULL;
}

static inline bool mfi_counts_releases(const mofka_consumer_t *consumer) {
    return consumer->options.acknowledge == MOFKA_ACKNOWLEDGE_AUTO || consumer->options.zero_copy;
}

/* With the lock. */
static inline bool mfi_consumer_is_over(const mofka_consumer_t *consumer) {
    return consumer->closed || consumer->unsubscribed;
}

/* With the lock unless said otherwise: the next ready event, held from now on. NULL:
 * none. */
mofka_event_t *mfi_consumer_pop(mofka_consumer_t *consumer);
/* MOFKA_ERR_BUSY: a callback of this thread's own fetch calls. */
mofka_status_t mfi_consumer_check_caller(const mofka_consumer_t *consumer);
/* The turn of fetching, which nobody has. Beginning it lets go of the lock; ending it, without
 * the lock, takes it. */
void mfi_consumer_begin_turn(mofka_consumer_t *consumer);
void mfi_consumer_end_turn(mofka_consumer_t *consumer);
/* Fetch, or wait for the thread that does. Fetch's hard errors are returned. */
mofka_status_t mfi_consumer_advance(mofka_consumer_t *consumer, int64_t deadline);
/* Where there are workers: one shall fetch ahead, as too little is ready. Then start it, without the
 * lock. */
bool mfi_consumer_wants_prefetch(mofka_consumer_t *consumer);
void mfi_consumer_start_prefetch(mofka_consumer_t *consumer);
/* consumer_requests.c: with the lock, complete the oldest requests with what is ready, linked into
 * *done; without it, let go of them. */
void mfi_requests_serve(mofka_consumer_t *consumer, mfi_outcome_t **done);
void mfi_requests_drop(mfi_outcome_t *done);
/* Both; with the lock, let go meanwhile. */
void mfi_requests_serve_and_drop(mofka_consumer_t *consumer);

/* select.c: select, allocate and start the copy for one fetched event. */
mofka_status_t mfi_select_data(mofka_consumer_t *consumer, mfi_run_t *run, size_t index);
/* In the fetching thread: queue the events of what was fetched. */
mofka_status_t mfi_run_take(mofka_consumer_t *consumer, mofka_run_t *fetched);
/* Where releases count, without the lock: an event was released, acknowledged. */
void mfi_run_count_release(mofka_event_t *event);
mofka_status_t mfi_run_count_acknowledgement(const mofka_event_t *event);
/* made_with.c: check the options, and keep what they name. */
mofka_status_t mfi_consumer_make_with(mofka_consumer_t *consumer,
                                      const mofka_consumer_options_t *options);
/* event.c: a handle over a fetched run (taken); NULL run: the end. */
mofka_status_t mfi_run_create(mofka_consumer_t *consumer, mofka_run_t *fetched, mfi_run_t **run);
/* Give the fetched run back, and free it: it has no users. */
void mfi_run_free(mfi_run_t *run);

static inline void mfi_run_drop(mfi_run_t *run) {
    if (atomic_fetch_sub(&run->users, 1) == 1)
        mfi_run_free(run);
}

void mfi_consumer_free(mofka_consumer_t *consumer);
/* Keep the consumer's memory, let go of it (without the lock). */
void mfi_consumer_keep(void *consumer);
void mfi_consumer_drop(void *consumer);
/* stats.c: the backend's consumer was created. For the other two, see mfi_child_t. */
void mfi_consumer_stats_begin(mofka_consumer_t *consumer);
struct cJSON *mfi_consumer_child_stats(mfi_child_t *child);
void mfi_consumer_child_fold(mfi_child_t *child, mfi_totals_t *totals);
/* consumer_end.c: close. */
mofka_status_t mfi_consumer_end(mofka_consumer_t *consumer);
mofka_status_t mfi_consumer_child_end(mfi_child_t *child, int64_t timeout_ms);

#endif
