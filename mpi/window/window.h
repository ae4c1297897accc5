/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A window: memory of all ranks of a driver, and the operations on it. The partitions' logic is
 * written once, over this table of operations.
 *
 *   kind   memory                        operations                       waiting
 *   shm    MPI_Win_allocate_shared       loads, stores, C11 atomics       futex
 *   heap   malloc; ranks are threads     as shm                           futex
 *   rma    MPI_Win_allocate or _create   Put, Get, Fetch_and_op, ...      sleeps that grow
 *   node   MPI_Win_allocate_shared on    as rma; and a second table, the  as rma; as shm
 *          each node, MPI_Win_create     window's `near`: as shm, on the
 *          over it for all ranks         shares of ranks of the node
 *
 * Each rank has a share of the window. A place in it is a rank and an offset.
 *
 * In a node window, a word is changed either by MPI or by processors, at a time. Which of them it
 * is follows from the topic: see partition/layout.h. A word that MPI puts and a processor loads, or
 * the other way round, is 8-aligned and whole; mmi_window_sync stands between.
 *
 * Words are 64-bit and 8-aligned. load, store, exchange and fetch_add are sequentially consistent
 * among themselves. A word is changed by one of store, exchange and fetch_add, and not by another
 * one; its first value may be stored. Where there is compare_exchange, the CPU does all of these,
 * and they may be mixed. put, get and get_words may be under way until flush(rank)
 * returns. Bytes that were put before a flush are visible to every rank that loads a word stored
 * after the flush.
 *
 * The window keeps the first MPI error, with its text, and which ranks' memory met one; flush and
 * mmi_window_check report it. Words that are read there after it are 0. So callers check before
 * they publish and while they wait, and not after each word. Nor does this rank store words there
 * any more: what it stored before stands, as if it had stopped. exchange and fetch_add are still
 * tried, so that a lock can be given back.
 */
#ifndef MOFKA_MPI_WINDOW_WINDOW_H
#define MOFKA_MPI_WINDOW_WINDOW_H

#include <assert.h>
#include <mpi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/limits.h>
#include <mofka/status.h>
#include "mpi/window/clock.h"

typedef struct mmi_window mmi_window_t;

#define MMI_UNKNOWN UINT64_MAX

/* The most words that load_run and get_words read. No word is torn. */
#define MMI_RUN_WORDS_MAX 64
/* The most words that read_within reads: 256 KiB. */
#define MMI_READ_WORDS_MAX ((size_t)1 << 15)

/* Bytes of a rank's share, and where they are copied to. */
typedef struct mmi_piece {
    uint64_t offset;
    void *target;
    size_t bytes; /* at least 1 */
} mmi_piece_t;

/* Copy bytes to a place. Complete after a flush; until then `source` must not change. */
typedef void (*mmi_put_t)(mmi_window_t *w, int rank, uint64_t offset, const void *source,
                          size_t bytes);

/* Read consecutive words. */
typedef void (*mmi_read_words_t)(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                                 size_t count);

