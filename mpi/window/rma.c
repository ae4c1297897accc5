/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Windows of remote memory: MPI_Win_allocate, and one MPI_Win_lock_all for the window's life.
 *
 * The operations are Put, Get, Accumulate, Get_accumulate, Rget_accumulate and flush. A word is
 * changed by one operation only: SUM for counters, REPLACE for all others; NO_OP reads.
 * MPI_Compare_and_swap is not used, because Open MPI 4.1.4 crashes in it.
 *
 * If a caller waits for a word, the operation has a request. flush would spin; with a request, this
 * rank can leave its core while it waits. It must, where ranks share cores or the target's progress
 * thread sleeps.
 */
#include "mpi/window/rma.h"
#include "mpi/window/share.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* The most bytes of one operation: MPI counts are int. */
#define CHUNK_BYTES ((size_t)1 << 30)
/* The most pieces of one derived datatype, which bounds its memory. */
#define PIECES_MAX 8192
/* Waiting for one operation: calls of MPI_Test before it yields, and the time before it sleeps. */
#define SPIN_TESTS 200
#define YIELD_NS 50000

static void rma_put(mmi_window_t *w, int rank, uint64_t offset, const void *source, size_t bytes) {
    for (size_t done = 0; done < bytes; done += CHUNK_BYTES) {
        int count = (int)(bytes - done < CHUNK_BYTES ? bytes - done : CHUNK_BYTES);
        MMI_TRY(w, MPI_Put, (const char *)source + done, count, MPI_BYTE, rank,
                mmi_rma_place(w, rank, offset + done), count, MPI_BYTE, w->win);
    }
}

static void rma_get(mmi_window_t *w, int rank, uint64_t offset, void *target, size_t bytes) {
    for (size_t done = 0; done < bytes; done += CHUNK_BYTES) {
        int count = (int)(bytes - done < CHUNK_BYTES ? bytes - done : CHUNK_BYTES);
        MMI_TRY(w, MPI_Get, (char *)target + done, count, MPI_BYTE, rank,
                mmi_rma_place(w, rank, offset + done), count, MPI_BYTE, w->win);
    }
}

/* Get all pieces, which have at most CHUNK_BYTES together, by one MPI_Get of a datatype on each
 * side. */
static int rma_get_indexed(mmi_window_t *w, int rank, const mmi_piece_t *pieces, int count,
                           int *lengths, MPI_Aint *places) {
    assert(count > 1 && count <= PIECES_MAX);
    MPI_Datatype there = MPI_DATATYPE_NULL, here = MPI_DATATYPE_NULL;
    for (int i = 0; i < count; i++) {
        lengths[i] = (int)pieces[i].bytes;
        places[i] = mmi_rma_place(w, rank, pieces[i].offset);
    }
    int error = MPI_Type_create_hindexed(count, lengths, places, MPI_BYTE, &there);
    for (int i = 0; i < count; i++)
        MPI_Get_address(pieces[i].target, &places[i]);
    if (!error)
        error = MPI_Type_create_hindexed(count, lengths, places, MPI_BYTE, &here);
    if (!error)
        error = MPI_Type_commit(&there);
    if (!error)
        error = MPI_Type_commit(&here);
    if (!error)
        error = MPI_Get(MPI_BOTTOM, 1, here, rank, 0, 1, there, w->win);
    if (there != MPI_DATATYPE_NULL)
        MPI_Type_free(&there);
    if (here != MPI_DATATYPE_NULL)
        MPI_Type_free(&here);
    return error;
}

static void rma_get_pieces(mmi_window_t *w, int rank, const mmi_piece_t *pieces, size_t count) {
    if (count == 1) {
        rma_get(w, rank, pieces->offset, pieces->target, pieces->bytes);
        return;
    }
    size_t room = count < PIECES_MAX ? count : PIECES_MAX;
    int *lengths = malloc(room * sizeof *lengths);
    MPI_Aint *places = malloc(room * sizeof *places);
    for (size_t first = 0, n; first < count; first += n) {
        size_t bytes = 0;
        for (n = 0; first + n < count && n < room; n++) {
            if (pieces[first + n].bytes > CHUNK_BYTES - bytes)
                break;
            bytes += pieces[first + n].bytes;
        }
        if (n < 2 || !lengths || !places) {
            n = 1;
            rma_get(w, rank, pieces[first].offset, pieces[first].target, pieces[first].bytes);
        } else {
            MMI_TRY(w, rma_get_indexed, w, rank, pieces + first, (int)n, lengths, places);
        }
    }
    free(lengths);
    free(places);
}

