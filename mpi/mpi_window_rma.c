/*
 * Windows of remote memory: MPI_Win_allocate, one lock_all for the window's life, and only Put,
 * Get, Fetch_and_op, Accumulate, Get_accumulate and flush. One operation per word beside NO_OP: SUM
 * for counters, REPLACE for everything else. MPI_Compare_and_swap is not used: Open MPI 4.1.4
 * crashes in it.
 */
#include "mpi_window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* MPI counts are int. */
#define CHUNK_BYTES ((size_t)1 << 30)
/* Pieces of one derived datatype: bounds its memory. */
#define PIECES_MAX 8192

int64_t mofka_mpi_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t mofka_mpi_deadline(int64_t timeout_ms) {
    int64_t now = mofka_mpi_now_ms();
    if (timeout_ms < 0 || timeout_ms >= INT64_MAX - now)
        return INT64_MAX;
    return now + timeout_ms + (timeout_ms > 0); /* `now` was rounded down: never too early */
}

void mofka_mpi_back_off(int64_t *us, int64_t most) {
    struct timespec span = {.tv_sec = *us / 1000000, .tv_nsec = *us % 1000000 * 1000};
    nanosleep(&span, NULL);
    *us = *us * 2 < most ? *us * 2 : most;
}

mofka_status_t mofka_mpi_error(const char *call, int error) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;
    MPI_Error_string(error, text, &length);
    return mofka_fail(MOFKA_ERR_MPI, "%s failed: %.400s", call, text);
}

void mofka_mpi_window_fault(mofka_mpi_window_t *w, const char *call, int error) {
    int none = MOFKA_OK;
    mofka_mpi_error(call, error);
    if (atomic_compare_exchange_strong(&w->error, &none, MOFKA_STOP)) {
        snprintf(w->message, sizeof w->message, "%.255s", mofka_last_error());
        atomic_store(&w->error, MOFKA_ERR_MPI);
    }
}

mofka_status_t mofka_mpi_window_check(mofka_mpi_window_t *w) {
    int error = atomic_load_explicit(&w->error, memory_order_acquire);
    if (error == MOFKA_OK)
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_MPI, "window: %s", error == MOFKA_ERR_MPI ? w->message : "failed");
}

mofka_status_t mofka_mpi_window_zero(mofka_mpi_window_t *w, int rank, uint64_t offset,
                                     uint64_t bytes) {
    static const char zeros[4096];
    for (uint64_t done = 0; done < bytes; done += sizeof zeros)
        w->ops->put(w, rank, offset + done, zeros,
                    bytes - done < sizeof zeros ? (size_t)(bytes - done) : sizeof zeros);
    return w->ops->flush(w, rank);
}

