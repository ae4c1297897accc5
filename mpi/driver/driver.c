/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Creates the MPI driver, collectively over a communicator.
 *
 *   a rank's own step, which may fail       what all ranks do                 waits
 *   options, memory for the driver          roll call, MPI_Comm_idup; agree   until the deadline
 *   memory to compare options               agree, then Ibcast of the         until the deadline
 *                                           leader's; all compare
 *                                           meet, then Comm_split_type        in MPI
 *   memory to compare bindings              agree, then Iallgather            until the deadline
 *   open the store; rank 0 may make it,     agree, twice                      until the deadline
 *   and cuts it to "resume_at"
 *   check and make the window               whether one node; meet            until the deadline
 *   its share of the window                 MPI_Win_allocate                  in MPI
 *                                           agree                             until the deadline
 *   trial of an rma window                  operations on others' memory,     in MPI
 *                                           agree and meet in between         until the deadline
 *   progress thread, watch, zeros           agree                             until the deadline
 *   rank 0 makes the store's topics         agree                             until the deadline
 *   make the handle                         agree                             until the deadline
 *
 * To agree is to find the worst status of all ranks (ranks/ranks.h). A rank whose step failed takes
 * part in all that comes up to the next agreement, where every rank gets the error. Then all undo
 * what they have, in reverse order: handle, watch and progress thread, window, communicator,
 * memory. So no rank keeps a driver that others do not have.
 *
 * A rank that does not come to a step, or stops before it, is named by the others at their
 * deadline, "create_timeout_ms". They undo what is their own, and leave the window and the
 * communicator to MPI. MPI has no call with a limit for what waits "in MPI". So all ranks meet
 * before (ranks/meet.c): only a rank that stops or dies in that very call keeps the others waiting.
 *
 * If a call of MPI fails on one rank only, the others wait for it until their deadline.
 */
#include "mpi/driver/driver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <mofka/register.h>
#include <mofka/log.h>
#include "mpi/agent/agent.h"
#include "mpi/agent/serve.h"
#include "mpi/alive/alive.h"
#include "mpi/clerk/clerk.h"
#include "mpi/driver/settings.h"

/* How long a rank that has a core to itself looks again before it sleeps: longer than a wake-up. */
#define SPIN_NS 50000
/* For the close of a driver that could not be given to the user. */
#define UNDO_MS 5000

bool mmi_driver_is_owner(const mmi_driver_t *d, int rank) {
    assert(d->directory.owner_count >= 1);
    for (size_t i = 0; i < d->directory.owner_count; i++)
        if (d->directory.owners[i] == rank)
            return true;
    return false;
}

/* Whether this rank has more of the window than a share header. */
static bool mmi_driver_has_memory(const mmi_driver_t *d) {
    return d->rank == 0 || mmi_driver_is_owner(d, d->rank);
}

static uint64_t mmi_driver_share_bytes(const mmi_driver_t *d, int rank) {
    return mmi_driver_is_owner(d, rank)
               ? mmi_directory_arena_start(&d->directory, rank) + d->directory.arena_bytes
               : mmi_directory_stage_start(&d->directory, rank);
}

/* ---- the window ------------------------------------------------------------------------------ */

/* Whether a progress thread may run. */
static mofka_status_t mmi_driver_check_level(void) {
    return mmi_mpi_thread_level() == MPI_THREAD_MULTIPLE
               ? MOFKA_OK
               : mofka_fail(MOFKA_ERR_UNSUPPORTED,
                            "window \"rma\" runs a progress thread and needs MPI_THREAD_MULTIPLE "
                            "from MPI_Init_thread; or pass \"progress\": \"none\"");
}

/* Owners do by their progress threads what ranks of other nodes ask of them. */
static mofka_status_t mmi_driver_check_node_window(const mmi_settings_t *s) {
    if (s->progress == MMI_PROGRESS_NONE)
        return mofka_fail(MOFKA_ERR_OPTION, "MPI driver: window \"node\" needs progress threads; "
                                            "\"progress\" must not be \"none\"");
    return mmi_mpi_thread_level() == MPI_THREAD_MULTIPLE
               ? MOFKA_OK
               : mofka_fail(MOFKA_ERR_UNSUPPORTED,
                            "window \"node\" runs progress threads and needs MPI_THREAD_MULTIPLE "
                            "from MPI_Init_thread; \"rma\" can do without");
}

/* Whether this node has memory for its ranks' windows. Where rma has several nodes, MPI chooses
 * where the memory is. */
