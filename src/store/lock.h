/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lock of a partition: one process writes it, cuts it, or repairs it.
 *
 * The file `lock` has a lock of the system, which ends with its process, and a record of the owner.
 * Locks of the system do not reach other nodes on every file system. So the record counts, too: it
 * has a stamp that its owner moves every 10 s. An owner that is dead for sure is taken over: its
 * process was on this node, and the lock is free. Any other one only if its stamp stands still, and
 * the user says so.
 */
#ifndef MOFKA_SRC_STORE_LOCK_H
#define MOFKA_SRC_STORE_LOCK_H

#include "store/log/segment.h"

/* An owner moves its stamp so often. */
#define MFI_LOCK_TOUCH_MS 10000
/* An owner whose stamp does not move for so long does not live. */
#define MFI_LOCK_STILL_MS 30000

/* Bytes of the name of an owner's host, with its zero. */
#define MFI_LOCK_HOST_BYTES 128

typedef struct mfi_lock mfi_lock_t;

typedef struct mfi_lock_options {
    bool takeover;    /* of an owner on another node, if its stamp stands still */
    int64_t still_ms; /* for so long; 0: MFI_LOCK_STILL_MS */
    const char *host; /* the name of this node; NULL: as the system says */
} mfi_lock_options_t;

/* Lock a partition. NULL options: all defaults. Give: mfi_lock_release. MOFKA_ERR_BUSY: it is in
 * use; the message names host, process and time. MOFKA_ERR_STORAGE: the file cannot be written.
 * Threads: any. Blocks: no; with `takeover` for `still_ms`. */
mofka_status_t mfi_lock_take(const mfi_log_t *log, const mfi_lock_options_t *options,
                             mfi_lock_t **lock);
/* Move the stamp; errors are of no matter. MOFKA_ERR_BUSY: another process has taken the lock over,
 * which the message names; nothing may be written any more.
 * Threads: any. */
mofka_status_t mfi_lock_touch(mfi_lock_t *lock);
/* As mfi_lock_touch, but change nothing: one read of 1 KiB. What is written, and then
 * checked, may be promised: who takes the lock over does so first, and reads the log then.
 * Threads: any; none waits for a sync of another. */
mofka_status_t mfi_lock_check(mfi_lock_t *lock);
/* NULL is ignored. */
void mfi_lock_release(mfi_lock_t *lock);
/* Who has a partition. */
typedef struct mfi_lock_owner {
    char host[MFI_LOCK_HOST_BYTES];
    uint64_t pid;
    uint64_t since; /* CLOCK_REALTIME, s */
    uint64_t stamp; /* CLOCK_REALTIME, ns: when it moved last */
    uint64_t taken; /* its first stamp: with host and pid, which lock it is */
    bool locked;    /* the system's lock is held, as far as this node sees it */
} mfi_lock_owner_t;

/* Read who has a partition, and change nothing. `*owned` is false: nobody, or an owner that left it
 * in order. */
mofka_status_t mfi_lock_look(const mfi_log_t *log, mfi_lock_owner_t *owner, bool *owned);
/* Which lock it is, as a number. One who reads the file, and finds the number that the owner has,
 * sees the owner's file, and not an earlier copy of it. Threads: any. */
uint64_t mfi_lock_identity(const mfi_lock_t *lock);
uint64_t mfi_lock_owner_identity(const mfi_lock_owner_t *owner);
/* Forget the owner, whoever it is: for a user who knows that it is dead. MOFKA_ERR_BUSY: it lives,
 * on this node. */
mofka_status_t mfi_lock_break(const mfi_log_t *log);

#endif
