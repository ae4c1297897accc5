/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Batches of one partition (a lane of a producer).
 * Path: push 5/7. Before: serializer.c. After: mpi_append.c.
 *
 *   push -> open batch --full, flush, wait, close, linger--> sealed FIFO --append--> stored,
 * recycled
 *
 * At most max_batches (open and sealed) per lane. One thread at a time sends from a lane
 * (`sending`), the oldest batch first, so a strict producer's reservations are in batch order.
 * append runs with no lock. What append answers: OK: futures get ids. TIMEOUT: nothing is stored,
 * the batch stays first. POSSIBLY_STORED: it stays first (strict) and is driven on by every later
 * call. With loose ordering a batch that could not leave goes last instead. Anything else is final:
 * its events fail.
 */
#ifndef MOFKA_SRC_BATCH_H
#define MOFKA_SRC_BATCH_H

#include <mofka/backend.h>
#include "base/clock.h"
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
    uint64_t sequence;       /* order of their first events in the producer */
    int64_t opened_ms;       /* when the first event came; coarse clock */
    uint64_t opened_ns;      /* the same, of timed batches; wall clock, for statistics */
    size_t futureless;       /* events without a future */
    mfi_outcome_t *outcomes; /* of the events with a future; the newest first */
    mofka_batch_event_t *events;
    size_t event_room;
    char *metadata;
    size_t metadata_room;
    mofka_segment_t *segments;
    size_t segment_room;
    mofka_data_view_t **views;
    size_t view_count, view_room;
    bool under_way;       /* append has it; as long as that, `out` is the sender's */
    bool given_up;        /* meanwhile: to be discarded unless append stores or reserves it */
    bool possibly_stored; /* append answered so */
    mofka_batch_t out;
} mfi_batch_t;

typedef struct mfi_lane {
    mofka_producer_t *producer;
    size_t partition;
    mofka_batch_limits_t limits;
    size_t events_cap, bytes_cap; /* a batch is full at */
    mfi_batch_t *open;            /* NULL: none */
    mfi_batch_t *first, *last;    /* sealed */
    size_t count;                 /* open and sealed */
    bool sending;
    pthread_t sender;          /* while sending */
    uint64_t sending_sequence; /* of the batch that is being sent */
    bool has_sender;           /* a task sends, or will, until nothing is left */
    bool has_sealer;           /* a task will seal what is open then */
} mfi_lane_t;

struct mofka_producer {
    mfi_object_t object;    /* users' handles */
    _Atomic uint32_t keeps; /* see handles.h */
    mofka_topic_t *topic;   /* kept */
    const mofka_producer_ops_t *ops;
    void *self;
    mofka_partition_selector_t *selector;
    /* What a push can leave out, found when the producer is made: a validator that accepts all, a
     * serializer that stores text as it is, and a choice that there is not. */
    bool accepts_all, stores_text, one_choice;
    bool tells_selector; /* of batches that leave */
    char *name;
    char *options_json; /* NULL: none */
    size_t batch_size, max_batches;
    mofka_ordering_t ordering;
    mofka_thread_pool_t *pool; /* kept; NULL: none */
    uint64_t linger_ms;
    int64_t push_timeout_ms;
    mfi_child_t child;
    pthread_mutex_t
        select_lock;        /* the selector's calls must not overlap; taken before nothing else */
    pthread_mutex_t lock;   /* guards all below and the lanes */
    pthread_cond_t changed; /* a lane stopped sending or lost a batch; the backend's close ended */
    bool closed;            /* no more events; set when the lanes are empty */
    bool lossy;             /* accepted events failed: the backend's close is told */
    bool ending, ended;     /* the backend's close: under way, over */
    pthread_t ender;        /* while ending */
    uint64_t sequence;      /* of the last batch or flush */
    int64_t look_ms;   /* when the next lingering batch is due, at the earliest; coarse clock */
    size_t open_count; /* open batches */
    bool lingering;    /* a task for later will look for lingering batches */
    mfi_batch_t *spare;
    size_t failed; /* futureless events that failed since the last flush, and the first's error */
    bool unstored; /* some of them had been accepted */
    uint64_t failed_sequence; /* the least among them */
    mofka_status_t failed_status;
    char *failed_message;
    mfi_producer_stats_t stats;
    mfi_lane_t lanes[];
};

/* All with the producer's lock held: */
mofka_status_t mfi_batch_open(mfi_lane_t *lane);

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

