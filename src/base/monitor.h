/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A monitor: a lock with one condition. It costs next to nothing while one thread takes it.
 *
 * Threads take it by a word, which is a futex. A thread that has done so often enough, with no
 * other thread in between, becomes its favourite. From then on it enters and leaves by plain stores
 * to `inside`. Another thread takes the word, and then the favour back:
 *
 *   the favourite                        another thread, which has the word
 *   1 inside becomes odd                 1 favourite = none
 *   2 favourite is none?                 2 membarrier: a full barrier in each running thread
 *     yes: inside becomes even; it       3 wait until inside is even
 *     takes the word                     4 the monitor is this thread's
 *     no: the monitor is its own
 *   3 to leave: inside becomes even
 *
 * The barrier falls somewhere between two instructions of the favourite. In front of its
 * step 2, the favourite sees that it is none any more. Behind its step 2, the other thread sees
 * that `inside` is odd. Step 1 alone harms nobody. The model is model/monitor.pml.
 *
 * A membarrier takes microseconds. If a favourite did not enter often before it lost the favour, it
 * has to enter more often before it gets it again. `inside` has one writer, so only one thread can
 * ever be the favourite of a monitor. Another thread has its number only once that one has ended.
 */
#ifndef MOFKA_SRC_BASE_MONITOR_H
#define MOFKA_SRC_BASE_MONITOR_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct mfi_monitor {
    _Atomic uintptr_t favourite; /* a thread; 0: none. Set to itself, and to 0, with the word */
    _Atomic uint32_t inside;     /* odd: the favourite is inside. Its stores only */
    _Atomic uint32_t word;       /* 0: free; 1: taken; 2: taken, and others may sleep there */
    _Atomic uint32_t turns;      /* changes when those who wait are to look again */
    /* The monitor guards the rest. */
    uint32_t waiting;  /* threads that wait for a turn */
    bool by_word;      /* whoever is inside has the word */
    uintptr_t only;    /* the thread that may be the favourite; 0: any */
    uintptr_t last;    /* the thread that had the word last */
    uint32_t streak;   /* how many times in a row */
    uint32_t wanted;   /* a streak that makes a favourite */
    uint32_t given_at; /* `inside` when the favour was given last */
} mfi_monitor_t;

/* A number that the calling thread alone has, and not 0. */
static inline uintptr_t mfi_thread_self(void) {
#if defined(__x86_64__) && defined(__has_builtin)
#if __has_builtin(__builtin_thread_pointer)
    return (uintptr_t)__builtin_thread_pointer();
#else
    return (uintptr_t)pthread_self();
#endif
#else
    return (uintptr_t)pthread_self();
#endif
}

void mfi_monitor_init(mfi_monitor_t *monitor);

/* For the next function: take the word. */
void mfi_monitor_take_word(mfi_monitor_t *monitor, uintptr_t self);
/* Blocks: until no other thread is inside. */
static inline void mfi_monitor_enter(mfi_monitor_t *monitor) {
    uintptr_t self = mfi_thread_self();
    if (atomic_load_explicit(&monitor->favourite, memory_order_acquire) == self) {
        uint32_t inside = atomic_load_explicit(&monitor->inside, memory_order_relaxed);
        assert(inside % 2 == 0);
        atomic_store_explicit(&monitor->inside, inside + 1, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst); /* the rest of the barrier is the membarrier */
        if (__builtin_expect(
                atomic_load_explicit(&monitor->favourite, memory_order_acquire) == self, 1))
            return;
        atomic_store_explicit(&monitor->inside, inside + 2, memory_order_release);
    }
    mfi_monitor_take_word(monitor, self);
}

/* For the next function: give the word back. */
void mfi_monitor_give_word(mfi_monitor_t *monitor);
/* Behind the last store, the monitor may be gone. */
static inline void mfi_monitor_leave(mfi_monitor_t *monitor) {
    if (__builtin_expect(monitor->by_word, 0)) {
        mfi_monitor_give_word(monitor);
        return;
    }
    uint32_t inside = atomic_load_explicit(&monitor->inside, memory_order_relaxed);
    assert(inside % 2 == 1);
    atomic_store_explicit(&monitor->inside, inside + 1, memory_order_release);
}

/* Inside, leaves it meanwhile: wait until another thread gives a turn, or for no reason. False: the
 * deadline has passed. */
bool mfi_monitor_wait(mfi_monitor_t *monitor, int64_t deadline);
/* For the next function: there are threads that wait. */
void mfi_monitor_wake(mfi_monitor_t *monitor);
/* Inside: those who wait look again. */
static inline void mfi_monitor_notify(mfi_monitor_t *monitor) {
    if (monitor->waiting > 0)
        mfi_monitor_wake(monitor);
}

/* Whether some thread is inside. */
static inline bool mfi_monitor_is_entered(const mfi_monitor_t *monitor) {
    return atomic_load_explicit(&monitor->word, memory_order_relaxed) != 0 ||
           atomic_load_explicit(&monitor->inside, memory_order_relaxed) % 2 == 1;
}
#define mfi_assert_inside(monitor) assert(mfi_monitor_is_entered(monitor))

#endif
