/* SPDX-License-Identifier: BSD-3-Clause */
/* A topic of a store, and its partitions, as JSON. */
#ifndef MOFKA_MPI_CTL_OUT_STORE_INFO_H
#define MOFKA_MPI_CTL_OUT_STORE_INFO_H

#include "store/store.h"

struct cJSON;

/* Begin a topic: what its record says, and an array "partitions" that is empty. Give: cJSON_Delete.
 * NULL: no memory. */
struct cJSON *store_info_begin(const mfi_topic_record_t *record);
/* Add a partition: ids, times, files, consumers, and who writes it. Nothing is changed in the
 * store. After an error, what could be read is there. */
mofka_status_t store_info_add(struct cJSON *topic, const mfi_topic_record_t *record,
                              const mfi_log_t *log);

#endif
