/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads words of rma windows, by MPI_Rget.
 *
 * A caller can give up, and MPI cannot: an operation writes its memory until it completes. So the
 * memory is the window's, and what is not over yet is kept.
 *
 * A read whose answer is late is begun again, and the first answer counts. For the answer may be
 * lost: in Open MPI 4.1.4 over UCX, a request of MPI_Rget never completes if another thread drives
 * MPI just before that function returns (ompi_osc_ucx_rget begins the operation, then notes its
 * request).
 */
#include "mpi/window/rma.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* Waiting for an answer: calls of MPI_Test before it yields, the time before it sleeps, and the
 * longest sleep. */
#define SPIN_TESTS 200
#define YIELD_NS 50000
#define SLEEP_US_MAX 200
/* When a read is begun again; this doubles each time, up to a limit. */
#define AGAIN_NS INT64_C(50000000)
#define AGAIN_NS_MAX INT64_C(5000000000)
/* How often one call begins a read, at most. */
#define TRIES_MAX 16
/* Reads of a rank whose answers are expected, before a read that has a deadline begins. */
#define LATE_MAX 64
/* How long a read before a flush yields until it sleeps: large puts are pieces that this rank sends
 * while it waits. */
#define BEHIND_YIELD_NS 2000000
/* Kept reads that each call looks at, so that they do not become many. */
#define KEPT_LOOKS 2
/* Reads for which there is memory from the start, so that few threads never need more. */
#define READS_FIRST 8
/* Looks at all kept reads when the window's operations have completed. */
#define LAST_LOOKS 100

typedef struct mmi_read {
    struct mmi_read *next;
    MPI_Request request;
    int rank;
    bool failed;     /* MPI reported an error: it may write the words until the epoch ends */
    uint64_t number; /* of the window's reads, in the order in which they began */
    size_t room;     /* words; more than MMI_RUN_WORDS_MAX: it is not used again */
    uint64_t words[];
} mmi_read_t;

/* NULL: no memory. */
static mmi_read_t *read_create(size_t room) {
    mmi_read_t *read = malloc(sizeof *read + room * sizeof read->words[0]);
    if (read)
        read->room = room;
    return read;
}

/* A read with room for `count` words. NULL: no memory. */
static mmi_read_t *read_take(mmi_window_t *w, size_t count) {
    if (count > MMI_RUN_WORDS_MAX)
        return read_create(count);
    pthread_mutex_lock(&w->reads.lock);
    mmi_read_t *read = w->reads.free;
    if (read)
        w->reads.free = read->next;
    pthread_mutex_unlock(&w->reads.lock);
    return read ? read : read_create(MMI_RUN_WORDS_MAX);
}

static void read_push(mmi_read_t **list, mmi_read_t *read) {
    read->next = *list;
    *list = read;
}

/* Answered, or failed. */
static bool read_is_over(mmi_window_t *w, mmi_read_t *read) {
    int done = 0;
    if (!read->failed)
        read->failed = MMI_TRY(w, read->rank, MPI_Test, &read->request, &done, MPI_STATUS_IGNORE);
    return done || read->failed;
}

static void read_begin(mmi_window_t *w, mmi_read_t *read, int rank, uint64_t offset, size_t count) {
    assert(count > 0 && count <= read->room && offset % 8 == 0);
    read->next = NULL;
    read->request = MPI_REQUEST_NULL;
    read->rank = rank;
    read->number = atomic_fetch_add(&w->reads.begun, 1) + 1;
    memset(read->words, 0, count * sizeof read->words[0]);
    read->failed =
        MMI_TRY(w, rank, MPI_Rget, read->words, (int)count, MPI_UINT64_T, rank,
                mmi_rma_place(w, rank, offset), (int)count, MPI_UINT64_T, w->win, &read->request);
}

/* Remove the first read that is over from the list. NULL: none is. */
static mmi_read_t *reads_take_over(mmi_window_t *w, mmi_read_t **list) {
    for (mmi_read_t **at = list; *at; at = &(*at)->next) {
        mmi_read_t *read = *at;
        if (read_is_over(w, read)) {
            *at = read->next;
            return read;
        }
    }
    return NULL;
}

/* Wait until the first is over, and begin the read again meanwhile. `hurries`: the answer is worth
 * some CPU time. NULL: the deadline passed. */
