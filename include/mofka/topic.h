/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Topic handles.
 */
#ifndef MOFKA_TOPIC_H
#define MOFKA_TOPIC_H

#include <stddef.h>
#include <stdint.h>
#include <mofka/status.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Count one more user; returns its argument.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_topic_t *mofka_topic_retain(mofka_topic_t *topic);
/** Drop one user; NULL is ignored. The topic itself stays.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_topic_release(mofka_topic_t *topic);

/* The functions below return views. To keep a handle longer, retain it; to keep a text, copy it.
 * Threads: any. MPI: none. Blocks: no. */
/** Its name. */
MOFKA_API const char *mofka_topic_name(const mofka_topic_t *topic);
/** The driver that opened it. */
MOFKA_API mofka_driver_t *mofka_topic_driver(const mofka_topic_t *topic);
/** The validator of its events. */
MOFKA_API const mofka_validator_t *mofka_topic_validator(const mofka_topic_t *topic);
/** The serializer of its metadata. */
MOFKA_API const mofka_serializer_t *mofka_topic_serializer(const mofka_topic_t *topic);
/** The JSON of its partition selector; each producer makes its own selector from it. */
MOFKA_API const char *mofka_topic_selector(const mofka_topic_t *topic);
/** The number of its partitions. */
MOFKA_API size_t mofka_topic_partition_count(const mofka_topic_t *topic);

/** A description of partition `index`, as JSON. From the MPI driver: owner rank, bytes, events.
 * Give: mofka_metadata_release. MOFKA_ERR_RANGE: there are fewer partitions.
 * Threads: any. MPI: local. Blocks: no. */
MOFKA_API mofka_status_t mofka_topic_partition_info(const mofka_topic_t *topic, size_t index,
                                                    mofka_metadata_t **info);

/** Complete the topic. Each consumer gets every event that is stored by now, then
 * MOFKA_NO_MORE_EVENTS for ever. Later pushes fail with MOFKA_ERR_COMPLETE. Calling again returns
 * MOFKA_OK. MOFKA_ERR_TIMEOUT: not all partitions are complete yet; calling again continues.
 * MOFKA_ERR_NOT_FOUND: the topic was deleted.
 * Threads: any. MPI: local. Blocks: for the partitions' locks, at most `timeout_ms`. */
MOFKA_API mofka_status_t mofka_topic_mark_complete(mofka_topic_t *topic, int64_t timeout_ms);

/** Give up the name of a consumer that will not come back: its rank died where that cannot be
 * proven, or nobody needs it any more. Retention does not wait for it any longer, and its place in
 * the topic is forgotten, as by mofka_consumer_unsubscribe. A consumer that is made under the name
 * from now on is a new one. If the consumer still lives, which nobody checks, its pulls answer
 * MOFKA_ERR_CLOSED from now on, and what it acknowledges has no effect. Its zero-copy data may
 * change. MOFKA_ERR_NOT_FOUND: no partition has the name, or the topic was deleted.
 * MOFKA_ERR_TIMEOUT: not all partitions have given it up; calling again continues.
 * MOFKA_ERR_INVALID: no valid name. MOFKA_ERR_UNSUPPORTED: the driver cannot do this.
 * Threads: any. MPI: local. Blocks: for the partitions' locks and owners, at most `timeout_ms`. */
MOFKA_API mofka_status_t mofka_topic_evict(mofka_topic_t *topic, const char *consumer,
                                           int64_t timeout_ms);

/** Put all events of a topic on disk, and give where each partition ends: a JSON array with the
 * next id of each, such as [1200,1187]. A program keeps it in its checkpoint. When it restarts from
 * that checkpoint, it passes the array to the driver option "resume_at", which cuts the topic
 * there: what was pushed later is gone, and is pushed again. Whatever the topic's durability, the
 * events below these ids are on disk then.
 *
 * No producer may push meanwhile, so call it between two barriers of all ranks that push, after
 * they have flushed. Events that a producer still has are not counted. Give:
 * mofka_metadata_release. MOFKA_ERR_BUSY: events were pushed meanwhile, or are not on disk after
 * `timeout_ms`; or another process writes the topic. MOFKA_ERR_STORAGE: the files cannot be
 * written. MOFKA_ERR_CORRUPT: the topic is damaged, and not written. MOFKA_ERR_UNSUPPORTED: the
 * topic has no storage. Threads: any. MPI: local. Blocks: until all is on disk, at most
 * `timeout_ms`. */
MOFKA_API mofka_status_t mofka_topic_ends(mofka_topic_t *topic, int64_t timeout_ms,
                                          mofka_metadata_t **ends);

#ifdef __cplusplus
}
#endif
#endif
