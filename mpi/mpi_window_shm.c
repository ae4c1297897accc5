/* Windows in memory that all ranks can address: shm (MPI_Win_allocate_shared) and heap (threads).
 */
#include "mpi_window.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <mofka/status.h>

static inline _Atomic uint64_t *word(mofka_mpi_window_t *w, int rank, uint64_t offset) {
    assert(offset % 8 == 0 && rank >= 0 && rank < w->size);
    return (_Atomic uint64_t *)(void *)(w->base[rank] + offset);
}

static void shm_put(mofka_mpi_window_t *w, int rank, uint64_t offset, const void *source,
                    size_t bytes) {
    memcpy(w->base[rank] + offset, source, bytes);
}

static void shm_get(mofka_mpi_window_t *w, int rank, uint64_t offset, void *target, size_t bytes) {
    memcpy(target, w->base[rank] + offset, bytes);
}

static void shm_get_pieces(mofka_mpi_window_t *w, int rank, const mofka_mpi_piece_t *pieces,
                           size_t count) {
    for (size_t i = 0; i < count; i++)
        memcpy(pieces[i].target, w->base[rank] + pieces[i].offset, pieces[i].bytes);
}

static mofka_status_t shm_flush(mofka_mpi_window_t *w, int rank) {
    (void)w, (void)rank;
    /* A release store does not order the non-temporal stores that a large memcpy may use. */
    atomic_thread_fence(memory_order_seq_cst);
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    __builtin_ia32_sfence();
#endif
    return MOFKA_OK;
}

static uint64_t shm_load(mofka_mpi_window_t *w, int rank, uint64_t offset) {
    return atomic_load(word(w, rank, offset));
}

static void shm_load_run(mofka_mpi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                         size_t count) {
    for (size_t i = 0; i < count; i++)
        words[i] = atomic_load(word(w, rank, offset + 8 * i));
}

static void shm_store(mofka_mpi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    atomic_store(word(w, rank, offset), value);
}

static uint64_t shm_exchange(mofka_mpi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    return atomic_exchange(word(w, rank, offset), value);
}

static uint64_t shm_fetch_add(mofka_mpi_window_t *w, int rank, uint64_t offset, uint64_t add) {
    return atomic_fetch_add(word(w, rank, offset), add);
}

/* The futex is the word's low half: the first four bytes where the least significant come first. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "doorbells assume little endian");

static void shm_sleep_on(mofka_mpi_window_t *w, int rank, uint64_t offset, uint64_t seen,
                         int64_t us) {
    int saved = errno;
    struct timespec most = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    syscall(SYS_futex, word(w, rank, offset), FUTEX_WAIT, (uint32_t)seen, &most, NULL, 0);
    errno = saved;
}

static void shm_ring(mofka_mpi_window_t *w, int rank, uint64_t offset) {
    int saved = errno;
    atomic_fetch_add(word(w, rank, offset), 1);
    syscall(SYS_futex, word(w, rank, offset), FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    errno = saved;
}

static mofka_status_t shm_populate(mofka_mpi_window_t *w, int rank, uint64_t offset,
                                   uint64_t bytes) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = (uintptr_t)(w->base[rank] + offset) & ~(page - 1);
    uintptr_t end = (uintptr_t)(w->base[rank] + offset) + bytes;
    if (madvise((void *)first, end - first, MADV_POPULATE_WRITE) == 0)
        return MOFKA_OK;
    if (errno == EINVAL) /* a kernel before 5.14: pages come when touched */
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_FULL,
                      "the node's shared memory cannot hold %llu more bytes on rank %d (%s)",
                      (unsigned long long)bytes, rank, strerror(errno));
}

static void shm_destroy(mofka_mpi_window_t *w) {
    if (w->win != MPI_WIN_NULL) {
        MPI_Win_unlock_all(w->win);
        MPI_Win_free(&w->win);
        free(w->base);
    }
    free(w);
}

static const mofka_mpi_window_ops_t shm_ops = {
    .name = "shm",
    .put = shm_put,
    .get = shm_get,
    .get_pieces = shm_get_pieces,
    .flush = shm_flush,
    .load = shm_load,
    .load_run = shm_load_run,
    .store = shm_store,
    .exchange = shm_exchange,
    .fetch_add = shm_fetch_add,
    .sleep_on = shm_sleep_on,
    .ring = shm_ring,
    .populate = shm_populate,
    .destroy = shm_destroy,
};

static mofka_mpi_window_t *window_new(int rank, int size) {
    mofka_mpi_window_t *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->ops = &shm_ops;
    w->rank = rank;
    w->size = size;
    w->doorbells = true;
    w->win = MPI_WIN_NULL;
    return w;
}

mofka_status_t mofka_mpi_window_heap(char **bases, int rank, int size,
                                     mofka_mpi_window_t **window) {
    mofka_mpi_window_t *w = window_new(rank, size);
    if (!w)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a window");
    w->base = bases;
    *window = w;
    return MOFKA_OK;
}

mofka_status_t mofka_mpi_window_shm(MPI_Comm comm, uint64_t bytes, mofka_mpi_window_t **window) {
    int rank, size;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    void *own = NULL;
    MPI_Win win;
    int error = MPI_Win_allocate_shared((MPI_Aint)bytes, 1, MPI_INFO_NULL, comm, &own, &win);
    if (error)
        return mofka_mpi_error("MPI_Win_allocate_shared", error);
    MPI_Win_set_errhandler(win, MPI_ERRORS_RETURN);
    MPI_Win_lock_all(MPI_MODE_NOCHECK, win);
    mofka_mpi_window_t *w = window_new(rank, size);
    char **base = calloc((size_t)size, sizeof *base);
    if (!w || !base) {
        /* Freeing the window is collective: left to MPI, the others are told by the driver. */
        free(w);
        free(base);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a window");
    }
    for (int i = 0; i < size; i++) {
        MPI_Aint share;
        int unit;
        MPI_Win_shared_query(win, i, &share, &unit, &base[i]);
    }
    w->base = base;
    w->win = win;
    *window = w;
    return MOFKA_OK;
}