static mmi_read_t *reads_wait(mmi_window_t *w, mmi_read_t **tries, uint64_t offset, size_t count,
                              bool hurries, int64_t deadline_ns) {
    int64_t us = 10, yield_until = 0, again_at = 0, span = AGAIN_NS;
    int rank = (*tries)->rank, begun = 1;
    mmi_read_t *first, *more;
    for (int looks = 0; !(first = reads_take_over(w, tries)); looks++) {
        if (hurries && w->spin_ns && looks < SPIN_TESTS)
            continue;
        int64_t now = mmi_now_ns();
        if (now >= deadline_ns)
            return NULL;
        if (yield_until == 0) {
            yield_until = now + YIELD_NS;
            again_at = now + span;
        }
        if (now >= again_at && begun < TRIES_MAX && (more = read_take(w, count))) {
            read_begin(w, more, rank, offset, count);
            read_push(tries, more);
            begun++;
            span = 2 * span < AGAIN_NS_MAX ? 2 * span : AGAIN_NS_MAX;
            again_at = now + span;
        }
        if (hurries && now < yield_until)
            sched_yield();
        else
            mmi_back_off(&us, SLEEP_US_MAX);
    }
    return first;
}

/* With the lock: the read is not under way, unless it failed. */
static void reads_put_away(mmi_window_t *w, mmi_read_t *read) {
    if (read->room > MMI_RUN_WORDS_MAX && !read->failed)
        free(read);
    else
        read_push(read->failed ? &w->reads.failed : &w->reads.free, read);
}

/* With the lock. */
static void reads_append_late(mmi_window_t *w, mmi_read_t *read) {
    mmi_read_t **end = w->reads.late ? &w->reads.last->next : &w->reads.late;
    read->next = NULL;
    *end = w->reads.last = read;
}

/* With the lock: look at the oldest kept reads, and put those away that are over. */
static void reads_look(mmi_window_t *w, size_t looks) {
    for (mmi_read_t *read; looks > 0 && (read = w->reads.late); looks--) {
        w->reads.late = read->next;
        if (read_is_over(w, read))
            reads_put_away(w, read);
        else
            reads_append_late(w, read);
    }
}

/* The end of a call that began at `begun_ms`: keep what is under way. `first`: what was over first;
 * NULL: nothing was. */
static void reads_end(mmi_window_t *w, mmi_read_t *tries, mmi_read_t *first, int64_t begun_ms) {
    pthread_mutex_lock(&w->reads.lock);
    int64_t *silent_ms = &w->reads.silent_ms[first ? first->rank : tries->rank];
    *silent_ms = first ? 0 : *silent_ms ? *silent_ms : begun_ms;
    if (first) {
        uint64_t *answered = &w->reads.answered[first->rank];
        *answered = first->number > *answered ? first->number : *answered;
        reads_put_away(w, first);
    }
    for (mmi_read_t *read; (read = tries);) {
        tries = read->next;
        reads_append_late(w, read);
    }
    reads_look(w, KEPT_LOOKS);
    pthread_mutex_unlock(&w->reads.lock);
}

/* Returns how many reads of a rank are kept whose answers are expected: they began after the latest
 * one that was answered. The others may be lost. */
static size_t reads_count_late(mmi_window_t *w, int rank) {
    size_t kept = 0, count = 0;
    pthread_mutex_lock(&w->reads.lock);
    for (const mmi_read_t *read = w->reads.late; read; read = read->next)
        kept++;
    reads_look(w, kept);
    for (const mmi_read_t *read = w->reads.late; read; read = read->next)
        count += read->rank == rank && read->number > w->reads.answered[rank];
    pthread_mutex_unlock(&w->reads.lock);
    return count;
}

uint64_t *mmi_words_take(mmi_window_t *w, uint64_t *own) {
    mmi_read_t *read = read_take(w, 1);
    return read ? read->words : own;
}

void mmi_words_give(mmi_window_t *w, int rank, uint64_t *words, const uint64_t *own) {
    if (words == own)
        return;
    mmi_read_t *read = (mmi_read_t *)(void *)((char *)words - offsetof(mmi_read_t, words));
    read->failed = atomic_load(&w->faulty[rank]);
    pthread_mutex_lock(&w->reads.lock);
    reads_put_away(w, read);
    pthread_mutex_unlock(&w->reads.lock);
}

