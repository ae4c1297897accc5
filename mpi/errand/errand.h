/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an owner does for ranks of other nodes.
 *
 * In a node window, the words of a topic with "producers": "node" are changed by processors of
 * their owner's node only. A rank elsewhere asks the owner, whose progress thread does it, by the
 * functions that ranks of the node use:
 *
 *   errand     what the owner does                        numbers it takes     its results
 *   join       take the name's place in the partition     whether from_end;    see mmi_joined_t
 *                                                         with storage, the
 *                                                         oldest event, and
 *                                                         whether there is no
 *                                                         ring; the rank that
 *                                                         asks
 *   leave      give the place up: AWAY or FREE            place, state, check
 *                                                         of the name
 *   complete   decide the partition's end
 *   finish     count a producer that has closed                                the word before
 *   evict      give a consumer's name up                                       whether it was there
 *
 * A lock is so never held by a rank of another node, whose death nobody here can prove.
 */
#ifndef MOFKA_MPI_ERRAND_ERRAND_H
#define MOFKA_MPI_ERRAND_ERRAND_H

#include "mpi/clerk/clerk.h"
#include "mpi/partition/partition.h"

typedef enum mmi_errand_kind {
    MMI_ERRAND_JOIN,
    MMI_ERRAND_LEAVE,
    MMI_ERRAND_COMPLETE,
    MMI_ERRAND_FINISH,
    MMI_ERRAND_EVICT
} mmi_errand_kind_t;

#define MMI_ERRAND_NUMBERS 4

/* As it is sent: whole words. The partition is described, because the owner may not know the topic
 * yet, and must not wait for rank 0. */
typedef struct mmi_errand {
    uint64_t kind;
    uint64_t base, index, slots, ring_bytes, retention, checksums;
    uint64_t bells_owner, bells_base;
    uint64_t numbers[MMI_ERRAND_NUMBERS];
    char topic[MOFKA_NAME_BYTES_MAX + 1];
    char name[MOFKA_NAME_BYTES_MAX + 1]; /* join, evict: of the consumer */
} mmi_errand_t;
static_assert(sizeof(mmi_errand_t) % 8 == 0, "whole words");
static_assert(sizeof(mmi_errand_t) / 8 <= MMI_REQUEST_WORDS_MAX, "a request");

/* The results of a join: what a reader begins with. */
typedef struct mmi_joined {
    uint64_t place, fresh, at, acknowledged, head_units, lost;
} mmi_joined_t;
static_assert(sizeof(mmi_joined_t) == 8 * MMI_RESULT_WORDS, "the results");

/* An errand of this kind at a far partition, without numbers and name. */
mmi_errand_t mmi_errand_at(const mmi_partition_t *p, mmi_errand_kind_t kind);
/* Have the owner do it. Its status, with its message. Blocks: until the owner answers. */
mofka_status_t mmi_errand_send(const mmi_partition_t *p, const mmi_errand_t *errand,
                               int64_t deadline, uint64_t results[MMI_RESULT_WORDS]);
/* The owner: the partition of an errand that came, and that with its bell. `errand` is borrowed as
 * long as they are used. MOFKA_ERR_CORRUPT: they are not in the shares of this node. */
mofka_status_t mmi_errand_read(mmi_window_t *w, uint64_t share_bytes, const uint64_t *words,
                               size_t count, mmi_errand_t *errand, mmi_partition_t partitions[2]);

/* Decide the partition's end, once. Of a far one, the owner does. */
mofka_status_t mmi_errand_complete(const mmi_partition_t *p, int64_t deadline);
/* Give a consumer's name up: see mmi_consumer_evict. */
mofka_status_t mmi_errand_evict(const mmi_partition_t *p, const char *name, int64_t deadline,
                                bool *found);
/* Count a producer of the topic as finished: `*before`, the word before. */
mofka_status_t mmi_errand_finish(const mmi_partition_t *p, uint64_t *before);

#endif
