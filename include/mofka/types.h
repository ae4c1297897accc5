/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * The handle types.
 *
 * A handle is opaque and counted. The call that makes one gives it to the caller, with one user.
 * `retain` counts one more user, `release` one less. The last release frees the memory.
 */
#ifndef MOFKA_TYPES_H
#define MOFKA_TYPES_H

#ifdef __cplusplus
extern "C" {
#endif

/** A connection to a backend: the way to its topics. */
typedef struct mofka_driver mofka_driver_t;
/** An open topic. */
typedef struct mofka_topic mofka_topic_t;
/** Pushes events into one topic, in batches. */
typedef struct mofka_producer mofka_producer_t;
/** Pulls events from one topic. */
typedef struct mofka_consumer mofka_consumer_t;
/** An event as a consumer delivers it: its metadata, and the selected part of its data. */
typedef struct mofka_event mofka_event_t;
/** Consecutive events of one partition, pulled at once. They have no handles of their own. */
typedef struct mofka_event_run mofka_event_run_t;
/** Memory for one event, which its producer fills in its place. */
typedef struct mofka_claim mofka_claim_t;
/** The outcome of a push, a flush or a pull. The futures of one batch share memory: a future that
 * is kept also keeps the memory of up to 127 others, about 3 KiB. */
typedef struct mofka_future mofka_future_t;
/** An event's description, or any other JSON of this library. Immutable. */
typedef struct mofka_metadata mofka_metadata_t;
/** Segments of this process's memory that an event's data comes from or goes to. */
typedef struct mofka_data_view mofka_data_view_t;
/** Where an event's data is in the backend, its size, and a stack of selections. Immutable. */
typedef struct mofka_data_descriptor mofka_data_descriptor_t;
/** Accepts or refuses the events of a topic. Immutable. */
typedef struct mofka_validator mofka_validator_t;
/** Turns the metadata of a topic into bytes and back. Immutable. */
typedef struct mofka_serializer mofka_serializer_t;
/** Chooses the partition of each event of one producer. */
typedef struct mofka_partition_selector mofka_partition_selector_t;
/** Workers and their queue. A pool without workers runs its work in the caller. */
typedef struct mofka_thread_pool mofka_thread_pool_t;

#ifdef __cplusplus
}
#endif
#endif
