/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operations on windows of remote memory. rma_open.c makes such a window.
 *
 *   operation             MPI                            round trips: MPICH, Open MPI over UCX
 *   load, load_run        Rget, see reads.c              1, 1
 *   store                 Put, flush                     1, 1
 *   fetch_add, exchange   Fetch_and_op, flush            1, 3
 *   put, get, get_words   Put, Get; complete by a flush  the flush: 1, 1
 *
 * These are the calls that every MPI has and tests most. Rget_accumulate is not among them: with
 * SUM or REPLACE it hangs or aborts in some releases of Open MPI (issues 14173, 14174). Nor is
 * Compare_and_swap: Open MPI 4.1.4 crashes in it. No operation has a count of 0, which Intel MPI
 * and Cray MPI refuse.
 *
 * A word is changed by one operation only: Put, SUM, or REPLACE. So no MPI has to make a Put atomic
 * towards its own atomics. A Put or a Get of an aligned word is never torn; trial.c tries that.
 *
 * A load has a request. So this rank can leave its core while it waits. It must, where ranks share
 * cores or the target's progress thread sleeps. A flush spins inside MPI. So in MPICH, where owners
 * run progress threads, a read goes before it (mmi_read_behind): under the same flush, so that both
 * are one round trip.
 *
 * With own_by_cpu, a rank uses its own share by loads and stores, which the unified model of MPI
 * allows; for fetch_add and exchange it calls MPI, because other ranks do. It is off where a
 * rank's own calls may be what lets other ranks reach its memory.
 */
#include "mpi/window/rma.h"
#include "mpi/window/share.h"

#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The most bytes of one operation: MPI counts are int. */
#define CHUNK_BYTES ((size_t)1 << 30)
/* The most pieces of one derived datatype, which bounds its memory. */
#define PIECES_MAX 8192
/* So many pieces need no memory. */
#define PIECES_FEW 32
/* The most puts that become one, and the largest of them. */
#define HELD_MAX 256
#define HELD_BYTES 16384

/* NULL: the place is reached by MPI only. */
static char *rma_own(const mmi_window_t *w, int rank, uint64_t offset) {
    return w->own_by_cpu && rank == w->rank ? w->base[0] + offset : NULL;
}

static _Atomic uint64_t *rma_own_word(const mmi_window_t *w, int rank, uint64_t offset) {
    assert(offset % 8 == 0);
    return (_Atomic uint64_t *)(void *)rma_own(w, rank, offset);
}

/* An operation on a place begins, which a flush will complete: where MPI finds the place. */
static MPI_Aint rma_begin(mmi_window_t *w, int rank, uint64_t offset) {
    atomic_store_explicit(&w->begun[rank], true, memory_order_relaxed);
    return mmi_rma_place(w, rank, offset);
}

/* See rma_move. The error of MPI. */
static int rma_move_by_types(mmi_window_t *w, int rank, int count, const int *lengths,
                             const MPI_Aint *here, const MPI_Aint *there, bool puts) {
    MPI_Datatype types[2] = {MPI_DATATYPE_NULL, MPI_DATATYPE_NULL};
    const MPI_Aint *const places[2] = {here, there};
    int error = MPI_SUCCESS;
    assert(count > 0);
    for (int i = 0; i < 2 && !error; i++) {
        error = MPI_Type_create_hindexed(count, lengths, places[i], MPI_BYTE, &types[i]);
        error = error ? error : MPI_Type_commit(&types[i]);
    }
    if (!error)
        error = puts ? MPI_Put(MPI_BOTTOM, 1, types[0], rank, 0, 1, types[1], w->win)
                     : MPI_Get(MPI_BOTTOM, 1, types[0], rank, 0, 1, types[1], w->win);
    for (int i = 0; i < 2; i++)
        if (types[i] != MPI_DATATYPE_NULL)
            MPI_Type_free(&types[i]);
    return error;
}

/* Move pieces, which have at most CHUNK_BYTES together, by one operation of a datatype on each
 * side: from memory to the rank's window, or back. */
static void rma_move(mmi_window_t *w, int rank, int count, const int *lengths, const MPI_Aint *here,
                     const MPI_Aint *there, bool puts) {
    atomic_fetch_add(&w->inside, 1);
    mmi_window_left_mpi(w, rank, puts ? "MPI_Put" : "MPI_Get",
                        rma_move_by_types(w, rank, count, lengths, here, there, puts));
}

/* ---- puts that are held back ----------------------------------------------------------------- */

/* Of one thread: puts to a rank that become one operation. Words are put behind it, each for
 * itself, because a reader must never see a part of one; and last the word that wakes the owner. */
