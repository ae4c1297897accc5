/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Events, as a consumer gets them.
 *
 * An event's metadata is read already; its data is there as far as the consumer's selector asked
 * for it. The event whose id is MOFKA_NO_MORE_EVENTS says that its partitions are complete and
 * read.
 */
#ifndef MOFKA_EVENT_H
#define MOFKA_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/data.h>
#include <mofka/future.h>
#include <mofka/metadata.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a backend with its own events fills in; those that consumers of this library hand out use
 * the core's own table, over what the backend fetched. Slots are required unless marked optional.
 */
typedef struct mofka_event_ops {
    size_t size; /**< sizeof(mofka_event_ops_t) of the backend's build */
    /** Its id; MOFKA_NO_MORE_EVENTS for the end. */
    uint64_t (*id)(const void *self);
    /** Index of its partition. */
    size_t (*partition)(const void *self);
    /** The metadata text, NUL-terminated; `*bytes` is its length. View. */
    const char *(*metadata)(const void *self, size_t *bytes);
    /** The selected data; NULL for none. View. */
    mofka_data_view_t *(*data)(const void *self);
    /** The data's size in the topic. */
    size_t (*data_size)(const void *self);
    /** Optional: events lost just before this one. Missing: none. */
    uint64_t (*lost)(const void *self);
    /** Optional: what and where its partition is. Give `*info`. Missing: MOFKA_ERR_UNSUPPORTED. */
    mofka_status_t (*partition_info)(const void *self, mofka_metadata_t **info);
    /** Acknowledge this event and all before it in its partition. */
    mofka_status_t (*acknowledge)(void *self);
    /** The last user let go. */
    void (*destroy)(void *self);
} mofka_event_ops_t;

/** Make a handle of a backend's own event; `self` is taken. Give: release. MOFKA_ERR_INVALID: a
 * required slot is missing. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_event_wrap(const mofka_event_ops_t *ops, void *self,
                                          mofka_event_t **event);

/** Count one more user; returns its argument. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_event_t *mofka_event_retain(mofka_event_t *event);
/** Drop one user; NULL is ignored. With automatic acknowledgement the last one acknowledges.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_event_release(mofka_event_t *event);

/** The event's id: dense from 0 in its partition; MOFKA_NO_MORE_EVENTS at the end, and for NULL.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API uint64_t mofka_event_id(const mofka_event_t *event);
/** Whether this is the end. Threads: any. MPI: none. Blocks: no. */
MOFKA_API bool mofka_event_is_end(const mofka_event_t *event);
/** Index of the event's partition; SIZE_MAX for the end. Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_event_partition(const mofka_event_t *event);
/** Information about the event's partition, as mofka_topic_partition_info. Give: release.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_event_partition_info(const mofka_event_t *event,
                                                    mofka_metadata_t **info);

/** The metadata text as pushed, NUL-terminated; `*bytes` (optional) is its length. With a
 * serializer of its own, the topic's deserialized text. View, while the event lives.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API const char *mofka_event_metadata_text(const mofka_event_t *event, size_t *bytes);
/** The metadata as a handle (made on first use). View. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_event_metadata(mofka_event_t *event, mofka_metadata_t **metadata);

/** The selected data; NULL when none was selected. View. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_data_view_t *mofka_event_data(const mofka_event_t *event);
/** The data's size in the topic, selected or not. Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_event_data_size(const mofka_event_t *event);

/** Events that this consumer lost in this partition, just before this event, because retention
 * `discard_oldest` overtook it. Threads: any. MPI: none. Blocks: no. */
MOFKA_API uint64_t mofka_event_lost(const mofka_event_t *event);

/** Acknowledge this event and all before it in its partition: a consumer re-created under the same
 * name starts after it. Kept locally; published per batch, before waiting and at close.
 * MOFKA_ERR_CLOSED once the consumer is closed. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_event_acknowledge(mofka_event_t *event);

#ifdef __cplusplus
}
#endif
#endif
