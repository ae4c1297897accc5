/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks that are held over a fork, so that none stays locked in the child process.
 *
 * A room registers its handlers in a slot. The slots are the lock order: a thread that holds a lock
 * of one slot may take locks of later slots, never of earlier ones. So a fork takes them from the
 * first slot to the last, and releases them from the last to the first.
 */
#ifndef MOFKA_SRC_BASE_AT_FORK_H
#define MOFKA_SRC_BASE_AT_FORK_H

typedef enum mfi_fork_slot {
    /* driver/open_drivers.c: the list of drivers; then, of each driver, its lock and those of its
     * producers and consumers. */
    MFI_FORK_DRIVERS,
    /* pool/pthread_pool.c: the list of pools. A leaf: its holder takes no other lock. */
    MFI_FORK_POOLS,
    /* types/registry.c: the table of types. A leaf. */
    MFI_FORK_REGISTRY,
    /* base/log.c: the log's callback. A leaf. */
    MFI_FORK_LOG,
    /* Backends have no slot: mofka_backend_at_fork (mofka/backend.h) registers functions that run
     * in the child and take no lock. */
    MFI_FORK_SLOTS
} mfi_fork_slot_t;

typedef struct mfi_fork_handlers {
    void (*before)(void);    /* takes the slot's locks */
    void (*in_parent)(void); /* releases them */
    void (*in_child)(void);  /* releases them; no other thread exists */
} mfi_fork_handlers_t;

/* Register a slot's handlers (kept), once, from a constructor: before that, forks do not know of
 * the slot's locks. */
void mfi_at_fork(mfi_fork_slot_t slot, const mfi_fork_handlers_t *handlers);

#endif
