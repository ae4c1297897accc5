/* SPDX-License-Identifier: BSD-3-Clause */
/* Windows in memory that ranks can address: shm (MPI_Win_allocate_shared), heap (threads), and the
 * part of a node window that its own node has. */
#include "mpi/window/share.h"
#include "mpi/window/window.h"

#include <assert.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif
#include <errno.h>
#include <hwloc.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <mofka/status.h>

#define LINE_BYTES 64
#define PAST_CACHES_BYTES_MIN 1024
/* If the size of the last-level cache is not known. */
#define CACHE_BYTES_DEFAULT ((size_t)32 << 20)

static inline _Atomic uint64_t *shm_word(mmi_window_t *w, int rank, uint64_t offset) {
    assert(offset % 8 == 0);
    return (_Atomic uint64_t *)(void *)(w->base[rank] + offset);
}

static void shm_put(mmi_window_t *w, int rank, uint64_t offset, const void *source, size_t bytes) {
    memcpy(w->base[rank] + offset, source, bytes);
}

/* ThreadSanitizer does not see these stores. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
/* Put whole cache lines by non-temporal stores, which every x86-64 has. The flush fences them. Few
 * lines are put plainly: of these, too many are shared with the bytes beside them. */
static void shm_put_past_caches(mmi_window_t *w, int rank, uint64_t offset, const void *source,
                                size_t bytes) {
    char *to = w->base[rank] + offset;
    const char *from = source;
    size_t lead = bytes < PAST_CACHES_BYTES_MIN ? bytes : -(uintptr_t)to % LINE_BYTES;
    memcpy(to, from, lead);
    for (bytes -= lead, to += lead, from += lead; bytes >= LINE_BYTES;
         bytes -= LINE_BYTES, to += LINE_BYTES, from += LINE_BYTES)
        for (size_t i = 0; i < LINE_BYTES; i += sizeof(__m128i))
            _mm_stream_si128((__m128i *)(void *)(to + i),
                             _mm_loadu_si128((const __m128i *)(const void *)(from + i)));
    memcpy(to, from, bytes);
}
#else
#define shm_put_past_caches NULL
#endif

static void shm_get(mmi_window_t *w, int rank, uint64_t offset, void *target, size_t bytes) {
    memcpy(target, w->base[rank] + offset, bytes);
}

static void shm_get_pieces(mmi_window_t *w, int rank, const mmi_piece_t *pieces, size_t count) {
    assert(rank >= 0 && rank < w->size);
    for (size_t i = 0; i < count; i++)
        memcpy(pieces[i].target, w->base[rank] + pieces[i].offset, pieces[i].bytes);
}

static mofka_status_t shm_flush(mmi_window_t *w, int rank) {
    (void)w, (void)rank;
    /* A release store does not order the non-temporal stores that a large memcpy may use. */
    atomic_thread_fence(memory_order_acq_rel);
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    __builtin_ia32_sfence();
#endif
    return MOFKA_OK;
}

static uint64_t shm_load(mmi_window_t *w, int rank, uint64_t offset) {
    return atomic_load(shm_word(w, rank, offset));
}

static void shm_load_run(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                         size_t count) {
    const _Atomic uint64_t *first = shm_word(w, rank, offset);
    for (size_t i = 0; i < count; i++)
        words[i] = atomic_load(first + i);
}

static mofka_status_t shm_read_within(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                                      size_t count, int64_t deadline) {
    (void)deadline; /* a load does not wait */
    shm_load_run(w, rank, offset, words, count);
    return MOFKA_OK;
}

static void shm_store(mmi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    atomic_store(shm_word(w, rank, offset), value);
}

static void shm_put_word(mmi_window_t *w, int rank, uint64_t offset, const uint64_t *value) {
    shm_store(w, rank, offset, *value);
}

static uint64_t shm_exchange(mmi_window_t *w, int rank, uint64_t offset, uint64_t value) {
    return atomic_exchange(shm_word(w, rank, offset), value);
}

static bool shm_compare_exchange(mmi_window_t *w, int rank, uint64_t offset, uint64_t *expected,
                                 uint64_t value) {
    return atomic_compare_exchange_strong(shm_word(w, rank, offset), expected, value);
}

static uint64_t shm_fetch_add(mmi_window_t *w, int rank, uint64_t offset, uint64_t add) {
    return atomic_fetch_add(shm_word(w, rank, offset), add);
}

