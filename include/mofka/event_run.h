/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Runs: consecutive events of one partition, as mofka_consumer_pull_run delivers them.
 *
 * A run is walked, acknowledged and released as a whole. Its events have no handles.
 *
 *     for (size_t i = 0; i < mofka_event_run_count(run); i++) {
 *         mofka_run_event_t event;
 *         mofka_event_run_get(run, i, &event);
 *         use(event.metadata, event.metadata_bytes);
 *     }
 *     mofka_event_run_acknowledge(run);
 *     mofka_event_run_release(run);
 */
#ifndef MOFKA_EVENT_RUN_H
#define MOFKA_EVENT_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/status.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An event of a run. Its pointers are views, while the run lives. */
typedef struct mofka_run_event {
    uint64_t id; /**< dense from 0 in its partition */
    /** The metadata text as pushed, or as the serializer read it back. No NUL byte follows. */
    const char *metadata;
    size_t metadata_bytes; /**< its length */
    size_t data_bytes;     /**< the whole data in the topic, selected or not */
    /** The selected data; NULL if none was selected. It may be retained, except with zero-copy. */
    mofka_data_view_t *data;
    size_t selected_bytes; /**< that were selected; `data` may have more, see mofka_event_data */
} mofka_run_event_t;

/** Count one more user; returns its argument.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_event_run_t *mofka_event_run_retain(mofka_event_run_t *run);
/** Drop one user; NULL is ignored. With automatic acknowledgement, the last release acknowledges
 * all events of the run, once all earlier events of its partition are released, too.
 * Threads: any. MPI: none. Blocks: no. Calls back: the free callbacks of the events' data, in the
 * last releasing thread. */
MOFKA_API void mofka_event_run_release(mofka_event_run_t *run);

/** The number of events: at least 1; 0 for the end and for NULL.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_event_run_count(const mofka_event_run_t *run);
/** Whether the run is the end: the partitions are complete, and all of their events were delivered.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API bool mofka_event_run_is_end(const mofka_event_run_t *run);
/** The id of the first event; MOFKA_NO_MORE_EVENTS for the end and for NULL. The ids of the others
 * follow it.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API uint64_t mofka_event_run_first_id(const mofka_event_run_t *run);
/** The index of the partition; SIZE_MAX for the end and for NULL.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_event_run_partition(const mofka_event_run_t *run);
/** The number of events that this consumer lost in this partition just before the run, as
 * mofka_event_lost.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API uint64_t mofka_event_run_lost(const mofka_event_run_t *run);
/** Show event `index`, from 0. MOFKA_ERR_RANGE: there is no such event; `*event` is not written.
 * MOFKA_ERR_INVALID: an invalid handle.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_event_run_get(const mofka_event_run_t *run, size_t index,
                                             mofka_run_event_t *event);

/** Acknowledge all events of the run, and all earlier ones of its partition, as
 * mofka_event_acknowledge does.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_event_run_acknowledge(mofka_event_run_t *run);
/** Acknowledge event `index` and all earlier ones of its partition, those of the run included.
 * MOFKA_ERR_RANGE: there is no such event. Other errors: as mofka_event_acknowledge.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_event_run_acknowledge_to(mofka_event_run_t *run, size_t index);

#ifdef __cplusplus
}
#endif
#endif
