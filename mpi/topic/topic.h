/* SPDX-License-Identifier: BSD-3-Clause */
/* A topic that this process has opened. Its producers and consumers are made from it. */
#ifndef MOFKA_MPI_TOPIC_TOPIC_H
#define MOFKA_MPI_TOPIC_TOPIC_H

#include <mofka/backend.h>
#include "mpi/partition/partition.h"

/* It outlives its producers and consumers: the core's handle keeps it. A job of the agent that may
 * outlast the handle keeps it, too. */
typedef struct mmi_topic {
    _Atomic int users;
    mmi_window_t *w;
    char *name;
    uint64_t expected_producers; /* 0: the topic does not complete itself */
    size_t partition_count;
    mmi_partition_t partitions[];
} mmi_topic_t;

/* Mark every partition complete. Blocks: on the partitions' locks, at most until `deadline`. */
mofka_status_t mmi_topic_complete(mmi_topic_t *topic, int64_t deadline);

/* Slots of a topic's table; see mofka_topic_ops_t. */
mofka_status_t mmi_topic_partition_info(void *self, size_t index, mofka_metadata_t **info);
mofka_status_t mmi_topic_mark_complete(void *self, int64_t timeout_ms);
void mmi_topic_destroy(void *self);
/* One more user: mmi_topic_destroy frees the topic when the last one calls it. */
void mmi_topic_retain(mmi_topic_t *topic);

#endif
