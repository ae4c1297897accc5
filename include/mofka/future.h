/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Futures: the result of a push, a flush or a pull that need not be there yet.
 *
 * A wait that times out loses nothing and can be repeated. Waiting drives the work on (it sends the
 * batch that holds the event, or fetches), so zero-thread programs make progress by waiting.
 */
#ifndef MOFKA_FUTURE_H
#define MOFKA_FUTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <mofka/limits.h>
#include <mofka/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An event as a consumer gives it: its metadata, and what was selected of its data. Counted. */
typedef struct mofka_event mofka_event_t;
/** The outcome of a push, a flush or a pull. Counted. The futures of a batch's events share memory: one
 * that is kept keeps that of up to 128, some 3 KiB. */
typedef struct mofka_future mofka_future_t;

/** What is known of a pushed event. */
typedef enum mofka_delivery {
    MOFKA_NOT_STORED,      /**< it is not, and will not be unless it is still on its way */
    MOFKA_POSSIBLY_STORED, /**< space is reserved; consumers may or may not see it (yet) */
    MOFKA_STORED           /**< consumers can read it */
} mofka_delivery_t;

/** What a completed future holds; which fields depends on what it is the future of. */
typedef struct mofka_result {
    uint64_t event_id;    /**< push: the event's id */
    uint64_t partition;   /**< push: the partition's index */
    mofka_event_t *event; /**< pull: the event. Give on the first wait that returns MOFKA_OK */
} mofka_result_t;

/** Count one more user; returns its argument. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_future_t *mofka_future_retain(mofka_future_t *future);
/** Drop one user; NULL is ignored. Dropping an unfinished pull loses no event: the next pull gets
 * it. Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_future_release(mofka_future_t *future);

/** Wait until the result is there. `result` may be NULL (an event is then kept for a later wait).
 * Returns what became of it: MOFKA_OK, the error of the push or of the pull's event (its message is
 * this thread's last error), or MOFKA_ERR_TIMEOUT while it is not known yet. An error of a pull's
 * event (its selector, allocator or serializer failed) is final: the event is passed over. An error
 * of fetching (MOFKA_ERR_CORRUPT, MOFKA_ERR_MPI, MOFKA_ERR_MEMORY, or MOFKA_ERR_BUSY: called by a
 * callback of that consumer's fetch) is not: the request stays, and waiting again tries again.
 * MOFKA_ERR_BUSY of a push or a flush: called by a callback of that producer's sending; waiting again,
 * elsewhere, goes on. After a pull's event was given, waiting again answers MOFKA_ERR_CLOSED.
 * Threads: any. MPI: local or progress, as the backend. Blocks: until done, at most `timeout_ms`
 * (negative: for ever). */
MOFKA_API mofka_status_t mofka_future_wait(mofka_future_t *future, int64_t timeout_ms,
                                           mofka_result_t *result);

/** Whether the result is there. Drives the work on a little, without waiting. While fetching fails
 * it is not; a wait tells why.
 * Threads: any. MPI: as wait. Blocks: no. */
MOFKA_API bool mofka_future_completed(mofka_future_t *future);

/** Delivery state of a push's event (pull: STORED once done; flush: once it succeeded).
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_delivery_t mofka_future_delivery(const mofka_future_t *future);

#ifdef __cplusplus
}
#endif
#endif
