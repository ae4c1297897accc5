/* SPDX-License-Identifier: BSD-3-Clause */
/* The MPI driver of one process: its communicator, window, directory, progress thread and end. */
#ifndef MOFKA_MPI_DRIVER_DRIVER_H
#define MOFKA_MPI_DRIVER_DRIVER_H

#include <pthread.h>
#include <sys/types.h>
#include <mofka/backend.h>
#include <mofka/mpi.h>
#include "mpi/driver/node.h"
#include "mpi/driver/settings.h"
#include "mpi/staging/staging.h"
#include "mpi/storage/storage.h"
#include "mpi/topic/stats.h"
#include "mpi/topic/stats_ranks.h"

typedef struct mmi_driver {
    struct mmi_driver *next; /* in the list of drivers that MPI_Finalize closes; see finalize.c */
    mmi_ranks_t *ranks;      /* owned; NULL once the driver is closed */
    MPI_Comm comm;           /* theirs */
    int rank, size;          /* in it */
    pid_t process;           /* that created it; a forked child must leave it alone */
    mmi_node_t node;
    bool several_nodes;        /* the ranks are not all on one node */
    uint64_t nonce;            /* a number that other drivers do not have */
    mmi_directory_t directory; /* and the window; owned */
    mfi_store_t store;         /* of the directory, where it has one */
    bool sees_store;           /* else `store` has only its path and its uuid */
    mmi_storage_t *storage;    /* owned; NULL: this rank keeps no files */
    bool has_progress;         /* the progress thread runs */
    pthread_t progress_thread;
    _Atomic bool stop_progress;
    int keyval; /* of the attribute that MPI_Finalize deletes */
} mmi_driver_t;

/* A topic's table. */
extern const mofka_topic_ops_t mmi_topic_ops;

/* ---- slots of the driver's table; see mofka_driver_ops_t ---- */

mofka_status_t mmi_driver_create_topic(void *self, const mofka_topic_config_t *config);
mofka_status_t mmi_driver_open_topic(void *self, const char *name, int64_t timeout_ms,
                                     mofka_topic_made_t *made);
mofka_status_t mmi_driver_topic_exists(void *self, const char *name, bool *exists);
mofka_status_t mmi_driver_list_topics(void *self, mofka_topic_visit_fn visit, void *context);
mofka_status_t mmi_driver_rank_stats(void *self, int64_t timeout_ms, struct cJSON *ranks);
mofka_status_t mmi_driver_topic_stats(void *self, int64_t timeout_ms, struct cJSON *topics);
mofka_status_t mmi_driver_delete_topic(void *self, const char *name);
mofka_status_t mmi_driver_close(void *self, int64_t timeout_ms);

/* ---- driver.c ---- */

bool mmi_driver_is_owner(const mmi_driver_t *d, int rank);

/* ---- close.c ---- */

/* End the watch of MPI_Finalize and the progress thread, and end the window. `frees`: all ranks
 * have met to free it; else it is left to MPI. */
void mmi_driver_stop(mmi_driver_t *d, bool frees);

/* ---- store.c: collective ---- */

/* Open the store that the settings name, if they do; the same on all owners. Other ranks need not
 * see it. `resume_at`: rank 0 cuts topics there first; NULL: none. */
mofka_status_t mmi_driver_open_store(mmi_driver_t *d, const mmi_settings_t *s,
                                     const char *resume_at);
/* Once the window is open: start to keep files, and make the topics that the store has. */
mofka_status_t mmi_driver_resume(mmi_driver_t *d);

/* ---- state.c ---- */

/* Whether MPI may be called, with this communicator. MOFKA_ERR_MPI, MOFKA_ERR_INVALID. */
mofka_status_t mmi_mpi_check(MPI_Comm comm);
/* By MPI_Init; not by sessions. */
bool mmi_mpi_is_initialized(void);
/* MPI_THREAD_SINGLE to MPI_THREAD_MULTIPLE. */
int mmi_mpi_thread_level(void);

/* ---- finalize.c ---- */

/* From now on MPI_Finalize closes this driver if the user does not. */
mofka_status_t mmi_finalize_watch(mmi_driver_t *d);
/* Undo mmi_finalize_watch. */
void mmi_finalize_unwatch(mmi_driver_t *d);
/* Claim the driver before closing it, so that MPI_Finalize does not. True: it was being watched. */
bool mmi_finalize_claim(mmi_driver_t *d);
/* Give the claim up. */
void mmi_finalize_return(mmi_driver_t *d);

/* ---- progress.c ---- */

/* Start the progress thread, which serves one-sided operations on this rank's memory. */
mofka_status_t mmi_progress_start(mmi_driver_t *d);
/* Whether a driver of this process runs one. */
bool mmi_progress_runs(void);
/* Stop it, if it runs. */
void mmi_progress_stop(mmi_driver_t *d);

#endif
