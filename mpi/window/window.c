/* SPDX-License-Identifier: BSD-3-Clause */
/* What all windows share: the first MPI error, shutting, memory. */
#include "mpi/window/share.h"
#include "mpi/window/window.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE /* named by glibc since 2.35, known by Linux since 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

/* Of mmi_window_t.fault: the thread whose call failed first claims the message, then writes it. */
enum { FAULT_NONE, FAULT_CLAIMED, FAULT_KEPT };

_Thread_local _Atomic int *mmi_window_target;

mofka_status_t mmi_window_check_thread(const mmi_window_t *w) {
    assert(w->one_thread);
    if (pthread_equal(w->thread, pthread_self()))
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                      "window \"%s\" calls MPI: below MPI_THREAD_MULTIPLE, only the thread that "
                      "created the driver may, and thread pools cannot be used",
                      w->name);
}

void mmi_window_shut(mmi_window_t *w) {
    if (w->near)
        mmi_window_shut(w->near);
    atomic_store(&w->shut, true);
    for (int64_t us = 100; atomic_load(&w->appends) > 0;)
        mmi_back_off(&us, 10000);
    assert(atomic_load(&w->appends) >= 0);
}

void mmi_window_fault(mmi_window_t *w, int rank, const char *call, int error) {
    int none = FAULT_NONE;
    assert(error != MPI_SUCCESS && rank >= 0 && rank < w->size);
    mmi_mpi_fail(call, error);
    if (atomic_compare_exchange_strong(&w->fault, &none, FAULT_CLAIMED)) {
        snprintf(w->message, sizeof w->message, "%s", mofka_last_error());
        atomic_store(&w->fault, FAULT_KEPT);
    }
    atomic_store(&w->faulty[rank], true);
}

mofka_status_t mmi_window_report(mmi_window_t *w, int rank) {
    int fault = atomic_load_explicit(&w->fault, memory_order_acquire);
    assert(rank >= MMI_ANY_RANK && rank < w->size);
    if (fault == FAULT_NONE || (rank != MMI_ANY_RANK && !atomic_load(&w->faulty[rank])))
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_MPI, "window: %s", fault == FAULT_KEPT ? w->message : "failed");
}

mofka_status_t mmi_window_read(mmi_window_t *w, int rank, uint64_t offset, uint64_t *words,
                               size_t count, int64_t deadline) {
    mofka_status_t status = MOFKA_OK;
    assert(count > 0 && offset % 8 == 0);
    if (deadline == INT64_MAX && count > MMI_RUN_WORDS_MAX) {
        w->ops->get(w, rank, offset, words, 8 * count);
        return w->ops->flush(w, rank);
    }
    if (deadline == INT64_MAX) {
        w->ops->load_run(w, rank, offset, words, count);
        return mmi_window_check(w, rank);
    }
    for (size_t done = 0, here; done < count && !status; done += here) {
        here = count - done < MMI_READ_WORDS_MAX ? count - done : MMI_READ_WORDS_MAX;
        status = w->ops->read_within(w, rank, offset + 8 * done, words + done, here, deadline);
    }
    return status;
}

/* A put of this size costs more than its call. Not const: it takes no room in the library's
 * file. */
#define ZERO_BYTES ((size_t)1 << 20)
static char zeros[ZERO_BYTES];
/* Puts that are under way at a time: MPI may keep memory for each. */
#define ZERO_PUTS 16

mofka_status_t mmi_window_zero(mmi_window_t *w, int rank, uint64_t offset, uint64_t bytes) {
    mofka_status_t status = MOFKA_OK;
    assert(rank >= 0 && rank < w->size);
    if (w->ops->has_addresses) {
        memset(mmi_window_address(w, rank, offset), 0, (size_t)bytes);
        return w->ops->flush(w, rank);
    }
    int puts = 0;
    for (uint64_t done = 0; done < bytes && !status; done += ZERO_BYTES) {
        w->ops->put(w, rank, offset + done, zeros,
                    bytes - done < ZERO_BYTES ? (size_t)(bytes - done) : ZERO_BYTES);
        if (++puts % ZERO_PUTS == 0)
            status = w->ops->flush(w, rank);
    }
    return status ? status : w->ops->flush(w, rank);
}

mmi_window_t *mmi_window_create(const mmi_window_ops_t *ops, int rank, int size, size_t bases) {
    assert(size > 0 && rank >= 0 && rank < size && bases > 0);
    mmi_window_t *w = calloc(1, sizeof *w);
    char **base = calloc(bases, sizeof *base);
    _Atomic bool *faulty = calloc((size_t)size, sizeof *faulty);
    _Atomic int64_t *died_ms = calloc((size_t)size, sizeof *died_ms);
    if (!w || !base || !faulty || !died_ms) {
        free(w);
        free(base);
        free(faulty);
        free(died_ms);
        return NULL;
    }
    *w = (mmi_window_t){.ops = ops,
                        .name = ops->name,
                        .rank = rank,
                        .size = size,
                        .base = base,
                        .faulty = faulty,
                        .died_ms = died_ms,
                        .win = MPI_WIN_NULL,
                        .shared_win = MPI_WIN_NULL,
                        .sync_win = MPI_WIN_NULL};
    pthread_mutex_init(&w->reads.lock, NULL);
    pthread_mutex_init(&w->word_lock, NULL);
    return w;
}

char *mmi_pages_start(void *memory) {
    char *page = (char *)memory + -(uintptr_t)memory % MMI_PAGE_BYTES;
    assert((uintptr_t)page % MMI_PAGE_BYTES == 0);
    return page;
}

mofka_status_t mmi_pages_populate(void *memory, uint64_t bytes, int rank) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = (uintptr_t)memory + bytes;
    uintptr_t first = (uintptr_t)memory & ~(page - 1);
    int saved = errno;
    assert(bytes > 0);
    if (madvise((void *)first, end - first, MADV_POPULATE_WRITE) == 0)
        return MOFKA_OK;
    int error = errno;
    errno = saved;
    if (error == EINVAL) /* a kernel before 5.14: pages come when they are written */
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_FULL,
                      "the node's memory cannot hold %llu more bytes of a window on rank %d (%s)",
                      (unsigned long long)bytes, rank, strerror(error));
}
