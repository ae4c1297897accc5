/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of fork handlers, and the one place that registers with the system. */
#include "base/at_fork.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>
#include <mofka/backend.h>

/* Guards the table. Held over a fork, before the locks of all slots. */
static pthread_mutex_t fork_table_lock = PTHREAD_MUTEX_INITIALIZER;
static const mfi_fork_handlers_t *fork_table[MFI_FORK_SLOTS];

static void fork_table_before(void) {
    pthread_mutex_lock(&fork_table_lock);
    for (int slot = 0; slot < MFI_FORK_SLOTS; slot++)
        if (fork_table[slot])
            fork_table[slot]->before();
}

static void fork_table_in_parent(void) {
    for (int slot = MFI_FORK_SLOTS; slot-- > 0;)
        if (fork_table[slot])
            fork_table[slot]->in_parent();
    pthread_mutex_unlock(&fork_table_lock);
}

static void fork_table_in_child(void) {
    for (int slot = MFI_FORK_SLOTS; slot-- > 0;)
        if (fork_table[slot])
            fork_table[slot]->in_child();
    pthread_mutex_unlock(&fork_table_lock);
}

static void fork_table_register(void) {
    pthread_atfork(fork_table_before, fork_table_in_parent, fork_table_in_child);
}

void mfi_at_fork(mfi_fork_slot_t slot, const mfi_fork_handlers_t *handlers) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    assert(slot < MFI_FORK_SLOTS);
    assert(handlers->before && handlers->in_parent && handlers->in_child);
    pthread_once(&once, fork_table_register);
    pthread_mutex_lock(&fork_table_lock);
    assert(!fork_table[slot]);
    fork_table[slot] = handlers;
    pthread_mutex_unlock(&fork_table_lock);
}

mofka_status_t mofka_backend_at_fork(void (*in_child)(void)) {
    if (!in_child)
        return mofka_fail(MOFKA_ERR_INVALID, "NULL function to call after a fork");
    return pthread_atfork(NULL, NULL, in_child)
               ? mofka_fail(MOFKA_ERR_MEMORY, "no memory to watch forks")
               : MOFKA_OK;
}
