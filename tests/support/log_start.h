/* SPDX-License-Identifier: BSD-3-Clause */
/* Logs that begin just below 2^32 events and units, so that a test's counters wrap. */
#ifndef MOFKA_TESTS_LOG_START_H
#define MOFKA_TESTS_LOG_START_H

#include <mofka/status.h>
#include "driver/driver.h"
#include "mpi/topic/topic.h"

#define LOG_START ((mmi_place_t){(UINT64_C(1) << 32) - 100, (UINT64_C(1) << 32) - 20})

/* Format the partitions of a new topic again. On one rank, before any rank uses them. */
static inline mofka_status_t move_log_start(const mofka_topic_t *topic) {
    const mmi_topic_t *t = topic->self;
    mofka_status_t status = MOFKA_OK;
    for (size_t i = 0; i < t->partition_count && !status; i++)
        status = mmi_partition_format(&t->partitions[i], LOG_START);
    return status;
}

#endif
