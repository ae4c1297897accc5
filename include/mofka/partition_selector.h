/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * Partition selectors: which partition an event goes to. All types of this library honour a requested
 * partition, modulo the partition count; without one,
 * - "default" takes turns;
 * - "key" goes by the value at a JSON Pointer: the same value, the same partition, in every process;
 * - "range" goes by the interval that the number at a JSON Pointer falls into;
 * - "sticky" stays with a partition until its batch leaves, for fuller batches.
 */
#ifndef MOFKA_PARTITION_SELECTOR_H
#define MOFKA_PARTITION_SELECTOR_H

#include <mofka/limits.h>
#include <mofka/metadata.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A selector of a producer. Counted. */
typedef struct mofka_partition_selector mofka_partition_selector_t;

/** What a selector type fills in. One selector serves one producer; its calls do not overlap. */
typedef struct mofka_partition_selector_ops {
    size_t size; /**< sizeof(mofka_partition_selector_ops_t) of its build */
    /** The partitions to choose from: `count` descriptions (borrow). Called once, first. */
    mofka_status_t (*set_partitions)(void *self, const mofka_metadata_t *const *partitions,
                                     size_t count);
    /** Choose: `*partition` below the count, for metadata (borrow) and the caller's request
     * (MOFKA_ANY_PARTITION: none). */
    mofka_status_t (*select)(void *self, const char *metadata, size_t metadata_bytes,
                             size_t requested, size_t *partition);
    /** Optional: free `self`. */
    void (*destroy)(void *self);
    /** Optional: the producer's open batch of `partition` left, or is about to. Unlike the others it
     * may run while another thread is in `select`, and with locks held: it must neither block nor
     * call the library. A table that ends before this slot is valid. */
    void (*batch_left)(void *self, size_t partition);
    /** Optional: can it choose among `count` partitions? Asked before a topic is made, of a selector
     * that serves nobody. A table that ends before this slot is valid. */
    mofka_status_t (*check_count)(void *self, size_t count);
} mofka_partition_selector_ops_t;

/** Make a selector of its JSON (an object with "type"; borrow). Give `*ops` (static) and `*self`.
 */
typedef mofka_status_t (*mofka_partition_selector_create_fn)(
    const mofka_metadata_t *metadata, const mofka_partition_selector_ops_t **ops, void **self);

/** Make a selector from JSON such as {"type":"default"}; NULL, or no "type": the default. A type
 * "name:library.so" loads that library first, a bare unknown name tries lib<name>.so. Give:
 * release. MOFKA_ERR_NOT_FOUND: unknown type or library. MOFKA_ERR_JSON: not a JSON object.
 * MOFKA_ERR_OPTION: what the type does not know. Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t
mofka_partition_selector_from_metadata(const char *json, mofka_partition_selector_t **selector);
/** Count one more user; returns its argument, or NULL where that is no partition selector.
 * Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_partition_selector_t *
mofka_partition_selector_retain(mofka_partition_selector_t *selector);
/** Drop one user; what is no partition selector is ignored. The last one destroys it.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API void mofka_partition_selector_release(mofka_partition_selector_t *selector);
/** The JSON it was made from, with its "type". View. Threads: any. MPI: none. Blocks: no. */
MOFKA_API const mofka_metadata_t *
mofka_partition_selector_metadata(const mofka_partition_selector_t *selector);
/** Tell it what it chooses from: `count` descriptions, as mofka_topic_partition_info gives them
 * (borrow). Once, before the first select. MOFKA_ERR_RANGE: none. An error is the type's.
 * Threads: handle. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_partition_selector_set_partitions(
    mofka_partition_selector_t *selector, const mofka_metadata_t *const *partitions, size_t count);
/** For backends, before they make a topic: can a selector of this JSON choose among `count` partitions?
 * MOFKA_ERR_RANGE: it is for another number. Else as mofka_partition_selector_from_metadata.
 * Threads: any. MPI: none. Blocks: as the type. */
MOFKA_API mofka_status_t mofka_partition_selector_check_count(const char *json, size_t count);
/** Choose a partition; an answer at or above the count is refused (MOFKA_ERR_RANGE).
 * Threads: handle. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t mofka_partition_selector_select(mofka_partition_selector_t *selector,
                                                         const char *metadata,
                                                         size_t metadata_bytes, size_t requested,
                                                         size_t *partition);

/** Register a selector type. MOFKA_ERR_EXISTS. Threads: any. MPI: none. Blocks: no. */
MOFKA_API mofka_status_t
mofka_partition_selector_register(const char *type, mofka_partition_selector_create_fn create);

#ifdef __cplusplus
}
#endif
#endif