static mofka_status_t mmi_driver_check_memory(const mmi_driver_t *d, int kind) {
    uint64_t bytes = 0;
    int ranks = 0;
    if (kind != MMI_WINDOW_NODE && d->node.rank_count != d->size)
        return MOFKA_OK;
    for (int i = 0; i < d->size; i++)
        if (kind != MMI_WINDOW_NODE || d->node.of[i] == d->node.of[d->rank]) {
            bytes += mmi_driver_share_bytes(d, i);
            ranks++;
        }
    return mmi_node_check_memory(ranks, bytes, d->directory.arena_bytes);
}

static mofka_status_t mmi_driver_check_window(const mmi_driver_t *d, const mmi_settings_t *s,
                                              int kind) {
    mofka_status_t status = MOFKA_OK;
    if (kind == MMI_WINDOW_SHM && d->node.rank_count != d->size)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "window \"shm\" needs all ranks on one node; this node has %d of %d",
                          d->node.rank_count, d->size);
    if (kind == MMI_WINDOW_NODE)
        status = mmi_driver_check_node_window(s);
    else if (kind == MMI_WINDOW_RMA && s->progress == MMI_PROGRESS_THREAD)
        status = mmi_driver_check_level();
    return status ? status : mmi_driver_check_memory(d, kind);
}

/* Local: the window's memory, and what it has to know of threads and cores. */
static mofka_status_t mmi_driver_make_window(mmi_driver_t *d, const mmi_settings_t *s, int kind) {
    mmi_window_t *w;
    bool shm = kind == MMI_WINDOW_SHM;
    assert(!d->directory.w);
    mmi_rma_options_t rma = {.own_memory = s->memory == MMI_MEMORY_CREATE,
                             .checked_locks = s->lock_all == MMI_LOCK_ALL_CHECK,
                             .serial_words = s->words == MMI_WORDS_SERIAL,
                             .several_nodes = d->several_nodes,
                             .nonce = d->nonce,
                             .node = kind == MMI_WINDOW_NODE ? d->node.comm : MPI_COMM_NULL};
    mofka_status_t status = shm ? mmi_window_create_shm(d->rank, d->size, &w)
                                : mmi_window_create_rma(d->rank, d->size, &rma, &w);
    if (status)
        return status;
    w->one_thread = !shm && mmi_mpi_thread_level() < MPI_THREAD_MULTIPLE;
    w->thread = pthread_self();
    w->spin_ns = mmi_node_has_core_each(&d->node) ? SPIN_NS : 0;
    w->node_of = d->node.of;
    if (w->near)
        w->near->spin_ns = w->spin_ns;
    d->directory.w = w;
    return MOFKA_OK;
}

/* Undo the window, which is collective: it is freed only if every rank has one, and is here. */
static void mmi_driver_drop_window(mmi_driver_t *d) {
    mmi_ranks_t *r = d->ranks;
    mmi_vote_t least = {MMI_LEFT, d->rank};
    if (!r->broken &&
        mmi_meet(r, d->directory.w->win != MPI_WIN_NULL ? 0 : MOFKA_ERR_MPI, r->deadline, &least))
        mmi_meet_leave(r);
    mmi_driver_stop(d, least.value == 0);
}

static mofka_status_t mmi_driver_open_window(mmi_driver_t *d, const mmi_settings_t *s, int kind) {
    mofka_status_t status = mmi_driver_check_window(d, s, kind);
    if (!status)
        status = mmi_driver_make_window(d, s, kind);
    status = mmi_agree_and_meet(d->ranks, status, "checking its window");
    mmi_window_t *w = d->directory.w;
    if (status) {
        if (w)
            w->ops->destroy(w);
        d->directory.w = NULL;
        return status;
    }
    status = w->ops->open(w, d->comm, mmi_driver_share_bytes(d, d->rank));
    status = mmi_agree(d->ranks, status, "allocating its window");
    if (status)
        mmi_driver_drop_window(d);
    return status;
}

/* The window's kind; "auto" means the same on all ranks. */
static mofka_status_t mmi_driver_choose_window(mmi_driver_t *d, const mmi_settings_t *s,
                                               int *kind) {
    /* The largest of these: whether there are several nodes; a number that other drivers do not
     * have. */
    uint64_t found[2] = {d->node.rank_count != d->size,
                         (uint64_t)mmi_wall_ns() ^ (uint64_t)getpid() << 40 ^ (uintptr_t)d << 16};
    mofka_status_t status = mmi_ranks_largest(d->ranks, found, "choosing its window");
    if (status)
        return status;
    d->several_nodes = found[0] != 0;
    d->nonce = found[1];
    *kind = s->window != MMI_WINDOW_AUTO ? s->window
            : d->several_nodes           ? MMI_WINDOW_RMA
                                         : MMI_WINDOW_SHM;
    if (*kind == MMI_WINDOW_RMA && !d->several_nodes && d->rank == 0 && d->size > 1)
        mofka_log(MOFKA_LOG_WARN, "window \"rma\" on one node: \"shm\" is faster, and needs no "
                                  "progress from MPI");
    return MOFKA_OK;
}

