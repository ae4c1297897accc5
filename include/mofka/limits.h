/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Limits of the API, each with its reason. A backend may have narrower ones.
 */
#ifndef MOFKA_LIMITS_H
#define MOFKA_LIMITS_H

#include <stdint.h>

/** Id of the event that a consumer gets, for ever, once its partitions are complete and read. */
#define MOFKA_NO_MORE_EVENTS UINT64_MAX
/** Batch size that follows the load: a batch leaves when it fills its byte budget or lingers. */
#define MOFKA_BATCH_ADAPTIVE SIZE_MAX
/** As `partition` of a push: let the topic's partition selector choose. */
#define MOFKA_ANY_PARTITION SIZE_MAX
/** As a time-out: wait for ever. Any negative time-out means the same. */
#define MOFKA_WAIT_FOREVER ((int64_t)-1)
/** Priority of pool work when the caller has no preference: the highest there is. */
#define MOFKA_PRIORITY_DEFAULT UINT64_MAX
/** Bytes in a topic, producer or consumer name: fits the fixed name fields of a partition. */
#define MOFKA_NAME_BYTES_MAX 127
/** Partitions of one topic: a consumer scans them all, and their places fit one directory record.
 */
#define MOFKA_PARTITIONS_MAX 4096
/** Bytes of one event's metadata: sizes travel as 32-bit numbers, and metadata is copied once. */
#define MOFKA_METADATA_BYTES_MAX ((size_t)1 << 30)
/** Threads in one pool: far above what a node has, low enough to catch a wrong unit. */
#define MOFKA_THREADS_MAX 1024
/** Arrays and objects inside each other, in what JSON validators and serializers read: they recurse,
 * and their callers' stacks may be small. */
#define MOFKA_JSON_DEPTH_MAX 256
/** Default number of batches a producer or a consumer holds at a time. */
#define MOFKA_MAX_BATCHES_DEFAULT 2
/** Default time a push may wait for room in a full partition. */
#define MOFKA_PUSH_TIMEOUT_MS_DEFAULT 30000
/** Default age at which a batch that is not full leaves all the same. */
#define MOFKA_LINGER_MS_DEFAULT 10

#endif
