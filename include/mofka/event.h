/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Events, as a consumer delivers them.
 *
 * An event's metadata is already read. Its data is present as far as the consumer's selector
 * selected it. The event with the id MOFKA_NO_MORE_EVENTS is the end: the partitions are complete,
 * and all of their events were delivered.
 */
#ifndef MOFKA_EVENT_H
#define MOFKA_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/metadata.h>
#include <mofka/status.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Count one more user; returns its argument.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_event_t *mofka_event_retain(mofka_event_t *event);
/** Drop one user; NULL is ignored. With automatic acknowledgement, the last release acknowledges,
 * once all earlier events of its partition are released, too.
 * Threads: any. MPI: none. Blocks: no. Calls back: the free callbacks of the event's user pointer
 * and of its data, in the last releasing thread. */
MOFKA_API void mofka_event_release(mofka_event_t *event);

/** The event's id, dense from 0 in its partition; MOFKA_NO_MORE_EVENTS for the end and for NULL.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API uint64_t mofka_event_id(const mofka_event_t *event);
/** Whether the event is the end.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API bool mofka_event_is_end(const mofka_event_t *event);
/** The index of the event's partition; SIZE_MAX for the end.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_event_partition(const mofka_event_t *event);
/** A description of the event's partition, as mofka_topic_partition_info gives it. Give:
 * mofka_metadata_release.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_event_partition_info(const mofka_event_t *event,
                                                    mofka_metadata_t **info);

/** The metadata text as pushed, NUL-terminated; `*bytes` (optional) is its length. If the topic has
 * a serializer, this is what the serializer read back. View, while the event lives.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API const char *mofka_event_metadata_text(const mofka_event_t *event, size_t *bytes);
/** The metadata as a handle, made on first use. View; retain it to keep it longer.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_event_metadata(mofka_event_t *event, mofka_metadata_t **metadata);

/** Set the event's user pointer (take), once: that of its metadata, so the selector and the
 * allocator reach it by mofka_metadata_set_user and mofka_metadata_user. It is freed with the
 * event, or with its metadata if that is retained longer. Errors: as mofka_metadata_set_user.
 * Threads: any; one of several wins. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_event_set_user(mofka_event_t *event, void *user,
                                              mofka_user_free_fn free_fn);
/** The event's user pointer; NULL if none is set. View.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void *mofka_event_user(const mofka_event_t *event);

/** The selected data; NULL if none was selected. View; retain it to keep it longer, except with
 * zero-copy. If the allocator gave more memory than was selected, the view has it all: the data is
 * its first mofka_event_selected_size bytes.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_data_view_t *mofka_event_data(const mofka_event_t *event);
/** The number of bytes that were selected; 0 if none. For an event that a backend wrapped, this is
 * the size of its data view.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_event_selected_size(const mofka_event_t *event);
/** The size of the whole data in the topic, selected or not.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_event_data_size(const mofka_event_t *event);

/** The number of events that this consumer lost in this partition just before this event: retention
 * `discard_oldest` discarded them before they were read, or they were damaged and skipped.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API uint64_t mofka_event_lost(const mofka_event_t *event);

/** Acknowledge this event and all earlier ones of its partition. A later consumer of the same name
 * starts after it. The acknowledgement is kept locally; it is published for each batch, before a
 * wait, and at close. MOFKA_ERR_CLOSED: the consumer is closed or unsubscribed; the place of its
 * name does not change. This holds with automatic acknowledgement and with zero-copy, too, and for
 * the end event.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_event_acknowledge(mofka_event_t *event);

#ifdef __cplusplus
}
#endif
#endif
