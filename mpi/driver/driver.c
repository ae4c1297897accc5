/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The MPI driver: created collectively over a communicator, closed collectively; nothing in between
 * is.
 *
 * Every step of creation that can fail on one rank ends in an agreement of all (an Allreduce of
 * what went wrong), so one rank's error is everyone's and nobody waits for ever. Options are read and
 * agreed on in mpi_settings.c. Close is in mpi_close.c, what MPI_Finalize does to a forgotten driver in
 * mpi_finalize.c.
 */
#include "mpi/driver/driver.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <mofka/register.h>
#include <mofka/log.h>
#include "mpi/driver/settings.h"

/* How long a rank that has a core to itself looks again before it sleeps: longer than a wake-up. */
#define SPIN_NS 50000

static bool is_owner(const mmi_driver_t *d, int rank) {
    for (size_t i = 0; i < d->directory.owner_count; i++)
        if (d->directory.owners[i] == rank)
            return true;
    return false;
}

static uint64_t share_bytes(const mmi_driver_t *d, int rank) {
    return mmi_directory_arena_start(&d->directory, rank) +
           (is_owner(d, rank) ? d->directory.arena_bytes : 0);
}

/* One rank's error is everyone's: the lowest code, from the lowest rank that has it. */
static mofka_status_t agree(const mmi_driver_t *d, mofka_status_t status, const char *step) {
    struct {
        int status, rank;
    } own = {(int)status, d->rank}, worst;
    int error = MPI_Allreduce(&own, &worst, 1, MPI_2INT, MPI_MINLOC, d->comm);
    if (error)
        return mmi_mpi_fail("MPI_Allreduce", error);
    if (worst.status == MOFKA_OK || status)
        return status;
    return mofka_fail((mofka_status_t)worst.status, "MPI driver: rank %d failed while %s: %s",
                      worst.rank, step, mofka_status_text((mofka_status_t)worst.status));
}

static mofka_status_t check_mpi(void) {
    int flag;
    if (MPI_Initialized(&flag) || !flag)
        return mofka_fail(MOFKA_ERR_MPI, "MPI is not initialised: call MPI_Init_thread first");
    if (MPI_Finalized(&flag) || flag)
        return mofka_fail(MOFKA_ERR_MPI, "MPI is finalised already");
    if (mmi_is_forked())
        return mofka_fail(MOFKA_ERR_MPI,
                          "this process was forked from one that uses MPI, and cannot use it");
    return MOFKA_OK;
}

/* How many ranks share this node; among those with this rank's binding, how many and which one. */
static mofka_status_t look_at_node(mmi_driver_t *d) {
    MPI_Comm node;
    int node_rank;
    int error = MPI_Comm_split_type(d->comm, MPI_COMM_TYPE_SHARED, d->rank, MPI_INFO_NULL, &node);
    if (error)
        return mmi_mpi_fail("MPI_Comm_split_type", error);
    MPI_Comm_rank(node, &node_rank);
    MPI_Comm_size(node, &d->node_size);
    cpu_set_t own;
    CPU_ZERO(&own);
    sched_getaffinity(getpid(), sizeof own, &own);
    cpu_set_t *all = calloc((size_t)d->node_size, sizeof *all);
    if (!all)
        error = MPI_ERR_NO_MEM;
    int alike = !error; /* one rank without memory must not leave the others waiting */
    MPI_Allreduce(MPI_IN_PLACE, &alike, 1, MPI_INT, MPI_MIN, node);
    if (alike)
        error = MPI_Allgather(&own, sizeof own, MPI_BYTE, all, sizeof own, MPI_BYTE, node);
    for (int i = 0; alike && !error && i < d->node_size; i++) {
        bool same = CPU_EQUAL(&all[i], &own);
        d->binding_count += same;
        d->binding_index += same && i < node_rank;
    }
    free(all);
    MPI_Comm_free(&node);
    return error ? mmi_mpi_fail("looking at the node's bindings", error) : MOFKA_OK;
}