typedef struct mmi_window_ops {
    const char *name;

    /* Traits of the kind. */
    bool has_bells;       /* wake ends sleep_on; else sleep_on is a plain sleep */
    bool loads_are_cheap; /* a load costs less than reading the clock; else it is a round trip */
    bool puts_are_cheap;  /* a put costs its copy; else it is an operation of MPI */
    bool has_addresses;   /* all shares are mapped here: see mmi_window_address */
    bool needs_progress;  /* other ranks reach this rank's memory only while it is inside MPI */
    bool opens_zeroed; /* all memory is zero once the window has opened; else it may be anything */

    /* Make this rank's share, of `bytes` (whole pages), and find the others'. Collective. An error
     * is this rank's own; the driver reports it on all ranks. */
    mofka_status_t (*open)(mmi_window_t *w, MPI_Comm comm, uint64_t bytes);
    mmi_put_t put;
    /* Optional: a put that leaves bytes in memory, and not in this core's caches. */
    mmi_put_t put_past_caches;
    /* Copy bytes from a place. Complete after a flush. */
    void (*get)(mmi_window_t *w, int rank, uint64_t offset, void *target, size_t bytes);
    /* Get several pieces of one share. In rma, this is one operation for thousands of pieces. (8192
     * pieces of 8 bytes: with MPICH 4.0.2 it takes 0.3 ms, and as single gets 32 ms; with Open MPI
     * 4.1.4 it takes 0.12 and 0.13 ms.) */
    void (*get_pieces)(mmi_window_t *w, int rank, const mmi_piece_t *pieces, size_t count);
    /* rma: from now on this thread's small puts to the rank may be held back, until send_puts:
     * where each is a message, they become one. Their sources must not change until a flush behind
     * that. */
    void (*hold_puts)(mmi_window_t *w, int rank);
    void (*send_puts)(mmi_window_t *w);
    /* Complete all puts and gets of this process at the rank. */
    mofka_status_t (*flush)(mmi_window_t *w, int rank);

    uint64_t (*load)(mmi_window_t *w, int rank, uint64_t offset);
    /* Load `count` consecutive words. */
    mmi_read_words_t load_run;
    /* As load_run, but complete after a flush. */
    mmi_read_words_t get_words;
    /* As load_run, but gives up at a deadline with MOFKA_ERR_TIMEOUT. Then `words` are not written,
     * not later either. Any thread that may call MPI may call this. */
    mofka_status_t (*read_within)(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                                  size_t count, int64_t deadline);
    void (*store)(mmi_window_t *w, int rank, uint64_t offset, uint64_t value);
    /* As store, but complete after a flush; until then `value` must not change. */
    void (*put_word)(mmi_window_t *w, int rank, uint64_t offset, const uint64_t *value);
    /* Store a value, and return the old one; MMI_UNKNOWN: MPI has failed, and perhaps nothing was
     * stored. Locks are words of this kind. */
    uint64_t (*exchange)(mmi_window_t *w, int rank, uint64_t offset, uint64_t value);
    /* In windows that have addresses, else NULL: store `value` if the word is `*expected`. False:
     * it is not; *expected is what it is. */
    bool (*compare_exchange)(mmi_window_t *w, int rank, uint64_t offset, uint64_t *expected,
                             uint64_t value);
    /* Add to a word, and return its old value. */
    uint64_t (*fetch_add)(mmi_window_t *w, int rank, uint64_t offset, uint64_t add);
    /* rma: as fetch_add, but complete after a flush; until then neither `add` nor `old` may be
     * touched. */
    void (*fetch_add_start)(mmi_window_t *w, int rank, uint64_t offset, const uint64_t *add,
                            uint64_t *old);

    /* Sleep until the word differs from `seen`, at most about `us` microseconds. */
    void (*sleep_on)(mmi_window_t *w, int rank, uint64_t offset, uint64_t seen, int64_t us);
    /* Change the word, and wake at most `sleepers` threads that sleep on it. rma: wakes threads of
     * this process that sleep on a word of its own share, which has changed; all others poll. */
    void (*wake)(mmi_window_t *w, int rank, uint64_t offset, int sleepers);
    /* rma, and only if owners run progress threads: see mmi_window_nudge. */
    void (*nudge)(mmi_window_t *w, int rank);
    /* Have the system provide the pages of a range. MOFKA_ERR_FULL: the node has no memory left. */
    mofka_status_t (*populate)(mmi_window_t *w, int rank, uint64_t offset, uint64_t bytes);
    /* Free the window. Collective once `win` exists. */
    void (*destroy)(mmi_window_t *w);
} mmi_window_ops_t;

/* How an rma window is made, and used. Equal on all ranks. */
typedef struct mmi_rma_options {
    bool own_memory;    /* MPI_Win_create on memory of the library's own, not MPI_Win_allocate */
    bool checked_locks; /* MPI_Win_lock_all without MPI_MODE_NOCHECK */
    bool serial_words;  /* one fetch_add or exchange of a process at a time */
    bool several_nodes; /* the ranks are not all on one node */
    uint64_t nonce;     /* differs between drivers */
    MPI_Comm node;      /* node: the ranks of this node, until the window is open; else null */
} mmi_rma_options_t;

