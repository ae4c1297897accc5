/* SPDX-License-Identifier: BSD-3-Clause */
/* A topic that this process has opened. Its producers and consumers are made from it. */
#ifndef MOFKA_MPI_TOPIC_TOPIC_H
#define MOFKA_MPI_TOPIC_TOPIC_H

#include <mofka/backend.h>
#include "mpi/partition/partition.h"
#include "mpi/topic/wish.h"

/* How long a call without a time-out waits for rank 0. */
#define MMI_DIRECTORY_READ_MS 15000

/* It outlives its producers and consumers: the core's handle keeps it. So do the record that it was
 * read from, and a job of the agent that may outlast the handle.
 *
 * A handle keeps nothing in the window: its topic may be deleted. Who uses the partitions counts as
 * a user, in the record: a producer, a consumer, or a call. A topic with users is not deleted. */
typedef struct mmi_topic {
    _Atomic int users; /* of this memory */
    mmi_window_t *w;
    char *name;
    uint64_t record;               /* offset of its record in rank 0's share */
    uint64_t state;                /* what the record's state is while there is this topic */
    _Atomic bool deleted;          /* that is known */
    uint64_t expected_producers;   /* 0: the topic does not complete itself */
    const struct mfi_store *store; /* where its events are in files; NULL: they are not */
    struct mmi_stage *stage;       /* then: to read those of other ranks; borrow from the driver */
    mmi_storage_wish_t storage;    /* then */
    size_t partition_count;
    mmi_partition_t partitions[];
} mmi_topic_t;

/* Begin to use the partitions. On success: mmi_topic_leave. MOFKA_ERR_NOT_FOUND: the topic was
 * deleted. MOFKA_ERR_TIMEOUT: a rank began to delete it, and has not finished. MOFKA_ERR_CORRUPT.
 * Blocks: until rank 0 answers, and while a rank deletes the topic, at most until `deadline`. */
mofka_status_t mmi_topic_enter(mmi_topic_t *topic, int64_t deadline);
/* The partitions are not used any more, once the puts that are under way have completed.
 * Blocks: until the owners and rank 0 answer. */
mofka_status_t mmi_topic_leave(mmi_topic_t *topic);
/* Mark every partition complete. Blocks: on the partitions' locks, at most until `deadline`. */
mofka_status_t mmi_topic_complete(mmi_topic_t *topic, int64_t deadline);

/* Slots of a topic's table; see mofka_topic_ops_t. mark_complete counts as a user meanwhile. */
mofka_status_t mmi_topic_partition_info(void *self, size_t index, mofka_metadata_t **info);
mofka_status_t mmi_topic_mark_complete(void *self, int64_t timeout_ms);
mofka_status_t mmi_topic_evict(void *self, const char *consumer, int64_t timeout_ms);
void mmi_topic_destroy(void *self);
/* One more user: mmi_topic_destroy frees the topic when the last one calls it. */
void mmi_topic_retain(mmi_topic_t *topic);

#endif