static inline bool mfi_batch_is_old(const mfi_batch_t *batch, int64_t now_ms) {
    int64_t age_ms = now_ms - batch->opened_ms; /* negative: opened since the clock was read */
    return age_ms > 0 && (uint64_t)age_ms >= batch->lane->producer->linger_ms;
}

mofka_status_t mfi_batch_add(mfi_lane_t *lane, const char *metadata, size_t metadata_bytes,
                             mofka_data_view_t *data, mofka_future_t **future);
extern const mfi_future_ops_t mfi_push_future_ops;
/* No more events into the open batch, if there is one. */
void mfi_batch_seal(mfi_lane_t *lane, mfi_seal_t why);
/* The batch left its lane, with the lock, let go meanwhile: complete its futures, release its data, keep
 * its memory for another batch. */
void mfi_batch_finish(mfi_batch_t *batch, mofka_status_t status, uint64_t first_id);
/* Keep the failure of futureless events, of the batch `sequence`, for the next flush. That they had
 * been accepted, the caller notes. */
void mfi_keep_failure(mofka_producer_t *producer, size_t count, uint64_t sequence,
                      mofka_status_t status, const char *message);
void mfi_batch_free(mfi_batch_t *batch);
/* made_with.c: what the options are, and all that they name. */
mofka_status_t mfi_producer_check_options(const mofka_producer_options_t *options);
mofka_status_t mfi_producer_make_with(mofka_producer_t *producer,
                                      const mofka_producer_options_t *options);
/* Of a producer whose backend is made. */
mofka_status_t mfi_lane_init(mfi_lane_t *lane, mofka_producer_t *producer, size_t partition);
/* No lock, no users left. */
void mfi_producer_free(mofka_producer_t *producer);
/* Keep the producer's memory, let go of it (without the lock, but for one that is not the last). */
void mfi_producer_keep(void *producer);
void mfi_producer_drop(void *producer);
/* With the lock. MOFKA_ERR_BUSY: a callback of a send (append, a data's free callback, a log callback)
 * calls, which must not wait for sends of this producer: it may wait for itself. */
mofka_status_t mfi_producer_check_caller(const mofka_producer_t *producer);
/* With the lock, let go meanwhile: until there is an open batch or a place for one, at most until
 * the deadline; the errors are those of mfi_lane_drive. */
mofka_status_t mfi_lane_make_place(mfi_lane_t *lane, int64_t deadline);
/* With the lock, let go meanwhile: send sealed batches up to `sequence`, until the deadline. OK: none is left
 * (what failed for good is kept or told); else MOFKA_ERR_TIMEOUT, MOFKA_ERR_POSSIBLY_STORED or
 * MOFKA_ERR_BUSY. */
mofka_status_t mfi_lane_drive(mfi_lane_t *lane, uint64_t sequence, int64_t deadline);
/* With the lock, let go meanwhile: fail what is not reserved, at once but for a batch that is under way.
 * That one fails when its append ends; MOFKA_ERR_TIMEOUT: it has not until the deadline. */
void mfi_lane_give_up(mfi_lane_t *lane);
mofka_status_t mfi_lane_wait_given_up(mfi_lane_t *lane, int64_t deadline);

/* With the lock, let go meanwhile: store all that was pushed by now. `*unstored` (optional) is set when
 * accepted events failed. */
mofka_status_t mfi_producer_flush(mofka_producer_t *producer, int64_t deadline, bool *unstored);

/* Without the lock: send what is sealed, in a worker, or here until the deadline. */
void mfi_lane_send(mfi_lane_t *lane, int64_t deadline);
/* Without the lock: a batch was opened. Let a worker seal it later; nothing where there are none. */
void mfi_lane_watch(mfi_lane_t *lane);
/* stats.c: see mfi_child_t. */
struct cJSON *mfi_producer_child_stats(mfi_child_t *child);
void mfi_producer_child_fold(mfi_child_t *child, mfi_totals_t *totals);
/* producer_end.c: see mfi_child_t. */
mofka_status_t mfi_producer_child_end(mfi_child_t *child, int64_t timeout_ms);
/* Let workers send what is sealed; nothing where there are none. */
void mfi_producer_ask_workers(mofka_producer_t *producer);
/* Seal what lingered too long, in any lane; try to send what is sealed, without waiting. */
void mfi_producer_look_around(mofka_producer_t *producer);
/* No more events will come: forget what was to be looked at later. */
void mfi_producer_stop_lingering(mofka_producer_t *producer);

#endif
