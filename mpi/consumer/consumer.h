/* SPDX-License-Identifier: BSD-3-Clause */
/* A consumer of an MPI topic, and its reader in each partition. */
#ifndef MOFKA_MPI_CONSUMER_CONSUMER_H
#define MOFKA_MPI_CONSUMER_CONSUMER_H

#include <mofka/backend.h>
#include <mofka/options.h>
#include "mpi/topic/topic.h"

/* Events of one run, at most. It bounds a consumer's memory however large batches are, and keeps a
 * run in a core's cache from fetch to release. */
#define MMI_RUN_EVENTS_MAX 1024

typedef struct mmi_run {
    mofka_run_t run;
    const mmi_partition_t *p;
    mofka_fetched_event_t events[]; /* behind them the texts of their metadata */
} mmi_run_t;

/* The end of a batch that acknowledgements have not reached yet. */
typedef struct mmi_mark {
    uint64_t end;   /* id behind the batch */
    uint64_t units; /* the payload's end */
} mmi_mark_t;

/* All but `acknowledged` belongs to the one thread that fetches. */
typedef struct mmi_reader {
    const mmi_partition_t *p;
    size_t place;                  /* in the partition's table; MMI_CONSUMERS_MAX: none */
    bool fresh;                    /* the name was new in the partition */
    uint64_t next;                 /* id to read next */
    uint64_t batch_end;            /* end of the batch that `next` is in; == next at a boundary */
    uint64_t batch_start;          /* where the batch that `next` is in begins */
    uint64_t stamp;                /* of the first batch of the run under way; 0: unknown */
    uint64_t skip_below;           /* ids below were acknowledged before, or counted as lost */
    uint64_t complete;             /* the partition's word, once it is not 0 */
    uint64_t lost;                 /* events to report as lost */
    _Atomic uint64_t acknowledged; /* next unacknowledged id; any thread raises it */
    uint64_t published;            /* what the window holds of it */
    mmi_mark_t rung;               /* the mark at which the room bell was last rung */
    mmi_mark_t *marks;             /* ring of batch ends, oldest first */
    size_t mark_first, mark_count, mark_room;
    uint64_t run_data_bytes; /* data of a run, at most */
    mmi_entry_t *entries;    /* the consumer's buffer, MMI_RUN_EVENTS_MAX entries */
} mmi_reader_t;

typedef struct mmi_consumer {
    mmi_entry_t *entries;
    mmi_piece_t *pieces; /* of the selection under way; reused */
    size_t piece_count, piece_room;
    size_t turn;    /* the reader to ask first */
    int64_t nap_us; /* the next sleep; 0: something was found */
    size_t partition_count;
    mmi_reader_t **by_partition; /* NULL: not one of this consumer's */
    size_t reader_count;
    mmi_reader_t readers[];
} mmi_consumer_t;

/* ---- consumer.c ---- */

/* A slot of a topic's table; see mofka_topic_ops_t. */
mofka_status_t mmi_consumer_create(void *self, const mofka_consumer_config_t *config,
                                   const mofka_consumer_ops_t **ops, void **consumer);

/* ---- reader.c ---- */

/* Take the name's place in the partition. MOFKA_ERR_BUSY, MOFKA_ERR_FULL, MOFKA_ERR_TIMEOUT. */
mofka_status_t mmi_reader_join(mmi_reader_t *r, const mmi_partition_t *p, const char *name,
                               bool from_end);
/* Give the place up: `state` MMI_CONSUMER_FREE frees the name, MMI_CONSUMER_AWAY keeps its cursor.
 * A second call does nothing. */
mofka_status_t mmi_reader_leave(mmi_reader_t *r, uint64_t state);
/* The next `count` of `found` entries are delivered: mark the batch ends among them, and move
 * `next`. */
mofka_status_t mmi_reader_advance(mmi_reader_t *r, size_t count, size_t found);
/* Mark the end of a batch that was passed. MOFKA_ERR_MEMORY. */
mofka_status_t mmi_reader_mark(mmi_reader_t *r, mmi_mark_t mark);
/* Forget the marks at or below the head: the reader was overtaken. */
void mmi_reader_forget(mmi_reader_t *r, mmi_place_t head);
/* The topic is complete, and all its events were read. */
bool mmi_reader_has_ended(mmi_reader_t *r);
/* Publish acknowledged batches; with `all` also the exact id. */
mofka_status_t mmi_reader_publish(mmi_reader_t *r, bool all);
/* Free what the reader owns. */
void mmi_reader_destroy(mmi_reader_t *r);

/* ---- pass.c ---- */

/* Pass stored batches that end at or before `skip_below`. *more: the next call can pass more. If a
 * batch cannot be passed, because it is not stored or its entry is damaged, *more is false. */
mofka_status_t mmi_reader_pass(mmi_reader_t *r, bool *more);

/* ---- read_run.c ---- */

/* The next run of at most `events_max` events; give, free(). MOFKA_ERR_TIMEOUT: no events. */
mofka_status_t mmi_reader_fetch(mmi_reader_t *r, size_t events_max, mofka_run_t **run);
/* A run of `count` events with room for `metadata_bytes` and a NUL for each event; give, free().
 * NULL: no memory. */
mmi_run_t *mmi_run_create(const mmi_partition_t *p, size_t count, size_t metadata_bytes);

/* ---- data.c: slots of the consumer's table; see mofka_consumer_ops_t ---- */

mofka_status_t mmi_consumer_get_data(void *self, mofka_run_t *run, size_t index,
                                     const mofka_range_t *ranges, size_t range_count,
                                     mofka_data_view_t *view);
mofka_status_t mmi_consumer_view_data(void *self, mofka_run_t *run, size_t index,
                                      const mofka_range_t *ranges, size_t range_count,
                                      mofka_data_view_t **view);
mofka_status_t mmi_consumer_finish_data(void *self, mofka_run_t *run, int64_t timeout_ms,
                                        size_t *overtaken);

/* ---- wait.c: a slot of the consumer's table ---- */

mofka_status_t mmi_consumer_wait(void *self, int64_t timeout_ms);

#endif
