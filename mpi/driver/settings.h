/* SPDX-License-Identifier: BSD-3-Clause */
/* The MPI driver's options: read by each rank, then agreed on by all. */
#ifndef MOFKA_MPI_SETTINGS_H
#define MOFKA_MPI_SETTINGS_H

#include <mpi.h>
#include <stdbool.h>
#include <mofka/status.h>

enum { MMI_WINDOW_AUTO, MMI_WINDOW_SHM, MMI_WINDOW_RMA };
enum { MMI_PROGRESS_THREAD, MMI_PROGRESS_NONE };

/* `owners` apart, as one rank broadcasts it to the others: no pointers. */
typedef struct mmi_settings {
    int window, progress;
    int owner_count;
    uint64_t arena_bytes, directory_bytes; /* whole pages */
} mmi_settings_t;

/* `owners`: give, free(), on success; `size` ranks, zero behind the last, then as much room again, which
 * settings_agree uses. `join`: the options are to be those of the other ranks. Local. */
mofka_status_t mmi_settings_read(const char *options, int size, mmi_settings_t *s, int **owners,
                                 bool *join);

/* Ranks that join take the settings of the lowest rank that does not (of rank 0 where all do); those
 * of the others must be equal to them, or all ranks get MOFKA_ERR_OPTION. Collective. */
mofka_status_t mmi_settings_agree(MPI_Comm comm, bool join, mmi_settings_t *s, int *owners);

#endif
