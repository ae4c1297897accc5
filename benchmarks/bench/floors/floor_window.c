/* SPDX-License-Identifier: BSD-3-Clause */
/* The windows and buffers of the floors are opened and closed. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "floors/floor_inside.h"

#ifndef MADV_POPULATE_WRITE /* named by glibc since 2.35, known by Linux since 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

#define LINE ((size_t)64)
/* MPI counts are int. */
#define MESSAGE_BYTES_MAX ((size_t)1 << 30)
#define SHARED_KINDS                                                                               \
    (1U << FLOOR_MEMCPY | 1U << FLOOR_TWO_COPY | 1U << FLOOR_ZERO_COPY | 1U << FLOOR_LINE |        \
     1U << FLOOR_RING | 1U << FLOOR_RING_64 | 1U << FLOOR_RING_TRIP)
#define PRIVATE_KINDS (1U << FLOOR_ISEND)

static bool floor_both(MPI_Comm comm, bool good) {
    int own = good, all = 0;
    MPI_Allreduce(&own, &all, 1, MPI_INT, MPI_MIN, comm);
    return all;
}

static size_t floor_whole_pages(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/* The first whole page of a share. Maps begin at pages, so both ranks find the same one. */
static char *floor_first_page(char *base) {
    assert(base);
    return base + (floor_whole_pages((uintptr_t)base) - (uintptr_t)base);
}

/* Touch the pages of this process's map, so that no round meets their first touch. A full /dev/shm
 * is thus an error here, and not a signal later. */
static bool floor_populate(char *base, size_t bytes) {
    assert(base && bytes > 0);
    char *start = base - ((uintptr_t)base & ((uintptr_t)sysconf(_SC_PAGESIZE) - 1));
    if (madvise(start, bytes + (size_t)(base - start), MADV_POPULATE_WRITE) == 0)
        return true;
    if (errno == EINVAL) /* a kernel before 5.14: pages come when touched */
        return true;
    fprintf(stderr, "mofka-bench: floors: no memory for a window of %zu bytes (%s)\n", bytes,
            strerror(errno));
    return false;
}

bool floor_shares_node(MPI_Comm pair) {
    MPI_Comm node;
    int size;
    MPI_Comm_split_type(pair, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    MPI_Comm_size(node, &size);
    MPI_Comm_free(&node);
    return size == 2;
}

/* Checked first: if one rank finds /dev/shm too small, Open MPI 4.1.4 reports it to that rank only,
 * and leaves the other in MPI_Win_allocate_shared for ever. */
static bool floor_fits_shared_memory(const floor_t *f, size_t bytes) {
    struct statvfs fs;
    bool fits = statvfs("/dev/shm", &fs) != 0 || fs.f_bavail > bytes / fs.f_frsize;
    if (!fits && f->rank == SENDER)
        fprintf(stderr, "mofka-bench: floors: /dev/shm has no room for a window of %zu bytes\n",
                bytes);
    return floor_both(f->comm, fits);
}

/* Prepare a new window. If only one rank got a window, it cannot be freed, because that is
 * collective: it is left to MPI_Finalize. */
static bool floor_hold_window(floor_t *f, MPI_Win *win, const char *call, int error) {
    assert(win && call);
    if (!floor_both(f->comm, floor_succeeded(call, error))) {
        *win = MPI_WIN_NULL;
        return false;
    }
    MPI_Win_set_errhandler(*win, MPI_ERRORS_RETURN);
    return floor_both(
        f->comm, floor_succeeded("MPI_Win_lock_all", MPI_Win_lock_all(MPI_MODE_NOCHECK, *win)));
}

static bool floor_open_shared(floor_t *f) {
    assert(f->shared == MPI_WIN_NULL && f->slots >= 2);
    if (!floor_both(f->comm, floor_shares_node(f->comm))) {
        if (f->rank == SENDER)
            fprintf(stderr, "mofka-bench: floors: sender and receiver do not share a node, so "
                            "there is no memcpy, two_copy, zero_copy, line and ring\n");
        return false;
    }
    size_t flag_bytes = floor_whole_pages((f->slots + MORE_FLAGS) * sizeof(floor_flag_t));
    size_t bytes = flag_bytes + floor_whole_pages(f->slots * f->stride);
    /* The sender has a page, too: MPI libraries misplace the neighbours of an empty share. */
    size_t share = floor_whole_pages(1) + (f->rank == RECEIVER ? bytes : 0);
    if (!floor_fits_shared_memory(f, bytes + 2 * floor_whole_pages(1)))
        return false;
    char *base = NULL;
    int error =
        MPI_Win_allocate_shared((MPI_Aint)share, 1, MPI_INFO_NULL, f->comm, &base, &f->shared);
    if (!floor_hold_window(f, &f->shared, "MPI_Win_allocate_shared", error))
        return false;
    MPI_Aint size;
    int unit;
    error = MPI_Win_shared_query(f->shared, RECEIVER, &size, &unit, &base);
    if (!floor_both(f->comm, floor_succeeded("MPI_Win_shared_query", error)))
        return false;
    base = floor_first_page(base);
    f->flags = (floor_flag_t *)(void *)base;
    f->ring = base + flag_bytes;
    /* The receiver touches the memory first, because memory is near the core that touches it first.
     * */
    bool good = f->rank == SENDER || floor_populate(base, bytes);
    if (good && f->rank == RECEIVER)
        memset(base, 0, bytes);
    good = floor_both(f->comm, good);
    if (good && f->rank == SENDER)
        good = floor_populate(base, bytes);
    return floor_both(f->comm, good);
}

/* Allocate whole pages, like the rings, and touch them. A copy can be far slower if its target lies
 * a few bytes further into its page than its source (4 KiB, 8 bytes further, AMD EPYC with glibc
 * 2.36, which uses rep movsb: 3.5 instead of 60 GB/s). A floor must not depend on where malloc puts
 * its buffers. */
static char *floor_allocate_pages(size_t bytes) {
    size_t whole = floor_whole_pages(bytes + 1);
    char *memory = aligned_alloc((size_t)sysconf(_SC_PAGESIZE), whole);
    if (memory)
        memset(memory, 1, whole);
    return memory;
}

/* The sender writes the whole ring once. If MPI maps the window into its process, the pages appear
 * at the first touch, which would otherwise be in the rounds of the first lap. */
static bool floor_touch_remote(floor_t *f) {
    assert(f->remote != MPI_WIN_NULL);
    size_t ring = f->slots * f->stride, most = (size_t)1 << 20;
    char *piece = f->rank == SENDER ? floor_allocate_pages(most) : NULL;
    bool good = piece || f->rank == RECEIVER;
    for (size_t at = 0; piece && good && at < ring; at += most) {
        int bytes = (int)(ring - at < most ? ring - at : most);
        good = floor_succeeded("MPI_Put",
                               MPI_Put(piece, bytes, MPI_BYTE, RECEIVER,
                                       (MPI_Aint)(f->skipped + at), bytes, MPI_BYTE, f->remote)) &&
               floor_succeeded("MPI_Win_flush", MPI_Win_flush(RECEIVER, f->remote));
    }
    floor_drive_progress(f);
    free(piece);
    return good;
}

static bool floor_open_remote(floor_t *f) {
    assert(f->remote == MPI_WIN_NULL && f->slots >= 2);
    size_t bytes = floor_whole_pages(1);
    if (f->rank == RECEIVER)
        bytes += floor_whole_pages(f->slots * f->stride + LINE);
    /* On one node, MPICH and Open MPI make this window of shared memory, too. */
    size_t most = f->slots * f->stride + LINE + 3 * floor_whole_pages(1);
    if (floor_both(f->comm, floor_shares_node(f->comm)) && !floor_fits_shared_memory(f, most))
        return false;
    char *base = NULL;
    int error = MPI_Win_allocate((MPI_Aint)bytes, 1, MPI_INFO_NULL, f->comm, &base, &f->remote);
    if (!floor_hold_window(f, &f->remote, "MPI_Win_allocate", error))
        return false;
    bool good = floor_populate(base, bytes);
    if (good)
        memset(base, 0, bytes);
    MPI_Win_sync(f->remote);
    /* Open MPI's windows begin 8 bytes into a page; floor_allocate_pages says why that matters. */
    f->skipped = (uint64_t)(floor_first_page(base) - base);
    MPI_Bcast(&f->skipped, 1, MPI_UINT64_T, RECEIVER, f->comm);
    return floor_both(f->comm, good) && floor_both(f->comm, floor_touch_remote(f));
}

static floor_t *floor_make(MPI_Comm comm, size_t bytes, size_t ring_bytes, unsigned kinds) {
    assert(kinds > 0 && kinds < 1U << FLOOR_COUNT);
    bool small = bytes <= MESSAGE_BYTES_MAX;
    floor_t *f = small ? calloc(1, sizeof *f) : NULL;
    if (f) {
        f->stride = bytes ? (bytes + LINE - 1) / LINE * LINE : LINE;
        f->slots = ring_bytes / f->stride < 2 ? 2 : ring_bytes / f->stride;
        f->width = f->slots < FLOOR_WINDOW ? f->slots : FLOOR_WINDOW;
        f->message = floor_allocate_pages(bytes);
        f->buffers = kinds & PRIVATE_KINDS ? floor_allocate_pages(f->width * f->stride) : NULL;
    }
    if (!f || !f->message || (!f->buffers && kinds & PRIVATE_KINDS)) {
        fprintf(stderr, "mofka-bench: floors: no memory for messages of %zu bytes%s\n", bytes,
                small ? "" : ", which are more than MPI's counts allow");
        if (f) {
            free(f->message);
            free(f->buffers);
        }
        free(f);
        return NULL;
    }
    f->comm = comm;
    f->bytes = bytes;
    f->shared = f->remote = MPI_WIN_NULL;
    f->no_statuses = MPI_STATUSES_IGNORE;
    MPI_Comm_rank(comm, &f->rank);
    return f;
}

floor_t *floor_open(MPI_Comm pair, size_t message_bytes, size_t ring_bytes, unsigned kinds) {
    assert(pair != MPI_COMM_NULL);
    MPI_Comm comm;
    MPI_Comm_dup(pair, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    floor_t *f = floor_make(comm, message_bytes, ring_bytes, kinds);
    bool good = floor_both(comm, f != NULL);
    if (good && kinds & SHARED_KINDS)
        good = floor_open_shared(f);
    if (good && kinds & REMOTE_KINDS)
        good = floor_open_remote(f);
    /* From here on, an error between the two ranks ends the job with MPI's own message. */
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_ARE_FATAL);
    if (good)
        return f;
    if (f)
        floor_close(f);
    else
        MPI_Comm_free(&comm);
    return NULL;
}

static void floor_free_window(MPI_Win *win) {
    assert(win);
    if (*win == MPI_WIN_NULL)
        return;
    floor_succeeded("MPI_Win_unlock_all", MPI_Win_unlock_all(*win));
    floor_succeeded("MPI_Win_free", MPI_Win_free(win));
}

void floor_close(floor_t *f) {
    if (!f)
        return;
    floor_free_window(&f->shared);
    floor_free_window(&f->remote);
    MPI_Comm_free(&f->comm);
    free(f->message);
    free(f->buffers);
    free(f);
}
