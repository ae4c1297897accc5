/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Claims: memory for one event, which its producer fills in the place where consumers read it.
 *
 *   claim --> write metadata and data --> commit: the event is published
 *                                     \-> abort:  it never was
 *
 * A claim is in place if its memory is in the topic's partition: then no byte of the event is
 * copied on its way to a consumer that reads in place. Else its memory is the library's, and the
 * commit is a push. Both are used alike; mofka_claim_is_in_place tells them apart. With the MPI
 * driver, a claim is in place if all of these hold:
 *
 * - Processors append to the partition: the window is "shm"; or "node", and the topic has
 *   `"producers": "node"`. The topic has no storage.
 * - The serializer stores metadata as it is, and the partition selector is `default` or `local`,
 *   which do not look at metadata.
 * - This process has at most one other claim in place that is open in that partition.
 * - The partition has room for it within 200 ms, and events of this producer that are pushed and
 *   not sent find room in that time. A producer that drops events does not wait.
 *
 * A claim in place has its id, and all later events of its partition are behind it: consumers wait
 * there until it is committed or aborted. That ends after the producer's `claim_ms`: consumers then
 * pass its id, as they pass that of an aborted claim (mofka_consumer_voided), and a warning names
 * the claim. Its memory stays the claim's. If it is committed after all, it is copied, and pushed.
 * Until it ends, the partition's room behind it does not become free. If its process dies, others
 * go on.
 *
 * Order: events that the producer was given before a claim are stored before it, and those given
 * after its commit are stored behind it, as far as the producer's ordering is strict. Events given
 * in between can be on either side.
 */
#ifndef MOFKA_CLAIM_H
#define MOFKA_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <mofka/future.h>
#include <mofka/status.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Claim memory for one event: `metadata_bytes_max` bytes for its metadata, and exactly
 * `data_bytes` bytes for its data. `partition` is MOFKA_ANY_PARTITION, or a request to the topic's
 * selector. Give `*claim`: mofka_claim_commit or mofka_claim_abort. The producer cannot be closed
 * before that.
 *
 * What is wrong with the event itself, such as its size or a complete topic, the commit reports.
 * MOFKA_ERR_INVALID: the handle is not a producer. MOFKA_ERR_TOO_LARGE: the sizes overflow.
 * MOFKA_ERR_CLOSED: the producer is closed. MOFKA_ERR_MEMORY.
 * Threads: any. MPI: local. Blocks: until there is room, at most 200 ms. */
MOFKA_API mofka_status_t mofka_producer_claim(mofka_producer_t *producer, size_t metadata_bytes_max,
                                              size_t data_bytes, size_t partition,
                                              mofka_claim_t **claim);

/** The memory for its metadata, at the start of a cache line; it is not zeroed. View, until the
 * claim ends. NULL if the argument is not a claim.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API char *mofka_claim_metadata(mofka_claim_t *claim);
/** The memory for its data, at the start of a cache line; it is not zeroed. View, until the claim
 * ends. NULL if it has no data, or if the argument is not a claim.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API void *mofka_claim_data(mofka_claim_t *claim);
/** The bytes that its metadata may have; 0 if the argument is not a claim.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_claim_metadata_bytes_max(const mofka_claim_t *claim);
/** The bytes of its data; 0 if the argument is not a claim.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API size_t mofka_claim_data_bytes(const mofka_claim_t *claim);
/** Whether its memory is in the topic's partition, and consumers still wait for it. False if the
 * argument is not a claim.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API bool mofka_claim_is_in_place(mofka_claim_t *claim);

/** Publish the event. The first `metadata_bytes` bytes are its metadata, and are final: the
 * validator sees them, and nothing changes them. An event in place is stored on return; another one
 * is on its way, as after a push. `future` is as that of a push.
 *
 * Answers are those of mofka_producer_push. MOFKA_ERR_INVALID (an argument is wrong),
 * MOFKA_ERR_TIMEOUT, MOFKA_ERR_BUSY and MOFKA_ERR_MEMORY leave the claim open: commit it again, or
 * abort it. After every other answer the claim has ended. MOFKA_ERR_CORRUPT: its place is damaged,
 * and the event is not stored.
 * Threads: handle. MPI: local. Blocks: in place: no; else as mofka_producer_push. */
MOFKA_API mofka_status_t mofka_claim_commit(mofka_claim_t *claim, size_t metadata_bytes,
                                            mofka_future_t **future);
/** Give the event up. Its memory must not be used any more. NULL is ignored. In place, its id
 * becomes void. An error of the backend is logged.
 * Threads: handle. MPI: none. Blocks: no. */
MOFKA_API void mofka_claim_abort(mofka_claim_t *claim);

#ifdef __cplusplus
}
#endif
#endif