static mofka_status_t check_memory(const mmi_driver_t *d) {
    uint64_t need = 0;
    struct statvfs fs;
    for (int i = 0; i < d->size; i++)
        need += share_bytes(d, i);
    if (d->node_size < d->size || statvfs("/dev/shm", &fs) ||
        need <= (uint64_t)fs.f_bavail * fs.f_frsize)
        return MOFKA_OK;
    return mofka_fail(MOFKA_ERR_FULL,
                      "the windows of %d ranks need %" PRIu64
                      " bytes, the node's shared memory has "
                      "%" PRIu64 "; lower \"arena_bytes\" (%" PRIu64 ") or name fewer \"owners\"",
                      d->size, need, (uint64_t)fs.f_bavail * fs.f_frsize, d->directory.arena_bytes);
}

static mofka_status_t check_window(const mmi_driver_t *d, const mmi_settings_t *s, bool shm) {
    if (shm && d->node_size != d->size)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "window \"shm\" needs all ranks on one node; here are %d of %d",
                          d->node_size, d->size);
    int level;
    MPI_Query_thread(&level);
    if (!shm && s->progress == MMI_PROGRESS_THREAD && level < MPI_THREAD_MULTIPLE)
        return mofka_fail(
            MOFKA_ERR_UNSUPPORTED,
            "window \"rma\" runs a progress thread and needs MPI_THREAD_MULTIPLE from "
            "MPI_Init_thread; or pass \"progress\": \"none\"");
    return check_memory(d);
}

/* Local: what the window is told about threads and cores. */
static mofka_status_t new_window(mmi_driver_t *d, bool shm) {
    mofka_status_t status = shm ? mmi_window_shm(d->rank, d->size, &d->directory.w)
                                : mmi_window_rma(d->rank, d->size, &d->directory.w);
    if (status)
        return status;
    int level;
    MPI_Query_thread(&level);
    d->directory.w->one_thread = !shm && level < MPI_THREAD_MULTIPLE;
    d->directory.w->thread = pthread_self();
    cpu_set_t own;
    CPU_ZERO(&own);
    sched_getaffinity(0, sizeof own, &own);
    d->directory.w->spin_ns = d->binding_count <= (size_t)CPU_COUNT(&own) ? SPIN_NS : 0;
    return MOFKA_OK;
}

/* A failed window is freed only where every rank has one: that is collective. */
static void drop_window(mmi_driver_t *d) {
    int every = d->directory.w->win != MPI_WIN_NULL;
    MPI_Allreduce(MPI_IN_PLACE, &every, 1, MPI_INT, MPI_MIN, d->comm);
    if (!every)
        d->directory.w->win = MPI_WIN_NULL;
    mmi_driver_stop(d);
}

static mofka_status_t make_window(mmi_driver_t *d, const mmi_settings_t *s) {
    bool shm =
        s->window == MMI_WINDOW_SHM || (s->window == MMI_WINDOW_AUTO && d->node_size == d->size);
    /* auto must mean the same everywhere */
    int all = shm;
    int error = MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, d->comm);
    if (error)
        return mmi_mpi_fail("MPI_Allreduce", error);
    shm = s->window == MMI_WINDOW_AUTO ? all : shm;
    mofka_status_t status = check_window(d, s, shm);
    if (!status)
        status = new_window(d, shm);
    status = agree(d, status, "checking its window");
    if (status) {
        if (d->directory.w)
            d->directory.w->ops->destroy(d->directory.w);
        return status;
    }
    status = agree(d, d->directory.w->ops->open(d->directory.w, d->comm, share_bytes(d, d->rank)),
                   "allocating its window");
    if (status) {
        drop_window(d);
        return status;
    }
    if (!shm && s->progress == MMI_PROGRESS_THREAD && (is_owner(d, d->rank) || d->rank == 0))
        status = mmi_progress_start(d);
    if (!status)
        status = mmi_finalize_watch(d);
    if (!status)
        status = mmi_window_zero(d->directory.w, d->rank, 0,
                                 mmi_directory_arena_start(&d->directory, d->rank));
    status = agree(d, status, "starting");
    if (status)
        mmi_driver_stop(d);
    else
        mofka_log(MOFKA_LOG_INFO,
                  "rank %d of %d: window \"%s\", arenas of %" PRIu64 " bytes at %zu owners",
                  d->rank, d->size, d->directory.w->ops->name, d->directory.arena_bytes,
                  d->directory.owner_count);
    return status;
}

