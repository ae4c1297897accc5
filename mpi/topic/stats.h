/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics of all topics of the job, read without their owners' help. */
#ifndef MOFKA_MPI_TOPIC_STATS_H
#define MOFKA_MPI_TOPIC_STATS_H

#include <pthread.h>
#include "mpi/topic/directory.h"

typedef struct mmi_known_topic {
    mmi_topic_t *topic;
    mmi_record_t record; /* without its text */
} mmi_known_topic_t;

/* The topics whose records were read. Of a record only the state changes, so the next call goes on
 * behind them. */
typedef struct mmi_known_topics {
    pthread_mutex_t lock; /* guards the rest; held while statistics are read */
    mmi_known_topic_t *topics;
    size_t count;
    uint64_t next; /* offset of the next record */
} mmi_known_topics_t;

void mmi_known_topics_init(mmi_known_topics_t *known);
void mmi_known_topics_destroy(mmi_known_topics_t *known);

/* Add an object for each topic to `topics`, a JSON array; see mofka_driver_ops_t. One caller at a
 * time. MOFKA_ERR_TIMEOUT: what was read before stays in `topics`. */
mofka_status_t mmi_topic_stats_read(const mmi_directory_t *d, mmi_known_topics_t *known,
                                    int64_t timeout_ms, struct cJSON *topics);

#endif