typedef struct held_puts {
    mmi_window_t *w; /* NULL: puts are not held back */
    int rank, count, word_count;
    bool nudges;
    int lengths[HELD_MAX];
    MPI_Aint from[HELD_MAX], to[HELD_MAX];
    const uint64_t *words[HELD_MAX];
    uint64_t places[HELD_MAX]; /* of the words */
} held_puts_t;

static _Thread_local held_puts_t held;

/* Stores are in an order that others rely on: none follows one that is missing. */
static void rma_put_one_word(mmi_window_t *w, int rank, uint64_t offset, const uint64_t *value) {
    assert(offset % 8 == 0);
    if (mmi_window_is_faulty(w, rank))
        return;
    MMI_TRY(w, rank, MPI_Put, value, 1, MPI_UINT64_T, rank, rma_begin(w, rank, offset), 1,
            MPI_UINT64_T, w->win);
}

static void held_send(void) {
    if (held.count > 0)
        rma_move(held.w, held.rank, held.count, held.lengths, held.from, held.to, true);
    for (int i = 0; i < held.word_count; i++)
        rma_put_one_word(held.w, held.rank, held.places[i], held.words[i]);
    held.count = held.word_count = 0;
}

/* Complete this process's operations at a rank. A flush spins inside MPI, and the target's progress
 * thread may need this core. So where there are such threads, a read behind the operations waits
 * first; its answer mostly comes last, and then the flush does not wait. */
static void rma_complete(mmi_window_t *w, int rank) {
    held_send();
    if (w->nudges && rank != w->rank && atomic_exchange(&w->begun[rank], false))
        mmi_read_behind(w, rank);
    MMI_TRY(w, rank, MPI_Win_flush, rank, w->win);
}

/* False: the put is not held back. */
static bool held_add(mmi_window_t *w, int rank, uint64_t offset, const void *source, size_t bytes) {
    if (held.w != w || held.rank != rank || bytes > HELD_BYTES)
        return false;
    if (held.count == HELD_MAX)
        held_send();
    held.lengths[held.count] = (int)bytes;
    held.to[held.count] = rma_begin(w, rank, offset);
    MPI_Get_address(source, &held.from[held.count++]);
    return true;
}

static bool held_add_word(const mmi_window_t *w, int rank, uint64_t offset, const uint64_t *value) {
    if (held.w != w || held.rank != rank)
        return false;
    if (held.word_count == HELD_MAX)
        held_send();
    held.places[held.word_count] = offset;
    held.words[held.word_count++] = value;
    return true;
}

/* The progress thread only looks whether the word differs, so any other value will do. MPI reads
 * the value until the flush, so the window keeps it; a race between threads leaves one that
 * changed. */
static void rma_nudge(mmi_window_t *w, int rank) {
    assert(w->nudges);
    if (rank == w->rank)
        return;
    if (held.w == w && held.rank == rank) {
        held.nudges = true; /* one is enough */
        return;
    }
    uint64_t *value = &w->nudge_values[rank];
    __atomic_fetch_add(value, (uint64_t)w->size, __ATOMIC_RELAXED);
    rma_put_one_word(w, rank, offsetof(mmi_share_t, activity), value);
}

/* Not where the network writes memory by itself: there, small puts cost little. */
static void rma_hold_puts(mmi_window_t *w, int rank) {
    assert(!held.w && held.count == 0 && held.word_count == 0);
    held.w = w->nudges && !rma_own(w, rank, 0) ? w : NULL;
    held.rank = rank;
    held.nudges = false;
}

static void rma_send_puts(mmi_window_t *w) {
    held_send();
    held.w = NULL;
    if (held.nudges)
        rma_nudge(w, held.rank);
    held.nudges = false;
}

static void rma_put(mmi_window_t *w, int rank, uint64_t offset, const void *source, size_t bytes) {
    char *own = rma_own(w, rank, offset);
    if (own) {
        memcpy(own, source, bytes);
        return;
    }
    if (held_add(w, rank, offset, source, bytes))
        return;
    for (size_t done = 0; done < bytes; done += CHUNK_BYTES) {
        int count = (int)(bytes - done < CHUNK_BYTES ? bytes - done : CHUNK_BYTES);
        MMI_TRY(w, rank, MPI_Put, (const char *)source + done, count, MPI_BYTE, rank,
                rma_begin(w, rank, offset + done), count, MPI_BYTE, w->win);
    }
}

static void rma_get(mmi_window_t *w, int rank, uint64_t offset, void *target, size_t bytes) {
    const char *own = rma_own(w, rank, offset);
    if (own) {
        memcpy(target, own, bytes);
        return;
    }
    for (size_t done = 0; done < bytes; done += CHUNK_BYTES) {
        int count = (int)(bytes - done < CHUNK_BYTES ? bytes - done : CHUNK_BYTES);
        MMI_TRY(w, rank, MPI_Get, (char *)target + done, count, MPI_BYTE, rank,
                rma_begin(w, rank, offset + done), count, MPI_BYTE, w->win);
    }
}