static mofka_status_t rma_flush(mmi_window_t *w, int rank) {
    MMI_TRY(w, MPI_Win_flush, rank, w->win);
    return mmi_window_check(w);
}

bool mmi_rma_wait(mmi_window_t *w, MPI_Request *request, int64_t deadline_ns) {
    assert(*request != MPI_REQUEST_NULL);
    int done = 0;
    int64_t us = 10, yield_until = 0;
    for (int tries = 0; !done; tries++) {
        int error = MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (error) {
            mmi_window_fault(w, "MPI_Test", error);
            return true;
        }
        if (done || (w->spin_ns && tries < SPIN_TESTS))
            continue;
        int64_t now = mmi_now_ns();
        if (now >= deadline_ns)
            return false;
        if (yield_until == 0)
            yield_until = now + YIELD_NS;
        if (now < yield_until)
            sched_yield();
        else
            mmi_back_off(&us, 200);
    }
    return true;
}

const uint64_t mmi_rma_no_origin[MMI_RUN_WORDS_MAX];

/* Read `count` words with NO_OP, or change one word with another operation, and wait for the old
 * values. */
static void rma_get_accumulate(mmi_window_t *w, int rank, uint64_t offset, uint64_t value,
                               uint64_t *old, size_t count, MPI_Op op) {
    MPI_Request request = MPI_REQUEST_NULL;
    assert(count > 0 && (op == MPI_NO_OP || count == 1));
    memset(old, 0, count * sizeof *old);
    MMI_TRY(w, MPI_Rget_accumulate, op == MPI_NO_OP ? mmi_rma_no_origin : &value, (int)count,
            MPI_UINT64_T, old, (int)count, MPI_UINT64_T, rank, mmi_rma_place(w, rank, offset),
            (int)count, MPI_UINT64_T, op, w->win, &request);
    if (request != MPI_REQUEST_NULL)
        mmi_rma_wait(w, &request, INT64_MAX);
}

static void rma_load_run(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                         size_t count) {
    assert(count <= MMI_RUN_WORDS_MAX);
    rma_get_accumulate(w, rank, offset, 0, words, count, MPI_NO_OP);
}

static void rma_get_words(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                          size_t count) {
    assert(count <= MMI_RUN_WORDS_MAX);
    memset(words, 0, count * sizeof *words);
    MMI_TRY(w, MPI_Get_accumulate, words, 0, MPI_UINT64_T, words, (int)count, MPI_UINT64_T, rank,
            mmi_rma_place(w, rank, offset), (int)count, MPI_UINT64_T, MPI_NO_OP, w->win);
}

static uint64_t rma_load(mmi_window_t *w, int rank, uint64_t offset) {
    uint64_t word;
    rma_get_accumulate(w, rank, offset, 0, &word, 1, MPI_NO_OP);
    return word;
}

static uint64_t rma_exchange(mmi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    uint64_t old;
    rma_get_accumulate(w, rank, offset, value, &old, 1, MPI_REPLACE);
    return old;
}

/* A store is complete at the target once its old value has come back. */
static void rma_store(mmi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    rma_exchange(w, rank, offset, value);
}

static uint64_t rma_fetch_add(mmi_window_t *w, int rank, uint64_t offset, uint64_t add) {
    uint64_t old;
    rma_get_accumulate(w, rank, offset, add, &old, 1, MPI_SUM);
    return old;
}

static void rma_nudge(mmi_window_t *w, int rank) {
    static const uint64_t one = 1;
    if (rank != w->rank)
        MMI_TRY(w, MPI_Accumulate, &one, 1, MPI_UINT64_T, rank,
                mmi_rma_place(w, rank, offsetof(mmi_share_t, activity)), 1, MPI_UINT64_T, MPI_SUM,
                w->win);
}

static void rma_sleep_on(mmi_window_t *w, int rank, uint64_t offset, uint64_t seen, int64_t us) {
    (void)w, (void)rank, (void)offset, (void)seen;
    assert(us > 0);
    mmi_back_off(&us, us);
}

