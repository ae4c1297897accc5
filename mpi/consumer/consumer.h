/* SPDX-License-Identifier: BSD-3-Clause */
/* A consumer of an MPI topic, and its reader in each partition. */
#ifndef MOFKA_MPI_CONSUMER_H
#define MOFKA_MPI_CONSUMER_H

#include <mofka/backend.h>
#include <mofka/options.h>
#include "mpi/topic/topic.h"

/* What one run may hold at most, in events, metadata and copied data: bounds the memory of a consumer,
 * however large the batches, and keeps a run in a core's cache from fetch to release. */
#define MMI_RUN_EVENTS_MAX 1024

typedef struct mmi_run {
    mofka_run_t run;
    const mmi_partition_t *p;
    mofka_fetched_event_t events[];
} mmi_run_t;

/* A batch end that acknowledgements have not reached yet. */
typedef struct mmi_mark {
    uint64_t end;   /* id behind the batch */
    uint64_t units; /* its end */
} mmi_mark_t;

/* All but `acknowledged` belongs to the one fetching thread. */
typedef struct mmi_reader {
    const mmi_partition_t *p;
    size_t place;                  /* in the partition's table */
    bool fresh;                    /* the name was new here */
    uint64_t next;                 /* id to read next */
    uint64_t batch_end;            /* end of the batch that `next` is in; == next at a boundary */
    uint64_t batch_start;          /* where the batch that `next` is in begins */
    uint64_t stamp;                /* of the batch that the run under way begins in; 0: unknown */
    uint64_t skip_below;           /* not delivered: acknowledged before, or counted as lost */
    uint64_t complete;             /* the partition's word, once it is not 0 */
    uint64_t lost;                 /* not yet told */
    _Atomic uint64_t acknowledged; /* next unacknowledged id; any thread raises it */
    uint64_t published;            /* what the window holds of it */
    mmi_mark_t rung;               /* what the room bell was last rung for */
    mmi_mark_t *marks;             /* ring of batch ends, oldest first */
    size_t mark_first, mark_count, mark_room;
    uint64_t run_data_bytes; /* data of a run, at most */
    mmi_entry_t *entries;    /* the consumer's buffer */
} mmi_reader_t;

typedef struct mmi_consumer {
    mmi_entry_t *entries;
    mmi_piece_t *pieces; /* of the selection under way; reused */
    size_t piece_count, piece_room;
    size_t turn;    /* reader that is asked first */
    int64_t nap_us; /* of the next sleep; 0: something was found */
    size_t partition_count;
    mmi_reader_t **by_partition; /* NULL: not one of this consumer's */
    size_t reader_count;
    mmi_reader_t readers[];
} mmi_consumer_t;

/* A slot of a topic's table; see mofka_topic_ops_t. */
mofka_status_t mmi_consumer_create(void *self, const mofka_consumer_config_t *config,
                                   const mofka_consumer_ops_t **ops, void **consumer);

/* Take the name's place in the partition. MOFKA_ERR_BUSY, MOFKA_ERR_FULL, MOFKA_ERR_TIMEOUT. */
mofka_status_t mmi_reader_join(mmi_reader_t *r, const mmi_partition_t *p, const char *name,
                               bool from_end);
/* Leave it free, or away with its cursor kept. Again: MOFKA_OK. */
mofka_status_t mmi_reader_leave(mmi_reader_t *r, uint64_t state);
/* Of `found` entries from `next` on, the first `count` are delivered: remember the batch ends among
 * them, go on behind them. */
mofka_status_t mmi_reader_took(mmi_reader_t *r, size_t count, size_t found);
/* The reader was overtaken: what it remembers of batches below the head is void. */
void mmi_reader_forget(mmi_reader_t *r, mmi_place_t head);
/* Whether nothing more will come. */
bool mmi_reader_ended(mmi_reader_t *r);
/* Publish acknowledged batches, and with `all` the exact id too. */
mofka_status_t mmi_reader_publish(mmi_reader_t *r, bool all);
void mmi_reader_end(mmi_reader_t *r);

/* mpi_index.c: the next run of at most `most` events, given (free). MOFKA_ERR_TIMEOUT: nothing there. */
mofka_status_t mmi_reader_fetch(mmi_reader_t *r, size_t most, mofka_run_t **run);
/* With room for `metadata_bytes` and a terminator per event, to free. NULL: no memory. */
mmi_run_t *mmi_run_new(const mmi_partition_t *p, size_t count, size_t metadata_bytes);

/* mpi_fetch.c: slots of the consumer's table. */
mofka_status_t mmi_get_data(void *self, mofka_run_t *run, size_t index, const mofka_range_t *ranges,
                            size_t range_count, mofka_data_view_t *view);
mofka_status_t mmi_view_data(void *self, mofka_run_t *run, size_t index,
                             const mofka_range_t *ranges, size_t range_count,
                             mofka_data_view_t **view);
mofka_status_t mmi_finish_data(void *self, mofka_run_t *run, size_t *overtaken);

/* mpi_cursor.c */
mofka_status_t mmi_consumer_wait(void *self, int64_t timeout_ms);

#endif
