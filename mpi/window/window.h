/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of window operations. All partition logic is written over it once.
 *
 *   kind   memory                      operations                        waiting
 *   shm    MPI_Win_allocate_shared     loads, stores, C11 atomics        futex
 *   heap   one malloc, ranks = threads the same                          futex
 *   rma    MPI_Win_allocate            Put, Get, Rget_accumulate, ...    bounded back-off
 *
 * Words are 64-bit and 8-aligned. load, store, exchange and fetch_add are sequentially consistent
 * among themselves. put, get and get_words may be under way until flush(rank) returns; bytes put
 * before a flush are visible to whoever loads a word stored after it.
 *
 * An MPI error is kept (the first one, with its text) and told by flush and by
 * mmi_window_check; words read after it are 0. So paths check where they publish and where
 * they wait, not per word.
 */
#ifndef MOFKA_MPI_WINDOW_H
#define MOFKA_MPI_WINDOW_H

#include <mpi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mofka/status.h>
#include "mpi/window/clock.h"

typedef struct mmi_window mmi_window_t;

/* Words that load_run reads without tearing, at most. */
#define MMI_RUN_WORDS_MAX 64

/* Bytes of a rank's share, and where they go. */
typedef struct mmi_piece {
    uint64_t offset;
    void *target;
    size_t bytes; /* at least 1 */
} mmi_piece_t;

typedef void (*mmi_put_t)(mmi_window_t *w, int rank, uint64_t offset, const void *source,
                          size_t bytes);

typedef struct mmi_window_ops {
    const char *name;

    /* Traits of the kind. */
    bool has_bells;       /* wake ends sleep_on; else sleep_on is a plain sleep */
    bool loads_are_cheap; /* a load costs less than reading the clock; else it is a round trip */
    bool puts_are_cheap;  /* a put costs its copy; else it is an operation of MPI */
    bool needs_progress;  /* other ranks reach this rank's memory only while it is inside MPI */

    /* Make this rank's share, of `bytes` (pages), and find the others'. Collective; errors are this
     * rank's own, the driver makes them everyone's. */
    mofka_status_t (*open)(mmi_window_t *w, MPI_Comm comm, uint64_t bytes);
    mmi_put_t put;
    /* Optional: a put that leaves what it can in memory, and not in this core's caches. */
    mmi_put_t put_past_caches;
    void (*get)(mmi_window_t *w, int rank, uint64_t offset, void *target, size_t bytes);
    /* The same as get of each piece. rma: one operation for thousands of them (8192 pieces
     * of 8 bytes: MPICH 4.0.2 32 ms as gets, 0.3 ms so; Open MPI 4.1.4 0.13 and 0.12). */
    void (*get_pieces)(mmi_window_t *w, int rank, const mmi_piece_t *pieces, size_t count);
    mofka_status_t (*flush)(mmi_window_t *w, int rank);
    uint64_t (*load)(mmi_window_t *w, int rank, uint64_t offset);
    void (*load_run)(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words, size_t count);
    /* load_run whose words are there after a flush. */
    void (*get_words)(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words, size_t count);
    /* load_run that gives up at a deadline: MOFKA_ERR_TIMEOUT, and `words` are not written, then or
     * later. Any thread that may call MPI. */
    mofka_status_t (*read_within)(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                                  size_t count, int64_t deadline);
    void (*store)(mmi_window_t *w, int rank, uint64_t offset, uint64_t value);
    uint64_t (*exchange)(mmi_window_t *w, int rank, uint64_t offset, uint64_t value);
    uint64_t (*fetch_add)(mmi_window_t *w, int rank, uint64_t offset, uint64_t add);
    /* Sleep until the word is no longer `seen`, or about `us` microseconds. */
    void (*sleep_on)(mmi_window_t *w, int rank, uint64_t offset, uint64_t seen, int64_t us);
    /* Ring: change the word, wake so many of its sleepers. rma: nothing, sleepers poll. */
    void (*ring)(mmi_window_t *w, int rank, uint64_t offset, int sleepers);
    /* Optional: where a place of the window is in this process. */
    char *(*address)(mmi_window_t *w, int rank, uint64_t offset);
    /* rma: tell the rank's progress thread that its memory is in use; complete at the next flush. */
    void (*nudge)(mmi_window_t *w, int rank);
    /* Make the pages of a range real. MOFKA_ERR_FULL when the node has none left. */
    mofka_status_t (*populate)(mmi_window_t *w, int rank, uint64_t offset, uint64_t bytes);
    /* Free it; collective once the MPI window exists. */
    void (*destroy)(mmi_window_t *w);
} mmi_window_ops_t;