/* How ranks reserve in rma: see producer/together.c. */
enum { MMI_RESERVE_AUTO, MMI_RESERVE_ATOMIC, MMI_RESERVE_MESSAGE };

/* The reads of an rma window: see reads.c. */
typedef struct mmi_reads {
    pthread_mutex_t lock;         /* guards the lists and `answered`; a leaf but for MPI's locks */
    struct mmi_read *late, *last; /* may be under way, though no call waits for them */
    struct mmi_read *failed;      /* after an error of MPI: not to be used again */
    struct mmi_read *free;        /* memory for others */
    uint64_t *answered;           /* for each rank: the number of its latest answered read */
    int64_t *silent_ms;           /* and since when it has answered none; 0: it has */
    _Atomic uint64_t begun;
} mmi_reads_t;

struct mmi_window {
    const mmi_window_ops_t *ops;
    const char *name; /* of the kind */
    int rank, size;
    /* Where each rank's share is, page-aligned. shm, heap, near: NULL for ranks of other nodes;
     * rma: base[0] is this rank's. */
    char **base;
    struct mmi_window *near; /* node: the same memory, for this node's ranks; owned. Else NULL */
    const int *node_of;      /* borrow: of each rank, the lowest rank of its node; NULL: one node */
    MPI_Aint *skip;     /* rma: bytes of each rank's MPI window before its first page; else NULL */
    size_t cache_bytes; /* shm, heap: of a last-level cache */
    size_t run_words;   /* how many words are worth loading at a time */
    int64_t spin_ns; /* how long to look again before sleeping; 0: ranks share cores, do not spin */
    bool one_thread; /* only `thread` may call MPI */
    pthread_t thread;
    _Atomic bool shut;   /* appends give up; see mmi_window_shut */
    _Atomic int appends; /* under way in this process */
    MPI_Win win;         /* MPI_WIN_NULL: heap, or not opened yet */
    mmi_rma_options_t rma;
    MPI_Win shared_win;        /* node: has the memory; else MPI_WIN_NULL */
    MPI_Win sync_win;          /* near: the window over the same memory; else MPI_WIN_NULL */
    void *own_memory;          /* rma with own_memory: what was mapped, `own_bytes`; else NULL */
    size_t own_bytes;          /* of it */
    pthread_mutex_t word_lock; /* rma with serial_words; a leaf */
    struct mmi_agent *agent;   /* rma: runs calls that may block; NULL: callers do that */
    _Atomic bool *unflushed;   /* rma: for each rank: puts there wait for a later flush */
    _Atomic bool *begun;       /* rma: for each rank: operations began there since the last flush */
    _Atomic bool left_puts;    /* rma: some were left since the agent looked last */
    bool nudges;               /* rma: owners run progress threads */
    _Atomic int inside;        /* rma: calls of MPI under way; see driver/progress.c */
    bool own_by_cpu;           /* rma: this rank's own share is used without MPI; see rma.c */
    int reserve;               /* rma: MMI_RESERVE_AUTO, ... */
    MPI_Comm comm;             /* rma: for messages; the driver's */
    struct mmi_clerk *clerk;   /* rma: of messages; NULL: owners run no progress threads */
    _Atomic int *slow_words;   /* rma: for each owner, how much slower words are than they should */
    uint64_t *nudge_values;    /* rma: what this rank last put into each rank's activity word */
    mmi_reads_t reads;         /* rma */
    _Atomic int fault;         /* whether an MPI call failed; see mmi_window_fault */
    _Atomic bool *faulty;      /* the same of each rank's memory */
    uint64_t realm;            /* shm: of this process; see alive/alive.h. 0: not known */
    _Atomic int64_t *died_ms;  /* for each rank: when it was first seen to be dead; 0: it was not */
    char message[MOFKA_MESSAGE_BYTES_MAX + 1]; /* of the first call that failed */
};

