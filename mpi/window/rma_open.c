/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes and frees windows of remote memory. One MPI_Win_lock_all lasts for the window's life. */
#include "mpi/window/rma.h"
#include "mpi/window/share.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- what this MPI is ------------------------------------------------------------------------ */

void mmi_rma_describe_mpi(char *text, size_t bytes) {
    char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length;
    assert(bytes > 0);
    MPI_Get_library_version(version, &length);
    version[strcspn(version, ",\n")] = '\0';
    for (char *tab; (tab = strchr(version, '\t'));)
        *tab = ' ';
    snprintf(text, bytes, "%.100s", version);
#ifdef OPEN_MPI
    /* Not by MPI_T: MPI_T_init_thread of Open MPI 4.1.4 changes what MPI_Query_thread answers. */
    const char *osc = getenv("OMPI_MCA_osc");
    size_t used = strlen(text);
    snprintf(text + used, bytes - used, ", its one-sided component: %.60s",
             osc ? osc : "by default");
#endif
}

const char *mmi_rma_remedy(void) {
#ifdef OPEN_MPI
    return "between nodes, Open MPI needs a one-sided component that can use the network: start "
           "with "
           "mpirun --mca pml ucx --mca osc ucx,sm --mca opal_common_ucx_tls any --mca "
           "opal_common_ucx_devices any; or try the option \"memory\": \"create\"";
#else
    return "try the option \"memory\": \"create\", or another network module of this MPI (MPICH "
           "over "
           "UCX: UCX_TLS, UCX_NET_DEVICES)";
#endif
}

/* mmi_share_t.mark while a driver uses the memory: "mofka rma". */
#define SHARE_MARK UINT64_C(0x6d6f666b61726d61)

/* ---- opening --------------------------------------------------------------------------------- */

/* This rank's share exists: lock it for the window's life, and make it zero. */
static mofka_status_t rma_begin_epoch(mmi_window_t *w, uint64_t bytes) {
    assert(w->win != MPI_WIN_NULL && (uintptr_t)w->base[0] % MMI_PAGE_BYTES == 0);
    int error = MPI_Win_lock_all(w->rma.checked_locks ? 0 : MPI_MODE_NOCHECK, w->win);
    if (error)
        return mmi_mpi_fail("MPI_Win_lock_all", error);
    int *model, found;
    MPI_Win_get_attr(w->win, MPI_WIN_MODEL, &model, &found);
    if (!found || *model != MPI_WIN_UNIFIED)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED, "this MPI's windows are not MPI_WIN_UNIFIED");
    mofka_status_t status = mmi_pages_populate(w->base[0], bytes, w->rank);
    if (status)
        return status;
    mmi_share_t *share = (mmi_share_t *)(void *)w->base[0];
    if (share->mark == SHARE_MARK)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "this MPI gave rank %d memory that another window uses; %s", w->rank,
                          mmi_rma_remedy());
    memset(w->base[0], 0, bytes);
    share->mark = SHARE_MARK;
    share->identity = mmi_rma_identity(w, w->rank);
    MPI_Win_sync(w->win);
    return MOFKA_OK;
}

/* Hints that let an MPI use what its network does for single words. */
static MPI_Info rma_create_hints(const mmi_window_t *w) {
    static const char *const hints[][2] = {
        {"same_disp_unit", "true"},
        {"accumulate_ordering", "none"},
        {"accumulate_ops", "same_op_no_op"},
        /* Open MPI: */ {"acc_single_intrinsic", "true"},
        /* MPICH: */ {"which_accumulate_ops", "sum,replace"},
        {"accumulate_max_bytes", "8"},
    };
    MPI_Info info;
    if (MPI_Info_create(&info))
        return MPI_INFO_NULL;
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
        MPI_Info_set(info, hints[i][0], hints[i][1]);
    /* MPICH uses the network's atomics only if no two ranks of a node use those of the
     * processor. */
    if (w->rma.several_nodes)
        MPI_Info_set(info, "disable_shm_accumulate", "true");
    return info;
}

static void rma_unmap(mmi_window_t *w) {
    assert(w->win == MPI_WIN_NULL);
    if (w->own_memory)
        munmap(w->own_memory, w->own_bytes);
    w->own_memory = NULL;
}

/* Find the shares of this node's ranks in this process. Their communicator has them in order. */
static int rma_find_near(mmi_window_t *w) {
    int error = MPI_SUCCESS;
    for (int i = 0, index = 0; i < w->size && !error; i++) {
        MPI_Aint bytes;
        int unit;
        char *base;
        if (!mmi_window_same_node(w, i, w->rank))
            continue;
        error = MPI_Win_shared_query(w->shared_win, index++, &bytes, &unit, &base);
        if (!error) /* mappings begin on pages, so every process finds the same first page */
            w->near->base[i] = mmi_pages_start(base);
    }
    return error;
}

