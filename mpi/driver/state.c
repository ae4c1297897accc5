/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether MPI may be called, and from which threads.
 *
 * A program initialises MPI by MPI_Init_thread, or it opens sessions (MPI 4). With sessions only,
 * MPI_Initialized answers no, there is no MPI_COMM_SELF, and MPI_Query_thread may not be called.
 * MPI does not show the session of a communicator. So the thread level is that of a session that is
 * opened for a moment.
 */
#include <string.h>
#include <mofka/backend.h>
#include <mofka/log.h>
#include "mpi/driver/driver.h"

#define SESSIONS (MPI_VERSION >= 4)

static bool process_forked;
static _Atomic bool process_has_sessions; /* a driver was made without MPI_Init */

bool mmi_mpi_is_initialized(void) {
    int initialized = 0;
    return MPI_Initialized(&initialized) == MPI_SUCCESS && initialized;
}

static bool mpi_is_finalized(void) {
    int finalized = 0;
    return MPI_Finalized(&finalized) != MPI_SUCCESS || finalized;
}

/* Without MPI_Init, a communicator can only be a session's. */
static bool mpi_is_of_session(MPI_Comm comm) {
    return SESSIONS && comm != MPI_COMM_WORLD && comm != MPI_COMM_SELF;
}

/* Let the errors that concern no communicator be returned. They go to the handler of one of these:
 * MPI 3 takes the first, MPI 4 the second. */
static void mpi_return_errors(MPI_Errhandler before[2]) {
    MPI_Comm_get_errhandler(MPI_COMM_WORLD, &before[0]);
    MPI_Comm_get_errhandler(MPI_COMM_SELF, &before[1]);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
}

/* MPI's own handlers cannot be freed. */
static void mpi_free_handler(MPI_Errhandler *handler) {
    if (*handler != MPI_ERRORS_ARE_FATAL && *handler != MPI_ERRORS_RETURN)
        MPI_Errhandler_free(handler);
}

static void mpi_restore_errors(MPI_Errhandler before[2]) {
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, before[0]);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, before[1]);
    mpi_free_handler(&before[0]);
    mpi_free_handler(&before[1]);
}

/* Whether MPI knows the handle. It cannot tell of each: a handle of Open MPI is an address. */
static bool mpi_knows(MPI_Comm comm) {
    MPI_Errhandler before[2];
    int size = 0;
    mpi_return_errors(before);
    bool knows = MPI_Comm_size(comm, &size) == MPI_SUCCESS && size > 0;
    mpi_restore_errors(before);
    return knows;
}

mofka_status_t mmi_mpi_check(MPI_Comm comm) {
    if (comm == MPI_COMM_NULL)
        return mofka_fail(MOFKA_ERR_INVALID, "the communicator is MPI_COMM_NULL");
    /* Asked first: the MPI_Initialized of MPICH 3.4 answers no after MPI_Finalize. */
    if (mpi_is_finalized())
        return mofka_fail(MOFKA_ERR_MPI, "MPI is finalised already");
    if (!mmi_mpi_is_initialized() && !mpi_is_of_session(comm))
        return mofka_fail(MOFKA_ERR_MPI, "MPI is not initialised: call MPI_Init_thread first%s",
                          SESSIONS ? ", or pass a communicator of a session"
                                   : "; sessions need an MPI of version 4");
    if (process_forked)
        return mofka_fail(MOFKA_ERR_MPI,
                          "this process was forked from one that uses MPI, so it cannot use MPI");
    if (!mmi_mpi_is_initialized())
        process_has_sessions = true;
    else if (!mpi_knows(comm))
        return mofka_fail(MOFKA_ERR_INVALID, "MPI does not know the communicator: it was freed, or "
                                             "never was one");
    return MOFKA_OK;
}

/* ---- threads --------------------------------------------------------------------------------- */

#if SESSIONS
static int session_thread_level(MPI_Session session) {
    static const struct {
        const char *name;
        int level;
    } levels[] = {{"MPI_THREAD_MULTIPLE", MPI_THREAD_MULTIPLE},
                  {"MPI_THREAD_SERIALIZED", MPI_THREAD_SERIALIZED},
                  {"MPI_THREAD_FUNNELED", MPI_THREAD_FUNNELED}};
    MPI_Info info;
    char value[MPI_MAX_INFO_VAL + 1] = "";
    int bytes = sizeof value, found = 0;
    if (MPI_Session_get_info(session, &info))
        return MPI_THREAD_SINGLE;
    MPI_Info_get_string(info, "thread_level", &bytes, value, &found);
    MPI_Info_free(&info);
    for (size_t i = 0; found && i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(value, levels[i].name) == 0)
            return levels[i].level;
    return MPI_THREAD_SINGLE;
}

static int sessions_thread_level(void) {
    MPI_Session session;
    if (MPI_Session_init(MPI_INFO_NULL, MPI_ERRORS_RETURN, &session))
        return MPI_THREAD_SINGLE;
    int level = session_thread_level(session);
    MPI_Session_finalize(&session);
    return level;
}
#else
static int sessions_thread_level(void) {
    return MPI_THREAD_SINGLE;
}
#endif

int mmi_mpi_thread_level(void) {
    int level = MPI_THREAD_SINGLE;
    if (!mmi_mpi_is_initialized())
        return sessions_thread_level();
    MPI_Query_thread(&level);
    return level;
}

/* ---- fork ------------------------------------------------------------------------------------ */

static void process_after_fork(void) {
    process_forked = process_has_sessions || (mmi_mpi_is_initialized() && !mpi_is_finalized());
}

__attribute__((constructor)) static void process_watch_forks(void) {
    if (mofka_backend_at_fork(process_after_fork))
        mofka_log(MOFKA_LOG_ERROR, "watching forks: %s", mofka_last_error());
}
