/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Topic handles.
 */
#ifndef MOFKA_TOPIC_H
#define MOFKA_TOPIC_H

#include <mofka/metadata.h>
#include <mofka/partition_selector.h>
#include <mofka/serializer.h>
#include <mofka/validator.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The way into a backend. Counted. */
typedef struct mofka_driver mofka_driver_t;
/** A topic, opened. Counted. */
typedef struct mofka_topic mofka_topic_t;

/** Count one more user; returns its argument. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_topic_t *mofka_topic_retain(mofka_topic_t *topic);
/** Drop one user; NULL is ignored. The topic itself stays. Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_topic_release(mofka_topic_t *topic);

/* Views. Threads: any. MPI: none. Blocks: no. */
/** Its name. */
MOFKA_API const char *mofka_topic_name(const mofka_topic_t *topic);
/** The driver that it was opened with. */
MOFKA_API mofka_driver_t *mofka_topic_driver(const mofka_topic_t *topic);
/** What checks its events. */
MOFKA_API const mofka_validator_t *mofka_topic_validator(const mofka_topic_t *topic);
/** What makes bytes of its metadata. */
MOFKA_API const mofka_serializer_t *mofka_topic_serializer(const mofka_topic_t *topic);
/** JSON of the selector that each producer makes for itself. */
MOFKA_API const char *mofka_topic_selector(const mofka_topic_t *topic);
/** How many partitions it has. */
MOFKA_API size_t mofka_topic_partition_count(const mofka_topic_t *topic);

/** What partition `index` is, as JSON (the MPI driver: owner rank, bytes, events). Give: release.
 * MOFKA_ERR_RANGE. Threads: any. MPI: local. Blocks: no. */
MOFKA_API mofka_status_t mofka_topic_partition_info(const mofka_topic_t *topic, size_t index,
                                                    mofka_metadata_t **info);

/** End the topic: each consumer gets every event stored by now, then MOFKA_NO_MORE_EVENTS for ever;
 * later pushes fail with MOFKA_ERR_COMPLETE. Again: MOFKA_OK.
 * Threads: any. MPI: local. Blocks: for the partitions' locks, at most `timeout_ms`. */
MOFKA_API mofka_status_t mofka_topic_mark_complete(mofka_topic_t *topic, int64_t timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
