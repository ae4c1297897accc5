/* SPDX-License-Identifier: BSD-3-Clause */
/* The MPI driver: its window, its directory, its topics. */
#ifndef MOFKA_MPI_DRIVER_H
#define MOFKA_MPI_DRIVER_H

#include <pthread.h>
#include <sys/types.h>
#include <mofka/backend.h>
#include <mofka/mpi.h>
#include "mpi/topic/stats.h"

typedef struct mmi_driver {
    struct mmi_driver *next; /* of the open ones; see mpi_finalize.c */
    MPI_Comm comm;
    int rank, size;
    mmi_directory_t directory; /* and the window; owned */
    mmi_known_topics_t known_topics;
    bool progress; /* whether the progress thread runs */
    pthread_t progress_thread;
    _Atomic int stop_progress;
    /* Close, see mpi_driver.c: the barrier, then what is agreed on. */
    enum { MMI_OPEN, MMI_ARRIVING, MMI_AGREEING, MMI_AGREED } closing;
    MPI_Request close_request;
    int frees_own, frees;                /* whether this rank, whether all ranks free the window */
    pid_t process;                       /* which made it; a forked child must leave it alone */
    int node_size;                       /* ranks of this node */
    size_t binding_count, binding_index; /* those of them with this one's binding; its turn */
    int keyval;                          /* of the attribute that MPI_Finalize finds */
} mmi_driver_t;

/* A topic's table. */
extern const mofka_topic_ops_t mmi_topic_ops;

/* Slots of the driver's table. */
mofka_status_t mmi_driver_create_topic(void *self, const mofka_topic_config_t *config);
mofka_status_t mmi_driver_open_topic(void *self, const char *name, mofka_topic_made_t *made);
mofka_status_t mmi_driver_topic_exists(void *self, const char *name, bool *exists);
mofka_status_t mmi_driver_list_topics(void *self, mofka_topic_visit_fn visit, void *context);
mofka_status_t mmi_driver_topic_stats(void *self, int64_t timeout_ms, struct cJSON *topics);

/* mpi_close.c: the slot of the table; the same without freeing the window, or waiting; what comes last,
 * once no rank uses the window; whether this process is a child of one that used MPI. */
mofka_status_t mmi_close_driver(void *self, int64_t timeout_ms);
void mmi_leave_behind(mmi_driver_t *d);
void mmi_driver_stop(mmi_driver_t *d);
bool mmi_is_forked(void);
/* mpi_finalize.c: let MPI_Finalize close the driver where that was forgotten; no longer; not while it is
 * being closed (true: it would have), and again. */
mofka_status_t mmi_finalize_watch(mmi_driver_t *d);
void mmi_finalize_unwatch(mmi_driver_t *d);
bool mmi_finalize_take(mmi_driver_t *d);
void mmi_finalize_put_back(mmi_driver_t *d);

mofka_status_t mmi_progress_start(mmi_driver_t *d);
void mmi_progress_stop(mmi_driver_t *d);

#endif