/* Without memory for a read. */
static void read_directly(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                          size_t count) {
    memset(words, 0, count * sizeof *words);
    MMI_TRY(w, rank, MPI_Get, words, (int)count, MPI_UINT64_T, rank, mmi_rma_place(w, rank, offset),
            (int)count, MPI_UINT64_T, w->win);
    MMI_TRY(w, rank, MPI_Win_flush, rank, w->win);
}

void mmi_read_words(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words, size_t count) {
    mmi_read_t *tries = read_take(w, count);
    if (!tries) {
        read_directly(w, rank, offset, words, count);
        return;
    }
    read_begin(w, tries, rank, offset, count);
    mmi_read_t *first = reads_wait(w, &tries, offset, count, true, INT64_MAX);
    memcpy(words, first->words, count * sizeof *words);
    reads_end(w, tries, first, 0);
}

void mmi_read_behind(mmi_window_t *w, int rank) {
#ifdef OPEN_MPI
    (void)w, (void)rank;
#else
    mmi_read_t *read = read_take(w, 1);
    if (!read)
        return;
    int64_t yield_until = mmi_now_ns() + BEHIND_YIELD_NS, us = 10;
    atomic_fetch_add(&w->inside, 1); /* between two tests, too: see driver/progress.c */
    read_begin(w, read, rank, 0, 1);
    while (!read_is_over(w, read))
        if (mmi_now_ns() < yield_until)
            sched_yield();
        else
            mmi_back_off(&us, SLEEP_US_MAX);
    atomic_fetch_sub(&w->inside, 1);
    reads_end(w, NULL, read, 0);
#endif
}

mofka_status_t mmi_read_within(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                               size_t count, int64_t deadline) {
    const int64_t begun_ms = mmi_now_ms();
    for (int64_t us = 10; reads_count_late(w, rank) >= LATE_MAX;) {
        if (mmi_now_ms() >= deadline)
            return mofka_fail(MOFKA_ERR_TIMEOUT, "rank %d has not answered earlier reads", rank);
        mmi_back_off(&us, 1000);
    }
    mmi_read_t *tries = read_take(w, count);
    if (!tries)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to read of rank %d", rank);
    read_begin(w, tries, rank, offset, count);
    int64_t deadline_ns = deadline < INT64_MAX / 1000000 ? deadline * 1000000 : INT64_MAX;
    mmi_read_t *first = reads_wait(w, &tries, offset, count, false, deadline_ns);
    mofka_status_t status =
        first ? mmi_window_check(w, rank)
              : mofka_fail(MOFKA_ERR_TIMEOUT, "rank %d did not answer a read in time", rank);
    if (!status)
        memcpy(words, first->words, count * sizeof *words);
    reads_end(w, tries, first, begun_ms);
    return status;
}

int64_t mmi_rank_silent_ms(mmi_window_t *w, int rank) {
    int64_t silent_ms = 0;
    assert(rank >= 0 && rank < w->size);
    if (!w->reads.silent_ms) /* memory that needs no answer */
        return 0;
    pthread_mutex_lock(&w->reads.lock);
    silent_ms = w->reads.silent_ms[rank];
    pthread_mutex_unlock(&w->reads.lock);
    return silent_ms;
}

bool mmi_reads_create(mmi_window_t *w) {
    w->reads.answered = calloc((size_t)w->size, sizeof *w->reads.answered);
    w->reads.silent_ms = calloc((size_t)w->size, sizeof *w->reads.silent_ms);
    for (int i = 0; i < READS_FIRST; i++) {
        mmi_read_t *read = read_create(MMI_RUN_WORDS_MAX);
        if (!read)
            return false;
        read_push(&w->reads.free, read);
    }
    return w->reads.answered && w->reads.silent_ms;
}

static void reads_free(mmi_read_t *list) {
    for (mmi_read_t *read; (read = list);) {
        list = read->next;
        free(read);
    }
}

void mmi_reads_destroy(mmi_window_t *w, bool ended) {
    for (int i = 0; i < LAST_LOOKS && ended && w->reads.late; i++)
        reads_look(w, 1);
    if (ended) { /* what is late now is lost: nobody writes it */
        reads_free(w->reads.late);
        reads_free(w->reads.failed);
    }
    reads_free(w->reads.free);
    free(w->reads.answered);
    free(w->reads.silent_ms);
}