static void rma_wake(mmi_window_t *w, int rank, uint64_t offset, int sleepers) {
    (void)w, (void)rank, (void)offset, (void)sleepers;
}

/* The owner wrote every page when the window was made. */
static mofka_status_t rma_populate(mmi_window_t *w, int rank, uint64_t offset, uint64_t bytes) {
    (void)w, (void)rank, (void)offset, (void)bytes;
    return MOFKA_OK;
}

static void rma_destroy(mmi_window_t *w) {
    if (w->win != MPI_WIN_NULL) {
        MPI_Win_unlock_all(w->win);
        mmi_late_free(w);
        MPI_Win_free(&w->win);
    }
    if (atomic_load(&w->shut)) /* workers may still read `shut` */
        return;
    free(w->base);
    free(w->skip);
    free(w);
}

/* This rank's share exists: lock it for the window's life, and make it zero. */
static mofka_status_t rma_begin_epoch(mmi_window_t *w, uint64_t bytes) {
    assert(w->win != MPI_WIN_NULL && (uintptr_t)w->base[0] % MMI_PAGE_BYTES == 0);
    int error = MPI_Win_lock_all(MPI_MODE_NOCHECK, w->win);
    if (error)
        return mmi_mpi_fail("MPI_Win_lock_all", error);
    int *model, found;
    MPI_Win_get_attr(w->win, MPI_WIN_MODEL, &model, &found);
    if (!found || *model != MPI_WIN_UNIFIED)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED, "this MPI's windows are not MPI_WIN_UNIFIED");
    mofka_status_t status = mmi_pages_populate(w->base[0], bytes, w->rank);
    if (status)
        return status;
    memset(w->base[0], 0, bytes);
    MPI_Win_sync(w->win);
    return MOFKA_OK;
}

/* A rank whose allocation failed still takes part in the collective calls. */
static mofka_status_t rma_open(mmi_window_t *w, MPI_Comm comm, uint64_t bytes) {
    void *own = NULL;
    int failed =
        MPI_Win_allocate((MPI_Aint)bytes + MMI_PAGE_BYTES, 1, MPI_INFO_NULL, comm, &own, &w->win);
    if (failed) {
        w->win = MPI_WIN_NULL;
    } else {
        MPI_Win_set_errhandler(w->win, MPI_ERRORS_RETURN);
        w->base[0] = mmi_pages_start(own);
        w->skip[w->rank] = w->base[0] - (char *)own;
    }
    int error = MPI_Allgather(MPI_IN_PLACE, 1, MPI_AINT, w->skip, 1, MPI_AINT, comm);
    if (failed) {
        mmi_mpi_fail("MPI_Win_allocate", failed);
        return mofka_fail(
            MOFKA_ERR_UNSUPPORTED,
            "this MPI cannot create an \"rma\" window of %llu bytes (%s); \"shm\" works "
            "where all ranks share a node",
            (unsigned long long)bytes, mofka_last_error());
    }
    return error ? mmi_mpi_fail("MPI_Allgather", error) : rma_begin_epoch(w, bytes);
}

static const mmi_window_ops_t rma_ops = {
    .name = "rma",
    .needs_progress = true,
    .open = rma_open,
    .put = rma_put,
    .get = rma_get,
    .get_pieces = rma_get_pieces,
    .flush = rma_flush,
    .load = rma_load,
    .load_run = rma_load_run,
    .get_words = rma_get_words,
    .read_within = mmi_late_read,
    .store = rma_store,
    .exchange = rma_exchange,
    .fetch_add = rma_fetch_add,
    .sleep_on = rma_sleep_on,
    .wake = rma_wake,
    .nudge = rma_nudge,
    .populate = rma_populate,
    .destroy = rma_destroy,
};

mofka_status_t mmi_window_create_rma(int rank, int size, mmi_window_t **window) {
    mmi_window_t *w = mmi_window_create(&rma_ops, rank, size, 1);
    MPI_Aint *skip = calloc((size_t)size, sizeof *skip);
    if (!w || !skip) {
        if (w)
            rma_destroy(w);
        free(skip);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a window");
    }
    w->skip = skip;
    w->run_words = MMI_RUN_WORDS_MAX;
    *window = w;
    return MOFKA_OK;
}
