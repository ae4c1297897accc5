/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver over a communicator of an MPI session, without MPI_Init. The argument is the window.
 * Exit 77 (skipped) where MPI has no sessions.
 */
#include <sys/wait.h>
#include <unistd.h>
#include "support/mpi/one_event.h"

static void refuse_without_mpi(void) {
    mofka_driver_t *driver;
    NEEDS(mofka_mpi_driver_create(MPI_COMM_WORLD, NULL, &driver) == MOFKA_ERR_MPI);
    NEEDS(strstr(mofka_last_error(), "not initialised"));
    NEEDS(mofka_driver_create("mpi", NULL, &driver) == MOFKA_ERR_MPI);
    NEEDS(mofka_mpi_driver_create(MPI_COMM_NULL, NULL, &driver) == MOFKA_ERR_INVALID);
}

#if MPI_VERSION >= 4

static MPI_Comm session_open(MPI_Session *session) {
    MPI_Info info;
    MPI_Group group;
    MPI_Comm comm;
    MPI_Info_create(&info);
    MPI_Info_set(info, "thread_level", "MPI_THREAD_MULTIPLE");
    NEEDS(!MPI_Session_init(info, MPI_ERRORS_RETURN, session));
    MPI_Info_free(&info);
    NEEDS(!MPI_Group_from_session_pset(*session, "mpi://WORLD", &group));
    NEEDS(!MPI_Comm_create_from_group(group, "mofka", MPI_INFO_NULL, MPI_ERRORS_RETURN, &comm));
    MPI_Group_free(&group);
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    return comm;
}

/* A child has no MPI, although MPI_Initialized has always answered no. */
static void session_fork(MPI_Comm comm) {
    mofka_driver_t *driver;
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(mofka_mpi_driver_create(comm, NULL, &driver) == MOFKA_ERR_MPI ? 0 : 1);
    NEEDS(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv) {
    MPI_Session session;
    char options[64];
    int initialized = 0;
    if (argc != 2)
        return 2;
    refuse_without_mpi();
    MPI_Comm comm = session_open(&session);
    MPI_Initialized(&initialized);
    NEEDS(!initialized);
    snprintf(options, sizeof options, "{\"window\":\"%s\"}", argv[1]);
    mofka_driver_t *driver = one_event_open(comm, options);
    session_fork(comm);
    one_event_close(driver);
    printf("rank %d: done\n", rank);
    fflush(stdout);
    MPI_Comm_free(&comm);
    MPI_Session_finalize(&session);
    return 0;
}

#else

int main(void) {
    refuse_without_mpi();
    printf("skipped: this MPI has no sessions (version %d)\n", MPI_VERSION);
    return 77;
}

#endif