struct mmi_window {
    const mmi_window_ops_t *ops;
    int rank, size;
    char **base;         /* shm, heap: each rank's memory here; rma: own only; on a page's start */
    MPI_Aint *skip;      /* rma: bytes of each rank's window before its page starts; else NULL */
    size_t cache_bytes;  /* of a last-level cache, where put_past_caches is there */
    size_t run_words;    /* as many words as are worth loading at a time */
    int64_t spin_ns;     /* how long to look again before sleeping; 0: ranks share cores */
    bool one_thread;     /* MPI may be called by `thread` only */
    _Atomic bool shut;   /* appends give up; see mmi_window_shut */
    _Atomic int appends; /* under way in this process */
    pthread_t thread;
    MPI_Win win;           /* MPI_WIN_NULL for heap, and until it is made */
    struct mmi_late *late; /* rma: reads that were given up, and may yet come; see late_lock */
    pthread_mutex_t late_lock;
    _Atomic int fault; /* whether an MPI call failed; see mmi_window_fault */
    char message[256]; /* of the first one that failed */
};

/* Local: memory only, ops->open makes the window. */
mofka_status_t mmi_window_shm(int rank, int size, mmi_window_t **window);
mofka_status_t mmi_window_rma(int rank, int size, mmi_window_t **window);
/* For tests: rank `rank` of `size` threads over `bases`; open already. */
mofka_status_t mmi_window_heap(char **bases, int rank, int size, mmi_window_t **window);
/* For them: zero but for what is given, with room for `bases` addresses. NULL: no memory. */
mmi_window_t *mmi_window_new(const mmi_window_ops_t *ops, int rank, int size, size_t bases);
/* The first page start at or behind an address. MPI's windows begin anywhere (Open MPI: 264 bytes into
 * a page), which would lay words across cache lines and slows large copies down many times. */
char *mmi_page_start(void *memory);
/* Make pages real: MOFKA_ERR_FULL now instead of a signal later. */
mofka_status_t mmi_populate(void *memory, uint64_t bytes, int rank);

/* MOFKA_ERR_UNSUPPORTED in a thread that may not call MPI, where the window's operations do. */
mofka_status_t mmi_window_may_call(const mmi_window_t *window);
/* Before the window goes away, while a pool's workers may still append: let none begin, none wait for
 * room any more, and wait until all have left. `window` itself stays, for those that come later. */
void mmi_window_shut(mmi_window_t *window);

/* Looking again for a while, before the first sleep. */
typedef struct mmi_spin {
    int64_t until_ns;
    unsigned looks, looks_per_clock;
} mmi_spin_t;
mmi_spin_t mmi_spin_start(const mmi_window_t *window);
/* Pause for a moment; false once it was long enough. */
bool mmi_spin(mmi_spin_t *spin);

/* MOFKA_OK, or the first error that an operation met. */
mofka_status_t mmi_window_check(mmi_window_t *window);
/* Read one word, or more words that nobody changes meanwhile. Blocks: until the rank answers, at most
 * until `deadline`; INT64_MAX: no deadline. MOFKA_ERR_TIMEOUT. */
mofka_status_t mmi_window_read(mmi_window_t *window, int rank, uint64_t offset, uint64_t *words,
                               size_t count, int64_t deadline);
/* Make a range zero, from this rank; complete on return. */
mofka_status_t mmi_window_zero(mmi_window_t *window, int rank, uint64_t offset, uint64_t bytes);
/* Keep an MPI error, once. */
void mmi_window_fault(mmi_window_t *window, const char *call, int error);
mofka_status_t mmi_error(const char *call, int error);

/* Sleep `*us` microseconds, then double it up to `most`. */
void mmi_back_off(int64_t *us, int64_t most);

#endif
