/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Limits of the API, each with its reason. A backend may have narrower ones.
 */
#ifndef MOFKA_LIMITS_H
#define MOFKA_LIMITS_H

#include <stdint.h>

/** Id of the end: a consumer gets this event, for ever, once its partitions are complete and read.
 */
#define MOFKA_NO_MORE_EVENTS UINT64_MAX
/** Batch size that follows the load: a batch leaves when its bytes are full or it has lingered. */
#define MOFKA_BATCH_ADAPTIVE SIZE_MAX
/** As the `partition` of a push: let the topic's partition selector choose. */
#define MOFKA_ANY_PARTITION SIZE_MAX
/** As a time-out: wait without limit. Any negative time-out means the same. */
#define MOFKA_WAIT_FOREVER ((int64_t)-1)
/** Priority of pool work if the caller has no preference: the highest. */
#define MOFKA_PRIORITY_DEFAULT UINT64_MAX
/** Bytes of a topic, producer or consumer name: the name fields of a partition have a fixed size.
 */
#define MOFKA_NAME_BYTES_MAX 127
/** Partitions of one topic: a consumer scans all of them, and one directory record lists them. */
#define MOFKA_PARTITIONS_MAX 4096
/** Bytes of one event's metadata: its size is stored as a 32-bit number, and it is copied once. */
#define MOFKA_METADATA_BYTES_MAX ((size_t)1 << 30)
/** Threads of one pool: more than a node has, few enough to catch a wrong unit. */
#define MOFKA_THREADS_MAX 1024
/** Nested arrays and objects in JSON that the core reads: options, events for the validators
 * `default` and `eventbridge` and for partition selectors. The core does not recurse; cJSON has the
 * same limit. */
#define MOFKA_JSON_TEXT_DEPTH_MAX 1000
/** Nested arrays and objects in what the validator and the serializer `schema` and the serializer
 * `cbor` read. Some of them recurse, and their callers' stacks may be small. */
#define MOFKA_JSON_DEPTH_MAX 256
/** Bytes of an error message or a log line, without its final zero: they are kept in fixed places,
 * so that a failure needs no memory. A longer one is cut off between two characters. */
#define MOFKA_MESSAGE_BYTES_MAX 1023
/** Default number of batches that a producer or a consumer holds at a time. */
#define MOFKA_MAX_BATCHES_DEFAULT 2
/** Default time that a push waits for room. */
#define MOFKA_PUSH_TIMEOUT_MS_DEFAULT 30000
/** Default age at which a batch leaves although it is not full. */
#define MOFKA_LINGER_MS_DEFAULT 10
/** Default age at which consumers pass a claim that is still open. */
#define MOFKA_CLAIM_MS_DEFAULT 10000

#endif