/* The futex is the low half of the word: its first four bytes on a little-endian machine. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bells assume little endian");

static void shm_sleep_on(mmi_window_t *w, int rank, uint64_t offset, uint64_t seen, int64_t us) {
    int saved = errno;
    assert(us > 0);
    struct timespec most = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    syscall(SYS_futex, shm_word(w, rank, offset), FUTEX_WAIT, (uint32_t)seen, &most, NULL, 0);
    errno = saved;
}

static void shm_wake(mmi_window_t *w, int rank, uint64_t offset, int sleepers) {
    int saved = errno;
    assert(sleepers > 0);
    atomic_fetch_add(shm_word(w, rank, offset), 1);
    syscall(SYS_futex, shm_word(w, rank, offset), FUTEX_WAKE, sleepers, NULL, NULL, 0);
    errno = saved;
}

static mofka_status_t shm_populate(mmi_window_t *w, int rank, uint64_t offset, uint64_t bytes) {
    return mmi_pages_populate(w->base[rank] + offset, bytes, rank);
}

static mofka_status_t shm_open_window(mmi_window_t *w, MPI_Comm comm, uint64_t bytes) {
    void *own = NULL;
    int error = MPI_Win_allocate_shared((MPI_Aint)bytes + MMI_PAGE_BYTES, 1, MPI_INFO_NULL, comm,
                                        &own, &w->win);
    if (error) {
        w->win = MPI_WIN_NULL;
        return mmi_mpi_fail("MPI_Win_allocate_shared", error);
    }
    MPI_Win_set_errhandler(w->win, MPI_ERRORS_RETURN);
    error = MPI_Win_lock_all(MPI_MODE_NOCHECK, w->win);
    if (error)
        return mmi_mpi_fail("MPI_Win_lock_all", error);
    for (int i = 0; i < w->size; i++) {
        MPI_Aint share;
        int unit;
        error = MPI_Win_shared_query(w->win, i, &share, &unit, &w->base[i]);
        if (error)
            return mmi_mpi_fail("MPI_Win_shared_query", error);
        /* Mappings begin on pages, so every process finds the same first page. */
        w->base[i] = mmi_pages_start(w->base[i]);
    }
    return MOFKA_OK;
}

static void shm_destroy(mmi_window_t *w) {
    if (w->win != MPI_WIN_NULL) {
        MPI_Win_unlock_all(w->win);
        MPI_Win_free(&w->win);
    }
    if (atomic_load(&w->shut)) /* workers may still read `shut` */
        return;
    free(w->base);
    free(w->faulty);
    free(w->died_ms);
    free(w);
}

/* What these kinds have in common: all but how they open. */
#define SHM_OPS                                                                                    \
    .has_bells = true, .loads_are_cheap = true, .puts_are_cheap = true, .has_addresses = true,     \
    .put = shm_put, .put_past_caches = shm_put_past_caches, .get = shm_get,                        \
    .get_pieces = shm_get_pieces, .flush = shm_flush, .load = shm_load, .load_run = shm_load_run,  \
    .get_words = shm_load_run, .read_within = shm_read_within, .store = shm_store,                 \
    .put_word = shm_put_word, .exchange = shm_exchange, .fetch_add = shm_fetch_add,                \
    .compare_exchange = shm_compare_exchange, .sleep_on = shm_sleep_on, .wake = shm_wake,          \
    .populate = shm_populate, .destroy = shm_destroy

static const mmi_window_ops_t shm_ops = {.name = "shm", .open = shm_open_window, SHM_OPS};
/* The window over all nodes opens it, and makes it zero. */
static const mmi_window_ops_t near_ops = {.name = "node", .opens_zeroed = true, SHM_OPS};

/* The size of a last-level cache, as Linux has it. hwloc's x86 component would bind this thread to
 * each CPU in turn. sysconf is no use: glibc 2.36 adds all caches of an AMD socket up. */
static size_t shm_cache_bytes(void) {
    size_t bytes = 0;
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology))
        return CACHE_BYTES_DEFAULT;
    hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_L3CACHE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
    if (hwloc_topology_load(topology) == 0 && hwloc_topology_is_thissystem(topology)) {
        hwloc_obj_t cache = hwloc_get_obj_by_type(topology, HWLOC_OBJ_L3CACHE, 0);
        bytes = cache ? (size_t)cache->attr->cache.size : 0;
    }
    hwloc_topology_destroy(topology);
    return bytes ? bytes : CACHE_BYTES_DEFAULT;
}

static mmi_window_t *shm_create(const mmi_window_ops_t *ops, int rank, int size) {
    mmi_window_t *w = mmi_window_create(ops, rank, size, (size_t)size);
    if (w) {
        w->run_words = 1;
        w->cache_bytes = shm_cache_bytes();
        assert(w->cache_bytes > 0);
    } else {
        mofka_fail(MOFKA_ERR_MEMORY, "no memory for a window");
    }
    return w;
}

mofka_status_t mmi_window_create_heap(char **bases, int rank, int size, mmi_window_t **window) {
    mmi_window_t *w = shm_create(&shm_ops, rank, size);
    if (!w)
        return MOFKA_ERR_MEMORY;
    memcpy(w->base, bases, (size_t)size * sizeof *bases);
    *window = w;
    return MOFKA_OK;
}

mofka_status_t mmi_window_create_shm(int rank, int size, mmi_window_t **window) {
    mmi_window_t *w = shm_create(&shm_ops, rank, size);
    if (!w)
        return MOFKA_ERR_MEMORY;
    *window = w;
    return MOFKA_OK;
}

mofka_status_t mmi_window_create_near(mmi_window_t *w) {
    assert(!w->near);
    w->near = shm_create(&near_ops, w->rank, w->size);
    return w->near ? MOFKA_OK : MOFKA_ERR_MEMORY;
}
