/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Futures: the outcome of a push, a flush or a pull that may come later.
 *
 * A wait that times out loses nothing and can be repeated. Waiting also does the work: it sends the
 * batch that holds the event, or fetches events. So a program without threads makes progress by
 * waiting.
 */
#ifndef MOFKA_FUTURE_H
#define MOFKA_FUTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <mofka/limits.h>
#include <mofka/status.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Whether a pushed event is stored. */
typedef enum mofka_delivery {
    MOFKA_NOT_STORED,      /**< not stored; it may still be on its way */
    MOFKA_POSSIBLY_STORED, /**< its place is reserved; consumers may or may not see it */
    MOFKA_STORED,          /**< consumers can read it */
    MOFKA_DURABLE          /**< and it has the durability that its topic promises */
} mofka_delivery_t;

/** What a completed future holds. */
typedef struct mofka_result {
    uint64_t event_id;  /**< of a push: the event's id */
    uint64_t partition; /**< of a push: the partition's index */
    /** Of a pull: the event. Give, on the first wait that returns MOFKA_OK: mofka_event_release. */
    mofka_event_t *event;
} mofka_result_t;

/** Count one more user; returns its argument.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_future_t *mofka_future_retain(mofka_future_t *future);
/** Drop one user; NULL is ignored. Releasing an unfinished pull loses no event: the next pull gets
 * it.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void mofka_future_release(mofka_future_t *future);

/** Wait for the result. `result` may be NULL; a pulled event is then kept for a later wait.
 *
 * Returns MOFKA_OK, or the error of the push, the flush or the pulled event; its message becomes
 * this thread's last error. Other answers:
 * - MOFKA_ERR_TIMEOUT: the outcome is not known yet. Wait again.
 * - MOFKA_ERR_BUSY: a callback of the same producer's sending, or of the same consumer's fetch,
 *   called this, and the result depends on that callback. Wait again outside of it.
 * - MOFKA_ERR_CLOSED: an earlier wait has already given the pulled event.
 *
 * If the selector, allocator or serializer of a pulled event failed, the error is final, and the
 * event is passed over. If fetching failed (MOFKA_ERR_CORRUPT, MOFKA_ERR_MPI, MOFKA_ERR_MEMORY),
 * the request stays, and the next wait tries again.
 * Threads: any. MPI: local or progress, as the backend. Blocks: until done, at most `timeout_ms`
 * (negative means without limit). */
MOFKA_API mofka_status_t mofka_future_wait(mofka_future_t *future, int64_t timeout_ms,
                                           mofka_result_t *result);

/** Whether the result is known. The call does a little of the work, without waiting. While fetching
 * fails the answer is false; mofka_future_wait reports why.
 * Threads: any. MPI: as mofka_future_wait. Blocks: no. */
MOFKA_API bool mofka_future_completed(mofka_future_t *future);

/** Whether a pushed event is stored. Of a completed pull, and of a flush that succeeded, the answer
 * is MOFKA_STORED. A pushed event of a topic that promises durability is MOFKA_STORED before its
 * future completes, and MOFKA_DURABLE then.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_delivery_t mofka_future_delivery(const mofka_future_t *future);

#ifdef __cplusplus
}
#endif
#endif
