/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every rank's share of the window begins with: one page, the share header.
 *
 *   directory_lock     rank 0 only: taken and given back as that of a partition; in a node window
 *                      by processors of rank 0's node, which others ask (errand/words.c)
 *   directory_end      rank 0 only: bytes of records; stored under the directory's lock, when they
 *                      are complete
 *   directory_next     rank 0 only: the owner that gets the next partition; as directory_end
 *   directory_high     rank 0 only: bytes of each arena behind which no partition ever was; as
 *                      directory_end
 *   directory_changes  rank 0 only: how often a record was given up or used again; stored under the
 *                      directory's lock, after the record's state
 *   activity           rma: ranks that use this rank's memory add to it now and then; its progress
 *                      thread reads it
 *   mark               rma: says that a living driver uses this memory; stored by the rank itself,
 *                      when the window opens
 *   identity           says which rank of which driver that is; stored by the rank itself
 *   process            shm: the rank's process; this and the next two are stored by the rank
 *                      itself, when the window opens; see alive/alive.h
 *   began              shm: when that process began
 *   alive              shm: a check of both, and of its boot and process namespace; 0: not known
 *   deaf               rma: not 0: the rank answers no more messages; the rank exchanges it
 *   stored_bell        topics with storage: wakes the thread that writes this rank's partitions to
 *                      files; fetch_add 1
 *   stored_waiters     whether that thread sleeps there; fetch_add 1, then -1
 *   stored_topics      how often a rank has made, or misses, a topic with storage that has
 *                      partitions here; fetch_add 1
 *   trial_...          rma: words of the trial at creation; see window/trial.c
 *   host               the name of the rank's host, for messages; stored by the rank itself when
 *                      the driver starts, before others are told that it has
 *
 * The words of the directory, but for the lock, are sealed. They, and what follows the header, are
 * drawn in partition/layout.h.
 */
#ifndef MOFKA_MPI_WINDOW_SHARE_H
#define MOFKA_MPI_WINDOW_SHARE_H

#include <assert.h>
#include <stdint.h>

#define MMI_PAGE_BYTES 4096
/* Room for the name of a host. */
#define MMI_HOST_WORDS 8
/* The most ranks that try the operations on one rank. */
#define MMI_TRIAL_RANKS_MAX 64

/* The least multiple of `unit` that is at least `bytes`. */
static inline uint64_t mmi_round_up(uint64_t bytes, uint64_t unit) {
    return (bytes + unit - 1) / unit * unit;
}

typedef struct mmi_share {
    uint64_t pad0[8];
    uint64_t directory_lock;
    uint64_t pad1[7];
    /* One read fetches these four. */
    uint64_t directory_end;
    uint64_t directory_next;
    uint64_t directory_high;
    uint64_t directory_changes;
    uint64_t pad2[4];
    uint64_t activity;
    uint64_t pad3[7];
    uint64_t mark;
    uint64_t identity;
    uint64_t process;
    uint64_t began;
    uint64_t alive;
    uint64_t deaf;
    uint64_t stored_bell;
    uint64_t stored_waiters;
    uint64_t stored_topics;
    uint64_t trial_added;
    uint64_t trial_exchanged;
    uint64_t trial_returned;
    uint64_t trial_knocks[2];
    uint64_t trial_knocked[2];
    uint64_t trial_put[MMI_TRIAL_RANKS_MAX];
    uint64_t host[MMI_HOST_WORDS]; /* text, with a NUL */
} mmi_share_t;
static_assert(sizeof(mmi_share_t) <= MMI_PAGE_BYTES, "the share header is one page");

#endif
