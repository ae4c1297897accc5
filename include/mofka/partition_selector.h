/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Partition selectors: choose the partition of each event. Every selector of this library honours a
 * partition passed to push, modulo the number of partitions. If none is passed:
 * - "default" takes the partitions in turn;
 * - "local" takes those in turn that are on this process's node;
 * - "key" uses the value at a JSON Pointer: equal values go to the same partition, in every
 *   process;
 * - "range" uses the number at a JSON Pointer: each interval has its partition;
 * - "sticky" stays with one partition until its batch is sent, for fuller batches.
 *
 * Each type's options are in src/types/README.md of the source tree.
 */
#ifndef MOFKA_PARTITION_SELECTOR_H
#define MOFKA_PARTITION_SELECTOR_H

#include <stddef.h>
#include <mofka/limits.h>
#include <mofka/metadata.h>
#include <mofka/status.h>
#include <mofka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Make a selector from JSON such as {"type":"default"}. NULL, and JSON without "type", mean the
 * default. A type "name:library.so" loads that library first. A name that is not registered loads
 * libmofka-NAME.so. Give: mofka_partition_selector_release. MOFKA_ERR_NOT_FOUND: the type or the
 * library is unknown. MOFKA_ERR_JSON: not a JSON object. MOFKA_ERR_OPTION: the type does not know
 * an option.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t
mofka_partition_selector_from_metadata(const char *json, mofka_partition_selector_t **selector);
/** Count one more user. Returns its argument, or NULL if that is not a partition selector.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_partition_selector_t *
mofka_partition_selector_retain(mofka_partition_selector_t *selector);
/** Drop one user. An argument that is not a partition selector is ignored. The last release
 * destroys the selector.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API void mofka_partition_selector_release(mofka_partition_selector_t *selector);
/** The JSON that it was made from, with its "type"; NULL if it was wrapped. View.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API const mofka_metadata_t *
mofka_partition_selector_metadata(const mofka_partition_selector_t *selector);
/** Set the partitions to choose from: `count` descriptions (borrow), as mofka_topic_partition_info
 * gives them. Call this once, before the first select; the producer that uses the selector does it.
 * MOFKA_ERR_RANGE: `count` is 0. MOFKA_ERR_BUSY: it has partitions already. Other errors: those of
 * the type; it can then be called again.
 * Threads: handle. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_partition_selector_set_partitions(
    mofka_partition_selector_t *selector, const mofka_metadata_t *const *partitions, size_t count);
/** For backends, before they create a topic: whether a selector of this JSON can choose among
 * `count` partitions. MOFKA_OK: it can. MOFKA_ERR_RANGE: it is made for another number. Other
 * errors: as mofka_partition_selector_from_metadata.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_partition_selector_check_count(const char *json, size_t count);
/** Choose the partition of an event. `requested` is a partition, or MOFKA_ANY_PARTITION.
 * MOFKA_ERR_RANGE: the type chose an index at or above the count. Other errors: those of the type.
 * Threads: handle. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_partition_selector_select(mofka_partition_selector_t *selector,
                                                         const char *metadata,
                                                         size_t metadata_bytes, size_t requested,
                                                         size_t *partition);

#ifdef __cplusplus
}
#endif
#endif
