/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads words of rma windows, by MPI_Rget.
 *
 * A caller can give up, and MPI cannot: an operation writes its memory until it completes. So the
 * memory is the window's, and what was given up is kept until then.
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
/* How often one call begins a read, and how many reads of a rank are kept, at most. */
#define TRIES_MAX 16
#define LATE_MAX 64
/* Reads for which there is memory from the start, so that few threads never need more. */
#define READS_FIRST 8
/* Looks at kept reads when the window's operations have completed. */
#define LAST_LOOKS 100

typedef struct mmi_read {
    struct mmi_read *next;
    MPI_Request request;
    int rank;
    bool passed; /* a later read of the rank was answered, so this answer may be lost */
    uint64_t words[MMI_RUN_WORDS_MAX];
} mmi_read_t;

/* NULL: no memory. */
static mmi_read_t *read_take(mmi_window_t *w) {
    pthread_mutex_lock(&w->reads_lock);
    mmi_read_t *read = w->free_reads;
    if (read)
        w->free_reads = read->next;
    pthread_mutex_unlock(&w->reads_lock);
    return read ? read : malloc(sizeof *read);
}

static void read_push(mmi_read_t **list, mmi_read_t *read) {
    read->next = *list;
    *list = read;
}

static bool read_is_answered(mmi_window_t *w, mmi_read_t *read) {
    int done = 1;
    if (read->request != MPI_REQUEST_NULL)
        MMI_TRY(w, read->rank, MPI_Test, &read->request, &done, MPI_STATUS_IGNORE);
    return done;
}

static void read_begin(mmi_window_t *w, mmi_read_t *read, int rank, uint64_t offset, size_t count) {
    assert(count > 0 && count <= MMI_RUN_WORDS_MAX && offset % 8 == 0);
    read->next = NULL;
    read->request = MPI_REQUEST_NULL;
    read->rank = rank;
    read->passed = false;
    memset(read->words, 0, count * sizeof read->words[0]);
    MMI_TRY(w, rank, MPI_Rget, read->words, (int)count, MPI_UINT64_T, rank,
            mmi_rma_place(w, rank, offset), (int)count, MPI_UINT64_T, w->win, &read->request);
}

/* Remove the first read that is answered from the list. NULL: none is. */
static mmi_read_t *reads_take_answered(mmi_window_t *w, mmi_read_t **list) {
    for (mmi_read_t **at = list; *at; at = &(*at)->next) {
        mmi_read_t *read = *at;
        if (read_is_answered(w, read)) {
            *at = read->next;
            return read;
        }
    }
    return NULL;
}

/* Wait for the first answer, and begin the read again meanwhile, until it was begun `most` times.
 * NULL: the deadline passed. */
static mmi_read_t *reads_wait(mmi_window_t *w, mmi_read_t **tries, int most, uint64_t offset,
                              size_t count, int64_t deadline_ns) {
    int64_t us = 10, yield_until = 0, again_at = 0, span = AGAIN_NS;
    int rank = (*tries)->rank, begun = 1;
    mmi_read_t *answered, *more;
    for (int looks = 0; !(answered = reads_take_answered(w, tries)); looks++) {
        if (w->spin_ns && looks < SPIN_TESTS)
            continue;
        int64_t now = mmi_now_ns();
        if (now >= deadline_ns)
            return NULL;
        if (yield_until == 0) {
            yield_until = now + YIELD_NS;
            again_at = now + span;
        }
        if (now >= again_at && begun < most && (more = read_take(w))) {
            read_begin(w, more, rank, offset, count);
            read_push(tries, more);
            begun++;
            span = 2 * span < AGAIN_NS_MAX ? 2 * span : AGAIN_NS_MAX;
            again_at = now + span;
        }
        if (now < yield_until)
            sched_yield();
        else
            mmi_back_off(&us, SLEEP_US_MAX);
    }
    return answered;
}

/* Keep what was not answered. `answered`: another read of the rank was. */
static void reads_keep(mmi_window_t *w, int rank, mmi_read_t *tries, mmi_read_t *answered) {
    pthread_mutex_lock(&w->reads_lock);
    for (mmi_read_t *read; (read = tries);) {
        tries = read->next;
        read_push(&w->late_reads, read);
    }
    for (mmi_read_t *read = w->late_reads; answered && read; read = read->next)
        read->passed |= read->rank == rank;
    if (answered)
        read_push(&w->free_reads, answered);
    pthread_mutex_unlock(&w->reads_lock);
}

/* With the lock. */
static void reads_collect(mmi_window_t *w) {
    for (mmi_read_t *read; (read = reads_take_answered(w, &w->late_reads));)
        read_push(&w->free_reads, read);
}

/* Returns how many reads of a rank are kept whose answers are still expected. */
static size_t reads_count_late(mmi_window_t *w, int rank) {
    size_t count = 0;
    pthread_mutex_lock(&w->reads_lock);
    reads_collect(w);
    for (mmi_read_t *read = w->late_reads; read; read = read->next)
        count += read->rank == rank && !read->passed;
    pthread_mutex_unlock(&w->reads_lock);
    return count;
}

void mmi_read_words(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words, size_t count) {
    mmi_read_t own, *tries = read_take(w);
    int most = tries ? TRIES_MAX : 1;
    if (!tries) /* no memory: `own` is in use until it is answered */
        tries = &own;
    read_begin(w, tries, rank, offset, count);
    mmi_read_t *answered = reads_wait(w, &tries, most, offset, count, INT64_MAX);
    memcpy(words, answered->words, count * sizeof *words);
    if (answered != &own)
        reads_keep(w, rank, tries, answered);
}

mofka_status_t mmi_read_within(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                               size_t count, int64_t deadline) {
    for (int64_t us = 10; reads_count_late(w, rank) >= LATE_MAX;) {
        if (mmi_now_ms() >= deadline)
            return mofka_fail(MOFKA_ERR_TIMEOUT, "rank %d has not answered earlier reads", rank);
        mmi_back_off(&us, 1000);
    }
    mmi_read_t *tries = read_take(w);
    if (!tries)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory to read of rank %d", rank);
    read_begin(w, tries, rank, offset, count);
    int64_t deadline_ns = deadline < INT64_MAX / 1000000 ? deadline * 1000000 : INT64_MAX;
    mmi_read_t *answered = reads_wait(w, &tries, TRIES_MAX, offset, count, deadline_ns);
    mofka_status_t status =
        answered ? mmi_window_check(w, rank)
                 : mofka_fail(MOFKA_ERR_TIMEOUT, "rank %d did not answer a read in time", rank);
    if (!status)
        memcpy(words, answered->words, count * sizeof *words);
    reads_keep(w, rank, tries, answered);
    return status;
}

bool mmi_reads_create(mmi_window_t *w) {
    for (int i = 0; i < READS_FIRST; i++) {
        mmi_read_t *read = malloc(sizeof *read);
        if (!read)
            return false;
        read_push(&w->free_reads, read);
    }
    return true;
}

static void reads_free(mmi_read_t **list) {
    for (mmi_read_t *read; (read = *list);) {
        *list = read->next;
        free(read);
    }
}

void mmi_reads_destroy(mmi_window_t *w) {
    for (int i = 0; i < LAST_LOOKS && w->late_reads; i++) /* complete, unless they are lost */
        reads_collect(w);
    reads_free(&w->late_reads);
    reads_free(&w->free_reads);
}