/* Without memory, each piece is an operation. */
static void rma_get_pieces(mmi_window_t *w, int rank, const mmi_piece_t *pieces, size_t count) {
    if (count == 1 || rma_own(w, rank, 0)) {
        for (size_t i = 0; i < count; i++)
            rma_get(w, rank, pieces[i].offset, pieces[i].target, pieces[i].bytes);
        return;
    }
    size_t room = count < PIECES_MAX ? count : PIECES_MAX;
    int few_lengths[PIECES_FEW], *lengths = few_lengths;
    MPI_Aint few_places[2 * PIECES_FEW], *here = few_places;
    if (room > PIECES_FEW) {
        lengths = malloc(room * sizeof *lengths);
        here = malloc(2 * room * sizeof *here);
    }
    size_t most = lengths && here ? room : 0;
    for (size_t first = 0, n; first < count; first += n) {
        size_t bytes = 0;
        for (n = 0; n < most && first + n < count; n++) {
            const mmi_piece_t *piece = &pieces[first + n];
            if (piece->bytes > CHUNK_BYTES - bytes)
                break;
            bytes += piece->bytes;
            lengths[n] = (int)piece->bytes;
            MPI_Get_address(piece->target, &here[n]);
            here[room + n] = rma_begin(w, rank, piece->offset);
        }
        if (n < 2) {
            n = 1;
            rma_get(w, rank, pieces[first].offset, pieces[first].target, pieces[first].bytes);
        } else {
            rma_move(w, rank, (int)n, lengths, here, here + room, false);
        }
    }
    if (room > PIECES_FEW) {
        free(lengths);
        free(here);
    }
}

static mofka_status_t rma_flush(mmi_window_t *w, int rank) {
    atomic_store(&w->unflushed[rank], false);
    if (rma_own(w, rank, 0))
        atomic_thread_fence(memory_order_seq_cst);
    else
        rma_complete(w, rank);
    return mmi_window_check(w, rank);
}

/* False: the words are reached by MPI only. */
static bool rma_load_own(const mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                         size_t count) {
    const _Atomic uint64_t *own = rma_own_word(w, rank, offset);
    for (size_t i = 0; own && i < count; i++)
        words[i] = atomic_load(&own[i]);
    return own;
}

static void rma_load_run(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                         size_t count) {
    if (!rma_load_own(w, rank, offset, words, count))
        mmi_read_words(w, rank, offset, words, count);
}

static mofka_status_t rma_read_within(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                                      size_t count, int64_t deadline) {
    return rma_load_own(w, rank, offset, words, count)
               ? MOFKA_OK
               : mmi_read_within(w, rank, offset, words, count, deadline);
}

static void rma_get_words(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                          size_t count) {
    assert(count > 0 && count <= MMI_RUN_WORDS_MAX && offset % 8 == 0);
    if (rma_load_own(w, rank, offset, words, count))
        return;
    memset(words, 0, count * sizeof *words);
    MMI_TRY(w, rank, MPI_Get, words, (int)count, MPI_UINT64_T, rank, rma_begin(w, rank, offset),
            (int)count, MPI_UINT64_T, w->win);
}

static uint64_t rma_load(mmi_window_t *w, int rank, uint64_t offset) {
    uint64_t word;
    rma_load_run(w, rank, offset, &word, 1);
    return word;
}

static void rma_put_word(mmi_window_t *w, int rank, uint64_t offset, const uint64_t *value) {
    _Atomic uint64_t *own = rma_own_word(w, rank, offset);
    if (own)
        atomic_store(own, *value);
    else if (!held_add_word(w, rank, offset, value))
        rma_put_one_word(w, rank, offset, value);
}

static void rma_store(mmi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    if (rma_own(w, rank, offset)) {
        rma_put_word(w, rank, offset, &value);
        return;
    }
    uint64_t one, *word = mmi_words_take(w, &one);
    *word = value;
    rma_put_word(w, rank, offset, word);
    rma_complete(w, rank);
    mmi_words_give(w, rank, word, &one);
}

/* `failed` is returned if MPI fails. */
static uint64_t rma_fetch_and_op(mmi_window_t *w, int rank, uint64_t offset, uint64_t value,
                                 MPI_Op op, uint64_t failed) {
    uint64_t two[2], *words = mmi_words_take(w, two);
    assert(offset % 8 == 0);
    words[0] = value;
    words[1] = failed;
    if (w->rma.serial_words)
        pthread_mutex_lock(&w->word_lock);
    MMI_TRY(w, rank, MPI_Fetch_and_op, &words[0], &words[1], MPI_UINT64_T, rank,
            rma_begin(w, rank, offset), op, w->win);
    rma_complete(w, rank);
    if (w->rma.serial_words)
        pthread_mutex_unlock(&w->word_lock);
    uint64_t old = words[1];
    mmi_words_give(w, rank, words, two);
    return old;
}