/* As rma_make_window, in memory that this node's ranks share. A node that has none takes part. */
static int rma_make_node_window(mmi_window_t *w, MPI_Comm comm, size_t bytes, MPI_Info hints,
                                void **own) {
    MPI_Info info = MPI_INFO_NULL;
    if (!MPI_Info_create(&info))
        MPI_Info_set(info, "alloc_shared_noncontig", "true");
    int error = MPI_Win_allocate_shared((MPI_Aint)bytes, 1, info, w->rma.node, own, &w->shared_win);
    if (info != MPI_INFO_NULL)
        MPI_Info_free(&info);
    if (error) {
        w->shared_win = MPI_WIN_NULL;
    } else {
        MPI_Win_set_errhandler(w->shared_win, MPI_ERRORS_RETURN);
        error = rma_find_near(w);
    }
    int failed =
        MPI_Win_create(error ? NULL : *own, error ? 0 : (MPI_Aint)bytes, 1, hints, comm, &w->win);
    return error ? error : failed;
}

/* Collective. `*own`: this rank's memory of `bytes`. */
static int rma_make_window(mmi_window_t *w, MPI_Comm comm, size_t bytes, void **own) {
    MPI_Info hints = rma_create_hints(w);
    int error;
    assert(!w->own_memory);
    if (w->near) {
        error = rma_make_node_window(w, comm, bytes, hints, own);
    } else if (!w->rma.own_memory) {
        error = MPI_Win_allocate((MPI_Aint)bytes, 1, hints, comm, own, &w->win);
    } else {
        *own = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (*own != MAP_FAILED) {
            w->own_memory = *own;
            w->own_bytes = bytes;
        }
        /* A rank without memory takes part, and fails afterwards. */
        bool none = !w->own_memory;
        error =
            MPI_Win_create(none ? NULL : *own, none ? 0 : (MPI_Aint)bytes, 1, hints, comm, &w->win);
    }
    if (hints != MPI_INFO_NULL)
        MPI_Info_free(&hints);
    return error;
}

static mofka_status_t rma_refuse(const mmi_window_t *w, uint64_t bytes, int error) {
    char mpi[256];
    mmi_rma_describe_mpi(mpi, sizeof mpi);
    mmi_mpi_fail(w->rma.own_memory || w->near ? "MPI_Win_create" : "MPI_Win_allocate", error);
    return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                      "this MPI (%s) cannot create a window \"%s\" of %llu bytes: %.300s. %s; "
                      "\"shm\" works where all ranks share a node",
                      mpi, w->name, (unsigned long long)bytes, mofka_last_error(),
                      mmi_rma_remedy());
}

/* A rank whose allocation failed still takes part in the collective calls. */
mofka_status_t mmi_rma_open(mmi_window_t *w, MPI_Comm comm, uint64_t bytes) {
    void *own = NULL;
    int failed = rma_make_window(w, comm, (size_t)bytes + MMI_PAGE_BYTES, &own);
    bool no_memory = w->rma.own_memory && !w->near && !w->own_memory;
    if (failed) {
        w->win = MPI_WIN_NULL;
    } else {
        MPI_Win_set_errhandler(w->win, MPI_ERRORS_RETURN);
        w->base[0] = no_memory ? NULL : mmi_pages_start(own);
        w->skip[w->rank] = no_memory ? 0 : w->base[0] - (char *)own;
        if (w->near)
            w->near->sync_win = w->win;
    }
    int error = MPI_Allgather(MPI_IN_PLACE, 1, MPI_AINT, w->skip, 1, MPI_AINT, comm);
    if (failed) {
        rma_unmap(w);
        return rma_refuse(w, bytes, failed);
    }
    if (error)
        return mmi_mpi_fail("MPI_Allgather", error);
    if (no_memory)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a window of %llu bytes: %s",
                          (unsigned long long)bytes, strerror(errno));
    return rma_begin_epoch(w, bytes);
}

mofka_status_t mmi_near_check(const mmi_window_t *w) {
    MPI_Win_sync(w->win);
    for (int i = 0; i < w->size; i++) {
        const char *base = w->near->base[i];
        if (base && ((const mmi_share_t *)(const void *)base)->identity != mmi_rma_identity(w, i))
            return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                              "this MPI does not share the memory of rank %d with rank %d, or "
                              "another window uses it; pass \"window\": \"rma\"",
                              i, w->rank);
    }
    return MOFKA_OK;
}

/* Collective among the ranks that share it. */
static void rma_free_shared(mmi_window_t *w) {
    if (w->shared_win != MPI_WIN_NULL)
        MPI_Win_free(&w->shared_win);
}

void mmi_rma_destroy(mmi_window_t *w) {
    if (w->near) {
        w->near->sync_win = MPI_WIN_NULL;
        w->near->ops->destroy(w->near);
    }
    bool ended = w->win != MPI_WIN_NULL && MPI_Win_unlock_all(w->win) == MPI_SUCCESS;
    mmi_reads_destroy(w, ended);
    if (w->win != MPI_WIN_NULL) {
        if (w->base[0])
            ((mmi_share_t *)(void *)w->base[0])->mark = 0;
        MPI_Win_free(&w->win);
        rma_unmap(w);
        rma_free_shared(w);
    }
    if (atomic_load(&w->shut)) /* workers may still read `shut` */
        return;
    free(w->base);
    free(w->faulty);
    free(w->died_ms);
    free(w->skip);
    free(w->nudge_values);
    free(w->unflushed);
    free(w->begun);
    free(w->slow_words);
    free(w);
}