/* ---- the trial of an rma window -------------------------------------------------------------- */

/* Try the operations on all ranks that have memory: the owners, and rank 0. */
static mofka_status_t mmi_driver_try_window(mmi_driver_t *d) {
    mmi_directory_t *directory = &d->directory;
    size_t count = directory->owner_count;
    int *targets = malloc((count + 1) * sizeof *targets);
    mofka_status_t status = MOFKA_ERR_MEMORY;
    if (targets) {
        memcpy(targets, directory->owners, count * sizeof *targets);
        if (!mmi_driver_is_owner(d, 0))
            targets[count++] = 0;
        status = mmi_rma_try(directory->w, targets, count);
    }
    free(targets);
    status = mmi_agree(d->ranks, status, "trying its window");
    if (status)
        return status;
    if (mmi_driver_has_memory(d))
        status = mmi_rma_judge(directory->w);
    return mmi_agree(d->ranks, status, "trying its window");
}

/* Decide whether owners run progress threads, and start this rank's. In a node window they do. */
static mofka_status_t mmi_driver_start_rma(mmi_driver_t *d, const mmi_settings_t *s) {
    mmi_window_t *w = d->directory.w;
    bool runs = s->progress == MMI_PROGRESS_THREAD || w->near;
    mofka_status_t status = mmi_driver_try_window(d);
    if (!status && w->near)
        status = mmi_near_check(w);
    if (!status && w->near)
        mmi_alive_announce(w->near);
    if (!status && !runs && s->progress == MMI_PROGRESS_AUTO) {
        status = mmi_agree_and_meet(d->ranks, MOFKA_OK, "trying its window");
        if (!status)
            status = mmi_rma_needs_progress(w, d->comm, (uint64_t)d->node.leader + 1,
                                            mmi_progress_runs(), &runs);
    }
    if (!status && runs)
        status = mmi_driver_check_level();
    if (status)
        return status;
    w->nudges = runs;
    w->reserve = s->reserve;
    w->comm = d->comm;
    w->own_by_cpu = runs || s->progress == MMI_PROGRESS_AUTO; /* else calls may drive MPI */
    if (!w->one_thread && s->agent)
        status = mmi_agent_create(w, &w->agent);
    if (!status && runs)
        status = mmi_clerk_create(w, mmi_driver_share_bytes(d, d->rank));
    if (status)
        return status;
    if (w->near)
        w->clerk->serve = mmi_agent_serve;
    return runs && mmi_driver_has_memory(d) ? mmi_progress_start(d) : MOFKA_OK;
}

/* Make this rank's header, directory and staging region zero, and see whether the memory is shared.
 * MPICH 3.4.1 makes such windows for processes of several jobs on one node, and shares nothing
 * between the jobs. */
static mofka_status_t mmi_driver_start_shm(mmi_driver_t *d) {
    mmi_window_t *w = d->directory.w;
    const uint64_t place = offsetof(mmi_share_t, identity);
    uint64_t arena_bytes = mmi_driver_is_owner(d, d->rank) ? d->directory.arena_bytes : 0;
    mofka_status_t status =
        mmi_window_zero(w, d->rank, 0, mmi_driver_share_bytes(d, d->rank) - arena_bytes);
    if (!status)
        mmi_alive_announce(w);
    if (!status)
        w->ops->store(w, d->rank, place, d->nonce + (uint64_t)d->rank);
    status = mmi_agree(d->ranks, status, "starting");
    for (int i = 0; i < d->size && !status; i++)
        if (w->ops->load(w, i, place) != d->nonce + (uint64_t)i)
            status = mofka_fail(MOFKA_ERR_UNSUPPORTED,
                                "this MPI does not share the memory of rank %d with rank %d; pass "
                                "\"window\": \"rma\"",
                                i, d->rank);
    return status;
}

static void mmi_driver_log_start(const mmi_driver_t *d) {
    const mmi_window_t *w = d->directory.w;
    const char *progress = "";
    char mpi[256];
    mmi_rma_describe_mpi(mpi, sizeof mpi);
    if (w->ops->needs_progress)
        progress = w->nudges ? ", owners run progress threads" : ", no progress threads";
    mofka_log(MOFKA_LOG_INFO,
              "rank %d of %d: window \"%s\"%s, arenas of %" PRIu64 " bytes at %zu owners; %s",
              d->rank, d->size, w->name, progress, d->directory.arena_bytes,
              d->directory.owner_count, mpi);
}