static void driver_free(mmi_driver_t *d) {
    if (d->comm != MPI_COMM_NULL)
        MPI_Comm_free(&d->comm);
    mmi_known_topics_destroy(&d->known_topics);
    free(d->directory.owners);
    free(d);
}

static mofka_status_t create(MPI_Comm comm, const char *options, mmi_driver_t **out) {
    mofka_status_t status = check_mpi();
    if (status)
        return status;
    if (comm == MPI_COMM_NULL)
        return mofka_fail(MOFKA_ERR_INVALID, "the communicator is MPI_COMM_NULL");
    mmi_driver_t *d = calloc(1, sizeof *d);
    if (!d)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for a driver");
    d->comm = MPI_COMM_NULL;
    d->keyval = MPI_KEYVAL_INVALID;
    d->process = getpid();
    mmi_known_topics_init(&d->known_topics);
    d->directory.topic_ops = &mmi_topic_ops;
    int error = MPI_Comm_dup(comm, &d->comm);
    if (error) {
        free(d);
        return mmi_mpi_fail("MPI_Comm_dup", error);
    }
    MPI_Comm_set_errhandler(d->comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(d->comm, &d->rank);
    MPI_Comm_size(d->comm, &d->size);
    mmi_settings_t settings;
    bool join;
    status = mmi_settings_read(options, d->size, &settings, &d->directory.owners, &join);
    status = agree(d, status, "reading its options");
    if (!status)
        status = mmi_settings_agree(d->comm, join, &settings, d->directory.owners);
    d->directory.arena_bytes = settings.arena_bytes;
    d->directory.directory_bytes = settings.directory_bytes;
    d->directory.owner_count = (size_t)settings.owner_count;
    if (!status)
        status = agree(d, look_at_node(d), "looking at its node");
    if (!status)
        status = make_window(d, &settings);
    if (status)
        driver_free(d);
    else
        *out = d;
    return status;
}

static void destroy(void *self) {
    driver_free(self);
}

static void node_place(void *self, size_t *index, size_t *count) {
    const mmi_driver_t *d = self;
    *index = d->binding_index;
    *count = d->binding_count;
}

static void process(void *self, size_t *index, size_t *count) {
    const mmi_driver_t *d = self;
    *index = (size_t)d->rank;
    *count = (size_t)d->size;
}

static const mofka_driver_ops_t driver_ops = {
    .size = sizeof driver_ops,
    .create_topic = mmi_driver_create_topic,
    .open_topic = mmi_driver_open_topic,
    .topic_exists = mmi_driver_topic_exists,
    .list_topics = mmi_driver_list_topics,
    .node_place = node_place,
    .process = process,
    .topic_stats = mmi_driver_topic_stats,
    .close = mmi_close_driver,
    .destroy = destroy,
};

mofka_status_t mofka_mpi_driver_create(MPI_Comm comm, const char *options,
                                       mofka_driver_t **driver) {
    mmi_driver_t *d;
    mofka_status_t status = create(comm, options, &d);
    return status ? status : mofka_driver_wrap("mpi", &driver_ops, d, driver);
}

mofka_status_t mofka_mpi_driver_create_f(MPI_Fint comm, const char *options,
                                         mofka_driver_t **driver) {
    return mofka_mpi_driver_create(MPI_Comm_f2c(comm), options, driver);
}

static mofka_status_t create_world(const char *options, const mofka_driver_ops_t **ops,
                                   void **self) {
    mmi_driver_t *d;
    mofka_status_t status = create(MPI_COMM_WORLD, options, &d);
    if (status)
        return status;
    *ops = &driver_ops;
    *self = d;
    return MOFKA_OK;
}
MOFKA_REGISTER_DRIVER(mpi, create_world);
