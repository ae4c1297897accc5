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
 *   count      count a producer of the rank that asks     what to add; the     the finished
 *                                                         rank                 producers
 *   evict      give a consumer's name up                                       whether it was there
 *   look       if a dead rank has reserved an event,      the event's id       none: it is not
 *              make that void                                                  waited for
 *
 * A partition's lock is so never held by a rank of another node, whose death nobody here can prove.
 *
 * The directory's words at rank 0 are changed the same way (words.c). So no topic that nodes keep
 * to themselves needs an atomic operation of MPI, for which an MPI may take a lock of its own: a
 * rank that is stopped or dies inside it would stop all others.
 *
 *   errand     what the owner does                        numbers it takes     its results
 *   add        add to a word                              offset, number       the word before
 *   lock       take a lock, for the rank that asks        offset, rank         whether the last
 *                                                                              holder is dead
 *   unlock     give it back                               offset
 */
#ifndef MOFKA_MPI_ERRAND_ERRAND_H
#define MOFKA_MPI_ERRAND_ERRAND_H

#include "mpi/clerk/clerk.h"
#include "mpi/partition/partition.h"

typedef enum mmi_errand_kind {
    MMI_ERRAND_JOIN,
    MMI_ERRAND_LEAVE,
    MMI_ERRAND_COMPLETE,
    MMI_ERRAND_COUNT,
    MMI_ERRAND_EVICT,
    MMI_ERRAND_LOOK,
    MMI_ERRAND_ADD,
    MMI_ERRAND_LOCK,
    MMI_ERRAND_UNLOCK
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

/* ---- words.c --------------------------------------------------------------------------------- */

/* As the errands of words are sent. */
typedef struct mmi_word_errand {
    uint64_t kind, offset, number;
} mmi_word_errand_t;

/* Add to a word of a rank's share: `*old`, what it was. In a node window, processors of the rank's
 * node do it, else MPI; always for all ranks. Blocks: until that rank answers. */
mofka_status_t mmi_errand_add(mmi_window_t *w, int rank, uint64_t offset, uint64_t add,
                              uint64_t *old);
/* Take a lock, and give it back, in the same way: see mmi_word_lock. `what` it is: view. */
mofka_status_t mmi_errand_lock(mmi_window_t *w, int rank, uint64_t offset, int64_t deadline,
                               const char *what, bool *from_dead);
void mmi_errand_unlock(mmi_window_t *w, int rank, uint64_t offset);
/* The owner: whether the request is an errand of words. */
bool mmi_errand_is_of_words(const uint64_t *words, size_t count);
/* The owner: do it. See mmi_serve_t. */
mofka_status_t mmi_errand_serve_words(mmi_window_t *w, uint64_t share_bytes, const uint64_t *words,
                                      uint64_t results[MMI_RESULT_WORDS]);

/* ---- what needs no reader -------------------------------------------------------------------- */

/* Decide the partition's end, once. Of a far one, the owner does. */
mofka_status_t mmi_errand_complete(const mmi_partition_t *p, int64_t deadline);
/* Give a consumer's name up: see mmi_consumer_evict. */
mofka_status_t mmi_errand_evict(const mmi_partition_t *p, const char *name, int64_t deadline,
                                bool *found);
/* This rank waits for event `id` of a far partition: have the owner look whether a dead rank has
 * reserved it (rows/dead.c). What becomes of that is seen in the event's flag. Blocks: no. */
void mmi_errand_look(const mmi_partition_t *p, uint64_t id);
/* Count a producer of this rank: see mmi_producers_count. */
mofka_status_t mmi_errand_count(const mmi_partition_t *p, uint64_t add, uint64_t *total);

#endif