/* For messages of other ranks. */
static void mmi_driver_store_host(const mmi_driver_t *d) {
    const mmi_window_t *w = d->directory.w;
    uint64_t words[MMI_HOST_WORDS] = {0};
    mmi_share_t *share = (mmi_share_t *)(void *)w->base[w->ops->has_addresses ? d->rank : 0];
    if (gethostname((char *)words, sizeof words - 1))
        memcpy(words, "?", 2);
    memcpy(share->host, words, sizeof words);
}

static mofka_status_t mmi_driver_start(mmi_driver_t *d, const mmi_settings_t *s) {
    int kind = MMI_WINDOW_AUTO;
    assert(!d->directory.w && !d->has_progress);
    mofka_status_t status = mmi_driver_choose_window(d, s, &kind);
    if (!status)
        status = mmi_driver_open_window(d, s, kind);
    if (status)
        return status;
    status = kind == MMI_WINDOW_SHM ? mmi_driver_start_shm(d) : mmi_driver_start_rma(d, s);
    if (!status)
        status = mmi_finalize_watch(d);
    if (!status)
        mmi_driver_store_host(d);
    status = mmi_agree(d->ranks, status, "starting");
    if (status)
        mmi_driver_drop_window(d);
    else
        mmi_driver_log_start(d);
    return status;
}

/* ---- the driver ------------------------------------------------------------------------------ */

static void mmi_driver_destroy(void *self) {
    mmi_driver_t *d = self;
    assert(!d->has_progress && !d->directory.w);
    if (d->ranks)
        mmi_ranks_free(d->ranks);
    mmi_stage_destroy(d->directory.stage);
    mmi_records_destroy(&d->directory.records);
    mmi_node_destroy(&d->node);
    free(d->directory.owners);
    free(d);
}

/* What this rank has before it joins the others. */
typedef struct preparation {
    mmi_driver_t *driver;
    mmi_settings_t settings;
    mmi_own_settings_t own;
    int *owners;
    mofka_status_t status;
} preparation_t;

static preparation_t mmi_driver_prepare(MPI_Comm users, const char *options) {
    preparation_t p = {.driver = calloc(1, sizeof *p.driver)};
    p.status = mmi_settings_read(options, mmi_ranks_count(users), &p.settings, &p.owners, &p.own);
    if (!p.driver)
        p.status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for a driver");
    return p;
}

static mmi_driver_t *mmi_driver_init(preparation_t *p, mmi_ranks_t *ranks) {
    mmi_driver_t *d = p->driver;
    assert(d && p->owners); /* else the ranks had not agreed */
    d->ranks = ranks;
    d->comm = ranks->comm;
    d->rank = ranks->rank;
    d->size = ranks->size;
    d->keyval = MPI_KEYVAL_INVALID;
    d->process = getpid();
    d->node.comm = MPI_COMM_NULL;
    d->directory.topic_ops = &mmi_topic_ops;
    d->directory.owners = p->owners;
    mmi_records_init(&d->directory.records);
    return d;
}

/* Collective. A driver without a window. */
static mofka_status_t mmi_driver_allocate(MPI_Comm users, preparation_t *p, mmi_driver_t **out) {
    mmi_ranks_t *ranks = NULL;
    mofka_status_t status = mmi_ranks_create(users, p->own.high, p->own.create_timeout_ms, &ranks);
    if (!status)
        status = mmi_agree(ranks, p->status, "reading its options");
    if (status) {
        if (ranks)
            mmi_ranks_free(ranks);
        free(p->driver);
        free(p->owners);
        return status;
    }
    *out = mmi_driver_init(p, ranks);
    return MOFKA_OK;
}

/* The option "per_node": the lowest rank of each node. */
static size_t mmi_driver_choose_owners(const mmi_driver_t *d, int *owners) {
    size_t count = 0;
    for (int i = 0; i < d->size; i++)
        if (d->node.of[i] == i)
            owners[count++] = i;
    assert(count >= 1);
    return count;
}