static uint64_t rma_exchange(mmi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    return rma_fetch_and_op(w, rank, offset, value, MPI_REPLACE, MMI_UNKNOWN);
}

static uint64_t rma_fetch_add(mmi_window_t *w, int rank, uint64_t offset, uint64_t add) {
    return rma_fetch_and_op(w, rank, offset, add, MPI_SUM, 0);
}

static void rma_fetch_add_start(mmi_window_t *w, int rank, uint64_t offset, const uint64_t *add,
                                uint64_t *old) {
    assert(offset % 8 == 0 && !w->rma.serial_words);
    if (rma_own(w, rank, offset)) { /* its flush does not call MPI */
        *old = rma_fetch_add(w, rank, offset, *add);
        return;
    }
    *old = 0;
    MMI_TRY(w, rank, MPI_Fetch_and_op, add, old, MPI_UINT64_T, rank, rma_begin(w, rank, offset),
            MPI_SUM, w->win);
}

/* The futex is the low half of the word, as in shm.c. */
static void rma_sleep_on(mmi_window_t *w, int rank, uint64_t offset, uint64_t seen, int64_t us) {
    _Atomic uint64_t *own = rma_own_word(w, rank, offset);
    assert(us > 0);
    if (!own) {
        mmi_back_off(&us, us);
        return;
    }
    struct timespec most = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    int saved = errno;
    syscall(SYS_futex, own, FUTEX_WAIT_PRIVATE, (uint32_t)seen, &most, NULL, 0);
    errno = saved;
}

static void rma_wake(mmi_window_t *w, int rank, uint64_t offset, int sleepers) {
    _Atomic uint64_t *own = rma_own_word(w, rank, offset);
    int saved = errno;
    if (own)
        syscall(SYS_futex, own, FUTEX_WAKE_PRIVATE, sleepers, NULL, NULL, 0);
    errno = saved;
}

/* The owner wrote every page when the window was made. */
static mofka_status_t rma_populate(mmi_window_t *w, int rank, uint64_t offset, uint64_t bytes) {
    (void)w, (void)rank, (void)offset, (void)bytes;
    return MOFKA_OK;
}

static const mmi_window_ops_t rma_ops = {
    .name = "rma",
    .needs_progress = true,
    .opens_zeroed = true,
    .open = mmi_rma_open,
    .put = rma_put,
    .get = rma_get,
    .get_pieces = rma_get_pieces,
    .hold_puts = rma_hold_puts,
    .send_puts = rma_send_puts,
    .flush = rma_flush,
    .load = rma_load,
    .load_run = rma_load_run,
    .get_words = rma_get_words,
    .read_within = rma_read_within,
    .store = rma_store,
    .put_word = rma_put_word,
    .exchange = rma_exchange,
    .fetch_add = rma_fetch_add,
    .fetch_add_start = rma_fetch_add_start,
    .sleep_on = rma_sleep_on,
    .wake = rma_wake,
    .nudge = rma_nudge,
    .populate = rma_populate,
    .destroy = mmi_rma_destroy,
};

mofka_status_t mmi_window_create_rma(int rank, int size, const mmi_rma_options_t *options,
                                     mmi_window_t **window) {
    mmi_window_t *w = mmi_window_create(&rma_ops, rank, size, 1);
    MPI_Aint *skip = calloc((size_t)size, sizeof *skip);
    uint64_t *nudges = calloc((size_t)size, sizeof *nudges);
    _Atomic bool *unflushed = calloc((size_t)size, sizeof *unflushed);
    _Atomic bool *begun = calloc((size_t)size, sizeof *begun);
    _Atomic int *slow_words = calloc((size_t)size, sizeof *slow_words);
    if (w) {
        w->rma = *options;
        w->name = options->node == MPI_COMM_NULL ? rma_ops.name : "node";
        w->run_words = MMI_RUN_WORDS_MAX;
        w->skip = skip;
        w->nudge_values = nudges;
        w->unflushed = unflushed;
        w->begun = begun;
        w->slow_words = slow_words;
        /* No two ranks put the same value, nor the same low half. */
        for (int i = 0; nudges && i < size; i++)
            nudges[i] = (uint64_t)rank;
    }
    if (w && skip && nudges && unflushed && begun && slow_words && mmi_reads_create(w) &&
        (options->node == MPI_COMM_NULL || !mmi_window_create_near(w))) {
        *window = w;
        return MOFKA_OK;
    }
    if (w) {
        mmi_rma_destroy(w);
    } else {
        free(skip);
        free(nudges);
        free(unflushed);
        free(begun);
        free(slow_words);
    }
    return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a window");
}
