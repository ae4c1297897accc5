/* SPDX-License-Identifier: BSD-3-Clause */
/* Monitors: the word, the favour, and waiting for a turn. */
#include "base/monitor.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A favour saves some 10 ns each time, and taking it back costs some microseconds. */
#define WANTED_MIN 32
#define WANTED_MAX (1u << 16)
/* A favourite that entered more often than this was worth it. */
#define WORTH_ENTRIES 1024
/* Looks at a favourite that is inside, before sleeping between them. */
#define LOOKS_AWAKE 64
#define LOOK_NAP_NS 50000

/* Whether this process can have favourites. */
static bool monitor_has_barrier;

/* With one thread this takes no time, with several it takes milliseconds: so it comes first. */
__attribute__((constructor)) static void monitor_register_barrier(void) {
    int saved = errno;
    monitor_has_barrier =
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    errno = saved;
}

void mfi_monitor_init(mfi_monitor_t *m) {
    *m = (mfi_monitor_t){.wanted = WANTED_MIN};
}

/* ---- the word -------------------------------------------------------------------------------- */

static void word_take(_Atomic uint32_t *word) {
    uint32_t seen = 0;
    if (atomic_compare_exchange_strong_explicit(word, &seen, 1, memory_order_acquire,
                                                memory_order_relaxed))
        return;
    while (atomic_exchange_explicit(word, 2, memory_order_acquire) != 0)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

static void word_give(_Atomic uint32_t *word) {
    if (atomic_exchange_explicit(word, 0, memory_order_release) == 2)
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* ---- the favour ------------------------------------------------------------------------------ */

/* With the word: wait until the favourite, if it saw that it is one, has left. */
static void favourite_await(const mfi_monitor_t *m) {
    for (int looks = 0; atomic_load_explicit(&m->inside, memory_order_acquire) % 2 == 1; looks++)
        if (looks >= LOOKS_AWAKE)
            nanosleep(&(struct timespec){.tv_nsec = LOOK_NAP_NS}, NULL);
}

/* With the word, which then is the monitor: take the favour back. */
static void favour_take(mfi_monitor_t *m) {
    atomic_store_explicit(&m->favourite, 0, memory_order_seq_cst);
    long failed = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    assert(failed == 0); /* it is registered */
    (void)failed;
    favourite_await(m);
    uint32_t entries = (atomic_load_explicit(&m->inside, memory_order_relaxed) - m->given_at) / 2;
    if (entries >= WORTH_ENTRIES)
        m->wanted = WANTED_MIN;
    else
        m->wanted = m->wanted < WANTED_MAX / 4 ? 4 * m->wanted : WANTED_MAX;
}

/* With the word, of the thread that has it: whether it becomes the favourite. */
static bool favour_is_due(const mfi_monitor_t *m) {
    return m->streak >= m->wanted && monitor_has_barrier && (m->only == 0 || m->only == m->last);
}

void mfi_monitor_take_word(mfi_monitor_t *m, uintptr_t self) {
    int saved = errno;
    word_take(&m->word);
    if (atomic_load_explicit(&m->favourite, memory_order_relaxed) != 0)
        favour_take(m);
    assert(!m->by_word);
    m->by_word = true;
    m->streak = m->last == self ? m->streak + (m->streak < WANTED_MAX) : 1;
    m->last = self;
    errno = saved;
}

void mfi_monitor_give_word(mfi_monitor_t *m) {
    int saved = errno;
    assert(m->by_word);
    if (favour_is_due(m)) {
        m->only = m->last;
        m->given_at = atomic_load_explicit(&m->inside, memory_order_relaxed);
        atomic_store_explicit(&m->favourite, m->last, memory_order_release);
    }
    m->by_word = false;
    word_give(&m->word);
    errno = saved;
}

/* ---- turns ----------------------------------------------------------------------------------- */

bool mfi_monitor_wait(mfi_monitor_t *m, int64_t deadline) {
    int saved = errno;
    struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
    mfi_assert_inside(m);
    assert(deadline >= 0);
    uint32_t seen = atomic_load_explicit(&m->turns, memory_order_relaxed);
    m->waiting++;
    mfi_monitor_leave(m);
    long failed = syscall(SYS_futex, &m->turns, FUTEX_WAIT_BITSET_PRIVATE, seen,
                          deadline == INT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
    bool late = failed != 0 && errno == ETIMEDOUT;
    mfi_monitor_enter(m);
    assert(m->waiting > 0);
    m->waiting--;
    errno = saved;
    return !late;
}

void mfi_monitor_wake(mfi_monitor_t *m) {
    int saved = errno;
    mfi_assert_inside(m);
    atomic_fetch_add_explicit(&m->turns, 1, memory_order_relaxed);
    syscall(SYS_futex, &m->turns, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    errno = saved;
}
