/* SPDX-License-Identifier: BSD-3-Clause */
/* The MPI driver's options: each rank reads them, then all ranks agree on them. */
#ifndef MOFKA_MPI_DRIVER_SETTINGS_H
#define MOFKA_MPI_DRIVER_SETTINGS_H

#include "mpi/ranks/ranks.h"

enum { MMI_WINDOW_AUTO, MMI_WINDOW_SHM, MMI_WINDOW_RMA, MMI_WINDOW_NODE };
enum { MMI_PROGRESS_AUTO, MMI_PROGRESS_THREAD, MMI_PROGRESS_NONE };
enum { MMI_MEMORY_ALLOCATE, MMI_MEMORY_CREATE };
enum { MMI_LOCK_ALL_NOCHECK, MMI_LOCK_ALL_CHECK };
enum { MMI_WORDS_CONCURRENT, MMI_WORDS_SERIAL };

/* What is done with topics that the store has. */
enum { MMI_RESUME_IF_EXISTS, MMI_RESUME_MUST, MMI_RESUME_NEVER };
/* Bytes of the store's path, with its zero. */
#define MMI_STORE_PATH_BYTES 1024
/* Bytes of "resume_at", at most: ids of 4096 partitions of many topics. */
#define MMI_RESUME_AT_BYTES_MAX ((size_t)16 << 20)

/* Without pointers, because a rank broadcasts it; so the list of owners is apart. */
typedef struct mmi_settings {
    int window, progress;                  /* of the enums above */
    bool agent;                            /* rma only */
    int reserve;                           /* MMI_RESERVE_AUTO, ...; rma only */
    int memory, lock_all, words;           /* of the enums above; rma only */
    int owner_count;                       /* at least 1; 0: one of each node */
    int node_ranks;                        /* ranks of a part of a node; 0: all of it */
    uint64_t arena_bytes, directory_bytes; /* whole pages */
    int resume;                            /* of the enum above */
    uint64_t resume_at[2];                 /* the length and the check of its text; 0, 0: no text */
    char store[MMI_STORE_PATH_BYTES];      /* "": none; zeros behind it */
} mmi_settings_t;

/* What each rank has for itself. */
typedef struct mmi_own_settings {
    bool join;                 /* it adopts the options of others */
    bool high;                 /* its group of an intercommunicator comes last */
    int64_t create_timeout_ms; /* negative: without limit */
    char *resume_at;           /* owned; JSON, or NULL. Once all agree: that of all */
} mmi_own_settings_t;

/* Read the options of this rank, one of `size`. `*owners`: give, free(); `size` ranks, zero behind
 * the first `owner_count`. `own` is written on failure, too, without "resume_at". Local. */
mofka_status_t mmi_settings_read(const char *options, int size, mmi_settings_t *s, int **owners,
                                 mmi_own_settings_t *own);

/* Ranks that join adopt the settings of the lowest rank that does not join (of rank 0 if all join).
 * All other ranks must have equal settings: if they differ, every rank gets MOFKA_ERR_OPTION.
 * Collective. */
mofka_status_t mmi_settings_agree(mmi_ranks_t *r, mmi_own_settings_t *own, mmi_settings_t *s,
                                  int *owners);

#endif
