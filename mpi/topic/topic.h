/* SPDX-License-Identifier: BSD-3-Clause */
/* A topic of the MPI driver, opened by this process, and the parts made from it. */
#ifndef MOFKA_MPI_TOPIC_H
#define MOFKA_MPI_TOPIC_H

#include <mofka/backend.h>
#include "mpi/partition/partition.h"

typedef struct mmi_topic {
    mmi_window_t *w;
    char *name;
    uint64_t expected_producers; /* 0: the topic does not complete itself */
    size_t partition_count;
    mmi_partition_t partitions[];
} mmi_topic_t;

mofka_status_t mmi_make_producer(void *self, const char *name, const char *options,
                                 const mofka_producer_ops_t **ops, void **producer);
mofka_status_t mmi_make_consumer(void *self, const mofka_consumer_config_t *config,
                                 const mofka_consumer_ops_t **ops, void **consumer);
/* Mark all partitions, as far as the deadline lets it. */
mofka_status_t mmi_topic_complete(mmi_topic_t *topic, int64_t deadline);

#endif