/* The address of a place in this process, in a window that has addresses. */
static inline char *mmi_window_address(const mmi_window_t *window, int rank, uint64_t offset) {
    assert(window->ops->has_addresses && rank >= 0 && rank < window->size && window->base[rank]);
    return window->base[rank] + offset;
}
/* Whether two ranks are on one node, or may be taken to be. */
static inline bool mmi_window_same_node(const mmi_window_t *window, int a, int b) {
    return !window->node_of || window->node_of[a] == window->node_of[b];
}
/* Where words of a rank's share are changed by processors of its node only: the window to use. */
static inline mmi_window_t *mmi_window_by_node(mmi_window_t *window, int rank) {
    return window->near && window->near->base[rank] ? window->near : window;
}
/* near: words that MPI has put are loaded from now on as they are; what was stored before is there
 * for MPI. Else nothing. */
static inline void mmi_window_sync(const mmi_window_t *window) {
    if (window->sync_win != MPI_WIN_NULL)
        MPI_Win_sync(window->sync_win);
}
/* If owners run progress threads: report to the rank's thread that its memory is in use. Complete
 * after a flush. */
static inline void mmi_window_nudge(mmi_window_t *window, int rank) {
    if (window->nudges)
        window->ops->nudge(window, rank);
}
/* Make a window of shared memory. Local: ops->open does what is collective. */
mofka_status_t mmi_window_create_shm(int rank, int size, mmi_window_t **window);
/* Make a window of remote memory. Local: ops->open does what is collective. */
mofka_status_t mmi_window_create_rma(int rank, int size, const mmi_rma_options_t *options,
                                     mmi_window_t **window);
/* For mmi_rma_open: this node's ranks have memory together, which `w->near` shows. Local. */
mofka_status_t mmi_window_create_near(mmi_window_t *w);
/* After a node window has opened on all ranks: see whether the memory of this node's ranks is
 * shared. MOFKA_ERR_UNSUPPORTED: it is not. Local. */
mofka_status_t mmi_near_check(const mmi_window_t *w);
/* The MPI library, its version, and what of its settings chooses the one-sided component. */
void mmi_rma_describe_mpi(char *text, size_t bytes);
/* After an rma window has opened on all ranks: see whether its operations do what they must,
 * between this rank and `targets`, `count` ranks. MOFKA_ERR_UNSUPPORTED: they do not. Three round
 * trips. */
mofka_status_t mmi_rma_try(mmi_window_t *w, const int *targets, size_t count);
/* After mmi_rma_try has succeeded on all ranks: see whether this rank's memory, one of the targets,
 * holds what it must. Local. */
mofka_status_t mmi_rma_judge(mmi_window_t *w);
/* After that: find out whether operations wait until their target is inside MPI. `*needed` is equal
 * on all ranks. `node`, not 0, is the same number on ranks that share a node. `disturbed`: another
 * driver's thread is inside MPI, so nothing can be found out. Collective. */
mofka_status_t mmi_rma_needs_progress(mmi_window_t *w, MPI_Comm comm, uint64_t node, bool disturbed,
                                      bool *needed);
/* For tests: an open window of `size` ranks that are threads; `bases` are their shares. */
mofka_status_t mmi_window_create_heap(char **bases, int rank, int size, mmi_window_t **window);
/* For those three: a window with room for `bases` addresses, else zero. NULL: no memory. */
mmi_window_t *mmi_window_create(const mmi_window_ops_t *ops, int rank, int size, size_t bases);

/* The first page start at or after an address. MPI's windows begin anywhere; Open MPI's begin 264
 * bytes into a page. Words would then lie across cache lines, and large copies would be many times
 * slower. */
char *mmi_pages_start(void *memory);
/* Have the system provide pages now. MOFKA_ERR_FULL here saves a signal later. */
mofka_status_t mmi_pages_populate(void *memory, uint64_t bytes, int rank);

/* rma: where a thread of the agent lets others see which rank it waits for. NULL in other
 * threads. */