#define TRY(w, call, ...)                                                                          \
    do {                                                                                           \
        int error_ = call(__VA_ARGS__);                                                            \
        if (error_)                                                                                \
            mofka_mpi_window_fault(w, #call, error_);                                              \
    } while (0)

static void rma_put(mofka_mpi_window_t *w, int rank, uint64_t offset, const void *source,
                    size_t bytes) {
    for (size_t done = 0; done < bytes; done += CHUNK_BYTES) {
        int count = (int)(bytes - done < CHUNK_BYTES ? bytes - done : CHUNK_BYTES);
        TRY(w, MPI_Put, (const char *)source + done, count, MPI_BYTE, rank,
            (MPI_Aint)(offset + done), count, MPI_BYTE, w->win);
    }
}

static void rma_get(mofka_mpi_window_t *w, int rank, uint64_t offset, void *target, size_t bytes) {
    for (size_t done = 0; done < bytes; done += CHUNK_BYTES) {
        int count = (int)(bytes - done < CHUNK_BYTES ? bytes - done : CHUNK_BYTES);
        TRY(w, MPI_Get, (char *)target + done, count, MPI_BYTE, rank, (MPI_Aint)(offset + done),
            count, MPI_BYTE, w->win);
    }
}

/* One MPI_Get for pieces of less than 2 GiB together, through a datatype on either side. */
static int get_indexed(mofka_mpi_window_t *w, int rank, const mofka_mpi_piece_t *pieces, int count,
                       int *lengths, MPI_Aint *places) {
    MPI_Datatype there = MPI_DATATYPE_NULL, here = MPI_DATATYPE_NULL;
    for (int i = 0; i < count; i++) {
        lengths[i] = (int)pieces[i].bytes;
        places[i] = (MPI_Aint)pieces[i].offset;
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

static void rma_get_pieces(mofka_mpi_window_t *w, int rank, const mofka_mpi_piece_t *pieces,
                           size_t count) {
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
            TRY(w, get_indexed, w, rank, pieces + first, (int)n, lengths, places);
        }
    }
    free(lengths);
    free(places);
}

static mofka_status_t rma_flush(mofka_mpi_window_t *w, int rank) {
    TRY(w, MPI_Win_flush, rank, w->win);
    return mofka_mpi_window_check(w);
}

static uint64_t fetch_and_op(mofka_mpi_window_t *w, int rank, uint64_t offset, uint64_t value,
                             MPI_Op op) {
    uint64_t old = 0;
    TRY(w, MPI_Fetch_and_op, &value, &old, MPI_UINT64_T, rank, (MPI_Aint)offset, op, w->win);
    TRY(w, MPI_Win_flush, rank, w->win);
    return old;
}

static uint64_t rma_load(mofka_mpi_window_t *w, int rank, uint64_t offset) {
    return fetch_and_op(w, rank, offset, 0, MPI_NO_OP);
}

static void rma_load_run(mofka_mpi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                         size_t count) {
    memset(words, 0, count * sizeof *words);
    TRY(w, MPI_Get_accumulate, NULL, 0, MPI_UINT64_T, words, (int)count, MPI_UINT64_T, rank,
        (MPI_Aint)offset, (int)count, MPI_UINT64_T, MPI_NO_OP, w->win);
    TRY(w, MPI_Win_flush, rank, w->win);
}

static void rma_store(mofka_mpi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    TRY(w, MPI_Accumulate, &value, 1, MPI_UINT64_T, rank, (MPI_Aint)offset, 1, MPI_UINT64_T,
        MPI_REPLACE, w->win);
    TRY(w, MPI_Win_flush, rank, w->win);
}

static uint64_t rma_exchange(mofka_mpi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    return fetch_and_op(w, rank, offset, value, MPI_REPLACE);
}

static uint64_t rma_fetch_add(mofka_mpi_window_t *w, int rank, uint64_t offset, uint64_t add) {
    return fetch_and_op(w, rank, offset, add, MPI_SUM);
}

static void rma_sleep_on(mofka_mpi_window_t *w, int rank, uint64_t offset, uint64_t seen,
                         int64_t us) {
    (void)w, (void)rank, (void)offset, (void)seen;
    mofka_mpi_back_off(&us, us);
}

static void rma_ring(mofka_mpi_window_t *w, int rank, uint64_t offset) {
    (void)w, (void)rank, (void)offset;
}

/* The owner touched every page when the window was made. */
static mofka_status_t rma_populate(mofka_mpi_window_t *w, int rank, uint64_t offset,
                                   uint64_t bytes) {
    (void)w, (void)rank, (void)offset, (void)bytes;
    return MOFKA_OK;
}

static void rma_destroy(mofka_mpi_window_t *w) {
    MPI_Win_unlock_all(w->win);
    MPI_Win_free(&w->win);
    free(w->base);
    free(w);
}

static const mofka_mpi_window_ops_t rma_ops = {
    .name = "rma",
    .put = rma_put,
    .get = rma_get,
    .get_pieces = rma_get_pieces,
    .flush = rma_flush,
    .load = rma_load,
    .load_run = rma_load_run,
    .store = rma_store,
    .exchange = rma_exchange,
    .fetch_add = rma_fetch_add,
    .sleep_on = rma_sleep_on,
    .ring = rma_ring,
    .populate = rma_populate,
    .destroy = rma_destroy,
};

mofka_status_t mofka_mpi_window_rma(MPI_Comm comm, uint64_t bytes, mofka_mpi_window_t **window) {
    void *own = NULL;
    MPI_Win win;
    int error = MPI_Win_allocate((MPI_Aint)bytes, 1, MPI_INFO_NULL, comm, &own, &win);
    if (error)
        return mofka_fail(
            MOFKA_ERR_UNSUPPORTED,
            "this MPI cannot create an \"rma\" window of %llu bytes (%s); \"shm\" works "
            "where all ranks share a node",
            (unsigned long long)bytes,
            (mofka_mpi_error("MPI_Win_allocate", error), mofka_last_error()));
    MPI_Win_set_errhandler(win, MPI_ERRORS_RETURN);
    int *model, found;
    MPI_Win_get_attr(win, MPI_WIN_MODEL, &model, &found);
    if (!found || *model != MPI_WIN_UNIFIED)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED, "this MPI's windows are not MPI_WIN_UNIFIED");
    mofka_mpi_window_t *w = calloc(1, sizeof *w);
    char **base = calloc(1, sizeof *base);
    if (!w || !base) {
        free(w);
        free(base);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a window");
    }
    memset(own, 0, bytes);
    base[0] = own;
    MPI_Win_lock_all(MPI_MODE_NOCHECK, win);
    MPI_Win_sync(win);
    *w = (mofka_mpi_window_t){.ops = &rma_ops, .base = base, .win = win};
    MPI_Comm_rank(comm, &w->rank);
    MPI_Comm_size(comm, &w->size);
    *window = w;
    return MOFKA_OK;
}
