/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics of all topics of the job, read without their owners' help. */
#ifndef MOFKA_MPI_TOPIC_STATS_H
#define MOFKA_MPI_TOPIC_STATS_H

#include "mpi/topic/directory.h"

/* Add an object for each topic to `topics`, a JSON array; see mofka_driver_ops_t. One caller at a
 * time. MOFKA_ERR_TIMEOUT: what was read before stays in `topics`. */
mofka_status_t mmi_topic_stats_read(mmi_directory_t *d, int64_t timeout_ms, struct cJSON *topics);

#endif