extern _Thread_local _Atomic int *mmi_window_target;
static inline void mmi_window_wait_for(int rank) {
    if (mmi_window_target)
        atomic_store_explicit(mmi_window_target, rank, memory_order_relaxed);
}
/* For the next function: one thread only may call MPI. */
mofka_status_t mmi_window_check_thread(const mmi_window_t *window);
/* MOFKA_ERR_UNSUPPORTED: this thread may not call MPI, and the window's operations would. */
static inline mofka_status_t mmi_window_may_call(const mmi_window_t *window) {
    return window->one_thread ? mmi_window_check_thread(window) : MOFKA_OK;
}
/* Before the window goes away, while workers of a pool may still append: let no append begin, end
 * the waits for room, and wait until all appends have left. `window` itself stays for workers that
 * call later. */
void mmi_window_shut(mmi_window_t *window);

/* Looking again for a while, before the first sleep. */
typedef struct mmi_spin {
    int64_t until_ns; /* 0: do not spin */
    unsigned looks, looks_per_clock;
} mmi_spin_t;
/* Begin to spin, for as long as the window allows. */
mmi_spin_t mmi_spin_start(const mmi_window_t *window);
/* Pause for a moment. False: it is time to sleep. */
bool mmi_spin_again(mmi_spin_t *spin);
/* Sleep `*us` microseconds, then double `*us`, up to `us_max`. */
void mmi_back_off(int64_t *us, int64_t us_max);

/* Whether loads of a rank's share are cheap: see loads_are_cheap. */
static inline bool mmi_window_is_near(const mmi_window_t *window, int rank) {
    return window->ops->loads_are_cheap || (window->own_by_cpu && rank == window->rank);
}
/* MOFKA_OK, or the first error that an operation met, if one on the memory of `rank` has met one.
 * MMI_ANY_RANK: of any rank. */
#define MMI_ANY_RANK (-1)
/* The same, once some operation has met an error. */
mofka_status_t mmi_window_report(mmi_window_t *window, int rank);
static inline bool mmi_window_has_fault(const mmi_window_t *window) {
    return atomic_load_explicit(&window->fault, memory_order_acquire) != 0;
}
static inline mofka_status_t mmi_window_check(mmi_window_t *window, int rank) {
    return mmi_window_has_fault(window) ? mmi_window_report(window, rank) : MOFKA_OK;
}
/* Whether an operation on the memory of `rank` has met an error. */
static inline bool mmi_window_is_faulty(const mmi_window_t *window, int rank) {
    return mmi_window_has_fault(window) && atomic_load(&window->faulty[rank]);
}
/* Read one word, or more words that no rank changes meanwhile. Blocks until the rank answers, at
 * most until `deadline` (MOFKA_ERR_TIMEOUT); INT64_MAX: no deadline. */
mofka_status_t mmi_window_read(mmi_window_t *window, int rank, uint64_t offset, uint64_t *words,
                               size_t count, int64_t deadline);
/* Since when the rank has answered no read of this process that had a deadline; 0: it has. */
int64_t mmi_rank_silent_ms(mmi_window_t *window, int rank);
/* Make a range zero. Complete on return. */
mofka_status_t mmi_window_zero(mmi_window_t *window, int rank, uint64_t offset, uint64_t bytes);
/* An MPI call for an operation on `rank` failed. Keep its error, unless one is kept already. What
 * other ranks have is not affected. */
void mmi_window_fault(mmi_window_t *window, int rank, const char *call, int error);
/* A call of MPI has ended: its error, kept in the window. */
static inline int mmi_window_left_mpi(mmi_window_t *window, int rank, const char *call, int error) {
    atomic_fetch_sub(&window->inside, 1);
    if (error)
        mmi_window_fault(window, rank, call, error);
    return error;
}
/* Call MPI for an operation on `rank`, and keep its error in the window. Its value is the error. */
#define MMI_TRY(w, rank, call, ...)                                                                \
    (atomic_fetch_add(&(w)->inside, 1), mmi_window_left_mpi(w, rank, #call, call(__VA_ARGS__)))
/* MOFKA_ERR_MPI, with MPI's text. */
static inline mofka_status_t mmi_mpi_fail(const char *call, int error) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;
    MPI_Error_string(error, text, &length);
    return mofka_fail(MOFKA_ERR_MPI, "%s failed: %s", call, text);
}

#endif