static mofka_status_t mmi_driver_open(mmi_driver_t *d, preparation_t *p) {
    mmi_settings_t *s = &p->settings;
    mmi_directory_t *directory = &d->directory;
    mofka_status_t status = mmi_settings_agree(d->ranks, &p->own, s, directory->owners);
    directory->arena_bytes = s->arena_bytes;
    directory->directory_bytes = s->directory_bytes;
    directory->owner_count = (size_t)s->owner_count;
    if (!status)
        status = mmi_node_find(d->ranks, s->node_ranks, &d->node);
    if (!status && s->owner_count == 0)
        directory->owner_count = mmi_driver_choose_owners(d, directory->owners);
    if (!status)
        status = mmi_driver_open_store(d, s, p->own.resume_at);
    if (!status)
        status = mmi_driver_start(d, s);
    mmi_node_leave(d->ranks, &d->node);
    if (status || !directory->store)
        return status;
    status = mmi_driver_resume(d);
    if (status)
        mmi_driver_drop_window(d);
    return status;
}

static void mmi_driver_node_place(void *self, size_t *index, size_t *count) {
    const mmi_driver_t *d = self;
    assert(d->node.binding_index < d->node.binding_count);
    *index = d->node.binding_index;
    *count = d->node.binding_count;
}

static void mmi_driver_process(void *self, size_t *index, size_t *count) {
    const mmi_driver_t *d = self;
    assert(d->rank >= 0 && d->rank < d->size);
    *index = (size_t)d->rank;
    *count = (size_t)d->size;
}

static bool mmi_driver_any_thread(void *self) {
    const mmi_driver_t *d = self;
    return !d->directory.w->one_thread;
}

static const mofka_driver_ops_t driver_ops = {
    .size = sizeof driver_ops,
    .create_topic = mmi_driver_create_topic,
    .open_topic = mmi_driver_open_topic,
    .topic_exists = mmi_driver_topic_exists,
    .list_topics = mmi_driver_list_topics,
    .node_place = mmi_driver_node_place,
    .process = mmi_driver_process,
    .any_thread = mmi_driver_any_thread,
    .topic_stats = mmi_driver_topic_stats,
    .close = mmi_driver_close,
    .destroy = mmi_driver_destroy,
    .delete_topic = mmi_driver_delete_topic,
    .rank_stats = mmi_driver_rank_stats,
};

/* Close a driver that some rank could not make a handle of. */
static void mmi_driver_take_back(mmi_driver_t *d, mofka_driver_t *driver) {
    mofka_status_t status =
        driver ? mofka_driver_close(driver, UNDO_MS) : mmi_driver_close(d, UNDO_MS);
    if (status && !d->ranks->broken) { /* a rank has stopped */
        mmi_meet_leave(d->ranks);
        status = driver ? mofka_driver_close(driver, 0) : mmi_driver_close(d, 0);
    }
    assert(!status);
    if (driver)
        mofka_driver_release(driver); /* close has destroyed d */
    else
        mmi_driver_destroy(d);
}

/* Make the handle of an open driver, which it takes, even on failure. */
static mofka_status_t mmi_driver_give(mmi_driver_t *d, mofka_driver_t **out) {
    mofka_driver_t *driver = NULL;
    char message[MOFKA_MESSAGE_BYTES_MAX + 1];
    mofka_status_t status = mofka_driver_wrap("mpi", &driver_ops, d, &driver);
    status = mmi_agree(d->ranks, status, "making its handle");
    if (!status) {
        *out = driver;
        return MOFKA_OK;
    }
    snprintf(message, sizeof message, "%s", mofka_last_error());
    mmi_driver_take_back(d, driver);
    return mofka_fail(status, "%s", message);
}

mofka_status_t mofka_mpi_driver_create(MPI_Comm comm, const char *options,
                                       mofka_driver_t **driver) {
    mmi_driver_t *d = NULL;
    mofka_status_t status = mmi_mpi_check(comm);
    if (status)
        return status;
    int saved = errno; /* MPI may change it */
    preparation_t p = mmi_driver_prepare(comm, options);
    status = mmi_driver_allocate(comm, &p, &d);
    if (!status)
        status = mmi_driver_open(d, &p);
    if (!status)
        status = mmi_driver_give(d, driver);
    else if (d)
        mmi_driver_destroy(d);
    free(p.own.resume_at);
    errno = saved;
    return status;
}

mofka_status_t mofka_mpi_driver_create_f(MPI_Fint comm, const char *options,
                                         mofka_driver_t **driver) {
    return mofka_mpi_driver_create(MPI_Comm_f2c(comm), options, driver);
}

static mofka_status_t mmi_driver_create_world(const char *options, mofka_driver_t **driver) {
    return mofka_mpi_driver_create(MPI_COMM_WORLD, options, driver);
}
MOFKA_REGISTER_DRIVER(mpi, mmi_driver_create_world);
